//! Leases as a table that an engineer can decide from.

use std::time::Duration;

use seamless_cli::{Palette, clean, ratio_bar, table};
use seamless_core::coordinator::LeaseRecord;
use seamless_core::duration::human;
use seamless_core::lease::CanonicalKey;

use crate::select::Stuckness;

/// From this width on every field has a column of its own.
const WIDE: usize = 140;

/// The table, in as many columns as `width` allows (`None`: no limit), at `now_ms`.
pub(crate) fn leases(
    leases: &[(LeaseRecord, Stuckness)],
    now_ms: i64,
    width: Option<usize>,
    palette: Palette,
) -> String {
    let is_wide = width.is_none_or(|width| width >= WIDE);
    let rows = leases.iter().map(|(record, stuckness)| {
        let mut row = vec![state(*stuckness, palette)];
        let parts = record.key.canonical();
        if is_wide {
            row.extend(parts.map_or_else(
                || {
                    [
                        clean(record.key.as_str()),
                        String::new(),
                        String::new(),
                        String::new(),
                        String::new(),
                    ]
                },
                columns,
            ));
        } else {
            row.push(parts.map_or_else(|| clean(record.key.as_str()), in_one));
        }
        row.push(record.completion_ratio.map_or_else(
            || "?".to_owned(),
            |ratio| ratio_bar(ratio, if is_wide { 10 } else { 4 }),
        ));
        row.push(
            record
                .claimed_at_ms
                .map_or_else(|| "?".to_owned(), |at| span(now_ms.saturating_sub(at))),
        );
        row.push(
            record
                .lease_until_ms
                .map_or_else(|| "?".to_owned(), |at| until(at.saturating_sub(now_ms))),
        );
        row.push(
            record
                .worker
                .as_deref()
                .map_or_else(|| "-".to_owned(), clean),
        );
        if is_wide {
            row.push(
                record
                    .token
                    .as_ref()
                    .map_or_else(|| "-".to_owned(), |t| clean(&t.to_string())),
            );
        }
        row
    });
    let header: &[&str] = if is_wide {
        &[
            "STATE",
            "NODE",
            "INTERVAL",
            "WINDOW (UTC)",
            "WORLD",
            "AS OF",
            "DONE",
            "AGE",
            "EXPIRES",
            "WORKER",
            "TOKEN",
        ]
    } else {
        &["STATE", "LEASE", "DONE", "AGE", "EXPIRES", "WORKER"]
    };
    table(header, rows, width)
}

fn state(stuckness: Stuckness, palette: Palette) -> String {
    match stuckness {
        Stuckness::Expired | Stuckness::Old => palette.bad("stuck"),
        Stuckness::CannotTell => palette.warning("unclear"),
        Stuckness::Alive => palette.dim("alive"),
    }
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

fn in_one(parts: CanonicalKey<'_>) -> String {
    let [node, interval, window, world, as_of] = columns(parts);
    let mut text = format!("{node} {interval} {window}");
    for part in [world, as_of].iter().filter(|part| *part != "-") {
        text.push(' ');
        text.push_str(part);
    }
    text
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
        format!("{} ago", span(ms.saturating_neg()))
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

    #[test]
    fn a_wide_table_has_a_column_for_each_field_and_no_token() {
        let leases_ = [
            (
                record(
                    "ohlcv:binance:BTC/USDT:60:1704067200:1704070800:w:2024-01-01T00:00:00Z",
                    -120_000,
                ),
                Stuckness::Expired,
            ),
            (record("lease-A", 20_000), Stuckness::Alive),
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
            "2m ago",
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
    fn a_narrow_table_fits_and_loses_nothing_of_a_key() {
        let key = "an-uncanonical-key-that-is-much-longer-than-the-terminal-is-wide-".repeat(2);
        let text = leases(
            &[(record(&key, 0), Stuckness::Expired)],
            NOW,
            Some(80),
            Palette::plain(),
        );
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        let letters = |text: &str| {
            text.chars()
                .filter(char::is_ascii_alphabetic)
                .collect::<String>()
        };
        let shown: String = text
            .lines()
            .map(|line| line.get(7..).unwrap_or_default())
            .collect();
        for word in ["uncanonical", "terminal"] {
            assert_eq!(letters(&shown).matches(&word[..4]).count(), 2, "{text}");
        }
    }
}
