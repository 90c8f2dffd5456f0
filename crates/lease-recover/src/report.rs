//! What a run is summed up to, and the one mapping from that to an exit status.

use seamless_cli::{ExitStatus, Signal};
use seamless_core::http::{Problem, Remedy, ServiceError};
use serde::Serialize;

use crate::outcome::{Outcome, Settled};
use crate::verify::Verification;

/// What is known before the first lease.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    /// Without credentials; absent where nothing is contacted and none is configured.
    pub(crate) coordinator: Option<String>,
    pub(crate) action: &'static str,
    pub(crate) reason: String,
    pub(crate) dry_run: bool,
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
}

impl Summary {
    /// Counts one more.
    pub(crate) fn count(&mut self, settled: &Settled) {
        self.processed += 1;
        let counter = match settled.outcome {
            Outcome::Released { .. } => &mut self.released,
            Outcome::AlreadyReleased { .. } => &mut self.already_released,
            Outcome::Conflict { .. } => &mut self.conflict,
            Outcome::Failed(_) => &mut self.failed,
            Outcome::Unknown(_) => &mut self.unknown,
            Outcome::Skipped(_) => &mut self.skipped,
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
        )
    }
}

/// Something that kept the run from being what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It went wrong.
    Failed(String),
    /// It ended without telling.
    CouldNotTell(String),
}

impl Trouble {
    /// In words.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Failed(text) | Self::CouldNotTell(text) => text,
        }
    }
}

impl From<ServiceError> for Trouble {
    fn from(error: ServiceError) -> Self {
        let text = format!("{error}; {}", advice(&error.problem));
        if error.problem.is_deadline() {
            Self::CouldNotTell(text)
        } else {
            Self::Failed(text)
        }
    }
}

/// What a person should do about a problem with the coordinator.
pub(crate) fn advice(problem: &Problem) -> String {
    match problem.remedy() {
        Remedy::LowerRate => "the coordinator is limiting requests; use --rate".to_owned(),
        other => seamless_cli::remedy_words(other, "coordinator"),
    }
}

/// What is known after the last lease.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tail {
    pub(crate) summary: Summary,
    /// Leases that `--stuck` could not judge.
    pub(crate) cannot_tell: usize,
    pub(crate) verification: Option<Verification>,
    pub(crate) stopped: Option<Signal>,
    pub(crate) trouble: Option<Trouble>,
}

impl Tail {
    /// How the run ended: a signal first, then what is proven bad, then what stayed unknown.
    pub(crate) fn status(&self, dry_run: bool) -> ExitStatus {
        let summary = &self.summary;
        let unrecovered = summary.conflict + summary.failed + summary.skipped > 0;
        let still_held = matches!(self.verification, Some(Verification::StillHeld { .. }));
        let unverified = matches!(self.verification, Some(Verification::NotPossible(_)));
        match (self.stopped, &self.trouble) {
            (Some(signal), _) => ExitStatus::Stopped(signal),
            (_, Some(Trouble::Failed(_))) => ExitStatus::Negative,
            _ if !dry_run && (unrecovered || still_held) => ExitStatus::Negative,
            (_, Some(Trouble::CouldNotTell(_))) => ExitStatus::Undetermined,
            _ if dry_run => ExitStatus::Done,
            _ if summary.unknown + self.cannot_tell > 0 || unverified => ExitStatus::Undetermined,
            _ => ExitStatus::Done,
        }
    }
}

/// A count of leases in words.
pub(crate) fn counted(leases: usize) -> String {
    match leases {
        1 => "1 lease".to_owned(),
        more => format!("{more} leases"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Skip;

    fn tail(outcomes: &[Outcome]) -> Tail {
        let mut tail = Tail::default();
        for outcome in outcomes {
            tail.summary
                .count(&Settled::without_request(outcome.clone()));
        }
        tail
    }

    #[test]
    fn the_worst_outcome_decides() {
        let released = Outcome::Released {
            completion_ratio: None,
        };
        let already = Outcome::AlreadyReleased { note: None };
        let conflict = Outcome::Conflict { note: None };
        let failed = Outcome::Failed("HTTP 500".to_owned());
        let unknown = Outcome::Unknown("no answer".to_owned());
        let skipped = Outcome::Skipped(Skip::MissingToken);
        for (outcomes, expected) in [
            (&[][..], ExitStatus::Done),
            (&[released.clone(), already.clone()], ExitStatus::Done),
            (&[released.clone(), conflict], ExitStatus::Negative),
            (&[released.clone(), failed.clone()], ExitStatus::Negative),
            (&[released.clone(), skipped.clone()], ExitStatus::Negative),
            (&[released, unknown.clone()], ExitStatus::Undetermined),
            (&[unknown, failed], ExitStatus::Negative),
        ] {
            assert_eq!(tail(outcomes).status(false), expected, "{outcomes:?}");
        }
        assert_eq!(tail(&[skipped]).status(true), ExitStatus::Done);
    }

    #[test]
    fn what_could_not_be_told_is_not_success() {
        let with = |change: fn(&mut Tail)| {
            let mut tail = tail(&[]);
            change(&mut tail);
            tail.status(false)
        };
        assert_eq!(with(|t| t.cannot_tell = 1), ExitStatus::Undetermined);
        assert_eq!(
            with(|t| t.verification = Some(Verification::NotPossible(String::new()))),
            ExitStatus::Undetermined
        );
        assert_eq!(
            with(|t| t.verification = Some(Verification::StillHeld { leases: 1 })),
            ExitStatus::Negative
        );
        assert_eq!(
            with(|t| t.trouble = Some(Trouble::Failed(String::new()))),
            ExitStatus::Negative
        );
        assert_eq!(
            with(|t| t.stopped = Some(Signal::Terminate)),
            ExitStatus::Stopped(Signal::Terminate)
        );
    }
}
