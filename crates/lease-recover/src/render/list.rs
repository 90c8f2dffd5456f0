//! `--list` as a JSON document.

use seamless_core::stuck::{Stuckness, is_expired};
use serde::Serialize;

use crate::lease_fields::LeaseFields;
use crate::listing::{Judged, cannot_tell};
use crate::report::SCHEMA_VERSION;

#[derive(Serialize)]
struct ListDocument<'d> {
    schema_version: u32,
    mode: &'static str,
    coordinator: &'d str,
    now_ms: i64,
    leases: Vec<ListedLease>,
    summary: ListSummary,
    error: Option<&'d str>,
    exit_code: u8,
}

#[derive(Serialize)]
struct ListSummary {
    leases: usize,
    stuck: usize,
    cannot_tell: usize,
}

#[derive(Serialize)]
struct ListedLease {
    #[serde(flatten)]
    lease: LeaseFields,
    /// `null` where it cannot be told.
    stuck: Option<bool>,
    expired: Option<bool>,
    completion_ratio: Option<f64>,
    claimed_at_ms: Option<i64>,
    age_seconds: Option<f64>,
    lease_until_ms: Option<i64>,
    expires_in_seconds: Option<f64>,
    worker: Option<String>,
}

/// The leases with what they were judged to be, at `now_ms`.
pub(crate) fn document(
    coordinator: &str,
    leases: &[Judged],
    now_ms: i64,
    show_tokens: bool,
    error: Option<&str>,
    exit_code: u8,
) -> String {
    let stuck = |judged: &&Judged| judged.stuckness.is_stuck();
    super::document(&ListDocument {
        schema_version: SCHEMA_VERSION,
        mode: "list",
        coordinator,
        now_ms,
        leases: leases
            .iter()
            .map(|judged| listed(judged, now_ms, show_tokens))
            .collect(),
        summary: ListSummary {
            leases: leases.len(),
            stuck: leases.iter().filter(stuck).count(),
            cannot_tell: cannot_tell(leases),
        },
        error,
        exit_code,
    })
}

fn listed(Judged { record, stuckness }: &Judged, now_ms: i64, show_tokens: bool) -> ListedLease {
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let (claimed, until) = (record.claimed_at_ms, record.lease_until_ms);
    ListedLease {
        lease: LeaseFields::of(&record.key, record.token.as_ref(), show_tokens),
        stuck: (*stuckness != Stuckness::CannotTell).then(|| stuckness.is_stuck()),
        expired: is_expired(record, now_ms),
        completion_ratio: record.completion_ratio,
        claimed_at_ms: claimed,
        age_seconds: claimed.map(|at| seconds(now_ms.saturating_sub(at))),
        lease_until_ms: until,
        expires_in_seconds: until.map(|at| seconds(at.saturating_sub(now_ms))),
        worker: record.worker.clone(),
    }
}
