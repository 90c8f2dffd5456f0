//! How a lease is named in what programs read: result documents and audit events.
//!
//! Owns the members of a key taken apart, and that of a token only its first characters are shown.

use seamless_core::lease::{LeaseKey, LeaseToken};
use serde::Serialize;

/// What a lease is called. The parts are `null` where the key is not canonical.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LeaseFields {
    pub(crate) key: String,
    #[serde(flatten)]
    pub(crate) parts: KeyParts,
    token_prefix: Option<String>,
    /// The whole token, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

/// A canonical key taken apart.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct KeyParts {
    pub(crate) node_id: Option<String>,
    pub(crate) interval: Option<u64>,
    batch_start: Option<i64>,
    batch_end: Option<i64>,
    pub(crate) world: Option<String>,
    requested_as_of: Option<String>,
}

impl KeyParts {
    /// Of this key.
    pub(crate) fn of(key: &LeaseKey) -> Self {
        let Some(parts) = key.canonical() else {
            return Self::default();
        };
        Self {
            node_id: Some(parts.node_id.to_owned()),
            interval: Some(parts.interval),
            batch_start: Some(parts.batch_start),
            batch_end: Some(parts.batch_end),
            world: parts.world.map(str::to_owned),
            requested_as_of: parts.requested_as_of.map(str::to_owned),
        }
    }
}

impl LeaseFields {
    /// Of the lease with this key, held under this token.
    pub(crate) fn of(key: &LeaseKey, token: Option<&LeaseToken>, show_tokens: bool) -> Self {
        Self {
            key: key.as_str().to_owned(),
            parts: KeyParts::of(key),
            token_prefix: token.map(|token| token.hint().to_owned()),
            token: shown(token, show_tokens),
        }
    }
}

/// A token as a document may show it whole, since it was asked for.
fn shown(token: Option<&LeaseToken>, show_tokens: bool) -> Option<String> {
    token
        .filter(|_| show_tokens)
        .map(|token| token.expose().to_owned())
}
