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
    /// Nothing is asked for; the ratio is told.
    None,
}

impl Bar {
    fn holds(self, ours: f64, other: f64) -> Option<bool> {
        match self {
            Self::Times(most) => Some(ours <= most * other),
            Self::SecondsMore(most) => Some(ours - other <= most),
            Self::Seconds(most) => Some(ours <= most),
            Self::None => None,
        }
    }

    fn described(self) -> String {
        match self {
            Self::Times(most) if most < 1.0 => format!("≥ {:.3} × as fast", 1.0 / most),
            Self::Times(most) => format!("≤ {most} ×"),
            Self::SecondsMore(most) => format!("within {} ms", most * 1e3),
            Self::Seconds(most) => format!("≤ {} ms", most * 1e3),
            Self::None => String::new(),
        }
    }
}

/// What ours is held against, and how.
pub(super) enum Against {
    Task(Role, Task, Bar),
    Computed(Role, Figure, Bar),
    /// Named, and why it could not be measured.
    Missing(Role, String),
}

/// A job to be measured.
pub(super) struct Row {
    /// What `--only` names.
    pub(super) id: &'static str,
    pub(super) job: String,
    pub(super) ours: Task,
    pub(super) against: Vec<Against>,
}

/// A line of the table.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    pub(super) id: &'static str,
    pub(super) job: String,
    pub(super) ours: Option<Figure>,
    pub(super) role: Role,
    pub(super) other: Option<Figure>,
    /// Ours : other.
    pub(super) ratio: Option<f64>,
    pub(super) bar: String,
    pub(super) held: Option<bool>,
    /// What could not be measured, and why.
    pub(super) missing: Option<String>,
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
            let (role, other, bar) = match against {
                Against::Task(role, _, bar) => {
                    let figure = figures.next();
                    let figure = figure.unwrap_or_else(|| Err("not measured".to_owned()));
                    (role, figure, bar)
                }
                Against::Computed(role, figure, bar) => (role, Ok(figure), bar),
                Against::Missing(role, why) => (role, Err(why), Bar::None),
            };
            let both = ours.as_ref().ok().zip(other.as_ref().ok());
            let missing = ours.as_ref().err().or(other.as_ref().err()).cloned();
            lines.push(Line {
                id: self.id,
                job: self.job.clone(),
                role,
                ratio: both.map(|(ours, other)| ours.seconds / other.seconds),
                held: both.and_then(|(ours, other)| bar.holds(ours.seconds, other.seconds)),
                ours: ours.as_ref().ok().cloned(),
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
    use super::Bar;

    #[test]
    fn bars_hold_up_to_their_value() {
        assert_eq!(Bar::Times(2.0).holds(2.0, 1.0), Some(true));
        assert_eq!(Bar::Times(2.0).holds(2.1, 1.0), Some(false));
        assert_eq!(Bar::SecondsMore(0.005).holds(0.007, 0.001), Some(false));
        assert_eq!(Bar::Seconds(0.3).holds(0.2, 0.0), Some(true));
        assert_eq!(Bar::None.holds(9.0, 1.0), None);
    }
}
