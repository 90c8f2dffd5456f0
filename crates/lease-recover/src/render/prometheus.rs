//! `--list` as metrics, for a textfile collector or a Pushgateway.
//!
//! The coordinator's list is the authority on leases: alert rules judge by it where it is fresh. Tokens are
//! in no metric.

use std::collections::HashSet;

use seamless_core::exposition::write::{BadLabelName, Header, RenderedLabels, Writer};
use seamless_core::exposition::{Format, MetricType};
use seamless_core::lease::LeaseKey;

use crate::lease_fields::KeyParts;
use crate::listing::Judged;

/// More would be a burden on the Prometheus that scrapes them. The oldest leases are shown, and
/// `seamless_leases` counts all.
const MOST_LEASES: usize = 1000;

struct ExposedFamily {
    name: &'static str,
    help: &'static str,
    value: fn(&Judged, i64) -> Option<f64>,
}

const PER_LEASE: [ExposedFamily; 4] = [
    ExposedFamily {
        name: "seamless_lease_held",
        help: "1 for each lease that the coordinator lists as held",
        value: |_, _| Some(1.0),
    },
    ExposedFamily {
        name: "seamless_lease_completion_ratio",
        help: "How much of the window of a held lease is done, 0 to 1",
        value: |judged, _| judged.record.completion_ratio,
    },
    ExposedFamily {
        name: "seamless_lease_age_seconds",
        help: "How long ago a held lease was claimed",
        value: |judged, now_ms| {
            let at = judged.record.claimed_at_ms?;
            Some(now_ms.saturating_sub(at) as f64 / 1000.0)
        },
    },
    ExposedFamily {
        name: "seamless_lease_expires_in_seconds",
        help: "How long until a held lease expires; negative where it has",
        value: |judged, now_ms| {
            let at = judged.record.lease_until_ms?;
            Some(at.saturating_sub(now_ms) as f64 / 1000.0)
        },
    },
];

/// The list as an exposition. `now_ms` is by the coordinator's clock, `listed_at` seconds since the epoch
/// by this machine's.
pub(crate) fn exposition(
    coordinator: &str,
    leases: &[Judged],
    now_ms: i64,
    listed_at: f64,
) -> Result<Vec<u8>, BadLabelName> {
    let writer = Writer::new(Format::Text);
    let mut out = Vec::new();
    let header = |name, help, out: &mut Vec<u8>| {
        let header = Header {
            name,
            kind: MetricType::Gauge,
            help,
        };
        writer.header(header, out);
    };
    let mut oldest: Vec<&Judged> = leases.iter().collect();
    oldest.sort_by_key(|judged| {
        (
            judged.record.claimed_at_ms.unwrap_or(i64::MAX),
            &judged.record.key,
        )
    });
    // No label tells two tokens of one key apart, and a scraper refuses a series that is there twice.
    let mut shown = HashSet::new();
    oldest.retain(|judged| shown.insert((&judged.record.key, &judged.record.worker)));
    oldest.truncate(MOST_LEASES);
    for family in PER_LEASE {
        header(family.name, family.help, &mut out);
        for judged in &oldest {
            if let Some(value) = (family.value)(judged, now_ms) {
                let labels = labels(coordinator, &judged.record.key, judged)?;
                writer.sample(family.name, &labels, value, &mut out);
            }
        }
    }
    let own = RenderedLabels::new([("coordinator", coordinator)])?;
    let name = "seamless_leases";
    header(
        name,
        "How many leases the coordinator lists as held",
        &mut out,
    );
    writer.sample(name, &own, leases.len() as f64, &mut out);
    let name = "seamless_leases_listed_timestamp_seconds";
    header(name, "When the coordinator's list was read", &mut out);
    writer.sample(name, &own, listed_at, &mut out);
    writer.finish(&mut out);
    Ok(out)
}

fn labels(
    coordinator: &str,
    key: &LeaseKey,
    judged: &Judged,
) -> Result<RenderedLabels, BadLabelName> {
    let parts = KeyParts::of(key);
    let interval = parts.interval.map(|interval| interval.to_string());
    RenderedLabels::new([
        ("coordinator", coordinator),
        ("lease_key", key.as_str()),
        ("node_id", parts.node_id.as_deref().unwrap_or_default()),
        ("interval", interval.as_deref().unwrap_or_default()),
        ("world_id", parts.world.as_deref().unwrap_or_default()),
        (
            "worker",
            judged.record.worker.as_deref().unwrap_or_default(),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use seamless_core::coordinator::LeaseRecord;
    use seamless_core::lease::LeaseSpec;
    use seamless_core::stuck::Thresholds;

    use super::*;
    use crate::listing::judged;

    #[test]
    fn at_most_1000_leases_are_shown_the_oldest_first_and_all_are_counted() {
        let now_ms = 1_700_000_000_000;
        let records = (0..1001).map(|n: i64| LeaseRecord {
            claimed_at_ms: Some(now_ms - n * 1000),
            ..LeaseRecord::from(
                LeaseSpec::parse(&format!("n:{n}:60:0:60:w::secret-token")).unwrap(),
            )
        });
        let thresholds = Thresholds {
            older_than: Duration::ZERO,
            ..Thresholds::default()
        };
        let leases = judged(records, thresholds, now_ms);
        let text = exposition("c:80", &leases, now_ms, 1.5).unwrap();
        let text = String::from_utf8(text).unwrap();
        let lines = |name: &str| text.lines().filter(|line| line.starts_with(name)).count();
        assert_eq!(lines("seamless_lease_held{"), 1000);
        assert_eq!(lines("seamless_lease_completion_ratio{"), 0);
        assert!(!text.contains("lease_key=\"n:0:60"), "the youngest");
        assert!(
            text.contains("seamless_leases{coordinator=\"c:80\"} 1001"),
            "{text}"
        );
        assert!(!text.contains("secret"));
    }
}
