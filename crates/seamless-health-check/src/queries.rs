//! The PromQL that the checks ask with. Every query aggregates on the server: what comes back is bounded
//! by the number of names, labels or phases, never by the number of series. Of a histogram the server
//! reads `_count`, unless the buckets are what matters: there are twenty of them to each. What is asked
//! about metrics is None where there is nothing to ask about them.

use std::collections::BTreeSet;

use seamless_core::prometheus::{Selector, quote};
use seamless_core::schema::{DRILL_LABEL, FAMILIES, Kind, Phase};

use crate::request::RequestedMetric;

/// How many real series lack a label that the schema asks for, under the labels `metric` and `missing`; and in how
/// many a label of the target hides it, under `metric` and `hidden`. None if no metric is of the schema.
pub(crate) fn labels(metrics: &[RequestedMetric]) -> Option<String> {
    let mut parts = Vec::new();
    for metric in metrics {
        let Some(family) = metric.family else {
            continue;
        };
        for label in family.labels {
            let mut push = |narrowed: &dyn Fn(Selector) -> Selector, what| {
                let names = metric.tracked.iter();
                let series = names.map(|name| narrowed(real(name)).to_string());
                let counted = format!("count({})", series.collect::<Vec<_>>().join(" or "));
                let counted = tagged(&counted, "metric", &metric.name);
                parts.push(tagged(&counted, what, label));
            };
            // A domain may have no world, and Prometheus keeps no empty label.
            if *label != "world_id" {
                push(&|series| series.with(label, ""), "missing");
            }
            let exported = format!("exported_{label}");
            push(&|series| series.without(&exported, ""), "hidden");
        }
    }
    (!parts.is_empty()).then(|| parts.join(" or "))
}

/// The histogram of the SLA.
pub(crate) const SLA: &str = "seamless_sla_deadline_seconds";

/// The buckets of a phase, summed over the fleet, as the shipped rules record them.
pub(crate) const SLA_BUCKETS: &str = "seamless:sla_bucket:rate5m";

/// How many series of a phase have no edge at its budget, as the shipped rules record it.
pub(crate) const SLA_WITHOUT_EDGE: &str = "seamless:sla_series_without_edge:count";

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

/// The names whose series are counted: those of the metrics, of the families that every runtime has, and of the
/// schema's native histograms.
pub(crate) fn counted(metrics: &[RequestedMetric]) -> BTreeSet<String> {
    let required = FAMILIES.iter().filter(|family| family.required);
    let native = FAMILIES
        .iter()
        .filter(|family| matches!(family.kind, Kind::Histogram(_)));
    required
        .flat_map(|family| family.tracked_names())
        .chain(native.map(|family| family.name.to_owned()))
        .chain(names(metrics))
        .collect()
}

/// Real series of the schema's other families: one for each domain, kind and reason, of which the index knows
/// whether there are any.
pub(crate) fn optional() -> Vec<String> {
    let optional = FAMILIES.iter().filter(|family| !family.required);
    let names = optional.flat_map(|family| family.tracked_names());
    names.map(|name| real(&name).to_string()).collect()
}

/// Series per drill and job of each of `names`, under the label `name`.
pub(crate) fn presence(names: &[String]) -> String {
    any(names, |name| {
        let counted = format!("count by ({DRILL_LABEL}, job) ({})", Selector::name(name));
        tagged(&counted, "name", name)
    })
}

/// Real series of each of `names`, under the label `name`, for looking back.
pub(crate) fn presence_of(names: &[String]) -> String {
    any(names, |name| {
        tagged(&format!("count({})", real(name)), "name", name)
    })
}

/// What any of the parts gives. A name of each part's own, as a pattern on names would make a server look
/// through all that it has.
fn any(names: &[String], part: impl Fn(&str) -> String) -> String {
    let parts: Vec<String> = names.iter().map(|name| part(name)).collect();
    parts.join(" or ")
}

/// How many real series of a last bucket each of these histograms has, under the label `name`.
pub(crate) fn top_buckets(families: &[&str]) -> String {
    let names: Vec<String> = families.iter().map(|&name| name.to_owned()).collect();
    any(&names, |name| {
        let buckets = real(&format!("{name}_bucket")).with("le", "+Inf");
        tagged(&format!("count({buckets})"), "name", name)
    })
}

/// The time of the newest real sample of each of `names`, under the label `name`.
pub(crate) fn newest<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let newest = names.map(|name| {
        let selector = Selector::name(name).with(DRILL_LABEL, "");
        tagged(&format!("max(timestamp({selector}))"), "name", name)
    });
    newest.collect::<Vec<_>>().join(" or ")
}

/// The jobs that exported the metrics an hour ago.
pub(crate) fn jobs_an_hour_ago(metrics: &[RequestedMetric]) -> Option<String> {
    let names: Vec<String> = names(metrics).collect();
    Some(any(&names, |name| {
        format!("count by (job) ({} offset 1h)", real(name))
    }))
}

/// The jobs that exported the metrics at any time in the last hour.
pub(crate) fn jobs_of_the_hour(metrics: &[RequestedMetric]) -> Option<String> {
    let names: Vec<String> = names(metrics).collect();
    Some(any(&names, |name| {
        format!("count by (job) (present_over_time({}[1h]))", real(name))
    }))
}

/// A pattern of either writing of a bucket edge.
pub(crate) fn edge(bound: f64) -> String {
    if bound.is_infinite() {
        return "[+]Inf".to_owned();
    }
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
            presence(&counted(&metrics).into_iter().collect::<Vec<_>>()),
            optional().join(" or "),
            presence_of(&["a".to_owned(), "b".to_owned()]),
            newest(["a", "b"].into_iter()),
            jobs_an_hour_ago(&metrics).unwrap(),
            jobs_of_the_hour(&metrics).unwrap(),
            labels(&metrics).unwrap(),
        ] {
            is_promql(&query);
        }
    }
}
