//! Whether the series have the labels of the schema.

use seamless_core::prometheus::InstantSeries;

use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::request::RequestedMetric;
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, Verdict};

pub(super) const CHECK: Check = Check {
    name: "labels",
    group: Group::Prometheus,
    title: "labels of series match the schema",
    needs: &[Need::Prometheus],
    requires: &["prometheus/queries"],
    severity: Severity::Warn,
    hint: "the runtime's release does not fit the schema, or relabelling drops a label",
    anchor: "check-prometheus",
    explained: Explained {
        means: "Series lack a label that the schema asks for, or a label of the target itself stands in its place, so that rules and dashboards cannot tell phases, nodes or domains apart.",
        remedy: "Use a release of the runtime that fits the schema, or take the label out of what `metric_relabel_configs` drops. Where series have `exported_NAME`, take NAME out of the target's labels, or set `honor_labels: true`.",
        example: "warn  seamless_sla_deadline_seconds: 12 series lack the label phase",
        korean: Korean {
            title: "레이블이 스키마와 같다",
            means: "스키마가 요구하는 레이블이 시계열에 없거나 타깃 자체의 레이블이 그 자리에 있다. 규칙과 대시보드가 단계, 노드, 도메인을 구별하지 못한다.",
            remedy: "스키마에 맞는 런타임 릴리스를 쓰거나, `metric_relabel_configs`가 그 레이블을 지우지 않게 한다. 시계열에 `exported_NAME`이 있으면 타깃의 레이블에서 NAME을 빼거나 `honor_labels: true`로 설정한다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    let metrics = &site.request.metrics;
    Ok(judge(site.labels().await?, metrics))
}

fn judge(missing: &[InstantSeries], metrics: &[RequestedMetric]) -> CheckOutcome {
    let known = metrics
        .iter()
        .filter(|metric| metric.family.is_some())
        .count();
    if known == 0 {
        return CheckOutcome::not_applicable("no requested metric is in the schema");
    }
    let items = missing
        .iter()
        .map(|series| {
            let count = series.value.map_or(0.0, |sample| sample.value);
            let message = match (series.metric.get("missing"), series.metric.get("hidden")) {
                ("", hidden) => format!(
                    "{count} series have exported_{hidden}: the target's own label {hidden} stands in its place"
                ),
                (missing, _) => format!("{count} series lack the label {missing}"),
            };
            Item::new(series.metric.get("metric"), Verdict::Warn, message)
        })
        .collect();
    CheckOutcome::of(items, format!("labels of {known} metrics match the schema"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::series;

    const KNOWN: &str = "seamless_sla_deadline_seconds";

    #[test]
    fn each_label_that_is_missing_is_a_warning() {
        let missing = [series(&[("metric", KNOWN), ("missing", "phase")], 12.0)];
        let hidden = [series(&[("metric", KNOWN), ("hidden", "node_id")], 3.0)];
        for (name, missing, verdict, message) in [
            (
                KNOWN,
                &hidden[..],
                Verdict::Warn,
                "seamless_sla_deadline_seconds: 3 series have exported_node_id: the target's own label node_id stands in its place",
            ),
            (
                KNOWN,
                &[][..],
                Verdict::Pass,
                "labels of 1 metrics match the schema",
            ),
            (
                KNOWN,
                &missing[..],
                Verdict::Warn,
                "seamless_sla_deadline_seconds: 12 series lack the label phase",
            ),
        ] {
            let outcome = judge(missing, &[RequestedMetric::parse(name).unwrap()]);
            assert_eq!(
                (outcome.verdict, outcome.message.as_str()),
                (verdict, message)
            );
        }
        let outcome = judge(&[], &[RequestedMetric::parse("a").unwrap()]);
        assert!(matches!(outcome.verdict, Verdict::Skip(_)), "{outcome:?}");
    }
}
