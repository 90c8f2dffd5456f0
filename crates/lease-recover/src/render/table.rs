//! Leases as a table that an engineer can decide from, and what its cells hold.

use std::time::Duration;

use seamless_cli::{Palette, clean, ratio_bar, shown_width, table};
use seamless_core::coordinator::LeaseRecord;
use seamless_core::duration::human;
use seamless_core::lease::CanonicalKey;
use seamless_core::stuck::Stuckness;

use crate::listing::Judged;

/// From this width on every field has a column of its own.
const WIDE: usize = 140;
/// What a canonical key is taken apart into.
const KEY_TITLES: [&str; 5] = ["NODE", "INTERVAL", "WINDOW (UTC)", "WORLD", "AS OF"];

/// The leases at `now_ms`, laid out for `width` columns (`None`: no limit): a column for each field where
/// there is room, else those to decide from, and the whole key.
pub(crate) fn leases(
    leases: &[Judged],
    now_ms: i64,
    width: Option<usize>,
    palette: Palette,
) -> String {
    match width.filter(|width| *width < WIDE) {
        Some(width) => short(leases, now_ms, width, palette),
        None => wide(leases, now_ms, width, palette),
    }
}

/// One line per lease where they fit; else the key, unbroken, on a line below, so that it can be copied.
fn short(leases: &[Judged], now_ms: i64, width: usize, palette: Palette) -> String {
    let header = ["STATE", "DONE", "AGE", "WORKER", "KEY"];
    let row = |Judged { record, stuckness }: &Judged| {
        [
            painted(*stuckness, palette, state(*stuckness)),
            done(record, |ratio| format!("{:.0}%", ratio * 100.0)),
            age(record, now_ms),
            worker(record),
        ]
    };
    let key = |judged: &Judged| clean(judged.record.key.as_str());
    let in_line = leases
        .iter()
        .map(|judged| row(judged).into_iter().chain([key(judged)]));
    let text = table(&header, in_line, None);
    if text.lines().all(|line| shown_width(line) <= width) {
        return text;
    }
    let text = table(&header[..4], leases.iter().map(row), None);
    let mut lines: Vec<String> = text
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    // After the header and its rule each lease has one line.
    for (index, judged) in leases.iter().enumerate().rev() {
        lines.insert(index + 3, format!("  {}", key(judged)));
    }
    lines.join("\n")
}

fn wide(leases: &[Judged], now_ms: i64, width: Option<usize>, palette: Palette) -> String {
    let header = [
        &["STATE"][..],
        &KEY_TITLES,
        &["DONE", "AGE", "EXPIRES", "WORKER", "TOKEN"],
    ]
    .concat();
    let rows = leases.iter().map(|Judged { record, stuckness }| {
        let mut row = vec![painted(*stuckness, palette, state(*stuckness))];
        row.extend(match record.key.canonical() {
            Some(parts) => columns(parts),
            None => {
                let mut cells: [String; 5] = Default::default();
                cells[0] = clean(record.key.as_str());
                cells
            }
        });
        row.extend([
            done(record, |ratio| ratio_bar(ratio, 10)),
            age(record, now_ms),
            expires(record, now_ms),
            worker(record),
            record
                .token
                .as_ref()
                .map_or_else(|| "-".to_owned(), |token| clean(&token.to_string())),
        ]);
        row
    });
    table(&header, rows, width)
}

const fn state(stuckness: Stuckness) -> &'static str {
    match stuckness {
        Stuckness::Stuck => "stuck",
        Stuckness::CannotTell => "unclear",
        Stuckness::Alive => "alive",
    }
}

/// A text in the colour of a state.
fn painted(stuckness: Stuckness, palette: Palette, text: &str) -> String {
    match stuckness {
        Stuckness::Stuck => palette.bad(text),
        Stuckness::CannotTell => palette.warning(text),
        Stuckness::Alive => palette.dim(text),
    }
}

fn done(record: &LeaseRecord, bar: impl Fn(f64) -> String) -> String {
    record.completion_ratio.map_or_else(unknown, bar)
}

fn age(record: &LeaseRecord, now_ms: i64) -> String {
    let claimed = record.claimed_at_ms;
    claimed.map_or_else(unknown, |at| span(now_ms.saturating_sub(at)))
}

fn expires(record: &LeaseRecord, now_ms: i64) -> String {
    let until_ms = record.lease_until_ms;
    until_ms.map_or_else(unknown, |at| until(at.saturating_sub(now_ms)))
}

fn worker(record: &LeaseRecord) -> String {
    let worker = record.worker.as_deref();
    worker.map_or_else(|| "not listed".to_owned(), clean)
}

fn unknown() -> String {
    "?".to_owned()
}

fn columns(parts: CanonicalKey<'_>) -> [String; 5] {
    let text = |text: Option<&str>| text.map_or_else(|| "-".to_owned(), clean);
    [
        clean(parts.node_id),
        span(seconds(parts.interval)),
        window(parts),
        text(parts.world),
        text(parts.requested_as_of),
    ]
}

/// A window as its start and its length. What is no time that a calendar knows is shown as it is.
fn window(parts: CanonicalKey<'_>) -> String {
    let length = parts.batch_end.saturating_sub(parts.batch_start);
    match jiff::Timestamp::from_second(parts.batch_start) {
        Ok(start) => {
            let format = if parts.batch_start % 60 == 0 {
                "%F %H:%M"
            } else {
                "%F %T"
            };
            format!(
                "{} +{}",
                start.strftime(format),
                span(length.saturating_mul(1000))
            )
        }
        Err(_) => format!("{} to {}", parts.batch_start, parts.batch_end),
    }
}

fn seconds(count: u64) -> i64 {
    i64::try_from(count)
        .unwrap_or(i64::MAX)
        .saturating_mul(1000)
}

/// A length of time in milliseconds, for people. What lies ahead by a clock's error is now.
fn span(ms: i64) -> String {
    human(Duration::from_millis(u64::try_from(ms).unwrap_or(0)))
}

fn until(ms: i64) -> String {
    if ms > 0 {
        format!("in {}", span(ms))
    } else {
        format!("expired {} ago", span(ms.saturating_neg()))
    }
}

#[cfg(test)]
mod tests {
    use seamless_core::lease::{LeaseKey, LeaseToken};

    use super::*;

    const NOW: i64 = 1_704_070_800_000;

    fn record(key: &str, until: i64) -> LeaseRecord {
        LeaseRecord {
            key: LeaseKey::new(key).unwrap(),
            token: LeaseToken::new("deadbeef"),
            lease_until_ms: Some(NOW + until),
            claimed_at_ms: Some(NOW - 3_720_000),
            completion_ratio: Some(0.25),
            worker: Some("worker-1".to_owned()),
        }
    }

    fn judged(record: LeaseRecord, stuckness: Stuckness) -> Judged {
        Judged { record, stuckness }
    }

    #[test]
    fn a_wide_table_has_a_column_for_each_field_and_no_token() {
        let key = "ohlcv:binance:BTC/USDT:60:1704067200:1704070800:w:2024-01-01T00:00:00Z";
        let leases_ = [
            judged(record(key, -120_000), Stuckness::Stuck),
            judged(record("lease-A", 20_000), Stuckness::Alive),
        ];
        let text = leases(&leases_, NOW, Some(200), Palette::plain());
        for expected in [
            "stuck",
            "ohlcv:binance:BTC/USDT",
            "1m",
            "2024-01-01 00:00 +1h",
            "2024-01-01T00:00:00Z",
            "25%",
            "1h 2m",
            "expired 2m ago",
            "in 20s",
            "worker-1",
            "dead…",
            "lease-A",
            "alive",
        ] {
            assert!(text.contains(expected), "{expected}: {text}");
        }
        assert!(!text.contains("deadbeef"), "{text}");
    }

    #[test]
    fn a_key_is_never_broken() {
        let long = "an-uncanonical-key-that-is-much-longer-than-the-terminal-is-wide-".repeat(2);
        let leases_ = [
            judged(record("노드:삼성전자:60:0:60:w:", 20_000), Stuckness::Stuck),
            judged(record(&long, 0), Stuckness::Alive),
        ];
        for width in [60, 80, 139] {
            let text = leases(&leases_, NOW, Some(width), Palette::plain());
            let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
            assert_eq!(lines.len(), 6, "{text}");
            assert!(
                lines[2].starts_with("stuck  25%   1h 2m  worker-1"),
                "{text}"
            );
            assert_eq!(lines[3], "  노드:삼성전자:60:0:60:w:");
            assert!(lines[4].starts_with("alive"), "{text}");
            assert_eq!(lines[5], format!("  {long}"));
        }
        // Where there is room they stand in the line.
        let text = leases(&leases_[..1], NOW, Some(80), Palette::plain());
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(
            text.trim_end()
                .ends_with("worker-1  노드:삼성전자:60:0:60:w:"),
            "{text}"
        );
    }
}
