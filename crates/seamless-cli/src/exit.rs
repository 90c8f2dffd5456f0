//! Exit statuses, and the one place that maps results to them.

use std::process::ExitCode;

use crate::signals::Signal;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ExitStatus {
    /// 0: done, and verified.
    Done,
    /// 1: a negative result: unhealthy, a lease not recovered, an expected alert that did not arrive.
    Negative,
    /// 2: a usage or configuration error, found before anything was contacted or changed.
    Usage,
    /// 3: undetermined: something could not be verified, and nothing failed.
    Undetermined,
    /// 130 or 143: stopped by a signal, after reporting what was and was not done.
    Stopped(Signal),
}

impl ExitStatus {
    /// Every status, for the documents.
    pub const ALL: [Self; 6] = [
        Self::Done,
        Self::Negative,
        Self::Usage,
        Self::Undetermined,
        Self::Stopped(Signal::Interrupt),
        Self::Stopped(Signal::Terminate),
    ];

    /// The process's exit code.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Negative => 1,
            Self::Usage => 2,
            Self::Undetermined => 3,
            Self::Stopped(signal) => signal.exit_code(),
        }
    }

    /// What it means, as the documents state it.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done, and verified",
            Self::Negative => {
                "a negative result: unhealthy, a lease not recovered, an expected alert that did not arrive"
            }
            Self::Usage => {
                "usage or configuration error, found before anything was contacted or changed"
            }
            Self::Undetermined => {
                "undetermined: something could not be verified, and nothing failed"
            }
            Self::Stopped(Signal::Interrupt) => {
                "stopped by SIGINT, after reporting what was and was not done"
            }
            Self::Stopped(Signal::Terminate) => {
                "stopped by SIGTERM or SIGHUP, after reporting what was and was not done"
            }
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

/// A usage error with a message of its own, for what the argument parser cannot see.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);
