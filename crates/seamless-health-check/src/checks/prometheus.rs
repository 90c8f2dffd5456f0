//! Prometheus itself, and whether the metrics are there: present, fresh, of the right type, with the
//! right labels, from targets that are up.

use std::collections::BTreeSet;

use seamless_core::prometheus::MetricMetadata;
use seamless_core::schema::Kind;

use super::{listed, seconds};
use crate::check::{Check, Group, Item, Measured, Outcome, Severity, Verdict};
use crate::facts::{Facts, Gap, Presence, Source};
use crate::request::{Metric, Request};

const READY: &str = "prometheus/ready";
const QUERIES: &str = "prometheus/queries";

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "ready",
        group: Group::Prometheus,
        title: "Prometheus is ready",
        sources: &[Source::Ready, Source::Clock],
        requires: &[],
        severity: Severity::Fail,
        hint: "it may still replay its log: wait with --wait 5m",
        anchor: "check-prometheus",
        judge: ready,
    },
    Check {
        name: "queries",
        group: Group::Prometheus,
        title: "Prometheus answers queries",
        sources: &[Source::Clock],
        requires: &[READY],
        severity: Severity::Fail,
        hint: "check that the URL leads to Prometheus itself, path prefix included",
        anchor: "check-prometheus",
        judge: queries,
    },
    Check {
        name: "present",
        group: Group::Prometheus,
        title: "required metrics have series",
        sources: &[
            Source::Presence,
            Source::Metadata,
            Source::Targets,
            Source::Jobs,
        ],
        requires: &[QUERIES],
        severity: Severity::Fail,
        hint: "check the runtime's /metrics with --metrics-url, and that a target scrapes it",
        anchor: "check-prometheus",
        judge: present,
    },
    Check {
        name: "fresh",
        group: Group::Prometheus,
        title: "their newest samples are fresh",
        sources: &[
            Source::Presence,
            Source::Ages,
            Source::Clock,
            Source::Metadata,
            Source::Targets,
            Source::Jobs,
        ],
        requires: &[QUERIES],
        severity: Severity::Fail,
        hint: "look at the runtime and at the scrape target; --max-age sets the limit",
        anchor: "check-prometheus",
        judge: fresh,
    },
    Check {
        name: "labels",
        group: Group::Prometheus,
        title: "their labels are as the schema says",
        sources: &[Source::MissingLabels],
        requires: &[QUERIES],
        severity: Severity::Warn,
        hint: "the runtime's release does not fit the schema, or relabelling drops a label",
        anchor: "check-prometheus",
        judge: labels,
    },
    Check {
        name: "types",
        group: Group::Prometheus,
        title: "their types are as the schema says",
        sources: &[Source::Metadata, Source::Presence],
        requires: &[QUERIES],
        severity: Severity::Warn,
        hint: "the runtime's release does not fit the schema",
        anchor: "check-prometheus",
        judge: types,
    },
    Check {
        name: "targets",
        group: Group::Prometheus,
        title: "the targets that export them are up",
        sources: &[Source::Targets, Source::Jobs],
        requires: &[QUERIES],
        severity: Severity::Fail,
        hint: "look at the target's log and at the network between the two",
        anchor: "check-prometheus",
        judge: targets,
    },
];

fn ready(facts: &Facts, _: &Request) -> Outcome {
    match (&facts.ready, &facts.clock) {
        (Ok(()), _) => Outcome::pass("it says so"),
        (Err(Gap::NotOffered(_)), Ok(_)) => Outcome::pass("it answers queries (no /-/ready there)"),
        (Err(Gap::NotOffered(reason)), Err(_)) => Outcome::fail(reason.clone())
            .hint("check that the URL leads to Prometheus itself, path prefix included"),
        (Err(gap), _) => gap.outcome(),
    }
}

fn queries(facts: &Facts, _: &Request) -> Outcome {
    match &facts.clock {
        Ok(clock) => {
            let skew = facts.now - clock;
            let message = "it answers queries".to_owned();
            if skew.abs() > 60.0 {
                let ahead = if skew > 0.0 { "ahead of" } else { "behind" };
                let skew = seconds(skew.abs());
                return Outcome::warn(format!(
                    "this machine's clock is {skew} {ahead} Prometheus's"
                ))
                .hint("set the clocks; ages are by Prometheus's clock");
            }
            Outcome::pass(message)
        }
        Err(Gap::NotOffered(reason)) => Outcome::fail(reason.clone()),
        Err(gap) => gap.outcome(),
    }
}

fn present(facts: &Facts, request: &Request) -> Outcome {
    let presence = match &facts.presence {
        Ok(presence) => presence,
        Err(gap) => return gap.outcome(),
    };
    let now = facts.clock.as_ref().copied().unwrap_or(facts.now);
    let items = request
        .metrics
        .iter()
        .map(|metric| {
            let max_age = request.max_age.as_secs_f64();
            presence_of(metric, presence, declared(metric, facts), now, max_age)
        })
        .collect();
    Outcome::of(items, format!("all {} metrics", request.metrics.len()))
}

/// What targets say of a family that has no series.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Declared {
    No,
    /// By a target that may be down by now: Prometheus keeps what it said.
    Perhaps,
    Yes,
}

/// Whether a target that is scraped states its type. A labelled series appears with its first event: until
/// then the type is all that there is of the family.
fn declared(metric: &Metric, facts: &Facts) -> Declared {
    let stated = facts
        .metadata
        .as_ref()
        .is_ok_and(|stated| metric.exposed.iter().any(|name| stated.contains_key(name)));
    let jobs: Vec<&str> = facts
        .jobs
        .iter()
        .flatten()
        .map(|series| series.metric.get("job"))
        .collect();
    let is_mine = |job: &str| jobs.is_empty() || jobs.contains(&job);
    let mut targets = facts.targets.iter().flatten();
    let one_is_down =
        targets.any(|target| target.health != "up" && is_mine(target.labels.get("job")));
    match (stated, one_is_down) {
        (false, _) => Declared::No,
        (true, true) => Declared::Perhaps,
        (true, false) => Declared::Yes,
    }
}

fn presence_of(
    metric: &Metric,
    presence: &Presence,
    declared: Declared,
    now: f64,
    max_age: f64,
) -> Item {
    let count = presence.real(&metric.tracked);
    let item = |verdict, message: String| {
        Item::new(&metric.name, verdict, message).measured(Measured {
            value: count,
            unit: "",
            warn: None,
            fail: None,
        })
    };
    if count > 0.0 {
        return item(Verdict::Pass, format!("{count} series"));
    }
    if let Some(last) = last_seen(metric, presence) {
        let age = now - last;
        if age <= max_age {
            return item(Verdict::Pass, format!("last sample {} ago", seconds(age)));
        }
        if declared == Declared::Yes {
            let age = seconds(age);
            let message =
                format!("no event yet since its process started (the last one {age} ago)");
            return item(Verdict::Pass, message);
        }
        return item(
            Verdict::Fail,
            format!(
                "vanished: no series now, the last about {} ago",
                seconds(age)
            ),
        );
    }
    let drills = presence.drills(&metric.tracked);
    if !drills.is_empty() {
        let message = format!("only synthetic series (drill {})", listed(&drills));
        return item(Verdict::Fail, message);
    }
    match declared {
        Declared::Yes => item(Verdict::Pass, "no event yet".to_owned()),
        Declared::Perhaps => item(
            Verdict::Warn,
            "no series: no event yet, or its target is down".to_owned(),
        ),
        Declared::No => item(Verdict::Fail, "never seen in the last day".to_owned()),
    }
}

fn last_seen(metric: &Metric, presence: &Presence) -> Option<f64> {
    metric
        .tracked
        .iter()
        .filter_map(|name| presence.last_seen.get(name))
        .copied()
        .reduce(f64::max)
}

fn fresh(facts: &Facts, request: &Request) -> Outcome {
    let (presence, ages, now) = match (&facts.presence, &facts.ages, &facts.clock) {
        (Ok(presence), Ok(ages), Ok(now)) => (presence, ages, *now),
        (Err(gap), ..) | (_, Err(gap), _) | (.., Err(gap)) => return gap.outcome(),
    };
    let max_age = request.max_age.as_secs_f64();
    let mut items = Vec::new();
    for metric in &request.metrics {
        let newest = ages
            .iter()
            .find(|series| series.metric.get("metric") == metric.name)
            .and_then(|series| series.value)
            .map(|sample| sample.value)
            .or_else(|| last_seen(metric, presence));
        // What was never there cannot be old; `present` says so.
        let Some(newest) = newest else { continue };
        let age = (now - newest).max(0.0);
        // Nor is it old news that nothing has happened since a process started.
        if presence.real(&metric.tracked) == 0.0 && declared(metric, facts) == Declared::Yes {
            continue;
        }
        let verdict = if age > max_age {
            Verdict::Fail
        } else {
            Verdict::Pass
        };
        let limit = seconds(max_age);
        let message = match verdict {
            Verdict::Fail => format!("newest sample {} old, over {limit}", seconds(age)),
            _ => format!("newest sample {} old", seconds(age)),
        };
        items.push(
            Item::new(&metric.name, verdict, message).measured(Measured {
                value: age,
                unit: "s",
                warn: None,
                fail: Some(max_age),
            }),
        );
    }
    if items.is_empty() {
        return Outcome::not_applicable("no requested metric has a sample");
    }
    let oldest = items
        .iter()
        .filter_map(|item| item.measured.map(|measured| measured.value))
        .fold(0.0, f64::max);
    Outcome::of(items, format!("the oldest is {}", seconds(oldest)))
}

fn labels(facts: &Facts, request: &Request) -> Outcome {
    let missing = match &facts.missing_labels {
        Ok(missing) => missing,
        Err(gap) => return gap.outcome(),
    };
    let known = request
        .metrics
        .iter()
        .filter(|metric| metric.family.is_some())
        .count();
    if known == 0 {
        return Outcome::not_applicable("no requested metric is in the schema");
    }
    let items = missing
        .iter()
        .map(|series| {
            let count = series.value.map_or(0.0, |sample| sample.value);
            let label = series.metric.get("missing");
            let message = format!("{count} series lack the label {label}");
            Item::new(series.metric.get("metric"), Verdict::Warn, message)
        })
        .collect();
    Outcome::of(items, format!("{known} metrics of the schema"))
}

fn types(facts: &Facts, request: &Request) -> Outcome {
    let metadata = match &facts.metadata {
        Ok(metadata) => metadata,
        Err(gap) => return gap.outcome(),
    };
    let mut items = Vec::new();
    for metric in &request.metrics {
        let Some(family) = metric.family else {
            continue;
        };
        let stated: Vec<&MetricMetadata> = metric
            .exposed
            .iter()
            .filter_map(|name| metadata.get(name))
            .flatten()
            .collect();
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
        } else if let Some(message) = shape(metric, facts) {
            items.push(Item::new(&metric.name, Verdict::Warn, message));
        }
    }
    if items.is_empty() {
        return Outcome::not_applicable(
            "the server has no metadata for these metrics (remote write, federation or VictoriaMetrics)",
        );
    }
    let count = items.len();
    Outcome::of(items, format!("{count} metrics of the schema"))
}

/// What the names alone tell, where nothing states a type.
fn shape(metric: &Metric, facts: &Facts) -> Option<String> {
    let family = metric.family?;
    let presence = facts.presence.as_ref().ok()?;
    let Kind::Histogram(_) = family.kind else {
        return None;
    };
    let count = |suffix: &str| presence.real(&[format!("{}{suffix}", family.name)]);
    let headless = count("_bucket") == 0.0 && count("") == 0.0 && count("_count") > 0.0;
    headless.then(|| "has _sum and _count but no buckets: a summary?".to_owned())
}

fn targets(facts: &Facts, _: &Request) -> Outcome {
    let (jobs, targets) = match (&facts.jobs, &facts.targets) {
        (Ok(jobs), Ok(targets)) => (jobs, targets),
        (Err(gap), _) | (_, Err(gap)) => return gap.outcome(),
    };
    let jobs: BTreeSet<&str> = jobs.iter().map(|series| series.metric.get("job")).collect();
    let exporting = |job: &str| jobs.contains(job);
    let mine: Vec<_> = targets
        .iter()
        .filter(|target| jobs.is_empty() || exporting(target.labels.get("job")))
        .collect();
    if targets.is_empty() || mine.is_empty() {
        return Outcome::not_applicable(
            "no scrape target exports the metrics (remote write or federation)",
        );
    }
    let items: Vec<Item> = mine
        .iter()
        .map(|target| match target.health.as_str() {
            "up" => Item::new(&target.scrape_url, Verdict::Pass, "up"),
            "down" => {
                let error = format!("down: {}", target.last_error);
                Item::new(&target.scrape_url, Verdict::Fail, error)
            }
            _ => Item::new(&target.scrape_url, Verdict::Warn, "not scraped yet"),
        })
        .collect();
    let good = format!("{} up", items.len());
    Outcome::of(items, good)
}
