//! A lease that a run is about.

use seamless_core::lease::LeaseSpec;

/// A lease to recover.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TargetLease {
    pub(crate) spec: LeaseSpec,
    /// Selected, not named: read again before it is acted on, where the coordinator has a list.
    pub(crate) is_selected: bool,
}
