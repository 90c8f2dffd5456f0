//! What this machine gives the checks. A URL or configuration file that cannot be used never gets
//! here: it is a usage error.

mod endpoints;
mod variables;

use crate::check::Check;

pub(super) const CHECKS: &[Check] = &[variables::CHECK, endpoints::CHECK];
