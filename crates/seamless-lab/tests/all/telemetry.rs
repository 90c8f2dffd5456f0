//! Logs, spans and series of the simulated runtime agree on the lease.

use std::fs;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use seamless_lab::coordinator::{Coordinator, LeaseEnd};
use seamless_lab::faults::{Faults, Reply};
use seamless_lab::runtime::{Misbehaviour, Preset, Runtime};
use seamless_lab::wait_until;
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);

fn spans(request: ExportTraceServiceRequest) -> impl Iterator<Item = Span> {
    request
        .resource_spans
        .into_iter()
        .flat_map(|resource| resource.scope_spans)
        .flat_map(|scope| scope.spans)
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|pair| pair.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Any::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn one_lease_id_leads_from_the_series_to_the_log_line_and_the_span() {
    let dir = tempfile::tempdir().unwrap();
    let (log, traces) = (
        dir.path().join("log.jsonl"),
        dir.path().join("traces.jsonl"),
    );
    let coordinator = Coordinator::start().unwrap();
    let runtime = Runtime::builder()
        .coordinator(coordinator.url())
        .tick(Duration::from_millis(50))
        .backfill(Duration::from_millis(500))
        .preset(Preset::TolerantPartial)
        .log(&log)
        .traces_to_file(&traces)
        .start()
        .unwrap();
    runtime.misbehave(Misbehaviour::SlowStorage);
    runtime.misbehave(Misbehaviour::StaleFeed);
    // The exposition is that of one process, and leases are worked on by two.
    let completed = || {
        let exposed = runtime.exposition();
        let is_shown = |key: &str| exposed.contains(&format!("lease_key=\"{key}\""));
        let ended = coordinator.ended();
        ended
            .into_iter()
            .find(|ended| ended.outcome == LeaseEnd::Completed && is_shown(&ended.lease.key))
    };
    wait_until(SOON, "a completed lease in the exposition", || {
        completed().is_some()
    })
    .unwrap();
    let key = completed().unwrap().lease.key;
    // The events of a few ticks, and the spans that were not sent yet.
    std::thread::sleep(Duration::from_millis(300));
    drop(runtime);

    let lines: Vec<Value> = fs::read_to_string(&log)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let claimed = lines
        .iter()
        .find(|line| {
            line["event"] == "seamless.backfill.coordinator_claimed" && line["lease_key"] == key
        })
        .unwrap();
    for event in [
        "seamless.sla.phase_exceeded",
        "seamless.sla.downgrade",
        "seamless.domain_gate.downgrade",
    ] {
        assert!(lines.iter().any(|line| line["event"] == event), "{event}");
    }

    let all: Vec<Span> = fs::read_to_string(&traces)
        .unwrap()
        .lines()
        .flat_map(|line| spans(serde_json::from_str(line).unwrap()))
        .collect();
    assert!(all.iter().all(|span| span.name == "seamless.pipeline"));
    let backfill = all
        .iter()
        .find(|span| hex(&span.trace_id) == claimed["trace_id"])
        .unwrap();
    assert_eq!(attribute(backfill, "lease_key").unwrap(), key);
    assert_eq!(attribute(backfill, "sla.phase").unwrap(), "backfill_wait");
    for phase in ["storage_wait", "backfill_wait", "total"] {
        let of_phase = |span: &&Span| attribute(span, "sla.phase").as_deref() == Some(phase);
        assert!(all.iter().any(|span| of_phase(&span)), "{phase}");
    }
    // A line about a late request leads to its trace, whose root is the whole request.
    let late = lines
        .iter()
        .find(|line| line["event"] == "seamless.sla.phase_exceeded")
        .unwrap();
    let root = all
        .iter()
        .find(|span| hex(&span.span_id) == late["span_id"])
        .unwrap();
    assert!(root.parent_span_id.is_empty());
    let took = root.end_time_unix_nano - root.start_time_unix_nano;
    assert!(took > 60_000_000_000, "{took}");
}

#[test]
fn spans_go_to_an_otlp_endpoint() {
    let receiver =
        Faults::always(Reply::status(200).header("Content-Type", "application/x-protobuf"))
            .unwrap();
    let runtime = Runtime::builder()
        .tick(Duration::from_millis(50))
        .traces_to(receiver.url())
        .start()
        .unwrap();
    std::thread::sleep(Duration::from_millis(300));
    drop(runtime);
    let received = receiver.received();
    assert!(!received.is_empty());
    for request in received {
        assert_eq!(request.to_string(), "POST /v1/traces");
        let request = ExportTraceServiceRequest::decode(request.body.as_slice()).unwrap();
        assert!(spans(request).all(|span| span.name == "seamless.pipeline"));
    }
}
