//! What a run found, whole, and what it means for the exit code. Renders nothing.

use std::sync::Arc;
use std::time::Duration;

use seamless_cli::{ExitStatus, Signal};

use crate::args::FailOn;
use crate::check::{Check, Group, Severity};
use crate::gap::Fact;
use crate::request::{Metrics, Request};
use crate::told::Told;
use crate::verdict::{CheckOutcome, Item, Next, SkipReason, Verdict};

/// A check with what it came to.
#[derive(Debug, Clone)]
pub(crate) struct CheckResult {
    pub(crate) check: Check,
    pub(crate) outcome: CheckOutcome,
    /// The command that comes next, whole.
    next: String,
    /// Where the site keeps its runbook.
    runbook: Option<Arc<str>>,
}

impl CheckResult {
    #[cfg(test)]
    pub(crate) fn given(check: Check, outcome: CheckOutcome) -> Self {
        Self {
            check,
            outcome,
            next: "seamless-health-check".to_owned(),
            runbook: None,
        }
    }

    /// What to do, where there is something to do.
    pub(crate) fn hint(&self) -> Option<&str> {
        let hint = self.outcome.hint.as_deref().unwrap_or(self.check.hint);
        self.outcome.verdict.is_bad().then_some(hint)
    }

    /// The command that comes next, where there is something to do.
    pub(crate) fn next(&self) -> Option<&str> {
        let is_bad = self.outcome.verdict.is_bad();
        is_bad.then_some(self.next.as_str())
    }

    /// The place in the site's runbook, where there is something to do and the site has one.
    pub(crate) fn runbook(&self) -> Option<String> {
        let url = self.runbook.as_ref()?;
        let is_bad = self.outcome.verdict.is_bad();
        is_bad.then(|| format!("{url}#{}", self.check.anchor))
    }

    /// Where there is more to read, where there is something to do: the runbook, else this program.
    pub(crate) fn more(&self) -> Option<String> {
        let explained = || format!("seamless-health-check --explain {}", self.check.id());
        let is_bad = self.outcome.verdict.is_bad();
        is_bad.then(|| self.runbook().unwrap_or_else(explained))
    }

    /// What to do, in the order in which one does it.
    pub(crate) fn advice(&self) -> Vec<String> {
        let hint = self.hint().map(str::to_owned);
        let next = self.next().map(str::to_owned);
        [hint, next, self.more()].into_iter().flatten().collect()
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
    pub(crate) findings: Vec<CheckResult>,
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
pub(crate) struct VerdictCounts {
    pub(crate) pass: usize,
    pub(crate) warn: usize,
    pub(crate) fail: usize,
    pub(crate) skip: usize,
}

impl Report {
    pub(crate) fn counts(&self) -> VerdictCounts {
        let mut counts = VerdictCounts::default();
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
            let skipped = |other: &CheckResult| matches!(other.outcome.verdict, Verdict::Skip(_));
            if of_group().all(skipped) && !groups.iter().any(|(name, _)| *name == group.name()) {
                groups.push((group.name(), finding.message()));
            }
        }
        groups
    }

    /// Whether the run's time was over, or a signal came, before anything was proven bad.
    pub(crate) fn was_cut_short(&self) -> bool {
        let is_cut = |finding: &CheckResult| {
            matches!(
                finding.outcome.verdict,
                Verdict::Skip(SkipReason::OutOfTime(_))
            )
        };
        self.counts().fail == 0 && self.findings.iter().any(is_cut)
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
                Verdict::Skip(SkipReason::OutOfTime(_)) => true,
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

/// What each check came to, in their order. One whose precondition has not passed is skipped.
pub(crate) fn findings(
    request: &Request,
    outcomes: Vec<(Check, Fact<CheckOutcome>)>,
) -> Vec<CheckResult> {
    let mut findings: Vec<CheckResult> = Vec::new();
    for (check, outcome) in outcomes {
        let unmet = check.requires.iter().find(|id| {
            findings.iter().any(|finding| {
                let bad = match finding.outcome.verdict {
                    Verdict::Fail
                    | Verdict::Skip(SkipReason::Requires(_) | SkipReason::OutOfTime(_)) => true,
                    // A server that nobody configured is said better by each check itself.
                    Verdict::Pass | Verdict::Warn | Verdict::Skip(_) => false,
                };
                bad && finding.check.id() == **id
            })
        });
        let outcome = match unmet {
            Some(id) => CheckOutcome::new(Verdict::Skip(SkipReason::Requires(id)), ""),
            None => {
                let outcome = outcome.unwrap_or_else(|gap| gap.outcome());
                no_worse_than(check.severity, outcome)
            }
        };
        let next = outcome.next.clone();
        let next = next.or_else(|| alert(request, &outcome));
        let next = next.unwrap_or_else(|| again(&check, request));
        findings.push(CheckResult {
            check,
            next: request.own.command(&next, check.group),
            runbook: request.runbook.clone(),
            outcome,
        });
    }
    findings
}

/// The command that explains the first alert that something is wrong with, be it the subject or be it named.
fn alert(request: &Request, outcome: &CheckOutcome) -> Option<Next> {
    let items = outcome.items.iter();
    let mut bad = items.filter(|item| item.verdict.is_bad());
    let names = request.alert_names();
    let is_in = |item: &Item, name: &&&str| item.subject == **name || item.message.contains(**name);
    let alert = bad.find_map(|item| {
        let named = names.iter().filter(|name| is_in(item, name));
        // A name may be the beginning of another.
        named.max_by_key(|name| name.len())
    })?;
    let arguments = ["--only", "alerting", "--explain", alert];
    Some(Next::health_check(&arguments))
}

/// The check by itself, to see whether what was done about it worked. Servers take their time.
fn again(check: &Check, request: &Request) -> Next {
    let id = check.id();
    let is_waited_for = match check.group {
        Group::Coordinator | Group::Prometheus | Group::Alerting | Group::Sla => true,
        Group::Exposition => matches!(request.exposition, Some(Metrics::Url(_))),
        Group::Environment | Group::Telemetry => false,
    };
    match is_waited_for {
        true => Next::health_check(&["--only", &id, "--wait", "5m"]),
        false => Next::health_check(&["--only", &id]),
    }
}

/// That what a check needs could not be had is no worse than what the check may come to.
fn no_worse_than(severity: Severity, mut outcome: CheckOutcome) -> CheckOutcome {
    if severity == Severity::Warn && outcome.verdict == Verdict::Fail {
        outcome.verdict = Verdict::Warn;
    }
    outcome
}
