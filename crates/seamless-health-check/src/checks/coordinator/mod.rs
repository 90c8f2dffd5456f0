//! The backfill coordinator: is it well, and does it hold leases that do not move?

mod health;
mod stuck_leases;

use crate::check::Check;

pub(super) const CHECKS: &[Check] = &[health::CHECK, stuck_leases::CHECK];
