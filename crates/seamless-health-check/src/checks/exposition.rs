//! The exposition text itself against what scrapes it and against the schema, with no Prometheus needed.
//! What a scraper makes of it is the reader's verdict; what it should hold is decided here.

use seamless_core::exposition::MetricType;
use seamless_core::schema::{FAMILIES, Family, Kind, Phase};

use super::listed;
use crate::check::{Check, Explained, Group, Item, Korean, Outcome, Severity, Verdict};
use crate::facts::{Facts, Source};
use crate::request::Request;
use crate::survey::{Exposed, Survey, Surveyed};

const READABLE: &str = "exposition/readable";
/// Names nearer than this are taken for a typo of a known one.
const TYPO_SIMILARITY: f64 = 0.9;

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "readable",
        group: Group::Exposition,
        title: "Prometheus takes the scrape",
        sources: &[Source::Exposition],
        requires: &[],
        severity: Severity::Fail,
        hint: "fix the place that is named; Prometheus refuses the whole scrape",
        anchor: "check-exposition",
        explained: Explained {
            means: "The Prometheus that scrapes it refuses the whole exposition: no metric of this target is stored. Which generation counts is `--scraper`, else that of `--prometheus-url`, else 3.",
            remedy: "Mend the line and column that are named. *fallback_scrape_protocol*: answer with a proper `Content-Type`, or set that word in the scrape configuration.",
            example: "fail  Prometheus 3 refuses the whole scrape: line 12, column 31: …",
            korean: Korean {
                title: "Prometheus가 스크레이프를 받아들인다",
                means: "스크레이프하는 Prometheus가 노출 텍스트 전체를 거부한다. 이 타깃의 메트릭은 하나도 저장되지 않는다. 기준이 되는 세대는 `--scraper`, 없으면 `--prometheus-url`의 세대, 그것도 없으면 3이다.",
                remedy: "메시지에 나온 줄과 열을 고친다. *fallback_scrape_protocol*이 나오면 올바른 `Content-Type`으로 응답하거나 스크레이프 설정에 그 항목을 넣는다.",
            },
        },
        judge: readable,
    },
    Check {
        name: "valid",
        group: Group::Exposition,
        title: "nothing is lost or against the specification",
        sources: &[Source::Exposition],
        requires: &[READABLE],
        severity: Severity::Warn,
        hint: "fix the place that is named: the scrape succeeds, and other readers differ",
        anchor: "check-exposition",
        explained: Explained {
            means: "The scrape succeeds, but something is lost or against the specification (a series twice, a histogram without `+Inf`), or the other generation of Prometheus would refuse it.",
            remedy: "Mend the line that is named. What the other generation refuses is to be mended before an upgrade.",
            example: "warn  document: line 40: …; Prometheus keeps the first and drops this one",
            korean: Korean {
                title: "잃는 것이 없고 규격에 맞는다",
                means: "스크레이프는 성공하지만 무언가를 잃거나 규격에 어긋난다(두 번 나오는 시계열, `+Inf`가 없는 히스토그램). 또는 다른 세대의 Prometheus라면 거부한다.",
                remedy: "메시지에 나온 줄을 고친다. 다른 세대가 거부하는 것은 업그레이드하기 전에 고친다.",
            },
        },
        judge: valid,
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
        explained: Explained {
            means: "A required family is not exposed, or (warning) a name is nearly that of a known family.",
            remedy: "Correct the name in the runtime's instrumentation.",
            example: "fail  seamless_total_ms: is not exposed",
            korean: Korean {
                title: "필수 패밀리가 있고 철자가 비슷한 이름이 없다",
                means: "필수 패밀리가 노출되지 않거나, 알려진 패밀리와 거의 같은 이름이 있다(경고).",
                remedy: "런타임의 계측 코드에서 이름을 고친다.",
            },
        },
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
        explained: Explained {
            means: "A family is exposed with another type than the schema has: rules and dashboards compute nonsense from it.",
            remedy: "Correct the type in the runtime's instrumentation.",
            example: "fail  seamless_total_ms: is a gauge, must be a histogram",
            korean: Korean {
                title: "타입이 스키마와 같다",
                means: "패밀리의 타입이 스키마와 다르다. 규칙과 대시보드의 계산이 의미 없게 된다.",
                remedy: "런타임의 계측 코드에서 타입을 고친다.",
            },
        },
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
        explained: Explained {
            means: "A sample lacks a label of the schema, or (warning) names a phase that the schema does not know.",
            remedy: "Correct the labels in the runtime's instrumentation.",
            example: "fail  seamless_sla_deadline_seconds: line 7: the label phase is missing",
            korean: Korean {
                title: "레이블이 스키마와 같다",
                means: "스키마의 레이블이 빠진 샘플이 있거나, 스키마에 없는 단계를 쓴다(경고).",
                remedy: "런타임의 계측 코드에서 레이블을 고친다.",
            },
        },
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
        explained: Explained {
            means: "The buckets of a histogram cannot show its budget: the highest one lies at or below it, so that the alert can never fire, or (warning) the budget is no bucket edge.",
            remedy: "Give the histogram the schema's buckets: every budget must be an edge below the highest bucket.",
            example: "fail  seamless_sla_deadline_seconds: the highest finite bucket is 10: an alert on the budget 60 can never fire",
            korean: Korean {
                title: "버킷이 예산을 나타낼 수 있다",
                means: "히스토그램의 버킷이 예산을 나타내지 못한다. 가장 높은 버킷이 예산 이하라 경보가 절대 울릴 수 없거나, 예산이 버킷 경계가 아니다(경고).",
                remedy: "히스토그램에 스키마의 버킷을 설정한다. 모든 예산이 가장 높은 버킷보다 낮은 경계여야 한다.",
            },
        },
        judge: buckets,
    },
];

fn with_exposition(facts: &Facts, judge: impl FnOnce(&Survey) -> Outcome) -> Outcome {
    match &facts.exposition {
        Ok(exposed) => judge(&exposed.survey),
        Err(gap) => gap.outcome(),
    }
}

fn readable(facts: &Facts, _: &Request) -> Outcome {
    let exposed = match &facts.exposition {
        Ok(exposed) => exposed,
        Err(gap) => return gap.outcome(),
    };
    let scraper = exposed.scraper;
    if let Some(why) = exposed.refused_by(scraper) {
        return Outcome::fail(format!("{scraper} refuses the whole scrape: {why}"));
    }
    let survey = &exposed.survey;
    Outcome::pass(format!(
        "{scraper} takes {} samples in {} families",
        survey.report.samples,
        survey.families.len()
    ))
}

fn valid(facts: &Facts, _: &Request) -> Outcome {
    let exposed = match &facts.exposition {
        Ok(exposed) => exposed,
        Err(gap) => return gap.outcome(),
    };
    let survey = &exposed.survey;
    let mut items = Vec::new();
    let mut warn = |subject: &str, message: String| {
        items.push(Item::new(subject, Verdict::Warn, message));
    };
    let other = exposed.scraper.other();
    if let Some(why) = exposed.refused_by(other) {
        warn("scrape", format!("{other} would refuse it: {why}"));
    }
    for finding in &survey.report.findings {
        let effect = finding.problem.effect();
        let further = match finding.further {
            0 => String::new(),
            further => format!(" (and {further} more)"),
        };
        warn("document", format!("{finding}{further}; {effect}"));
    }
    if survey.report.left_out > 0 {
        let kinds = survey.report.left_out;
        warn("document", format!("{kinds} more findings"));
    }
    if let Some(untimely) = &survey.untimely {
        let (line, samples) = (untimely.line, untimely.samples);
        let what = if untimely.ahead {
            "more than 10 minutes ahead; Prometheus drops it without a word"
        } else {
            "more than an hour old; Prometheus may drop it without a word"
        };
        let message = format!("line {line}: the timestamp is {what} ({samples} such samples)");
        warn(&untimely.name, message);
    }
    if let Some(message) = unescaped(exposed) {
        warn("names", message);
    }
    Outcome::of(items, "nothing is lost, and the specification is kept")
}

/// A name in quotes in a document that says that it escapes such names.
fn unescaped(exposed: &Exposed) -> Option<String> {
    let escaping = exposed.content_type.as_ref()?.escaping()?;
    let (name, line) = exposed.survey.quoted.as_ref()?;
    (escaping != "allow-utf-8").then(|| {
        let name = name.escape_debug();
        format!("line {line}: the name \"{name}\" is not escaped, although the Content-Type says escaping={escaping}")
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
        let mut items: Vec<Item> = Vec::new();
        for histogram in &exposition.histograms {
            let family = histogram.family;
            for budget in budgets_of(family, histogram.phase.as_deref(), request) {
                let item = carries(family, &histogram.bounds, budget);
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
        return vec![request.budget(phase, request.profile.unwrap_or_default())];
    }
    Phase::ALL
        .into_iter()
        .filter(|phase| phase.domain_family() == family.name)
        .map(|phase| request.budget(phase, request.profile.unwrap_or_default()) * 1000.0)
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
