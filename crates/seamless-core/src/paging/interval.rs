//! Times at which a route is muted or active.
//!
//! A time lies within an interval if it lies within one range of each kind that the interval names, by the
//! clock of its location (UTC without one). It follows Alertmanager's `timeinterval`.

use std::ops::RangeInclusive;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use thiserror::Error;

/// An interval that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct TimeIntervalError(String);

/// A set of times.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeInterval {
    times: Option<Vec<std::ops::Range<i32>>>,
    weekdays: Option<Vec<RangeInclusive<i32>>>,
    days_of_month: Option<Vec<RangeInclusive<i32>>>,
    months: Option<Vec<RangeInclusive<i32>>>,
    years: Option<Vec<RangeInclusive<i32>>>,
    /// None: the clock of the machine that Alertmanager runs on, which nobody else knows.
    zone: Option<TimeZone>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RawInterval {
    times: Option<Vec<RawTimes>>,
    weekdays: Option<Vec<String>>,
    days_of_month: Option<Vec<String>>,
    months: Option<Vec<String>>,
    years: Option<Vec<String>>,
    location: Option<String>,
}

#[derive(Debug, Deserialize)]
struct RawTimes {
    start_time: String,
    end_time: String,
}

const WEEKDAYS: [&str; 7] = [
    "sunday",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

impl TimeInterval {
    pub(super) fn from_raw(raw: RawInterval) -> Result<Self, TimeIntervalError> {
        let times = raw.times.map(|times| times.iter().map(times_of).collect());
        let number = |text: &str| text.parse::<i32>().ok();
        let month = |text: &str| {
            let place = MONTHS.iter().position(|name| *name == text);
            place.map_or_else(|| number(text), |place| i32::try_from(place + 1).ok())
        };
        let weekday = |text: &str| {
            let place = WEEKDAYS.iter().position(|name| *name == text);
            place.and_then(|place| i32::try_from(place).ok())
        };
        let zone = match raw.location.as_deref() {
            None | Some("" | "UTC") => Some(TimeZone::UTC),
            Some("Local") => None,
            Some(name) => {
                Some(TimeZone::get(name).map_err(|error| TimeIntervalError(error.to_string()))?)
            }
        };
        Ok(Self {
            times: times.transpose()?,
            weekdays: ranges(raw.weekdays, "weekday", weekday, |_| true)?,
            days_of_month: ranges(raw.days_of_month, "day of the month", number, |day| {
                day != 0 && (-31..=31).contains(&day)
            })?,
            months: ranges(raw.months, "month", month, |month| {
                (1..=12).contains(&month)
            })?,
            years: ranges(raw.years, "year", number, |_| true)?,
            zone,
        })
    }

    /// Whether it holds `time`; None where that depends on the clock of Alertmanager's own machine
    /// (`location: Local`).
    #[must_use]
    pub fn contains(&self, time: Timestamp) -> Option<bool> {
        let local = self.zone.as_ref()?.to_datetime(time);
        Some(
            self.times.as_ref().is_none_or(|ranges| {
                let minute = i32::from(local.hour()) * 60 + i32::from(local.minute());
                ranges.iter().any(|range| range.contains(&minute))
            }) && self.is_in_days_of_month(local)
                && holds(self.months.as_deref(), i32::from(local.month()))
                && self.is_in_weekdays(local.weekday())
                && holds(self.years.as_deref(), i32::from(local.year())),
        )
    }

    /// The times of a day, by its location, at which it may begin or end: midnight, and the ends of its
    /// times of day.
    pub(super) fn changes(&self, day: Date) -> Vec<Timestamp> {
        let Some(zone) = &self.zone else {
            return Vec::new();
        };
        let ends = self
            .times
            .iter()
            .flatten()
            .flat_map(|range| [range.start, range.end]);
        let at = |minute: i32| {
            let midnight = day.to_datetime(Time::midnight());
            let time = midnight
                .checked_add(SignedDuration::from_mins(minute.into()))
                .ok()?;
            zone.to_timestamp(time).ok()
        };
        std::iter::once(0).chain(ends).filter_map(at).collect()
    }

    /// A negative day counts from the end of the month; a range that begins after it holds no day.
    fn is_in_days_of_month(&self, local: DateTime) -> bool {
        let Some(ranges) = &self.days_of_month else {
            return true;
        };
        let last = i32::from(local.days_in_month());
        let of_month = |day: i32| if day < 0 { last + day + 1 } else { day };
        ranges.iter().any(|range| {
            let (start, end) = (of_month(*range.start()), of_month(*range.end()));
            start <= last && (start..=end.min(last)).contains(&i32::from(local.day()))
        })
    }

    /// A range may go over the end of the week (`friday:monday`).
    fn is_in_weekdays(&self, day: Weekday) -> bool {
        let day = i32::from(day.to_sunday_zero_offset());
        self.weekdays.as_ref().is_none_or(|ranges| {
            ranges.iter().any(|range| {
                let (start, end) = (*range.start(), *range.end());
                if start <= end {
                    range.contains(&day)
                } else {
                    day >= start || day <= end
                }
            })
        })
    }
}

fn holds(ranges: Option<&[RangeInclusive<i32>]>, value: i32) -> bool {
    ranges.is_none_or(|ranges| ranges.iter().any(|range| range.contains(&value)))
}

fn times_of(raw: &RawTimes) -> Result<std::ops::Range<i32>, TimeIntervalError> {
    let (start, end) = (minute(&raw.start_time)?, minute(&raw.end_time)?);
    if start >= end {
        let text = format!("{} is not before {}", raw.start_time, raw.end_time);
        return Err(TimeIntervalError(text));
    }
    Ok(start..end)
}

/// The minute of the day that `HH:MM` names; `24:00` is its end.
fn minute(text: &str) -> Result<i32, TimeIntervalError> {
    let read = || {
        let (hour, minute) = text.split_once(':')?;
        let digits = |text: &str| text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(hour) || !digits(minute) {
            return None;
        }
        let (hour, minute): (i32, i32) = (hour.parse().ok()?, minute.parse().ok()?);
        let whole = hour * 60 + minute;
        (minute < 60 && whole <= 24 * 60).then_some(whole)
    };
    read().ok_or_else(|| TimeIntervalError(format!("{text:?} is no time of day like 08:30")))
}

fn ranges(
    raw: Option<Vec<String>>,
    kind: &str,
    member: impl Fn(&str) -> Option<i32>,
    is_valid: impl Fn(i32) -> bool,
) -> Result<Option<Vec<RangeInclusive<i32>>>, TimeIntervalError> {
    let range = |text: &String| {
        let lower = text.to_lowercase();
        let (start, end) = lower.split_once(':').unwrap_or((&lower, &lower));
        let read = |text| member(text).filter(|value| is_valid(*value));
        let range = read(start).zip(read(end)).map(|(start, end)| start..=end);
        range.ok_or_else(|| TimeIntervalError(format!("{text:?} is no {kind} or range of them")))
    };
    raw.map(|raw| raw.iter().map(range).collect()).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(yaml: &str, time: &str) -> Option<bool> {
        let raw: RawInterval = serde_saphyr::from_str(yaml).unwrap();
        TimeInterval::from_raw(raw)
            .unwrap()
            .contains(time.parse().unwrap())
    }

    #[test]
    fn a_time_lies_within_one_range_of_each_kind() {
        // 2026-11-28 is a Saturday.
        for (yaml, time, expected) in [
            (
                "weekdays: ['saturday', 'sunday']",
                "2026-11-28T12:00:00Z",
                true,
            ),
            ("weekdays: ['monday:friday']", "2026-11-28T12:00:00Z", false),
            ("weekdays: ['friday:monday']", "2026-11-28T12:00:00Z", true),
            ("weekdays: ['Saturday']", "2026-11-28T12:00:00Z", true),
            (
                "times: [{start_time: '09:00', end_time: '17:00'}]",
                "2026-11-28T09:00:00Z",
                true,
            ),
            (
                "times: [{start_time: '09:00', end_time: '17:00'}]",
                "2026-11-28T17:00:00Z",
                false,
            ),
            (
                "times: [{start_time: '00:00', end_time: '24:00'}]",
                "2026-11-28T23:59:59Z",
                true,
            ),
            ("days_of_month: ['-3:-1']", "2026-11-28T12:00:00Z", true),
            ("days_of_month: ['-2:-1']", "2026-11-28T12:00:00Z", false),
            ("days_of_month: ['29:31']", "2026-02-28T12:00:00Z", false),
            ("days_of_month: ['25:31']", "2026-02-28T12:00:00Z", true),
            ("months: ['october:december']", "2026-11-28T12:00:00Z", true),
            ("months: ['1:3', '11']", "2026-11-28T12:00:00Z", true),
            ("years: ['2020:2025']", "2026-11-28T12:00:00Z", false),
            (
                "location: Asia/Seoul\nweekdays: [sunday]",
                "2026-11-28T16:00:00Z",
                true,
            ),
            // Daylight saving: 09:00 in New York is 13:00 UTC in summer and 14:00 in winter.
            (
                "location: America/New_York\ntimes: [{start_time: '09:00', end_time: '10:00'}]",
                "2026-07-01T13:30:00Z",
                true,
            ),
            (
                "location: America/New_York\ntimes: [{start_time: '09:00', end_time: '10:00'}]",
                "2026-12-01T13:30:00Z",
                false,
            ),
            ("{}", "2026-11-28T12:00:00Z", true),
        ] {
            assert_eq!(contains(yaml, time), Some(expected), "{yaml} at {time}");
        }
        assert_eq!(contains("location: Local", "2026-11-28T12:00:00Z"), None);
    }

    #[test]
    fn what_alertmanager_refuses_is_refused() {
        for yaml in [
            "weekdays: [someday]",
            "days_of_month: ['0']",
            "days_of_month: ['32']",
            "months: ['13']",
            "times: [{start_time: '9:00', end_time: '17:00'}]",
            "times: [{start_time: '17:00', end_time: '09:00'}]",
            "times: [{start_time: '09:00', end_time: '24:01'}]",
            "location: Mars/Olympus",
        ] {
            let raw: RawInterval = serde_saphyr::from_str(yaml).unwrap();
            assert!(TimeInterval::from_raw(raw).is_err(), "{yaml}");
        }
    }
}
