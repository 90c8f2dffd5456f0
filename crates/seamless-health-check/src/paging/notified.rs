//! How many notifications were sent and failed, per kind of integration.

use std::collections::BTreeMap;

use seamless_core::duration::human;
use seamless_core::paging::growth;
use seamless_core::prometheus::InstantSeries;

use super::facts::{Paging, Reads};

const SENT: &str = "alertmanager_notifications_total";

const FAILED: &str = "alertmanager_notifications_failed_total";

const REQUESTS: &str = "alertmanager_notification_requests_total";

const REQUESTS_FAILED: &str = "alertmanager_notification_requests_failed_total";

/// What failed of each kind of integration, and how that is known.
pub(crate) struct Failures {
    pub(crate) by_kind: BTreeMap<String, f64>,
    pub(crate) over: String,
    /// Whether it grew in a known time; else the numbers are totals since the start.
    pub(crate) is_growth: bool,
    /// What was asked of the services, from Alertmanager itself.
    pub(crate) tried: Option<Tried>,
}

/// Requests of which none succeeded, by kind of integration. A notification counts as failed only when it is
/// given up, after `group_interval`: until then its requests alone tell.
pub(crate) struct Tried {
    pub(crate) by_kind: BTreeMap<String, f64>,
    pub(crate) over: String,
    pub(crate) is_growth: bool,
}

pub(crate) fn failures(paging: &Paging) -> Option<Failures> {
    let reads: Vec<&Reads> = paging
        .alertmanagers
        .iter()
        .filter_map(|one| one.counters.as_ref().ok())
        .collect();
    let read_again = reads.iter().filter(|read| read.second.is_some());
    let apart = read_again.map(|read| read.apart).max();
    let over = apart.map_or_else(|| "since its start".to_owned(), human);
    let is_growth = apart.is_some();
    let of_reads = (!reads.is_empty()).then(|| grown(&reads, FAILED));
    let tried = of_reads.is_some().then(|| Tried {
        by_kind: none_succeeded(&reads),
        over: over.clone(),
        is_growth,
    });
    if let Ok(scraped) = &paging.scraped
        && !scraped.failed.is_empty()
    {
        return Some(Failures {
            by_kind: by_kind(&scraped.failed),
            over: "6h".to_owned(),
            is_growth: true,
            tried,
        });
    }
    Some(Failures {
        by_kind: of_reads?,
        over,
        is_growth,
        tried,
    })
}

/// What a counter of Alertmanager grew by between two reads, of all peers; its totals after one.
fn grown(reads: &[&Reads], name: &str) -> BTreeMap<String, f64> {
    let mut kinds: BTreeMap<String, f64> = BTreeMap::new();
    for read in reads {
        let first = read.first.by(name, "integration");
        let found = match &read.second {
            Some(second) => growth(&first, &second.by(name, "integration"))
                .into_iter()
                .map(|(kind, growth)| (kind, growth.by))
                .collect(),
            None => first,
        };
        for (kind, count) in found {
            *kinds.entry(kind).or_insert(0.0) += count;
        }
    }
    kinds
}

fn none_succeeded(reads: &[&Reads]) -> BTreeMap<String, f64> {
    let (all, mut failed) = (grown(reads, REQUESTS), grown(reads, REQUESTS_FAILED));
    failed.retain(|kind, count| *count > 0.0 && all.get(kind) == Some(count));
    failed
}

/// Values by kind of integration; small fractions are what extrapolation makes of nothing.
fn by_kind(series: &[InstantSeries]) -> BTreeMap<String, f64> {
    let mut kinds = BTreeMap::new();
    for one in series {
        *kinds
            .entry(one.metric.get("integration").to_owned())
            .or_insert(0.0) += one.value.map_or(0.0, |sample| sample.value).round();
    }
    kinds
}

/// Sent and failed of a kind in 24 hours, where Prometheus scrapes Alertmanager.
pub(crate) fn of_day(paging: &Paging, kind: &str) -> Option<(f64, f64)> {
    let scraped = paging
        .scraped
        .as_ref()
        .ok()
        .filter(|scraped| !scraped.sent_of_day.is_empty())?;
    let count = |series| by_kind(series).get(kind).copied().unwrap_or(0.0);
    Some((count(&scraped.sent_of_day), count(&scraped.failed_of_day)))
}

/// Sent and failed of a kind since the start of the Alertmanagers.
pub(crate) fn since_start(paging: &Paging, kind: &str) -> Option<(f64, f64)> {
    let reads: Vec<&Reads> = paging
        .alertmanagers
        .iter()
        .filter_map(|one| one.counters.as_ref().ok())
        .collect();
    let count = |name| -> f64 {
        reads
            .iter()
            .filter_map(|read| read.first.by(name, "integration").get(kind).copied())
            .sum()
    };
    (!reads.is_empty()).then(|| (count(SENT), count(FAILED)))
}
