//! JUnit XML: one suite per group, one case per check.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Report as Junit, TestCase, TestCaseStatus, TestSuite};

use crate::check::Group;
use crate::report::{CheckResult, Report};
use crate::verdict::Verdict;

pub(super) fn render(report: &Report) -> anyhow::Result<String> {
    let mut document = Junit::new("seamless-health-check");
    document.set_time(report.took);
    for group in Group::ALL {
        let findings = report
            .findings
            .iter()
            .filter(|finding| finding.check.group == group);
        let mut suite = TestSuite::new(group.name());
        suite.set_time(Duration::ZERO);
        for finding in findings {
            suite.add_test_case(case(finding));
        }
        if !suite.test_cases.is_empty() {
            document.add_test_suite(suite);
        }
    }
    Ok(as_schema_has_it(&document.to_string()?))
}

/// Without the count of skipped cases in the outermost element, where Jenkins's schema knows none; each
/// suite has its own.
fn as_schema_has_it(xml: &str) -> String {
    let counted = xml.split_once("<testsuites ").and_then(|(before, root)| {
        let (root, after) = root.split_once('>')?;
        let (kept, skipped) = root.split_once(" skipped=\"")?;
        let (_, more) = skipped.split_once('"')?;
        Some(format!("{before}<testsuites {kept}{more}>{after}"))
    });
    counted.unwrap_or_else(|| xml.to_owned())
}

fn case(finding: &CheckResult) -> TestCase {
    let message = plain(&finding.message());
    let status = match &finding.outcome.verdict {
        Verdict::Pass | Verdict::Warn => TestCaseStatus::success(),
        Verdict::Fail => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_type("fail").set_message(message.clone());
            status.set_description(plain(&details(finding)));
            status
        }
        Verdict::Skip(_) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(message.clone());
            status
        }
    };
    let mut case = TestCase::new(finding.check.id(), status);
    case.set_classname(format!("seamless.{}", finding.check.group.name()));
    case.set_time(Duration::ZERO);
    match finding.outcome.verdict {
        // JUnit knows no warning; it stays readable in the case's output.
        Verdict::Warn => {
            case.set_system_out(plain(&format!("warning: {}", details(finding))));
        }
        Verdict::Pass => {
            case.set_system_out(message);
        }
        Verdict::Fail | Verdict::Skip(_) => {}
    }
    case
}

fn details(finding: &CheckResult) -> String {
    let mut lines = vec![finding.message()];
    for item in &finding.outcome.items {
        if matches!(item.verdict, Verdict::Warn | Verdict::Fail) {
            lines.push(format!("{}: {}", item.subject, item.message));
        }
    }
    lines.extend(finding.advice());
    lines.join("\n")
}

/// Without what XML cannot hold.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|c| *c == '\n' || !(c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')))
        .collect()
}
