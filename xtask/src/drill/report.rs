//! What a drill came to: a table for people, a JSON document for programs.

use std::time::{Duration, SystemTime};

use seamless_lab::pager::Notice;
use serde_json::{Value, json};

use super::pace::Pace;
use super::timeline::{StageVerdict, Timeline, TimelineStage, clock};

/// How wide the table may be where no terminal says so.
const COLUMNS: usize = 80;

/// The result of a drill.
#[derive(Debug)]
pub(super) struct DrillReport {
    scenarios: Vec<&'static str>,
    pace: Pace,
    stages: Vec<TimelineStage>,
    took: Duration,
    notices: Vec<Notice>,
}

impl DrillReport {
    pub(super) fn new(
        scenarios: Vec<&'static str>,
        pace: Pace,
        timeline: Timeline,
        notices: Vec<Notice>,
    ) -> Self {
        let (stages, took) = timeline.finish();
        Self {
            scenarios,
            pace,
            stages,
            took,
            notices,
        }
    }

    /// The first stage that was not reached.
    pub(super) fn first_missed(&self) -> Option<&TimelineStage> {
        self.stages
            .iter()
            .find(|stage| !matches!(stage.verdict, StageVerdict::Reached { .. }))
    }

    /// A table, and one line that says how it went.
    pub(super) fn text(&self) -> String {
        let rows = self.stages.iter().map(|stage| {
            let name = seamless_cli::clean(&stage.name);
            let (at, took, verdict, seen) = match &stage.verdict {
                StageVerdict::Reached { after, took, seen } => (
                    clock(*after),
                    format!("{:.1}s", took.as_secs_f64()),
                    "reached",
                    seen.as_str(),
                ),
                StageVerdict::Missed { after, why } => {
                    (clock(*after), String::new(), "MISSED", why.as_str())
                }
                StageVerdict::Interrupted => (String::new(), String::new(), "stopped", ""),
                StageVerdict::NotTried => (String::new(), String::new(), "not tried", ""),
            };
            let seen = seamless_cli::clean(seen);
            [name, at, took, verdict.to_owned(), seen]
        });
        let header = ["stage", "at", "took", "verdict", "seen"];
        let table = seamless_cli::table(
            &header,
            rows,
            Some(crate::terminal_width().unwrap_or(COLUMNS)),
        );
        format!("\n{table}\n\n{}", self.verdict())
    }

    /// How it went, in one line.
    pub(super) fn verdict(&self) -> String {
        match self.first_missed() {
            None => format!(
                "drill passed: {} stages in {}",
                self.stages.len(),
                clock(self.took)
            ),
            Some(TimelineStage {
                name,
                verdict: StageVerdict::Missed { why, .. },
            }) => format!("drill failed at \"{name}\": {why}"),
            Some(stage) => format!("drill stopped at \"{}\"", stage.name),
        }
    }

    /// What was rehearsed, in one line.
    pub(super) fn about(&self) -> String {
        let pace = if self.pace == Pace::REAL {
            "the shipped rules as they are".to_owned()
        } else {
            let factor = 1.0 / self.pace.time_scale;
            format!("the shipped rules, {factor:.0} times as fast")
        };
        format!("Scenarios: {}; {pace}.", self.scenarios.join(", "))
    }

    /// The stages, in order.
    pub(super) fn stages(&self) -> &[TimelineStage] {
        &self.stages
    }

    /// Every notice that arrived, oldest first.
    pub(super) fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// The whole result.
    pub(super) fn json(&self) -> String {
        let stages: Vec<Value> = self.stages.iter().map(stage).collect();
        let verdict = match self.first_missed().map(|stage| &stage.verdict) {
            None => "passed",
            Some(StageVerdict::Missed { .. }) => "failed",
            Some(_) => "stopped",
        };
        let document = json!({
            "schema_version": 1,
            "scenarios": self.scenarios,
            "time_scale": self.pace.time_scale,
            "verdict": verdict,
            "first_missed": self.first_missed().map(|stage| &stage.name),
            "seconds": self.took.as_secs_f64(),
            "stages": stages,
            "notices": self.notices.iter().map(notice).collect::<Vec<Value>>(),
        });
        format!("{document:#}\n")
    }
}

fn stage(stage: &TimelineStage) -> Value {
    let (verdict, after, took, seen) = match &stage.verdict {
        StageVerdict::Reached { after, took, seen } => {
            ("reached", Some(after), Some(took), Some(seen))
        }
        StageVerdict::Missed { after, why } => ("missed", Some(after), None, Some(why)),
        StageVerdict::Interrupted => ("stopped", None, None, None),
        StageVerdict::NotTried => ("not_tried", None, None, None),
    };
    json!({
        "stage": stage.name,
        "verdict": verdict,
        "after_seconds": after.map(Duration::as_secs_f64),
        "took_seconds": took.map(Duration::as_secs_f64),
        "seen": seen,
    })
}

fn notice(notice: &Notice) -> Value {
    let at = notice.at.duration_since(SystemTime::UNIX_EPOCH);
    json!({
        "at_ms": at.ok().and_then(|at| u64::try_from(at.as_millis()).ok()),
        "service": format!("{:?}", notice.service),
        "resolved": notice.is_resolved(),
        "payload": notice.payload,
    })
}
