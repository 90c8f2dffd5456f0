//! Whether an alert can fire at all, given the series there are. Judged on the rules as Prometheus has
//! loaded them, since those are the ones that would page.

use seamless_core::duration;
use seamless_core::prometheus::InstantSeries;
use seamless_core::promql::Comparison;
use seamless_core::rules::{Rule, RuleFile};
use seamless_core::schema::{FAMILIES, Kind};

use super::shipped_names;
use crate::check::{Item, Outcome, Verdict};
use crate::checks::{listed, seconds};
use crate::facts::Facts;
use crate::request::Request;

/// The loaded rules in the form that the analysis reads.
fn live_rules(facts: &Facts) -> RuleFile {
    let groups = facts.rules.as_deref().unwrap_or_default();
    RuleFile::loaded(groups)
}

fn shipped_alerts(rules: &RuleFile) -> Vec<&Rule> {
    let names = shipped_names();
    rules
        .alerts()
        .filter(|rule| names.contains(rule.name.as_str()))
        .collect()
}

/// Items without repetition: alerts of one name often share a fate.
fn push(items: &mut Vec<Item>, item: Item) {
    if !items.contains(&item) {
        items.push(item);
    }
}

pub(super) fn inputs(facts: &Facts, _: &Request) -> Outcome {
    let series = match (&facts.rules, &facts.inputs) {
        (Ok(_), Ok(series)) => series,
        (Err(gap), _) | (_, Err(gap)) => return gap.outcome(),
    };
    let rules = live_rules(facts);
    let mut items = Vec::new();
    let mut unused = 0;
    let alerts = shipped_alerts(&rules);
    for rule in &alerts {
        let Ok(inputs) = rules.inputs(rule) else {
            continue;
        };
        let families = inputs.families();
        let some_live = families
            .iter()
            .any(|family| series.real(&family.tracked_names()) > 0.0);
        if families.is_empty() || some_live {
            continue;
        }
        let names: Vec<&str> = families.iter().map(|family| family.name).collect();
        if families.iter().any(|family| family.required) {
            let message = format!("reads {}, of which there are no series", listed(&names));
            push(&mut items, Item::new(&rule.name, Verdict::Fail, message));
        } else {
            // A feature that is not in use has no series, and nothing to alert on.
            unused += 1;
            let message = format!("{} is optional and not there", listed(&names));
            push(&mut items, Item::new(&rule.name, Verdict::Pass, message));
        }
    }
    let good = match unused {
        0 => format!("all of {} alerts", alerts.len()),
        n => format!(
            "{} of {} alerts; the other families are optional",
            alerts.len() - n,
            alerts.len()
        ),
    };
    Outcome::of(items, good)
}

/// The finite bucket bounds of a histogram, with how many series have each; and how many there are.
struct Buckets {
    finite: Vec<(f64, f64)>,
    series: f64,
}

fn buckets(series: &[InstantSeries], histogram: &str) -> Option<Buckets> {
    let name = format!("{histogram}_bucket");
    let mut found = Buckets {
        finite: Vec::new(),
        series: 0.0,
    };
    for bucket in series.iter().filter(|series| series.metric.name() == name) {
        let Ok(bound) = bucket.metric.get("le").parse::<f64>() else {
            continue;
        };
        let count = bucket.value.map_or(0.0, |sample| sample.value);
        if bound.is_finite() {
            found.finite.push((bound, count));
        } else {
            found.series += count;
        }
    }
    (!found.finite.is_empty()).then_some(found)
}

pub(super) fn thresholds(facts: &Facts, _: &Request) -> Outcome {
    let live = match (&facts.rules, &facts.buckets) {
        (Ok(_), Ok(live)) => live,
        (Err(gap), _) | (_, Err(gap)) => return gap.outcome(),
    };
    let rules = live_rules(facts);
    let mut items = Vec::new();
    for rule in shipped_alerts(&rules) {
        for threshold in rules.thresholds(rule).unwrap_or_default() {
            let upward = matches!(
                threshold.comparison,
                Comparison::Greater | Comparison::GreaterOrEqual
            );
            let Some(buckets) = buckets(live, &threshold.histogram) else {
                continue;
            };
            if threshold.native || !upward {
                continue;
            }
            let item = reach(rule, &threshold.histogram, threshold.threshold, &buckets);
            push(&mut items, item);
        }
        if let Some(item) = missing_edge(&rules, rule, live) {
            push(&mut items, item);
        }
    }
    if items.is_empty() {
        return Outcome::not_applicable(
            "no classic histogram with series is compared with anything",
        );
    }
    let good = format!(
        "{} thresholds lie below the highest finite bucket",
        items.len()
    );
    Outcome::of(items, good)
}

/// `histogram_quantile` never exceeds the highest finite bucket.
fn reach(rule: &Rule, histogram: &str, threshold: f64, buckets: &Buckets) -> Item {
    let top = buckets
        .finite
        .iter()
        .map(|(bound, _)| *bound)
        .fold(f64::MIN, f64::max);
    let subject = format!("{} > {threshold}", rule.name);
    if top <= threshold {
        let message = format!(
            "can never fire: the highest finite bucket of {histogram} is {top}; use the buckets {}",
            schema_buckets(histogram)
        );
        return Item::new(subject, Verdict::Fail, message);
    }
    let able = buckets
        .finite
        .iter()
        .filter(|(bound, _)| *bound > threshold)
        .map(|(_, count)| *count)
        .fold(0.0, f64::max);
    if able < buckets.series {
        let short = buckets.series - able;
        let message = format!(
            "{short} of {} series of {histogram} have no bucket above it: their requests count as less than they took",
            buckets.series
        );
        return Item::new(subject, Verdict::Warn, message);
    }
    Item::new(
        subject,
        Verdict::Pass,
        format!("below the top bucket {top}"),
    )
}

fn schema_buckets(histogram: &str) -> String {
    let family = FAMILIES.iter().find(|family| family.name == histogram);
    match family.map(|family| family.kind) {
        Some(Kind::Histogram(bounds)) => {
            let bounds: Vec<String> = bounds.iter().map(f64::to_string).collect();
            bounds.join(" ")
        }
        _ => "above the threshold".to_owned(),
    }
}

/// A selector that asks for a bucket edge which no live histogram has selects nothing.
fn missing_edge(rules: &RuleFile, rule: &Rule, live: &[InstantSeries]) -> Option<Item> {
    let inputs = rules.inputs(rule).ok()?;
    inputs.selectors.iter().find_map(|selector| {
        let name = selector.name()?;
        let mut edges = selector.matchers_of("le").peekable();
        edges.peek()?;
        let wanted: Vec<String> = selector
            .matchers_of("le")
            .map(|edge| edge.value.clone())
            .collect();
        let mut live = live
            .iter()
            .filter(|series| series.metric.name() == name)
            .peekable();
        live.peek()?;
        let matched = live.any(|series| {
            selector
                .matchers_of("le")
                .all(|edge| edge.is_match(series.metric.get("le")))
        });
        (!matched).then(|| {
            let message = format!(
                "can never fire: {name} has no bucket le={}",
                wanted.join(",")
            );
            Item::new(&rule.name, Verdict::Fail, message)
        })
    })
}

pub(super) fn ranges(facts: &Facts, _: &Request) -> Outcome {
    let (targets, jobs) = match (&facts.rules, &facts.targets, &facts.jobs) {
        (Ok(_), Ok(targets), Ok(jobs)) => (targets, jobs),
        (Err(gap), ..) | (_, Err(gap), _) | (.., Err(gap)) => return gap.outcome(),
    };
    let exporting = |job: &str| jobs.iter().any(|series| series.metric.get("job") == job);
    let scrape = targets
        .iter()
        .filter(|target| exporting(target.labels.get("job")))
        .filter_map(|target| duration::parse(&target.scrape_interval).ok())
        .max();
    let Some(scrape) = scrape else {
        return Outcome::not_applicable(
            "no scrape target exports the metrics, so there is no scrape interval",
        );
    };
    let rules = live_rules(facts);
    let names = shipped_names();
    let mut items = Vec::new();
    let ours = rules
        .rules()
        .filter(|rule| names.contains(rule.name.as_str()) || rule.name.starts_with("seamless:"));
    for rule in ours {
        let Ok(query) = rule.expr.query() else {
            continue;
        };
        let Some(shortest) = query.two_sample_ranges().into_iter().min() else {
            continue;
        };
        let item = if shortest < 2 * scrape {
            let message = format!(
                "can never fire: its range {} covers fewer than two scrapes of {}",
                duration::human(shortest),
                duration::human(scrape)
            );
            Item::new(&rule.name, Verdict::Fail, message)
        } else {
            let range = seconds(shortest.as_secs_f64());
            Item::new(&rule.name, Verdict::Pass, format!("range {range}"))
        };
        push(&mut items, item);
    }
    Outcome::of(
        items,
        format!(
            "every range covers two scrapes of {}",
            duration::human(scrape)
        ),
    )
}
