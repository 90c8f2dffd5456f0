//! Spans of the simulated pipeline, through the official OpenTelemetry SDK.
//!
//! Owns where they go (an OTLP endpoint, or a file with one OTLP/JSON export request a line) and what
//! they are called: `seamless.pipeline`, with `sla.phase` where a budget applies. Requests take no real
//! time, so their spans are dated back.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use opentelemetry::trace::{
    Span as _, SpanKind, Status, TraceContextExt as _, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{
    SpanExporter as OtlpExporter, WithExportConfig as _, WithHttpConfig as _,
};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, Span, SpanData, SpanExporter};
use seamless_core::lease::LeaseKey;
use seamless_core::schema::Phase;

use super::Domain;
use super::traffic::ServedRequest;

const SPAN: &str = "seamless.pipeline";

/// Where spans go; nowhere by default.
#[derive(Debug, Clone, Default)]
pub(super) enum Destination {
    /// Nowhere.
    #[default]
    Nowhere,
    /// A file, started anew.
    File(std::path::PathBuf),
    /// The base URL of an OTLP/HTTP receiver.
    Endpoint(String),
}

/// The tracer of the runtime.
#[derive(Debug)]
pub(super) struct RuntimeTracer {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
}

/// What a log line says to lead to a trace.
#[derive(Debug, Clone)]
pub(super) struct TraceIds {
    pub(super) trace_id: String,
    pub(super) span_id: String,
}

impl TraceIds {
    fn of(span: &Span) -> Self {
        let context = span.span_context();
        Self {
            trace_id: context.trace_id().to_string(),
            span_id: context.span_id().to_string(),
        }
    }
}

impl RuntimeTracer {
    /// A tracer that sends to `destination`.
    pub(super) fn start(destination: &Destination) -> Result<Self> {
        let builder = SdkTracerProvider::builder().with_resource(
            Resource::builder()
                .with_service_name("seamless-runtime")
                .build(),
        );
        let provider = match destination {
            Destination::Nowhere => builder.build(),
            Destination::File(path) => builder
                .with_batch_exporter(FileExporter::create(path)?)
                .build(),
            Destination::Endpoint(url) => builder.with_batch_exporter(to_endpoint(url)?).build(),
        };
        Ok(Self {
            tracer: provider.tracer("seamless.lab"),
            provider,
        })
    }

    /// Sends what is left; spans that end later are lost.
    pub(super) fn shut_down(&self) {
        // A receiver that is gone gets no more spans.
        let _ = self.provider.shutdown();
    }

    /// The spans of one request: the whole, and one for each phase that it waited in.
    pub(super) fn request(
        &self,
        domain: &Domain,
        request: &ServedRequest,
        lease_key: Option<&str>,
        ended: SystemTime,
    ) -> TraceIds {
        let waits = request.waits;
        let phases = request
            .observed
            .iter()
            .filter(|phase| **phase != Phase::Total);
        let took: f64 = phases.clone().map(|phase| waits.of(*phase)).sum();
        let start = ended - Duration::from_secs_f64(took);
        let whole = self.span(domain, Phase::Total, start, None, &Context::new());
        let ids = TraceIds::of(&whole);
        let context = Context::new().with_span(whole);
        let mut at = start;
        // Live data is asked for last; the platform counts no wait for it.
        let live = request
            .observed
            .last()
            .filter(|last| **last == Phase::Total);
        for phase in phases.chain(live.map(|_| &Phase::LiveWait)) {
            let lease = lease_key.filter(|_| *phase == Phase::BackfillWait);
            let mut span = self.span(domain, *phase, at, lease, &context);
            at += Duration::from_secs_f64(waits.of(*phase));
            span.end_with_timestamp(at);
        }
        context.span().end_with_timestamp(ended);
        ids
    }

    /// Starts the span of a backfill; it ends with the lease.
    pub(super) fn backfill(&self, domain: &Domain, key: &LeaseKey, worker: &str) -> BackfillSpan {
        let now = SystemTime::now();
        let mut span = self.span(
            domain,
            Phase::BackfillWait,
            now,
            Some(key.as_str()),
            &Context::new(),
        );
        span.set_attribute(KeyValue::new("worker", worker.to_owned()));
        BackfillSpan { span }
    }

    fn span(
        &self,
        domain: &Domain,
        phase: Phase,
        start: SystemTime,
        lease_key: Option<&str>,
        parent: &Context,
    ) -> Span {
        let mut attributes = vec![
            KeyValue::new("sla.phase", phase.label()),
            KeyValue::new("sla.budget_ms", phase.budget_seconds() * 1000.0),
            KeyValue::new("node_id", domain.node_id.clone()),
            KeyValue::new(
                "interval",
                i64::try_from(domain.interval).unwrap_or(i64::MAX),
            ),
            KeyValue::new("world_id", domain.world_id.clone()),
        ];
        attributes.extend(lease_key.map(|key| KeyValue::new("lease_key", key.to_owned())));
        self.tracer
            .span_builder(SPAN)
            .with_kind(SpanKind::Internal)
            .with_start_time(start)
            .with_attributes(attributes)
            .start_with_context(&self.tracer, parent)
    }
}

/// The span of a backfill that goes on.
#[derive(Debug)]
pub(super) struct BackfillSpan {
    span: Span,
}

impl BackfillSpan {
    /// What leads to it.
    pub(super) fn ids(&self) -> TraceIds {
        TraceIds::of(&self.span)
    }

    /// Loses it, as a process that dies does: it never ends and is never sent.
    pub(super) fn lose(self) {
        // Dropping a span would end it.
        std::mem::forget(self);
    }

    /// Ends it, as an error if there is a reason.
    pub(super) fn end(mut self, completion_ratio: f64, reason: Option<&str>) {
        self.span
            .set_attribute(KeyValue::new("completion_ratio", completion_ratio));
        if let Some(reason) = reason {
            self.span.set_status(Status::error(reason.to_owned()));
        }
        self.span.end();
    }
}

fn to_endpoint(url: &str) -> Result<OtlpExporter> {
    // Spans go to a receiver beside the lab: no authorities are loaded, and none are needed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::blocking::Client::builder()
        .tls_certs_only([])
        .no_proxy()
        .build()
        .context("cannot set up the client for traces")?;
    OtlpExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(format!("{}/v1/traces", url.trim_end_matches('/')))
        .build()
        .with_context(|| format!("cannot send traces to {url}"))
}

/// Writes each batch as one line: an OTLP/JSON export request, as the OTLP file exporter does.
#[derive(Debug)]
struct FileExporter {
    file: Mutex<File>,
    resource: ResourceAttributesWithSchema,
}

impl FileExporter {
    fn create(path: &Path) -> Result<Self> {
        let file = File::create(path)
            .with_context(|| format!("cannot write traces to {}", path.display()))?;
        Ok(Self {
            file: Mutex::new(file),
            resource: ResourceAttributesWithSchema::default(),
        })
    }
}

impl SpanExporter for FileExporter {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let request = ExportTraceServiceRequest {
            resource_spans: group_spans_by_resource_and_scope(batch, &self.resource),
        };
        let failed =
            |error: &dyn std::fmt::Display| OTelSdkError::InternalFailure(error.to_string());
        let line = serde_json::to_string(&request).map_err(|error| failed(&error))?;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(file, "{line}").map_err(|error| failed(&error))
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}
