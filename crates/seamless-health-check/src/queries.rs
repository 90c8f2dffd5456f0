//! The PromQL that the checks ask with. Every query aggregates on the server: what comes back is bounded
//! by the number of names, labels or phases, never by the number of series. Of a histogram the server
//! reads `_count`, unless the buckets are what matters: there are twenty of them to each. What is asked
//! about metrics is None where there is nothing to ask about them.

use std::collections::BTreeSet;

use seamless_core::prometheus::{Selector, quote};
use seamless_core::schema::{DRILL_LABEL, FAMILIES, Kind, Phase};

use crate::request::RequestedMetric;

/// The histogram of the SLA.
pub(crate) const SLA: &str = "seamless_sla_deadline_seconds";

/// As many metrics as one query may name: far more than anyone asks for.
const METRICS_PER_QUERY: usize = 1000;

/// A query about all of `metrics`, as few times as there can be.
pub(crate) fn about_each(
    metrics: &[RequestedMetric],
    query: impl Fn(&[RequestedMetric]) -> Option<String>,
) -> Vec<String> {
    metrics
        .chunks(METRICS_PER_QUERY)
        .filter_map(query)
        .collect()
}

fn names(metrics: &[RequestedMetric]) -> impl Iterator<Item = String> {
    metrics.iter().flat_map(|metric| metric.tracked.clone())
}

/// The series of `expression` with one more label.
pub(crate) fn tagged(expression: &str, label: &str, value: &str) -> String {
    // In the replacement `$` stands for a group.
    let value = quote(&value.replace('$', "$$"));
    format!(r#"label_replace({expression}, "{label}", {value}, "", "")"#)
}

/// The names under which the metrics and every family of the schema are tracked.
pub(crate) fn tracked(metrics: &[RequestedMetric]) -> BTreeSet<String> {
    let families = FAMILIES.iter().flat_map(|family| family.tracked_names());
    families.chain(names(metrics)).collect()
}

/// Series per name and drill.
pub(crate) fn presence(names: &[String]) -> String {
    let selector = Selector::any_name(names);
    format!("count by (__name__, {DRILL_LABEL}) ({selector})")
}

/// Real series per name, for looking back.
pub(crate) fn presence_of(names: &[String]) -> String {
    let selector = Selector::any_name(names).with(DRILL_LABEL, "");
    format!("count by (__name__) ({selector})")
}

/// The time of the newest real sample of each of `names`, under the label `name`.
pub(crate) fn newest<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let newest = names.map(|name| {
        let selector = Selector::name(name).with(DRILL_LABEL, "");
        tagged(&format!("max(timestamp({selector}))"), "name", name)
    });
    newest.collect::<Vec<_>>().join(" or ")
}

/// The jobs that export the metrics, now or an hour ago.
pub(crate) fn jobs(metrics: &[RequestedMetric]) -> Option<String> {
    let selector = Selector::any_name(names(metrics)).with(DRILL_LABEL, "");
    Some(format!(
        "count by (job) ({selector}) or count by (job) ({selector} offset 1h)"
    ))
}

/// The jobs that exported the metrics at any time in the last hour.
pub(crate) fn jobs_of_the_hour(metrics: &[RequestedMetric]) -> Option<String> {
    let selector = Selector::any_name(names(metrics)).with(DRILL_LABEL, "");
    Some(format!(
        "count by (job) (present_over_time({selector}[1h]))"
    ))
}

/// The schema's histograms, each with its bounds.
pub(crate) fn histograms() -> impl Iterator<Item = (String, &'static [f64])> {
    FAMILIES.iter().filter_map(|family| match family.kind {
        Kind::Histogram(bounds) => Some((format!("{}_bucket", family.name), bounds)),
        Kind::Counter | Kind::Gauge => None,
    })
}

/// A pattern of either writing of a bucket edge.
pub(crate) fn edge(bound: f64) -> String {
    format!("{}([.]0)?", bound.to_string().replace('.', "[.]"))
}

/// Real series of this name.
pub(crate) fn real(name: &str) -> Selector {
    Selector::name(name).with(DRILL_LABEL, "")
}

/// Buckets of the SLA at a phase's budget.
pub(crate) fn at_budget(phase: Phase, budget: f64) -> Selector {
    real(&format!("{SLA}_bucket"))
        .with("phase", phase.label())
        .matching("le", &edge(budget))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::is_promql;

    #[test]
    fn every_query_is_promql() {
        let metrics: Vec<RequestedMetric> = FAMILIES
            .iter()
            .map(|family| RequestedMetric::parse(family.name).unwrap())
            .chain([RequestedMetric::parse("job:any:rate5m").unwrap()])
            .collect();
        for query in [
            presence(&tracked(&metrics).into_iter().collect::<Vec<_>>()),
            presence_of(&["a".to_owned(), "b".to_owned()]),
            newest(["a", "b"].into_iter()),
            jobs(&metrics).unwrap(),
            jobs_of_the_hour(&metrics).unwrap(),
        ] {
            is_promql(&query);
        }
    }
}
