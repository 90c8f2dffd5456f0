//! Which series there are, and were. Owns the shape of it; fetches nothing.

use std::collections::{BTreeMap, BTreeSet};

use seamless_core::schema::Family;

/// The jobs whose series the metrics are.
pub(crate) type Jobs = BTreeSet<String>;

/// The series there are, and where a metric that has none was last seen.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Presence {
    /// Series now, by exposed name and drill (empty for real series): of the names that are counted.
    pub(crate) now: BTreeMap<(String, String), f64>,
    /// The jobs whose real series the counted names are.
    pub(crate) jobs: BTreeMap<String, Jobs>,
    /// Of the other names those that have real series, or had some in the last hours.
    pub(crate) known: BTreeSet<String>,
    /// When names without a series now had their last sample (seconds since the epoch), as far as the
    /// last day shows.
    pub(crate) last_seen: BTreeMap<String, f64>,
}

impl Presence {
    /// Real series under any of `names`.
    pub(crate) fn real(&self, names: &[String]) -> f64 {
        names
            .iter()
            .filter_map(|name| self.now.get(&(name.clone(), String::new())))
            .sum()
    }

    /// Whether a family of the schema has real series.
    pub(crate) fn has(&self, family: &Family) -> bool {
        let names = family.tracked_names();
        self.real(&names) > 0.0 || names.iter().any(|name| self.known.contains(name))
    }

    /// The drills that have series under any of `names`.
    pub(crate) fn drills(&self, names: &[String]) -> Vec<&str> {
        self.now
            .keys()
            .filter(|(name, drill)| names.contains(name) && !drill.is_empty())
            .map(|(_, drill)| drill.as_str())
            .collect()
    }

    /// When any of `names` without a series now had its last sample, in seconds since the epoch.
    pub(crate) fn last_seen(&self, names: &[String]) -> Option<f64> {
        let times = names.iter().filter_map(|name| self.last_seen.get(name));
        times.copied().reduce(f64::max)
    }
}
