//! The events of the platform's log, with the fields that it gives them.

use seamless_core::lease::LeaseKey;
use seamless_core::schema::Phase;
use serde_json::{Value, json};

use super::Domain;
use super::traces::TraceIds;
use super::traffic::{Preset, ServedRequest};
use crate::coordinator::Claim;

/// What a worker's events say of a lease.
pub(super) struct LoggedLease<'l> {
    pub(super) key: &'l LeaseKey,
    pub(super) worker: &'l str,
    pub(super) coordinator: String,
    pub(super) trace: TraceIds,
}

impl LoggedLease<'_> {
    /// `coordinator_claimed`, `coordinator_completed` or `coordinator_failed`.
    pub(super) fn event(
        &self,
        name: &str,
        claim: &Claim,
        completion_ratio: f64,
        reason: Option<&str>,
    ) -> Value {
        // Read at the first colons, as the platform does: of a node id with colons nothing comes out right.
        let mut parts = self.key.as_str().splitn(6, ':').map(Some).chain([None; 6]);
        let mut part = || parts.next().flatten().filter(|part| !part.is_empty());
        let whole = |part: Option<&str>| part.and_then(|part| part.parse::<i64>().ok());
        let (node_id, interval) = (part().unwrap_or("unknown"), part());
        let interval = whole(interval).map_or_else(|| json!(interval), |seconds| json!(seconds));
        let mut event = json!({
            "logger": "seamless.backfill",
            "event": format!("seamless.backfill.{name}"),
            "coordinator_id": self.coordinator,
            "lease_key": self.key.as_str(),
            "node_id": node_id,
            "interval": interval,
            "batch_start": whole(part()),
            "batch_end": whole(part()),
            "world": part(),
            "requested_as_of": part(),
            "worker": self.worker,
            "lease_token": claim.token.expose(),
            "lease_until_ms": claim.lease_until_ms,
            "completion_ratio": completion_ratio,
            "trace_id": self.trace.trace_id,
            "span_id": self.trace.span_id,
        });
        if let Some(reason) = reason {
            event["reason"] = reason.into();
        }
        event
    }
}

/// What a request over budget says: `phase_exceeded` for each phase, and, where it was answered all the same, the
/// `downgrade` that follows from it.
pub(super) fn over_budget(
    domain: &Domain,
    request: &ServedRequest,
    preset: Preset,
    trace: &TraceIds,
) -> Vec<Value> {
    let figures = |phase: Phase| {
        json!({
            "phase": phase.label(),
            "elapsed_ms": request.waits.of(phase) * 1000.0,
            "budget_ms": phase.budget_seconds() * 1000.0,
            "mode": preset.mode(),
            "trace_id": trace.trace_id,
            "span_id": trace.span_id,
        })
    };
    let mut events: Vec<Value> = request
        .late()
        .map(|phase| sla_event(domain, "phase_exceeded", figures(phase)))
        .collect();
    if preset == Preset::TolerantPartial
        && let Some(first) = request.late().next()
    {
        let mut more = figures(first);
        more["reason"] = "sla_violation".into();
        more["dataset_fingerprint"] = FINGERPRINT.into();
        more["as_of"] = jiff::Timestamp::now().to_string().into();
        events.push(sla_event(domain, "downgrade", more));
    }
    events
}

/// What a poll says that was held because its bars are too old: no phase was late.
pub(super) fn held(domain: &Domain, coverage_ratio: f64, staleness_seconds: f64) -> Value {
    let more = json!({
        "mode": "hold",
        "reason": "freshness_breach",
        "coverage_ratio": coverage_ratio,
        "staleness_ms": staleness_seconds * 1000.0,
        "phase": null,
        "elapsed_ms": null,
        "budget_ms": null,
        "dataset_fingerprint": FINGERPRINT,
        "as_of": jiff::Timestamp::now().to_string(),
    });
    sla_event(domain, "downgrade", more)
}

const FINGERPRINT: &str = "sha256:3a2e1fff966790b86f69b70cc678d3c8949250307acec571866dfb2102a52907";

fn sla_event(domain: &Domain, name: &str, more: Value) -> Value {
    let mut event = json!({
        "logger": "seamless.sla",
        "event": format!("seamless.sla.{name}"),
        "node_id": domain.node_id,
        "interval": domain.interval,
    });
    if let (Value::Object(event), Value::Object(more)) = (&mut event, more) {
        event.extend(more);
    }
    event
}

/// A domain gate that answers with what it has.
pub(super) fn domain_gate_downgrade(domain: &Domain) -> Value {
    json!({
        "logger": "seamless.domain_gate",
        "event": "seamless.domain_gate.downgrade",
        "node_id": domain.node_id,
        "interval": domain.interval,
        "world_id": domain.world_id,
        "execution_domain": "live",
        "reason": "freshness_breach",
        "dataset_fingerprint": FINGERPRINT,
        "as_of": jiff::Timestamp::now().to_string(),
    })
}
