//! `--list`: the coordinator's leases, stuck ones first. Changes nothing.

use std::time::Duration;

use seamless_cli::{ExitStatus, Stop, Terminal};
use seamless_core::coordinator::{Coordinator, Inspection, LeaseRecord};
use seamless_core::duration;
use seamless_core::lease::LeaseSpec;

use crate::args::Output;
use crate::render::{json, specs, table};
use crate::report::{Trouble, counted};
use crate::request::Request;
use crate::select::{Narrowing, Stuckness, Thresholds, judge};

/// Leases with what they were judged to be, and when.
pub(crate) struct Judged {
    pub(crate) leases: Vec<(LeaseRecord, Stuckness)>,
    pub(crate) now_ms: i64,
}

impl Judged {
    /// Judges the leases that are admitted, and puts the stuck ones first, the oldest before all.
    pub(crate) fn new(
        records: Vec<LeaseRecord>,
        narrowing: &Narrowing,
        thresholds: Thresholds,
        now_ms: i64,
    ) -> Self {
        let mut leases: Vec<(LeaseRecord, Stuckness)> = records
            .into_iter()
            .filter(|record| narrowing.admits(&record.key))
            .map(|record| {
                let stuckness = judge(&record, thresholds, now_ms);
                (record, stuckness)
            })
            .collect();
        leases.sort_by(|(a, a_is), (b, b_is)| {
            let rank = |stuckness: &Stuckness| match stuckness {
                Stuckness::Expired | Stuckness::Old => 0,
                Stuckness::CannotTell => 1,
                Stuckness::Alive => 2,
            };
            let claimed = |record: &LeaseRecord| record.claimed_at_ms.unwrap_or(i64::MAX);
            (rank(a_is), claimed(a), &a.key).cmp(&(rank(b_is), claimed(b), &b.key))
        });
        Self { leases, now_ms }
    }

    /// Keeps the stuck ones. Returns how many could not be judged.
    pub(crate) fn keep_stuck(&mut self) -> usize {
        let unclear = |leases: &[(LeaseRecord, Stuckness)]| {
            leases
                .iter()
                .filter(|(_, is)| *is == Stuckness::CannotTell)
                .count()
        };
        let cannot_tell = unclear(&self.leases);
        self.leases.retain(|(_, stuckness)| stuckness.is_stuck());
        cannot_tell
    }
}

/// What is said of leases that `--stuck` could not judge.
pub(crate) fn cannot_tell_warning(count: usize) -> String {
    format!(
        "cannot tell of {} whether it is stuck: the coordinator lists no completion or times; to recover it anyway, pick from --list --output specs and give it to --from-file",
        counted(count)
    )
}

/// Reads the coordinator's list while a spinner turns. `Err(None)` is a signal.
pub(crate) async fn read(
    coordinator: &Coordinator,
    terminal: &Terminal,
    stop: &Stop,
) -> Result<Inspection, Option<Trouble>> {
    let progress = terminal.progress();
    let _spinner = progress.spinner(format!("reading leases from {}", coordinator.endpoint()));
    let read = tokio::select! {
        read = coordinator.inspect() => read.map_err(|error| Some(error.into())),
        _ = stop.wait() => Err(None),
    };
    progress.clear();
    if let Some(warning) = read.as_ref().ok().and_then(clock_warning) {
        terminal.warn(&warning);
    }
    read
}

/// What is said where the two clocks differ: a lease expires when the coordinator's says so.
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

/// Runs `--list`.
pub(crate) async fn run(
    request: &Request,
    only_stuck: bool,
    terminal: &Terminal,
    stop: &Stop,
) -> anyhow::Result<ExitStatus> {
    let connections = request.connections()?;
    connections.announce(terminal);
    let coordinator = connections.coordinator()?;
    let read = read(&coordinator, terminal, stop).await;
    let now_ms = match &read {
        Ok(listed) => listed.now_ms(),
        Err(_) => jiff::Timestamp::now().as_millisecond(),
    };
    let (records, trouble, mut status) = match read {
        Ok(listed) => (listed.leases, None, ExitStatus::Done),
        Err(None) => (
            Vec::new(),
            None,
            stop.requested()
                .map_or(ExitStatus::Undetermined, ExitStatus::Stopped),
        ),
        Err(Some(trouble)) => {
            terminal.error(trouble.text());
            let status = match trouble {
                Trouble::Failed(_) => ExitStatus::Negative,
                Trouble::CouldNotTell(_) => ExitStatus::Undetermined,
            };
            (Vec::new(), Some(trouble), status)
        }
    };
    let mut judged = Judged::new(records, &request.narrowing, request.thresholds, now_ms);
    if only_stuck {
        let cannot_tell = judged.keep_stuck();
        if cannot_tell > 0 {
            terminal.warn(&cannot_tell_warning(cannot_tell));
            status = ExitStatus::Undetermined;
        }
    }
    let text = match request.output {
        Output::Json => json::list(
            &coordinator.endpoint().to_string(),
            &judged.leases,
            now_ms,
            request.show_tokens,
            trouble.as_ref().map(Trouble::text),
            status,
        ),
        Output::Specs => {
            let mut out = String::new();
            for (record, _) in &judged.leases {
                specs::line(&mut out, &LeaseSpec::from(record.clone()));
            }
            out
        }
        Output::Text if trouble.is_some() => String::new(),
        Output::Text => {
            let stuck = judged.leases.iter().filter(|(_, is)| is.is_stuck()).count();
            let summary = format!("leases={} stuck={stuck}\n", judged.leases.len());
            if judged.leases.is_empty() {
                summary
            } else {
                let shown =
                    table::leases(&judged.leases, now_ms, terminal.width(), terminal.palette());
                format!("{shown}\n{summary}")
            }
        }
    };
    terminal.result(status, &text)?;
    Ok(status)
}
