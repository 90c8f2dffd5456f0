//! What a check can come to, with the values that it saw. Owns the words; asks nobody and judges nothing.

/// Why a check was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SkipReason {
    /// A check that it requires has not passed.
    Requires(&'static str),
    /// There is nothing to check it on.
    NotApplicable(String),
    /// The server does not offer what it needs.
    NotOffered(String),
    /// The run's own time was over, or a signal ended it: nothing is known.
    OutOfTime(String),
}

impl SkipReason {
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
    Skip(SkipReason),
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
pub(crate) struct CheckOutcome {
    pub(crate) verdict: Verdict,
    pub(crate) message: String,
    pub(crate) items: Vec<Item>,
    /// What to do, where something better is known than the check's own hint.
    pub(crate) hint: Option<String>,
    /// The command that comes next, where there is one.
    pub(crate) next: Option<Next>,
}

impl CheckOutcome {
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
        Self::new(Verdict::Skip(SkipReason::NotApplicable(reason.into())), "")
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
