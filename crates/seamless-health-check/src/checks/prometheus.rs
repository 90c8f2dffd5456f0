//! Prometheus itself, and whether the metrics are there: present, fresh, of the right type, with the
//! right labels, from targets that are up.

use std::collections::BTreeSet;

use seamless_core::prometheus::MetricMetadata;
use seamless_core::schema::Kind;

use super::{listed, seconds};
use crate::check::{
    Check, Explained, Group, Item, Korean, Measured, Next, Outcome, Severity, Verdict,
};
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
        explained: Explained {
            means: "Prometheus does not answer, or answers that it is not ready: it starts, replays its log, or shuts down. Until it is ready, no alert is evaluated.",
            remedy: "Wait with `--wait 5m`. If it stays so, look at Prometheus's log, disk and memory.",
            example: "fail  Prometheus at http://prometheus:9090: connection refused",
            korean: Korean {
                title: "Prometheus가 준비되어 있다",
                means: "Prometheus가 응답하지 않거나 준비되지 않았다고 답한다. 시작 중이거나 로그를 다시 읽거나 종료하는 중이다. 준비될 때까지 경보가 평가되지 않는다.",
                remedy: "`--wait 5m`으로 기다린다. 계속되면 Prometheus의 로그, 디스크, 메모리를 본다.",
            },
        },
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
        explained: Explained {
            means: "Prometheus does not answer a query. As a warning: its clock and that of this machine differ by more than a minute.",
            remedy: "Check that the URL leads to Prometheus itself, path prefix included. Set the clocks (NTP); ages are judged by Prometheus's clock.",
            example: "warn  this machine's clock is 4m ahead of Prometheus's",
            korean: Korean {
                title: "Prometheus가 쿼리에 답한다",
                means: "Prometheus가 쿼리에 답하지 않는다. 경고라면 Prometheus와 이 머신의 시계가 1분 넘게 다르다.",
                remedy: "경로 접두사를 포함한 URL이 Prometheus 자체로 이어지는지 확인한다. 시계를 맞춘다(NTP). 경과 시간은 Prometheus의 시계로 판단한다.",
            },
        },
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
        explained: Explained {
            means: "A required metric has no real series. *Never seen*: the runtime does not expose it, or no target is scraped. *Vanished*: it had series within the last day. *Only synthetic series*: nothing but a drill's. A family that a target declares and that had no event yet passes.",
            remedy: "Look at the exposition itself: `seamless-health-check --metrics-url URL --only exposition`. Then see in Prometheus (Status, Targets) whether that target is scraped.",
            example: "fail  seamless_total_ms: never seen in the last day",
            korean: Korean {
                title: "필수 메트릭에 시계열이 있다",
                means: "필수 메트릭에 실제 시계열이 없다. *never seen*: 런타임이 노출하지 않거나 스크레이프하는 타깃이 없다. *vanished*: 지난 하루 안에는 있었다. *only synthetic series*: 훈련의 시계열뿐이다. 타깃이 선언했지만 아직 이벤트가 없는 패밀리는 통과한다.",
                remedy: "노출 텍스트를 직접 본다: `seamless-health-check --metrics-url URL --only exposition`. 그다음 Prometheus(Status, Targets)에서 그 타깃을 스크레이프하는지 확인한다.",
            },
        },
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
        explained: Explained {
            means: "The newest sample of a required metric is older than `--max-age` (5m by default): the target is down, the runtime no longer updates it, or remote write lags.",
            remedy: "See `prometheus/targets`, then the runtime's log. If the metric is written rarely by design, give a larger `--max-age`.",
            example: "fail  seamless_total_ms: newest sample 12m old, over 5m",
            korean: Korean {
                title: "가장 최근 샘플이 새것이다",
                means: "필수 메트릭의 가장 최근 샘플이 `--max-age`(기본 5m)보다 오래되었다. 타깃이 내려갔거나, 런타임이 더는 갱신하지 않거나, remote write가 밀린다.",
                remedy: "`prometheus/targets`를 보고 런타임의 로그를 본다. 원래 드물게 기록되는 메트릭이면 `--max-age`를 늘린다.",
            },
        },
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
        explained: Explained {
            means: "Series lack a label that the schema asks for, so that rules and dashboards cannot tell phases, nodes or domains apart.",
            remedy: "Use a release of the runtime that fits the schema, or take the label out of what `metric_relabel_configs` drops.",
            example: "warn  seamless_sla_deadline_seconds: 12 series lack the label phase",
            korean: Korean {
                title: "레이블이 스키마와 같다",
                means: "스키마가 요구하는 레이블이 시계열에 없다. 규칙과 대시보드가 단계, 노드, 도메인을 구별하지 못한다.",
                remedy: "스키마에 맞는 런타임 릴리스를 쓰거나, `metric_relabel_configs`가 그 레이블을 지우지 않게 한다.",
            },
        },
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
        explained: Explained {
            means: "A target whose job exports the metrics cannot be scraped. Its metrics are missing from every alert from now on.",
            remedy: "The message is what Prometheus says of its last scrape. Look at the target's log and at the network between the two.",
            example: "fail  http://seamless-1:9100/metrics: down: connection refused",
            korean: Korean {
                title: "메트릭을 내보내는 타깃이 올라와 있다",
                means: "메트릭을 내보내는 job의 타깃을 스크레이프할 수 없다. 지금부터 모든 경보에서 그 메트릭이 빠진다.",
                remedy: "메시지는 Prometheus가 마지막 스크레이프에 대해 알리는 내용이다. 타깃의 로그와 둘 사이의 네트워크를 본다.",
            },
        },
        judge: targets,
    },
];

fn ready(facts: &Facts, _: &Request) -> Outcome {
    match (&facts.ready, &facts.clock) {
        (Ok(()), _) => Outcome::pass("it says so"),
        (Err(Gap::NotOffered(_)), Ok(_)) => Outcome::pass("it answers queries (no /-/ready there)"),
        (Err(Gap::NotOffered(reason)), Err(_)) => Outcome::fail(reason.clone())
            .hint("check that the URL leads to Prometheus itself, path prefix included"),
        (Err(gap), _) => gap.outcome().next(Next::health_check(&[
            "--only",
            "prometheus",
            "--wait",
            "5m",
        ])),
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
    Outcome::of(items, format!("all {} metrics", request.metrics.len())).next(exposition(facts))
}

/// The jobs whose series the metrics are.
fn jobs(facts: &Facts) -> Vec<&str> {
    let series = facts.jobs.iter().flatten();
    series.map(|series| series.metric.get("job")).collect()
}

/// The command that looks at what the first target exposes.
fn exposition(facts: &Facts) -> Option<Next> {
    let jobs = jobs(facts);
    let mut targets = facts.targets.iter().flatten();
    let target = targets.find(|target| jobs.contains(&target.labels.get("job")))?;
    let arguments = ["--only", "exposition", "--metrics-url", &target.scrape_url];
    Some(Next::health_check(&arguments))
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
    let jobs = jobs(facts);
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
    Outcome::of(items, format!("the oldest is {}", seconds(oldest))).next(exposition(facts))
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
            // Without a series nobody knows whose target it is.
            "down" if jobs.is_empty() => {
                let error = format!(
                    "down: {}; it may be another program's: no target has exported the metrics in the last hour",
                    target.last_error
                );
                Item::new(&target.scrape_url, Verdict::Warn, error)
            }
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
