//! How a lease is named in what programs read: result documents and audit events.
//!
//! Owns the members of a key taken apart, and that of a token only its first characters are shown.

use seamless_core::lease::{LeaseKey, LeaseToken};
use serde::Serialize;

/// What a lease is called, beside its whole key. The parts are `null` where the key is not canonical.
#[derive(Serialize)]
pub(crate) struct LeaseFields<'k> {
    node_id: Option<&'k str>,
    interval: Option<u64>,
    batch_start: Option<i64>,
    batch_end: Option<i64>,
    world: Option<&'k str>,
    requested_as_of: Option<&'k str>,
    token_prefix: Option<&'k str>,
}

impl<'k> LeaseFields<'k> {
    /// Of the lease with this key, held under this token.
    pub(crate) fn of(key: &'k LeaseKey, token: Option<&'k LeaseToken>) -> Self {
        let parts = key.canonical();
        Self {
            node_id: parts.map(|p| p.node_id),
            interval: parts.map(|p| p.interval),
            batch_start: parts.map(|p| p.batch_start),
            batch_end: parts.map(|p| p.batch_end),
            world: parts.and_then(|p| p.world),
            requested_as_of: parts.and_then(|p| p.requested_as_of),
            token_prefix: token.map(LeaseToken::hint),
        }
    }
}
