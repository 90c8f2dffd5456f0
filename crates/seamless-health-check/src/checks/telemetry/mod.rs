//! The platform's log and traces: can an alert be followed to the lease and the request behind it?
//!
//! Only when asked. What a system writes when it works must be there; what it writes only when something
//! is wrong is checked where it occurs.

mod backfill_events;
mod domain_gate_events;
mod events;
mod leases;
mod log;
mod receiver;
mod sla_events;
mod spans;

use crate::check::Check;

pub(super) const CHECKS: &[Check] = &[
    log::CHECK,
    backfill_events::CHECK,
    sla_events::CHECK,
    domain_gate_events::CHECK,
    spans::CHECK,
    leases::CHECK,
    receiver::CHECK,
];
