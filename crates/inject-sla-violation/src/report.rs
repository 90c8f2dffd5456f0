//! What became of a run, as a value; and that value as text and as JSON.

use std::time::Duration;

use jiff::Timestamp;
use seamless_cli::{ExitStatus, Refusal, Signal, clean};
use seamless_core::duration;
use serde::Serialize;

use crate::args::OutputFormat;
use crate::json;
use crate::prediction::Prediction;
use crate::request::Request;
use crate::series::SeriesSet;
use crate::watch::Expectation;

/// The version of the JSON report; it changes when a key changes its meaning or goes.
pub(crate) const SCHEMA_VERSION: u32 = 1;
pub(crate) const PROGRAM: &str = "inject-sla-violation";

/// What became of a run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) schema_version: u32,
    pub(crate) program: &'static str,
    pub(crate) drill_id: String,
    pub(crate) node_id: String,
    pub(crate) scenarios: Vec<&'static str>,
    #[serde(serialize_with = "json::rfc3339")]
    pub(crate) started_at: Timestamp,
    #[serde(serialize_with = "json::rfc3339")]
    pub(crate) ended_at: Timestamp,
    #[serde(skip)]
    pub(crate) took: Duration,
    /// Whether the run only took back what an earlier one had left.
    #[serde(skip)]
    pub(crate) cleaned_only: bool,
    pub(crate) outcome: RunOutcome,
    pub(crate) exit_code: u8,
    pub(crate) steps: u64,
    pub(crate) series: u64,
    pub(crate) families: Vec<FamilyReport>,
    pub(crate) sinks: Vec<SinkReport>,
    /// What the rules said about the expected alerts at the start.
    #[serde(rename = "prospects")]
    pub(crate) predictions: Vec<Prediction>,
    /// What became of the expected alerts.
    pub(crate) expectations: Vec<Expectation>,
}

/// The document of a run that was refused.
pub(crate) fn refusal(outputs: &[String], error: &str) -> Option<Refusal> {
    Refusal::json(outputs, || {
        let document = serde_json::json!({
            "schema_version": SCHEMA_VERSION,
            "program": PROGRAM,
            "outcome": "refused",
            "exit_code": ExitStatus::Usage.code(),
            "error": error,
        });
        format!("{document}\n")
    })
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RunOutcome {
    /// Everything was delivered for as long as asked.
    Done,
    /// A sink did not take a delivery, or something could not be taken back.
    SinkFailed,
    /// An expected alert did not come through all stages.
    AlertMissed,
    /// Nobody could be asked about an expected alert.
    CannotTell,
    /// Nobody agreed to page for real; nothing was started.
    Declined,
    /// The run's own deadline ran out.
    DeadlineOver,
    /// SIGINT.
    Interrupted,
    /// SIGTERM or SIGHUP.
    Terminated,
}

impl RunOutcome {
    /// What the process says with its exit code.
    pub(crate) const fn status(self) -> ExitStatus {
        match self {
            Self::Done => ExitStatus::Done,
            Self::SinkFailed | Self::AlertMissed | Self::Declined => ExitStatus::Negative,
            Self::DeadlineOver | Self::CannotTell => ExitStatus::Undetermined,
            Self::Interrupted => ExitStatus::Stopped(Signal::Interrupt),
            Self::Terminated => ExitStatus::Stopped(Signal::Terminate),
        }
    }
}

impl RunOutcome {
    /// The outcome of a run that a signal ended.
    pub(crate) const fn stopped(signal: Signal) -> Self {
        match signal {
            Signal::Interrupt => Self::Interrupted,
            Signal::Terminate => Self::Terminated,
        }
    }

    /// Whether there is time to wait for something at the end.
    pub(crate) const fn is_unhurried(self) -> bool {
        !matches!(
            self,
            Self::Interrupted | Self::Terminated | Self::DeadlineOver
        )
    }

    /// The outcome of a run that was not cut short, with what became of the expected alerts.
    pub(crate) fn with_expectations(self, expectations: &[Expectation]) -> Self {
        if self != Self::Done {
            return self;
        }
        let mut missed = expectations
            .iter()
            .filter_map(|expectation| expectation.missed.as_ref())
            .peekable();
        if missed.peek().is_none() {
            return Self::Done;
        }
        if missed.all(|missed| missed.reason.is_unknown()) {
            Self::CannotTell
        } else {
            Self::AlertMissed
        }
    }
}

/// A family of the drill.
#[derive(Debug, Serialize)]
pub(crate) struct FamilyReport {
    pub(crate) name: &'static str,
    pub(crate) exposed_as: String,
    pub(crate) r#type: &'static str,
    pub(crate) series: u64,
}

/// What became of a sink.
#[derive(Debug, Serialize)]
pub(crate) struct SinkReport {
    pub(crate) sink: &'static str,
    pub(crate) target: String,
    /// Updates delivered.
    pub(crate) delivered: u64,
    /// Updates not delivered.
    pub(crate) failed: u64,
    /// How often somebody fetched the newest values, where that is known.
    pub(crate) scrapes: Option<u64>,
    /// Whether everything that was left with others has been taken back, as reading it back showed.
    pub(crate) cleaned_up: bool,
    /// Whether something stays, because that was asked for or does less harm.
    pub(crate) kept: bool,
    /// With --cleanup: whether something of the drill was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) removed: Option<bool>,
    /// The last thing that went wrong.
    pub(crate) error: Option<String>,
}

impl Expectation {
    fn text(&self) -> String {
        let stages: Vec<String> = self
            .reached
            .iter()
            .map(|reached| {
                format!(
                    "{} {}",
                    reached.stage.name(),
                    duration::human(reached.after)
                )
            })
            .collect();
        let mut text = format!("  {}: {}", clean(&self.alert), stages.join(", "));
        if let Some(missed) = &self.missed {
            if !stages.is_empty() {
                text.push_str("; ");
            }
            text.push_str(&format!(
                "MISSED {}: {} [{}]",
                missed.stage.name(),
                clean(&missed.reason.to_string()),
                missed.reason.name()
            ));
        }
        text.push('\n');
        text
    }
}

/// The families of a series set, for reports and plans.
pub(crate) fn families(series_set: &SeriesSet) -> Vec<FamilyReport> {
    series_set
        .families
        .iter()
        .map(|family| FamilyReport {
            name: family.family.name,
            exposed_as: family.name.clone(),
            r#type: family.family.kind.word(),
            series: family.series(),
        })
        .collect()
}

impl Report {
    /// A report of a run that began at `started_at` and lasted so long. The time of day at its end is
    /// worked out: a clock that was set meanwhile makes no run longer or shorter.
    pub(crate) fn new(
        request: &Request,
        series_set: &SeriesSet,
        started_at: Timestamp,
        took: Duration,
        outcome: RunOutcome,
    ) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            program: PROGRAM,
            drill_id: request.drill_id.clone(),
            node_id: request.node_id.clone(),
            scenarios: request.scenarios.iter().map(|s| s.name()).collect(),
            started_at,
            ended_at: started_at.saturating_add(took).unwrap_or(started_at),
            took,
            cleaned_only: false,
            outcome,
            exit_code: outcome.status().code(),
            steps: 0,
            series: series_set.series(),
            families: families(series_set),
            sinks: Vec::new(),
            predictions: Vec::new(),
            expectations: Vec::new(),
        }
    }

    /// The report in the format asked for.
    pub(crate) fn rendered(&self, format: OutputFormat) -> String {
        match format {
            OutputFormat::Json => json::document(self),
            OutputFormat::Text => self.text(),
        }
    }

    fn text(&self) -> String {
        let mut text = if self.cleaned_only {
            format!("clean-up after drill {}\n", self.drill_id)
        } else {
            format!(
                "drill {} on {}: {} series in {}, {} in {}\n",
                self.drill_id,
                clean(&self.node_id),
                self.series,
                counted(self.families.len() as u64, "family", "families"),
                counted(self.steps, "step", "steps"),
                duration::human(self.took),
            )
        };
        for sink in &self.sinks {
            text.push_str(&sink.text());
        }
        for expectation in &self.expectations {
            text.push_str(&expectation.text());
        }
        text.push_str(match self.outcome {
            RunOutcome::Done => "",
            RunOutcome::AlertMissed => "failed: an expected alert did not come through\n",
            RunOutcome::CannotTell => "could not tell about the expected alerts (see above)\n",
            RunOutcome::SinkFailed => {
                "failed: a sink rejected data or was not cleaned up (see above)\n"
            }
            RunOutcome::Declined => "not started\n",
            RunOutcome::DeadlineOver => "stopped: the --deadline ran out\n",
            RunOutcome::Interrupted => "stopped by SIGINT\n",
            RunOutcome::Terminated => "stopped by SIGTERM\n",
        });
        text
    }
}

impl SinkReport {
    pub(crate) const fn new(sink: &'static str, target: String) -> Self {
        Self {
            sink,
            target,
            delivered: 0,
            failed: 0,
            scrapes: None,
            cleaned_up: true,
            kept: false,
            removed: None,
            error: None,
        }
    }

    fn text(&self) -> String {
        let mut text = format!("  {} {}: ", self.sink, clean(&self.target));
        match self.failed {
            failed if self.sink == "silence" && self.removed.is_none() => {
                text.push_str(match (self.delivered, failed) {
                    (0, _) => "this drill was not muted",
                    (_, 0) => "this drill was muted",
                    _ => "this drill was muted, but not to its end",
                });
            }
            _ if self.removed == Some(true) => text.push_str("removed"),
            _ if self.removed == Some(false) => text.push_str("found nothing of this drill"),
            _ if !self.cleaned_up && self.delivered == 0 => text.push_str("nothing removed"),
            0 => text.push_str(&format!(
                "{} delivered",
                counted(self.delivered, "update", "updates")
            )),
            failed => text.push_str(&format!(
                "{} of {} updates delivered, {failed} failed",
                self.delivered,
                self.delivered + failed
            )),
        }
        if let Some(scrapes) = self.scrapes {
            text.push_str(&format!(", scraped {}", counted(scrapes, "time", "times")));
        }
        if !self.cleaned_up {
            text.push_str(", NOT cleaned up");
        }
        if self.kept {
            text.push_str(", stays");
        }
        if let Some(error) = &self.error {
            text.push_str(&format!(" ({})", clean(error)));
        }
        text.push('\n');
        text
    }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
