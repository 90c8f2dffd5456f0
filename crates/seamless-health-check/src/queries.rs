//! The PromQL that the checks ask with. Every query aggregates on the server: what comes back is bounded
//! by the number of names, labels or phases, never by the number of series. Of a histogram the server
//! reads `_count`, unless the buckets are what matters: there are twenty of them to each. What is asked
//! about metrics is None where there is nothing to ask about them.

use std::collections::BTreeSet;
use std::time::Duration;

use seamless_core::duration;
use seamless_core::prometheus::{Selector, quote};
use seamless_core::rules::Profile;
use seamless_core::schema::{DRILL_LABEL, FAMILIES, Kind, Phase};

use crate::request::Metric;

/// The histogram of the SLA.
pub(crate) const SLA: &str = "seamless_sla_deadline_seconds";
const QUANTILE: f64 = 0.99;

fn names(metrics: &[Metric]) -> impl Iterator<Item = String> {
    metrics.iter().flat_map(|metric| metric.tracked.clone())
}

fn tagged(expression: &str, label: &str, value: &str) -> String {
    // In the replacement `$` stands for a group.
    let value = quote(&value.replace('$', "$$"));
    format!(r#"label_replace({expression}, "{label}", {value}, "", "")"#)
}

/// The names under which the metrics and every family of the schema are tracked.
pub(crate) fn tracked(metrics: &[Metric]) -> BTreeSet<String> {
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

/// The time of each metric's newest real sample, under the label `metric`.
pub(crate) fn ages(metrics: &[Metric]) -> Option<String> {
    // One name at a time: `timestamp` drops the name, and `_sum` and `_count` have the same labels else.
    let of_metric = |metric: &Metric| {
        let any = newest(metric.tracked.iter().map(String::as_str));
        tagged(&format!("max({any})"), "metric", &metric.name)
    };
    Some(
        metrics
            .iter()
            .map(of_metric)
            .collect::<Vec<_>>()
            .join(" or "),
    )
}

/// The time of the newest real sample of each of `names`, under the label `name`.
pub(crate) fn newest<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let newest = names.map(|name| {
        let selector = Selector::name(name).with(DRILL_LABEL, "");
        tagged(&format!("max(timestamp({selector}))"), "name", name)
    });
    newest.collect::<Vec<_>>().join(" or ")
}

/// How many real series lack a label that the schema asks for, under the labels `metric` and `missing`.
/// None if no metric is of the schema.
pub(crate) fn missing_labels(metrics: &[Metric]) -> Option<String> {
    let mut parts = Vec::new();
    for metric in metrics {
        let Some(family) = metric.family else {
            continue;
        };
        // A domain may have no world, and Prometheus keeps no empty label.
        for label in family.labels.iter().filter(|label| **label != "world_id") {
            let selector = Selector::any_name(&metric.tracked)
                .with(DRILL_LABEL, "")
                .with(label, "");
            let counted = tagged(&format!("count({selector})"), "metric", &metric.name);
            parts.push(tagged(&counted, "missing", label));
        }
    }
    (!parts.is_empty()).then(|| parts.join(" or "))
}

/// The jobs that export the metrics, now or an hour ago.
pub(crate) fn jobs(metrics: &[Metric]) -> Option<String> {
    let selector = Selector::any_name(names(metrics)).with(DRILL_LABEL, "");
    Some(format!(
        "count by (job) ({selector}) or count by (job) ({selector} offset 1h)"
    ))
}

/// The jobs that exported the metrics at any time in the last hour.
pub(crate) fn jobs_of_the_hour(metrics: &[Metric]) -> Option<String> {
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

/// Real series of the schema's histograms per name and bucket bound.
pub(crate) fn buckets() -> String {
    let selector = Selector::any_name(histograms().map(|(name, _)| name)).with(DRILL_LABEL, "");
    format!("count by (__name__, le) ({selector})")
}

/// The same without the schema's own bounds between, of which there are 17 in 20: where every series has
/// the top one, they tell nothing more. The total budget stays, which rules ask for by itself.
pub(crate) fn outer_buckets() -> String {
    let mut between: Vec<String> = histograms()
        .filter_map(|(_, bounds)| bounds.split_last())
        .flat_map(|(_, lower)| lower)
        .filter(|bound| **bound != Phase::Total.budget_seconds())
        .map(|bound| edge(*bound))
        .collect();
    between.sort();
    between.dedup();
    let selector = Selector::any_name(histograms().map(|(name, _)| name))
        .with(DRILL_LABEL, "")
        .not_matching("le", &between.join("|"));
    format!("count by (__name__, le) ({selector})")
}

/// A pattern of either writing of a bucket edge.
fn edge(bound: f64) -> String {
    format!("{}([.]0)?", bound.to_string().replace('.', "[.]"))
}

/// The p99 of real requests by phase, classic or native.
pub(crate) fn p99(window: Duration) -> String {
    let window = duration::format(window);
    let classic = Selector::name(&format!("{SLA}_bucket")).with(DRILL_LABEL, "");
    let native = Selector::name(SLA).with(DRILL_LABEL, "");
    format!(
        "histogram_quantile({QUANTILE}, sum by (phase, le) (rate({classic}[{window}]))) \
         or histogram_quantile({QUANTILE}, sum by (phase) (rate({native}[{window}])))"
    )
}

/// The buckets of real requests by phase, as [`Buckets::of`](crate::latency::Buckets::of) reads them; the label
/// `what` tells the parts apart. `budgets` are the edges at which it matters who has them.
pub(crate) fn latency(window: Duration, budgets: &[f64]) -> String {
    let window = duration::format(window);
    let real = |name: String| Selector::name(&name).with(DRILL_LABEL, "");
    let bucket = || real(format!("{SLA}_bucket"));
    let (count, sum) = (real(format!("{SLA}_count")), real(format!("{SLA}_sum")));
    let native = real(SLA.to_owned());
    let edges: Vec<String> = budgets.iter().map(|budget| edge(*budget)).collect();
    let at_budget = bucket().matching("le", &edges.join("|"));
    let (all, of_all) = (bucket(), bucket());
    [
        (
            "within",
            format!("sum by (phase, le) (rate({all}[{window}]))"),
        ),
        ("series", format!("count by (phase, le) ({of_all})")),
        ("sum", format!("sum by (phase) (rate({sum}[{window}]))")),
        (
            "observed",
            format!(
                "sum by (phase, le) (0 * rate({at_budget}[{window}]) \
                 + ignoring (le) group_left () rate({count}[{window}]))"
            ),
        ),
        (
            "native",
            format!("histogram_quantile({QUANTILE}, sum by (phase) (rate({native}[{window}])))"),
        ),
    ]
    .map(|(what, part)| tagged(&part, "what", what))
    .join(" or ")
}

/// The share of requests over their budget by phase: as recorded over 30 days, else over the last hour (then
/// with the label `window`); and with the label `what` how many series have no edge at their budget.
pub(crate) fn error_ratio(budget: impl Fn(Phase) -> f64, profile: Profile) -> String {
    let recorded = Selector::name("seamless:sla_error:ratio_rate30d").with(DRILL_LABEL, "");
    let mut recorded_phases = Vec::new();
    let mut raw = Vec::new();
    let mut outside = Vec::new();
    for phase in Phase::ALL {
        let of_phase = |name: &str| {
            Selector::name(&format!("{SLA}{name}"))
                .with("phase", phase.label())
                .with(DRILL_LABEL, "")
        };
        let within = of_phase("_bucket").matching("le", &edge(budget(phase)));
        let all = of_phase("_count");
        // Only of the series that have the edge: the others would count as over budget.
        let share = format!(
            "1 - sum(rate({within}[1h])) \
             / (sum(0 * rate({within}[1h]) + ignoring (le) rate({all}[1h])) > 0)"
        );
        let share = tagged(&format!("({share})"), "phase", phase.label());
        raw.push(tagged(&share, "window", "1h"));
        let without = format!("count({all} unless ignoring (le) {within})");
        let without = tagged(&without, "phase", phase.label());
        outside.push(tagged(&without, "what", "outside"));
        // A budget of one's own is not what the rule recorded.
        if (budget(phase) - profile.budget_seconds(phase)).abs() <= f64::EPSILON {
            recorded_phases.push(phase.label());
        }
    }
    let recorded = recorded.matching("phase", &recorded_phases.join("|"));
    format!(
        "max by (phase) ({recorded}) or on (phase) ({}) or {}",
        raw.join(" or "),
        outside.join(" or ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_query_is_promql() {
        let metrics: Vec<Metric> = FAMILIES
            .iter()
            .map(|family| Metric::parse(family.name).unwrap())
            .chain([Metric::parse("job:any:rate5m").unwrap()])
            .collect();
        let queries = [
            presence(&tracked(&metrics).into_iter().collect::<Vec<_>>()),
            presence_of(&["a".to_owned(), "b".to_owned()]),
            ages(&metrics).unwrap(),
            missing_labels(&metrics).unwrap(),
            jobs(&metrics).unwrap(),
            jobs_of_the_hour(&metrics).unwrap(),
            buckets(),
            outer_buckets(),
            p99(Duration::from_secs(300)),
            latency(Duration::from_secs(300), &[3.0, 60.0]),
            error_ratio(Phase::budget_seconds, Profile::Baseline),
            error_ratio(|_| 12.5, Profile::Baseline),
        ];
        for query in queries {
            assert!(
                seamless_core::promql::Query::parse(&query).is_ok(),
                "{query}"
            );
        }
    }

    #[test]
    fn both_writings_of_a_bucket_edge_are_asked_for() {
        assert!(
            error_ratio(Phase::budget_seconds, Profile::Baseline).contains(r#"le=~"60([.]0)?""#)
        );
        assert!(error_ratio(|_| 2.5, Profile::Baseline).contains(r#"le=~"2[.]5([.]0)?""#));
    }
}
