//! The stages of a drill: which are planned, when each was reached, and what was seen.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use indicatif::{ProgressBar, ProgressStyle};
use seamless_lab::Interrupt;

const POLL: Duration = Duration::from_millis(200);

/// How a stage went.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// Not tried: an earlier one was missed.
    NotTried,
    /// Reached.
    Reached {
        /// Since the drill began.
        after: Duration,
        /// Since the stage began.
        took: Duration,
        /// What was seen.
        seen: String,
    },
    /// Not reached.
    Missed {
        /// Since the drill began.
        after: Duration,
        /// Why.
        why: String,
    },
    /// A signal came first.
    Interrupted,
}

/// One stage.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Stage {
    pub(super) name: String,
    pub(super) verdict: Verdict,
}

/// There is no going on: a stage was missed or a signal came. The timeline holds which and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Missed;

/// What a stage yields: a value for the stages after it, and what was seen, in one line.
#[derive(Debug)]
pub(super) struct Seen<T>(pub(super) T, pub(super) String);

/// The stages in order, and the clock.
#[derive(Debug)]
pub(super) struct Timeline {
    stages: Vec<Stage>,
    begun: Instant,
    interrupt: Interrupt,
    bar: ProgressBar,
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
        let stages: Vec<Stage> = planned
            .into_iter()
            .map(|name| Stage {
                name,
                verdict: Verdict::NotTried,
            })
            .collect();
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
    ) -> Result<T, Missed> {
        if self.interrupt.exit_code().is_some() {
            return Err(Missed);
        }
        let begun = Instant::now();
        self.bar.set_message(name.to_owned());
        let acted = act(&Wait {
            interrupt: &self.interrupt,
            bar: &self.bar,
            stage: name,
        });
        let after = self.begun.elapsed();
        let (verdict, yielded) = match acted {
            _ if self.interrupt.exit_code().is_some() => (Verdict::Interrupted, Err(Missed)),
            Ok(Seen(value, seen)) => {
                let took = begun.elapsed();
                (Verdict::Reached { after, took, seen }, Ok(value))
            }
            Err(error) => {
                let why = format!("{error:#}");
                (Verdict::Missed { after, why }, Err(Missed))
            }
        };
        let line = match &verdict {
            Verdict::Reached { seen, .. } => format!("✓ {} {name}: {seen}", clock(after)),
            Verdict::Missed { why, .. } => format!("✗ {} {name}: {why}", clock(after)),
            Verdict::Interrupted | Verdict::NotTried => {
                format!("  {} {name}: stopped", clock(after))
            }
        };
        self.bar.suspend(|| crate::say(&line));
        self.bar.inc(1);
        let mut stages = self.stages.iter_mut();
        if let Some(stage) = stages.find(|stage| stage.name == name) {
            stage.verdict = verdict;
        }
        yielded
    }

    /// The stages, and how long it all took.
    pub(super) fn finish(self) -> (Vec<Stage>, Duration) {
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
        assert_eq!(missed, Err(Missed));
        let (stages, _) = timeline.finish();
        assert!(matches!(stages[0].verdict, Verdict::Reached { .. }));
        let Verdict::Missed { why, .. } = &stages[1].verdict else {
            panic!("{stages:?}");
        };
        assert!(
            why.contains("waiting for a page") && why.contains("refused"),
            "{why}"
        );
        assert_eq!(stages[2].verdict, Verdict::NotTried);
    }

    #[test]
    fn clocks_show_minutes() {
        assert_eq!(clock(Duration::from_millis(83_460)), "01:23.4");
    }
}
