//! Whether the Prometheus that scrapes it takes the exposition.

use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::site::Exposed;
use crate::site::Site;
use crate::verdict::CheckOutcome;

pub(super) const CHECK: Check = Check {
    name: "readable",
    group: Group::Exposition,
    title: "Prometheus accepts the exposition",
    needs: &[Need::Exposition],
    requires: &[],
    severity: Severity::Fail,
    hint: "fix the place that is named; Prometheus refuses the whole scrape",
    anchor: "check-exposition",
    explained: Explained {
        means: "The Prometheus that scrapes it refuses the whole exposition: no metric of this target is stored. Which generation counts is `--scraper`, else that of `--prometheus-url`, else 3.",
        remedy: "Mend the line and column that are named. *fallback_scrape_protocol*: answer with a proper `Content-Type`, or set that word in the scrape configuration.",
        example: "fail  Prometheus 3 refuses the whole scrape: line 12, column 31: …",
        korean: Korean {
            title: "Prometheus가 노출 텍스트를 받아들인다",
            means: "스크레이프하는 Prometheus가 노출 텍스트 전체를 거부한다. 이 타깃의 메트릭은 하나도 저장되지 않는다. 기준이 되는 세대는 `--scraper`, 없으면 `--prometheus-url`의 세대, 그것도 없으면 3이다.",
            remedy: "메시지에 나온 줄과 열을 고친다. *fallback_scrape_protocol*이 나오면 올바른 `Content-Type`으로 응답하거나 스크레이프 설정에 그 항목을 넣는다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    Ok(judge(site.exposition().await?))
}

fn judge(exposed: &Exposed) -> CheckOutcome {
    let scraper = exposed.scraper;
    if let Some(why) = exposed.refused_by(scraper) {
        return CheckOutcome::fail(format!("{scraper} refuses the whole scrape: {why}"));
    }
    let survey = &exposed.survey;
    CheckOutcome::pass(format!(
        "{scraper} takes {} samples in {} families",
        survey.report.samples,
        survey.families.len()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::exposed;

    #[test]
    fn a_document_is_taken_whole_or_not_at_all() {
        for (document, passes) in [
            ("a 1\n", true),
            ("a{b=\"c\"} 1\nd 2\n", true),
            ("a one\n", false),
            ("a{b=} 1\n", false),
        ] {
            let outcome = judge(&exposed(document));
            assert_eq!(!outcome.verdict.is_bad(), passes, "{document}: {outcome:?}");
        }
    }
}
