//! Would anyone be paged? The shipped alerts are loaded and evaluated, can fire on the live series, and
//! their way to a person is open.

mod alertmanager_known;
mod alertmanager_ready;
mod can_fire;
mod coverage;
mod delivered;
mod each;
mod firing;
mod held;
mod inhibitions;
mod inputs;
mod items;
mod open;
mod ranges;
mod routes;
mod rules_evaluated;
mod rules_loaded;
mod sent;
mod silences;
#[cfg(test)]
mod tests;

use crate::check::Check;

pub(super) const CHECKS: &[Check] = &[
    rules_loaded::CHECK,
    rules_evaluated::CHECK,
    inputs::CHECK,
    can_fire::CHECK,
    ranges::CHECK,
    firing::CHECK,
    alertmanager_known::CHECK,
    alertmanager_ready::CHECK,
    held::CHECK,
    sent::CHECK,
    routes::CHECK,
    open::CHECK,
    silences::CHECK,
    inhibitions::CHECK,
    delivered::CHECK,
];
