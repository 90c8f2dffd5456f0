//! The SLA now: p99 per phase against its budget, and the error budget that is left. Synthetic series
//! count for nothing here.

mod error_budget;
mod latency;
mod p99;

use crate::check::Check;

pub(super) const CHECKS: &[Check] = &[p99::CHECK, error_budget::CHECK];
