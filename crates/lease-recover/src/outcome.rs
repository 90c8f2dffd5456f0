//! What became of a lease.
//!
//! Owns the outcomes, their words, and which of them settle a lease. An outcome is what was proven:
//! nothing here guesses.

use seamless_cli::Signal;
use seamless_core::coordinator::{Release, ReleaseVerdict, Unproven};

use crate::words::advice;

/// What became of one lease.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LeaseOutcome {
    /// The coordinator released it now.
    Released {
        /// The completion it reported, 0 to 1.
        completion_ratio: Option<f64>,
    },
    /// The coordinator holds no such lease.
    AlreadyReleased {
        /// What is known of how that came about.
        note: Option<String>,
    },
    /// The lease is not held under this token any more, most often because another worker has claimed it. It was
    /// left alone.
    Conflict {
        /// What is known of how that came about.
        note: Option<String>,
    },
    /// Any other answer, or it could not be sent at all; with what came back.
    Failed(String),
    /// Sent, and no answer could be had.
    Unknown(String),
    /// Not sent.
    Skipped(Skip),
}

/// Why a lease was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Skip {
    /// `--dry-run`.
    #[error("would release")]
    DryRun,
    /// It was named, and is listed, but not stuck.
    #[error(
        "listed, but not stuck: {0}; look again later, or repeat with the --older-than and --max-ratio of the page's command"
    )]
    NotStuck(String),
    /// Its source named no token, and a token is never guessed.
    #[error("no token given")]
    MissingToken,
    /// A person said no.
    #[error("not confirmed")]
    NotConfirmed,
    /// The selection failed, and with it the run.
    #[error("the run ended before it was sent")]
    NotStarted,
    /// A signal came first.
    #[error("stopped by {} before it was sent", .0.name())]
    Stopped(Signal),
    /// The run's deadline passed first.
    #[error("the run's deadline passed before it was sent")]
    Deadline,
    /// `--max-failures` was passed first.
    #[error("too many failures before it was sent")]
    TooManyFailures,
    /// `--batch`: an earlier batch had a failure.
    #[error("an earlier batch had a failure")]
    BatchFailed,
    /// An earlier run of the journal ended it by the other action.
    #[error("the journal says that it was released by --action {0} already")]
    OtherAction(String),
    /// The journal or audit log could not be written any more.
    #[error("the journal or audit log cannot be written")]
    NoRecord,
    /// It was stuck when it was selected, and is not any more.
    #[error("not stuck any more when it was read again")]
    MovedOn,
    /// It could not be read again before acting.
    #[error("it could not be read again before acting: {0}")]
    NotReadAgain(String),
}

impl LeaseOutcome {
    /// The outcome's word in every output.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Released { .. } => "released",
            Self::AlreadyReleased { .. } => "already_released",
            Self::Conflict { .. } => "conflict",
            Self::Failed(_) => "failed",
            Self::Unknown(_) => "unknown",
            Self::Skipped(Skip::DryRun) => "would_release",
            Self::Skipped(_) => "skipped",
        }
    }

    /// What there is to say beyond the word.
    pub(crate) fn detail(&self) -> Option<String> {
        match self {
            Self::Released { .. } | Self::Skipped(Skip::DryRun) => None,
            Self::AlreadyReleased { note } | Self::Conflict { note } => note.clone(),
            Self::Failed(text) | Self::Unknown(text) => Some(text.clone()),
            Self::Skipped(skip) => Some(skip.to_string()),
        }
    }

    /// Whether the coordinator is known not to hold the lease under its token any more.
    pub(crate) const fn is_recovered(&self) -> bool {
        matches!(self, Self::Released { .. } | Self::AlreadyReleased { .. })
    }

    /// Whether it counts for `--max-failures`.
    pub(crate) const fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Unknown(_))
    }
}

/// An outcome, and what it took.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RecordedOutcome {
    pub(crate) outcome: LeaseOutcome,
    /// Requests made for this lease.
    pub(crate) requests: u32,
    /// An earlier run settled it, says the journal.
    pub(crate) by_earlier_run: bool,
    /// What it becomes if the server proves to be the coordinator after all.
    pub(crate) if_proven: Option<Box<LeaseOutcome>>,
}

impl RecordedOutcome {
    /// Not sent, for this reason.
    pub(crate) fn skipped(skip: Skip) -> Self {
        Self::without_request(LeaseOutcome::Skipped(skip))
    }

    /// An outcome for which nothing was sent.
    pub(crate) fn without_request(outcome: LeaseOutcome) -> Self {
        Self {
            outcome,
            requests: 0,
            by_earlier_run: false,
            if_proven: None,
        }
    }

    /// Whether it rests on an answer that says nothing of the lease: a 404, or a success without completion. A
    /// coordinator that has no such path, or hands the request on, answers so as well.
    pub(crate) const fn may_be_contradicted(&self) -> bool {
        let is_vague = matches!(
            self.outcome,
            LeaseOutcome::AlreadyReleased { .. }
                | LeaseOutcome::Released {
                    completion_ratio: None
                }
        );
        is_vague && self.requests > 0
    }

    /// What a release came to. `resumed` says that an earlier run with the same journal may have sent
    /// the lease and been cut off before it could write the outcome down.
    pub(crate) fn of(release: Release, resumed: bool) -> Self {
        let lost = release.earlier_attempt_lost;
        let (outcome, if_proven) = match release.verdict {
            ReleaseVerdict::Unproven(unproven) => {
                let Unproven { meaning, answer } = *unproven;
                let text = format!(
                    "{answer}; nothing at this URL has shown itself to be the coordinator: check the URL, and the lease with --list"
                );
                let meaning = LeaseOutcome::of(meaning, lost, resumed);
                (LeaseOutcome::Unknown(text), Some(Box::new(meaning)))
            }
            verdict => (LeaseOutcome::of(verdict, lost, resumed), None),
        };
        Self {
            outcome,
            requests: release.attempts,
            by_earlier_run: false,
            if_proven,
        }
    }
}

impl LeaseOutcome {
    fn of(verdict: ReleaseVerdict, lost: bool, resumed: bool) -> Self {
        match verdict {
            ReleaseVerdict::Released { completion_ratio } => Self::Released { completion_ratio },
            ReleaseVerdict::AlreadyReleased => Self::AlreadyReleased {
                note: if lost {
                    Some(
                        "most likely by this run's own earlier attempt, whose answer was lost"
                            .to_owned(),
                    )
                } else if resumed {
                    Some("possibly by the earlier run of this journal, before it could write it down".to_owned())
                } else {
                    None
                },
            },
            ReleaseVerdict::Conflict { answer } => {
                let mut note = answer;
                if lost {
                    note.push_str("; the answer to an earlier attempt was lost: it may have released the lease before another worker claimed it");
                }
                Self::Conflict { note: Some(note) }
            }
            ReleaseVerdict::Failed(error) => {
                let mut text = format!("{error}; {}", advice(&error));
                if lost {
                    text.push_str("; the answer to an earlier attempt was lost, and it may have released the lease");
                }
                Self::Failed(text)
            }
            ReleaseVerdict::Unknown(error) => Self::Unknown(format!("{error}; {}", advice(&error))),
            ReleaseVerdict::Unproven(unproven) => Self::Unknown(unproven.answer.to_string()),
        }
    }
}
