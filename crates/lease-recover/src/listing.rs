//! The coordinator's list, read and judged. Changes nothing.

use std::time::Duration;

use seamless_cli::{Signal, Stop, Terminal};
use seamless_core::coordinator::{CoordinatorClient, Inspection, LeaseRecord};
use seamless_core::duration;
use seamless_core::http::ServiceError;
use seamless_core::stuck::{Stuckness, Thresholds, judge};

use crate::words::counted;

/// A listed lease, and what it was judged to be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Judged {
    pub(crate) record: LeaseRecord,
    pub(crate) stuckness: Stuckness,
}

/// Judges leases, and puts the stuck ones first, the oldest before all.
pub(crate) fn judged(
    records: impl IntoIterator<Item = LeaseRecord>,
    thresholds: Thresholds,
    now_ms: i64,
) -> Vec<Judged> {
    let mut leases: Vec<Judged> = records
        .into_iter()
        .map(|record| Judged {
            stuckness: judge(&record, thresholds, now_ms),
            record,
        })
        .collect();
    leases.sort_by(|a, b| {
        let rank = |judged: &Judged| match judged.stuckness {
            Stuckness::Stuck => 0,
            Stuckness::CannotTell => 1,
            Stuckness::Alive => 2,
        };
        let claimed = |judged: &Judged| judged.record.claimed_at_ms.unwrap_or(i64::MAX);
        (rank(a), claimed(a), &a.record.key).cmp(&(rank(b), claimed(b), &b.record.key))
    });
    leases
}

/// How many cannot be judged.
pub(crate) fn cannot_tell(leases: &[Judged]) -> usize {
    leases
        .iter()
        .filter(|judged| judged.stuckness == Stuckness::CannotTell)
        .count()
}

/// Why a lease is not stuck: what the list says of it, against the limits.
pub(crate) fn why_not_stuck(record: &LeaseRecord, limits: Thresholds, now_ms: i64) -> String {
    let done = record.completion_ratio;
    let done = done.filter(|ratio| *ratio >= limits.max_ratio);
    let done = done.map(|ratio| {
        let percent = ratio * 100.0;
        format!(
            "it is {percent:.0}% done, and --max-ratio is {}",
            limits.max_ratio
        )
    });
    let age = record.claimed_at_ms.map(|at| {
        let ms = u64::try_from(now_ms.saturating_sub(at)).unwrap_or(0);
        Duration::from_millis(ms)
    });
    let age = age.filter(|age| *age <= limits.older_than).map(|age| {
        let (age, limit) = (duration::human(age), duration::human(limits.older_than));
        format!("it was claimed {age} ago, and --older-than is {limit}")
    });
    let reasons: Vec<String> = [done, age].into_iter().flatten().collect();
    reasons.join("; ")
}

/// What is said of leases that cannot be judged.
pub(crate) fn cannot_tell_warning(count: usize) -> String {
    let verb = if count == 1 { "is" } else { "are" };
    format!(
        "cannot tell whether {} {verb} stuck: the coordinator lists no completion or claim time; --key KEY selects one anyway",
        counted(count)
    )
}

/// Why there is no list.
pub(crate) enum NoList {
    /// A signal came first.
    Stopped(Signal),
    /// It cannot be had.
    Failed(ServiceError),
}

/// Reads the coordinator's list while a spinner turns.
pub(crate) async fn read(
    coordinator: &CoordinatorClient,
    terminal: &Terminal,
    stop: &Stop,
) -> Result<Inspection, NoList> {
    let progress = terminal.progress();
    let _spinner = progress.spinner(format!("reading leases from {}", coordinator.endpoint()));
    let read = tokio::select! {
        biased;
        signal = stop.wait() => Err(NoList::Stopped(signal)),
        read = coordinator.inspect() => read.map_err(NoList::Failed),
    };
    progress.clear();
    if let Ok(listed) = &read {
        for warning in [clock_warning(listed), malformed_warning(listed)] {
            warning.iter().for_each(|warning| terminal.warn(warning));
        }
    }
    read
}

/// What is said of entries that are no leases.
pub(crate) fn malformed_warning(listed: &Inspection) -> Option<String> {
    let first = listed.malformed.first()?;
    Some(format!(
        "the list is incomplete: {} of its entries cannot be read, the first of them entry {first}",
        listed.malformed.len()
    ))
}

/// What is said where the two clocks differ: how long ago a lease was claimed follows the coordinator's.
fn clock_warning(listed: &Inspection) -> Option<String> {
    let by = Duration::from_millis(listed.ahead_ms.unsigned_abs());
    let by = duration::human(Duration::from_secs(by.as_secs()));
    match listed.ahead_ms {
        0 => None,
        ahead => Some(format!(
            "this machine's clock is {by} {} the coordinator's; leases are judged by the coordinator's",
            if ahead > 0 { "ahead of" } else { "behind" }
        )),
    }
}
