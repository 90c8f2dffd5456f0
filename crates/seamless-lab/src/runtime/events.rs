//! The events of the platform's log, with the fields that its documents give them.

use seamless_core::coordinator::Claim;
use seamless_core::lease::LeaseKey;
use seamless_core::schema::Phase;
use serde_json::{Value, json};

use super::Domain;
use super::traces::TraceIds;
use super::traffic::Waits;

/// What a worker's events say of a lease.
pub(super) struct Lease<'l> {
    pub(super) key: &'l LeaseKey,
    pub(super) worker: &'l str,
    pub(super) coordinator: String,
    pub(super) trace: TraceIds,
}

impl Lease<'_> {
    /// `coordinator_claimed`, `coordinator_completed` or `coordinator_failed`.
    pub(super) fn event(
        &self,
        name: &str,
        claim: &Claim,
        completion_ratio: f64,
        reason: Option<&str>,
    ) -> Value {
        let fields = self.key.canonical();
        json!({
            "logger": "seamless.backfill",
            "event": format!("seamless.backfill.{name}"),
            "coordinator_id": self.coordinator,
            "lease_key": self.key.as_str(),
            "node_id": fields.map(|key| key.node_id),
            "interval": fields.map(|key| key.interval),
            "batch_start": fields.map(|key| key.batch_start),
            "batch_end": fields.map(|key| key.batch_end),
            "world": fields.and_then(|key| key.world),
            "requested_as_of": fields.and_then(|key| key.requested_as_of),
            "worker": self.worker,
            "lease_token": claim.token.expose(),
            "lease_until_ms": claim.lease_until_ms,
            "completion_ratio": completion_ratio,
            "reason": reason,
            "trace_id": self.trace.trace_id,
            "span_id": self.trace.span_id,
        })
    }
}

/// `phase_exceeded` for each phase over its budget, and the `downgrade` that follows from it.
pub(super) fn over_budget(domain: &Domain, waits: Waits, trace: &TraceIds) -> Vec<Value> {
    let event = |name: &str, phase: Phase, mode: &str| {
        json!({
            "logger": "seamless.sla",
            "event": format!("seamless.sla.{name}"),
            "node_id": domain.node_id,
            "interval": domain.interval,
            "world_id": domain.world_id,
            "phase": phase.label(),
            "elapsed_ms": (waits.of(phase) * 1000.0).round(),
            "budget_ms": phase.budget_seconds() * 1000.0,
            "mode": mode,
            "trace_id": trace.trace_id,
            "span_id": trace.span_id,
        })
    };
    let over = |phase: &Phase| waits.of(*phase) > phase.budget_seconds();
    let mut events: Vec<Value> = Phase::ALL
        .into_iter()
        .filter(over)
        .map(|phase| event("phase_exceeded", phase, "normal"))
        .collect();
    if over(&Phase::Total) {
        let mut downgrade = event("downgrade", Phase::Total, "partial_fill");
        downgrade["reason"] = json!("sla_violation");
        events.push(downgrade);
    }
    events
}

/// A domain gate that answers with what it has.
pub(super) fn domain_gate_downgrade(domain: &Domain) -> Value {
    json!({
        "logger": "seamless.domain_gate",
        "event": "seamless.domain_gate.downgrade",
        "node_id": domain.node_id,
        "interval": domain.interval,
        "world_id": domain.world_id,
        "dataset_fingerprint": format!("lake:{}:{}", domain.node_id, domain.interval),
        "as_of": jiff::Timestamp::now().to_string(),
        "reason": "stale_data",
        "execution_domain": "live",
    })
}
