//! Durations as people write them: `90`, `90s`, `1.5s`, `5m`, `1h30m`.
//!
//! Owns reading and writing them; a bare number is seconds. Units are those of Prometheus's own
//! duration syntax (`ms s m h d w y`), largest first, each at most once.

use std::time::Duration;

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing was given.
    #[error("empty duration; write it like 90, 90s, 1.5s, 5m or 1h30m")]
    Empty,
    /// The text does not follow the syntax.
    #[error("cannot read {0:?} as a duration; write it like 90, 90s, 1.5s, 5m or 1h30m")]
    Syntax(String),
    /// The text does not follow the syntax of Prometheus's files.
    #[error("{0:?} is not a Prometheus duration; write it like 90s, 5m or 1h30m")]
    Strict(String),
    /// The value is beyond what can be counted.
    #[error("the duration {0:?} is too long; the longest is 100 years")]
    TooLong(String),
}

const UNITS: &[(&str, f64)] = &[
    ("y", 365.0 * 86_400.0),
    ("w", 7.0 * 86_400.0),
    ("d", 86_400.0),
    ("h", 3600.0),
    ("m", 60.0),
    ("s", 1.0),
    ("ms", 0.001),
];

const LONGEST_SECONDS: f64 = 100.0 * 365.0 * 86_400.0;

/// Reads a duration.
///
/// # Errors
/// [`DurationError`] for anything that is not a finite, non-negative duration of at most 100 years.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let trimmed = text.trim();
    if trimmed.is_empty() {
        return Err(DurationError::Empty);
    }
    let syntax = || DurationError::Syntax(text.to_owned());
    let mut rest = trimmed;
    let mut seconds = 0.0;
    let mut next_unit = 0;
    let mut parts = 0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let letters = tail
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        if !number.starts_with(|c: char| c.is_ascii_digit()) || number.ends_with('.') {
            return Err(syntax());
        }
        let value: f64 = number.parse().map_err(|_| syntax())?;
        if unit.is_empty() {
            if parts > 0 || !tail.is_empty() {
                return Err(syntax());
            }
            seconds = value;
        } else {
            let found = UNITS
                .iter()
                .position(|(name, _)| *name == unit)
                .filter(|index| *index >= next_unit)
                .ok_or_else(syntax)?;
            next_unit = found + 1;
            seconds += value * UNITS[found].1;
        }
        parts += 1;
        rest = tail;
    }
    if seconds > LONGEST_SECONDS {
        return Err(DurationError::TooLong(text.to_owned()));
    }
    Ok(Duration::from_nanos((seconds * 1e9).round() as u64))
}

/// Reads a duration as Prometheus and Alertmanager do in their files: whole numbers with units, largest
/// first (`1h30m`), or `0`. A bare number or a fraction, which [`parse`] takes, is none there.
///
/// # Errors
/// [`DurationError`].
pub fn parse_strict(text: &str) -> Result<Duration, DurationError> {
    let has_unit = text.ends_with(|c: char| c.is_ascii_alphabetic());
    if (text == "0" || has_unit) && !text.contains('.') && text.trim() == text {
        parse(text)
    } else if text.is_empty() {
        Err(DurationError::Empty)
    } else {
        Err(DurationError::Strict(text.to_owned()))
    }
}

/// Writes a duration the way Prometheus rule files do (`1h30m`, `500ms`), to the millisecond.
#[must_use]
pub fn format(duration: Duration) -> String {
    let mut millis = duration.as_millis();
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    for (unit, size) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ] {
        let count = millis / size;
        if count > 0 {
            out.push_str(&count.to_string());
            out.push_str(unit);
            millis %= size;
        }
    }
    out
}

/// Writes a duration for a person in at most two units (`2d 4h`, `3m 20s`, `850ms`).
#[must_use]
pub fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{}ms", duration.as_millis()),
        1..60 => format!("{seconds}s"),
        60..3600 => two(seconds, 60, "m", 1, "s"),
        3600..86_400 => two(seconds, 3600, "h", 60, "m"),
        _ => two(seconds, 86_400, "d", 3600, "h"),
    }
}

fn two(seconds: u64, large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    let rest = seconds % large / small;
    if rest == 0 {
        format!("{}{large_unit}", seconds / large)
    } else {
        format!("{}{large_unit} {rest}{small_unit}", seconds / large)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_contract_lists() {
        for (text, millis) in [
            ("90", 90_000),
            ("90s", 90_000),
            ("1.5s", 1500),
            ("1.5", 1500),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("0", 0),
            ("250ms", 250),
            ("1d", 86_400_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_duration() {
        for text in [
            "", " ", "-1", "nan", "inf", "1e9", "5 m", "m", "1m1h", "1m1m", "5x", ".5s", "5.",
            "1s2", "1..5s", "９s", "+5",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
        assert!(matches!(parse("200y"), Err(DurationError::TooLong(_))));
        assert!(matches!(
            parse(&"9".repeat(400)),
            Err(DurationError::TooLong(_))
        ));
    }

    #[test]
    fn files_of_prometheus_take_whole_numbers_with_units() {
        for (text, seconds) in [("90s", 90), ("1h30m", 5400), ("0", 0), ("1d", 86_400)] {
            assert_eq!(
                parse_strict(text),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
        for text in ["", "30", "1.5h", " 5m", "5m ", "1m1h", "soon"] {
            assert!(parse_strict(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for text in ["5m", "1h30m", "500ms", "1d", "0s", "1s500ms"] {
            assert_eq!(format(parse(text).unwrap()), text);
        }
        assert_eq!(human(Duration::from_secs(187_200)), "2d 4h");
        assert_eq!(human(Duration::from_secs(200)), "3m 20s");
        assert_eq!(human(Duration::from_millis(850)), "850ms");
    }
}
