//! What a check is, and what it can come to. Owns the words; asks nobody and judges nothing.

use std::collections::BTreeSet;

use crate::facts::{Facts, Source};
use crate::request::Request;

/// What a set of checks is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    Environment,
    Coordinator,
    Prometheus,
    Alerting,
    Sla,
    Exposition,
    Telemetry,
}

impl Group {
    pub(crate) const ALL: [Self; 7] = [
        Self::Environment,
        Self::Coordinator,
        Self::Prometheus,
        Self::Alerting,
        Self::Sla,
        Self::Exposition,
        Self::Telemetry,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Coordinator => "coordinator",
            Self::Prometheus => "prometheus",
            Self::Alerting => "alerting",
            Self::Sla => "sla",
            Self::Exposition => "exposition",
            Self::Telemetry => "telemetry",
        }
    }
}

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

/// The command that shows more of what a check found, or mends it. The run's own endpoints are added to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    HealthCheck(Vec<String>),
    LeaseRecover(Vec<String>),
}

impl Next {
    pub(crate) fn health_check(arguments: &[&str]) -> Self {
        Self::HealthCheck(arguments.iter().map(|&word| word.to_owned()).collect())
    }

    pub(crate) fn lease_recover(arguments: &[&str]) -> Self {
        Self::LeaseRecover(arguments.iter().map(|&word| word.to_owned()).collect())
    }
}

/// One check: everything about it is data, its judgement is a pure function.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Check {
    /// The name within its group.
    pub(crate) name: &'static str,
    pub(crate) group: Group,
    /// What it checks, in a few words.
    pub(crate) title: &'static str,
    /// What must be fetched for it.
    pub(crate) sources: &'static [Source],
    /// The checks without which it makes no sense.
    pub(crate) requires: &'static [&'static str],
    pub(crate) severity: Severity,
    /// What to do when it does not pass.
    pub(crate) hint: &'static str,
    /// The anchor in the runbook.
    pub(crate) anchor: &'static str,
    pub(crate) explained: Explained,
    pub(crate) judge: fn(&Facts, &Request) -> Outcome,
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

    /// What it asks or reads, once each.
    pub(crate) fn needs(&self) -> Vec<Need> {
        let mut needs = Vec::new();
        for need in self.sources.iter().map(|source| source.need()) {
            if !needs.contains(&need) {
                needs.push(need);
            }
        }
        needs
    }

    /// Whether it can tell nothing without a Prometheus.
    pub(crate) fn needs_prometheus(&self) -> bool {
        let asks = matches!(self.group, Group::Prometheus | Group::Alerting | Group::Sla);
        asks && !self.sources.contains(&Source::Paging)
    }
}

/// Why a check was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Skip {
    /// A check that it requires has not passed.
    Requires(&'static str),
    /// There is nothing to check it on.
    NotApplicable(String),
    /// The server does not offer what it needs.
    NotOffered(String),
    /// The run's own time was over, or a signal ended it: nothing is known.
    OutOfTime(String),
}

impl Skip {
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Requires(id) => format!("{id} has not passed"),
            Self::NotApplicable(reason) | Self::NotOffered(reason) | Self::OutOfTime(reason) => {
                reason.clone()
            }
        }
    }
}

/// What a check came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Pass,
    Warn,
    Fail,
    Skip(Skip),
}

impl Verdict {
    /// Whether there is something to do.
    pub(crate) const fn is_bad(&self) -> bool {
        matches!(self, Self::Warn | Self::Fail)
    }

    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skip(_) => "skip",
        }
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Skip(_) => 0,
            Self::Pass => 1,
            Self::Warn => 2,
            Self::Fail => 3,
        }
    }
}

/// A measured value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measured {
    pub(crate) value: f64,
    /// `s`, `%`, or empty for a count.
    pub(crate) unit: &'static str,
    pub(crate) warn: Option<f64>,
    pub(crate) fail: Option<f64>,
}

/// One of the things that a check looked at: a metric, an alert, a phase.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Item {
    pub(crate) subject: String,
    pub(crate) verdict: Verdict,
    pub(crate) message: String,
    pub(crate) measured: Option<Measured>,
    /// The last hour, oldest first; NaN where there is no value.
    pub(crate) history: Vec<f64>,
}

impl Item {
    pub(crate) fn new(
        subject: impl Into<String>,
        verdict: Verdict,
        message: impl Into<String>,
    ) -> Self {
        Self {
            subject: subject.into(),
            verdict,
            message: message.into(),
            measured: None,
            history: Vec::new(),
        }
    }

    pub(crate) fn measured(mut self, measured: Measured) -> Self {
        self.measured = Some(measured);
        self
    }
}

/// What a check came to, with the values it saw.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) verdict: Verdict,
    pub(crate) message: String,
    pub(crate) items: Vec<Item>,
    /// What to do, where something better is known than the check's own hint.
    pub(crate) hint: Option<String>,
    /// The command that comes next, where there is one.
    pub(crate) next: Option<Next>,
}

impl Outcome {
    pub(crate) fn new(verdict: Verdict, message: impl Into<String>) -> Self {
        Self {
            verdict,
            message: message.into(),
            items: Vec::new(),
            hint: None,
            next: None,
        }
    }

    pub(crate) fn pass(message: impl Into<String>) -> Self {
        Self::new(Verdict::Pass, message)
    }

    pub(crate) fn warn(message: impl Into<String>) -> Self {
        Self::new(Verdict::Warn, message)
    }

    pub(crate) fn fail(message: impl Into<String>) -> Self {
        Self::new(Verdict::Fail, message)
    }

    pub(crate) fn not_applicable(reason: impl Into<String>) -> Self {
        Self::new(Verdict::Skip(Skip::NotApplicable(reason.into())), "")
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With the command that comes next where it does not pass.
    pub(crate) fn next(mut self, next: impl Into<Option<Next>>) -> Self {
        self.next = next.into().filter(|_| self.verdict.is_bad());
        self
    }

    pub(crate) fn items(mut self, items: Vec<Item>) -> Self {
        self.items = items;
        self
    }

    /// The worst of the items; `good` says what it means that all of them pass.
    pub(crate) fn of(items: Vec<Item>, good: impl Into<String>) -> Self {
        let worst = items
            .iter()
            .map(|item| &item.verdict)
            .max_by_key(|v| v.rank());
        let verdict = worst.cloned().unwrap_or(Verdict::Pass);
        let message = match verdict {
            Verdict::Pass | Verdict::Skip(_) => good.into(),
            Verdict::Warn | Verdict::Fail => {
                let bad = |item: &&Item| matches!(item.verdict, Verdict::Warn | Verdict::Fail);
                let mut bad: Vec<&Item> = items.iter().filter(bad).collect();
                bad.sort_by_key(|item| std::cmp::Reverse(item.verdict.rank()));
                let first = bad.first().map_or_else(String::new, |item| {
                    format!("{}: {}", item.subject, item.message)
                });
                match bad.len() {
                    1 => first,
                    many => format!("{first} (and {} more)", many - 1),
                }
            }
        };
        Self {
            verdict,
            message,
            items,
            hint: None,
            next: None,
        }
    }
}

/// The ids that `selected` and all they require name.
pub(crate) fn with_required(all: &[Check], selected: &BTreeSet<String>) -> BTreeSet<String> {
    let mut wanted = selected.clone();
    loop {
        let more: Vec<String> = all
            .iter()
            .filter(|check| wanted.contains(&check.id()))
            .flat_map(|check| check.requires)
            .map(|id| (*id).to_owned())
            .filter(|id| !wanted.contains(id))
            .collect();
        if more.is_empty() {
            return wanted;
        }
        wanted.extend(more);
    }
}
