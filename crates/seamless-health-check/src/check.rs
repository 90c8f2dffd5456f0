//! What a check is: data about it, and a function that asks for what it needs and judges it.

use futures_util::future::LocalBoxFuture;

use crate::gap::Fact;
pub(crate) use crate::group::Group;
use crate::site::Site;
use crate::verdict::{CheckOutcome, Verdict};

/// The worst that a check can come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    Warn,
    Fail,
}

/// Something that a check asks or reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Coordinator,
    Prometheus,
    Alertmanager,
    Exposition,
    Log,
    Traces,
    Receiver,
}

impl Need {
    /// Its name, and the options that give it where no URL does.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Coordinator => "coordinator",
            Self::Prometheus => "Prometheus",
            Self::Alertmanager => "Alertmanager",
            Self::Exposition => "--metrics-url or --metrics-file",
            Self::Log => "--logs",
            Self::Traces => "--traces",
            Self::Receiver => "--traces URL",
        }
    }
}

/// What a check is about, for whoever looks it up. Backquotes are around what is typed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Explained {
    /// What it means that it does not pass.
    pub(crate) means: &'static str,
    /// What to do then.
    pub(crate) remedy: &'static str,
    /// A verdict and a message, as the check says them.
    pub(crate) example: &'static str,
    pub(crate) korean: Korean,
}

/// The same in Korean, with the title.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Korean {
    pub(crate) title: &'static str,
    pub(crate) means: &'static str,
    pub(crate) remedy: &'static str,
}

/// One check.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Check {
    /// The name within its group.
    pub(crate) name: &'static str,
    pub(crate) group: Group,
    /// What it checks, in a few words.
    pub(crate) title: &'static str,
    /// What it asks or reads.
    pub(crate) needs: &'static [Need],
    /// The checks without which it makes no sense.
    pub(crate) requires: &'static [&'static str],
    pub(crate) severity: Severity,
    /// What to do when it does not pass.
    pub(crate) hint: &'static str,
    /// The anchor in the runbook.
    pub(crate) anchor: &'static str,
    pub(crate) explained: Explained,
    /// Asks for what it needs and judges it; a gap where something cannot be had.
    pub(crate) run: for<'s> fn(&'s Site<'s>) -> LocalBoxFuture<'s, Fact<CheckOutcome>>,
}

impl Severity {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Warn => Verdict::Warn.word(),
            Self::Fail => Verdict::Fail.word(),
        }
    }
}

impl Check {
    pub(crate) fn id(&self) -> String {
        format!("{}/{}", self.group.name(), self.name)
    }

    /// Whether it can tell nothing without a Prometheus.
    pub(crate) fn needs_prometheus(&self) -> bool {
        self.needs.contains(&Need::Prometheus) && !self.needs.contains(&Need::Alertmanager)
    }
}
