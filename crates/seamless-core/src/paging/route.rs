//! The routing tree.

use std::fmt;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

use super::{Configuration, LabelSet, Matcher, TimeInterval};

/// A node of the routing tree, with what it inherits filled in.
#[derive(Debug, Clone, PartialEq)]
pub struct Route {
    /// Where it stands: `route.routes[1].routes[0]`, counted from 0.
    pub place: String,
    /// Who is told.
    pub receiver: String,
    /// What an alert must fulfil to be routed here.
    pub matchers: Vec<Matcher>,
    /// Whether the next routes of the same parent are tried as well (`continue`).
    pub goes_on: bool,
    /// The time intervals at which it tells nobody. Not inherited.
    pub mute: Vec<String>,
    /// The time intervals outside which it tells nobody; at any time if empty. Not inherited.
    pub active: Vec<String>,
    /// How long it waits for further alerts before it first tells.
    pub group_wait: Duration,
    /// How long it waits before it tells of alerts that joined a group it has told of.
    pub group_interval: Duration,
    /// After how long it tells again of what still fires.
    pub repeat_interval: Duration,
    /// Its children, in their order.
    pub routes: Vec<Self>,
}

/// What a route hands down to its children.
pub(super) struct Defaults {
    pub(super) receiver: String,
    pub(super) group_wait: Duration,
    pub(super) group_interval: Duration,
    pub(super) repeat_interval: Duration,
}

impl Defaults {
    pub(super) const fn of_alertmanager() -> Self {
        Self {
            receiver: String::new(),
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_secs(300),
            repeat_interval: Duration::from_secs(4 * 3600),
        }
    }
}

impl Route {
    /// The routes by which an alert goes out: children in their order, and a route itself where none of
    /// its children takes the alert.
    pub(super) fn matched(&self, alert: &LabelSet) -> Vec<&Self> {
        if !self.matchers.iter().all(|matcher| matcher.matches(alert)) {
            return Vec::new();
        }
        let mut found = Vec::new();
        for child in &self.routes {
            let by_child = child.matched(alert);
            let is_last = !by_child.is_empty() && !child.goes_on;
            found.extend(by_child);
            if is_last {
                break;
            }
        }
        if found.is_empty() {
            found.push(self);
        }
        found
    }
}

impl fmt::Display for Route {
    /// Its place and what leads there: `route.routes[1] {severity="critical"}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)?;
        if !self.matchers.is_empty() {
            let matchers: Vec<String> = self.matchers.iter().map(ToString::to_string).collect();
            write!(f, " {{{}}}", matchers.join(", "))?;
        }
        Ok(())
    }
}

/// Whether a route tells now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mute {
    /// It tells.
    Open,
    /// It does not, by these time intervals.
    Closed {
        /// What closes it: `mute_time_intervals nights`.
        by: String,
        /// When it tells again; None if not within a year.
        opens: Option<Timestamp>,
    },
    /// It depends on the clock of Alertmanager's own machine (`location: Local` in this interval).
    Unknown(String),
}

/// How far ahead an opening is looked for.
const HORIZON_DAYS: i64 = 366;

impl Configuration {
    /// Whether `route` tells at `now`, and if not, when it next does.
    #[must_use]
    pub fn mute(&self, route: &Route, now: Timestamp) -> Mute {
        match self.closed_by(route, now) {
            Err(unknown) => Mute::Unknown(unknown),
            Ok(None) => Mute::Open,
            Ok(Some(by)) => {
                let opens = self
                    .changes(route, now)
                    .find(|time| matches!(self.closed_by(route, *time), Ok(None)));
                Mute::Closed { by, opens }
            }
        }
    }

    /// The times after `now` at which one of the route's intervals may begin or end, in their order.
    fn changes(&self, route: &Route, now: Timestamp) -> impl Iterator<Item = Timestamp> {
        let names = route.mute.iter().chain(&route.active);
        let intervals: Vec<&TimeInterval> = names
            .filter_map(|name| self.intervals.get(name))
            .flatten()
            .collect();
        let today = TimeZone::UTC.to_datetime(now).date();
        // Where it is not the same day as in UTC, it is the day before or after.
        (-1..=HORIZON_DAYS).flat_map(move |day| {
            let day = today.checked_add(Span::new().days(day)).ok();
            let changes = intervals
                .iter()
                .flat_map(|one| day.map(|day| one.changes(day)));
            let mut changes: Vec<Timestamp> =
                changes.flatten().filter(|time| *time > now).collect();
            changes.sort();
            changes
        })
    }

    /// What closes the route at `time`, if anything does; an error names the interval that cannot be told.
    fn closed_by(&self, route: &Route, time: Timestamp) -> Result<Option<String>, String> {
        for name in &route.mute {
            if self.is_within(name, time)? {
                return Ok(Some(format!("mute_time_intervals {name}")));
            }
        }
        if route.active.is_empty() {
            return Ok(None);
        }
        for name in &route.active {
            if self.is_within(name, time)? {
                return Ok(None);
            }
        }
        Ok(Some(format!(
            "active_time_intervals {}",
            route.active.join(", ")
        )))
    }

    fn is_within(&self, name: &str, time: Timestamp) -> Result<bool, String> {
        let intervals = self.intervals.get(name).into_iter().flatten();
        let mut unknown = false;
        for interval in intervals {
            match interval.contains(time) {
                Some(true) => return Ok(true),
                Some(false) => {}
                None => unknown = true,
            }
        }
        if unknown {
            Err(name.to_owned())
        } else {
            Ok(false)
        }
    }
}
