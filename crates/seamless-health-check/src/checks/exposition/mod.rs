//! The exposition text itself against what scrapes it and against the schema, with no Prometheus needed.
//! What a scraper makes of it is the reader's verdict; what it should hold is decided here.

mod buckets;
mod families;
mod labels;
mod readable;
mod types;
mod valid;

use crate::check::Check;

pub(super) const CHECKS: &[Check] = &[
    readable::CHECK,
    valid::CHECK,
    families::CHECK,
    types::CHECK,
    labels::CHECK,
    buckets::CHECK,
];
