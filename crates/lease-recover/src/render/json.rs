//! The result as one JSON document, a lease per line. `schema_version` changes when a member's meaning
//! does; members may be added.

use seamless_cli::{ExitStatus, Signal};
use seamless_core::coordinator::LeaseRecord;
use seamless_core::lease::LeaseSpec;
use serde::Serialize;
use serde_json::{Value, json};

use super::Render;
use crate::fields::LeaseFields;
use crate::outcome::{Outcome, Settled};
use crate::report::{Head, Summary, Tail, Trouble};
use crate::select::Stuckness;
use crate::verify::Verification;

const SCHEMA_VERSION: u32 = 1;

/// A lease's name, in every document.
#[derive(Serialize)]
struct Name<'l> {
    key: &'l str,
    #[serde(flatten)]
    lease: LeaseFields<'l>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'l str>,
}

impl<'l> Name<'l> {
    fn of(spec: &'l LeaseSpec, show_tokens: bool) -> Self {
        let token = spec.token.as_ref();
        Self {
            key: spec.key.as_str(),
            lease: LeaseFields::of(&spec.key, token),
            token: token.filter(|_| show_tokens).map(|token| token.expose()),
        }
    }
}

#[derive(Serialize)]
struct Row<'l> {
    #[serde(flatten)]
    name: Name<'l>,
    outcome: &'static str,
    detail: Option<String>,
    requests: u32,
    by_earlier_run: bool,
    completion_ratio: Option<f64>,
}

pub(super) struct Json {
    show_tokens: bool,
    rows: usize,
}

impl Json {
    pub(super) const fn new(show_tokens: bool) -> Self {
        Self {
            show_tokens,
            rows: 0,
        }
    }
}

impl Render for Json {
    fn begin(&mut self, out: &mut String, head: &Head) {
        #[derive(Serialize)]
        struct Opening<'h> {
            schema_version: u32,
            mode: &'static str,
            coordinator: Option<&'h str>,
            action: &'static str,
            reason: &'h str,
            dry_run: bool,
        }
        let opening = Opening {
            schema_version: SCHEMA_VERSION,
            mode: "recover",
            coordinator: head.coordinator.as_deref(),
            action: head.action,
            reason: &head.reason,
            dry_run: head.dry_run,
        };
        open(out, &opening);
        out.push_str(",\"leases\":[");
    }

    fn lease(&mut self, out: &mut String, spec: &LeaseSpec, settled: &Settled) {
        let row = Row {
            name: Name::of(spec, self.show_tokens),
            outcome: settled.outcome.word(),
            detail: settled.outcome.detail(),
            requests: settled.requests,
            by_earlier_run: settled.by_earlier_run,
            completion_ratio: match settled.outcome {
                Outcome::Released { completion_ratio } => completion_ratio,
                _ => None,
            },
        };
        out.push_str(if self.rows == 0 { "\n" } else { ",\n" });
        self.rows += 1;
        push(out, &row);
    }

    fn end(&mut self, out: &mut String, tail: &Tail, status: ExitStatus) {
        let verification = tail
            .verification
            .as_ref()
            .map(|verification| match verification {
                Verification::Confirmed { leases } => {
                    json!({"result": "confirmed", "leases": leases})
                }
                Verification::StillHeld { leases } => {
                    json!({"result": "still_held", "leases": leases})
                }
                Verification::NotPossible(reason) => {
                    json!({"result": "not_possible", "reason": reason})
                }
            });
        #[derive(Serialize)]
        struct Closing<'t> {
            summary: &'t Summary,
            cannot_tell_if_stuck: usize,
            verification: Option<Value>,
            stopped_by: Option<&'static str>,
            error: Option<&'t str>,
            exit_code: u8,
        }
        let closing = Closing {
            summary: &tail.summary,
            cannot_tell_if_stuck: tail.cannot_tell,
            verification,
            stopped_by: tail.stopped.map(Signal::name),
            error: tail.trouble.as_ref().map(Trouble::text),
            exit_code: status.code(),
        };
        close(out, &closing);
    }
}

/// A run that ended before it began.
pub(crate) fn refusal(error: &str) -> String {
    let mut document = json!({
        "schema_version": SCHEMA_VERSION,
        "leases": [],
        "error": error,
        "exit_code": ExitStatus::Usage.code(),
    })
    .to_string();
    document.push('\n');
    document
}

/// `--list`: the leases with what they were judged to be, at `now_ms`.
pub(crate) fn list(
    coordinator: &str,
    leases: &[(LeaseRecord, Stuckness)],
    now_ms: i64,
    show_tokens: bool,
    trouble: Option<&str>,
    status: ExitStatus,
) -> String {
    #[derive(Serialize)]
    struct Listed<'l> {
        #[serde(flatten)]
        name: Name<'l>,
        /// `null` where it cannot be told.
        stuck: Option<bool>,
        why: Option<&'static str>,
        completion_ratio: Option<f64>,
        claimed_at_ms: Option<i64>,
        age_seconds: Option<f64>,
        lease_until_ms: Option<i64>,
        expires_in_seconds: Option<f64>,
        worker: Option<&'l str>,
    }
    let mut out = String::new();
    open(
        &mut out,
        &json!({"schema_version": SCHEMA_VERSION, "mode": "list", "coordinator": coordinator, "now_ms": now_ms}),
    );
    out.push_str(",\"leases\":[");
    let (mut stuck, mut cannot_tell) = (0, 0);
    for (index, (record, stuckness)) in leases.iter().enumerate() {
        stuck += usize::from(stuckness.is_stuck());
        cannot_tell += usize::from(*stuckness == Stuckness::CannotTell);
        let spec = LeaseSpec::from(record.clone());
        let seconds = |ms: i64| ms as f64 / 1000.0;
        let listed = Listed {
            name: Name::of(&spec, show_tokens),
            stuck: (*stuckness != Stuckness::CannotTell).then(|| stuckness.is_stuck()),
            why: match stuckness {
                Stuckness::Expired => Some("expired"),
                Stuckness::Old => Some("old"),
                Stuckness::Alive | Stuckness::CannotTell => None,
            },
            completion_ratio: record.completion_ratio,
            claimed_at_ms: record.claimed_at_ms,
            age_seconds: record
                .claimed_at_ms
                .map(|at| seconds(now_ms.saturating_sub(at))),
            lease_until_ms: record.lease_until_ms,
            expires_in_seconds: record
                .lease_until_ms
                .map(|at| seconds(at.saturating_sub(now_ms))),
            worker: record.worker.as_deref(),
        };
        out.push_str(if index == 0 { "\n" } else { ",\n" });
        push(&mut out, &listed);
    }
    close(
        &mut out,
        &json!({
            "summary": {"leases": leases.len(), "stuck": stuck, "cannot_tell": cannot_tell},
            "error": trouble,
            "exit_code": status.code(),
        }),
    );
    out
}

/// Appends an object without its closing brace.
fn open(out: &mut String, members: &impl Serialize) {
    push(out, members);
    out.pop();
}

/// Closes the array of leases and the document with further members.
fn close(out: &mut String, members: &impl Serialize) {
    out.push_str("\n],");
    let start = out.len();
    push(out, members);
    out.remove(start);
    out.push('\n');
}

fn push(out: &mut String, value: &impl Serialize) {
    // Plain texts and numbers always serialize.
    out.push_str(&serde_json::to_string(value).unwrap_or_default());
}
