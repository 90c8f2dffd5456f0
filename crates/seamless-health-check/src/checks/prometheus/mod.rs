//! Prometheus itself, and whether the metrics are there: present, fresh, of the right type, with the
//! right labels, from targets that are up.

pub(super) mod declared;
mod fresh;
mod labels;
mod present;
mod queries;
mod ready;
mod scrape_time;
mod targets;
mod types;

use crate::check::Check;

pub(super) const CHECKS: &[Check] = &[
    ready::CHECK,
    queries::CHECK,
    present::CHECK,
    fresh::CHECK,
    labels::CHECK,
    types::CHECK,
    targets::CHECK,
    scrape_time::CHECK,
];
