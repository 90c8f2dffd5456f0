//! Expositions written, by the workspace's writer and by the official Rust client.

use std::time::Instant;

use anyhow::Result;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use seamless_core::exposition::write::{Header, Labels, Writer};
use seamless_core::exposition::{Format, MetricType};

const NAME: &str = "backfill_completion_ratio";
const HELP: &str = "How much of the lease's window is filled.";

fn report(begun: Instant, bytes: usize) {
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{}",
        serde_json::json!({"seconds": seconds, "bytes": bytes})
    );
}

fn value(index: usize) -> f64 {
    index as f64 / 1_000_003.0
}

fn body(labels: &[Labels]) -> Vec<u8> {
    let writer = Writer::new(Format::Text);
    let mut out = Vec::new();
    writer.header(
        Header {
            name: NAME,
            kind: MetricType::Gauge,
            help: HELP,
        },
        &mut out,
    );
    for (index, labels) in labels.iter().enumerate() {
        writer.sample(NAME, labels, value(index), &mut out);
    }
    writer.finish(&mut out);
    out
}

fn labels(series: usize) -> Result<Vec<Labels>> {
    (0..series)
        .map(|index| {
            let (node, lease) = (format!("node-{}", index % 500), format!("lease-{index}"));
            let pairs = [
                ("node_id", node.as_str()),
                ("interval", "60"),
                ("lease_key", &lease),
            ];
            Ok(Labels::new(pairs)?)
        })
        .collect()
}

pub(crate) fn write(series: usize) -> Result<()> {
    let labels = labels(series)?;
    let begun = Instant::now();
    let out = std::hint::black_box(body(&labels));
    report(begun, out.len());
    Ok(())
}

pub(crate) fn copy(series: usize) -> Result<()> {
    let body = body(&labels(series)?);
    let begun = Instant::now();
    let out = std::hint::black_box(std::hint::black_box(&body).clone());
    report(begun, out.len());
    Ok(())
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Lease {
    node_id: String,
    interval: String,
    lease_key: String,
}

pub(crate) fn write_with_rust_client(series: usize) -> Result<()> {
    let family = Family::<Lease, Gauge<f64, std::sync::atomic::AtomicU64>>::default();
    let mut registry = Registry::default();
    registry.register(NAME, HELP, family.clone());
    for index in 0..series {
        let lease = Lease {
            node_id: format!("node-{}", index % 500),
            interval: "60".to_owned(),
            lease_key: format!("lease-{index}"),
        };
        family.get_or_create(&lease).set(value(index));
    }
    let begun = Instant::now();
    let mut out = String::new();
    prometheus_client::encoding::text::encode(&mut out, &registry)?;
    report(begun, std::hint::black_box(out).len());
    Ok(())
}
