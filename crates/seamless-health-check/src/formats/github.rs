//! GitHub workflow commands: an annotation per check that does not pass.

use crate::report::Report;
use crate::verdict::Verdict;

pub(super) fn render(report: &Report) -> String {
    let mut out = String::new();
    for finding in &report.findings {
        let command = match finding.outcome.verdict {
            Verdict::Fail => "error",
            Verdict::Warn => "warning",
            Verdict::Pass | Verdict::Skip(_) => continue,
        };
        let mut text = finding.message();
        for more in finding.advice() {
            text.push('\n');
            text.push_str(&more);
        }
        let title = escaped(&finding.check.id())
            .replace(',', "%2C")
            .replace(':', "%3A");
        out.push_str(&format!("::{command} title={title}::{}\n", escaped(&text)));
    }
    let counts = report.counts();
    out.push_str(&format!(
        "{} failed, {} warned, {} passed, {} skipped\n",
        counts.fail, counts.warn, counts.pass, counts.skip
    ));
    out
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}
