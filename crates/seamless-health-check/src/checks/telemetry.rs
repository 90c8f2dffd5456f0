//! The platform's log and traces: can an alert be followed to the lease and the request behind it?
//!
//! Only when asked. What a system writes when it works must be there; what it writes only when something
//! is wrong is checked where it occurs.

use seamless_core::logs::DROPPED_FIELDS;
use seamless_core::schema::Phase;

use super::{listed, seconds};
use crate::check::{Check, Explained, Group, Item, Korean, Outcome, Severity, Skip, Verdict};
use crate::facts::{Facts, Source};
use crate::request::Request;
use crate::telemetry::{Broken, Event, Logs, Traces};

const LOG: &str = "telemetry/log";
const SPANS: &str = "telemetry/spans";
const NO_SPANS: &str =
    "the platform's release may make no spans of its own: search the log instead (runbook, step 3)";
const LOG_HINT: &str = "fix the platform's logging: lease-recover --from-logs and the runbook's searches read these fields";

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "log",
        group: Group::Telemetry,
        title: "the log can be read",
        sources: &[Source::Logs],
        requires: &[],
        severity: Severity::Fail,
        hint: "let nothing but the logger write to this file",
        anchor: "check-telemetry",
        explained: Explained {
            means: "The log is empty, or lines of it cannot be read.",
            remedy: "Give the platform's own log, and let nothing but the logger write to that file.",
            example: "fail  it is empty",
            korean: Korean {
                title: "로그를 읽을 수 있다",
                means: "로그가 비었거나 읽을 수 없는 줄이 있다.",
                remedy: "플랫폼의 로그를 주고, 로거 외에는 그 파일에 쓰지 않게 한다.",
            },
        },
        judge: log,
    },
    Check {
        name: "backfill-events",
        group: Group::Telemetry,
        title: "lease events are in the log, with their fields",
        sources: &[Source::Logs],
        requires: &[LOG],
        severity: Severity::Fail,
        hint: LOG_HINT,
        anchor: "check-telemetry",
        explained: Explained {
            means: "Lease events are not in the log, or lack fields. `lease-recover --from-logs` and the runbook's searches cannot find the lease behind an alert.",
            remedy: "Let the loggers of `qmtl.runtime.sdk` write INFO, with a formatter that keeps `extra` (python-json-logger, structlog).",
            example: "fail  seamless.backfill.coordinator_claimed: lease_key is missing in 3 of 12, first in line 40",
            korean: Korean {
                title: "리스 이벤트가 필드와 함께 로그에 있다",
                means: "로그에 리스 이벤트가 없거나 필드가 빠졌다. `lease-recover --from-logs`와 런북의 검색으로 경보 뒤의 리스를 찾을 수 없다.",
                remedy: "`qmtl.runtime.sdk`의 로거가 INFO를 쓰게 하고 `extra`를 보존하는 포매터(python-json-logger, structlog)를 쓴다.",
            },
        },
        judge: backfill_events,
    },
    Check {
        name: "sla-events",
        group: Group::Telemetry,
        title: "events of phases over budget have their fields",
        sources: &[Source::Logs, Source::Traces],
        requires: &[LOG],
        severity: Severity::Fail,
        hint: LOG_HINT,
        anchor: "check-telemetry",
        explained: Explained {
            means: "Events of phases over their budget lack fields, or do not occur although a span took longer than its budget.",
            remedy: "Mend the platform's logging; with the fields, an alert can be followed to the request behind it.",
            example: "fail  seamless.sla.phase_exceeded: phase is missing in 1 of 4, first in line 12",
            korean: Korean {
                title: "예산을 넘긴 단계의 이벤트에 필드가 있다",
                means: "예산을 넘긴 단계의 이벤트에 필드가 빠졌거나, 예산보다 긴 스팬이 있는데 이벤트가 없다.",
                remedy: "플랫폼의 로깅을 고친다. 필드가 있어야 경보에서 요청까지 따라갈 수 있다.",
            },
        },
        judge: sla_events,
    },
    Check {
        name: "domain-gate-events",
        group: Group::Telemetry,
        title: "downgrades by domain gates have their fields",
        sources: &[Source::Logs],
        requires: &[LOG],
        severity: Severity::Fail,
        hint: LOG_HINT,
        anchor: "check-telemetry",
        explained: Explained {
            means: "Events of downgrades by domain gates lack fields.",
            remedy: "Mend the platform's logging: without its fields, nobody sees which gate held which domain.",
            example: "fail  seamless.domain_gate.downgrade: reason is missing in 1 of 4, first in line 12",
            korean: Korean {
                title: "도메인 게이트 다운그레이드 이벤트에 필드가 있다",
                means: "도메인 게이트의 다운그레이드 이벤트에 필드가 빠졌다.",
                remedy: "플랫폼의 로깅을 고친다. 필드가 없으면 어느 게이트가 어느 도메인을 막았는지 알 수 없다.",
            },
        },
        judge: domain_gate_events,
    },
    Check {
        name: "spans",
        group: Group::Telemetry,
        title: "pipeline spans name their phase",
        sources: &[Source::Traces],
        requires: &[],
        severity: Severity::Fail,
        hint: "fix the runtime's tracing: spans are seamless.pipeline, with sla.phase where a budget applies",
        anchor: "check-telemetry",
        explained: Explained {
            means: "The traces cannot be read, hold no span of the pipeline, or pipeline spans do not name their phase.",
            remedy: "Mend the runtime's tracing: spans are `seamless.pipeline`, with `sla.phase` where a budget applies. If the release makes no spans of its own, search the log instead.",
            example: "fail  sla.phase: none of 12 pipeline spans has this attribute",
            korean: Korean {
                title: "파이프라인 스팬에 단계가 적혀 있다",
                means: "트레이스를 읽을 수 없거나, 파이프라인 스팬이 없거나, 파이프라인 스팬에 단계가 없다.",
                remedy: "런타임의 트레이싱을 고친다. 스팬 이름은 `seamless.pipeline`이고 예산이 있는 곳에는 `sla.phase`가 있다. 릴리스가 스팬을 만들지 않으면 대신 로그를 검색한다.",
            },
        },
        judge: spans,
    },
    Check {
        name: "leases",
        group: Group::Telemetry,
        title: "log and traces name the same leases",
        sources: &[Source::Logs, Source::Traces],
        requires: &[LOG, SPANS],
        severity: Severity::Fail,
        hint: "check that both cover the same time, and that lease_key is written alike in both",
        anchor: "check-telemetry",
        explained: Explained {
            means: "Log and traces name no lease in common: what is found in one cannot be followed in the other.",
            remedy: "Check that both cover the same time, and that `lease_key` is written alike in both.",
            example: "fail  none of 12 leases in the log is among the 9 in the traces",
            korean: Korean {
                title: "로그와 트레이스가 같은 리스를 가리킨다",
                means: "로그와 트레이스에 공통된 리스가 없다. 한쪽에서 찾은 것을 다른 쪽에서 따라갈 수 없다.",
                remedy: "둘의 시간대가 같은지, `lease_key`를 똑같이 쓰는지 확인한다.",
            },
        },
        judge: leases,
    },
    Check {
        name: "receiver",
        group: Group::Telemetry,
        title: "the OTLP receiver takes an export",
        sources: &[Source::Receiver],
        requires: &[],
        severity: Severity::Fail,
        hint: "look at the receiver's log",
        anchor: "check-telemetry",
        explained: Explained {
            means: "The OTLP receiver does not take an empty export. What it does with spans cannot be asked.",
            remedy: "Check that the URL is that of OTLP/HTTP (port 4318, not gRPC's 4317), then the receiver's log.",
            example: "fail  sending an empty export to http://collector:4317: the answer is not HTTP",
            korean: Korean {
                title: "OTLP 수신기가 내보내기를 받는다",
                means: "OTLP 수신기가 빈 내보내기를 받지 않는다. 스팬을 어떻게 처리하는지는 물을 수 없다.",
                remedy: "URL이 OTLP/HTTP(포트 4318, gRPC의 4317이 아님)인지 확인하고 수신기의 로그를 본다.",
            },
        },
        judge: receiver,
    },
];

fn with_log(facts: &Facts, judge: impl FnOnce(&Logs) -> Outcome) -> Outcome {
    match &facts.logs {
        Ok(logs) => judge(logs),
        Err(gap) => gap.outcome(),
    }
}

fn log(facts: &Facts, _: &Request) -> Outcome {
    with_log(facts, |logs| match (logs.lines, logs.broken.count) {
        (0, _) => Outcome::fail("it is empty").hint("check that this is the platform's log"),
        (lines, 0) => Outcome::pass(match logs.json {
            0 => format!("{lines} lines of text ({})", logs.levels),
            json => format!("{lines} lines, {json} of them JSON ({})", logs.levels),
        }),
        (lines, broken) if broken == lines => Outcome::fail(self::broken(&logs.broken, lines)),
        (lines, _) => Outcome::warn(broken(&logs.broken, lines)),
    })
}

fn broken(broken: &Broken, lines: u64) -> String {
    let count = broken.count;
    let word = if count == 1 { "is" } else { "are" };
    format!("{count} of {lines} lines {word} broken: {}", broken.named())
}

/// What the log shows of an event; `None` if it is not there.
fn event(logs: &Logs, event: Event) -> Option<Item> {
    let seen = logs.seen(event);
    if seen.count == 0 {
        return None;
    }
    let bare = seen.bare.map(|(count, line)| {
        format!(
            "{count} of {} in line {line} and later: {DROPPED_FIELDS}",
            seen.count
        )
    });
    let lacking = seen.lacking.iter().map(|(field, lacking)| {
        let (count, line, condition) = (lacking.count, lacking.line, &lacking.condition);
        format!(
            "{field} is missing in {count} of {}{condition}, first in line {line}",
            seen.count
        )
    });
    let all: Vec<String> = bare.into_iter().chain(lacking).collect();
    Some(match all.is_empty() {
        true => Item::new(
            event.name,
            Verdict::Pass,
            format!("{}, with every field", seen.count),
        ),
        false => Item::new(event.name, Verdict::Fail, listed(&all)),
    })
}

/// An event that a healthy system does not write.
fn not_occurred(event: Event) -> Item {
    let reason = "none in this log".to_owned();
    Item::new(
        event.name,
        Verdict::Skip(Skip::NotApplicable(reason.clone())),
        reason,
    )
}

fn backfill_events(facts: &Facts, _: &Request) -> Outcome {
    with_log(facts, |logs| {
        let claimed = event(logs, Event::CLAIMED);
        let ended = [Event::COMPLETED, Event::FAILED].map(|of| (of, event(logs, of)));
        let nothing = claimed.is_none() && ended.iter().all(|(_, item)| item.is_none());
        if nothing {
            let (lines, levels) = (logs.lines, &logs.levels);
            return Outcome::fail(format!("no lease event in {lines} lines ({levels})"))
                .hint(logs.levels.cure());
        }
        let absent = "is not in the log, though leases were ended while it was written";
        let mut items =
            vec![claimed.unwrap_or_else(|| Item::new(Event::CLAIMED.name, Verdict::Warn, absent))];
        let ended = ended.map(|(of, item)| item.unwrap_or_else(|| not_occurred(of)));
        items.extend(ended);
        Outcome::of(
            items,
            match logs.leases.len() {
                1 => "1 lease, every field there".to_owned(),
                leases => format!("{leases} leases, every field there"),
            },
        )
    })
}

fn sla_events(facts: &Facts, request: &Request) -> Outcome {
    with_log(facts, |logs| {
        let over = facts
            .traces
            .as_ref()
            .ok()
            .and_then(|t| over_budget(t, request));
        let exceeded = match (event(logs, Event::PHASE_EXCEEDED), over) {
            (Some(item), _) => item,
            (None, Some(over)) => {
                let message = format!("is not in the log, though {over}");
                Item::new(Event::PHASE_EXCEEDED.name, Verdict::Warn, message)
            }
            (None, None) => not_occurred(Event::PHASE_EXCEEDED),
        };
        let downgrade = event(logs, Event::SLA_DOWNGRADE);
        let downgrade = downgrade.unwrap_or_else(|| not_occurred(Event::SLA_DOWNGRADE));
        occurring(
            vec![exceeded, downgrade],
            "no phase over its budget in this log",
        )
    })
}

/// A span that took longer than its phase may.
fn over_budget(traces: &Traces, request: &Request) -> Option<String> {
    let mut phases = traces.phases.iter();
    phases.find_map(|(phase, spans)| {
        let budget = request.budget(*phase, request.profile.unwrap_or_default());
        (spans.longest_seconds > budget).then(|| {
            format!(
                "a span of {} took {}, its budget being {}",
                phase.label(),
                seconds(spans.longest_seconds),
                seconds(budget)
            )
        })
    })
}

fn domain_gate_events(facts: &Facts, _: &Request) -> Outcome {
    with_log(facts, |logs| {
        let downgrade = event(logs, Event::GATE_DOWNGRADE);
        let item = downgrade.unwrap_or_else(|| not_occurred(Event::GATE_DOWNGRADE));
        occurring(vec![item], "no downgrade by a domain gate in this log")
    })
}

/// Events that need not occur: where none does, there is nothing to check.
fn occurring(items: Vec<Item>, none: &str) -> Outcome {
    let occurred = |item: &&Item| !matches!(item.verdict, Verdict::Skip(_));
    if !items.iter().any(|item| occurred(&item)) {
        return Outcome::not_applicable(none).items(items);
    }
    let good: Vec<String> = items
        .iter()
        .filter(occurred)
        .map(|item| format!("{}: {}", item.subject, item.message))
        .collect();
    Outcome::of(items, good.join(", "))
}

fn spans(facts: &Facts, _: &Request) -> Outcome {
    let traces = match &facts.traces {
        Ok(traces) => traces,
        Err(gap) => return gap.outcome(),
    };
    let mut items = Vec::new();
    if traces.broken.count > 0 {
        let readable = traces.spans > 0;
        let verdict = if readable {
            Verdict::Warn
        } else {
            Verdict::Fail
        };
        items.push(Item::new(
            "file",
            verdict,
            broken(&traces.broken, traces.lines),
        ));
    } else if traces.spans == 0 {
        return Outcome::warn("there is no span").hint(NO_SPANS);
    }
    if traces.spans > 0 && traces.pipeline == 0 {
        let message = format!(
            "none of {} spans has this name: this release makes none",
            traces.spans
        );
        items.push(Item::new("seamless.pipeline", Verdict::Warn, message));
        return Outcome::of(items, "").hint(NO_SPANS);
    } else if traces.pipeline > 0 && traces.phases.is_empty() && traces.unknown_phases.is_empty() {
        let message = format!(
            "none of {} pipeline spans has this attribute",
            traces.pipeline
        );
        items.push(Item::new("sla.phase", Verdict::Fail, message));
    } else if traces.pipeline > 0 {
        items.extend(traces.unknown_phases.iter().map(|(label, line)| {
            let message = format!("line {line}: no such phase: {label:?}");
            Item::new("sla.phase", Verdict::Fail, message)
        }));
        items.extend(Phase::ALL.map(|phase| match traces.phases.get(&phase) {
            Some(spans) => Item::new(
                phase.label(),
                Verdict::Pass,
                format!("{} spans", spans.count),
            ),
            None => Item::new(phase.label(), Verdict::Warn, "no span has this sla.phase"),
        }));
    }
    let good = format!(
        "{} of {} spans are of the pipeline, every phase among them",
        traces.pipeline, traces.spans
    );
    Outcome::of(items, good)
}

fn leases(facts: &Facts, _: &Request) -> Outcome {
    let (logs, traces) = match (&facts.logs, &facts.traces) {
        (Ok(logs), Ok(traces)) => (logs, traces),
        (Err(gap), _) | (_, Err(gap)) => return gap.outcome(),
    };
    let (in_log, in_traces) = (logs.leases.len(), traces.leases.len());
    if traces.pipeline == 0 {
        return Outcome::not_applicable("the traces hold no span of the platform");
    }
    if in_log == 0 && in_traces == 0 {
        return Outcome::fail("neither the log nor the traces name a lease (lease_key)");
    }
    let shared: Vec<&str> = logs.leases.shared(&traces.leases).collect();
    match shared.last() {
        None => Outcome::fail(format!(
            "none of {in_log} leases in the log is among the {in_traces} in the traces"
        )),
        Some(lease) => Outcome::pass(format!(
            "{} in both, such as {lease} ({in_log} in the log, {in_traces} in the traces)",
            shared.len()
        )),
    }
}

fn receiver(facts: &Facts, _: &Request) -> Outcome {
    match &facts.receiver {
        Ok(answer) => Outcome::pass(answer.clone()),
        Err(gap) => gap.outcome(),
    }
}
