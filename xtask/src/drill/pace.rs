//! How fast time passes in the rules, the routes and what the drill types.

use std::time::Duration;

/// One factor for every window, `for`, interval and waiting time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pace {
    /// What times are multiplied by; 1 leaves the shipped rules as they are.
    pub(crate) time_scale: f64,
    /// How often targets are scraped.
    pub(crate) scrape_interval: Duration,
}

/// What a busy machine may take on top of what the rules ask for.
const SLACK: Duration = Duration::from_secs(60);

impl Pace {
    /// The shipped rules as they are.
    pub(super) const REAL: Self = Self {
        time_scale: 1.0,
        scrape_interval: Duration::from_secs(5),
    };
    /// Ten minutes in twenty seconds.
    pub(super) const DRILL: Self = Self {
        time_scale: 1.0 / 30.0,
        scrape_interval: Duration::from_secs(1),
    };

    /// A time of the shipped configuration at this pace, in whole seconds and at least one.
    pub(super) fn of(self, time: Duration) -> Duration {
        seamless_lab::routes::scaled(time, self.time_scale)
    }

    /// How long to wait for something that the shipped rules bring about after `time`.
    pub(super) fn within(self, time: Duration) -> Duration {
        self.of(time) + SLACK
    }
}

pub(super) const fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(60 * minutes)
}
