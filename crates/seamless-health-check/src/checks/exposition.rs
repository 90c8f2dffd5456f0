//! The exposition text itself against the schema, with no Prometheus needed. Whether it is an
//! exposition at all is the strict reader's verdict; what it should hold is decided here.

use seamless_core::exposition::MetricType;
use seamless_core::exposition::read::Value;
use seamless_core::schema::{FAMILIES, Family, Kind, Phase};

use super::listed;
use crate::check::{Check, Group, Item, Outcome, Severity, Verdict};
use crate::facts::{Facts, Source};
use crate::request::Request;
use crate::survey::{Survey, Surveyed};

const READABLE: &str = "exposition/readable";
/// Names nearer than this are taken for a typo of a known one.
const TYPO_SIMILARITY: f64 = 0.9;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "readable",
        group: Group::Exposition,
        title: "the text is a valid exposition",
        sources: &[Source::Exposition],
        requires: &[],
        severity: Severity::Fail,
        hint: "fix the place that is named; Prometheus refuses the whole scrape",
        anchor: "check-exposition",
        judge: readable,
    },
    Check {
        name: "families",
        group: Group::Exposition,
        title: "required families are there, and no name is nearly right",
        sources: &[Source::Exposition],
        requires: &[READABLE],
        severity: Severity::Fail,
        hint: "fix the runtime's instrumentation: names are in docs/monitoring.md",
        anchor: "check-exposition",
        judge: families,
    },
    Check {
        name: "types",
        group: Group::Exposition,
        title: "types are as the schema says",
        sources: &[Source::Exposition],
        requires: &[READABLE],
        severity: Severity::Fail,
        hint: "fix the runtime's instrumentation",
        anchor: "check-exposition",
        judge: types,
    },
    Check {
        name: "labels",
        group: Group::Exposition,
        title: "labels are as the schema says",
        sources: &[Source::Exposition],
        requires: &[READABLE],
        severity: Severity::Fail,
        hint: "fix the runtime's instrumentation: labels are in docs/monitoring.md",
        anchor: "check-exposition",
        judge: labels,
    },
    Check {
        name: "buckets",
        group: Group::Exposition,
        title: "buckets carry the budgets",
        sources: &[Source::Exposition],
        requires: &[READABLE],
        severity: Severity::Fail,
        hint: "give the histogram the schema's buckets: every budget must be an edge below the top",
        anchor: "check-exposition",
        judge: buckets,
    },
];

fn with_exposition(facts: &Facts, judge: impl FnOnce(&Survey) -> Outcome) -> Outcome {
    match &facts.exposition {
        Ok(Ok(exposition)) => judge(exposition),
        Ok(Err(error)) => Outcome::fail(error.to_string()),
        Err(gap) => gap.outcome(),
    }
}

fn readable(facts: &Facts, _: &Request) -> Outcome {
    with_exposition(facts, |exposition| match exposition.samples {
        0 => Outcome::fail("it holds no sample").hint("check that this is the runtime's /metrics"),
        samples => Outcome::pass(format!(
            "{samples} samples in {} families",
            exposition.families.len()
        )),
    })
}

fn families(facts: &Facts, request: &Request) -> Outcome {
    with_exposition(facts, |exposition| {
        let mut items = Vec::new();
        for exposed in exposition
            .families
            .iter()
            .filter(|exposed| exposed.known.is_none())
        {
            if let Some(name) = meant(&exposed.name) {
                let message = format!("is in no schema; {name} is meant?");
                items.push(Item::new(&exposed.name, Verdict::Warn, message));
            }
        }
        let mut there = 0;
        for metric in &request.metrics {
            let found = |exposed: &Surveyed| metric.exposed.contains(&exposed.name);
            if exposition.families.iter().any(found) {
                there += 1;
            } else {
                items.push(Item::new(&metric.name, Verdict::Fail, "is not exposed"));
            }
        }
        Outcome::of(items, format!("all {there} required"))
    })
}

/// The known name that `name` looks like a typo of.
fn meant(name: &str) -> Option<&'static str> {
    let base = ["_created", "_bucket", "_sum", "_count", "_total"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(name);
    if FAMILIES.iter().any(|family| family.name == base) {
        // A suffix too many is how client libraries write timestamps of creation.
        return None;
    }
    FAMILIES
        .iter()
        .map(|family| {
            let base_of = family.name.strip_suffix("_total").unwrap_or(family.name);
            (
                family.name,
                strsim::jaro_winkler(base, base_of),
                strsim::levenshtein(base, base_of),
            )
        })
        .filter(|(_, similarity, edits)| *similarity > TYPO_SIMILARITY && (1..=3).contains(edits))
        .min_by_key(|(_, _, edits)| *edits)
        .map(|(name, ..)| name)
}

fn types(facts: &Facts, _: &Request) -> Outcome {
    with_exposition(facts, |exposition| {
        let mut items = Vec::new();
        for exposed in &exposition.families {
            let Some(family) = exposed.known else {
                continue;
            };
            let expected = match family.kind {
                Kind::Counter => MetricType::Counter,
                Kind::Gauge => MetricType::Gauge,
                Kind::Histogram(_) => MetricType::Histogram,
            };
            let word = |kind: MetricType| kind.word(exposition.format).unwrap_or("untyped");
            items.push(if exposed.kind == expected {
                Item::new(family.name, Verdict::Pass, word(expected))
            } else {
                let message = format!("is a {}, must be a {}", word(exposed.kind), word(expected));
                Item::new(family.name, Verdict::Fail, message)
            });
        }
        let good = format!("{} families of the schema", items.len());
        Outcome::of(items, good)
    })
}

fn labels(facts: &Facts, _: &Request) -> Outcome {
    with_exposition(facts, |exposition| {
        let mut items = Vec::new();
        for exposed in &exposition.families {
            let Some(family) = exposed.known else {
                continue;
            };
            for (label, line) in &exposed.lacking {
                let message = format!("line {line}: the label {label} is missing");
                items.push(Item::new(family.name, Verdict::Fail, message));
            }
            if !exposed.unknown_phases.is_empty() {
                let unknown: Vec<&String> = exposed.unknown_phases.iter().collect();
                let message = format!("unknown phase: {}", listed(&unknown));
                items.push(Item::new(family.name, Verdict::Warn, message));
            }
        }
        Outcome::of(items, "every series has its labels")
    })
}

fn buckets(facts: &Facts, request: &Request) -> Outcome {
    with_exposition(facts, |exposition| {
        let metrics = match exposition.histograms() {
            Ok(metrics) => metrics,
            Err(error) => return Outcome::fail(error.to_string()),
        };
        let mut items: Vec<Item> = Vec::new();
        for metric in &metrics {
            let Value::Histogram { buckets, .. } = &metric.value else {
                continue;
            };
            let family = FAMILIES.iter().find(|family| family.name == metric.name);
            let Some(family) = family else { continue };
            let bounds: Vec<f64> = buckets
                .iter()
                .map(|bucket| bucket.bound)
                .filter(|bound| bound.is_finite())
                .collect();
            for budget in budgets_of(family, metric.label("phase"), request) {
                let item = carries(family, &bounds, budget);
                if !items.contains(&item) {
                    items.push(item);
                }
            }
        }
        if items.is_empty() {
            return Outcome::not_applicable("no histogram that has a budget is exposed");
        }
        Outcome::of(items, "every budget is an edge below the top bucket")
    })
}

/// The budgets that a series of `family` must be able to show, in its unit.
fn budgets_of(family: &Family, phase: Option<&str>, request: &Request) -> Vec<f64> {
    if let Some(phase) = phase.and_then(Phase::from_label) {
        return vec![request.budget(phase)];
    }
    Phase::ALL
        .into_iter()
        .filter(|phase| phase.domain_family() == family.name)
        .map(|phase| request.budget(phase) * 1000.0)
        .collect()
}

fn carries(family: &Family, bounds: &[f64], budget: f64) -> Item {
    let top = bounds.iter().copied().fold(f64::MIN, f64::max);
    let is_edge = bounds
        .iter()
        .any(|bound| (bound - budget).abs() < 1e-9 * budget.max(1.0));
    if bounds.is_empty() {
        return Item::new(family.name, Verdict::Fail, "has no finite bucket");
    }
    if top <= budget {
        let message = format!(
            "the highest finite bucket is {top}: an alert on the budget {budget} can never fire"
        );
        return Item::new(family.name, Verdict::Fail, message);
    }
    if !is_edge {
        let message =
            format!("the budget {budget} is no bucket edge: the share within it is a guess");
        return Item::new(family.name, Verdict::Warn, message);
    }
    Item::new(
        family.name,
        Verdict::Pass,
        format!("budget {budget} is an edge"),
    )
}
