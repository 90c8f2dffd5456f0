//! A row: a job, what it is compared with, the bar it must hold, and what was measured.

use serde::Serialize;

use super::measure::{Figure, Task, by_turns};
use std::path::Path;

/// What ours is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    /// Another program that does the job.
    Peer,
    /// What cannot be beaten.
    Limit,
}

/// What must hold.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Bar {
    /// At most this many times the other's time.
    Times(f64),
    /// At most this many seconds more than the other.
    SecondsMore(f64),
    /// At most this many seconds.
    Seconds(f64),
    /// At most this much memory, in MiB, whatever the size of the job.
    Mebibytes(f64),
    /// Nothing is asked for; the ratio is told.
    None,
}

impl Bar {
    fn holds(self, ours: &Figure, other: &Figure) -> Option<bool> {
        match self {
            Self::Times(most) => Some(ours.seconds <= most * other.seconds),
            Self::SecondsMore(most) => Some(ours.seconds - other.seconds <= most),
            Self::Seconds(most) => Some(ours.seconds <= most),
            Self::Mebibytes(most) => Some(ours.peak_mib? <= most),
            Self::None => None,
        }
    }

    fn described(self) -> String {
        match self {
            Self::Times(most) if most < 1.0 => format!("≥ {:.3} × as fast", 1.0 / most),
            Self::Times(most) => format!("≤ {most} ×"),
            Self::SecondsMore(most) => format!("within {} ms", most * 1e3),
            Self::Seconds(most) => format!("≤ {} ms", most * 1e3),
            Self::Mebibytes(most) => format!("≤ {most} MiB"),
            Self::None => String::new(),
        }
    }
}

/// What ours is held against, and how.
pub(super) enum Against {
    Task(Role, Task, Bar),
    Computed(Role, Figure, Bar),
}

impl Against {
    /// The same, its task changed.
    pub(super) fn with(self, change: impl FnOnce(Task) -> Task) -> Self {
        match self {
            Self::Task(role, task, bar) => Self::Task(role, change(task), bar),
            computed @ Self::Computed(..) => computed,
        }
    }
}

/// A job to be measured.
pub(super) struct Row {
    /// What `--row` names.
    pub(super) id: &'static str,
    pub(super) job: String,
    pub(super) ours: Task,
    pub(super) against: Vec<Against>,
}

/// What became of a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    /// It holds.
    Held,
    /// It does not.
    Missed,
    /// One of the two could not be run.
    NotMeasured,
    /// None was asked for.
    NoBar,
}

impl Verdict {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Missed => "MISSED",
            Self::NotMeasured => "not measured",
            Self::NoBar => "",
        }
    }
}

/// A line of the table.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) id: &'static str,
    pub(super) job: String,
    pub(super) ours: Option<Figure>,
    pub(super) role: Role,
    /// The other's name.
    pub(super) against: String,
    pub(super) other: Option<Figure>,
    /// Ours : other.
    pub(super) ratio: Option<f64>,
    pub(super) bar: String,
    pub(super) verdict: Verdict,
    /// What could not be measured, and why.
    pub(super) missing: Option<String>,
}

impl Role {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Limit => "limit",
        }
    }
}

impl Line {
    /// One line for whoever waits for the table.
    pub(super) fn told(&self) -> String {
        let Self {
            role, against, bar, ..
        } = self;
        let time = |figure: &Option<Figure>| {
            let time = figure.as_ref().map(|figure| super::time(figure.seconds));
            time.or_else(|| self.missing.clone()).unwrap_or_default()
        };
        let (ours, other) = (time(&self.ours), time(&self.other));
        let verdict = self.verdict.word();
        let told = format!(
            "{ours}; {} {against}: {other}; {bar} {verdict}",
            role.word()
        );
        told.trim_end_matches([' ', ';']).to_owned()
    }
}

impl Row {
    pub(super) fn measure(self, driver: &Path, runs: usize) -> Vec<Line> {
        let mut tasks = vec![self.ours];
        for against in &self.against {
            if let Against::Task(_, task, _) = against {
                tasks.push(task.clone());
            }
        }
        let mut figures = by_turns(driver, &tasks, runs).into_iter();
        let ours = figures
            .next()
            .unwrap_or_else(|| Err("not measured".to_owned()));
        let mut lines = Vec::new();
        for against in self.against {
            let (role, name, other, bar) = match against {
                Against::Task(role, task, bar) => {
                    let figure = figures.next();
                    let figure = figure.unwrap_or_else(|| Err("not measured".to_owned()));
                    (role, task.name, figure, bar)
                }
                Against::Computed(role, figure, bar) => {
                    (role, figure.name.clone(), Ok(figure), bar)
                }
            };
            let both = ours.as_ref().ok().zip(other.as_ref().ok());
            let missing = ours.as_ref().err().or(other.as_ref().err()).cloned();
            let verdict = match both {
                _ if matches!(bar, Bar::None) => Verdict::NoBar,
                Some((ours, other)) if bar.holds(ours, other) == Some(true) => Verdict::Held,
                Some(_) => Verdict::Missed,
                None => Verdict::NotMeasured,
            };
            lines.push(Line {
                id: self.id,
                job: self.job.clone(),
                role,
                ratio: both.map(|(ours, other)| ours.seconds / other.seconds),
                verdict,
                ours: ours.as_ref().ok().cloned(),
                against: name,
                other: other.ok(),
                bar: bar.described(),
                missing,
            });
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::{Bar, Figure};

    #[test]
    fn bars_hold_up_to_their_value() {
        let holds = |bar: Bar, ours, other| {
            bar.holds(&Figure::computed("", ours), &Figure::computed("", other))
        };
        assert_eq!(holds(Bar::Times(2.0), 2.0, 1.0), Some(true));
        assert_eq!(holds(Bar::Times(2.0), 2.1, 1.0), Some(false));
        assert_eq!(holds(Bar::SecondsMore(0.005), 0.007, 0.001), Some(false));
        assert_eq!(holds(Bar::Seconds(0.3), 0.2, 0.0), Some(true));
        assert_eq!(holds(Bar::None, 9.0, 1.0), None);
        // Without a measured peak nothing is claimed of it.
        assert_eq!(holds(Bar::Mebibytes(9.0), 1.0, 1.0), None);
    }
}
