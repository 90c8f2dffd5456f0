//! What a scrape loses of the exposition, and what is against the specification.

use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::site::Exposed;
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, Verdict};

pub(super) const CHECK: Check = Check {
    name: "valid",
    group: Group::Exposition,
    title: "the exposition keeps the specification, and nothing of it is lost",
    needs: &[Need::Exposition],
    requires: &["exposition/readable"],
    severity: Severity::Warn,
    hint: "fix the place that is named: the scrape succeeds, and other readers differ",
    anchor: "check-exposition",
    explained: Explained {
        means: "The scrape succeeds, but something is lost or against the specification (a series twice, a histogram without `+Inf`), or the other generation of Prometheus would refuse it.",
        remedy: "Mend the line that is named. What the other generation refuses is to be mended before an upgrade.",
        example: "warn  document: line 40, column 1: duplicate series; first on line 12; Prometheus keeps the first and drops this one",
        korean: Korean {
            title: "노출 텍스트가 규격에 맞고 잃는 것이 없다",
            means: "스크레이프는 성공하지만 무언가를 잃거나 규격에 어긋난다(두 번 나오는 시계열, `+Inf`가 없는 히스토그램). 또는 다른 세대의 Prometheus라면 거부한다.",
            remedy: "메시지에 나온 줄을 고친다. 다른 세대가 거부하는 것은 업그레이드하기 전에 고친다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    Ok(judge(site.exposition().await?))
}

fn judge(exposed: &Exposed) -> CheckOutcome {
    let survey = &exposed.survey;
    let mut items = Vec::new();
    let mut warn = |subject: &str, message: String| {
        items.push(Item::new(subject, Verdict::Warn, message));
    };
    let other = exposed.scraper.other();
    if let Some(why) = exposed.refused_by(other) {
        warn("scrape", format!("{other} would refuse it: {why}"));
    }
    for finding in &survey.report.findings {
        let effect = finding.problem.effect();
        let further = match finding.further {
            0 => String::new(),
            further => format!(" (and {further} more)"),
        };
        warn("document", format!("{finding}{further}; {effect}"));
    }
    if survey.report.left_out > 0 {
        let kinds = survey.report.left_out;
        warn("document", format!("{kinds} more findings"));
    }
    if let Some(untimely) = &survey.untimely {
        let (line, samples) = (untimely.line, untimely.samples);
        let what = if untimely.ahead {
            "more than 10 minutes ahead; Prometheus drops it without a word"
        } else {
            "more than an hour old; Prometheus may drop it without a word"
        };
        let message = format!("line {line}: the timestamp is {what} ({samples} such samples)");
        warn(&untimely.name, message);
    }
    if let Some(message) = unescaped(exposed) {
        warn("names", message);
    }
    CheckOutcome::of(items, "nothing is lost, and the specification is kept")
}

/// A name in quotes in a document that says that it escapes such names.
fn unescaped(exposed: &Exposed) -> Option<String> {
    let escaping = exposed.content_type.as_ref()?.escaping()?;
    let (name, line) = exposed.survey.quoted.as_ref()?;
    (escaping != "allow-utf-8").then(|| {
        let name = name.escape_debug();
        format!("line {line}: the name \"{name}\" is not escaped, although the Content-Type says escaping={escaping}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::exposed;

    #[test]
    fn a_series_that_stands_twice_is_lost() {
        for (document, verdict) in [
            ("# TYPE a gauge\na 1\n", Verdict::Pass),
            ("# TYPE a gauge\na 1\na 2\n", Verdict::Warn),
            // More than an hour old.
            ("# TYPE a gauge\na 1 1000\n", Verdict::Warn),
        ] {
            let outcome = judge(&exposed(document));
            assert_eq!(outcome.verdict, verdict, "{document}: {outcome:?}");
        }
    }
}
