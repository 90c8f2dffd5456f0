//! What a drill came to: a table for people, a JSON document for programs.

use std::time::{Duration, SystemTime};

use seamless_lab::pager::Notice;
use serde_json::{Value, json};

use super::pace::Pace;
use super::timeline::{StageVerdict, Timeline, TimelineStage, clock};

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
        let rows: Vec<[String; 5]> = rows.collect();
        let table = shown(&rows, crate::terminal_width());
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

    /// The stages, in order.
    pub(super) fn stages(&self) -> &[TimelineStage] {
        &self.stages
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

/// The stages as a table where `width` has room for its longest row; else what was seen stands beneath each
/// stage, so that no key and no command is broken.
fn shown(rows: &[[String; 5]], width: Option<usize>) -> String {
    const TITLES: [&str; 5] = ["stage", "at", "took", "verdict", "seen"];
    let fits = |text: &str| {
        let widest = text.lines().map(seamless_cli::shown_width).max();
        width.is_none_or(|width| widest.is_none_or(|widest| widest <= width))
    };
    let whole = seamless_cli::table(&TITLES, rows.to_vec(), None);
    if fits(&whole) {
        return whole;
    }
    let columns =
        |[stage, at, took, verdict, _]: &[String; 5]| [stage, at, took, verdict].map(String::clone);
    let short = seamless_cli::table(&TITLES[..4], rows.iter().map(columns), None);
    let heads: Vec<String> = if fits(&short) {
        short.lines().map(str::to_owned).collect()
    } else {
        let head = |[stage, at, _, verdict, _]: &[String; 5]| format!("{verdict} {at} {stage}");
        rows.iter().map(head).collect()
    };
    let titles = heads.len() - rows.len();
    let mut lines: Vec<String> = Vec::new();
    for (index, head) in heads.into_iter().enumerate() {
        lines.extend(seamless_cli::wrapped(&head, width, 0));
        let row = index.checked_sub(titles).and_then(|index| rows.get(index));
        if let Some([.., seen]) = row.filter(|[.., seen]| !seen.is_empty()) {
            let seen = seamless_cli::wrapped(seen, width, 2);
            lines.extend(seen.iter().map(|line| format!("  {line}")));
        }
    }
    lines.join("\n")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_narrow_the_terminal_keys_and_commands_stay_whole() {
        let key = "ohlcv:binance:BTC/USDT:1m:60:1735779600:1735785600::";
        let row = |stage: &str, seen: String| {
            [stage, "00:55.0", "0.4s", "reached", &seen].map(str::to_owned)
        };
        let rows = [
            row("worker killed", format!("{key} is held by nobody")),
            row(
                "health check green again",
                "`check` ended with 0".to_owned(),
            ),
        ];
        let at = |width| shown(&rows, width);
        assert_eq!(at(None).lines().count(), 4, "{}", at(None));
        assert_eq!(at(Some(200)), at(None));
        for width in [80, 60, 40] {
            let text = at(Some(width));
            let lines: Vec<&str> = text.lines().collect();
            assert!(lines.iter().any(|line| line.contains(key)), "{text}");
            let others = lines.iter().filter(|line| !line.contains(key));
            for line in others {
                assert!(seamless_cli::shown_width(line) <= width, "{text}");
            }
        }
    }
}
