//! Which leases are meant: by key, node, world, worker, interval and window.
//!
//! Owns these decisions as functions of data, and what is said where a filter matches nothing.

use std::collections::HashSet;
use std::str::FromStr;

use seamless_cli::clean;
use seamless_core::coordinator::LeaseRecord;
use seamless_core::lease::LeaseKey;

/// How many node ids or keys are named where a filter matches nothing.
const MOST_NAMED: usize = 10;

/// `--key`, `--node`, `--world`, `--worker`, `--interval` and `--window`. Values of one option are
/// alternatives, options narrow one another; an empty list is any.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) keys: Vec<String>,
    pub(crate) nodes: Vec<String>,
    pub(crate) worlds: Vec<String>,
    pub(crate) workers: Vec<String>,
    pub(crate) intervals: Vec<u64>,
    pub(crate) window: Option<Window>,
}

impl Filter {
    /// Whether a lease is meant, as far as its key tells. A key that is not canonical has no node, world,
    /// interval or window, so it is meant only where none is asked for.
    pub(crate) fn admits_key(&self, key: &LeaseKey) -> bool {
        if !among(&self.keys, key.as_str()) {
            return false;
        }
        let asks_for_parts = !self.nodes.is_empty()
            || !self.worlds.is_empty()
            || !self.intervals.is_empty()
            || self.window.is_some();
        let Some(parts) = key.canonical() else {
            return !asks_for_parts;
        };
        among(&self.nodes, parts.node_id)
            && among(&self.worlds, parts.world.unwrap_or_default())
            && (self.intervals.is_empty() || self.intervals.contains(&parts.interval))
            && self
                .window
                .is_none_or(|window| window.overlaps(parts.batch_start, parts.batch_end))
    }

    /// Whether a listed lease is meant.
    pub(crate) fn admits(&self, record: &LeaseRecord) -> bool {
        self.admits_key(&record.key) && among(&self.workers, record.worker.as_deref().unwrap_or(""))
    }

    /// Whether leases are named one by one, and so meant whether they are known to be stuck or not.
    pub(crate) const fn names_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The options as they were given, for messages; empty where there are none.
    pub(crate) fn described(&self) -> String {
        let lists = [
            ("--key", &self.keys),
            ("--node", &self.nodes),
            ("--world", &self.worlds),
            ("--worker", &self.workers),
        ];
        let mut words: Vec<String> = lists
            .iter()
            .flat_map(|(option, values)| values.iter().map(move |value| (option, value)))
            .map(|(option, value)| format!("{option} {}", quoted(value)))
            .collect();
        words.extend(self.intervals.iter().map(|i| format!("--interval {i}")));
        words.extend(
            self.window
                .map(|w| format!("--window {}..{}", w.from, w.to)),
        );
        words.join(" ")
    }

    /// The values of `--key` that are not among the `listed` leases, each in a sentence.
    pub(crate) fn keys_not_listed(&self, listed: &[LeaseRecord]) -> Vec<String> {
        let held: HashSet<&str> = listed.iter().map(|record| record.key.as_str()).collect();
        let missing = self.keys.iter().filter(|key| !held.contains(key.as_str()));
        let said = missing.map(|key| {
            let with_token = key.rsplit_once(':').filter(|(key, _)| held.contains(key));
            match with_token {
                Some((key, _)) => {
                    format!("--key takes a key without its token: --key {}", quoted(key))
                }
                None => format!("not in the coordinator's list: --key {}", quoted(key)),
            }
        });
        said.collect()
    }

    /// What to say where none of the `listed` leases is meant: how many there were, and what else a node
    /// may have been meant to be. `None` where some are meant, or nothing is asked for.
    pub(crate) fn explain_none(&self, listed: &[LeaseRecord]) -> Option<String> {
        let described = self.described();
        if described.is_empty() || listed.iter().any(|record| self.admits(record)) {
            return None;
        }
        let mut text = format!("{} listed, 0 match {described}", listed.len());
        let begins = listed.iter().filter(|record| {
            record.key.canonical().is_some_and(|parts| {
                self.nodes.iter().any(|node| {
                    let rest = parts.node_id.strip_prefix(node.as_str());
                    rest.is_some_and(|rest| rest.starts_with(':'))
                })
            })
        });
        let commands: Vec<String> = begins
            .take(MOST_NAMED)
            .map(|record| {
                format!(
                    "\n  lease-recover --stuck --key {}",
                    quoted(record.key.as_str())
                )
            })
            .collect();
        if !commands.is_empty() {
            text.push_str("; --node takes a whole node id, and these begin with it:");
            text.push_str(&commands.concat());
        }
        Some(text)
    }
}

fn among(wanted: &[String], value: &str) -> bool {
    wanted.is_empty() || wanted.iter().any(|candidate| candidate == value)
}

/// A text as a shell takes it for one word.
pub(crate) fn quoted(text: &str) -> String {
    format!("'{}'", clean(text).replace('\'', r"'\''"))
}

/// A span of time, in seconds since the epoch; its end is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    from: i64,
    to: i64,
}

impl Window {
    const fn overlaps(self, start: i64, end: i64) -> bool {
        start < self.to && end > self.from
    }
}

impl FromStr for Window {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "write it as FROM..TO, each 2024-01-01T00:00:00Z or seconds since 1970";
        let second = |text: &str| {
            let text = text.trim();
            text.parse().ok().or_else(|| {
                let time: jiff::Timestamp = text.parse().ok()?;
                Some(time.as_second())
            })
        };
        let (from, to) = text.split_once("..").ok_or(wrong)?;
        match (second(from), second(to)) {
            (Some(from), Some(to)) if from < to => Ok(Self { from, to }),
            (Some(_), Some(_)) => Err("its end must be later than its start"),
            _ => Err(wrong),
        }
    }
}

#[cfg(test)]
mod tests {
    use seamless_core::lease::LeaseSpec;

    use super::*;

    const KEY: &str = "ohlcv:binance:BTC/USDT:1m:60:1700:1760:world-1:2024-01-01T00:00:00Z";

    fn own(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|&text| text.to_owned()).collect()
    }

    fn record(key: &str, worker: Option<&str>) -> LeaseRecord {
        let spec = LeaseSpec::parse_line(&format!("{{\"key\":\"{key}\"}}")).unwrap();
        LeaseRecord {
            worker: worker.map(str::to_owned),
            ..LeaseRecord::from(spec)
        }
    }

    #[test]
    fn each_option_narrows_and_a_first_component_selects_nothing() {
        let any = Filter::default();
        let node = |node: &str| Filter {
            nodes: own(&[node]),
            ..Filter::default()
        };
        let world = |world: &str| Filter {
            worlds: own(&[world]),
            ..Filter::default()
        };
        let window = |text: &str| Filter {
            window: Some(text.parse().unwrap()),
            ..Filter::default()
        };
        let interval = |interval| Filter {
            intervals: vec![interval],
            ..Filter::default()
        };
        let worker = |worker: &str| Filter {
            workers: own(&[worker]),
            ..Filter::default()
        };
        let key = |key: &str| Filter {
            keys: own(&[key]),
            ..Filter::default()
        };
        for (filter, admitted) in [
            (&any, true),
            (&node("ohlcv:binance:BTC/USDT:1m"), true),
            (&node("ohlcv"), false),
            (&world("world-1"), true),
            (&world(""), false),
            (&interval(60), true),
            (&interval(61), false),
            (&window("1750..1800"), true),
            (&window("1760..1800"), false),
            (&window("1970-01-01T00:00:00Z..1970-01-01T00:28:21Z"), true),
            (&worker("w-1"), true),
            (&worker("w-2"), false),
            (&key(KEY), true),
            (&key("ohlcv"), false),
        ] {
            assert_eq!(
                filter.admits(&record(KEY, Some("w-1"))),
                admitted,
                "{filter:?}"
            );
        }
        assert!(any.admits(&record("lease-A", None)));
        assert!(key("lease-A").admits(&record("lease-A", None)));
        assert!(!node("lease-A").admits(&record("lease-A", None)));
        assert!(world("").admits(&record("n:60:1700:1760::", None)));
    }

    #[test]
    fn a_filter_that_matches_nothing_says_what_there_was() {
        let filter = Filter {
            nodes: own(&["ohlcv"]),
            ..Filter::default()
        };
        let listed = [record(KEY, None), record("n:60:1700:1760::", None)];
        let said = filter.explain_none(&listed).unwrap();
        assert!(
            said.starts_with("2 listed, 0 match --node 'ohlcv'"),
            "{said}"
        );
        assert!(
            said.contains(&format!("lease-recover --stuck --key '{KEY}'")),
            "{said}"
        );
        let other = Filter {
            nodes: own(&["n"]),
            ..Filter::default()
        };
        assert_eq!(other.explain_none(&listed), None);
        assert_eq!(Filter::default().explain_none(&[]), None);
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn every_key_that_is_not_listed_is_named() {
        let filter = Filter {
            keys: own(&[KEY, "n:60:1700:1760::", &format!("{KEY}:tok-1234")]),
            ..Filter::default()
        };
        let said = filter.keys_not_listed(&[record(KEY, None)]);
        assert_eq!(
            said,
            [
                "not in the coordinator's list: --key 'n:60:1700:1760::'".to_owned(),
                format!("--key takes a key without its token: --key '{KEY}'"),
            ]
        );
        assert_eq!(Filter::default().keys_not_listed(&[]), Vec::<String>::new());
    }

    #[test]
    fn a_window_is_two_times_in_order() {
        for wrong in ["", "1", "1..", "..2", "2..1", "1..1", "x..y"] {
            assert!(wrong.parse::<Window>().is_err(), "{wrong}");
        }
    }
}
