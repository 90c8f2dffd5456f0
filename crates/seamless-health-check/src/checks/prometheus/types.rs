//! Whether targets state the types of the schema.

use std::collections::{BTreeMap, BTreeSet};

use seamless_core::prometheus::MetricMetadata;
use seamless_core::schema::Kind;

use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::presence::Presence;
use crate::queries;
use crate::request::RequestedMetric;
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, Verdict};
use crate::words::listed;

/// The types that targets state, by name.
type Stated = BTreeMap<String, Vec<MetricMetadata>>;

pub(super) const CHECK: Check = Check {
    name: "types",
    group: Group::Prometheus,
    title: "types of metrics match the schema",
    needs: &[Need::Prometheus],
    requires: &["prometheus/queries"],
    severity: Severity::Warn,
    hint: "the runtime's release does not fit the schema",
    anchor: "check-prometheus",
    explained: Explained {
        means: "A target states another type for a metric than the schema has: functions such as rate() or histogram_quantile() give nonsense on it.",
        remedy: "Use a release of the runtime that fits the schema, or look for another exporter that uses the same name.",
        example: "warn  seamless_sla_deadline_seconds: is a gauge, should be a histogram",
        korean: Korean {
            title: "타입이 스키마와 같다",
            means: "타깃이 밝힌 메트릭의 타입이 스키마와 다르다. rate()나 histogram_quantile() 같은 함수의 결과가 의미 없게 된다.",
            remedy: "스키마에 맞는 런타임 릴리스를 쓰거나, 같은 이름을 쓰는 다른 익스포터가 있는지 찾는다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    let (metadata, presence) = tokio::join!(site.metadata(), site.presence());
    let (metadata, metrics) = (metadata?, &site.request.metrics);
    let counted = presence.map_or_else(|_| Vec::new(), |found| counted(metrics, metadata, found));
    // Buckets are asked for only where nothing else tells a histogram: there are twenty of them to each.
    let bucketed = if counted.is_empty() {
        BTreeSet::new()
    } else {
        let found = site.instant(&queries::top_buckets(&counted)).await?;
        let names = found
            .iter()
            .map(|series| series.metric.get("name").to_owned());
        names.collect()
    };
    let headless: BTreeSet<&str> = counted
        .into_iter()
        .filter(|name| !bucketed.contains(*name))
        .collect();
    Ok(judge(metrics, metadata, &headless))
}

/// The types that a server states of a metric.
fn stated<'m>(metric: &RequestedMetric, metadata: &'m Stated) -> Vec<&'m MetricMetadata> {
    let named = metric.exposed.iter().filter_map(|name| metadata.get(name));
    named.flatten().collect()
}

/// The histograms of which nothing states a type, and of which the classic `_count` is all that is known.
fn counted(
    metrics: &[RequestedMetric],
    metadata: &Stated,
    presence: &Presence,
) -> Vec<&'static str> {
    let families = metrics.iter().filter_map(|metric| {
        let family = metric.family?;
        let is_histogram = matches!(family.kind, Kind::Histogram(_));
        (is_histogram && stated(metric, metadata).is_empty()).then_some(family.name)
    });
    let count = |name: String| presence.real(&[name]);
    families
        .filter(|name| count(format!("{name}_count")) > 0.0 && count((*name).to_owned()) == 0.0)
        .collect()
}

fn judge(
    metrics: &[RequestedMetric],
    metadata: &Stated,
    headless: &BTreeSet<&str>,
) -> CheckOutcome {
    let mut items = Vec::new();
    for metric in metrics {
        let Some(family) = metric.family else {
            continue;
        };
        let stated = stated(metric, metadata);
        let expected = family.kind.word();
        let wrong: BTreeSet<&str> = stated
            .iter()
            .map(|entry| entry.kind.as_str())
            .filter(|kind| *kind != expected && *kind != "unknown" && *kind != "gaugehistogram")
            .collect();
        if !wrong.is_empty() {
            let found: Vec<&str> = wrong.into_iter().collect();
            let message = format!("is a {}, should be a {expected}", listed(&found));
            items.push(Item::new(&metric.name, Verdict::Warn, message));
        } else if !stated.is_empty() {
            items.push(Item::new(&metric.name, Verdict::Pass, expected));
        } else if headless.contains(family.name) {
            let message = "has _sum and _count but no buckets: a summary?";
            items.push(Item::new(&metric.name, Verdict::Warn, message));
        }
    }
    if items.is_empty() {
        return CheckOutcome::not_applicable(
            "the server has no metadata for these metrics (remote write, federation or VictoriaMetrics)",
        );
    }
    let count = items.len();
    CheckOutcome::of(items, format!("types of {count} metrics match the schema"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stated_type_counts_before_the_names_that_are_there() {
        let metrics = [RequestedMetric::parse("seamless_sla_deadline_seconds").unwrap()];
        let stated = |kind: &str| -> Stated {
            let entry = serde_json::json!({ "type": kind, "help": "", "unit": "" });
            let entry = serde_json::from_value(entry).unwrap();
            [("seamless_sla_deadline_seconds".to_owned(), vec![entry])].into()
        };
        let headless = BTreeSet::from(["seamless_sla_deadline_seconds"]);
        let known = BTreeSet::new();
        for (stated, headless, verdict) in [
            (stated("histogram"), &known, Verdict::Pass),
            (stated("unknown"), &known, Verdict::Pass),
            (stated("gauge"), &known, Verdict::Warn),
            (Stated::new(), &headless, Verdict::Warn),
        ] {
            let outcome = judge(&metrics, &stated, headless);
            assert_eq!(outcome.verdict, verdict, "{outcome:?}");
        }
        let outcome = judge(&metrics, &Stated::new(), &known);
        assert!(matches!(outcome.verdict, Verdict::Skip(_)), "{outcome:?}");
    }
}
