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
        let mut stages = self.stages.iter();
        stages.find(|stage| stage.verdict != StageVerdict::Reached)
    }

    /// A table, and one line that says how it went.
    pub(super) fn text(&self) -> String {
        let rows = self.stages.iter().map(|stage| {
            let verdict = match stage.verdict {
                StageVerdict::Reached => "reached",
                StageVerdict::Missed => "MISSED",
                StageVerdict::Stopped => "stopped",
                StageVerdict::NotTried => "not tried",
            };
            let took = stage.took.map(|took| format!("{:.1}s", took.as_secs_f64()));
            [
                seamless_cli::clean(&stage.name),
                stage.after.map(clock).unwrap_or_default(),
                took.unwrap_or_default(),
                verdict.to_owned(),
                seamless_cli::clean(stage.seen.as_deref().unwrap_or_default()),
            ]
        });
        let header = ["stage", "at", "took", "verdict", "seen"];
        let width = crate::terminal_width().unwrap_or(COLUMNS);
        let table = seamless_cli::table(&header, rows, Some(width));
        format!("\n{table}\n\n{}", self.summary())
    }

    /// How it went, in one line.
    fn summary(&self) -> String {
        let Some(stage) = self.first_missed() else {
            let (stages, took) = (self.stages.len(), clock(self.took));
            return format!("drill passed: {stages} stages in {took}");
        };
        match &stage.seen {
            Some(why) => format!("drill failed at \"{}\": {why}", stage.name),
            None => format!("drill stopped at \"{}\"", stage.name),
        }
    }

    /// What was rehearsed, in one line.
    fn about(&self) -> String {
        let pace = if self.pace == Pace::REAL {
            "the shipped rules as they are".to_owned()
        } else {
            let factor = 1.0 / self.pace.time_scale;
            format!("the shipped rules, {factor:.0} times as fast")
        };
        format!("Scenarios: {}; {pace}.", self.scenarios.join(", "))
    }

    /// The whole result.
    pub(super) fn json(&self) -> Value {
        let verdict = match self.first_missed().map(|stage| stage.verdict) {
            None => "passed",
            Some(StageVerdict::Missed) => "failed",
            Some(_) => "stopped",
        };
        json!({
            "schema_version": 1,
            "scenarios": self.scenarios,
            "about": self.about(),
            "time_scale": self.pace.time_scale,
            "verdict": verdict,
            "summary": self.summary(),
            "first_missed": self.first_missed().map(|stage| &stage.name),
            "seconds": self.took.as_secs_f64(),
            "stages": self.stages,
            "notices": self.notices.iter().map(notice).collect::<Vec<Value>>(),
        })
    }
}

fn notice(notice: &Notice) -> Value {
    let at = notice.at.duration_since(SystemTime::UNIX_EPOCH);
    json!({
        "at_ms": at.ok().and_then(|at| u64::try_from(at.as_millis()).ok()),
        "service": format!("{:?}", notice.service),
        "resolved": notice.is_resolved(),
        "title": notice.title(),
        "payload": notice.payload,
    })
}
