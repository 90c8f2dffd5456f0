//! The stages of a drill: which are planned, when each was reached, and what was seen.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use seamless_lab::Interrupt;
use serde::{Serialize, Serializer};

const POLL: Duration = Duration::from_millis(200);

/// How a stage went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum StageVerdict {
    /// Not tried: an earlier one was missed.
    NotTried,
    Reached,
    Missed,
    /// A signal came first.
    Stopped,
}

/// One stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct TimelineStage {
    #[serde(rename = "stage")]
    pub(super) name: String,
    pub(super) verdict: StageVerdict,
    /// When that was found, since the drill began.
    #[serde(rename = "after_seconds", serialize_with = "as_seconds")]
    pub(super) after: Option<Duration>,
    /// How long it took to be reached.
    #[serde(rename = "took_seconds", serialize_with = "as_seconds")]
    pub(super) took: Option<Duration>,
    /// What was seen, or why it was missed.
    pub(super) seen: Option<String>,
}

/// There is no going on: a stage was missed or a signal came. The timeline holds which and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StageMissed;

/// What a stage yields: a value for the stages after it, and what was seen, in one line.
#[derive(Debug)]
pub(crate) struct Seen<T>(pub(crate) T, pub(crate) String);

/// The stages in order, and the clock.
#[derive(Debug)]
pub(super) struct Timeline {
    stages: Vec<TimelineStage>,
    begun: Instant,
    interrupt: Interrupt,
    bar: ProgressBar,
}

/// A stage that is awaited together with others.
pub(super) struct AwaitedStage<'a> {
    pub(super) stage: String,
    pub(super) within: Duration,
    /// Yields what was seen once the stage is reached.
    pub(super) probe: Box<dyn FnMut() -> Result<Option<String>> + 'a>,
}

/// A way to wait that shows what for, and that a signal ends.
#[derive(Debug)]
pub(super) struct Wait<'w> {
    interrupt: &'w Interrupt,
    bar: &'w ProgressBar,
    stage: &'w str,
}

impl Timeline {
    /// A timeline with these stages ahead.
    pub(super) fn new(planned: impl IntoIterator<Item = String>, interrupt: Interrupt) -> Self {
        let stage = |name| TimelineStage {
            name,
            verdict: StageVerdict::NotTried,
            after: None,
            took: None,
            seen: None,
        };
        let stages: Vec<TimelineStage> = planned.into_iter().map(stage).collect();
        let bar = ProgressBar::new(stages.len() as u64);
        if let Ok(style) =
            ProgressStyle::with_template("{bar:20.cyan/dim} {pos}/{len} {elapsed} {wide_msg}")
        {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        Self {
            stages,
            begun: Instant::now(),
            interrupt,
            bar,
        }
    }

    /// Goes through the planned stage `name`. After a signal nothing is tried any more.
    pub(super) fn stage<T>(
        &mut self,
        name: &str,
        act: impl FnOnce(&Wait<'_>) -> Result<Seen<T>>,
    ) -> Result<T, StageMissed> {
        let begun = self.elapsed();
        let Seen(value, seen) = self.attempt(name, act)?;
        let after = self.elapsed();
        self.reached(name, after, after.saturating_sub(begun), seen);
        Ok(value)
    }

    /// Does what the planned stage `name` needs to be [reached](Self::reached). It is missed if that fails.
    pub(super) fn attempt<T>(
        &mut self,
        name: &str,
        act: impl FnOnce(&Wait<'_>) -> Result<T>,
    ) -> Result<T, StageMissed> {
        if self.interrupt.exit_code().is_some() {
            return Err(StageMissed);
        }
        self.bar.set_message(name.to_owned());
        let acted = act(&Wait {
            interrupt: &self.interrupt,
            bar: &self.bar,
            stage: name,
        });
        if self.interrupt.exit_code().is_some() {
            self.conclude(name, StageVerdict::Stopped, self.elapsed(), None, None);
            return Err(StageMissed);
        }
        acted.map_err(|error| self.missed(name, &error))
    }

    /// Since the drill began.
    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Notes that a planned stage was reached: `after` is since the drill began.
    pub(super) fn reached(&mut self, name: &str, after: Duration, took: Duration, seen: String) {
        self.conclude(name, StageVerdict::Reached, after, Some(took), Some(seen));
    }

    /// Notes that a planned stage was missed.
    pub(super) fn missed(&mut self, name: &str, error: &anyhow::Error) -> StageMissed {
        let why = Some(told(error));
        self.conclude(name, StageVerdict::Missed, self.elapsed(), None, why);
        StageMissed
    }

    /// Awaits planned stages at the same time, so that each is noted when it is reached and not when
    /// the one before it was.
    pub(super) fn together(
        &mut self,
        mut awaited: Vec<AwaitedStage<'_>>,
    ) -> Result<(), StageMissed> {
        let begun = Instant::now();
        let mut all = Ok(());
        while let Some(first) = awaited.first() {
            if self.interrupt.exit_code().is_some() {
                self.conclude(
                    &first.stage,
                    StageVerdict::Stopped,
                    self.elapsed(),
                    None,
                    None,
                );
                return Err(StageMissed);
            }
            self.bar
                .set_message(format!("waiting for {} stages", awaited.len()));
            let mut waiting = Vec::new();
            for mut one in awaited {
                let probed = (one.probe)();
                let took = begun.elapsed();
                match probed {
                    Ok(Some(seen)) => self.reached(&one.stage, self.elapsed(), took, seen),
                    _ if took < one.within => waiting.push(one),
                    probed => {
                        let why = format!("gave up after {:?}", one.within);
                        let error = match probed {
                            Err(error) => error.context(why),
                            Ok(_) => anyhow!(why),
                        };
                        all = Err(self.missed(&one.stage, &error));
                    }
                }
            }
            awaited = waiting;
            std::thread::sleep(POLL);
        }
        all
    }

    /// Notes what became of a stage and tells it.
    fn conclude(
        &mut self,
        name: &str,
        verdict: StageVerdict,
        after: Duration,
        took: Option<Duration>,
        seen: Option<String>,
    ) {
        let mark = match verdict {
            StageVerdict::Reached => '✓',
            StageVerdict::Missed => '✗',
            StageVerdict::Stopped | StageVerdict::NotTried => ' ',
        };
        let text = seen.as_deref().unwrap_or("stopped");
        let line = format!("{mark} {} {name}: {text}", clock(after));
        let lines = seamless_cli::wrapped(&line, crate::terminal_width(), 2);
        self.bar.suspend(|| crate::say(&lines.join("\n  ")));
        self.bar.inc(1);
        if let Some(stage) = self.stages.iter_mut().find(|stage| stage.name == name) {
            *stage = TimelineStage {
                name: name.to_owned(),
                verdict,
                after: Some(after),
                took,
                seen,
            };
        }
    }

    /// The stages, and how long it all took.
    pub(super) fn finish(self) -> (Vec<TimelineStage>, Duration) {
        self.bar.finish_and_clear();
        (self.stages, self.begun.elapsed())
    }
}

impl Wait<'_> {
    /// Waits until `probe` yields something; `what` completes "waiting for". Errors of the probe count
    /// as not yet; the last one is told when time is up.
    pub(super) fn until<T>(
        &self,
        within: Duration,
        what: &str,
        mut probe: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        self.bar
            .set_message(format!("{}: waiting for {what}", self.stage));
        let end = Instant::now() + within;
        loop {
            let probed = probe();
            if let Ok(Some(value)) = probed {
                return Ok(value);
            }
            if self.interrupt.exit_code().is_some() {
                return Err(anyhow!("stopped by a signal"));
            }
            if Instant::now() >= end {
                let why = anyhow!("gave up after {within:?} waiting for {what}");
                return Err(match probed {
                    Err(error) => error.context(why),
                    Ok(_) => why,
                });
            }
            std::thread::sleep(POLL);
        }
    }
}

fn as_seconds<S: Serializer>(time: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs_f64()).serialize(to)
}

/// An error and its causes in one line; a cause that was told already is left out.
fn told(error: &anyhow::Error) -> String {
    let mut parts: Vec<String> = Vec::new();
    for cause in error.chain().map(ToString::to_string) {
        if !parts.iter().any(|part| part.contains(&cause)) {
            parts.push(cause);
        }
    }
    parts.join(": ")
}

/// A value as Prometheus writes it, with few digits.
pub(super) fn short(value: &str) -> String {
    value
        .parse()
        .map_or_else(|_| value.to_owned(), |value: f64| format!("{value:.3}"))
}

/// Minutes and seconds.
pub(super) fn clock(time: Duration) -> String {
    let tenths = time.as_millis() / 100;
    format!(
        "{:02}:{:02}.{}",
        tenths / 600,
        tenths / 10 % 60,
        tenths % 10
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stages_after_a_missed_one_are_not_tried() {
        let interrupt = Interrupt::listen().unwrap();
        let mut timeline = Timeline::new(["a", "b", "c"].map(str::to_owned), interrupt);
        let value = timeline.stage("a", |_| Ok(Seen(7, "seven".to_owned())));
        assert_eq!(value, Ok(7));
        let missed = timeline.stage("b", |wait| {
            let probe = || Err::<Option<()>, _>(anyhow!("refused"));
            wait.until(Duration::ZERO, "a page", probe)?;
            Ok(Seen((), String::new()))
        });
        assert_eq!(missed, Err(StageMissed));
        let (stages, _) = timeline.finish();
        let verdicts: Vec<StageVerdict> = stages.iter().map(|stage| stage.verdict).collect();
        assert_eq!(
            verdicts,
            [
                StageVerdict::Reached,
                StageVerdict::Missed,
                StageVerdict::NotTried
            ]
        );
        let why = stages[1].seen.as_deref().unwrap();
        assert!(
            why.contains("waiting for a page") && why.contains("refused"),
            "{why}"
        );
    }

    #[test]
    fn stages_awaited_together_are_noted_one_by_one() {
        let interrupt = Interrupt::listen().unwrap();
        let mut timeline = Timeline::new(["slow", "never", "soon"].map(str::to_owned), interrupt);
        let mut asked = 0;
        let ended = timeline.together(vec![
            AwaitedStage {
                stage: "slow".to_owned(),
                within: Duration::from_secs(60),
                probe: Box::new(|| {
                    asked += 1;
                    Ok((asked == 3).then(|| "third time".to_owned()))
                }),
            },
            AwaitedStage {
                stage: "never".to_owned(),
                within: Duration::ZERO,
                probe: Box::new(|| Err(anyhow!("refused"))),
            },
            AwaitedStage {
                stage: "soon".to_owned(),
                within: Duration::from_secs(60),
                probe: Box::new(|| Ok(Some("at once".to_owned()))),
            },
        ]);
        assert_eq!(ended, Err(StageMissed));
        let (stages, _) = timeline.finish();
        assert!(stages[2].after < stages[0].after);
        assert_eq!(stages[1].verdict, StageVerdict::Missed);
        let why = stages[1].seen.as_deref().unwrap();
        assert!(why.contains("refused"), "{why}");
    }

    #[test]
    fn clocks_show_minutes() {
        assert_eq!(clock(Duration::from_millis(83_460)), "01:23.4");
    }
}
