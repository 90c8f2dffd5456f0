//! What a run found, whole, and what it means for the exit code. Renders nothing.

use std::time::Duration;

use seamless_cli::{ExitStatus, Signal};

use crate::args::FailOn;
use crate::check::{Check, Outcome, Severity, Skip, Verdict};
use crate::facts::Facts;
use crate::request::Request;
use crate::told::Told;

/// A check with what it came to.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) check: Check,
    pub(crate) outcome: Outcome,
}

impl Finding {
    /// What to do, where there is something to do.
    pub(crate) fn hint(&self) -> Option<&str> {
        let hint = self.outcome.hint.as_deref().unwrap_or(self.check.hint);
        matches!(self.outcome.verdict, Verdict::Warn | Verdict::Fail).then_some(hint)
    }

    /// Where the runbook says more, where there is something to do.
    pub(crate) fn runbook(&self) -> Option<String> {
        let bad = matches!(self.outcome.verdict, Verdict::Warn | Verdict::Fail);
        bad.then(|| format!("docs/runbook.md#{}", self.check.anchor))
    }

    /// The message, or the reason of a skip.
    pub(crate) fn message(&self) -> String {
        match &self.outcome.verdict {
            Verdict::Skip(skip) => skip.reason(),
            Verdict::Pass | Verdict::Warn | Verdict::Fail => self.outcome.message.clone(),
        }
    }
}

/// What a run found.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) findings: Vec<Finding>,
    pub(crate) warnings: Vec<String>,
    pub(crate) endpoints: Vec<(String, String)>,
    /// When it began, in seconds since the epoch.
    pub(crate) started: f64,
    pub(crate) took: Duration,
    /// How many rounds `--wait` took.
    pub(crate) rounds: u32,
    pub(crate) fail_on: FailOn,
    /// Whether any skip makes the result undetermined.
    pub(crate) strict: bool,
    /// Who would be told of which alert.
    pub(crate) told: Vec<Told>,
    pub(crate) stopped: Option<Signal>,
}

/// How many findings there are of each verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) pass: usize,
    pub(crate) warn: usize,
    pub(crate) fail: usize,
    pub(crate) skip: usize,
}

impl Report {
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for finding in &self.findings {
            match finding.outcome.verdict {
                Verdict::Pass => counts.pass += 1,
                Verdict::Warn => counts.warn += 1,
                Verdict::Fail => counts.fail += 1,
                Verdict::Skip(_) => counts.skip += 1,
            }
        }
        counts
    }

    /// The groups of which nothing could be checked, each with its first reason: an endpoint is missing.
    pub(crate) fn unchecked_groups(&self) -> Vec<(&'static str, String)> {
        let mut groups: Vec<(&'static str, String)> = Vec::new();
        for finding in &self.findings {
            let group = finding.check.group;
            let of_group = || {
                self.findings
                    .iter()
                    .filter(|other| other.check.group == group)
            };
            let skipped = |other: &Finding| matches!(other.outcome.verdict, Verdict::Skip(_));
            if of_group().all(skipped) && !groups.iter().any(|(name, _)| *name == group.name()) {
                groups.push((group.name(), finding.message()));
            }
        }
        groups
    }

    pub(crate) fn status(&self) -> ExitStatus {
        if let Some(signal) = self.stopped {
            return ExitStatus::Stopped(signal);
        }
        let counts = self.counts();
        let undetermined = self
            .findings
            .iter()
            .any(|finding| match finding.outcome.verdict {
                Verdict::Skip(Skip::OutOfTime(_)) => true,
                Verdict::Skip(_) => self.strict,
                Verdict::Pass | Verdict::Warn | Verdict::Fail => false,
            });
        let bad = counts.fail > 0 || (self.fail_on == FailOn::Warn && counts.warn > 0);
        match (bad, undetermined) {
            (true, _) => ExitStatus::Negative,
            (false, true) => ExitStatus::Undetermined,
            (false, false) => ExitStatus::Done,
        }
    }
}

/// Judges every check of the request. A check whose precondition has not passed is skipped.
pub(crate) fn judge(request: &Request, facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = Vec::new();
    for check in &request.checks {
        let unmet = check.requires.iter().find(|id| {
            findings.iter().any(|finding| {
                let bad = match finding.outcome.verdict {
                    Verdict::Fail | Verdict::Skip(Skip::Requires(_) | Skip::OutOfTime(_)) => true,
                    // A server that nobody configured is said better by each check itself.
                    Verdict::Pass | Verdict::Warn | Verdict::Skip(_) => false,
                };
                bad && finding.check.id() == **id
            })
        });
        let outcome = match unmet {
            Some(id) => Outcome::new(Verdict::Skip(Skip::Requires(id)), ""),
            None => no_worse_than(check.severity, (check.judge)(facts, request)),
        };
        findings.push(Finding {
            check: *check,
            outcome,
        });
    }
    findings
}

/// That what a check needs could not be had is no worse than what the check may come to.
fn no_worse_than(severity: Severity, mut outcome: Outcome) -> Outcome {
    if severity == Severity::Warn && outcome.verdict == Verdict::Fail {
        outcome.verdict = Verdict::Warn;
    }
    outcome
}
