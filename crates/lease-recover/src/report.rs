//! A finished run: what became of each lease, and the one mapping from that to an exit status.
//!
//! Owns what a run tells. It serializes into the document of `--output json`; the other formats are in
//! [`crate::render`].

use seamless_cli::{ExitStatus, Signal};
use seamless_core::http::ServiceError;
use seamless_core::lease::LeaseSpec;
use serde::{Serialize, Serializer};

use crate::lease_fields::LeaseFields;
use crate::outcome::{LeaseOutcome, RecordedOutcome, Skip};
use crate::verify::Verification;
use crate::words::advice;

/// Changes when a member's meaning does; members may be added.
pub(crate) const SCHEMA_VERSION: u32 = 2;

/// What a recovery came to.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    schema_version: u32,
    mode: &'static str,
    /// Without credentials; absent where nothing is contacted and none is configured.
    pub(crate) coordinator: Option<String>,
    pub(crate) action: &'static str,
    pub(crate) reason: String,
    pub(crate) dry_run: bool,
    pub(crate) leases: Vec<LeaseResult>,
    pub(crate) summary: Summary,
    /// Leases that a selection could not judge, and entries of the list that could not be read.
    #[serde(rename = "cannot_tell_if_stuck")]
    pub(crate) cannot_tell: usize,
    /// What a reader has to know beside the outcomes.
    pub(crate) notes: Vec<String>,
    pub(crate) verification: Option<Verification>,
    #[serde(rename = "stopped_by", serialize_with = "signal_name")]
    pub(crate) stopped: Option<Signal>,
    pub(crate) error: Option<RunError>,
    exit_code: u8,
}

/// One lease, and what became of it.
#[derive(Debug, Serialize)]
pub(crate) struct LeaseResult {
    #[serde(flatten)]
    pub(crate) lease: LeaseFields,
    #[serde(skip)]
    pub(crate) spec: LeaseSpec,
    pub(crate) outcome: &'static str,
    pub(crate) detail: Option<String>,
    pub(crate) requests: u32,
    pub(crate) by_earlier_run: bool,
    completion_ratio: Option<f64>,
    #[serde(skip)]
    pub(crate) settled: RecordedOutcome,
}

impl LeaseResult {
    fn new(spec: LeaseSpec, settled: RecordedOutcome, show_tokens: bool) -> Self {
        Self {
            lease: LeaseFields::of(&spec.key, spec.token.as_ref(), show_tokens),
            outcome: settled.outcome.word(),
            detail: settled.outcome.detail(),
            requests: settled.requests,
            by_earlier_run: settled.by_earlier_run,
            completion_ratio: match settled.outcome {
                LeaseOutcome::Released { completion_ratio } => completion_ratio,
                _ => None,
            },
            spec,
            settled,
        }
    }
}

impl Report {
    /// An empty report of a run that is about to begin.
    pub(crate) fn new(
        coordinator: Option<String>,
        action: &'static str,
        reason: String,
        dry_run: bool,
    ) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            mode: "recover",
            coordinator,
            action,
            reason,
            dry_run,
            leases: Vec::new(),
            summary: Summary::default(),
            cannot_tell: 0,
            notes: Vec::new(),
            verification: None,
            stopped: None,
            error: None,
            exit_code: 0,
        }
    }

    /// Adds what became of the leases.
    pub(crate) fn add(
        &mut self,
        leases: impl IntoIterator<Item = (LeaseSpec, RecordedOutcome)>,
        show_tokens: bool,
    ) {
        for (spec, settled) in leases {
            self.summary.count(&settled);
            self.leases
                .push(LeaseResult::new(spec, settled, show_tokens));
        }
    }

    /// Fixes how the run ended: a signal first, then what is proven bad, then what stayed unknown.
    pub(crate) fn close(&mut self, fail_if_none: bool) -> ExitStatus {
        let status = self.status(fail_if_none);
        self.exit_code = status.code();
        status
    }

    fn status(&self, fail_if_none: bool) -> ExitStatus {
        let summary = &self.summary;
        let unrecovered = summary.conflict + summary.failed + summary.skipped > 0;
        let bad = match self.verification {
            Some(Verification::StillHeld { .. } | Verification::NotReclaimed { .. }) => true,
            Some(Verification::Confirmed { .. } | Verification::NotPossible { .. }) | None => false,
        };
        let unverified = matches!(self.verification, Some(Verification::NotPossible { .. }));
        // A dry run shows what a run would skip as well.
        let would_be_skipped = self.leases.iter().any(|lease| {
            matches!(
                lease.settled.outcome,
                LeaseOutcome::Skipped(Skip::MissingToken | Skip::NotStuck(_))
            )
        });
        let none = fail_if_none && summary.processed == 0;
        match (self.stopped, &self.error) {
            (Some(signal), _) => ExitStatus::Stopped(signal),
            (_, Some(RunError::Failed(_))) => ExitStatus::Negative,
            _ if would_be_skipped || none => ExitStatus::Negative,
            _ if !self.dry_run && (unrecovered || bad) => ExitStatus::Negative,
            (_, Some(RunError::CouldNotTell(_))) => ExitStatus::Undetermined,
            _ if summary.processed == 0 && self.cannot_tell > 0 => ExitStatus::Undetermined,
            _ if self.dry_run => ExitStatus::Done,
            _ if summary.unknown > 0 || unverified => ExitStatus::Undetermined,
            _ => ExitStatus::Done,
        }
    }
}

fn signal_name<S: Serializer>(signal: &Option<Signal>, serializer: S) -> Result<S::Ok, S::Error> {
    signal.map(Signal::name).serialize(serializer)
}

/// How many leases had which outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    pub(crate) processed: usize,
    pub(crate) released: usize,
    pub(crate) already_released: usize,
    pub(crate) conflict: usize,
    pub(crate) failed: usize,
    pub(crate) unknown: usize,
    pub(crate) skipped: usize,
    /// What a dry run would send.
    pub(crate) would_release: usize,
}

impl Summary {
    fn count(&mut self, settled: &RecordedOutcome) {
        self.processed += 1;
        let counter = match settled.outcome {
            LeaseOutcome::Released { .. } => &mut self.released,
            LeaseOutcome::AlreadyReleased { .. } => &mut self.already_released,
            LeaseOutcome::Conflict { .. } => &mut self.conflict,
            LeaseOutcome::Failed(_) => &mut self.failed,
            LeaseOutcome::Unknown(_) => &mut self.unknown,
            LeaseOutcome::Skipped(Skip::DryRun) => &mut self.would_release,
            LeaseOutcome::Skipped(_) => &mut self.skipped,
        };
        *counter += 1;
    }
}

impl std::fmt::Display for Summary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "processed={} released={} already_released={} conflict={} failed={} unknown={} skipped={}",
            self.processed,
            self.released,
            self.already_released,
            self.conflict,
            self.failed,
            self.unknown,
            self.skipped
        )?;
        if self.would_release > 0 {
            write!(f, " would_release={}", self.would_release)?;
        }
        Ok(())
    }
}

/// Something that kept the run from being what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum RunError {
    /// It went wrong.
    Failed(String),
    /// It ended without telling.
    CouldNotTell(String),
}

impl RunError {
    /// In words.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Failed(text) | Self::CouldNotTell(text) => text,
        }
    }
}

impl From<ServiceError> for RunError {
    /// A list that cannot be had tells nothing about the leases.
    fn from(error: ServiceError) -> Self {
        Self::CouldNotTell(format!("{error}; {}", advice(&error.source)))
    }
}

/// The document of a run that ended before it began.
pub(crate) fn refusal(error: &str) -> String {
    let document = serde_json::json!({
        "schema_version": SCHEMA_VERSION,
        "leases": [],
        "error": error,
        "exit_code": ExitStatus::Usage.code(),
    });
    format!("{document}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(outcomes: &[LeaseOutcome]) -> Report {
        let mut report = Report::new(None, "fail", "why".to_owned(), false);
        let leases = outcomes.iter().map(|outcome| {
            let spec = LeaseSpec::parse("k:t").unwrap();
            (spec, RecordedOutcome::without_request(outcome.clone()))
        });
        report.add(leases, false);
        report
    }

    #[test]
    fn the_worst_outcome_decides() {
        let released = LeaseOutcome::Released {
            completion_ratio: None,
        };
        let already = LeaseOutcome::AlreadyReleased { note: None };
        let conflict = LeaseOutcome::Conflict { note: None };
        let failed = LeaseOutcome::Failed("HTTP 500".to_owned());
        let unknown = LeaseOutcome::Unknown("no answer".to_owned());
        let skipped = LeaseOutcome::Skipped(Skip::NotConfirmed);
        for (outcomes, expected) in [
            (&[][..], ExitStatus::Done),
            (&[released.clone(), already.clone()], ExitStatus::Done),
            (&[released.clone(), conflict], ExitStatus::Negative),
            (&[released.clone(), failed.clone()], ExitStatus::Negative),
            (&[released.clone(), skipped], ExitStatus::Negative),
            (&[released, unknown.clone()], ExitStatus::Undetermined),
            (&[unknown, failed], ExitStatus::Negative),
        ] {
            assert_eq!(report(outcomes).status(false), expected, "{outcomes:?}");
        }
        assert_eq!(report(&[]).status(true), ExitStatus::Negative);
    }

    #[test]
    fn what_could_not_be_told_is_not_success() {
        let with = |change: fn(&mut Report)| {
            let mut report = report(&[]);
            change(&mut report);
            report.status(false)
        };
        assert_eq!(with(|r| r.cannot_tell = 1), ExitStatus::Undetermined);
        let not_possible = |r: &mut Report| {
            r.verification = Some(Verification::NotPossible {
                reason: String::new(),
            });
        };
        assert_eq!(with(not_possible), ExitStatus::Undetermined);
        for verification in [
            Verification::StillHeld { leases: 1 },
            Verification::NotReclaimed { leases: 1 },
        ] {
            let mut report = report(&[]);
            report.verification = Some(verification);
            assert_eq!(report.status(false), ExitStatus::Negative);
        }
        assert_eq!(
            with(|r| r.error = Some(RunError::Failed(String::new()))),
            ExitStatus::Negative
        );
        assert_eq!(
            with(|r| r.stopped = Some(Signal::Terminate)),
            ExitStatus::Stopped(Signal::Terminate)
        );
    }
}
