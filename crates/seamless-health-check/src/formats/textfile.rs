//! Exposition about the run itself, for node_exporter's textfile collector.

use seamless_core::exposition::write::{Header, RenderedLabels, Writer};
use seamless_core::exposition::{Format, MetricType};

use crate::report::Report;

pub(super) fn render(report: &Report) -> String {
    let writer = Writer::new(Format::Text);
    let mut out = Vec::new();
    let gauge = |name, help, out: &mut Vec<u8>| {
        let kind = MetricType::Gauge;
        writer.header(Header { name, kind, help }, out);
    };
    let labels = |pairs: &[(&str, &str)]| RenderedLabels::new(pairs.iter().copied());

    let name = "seamless_health_check_verdict";
    gauge(
        name,
        "1 for the verdict of each check of the last run, 0 for the others.",
        &mut out,
    );
    for finding in &report.findings {
        let id = finding.check.id();
        for verdict in ["pass", "warn", "fail", "skip"] {
            let is = f64::from(u8::from(finding.outcome.verdict.word() == verdict));
            if let Ok(labels) = labels(&[("check", &id), ("verdict", verdict)]) {
                writer.sample(name, &labels, is, &mut out);
            }
        }
    }
    let name = "seamless_health_check_value";
    gauge(name, "What the checks measured.", &mut out);
    let mut seen = std::collections::BTreeSet::new();
    for finding in &report.findings {
        let id = finding.check.id();
        for item in &finding.outcome.items {
            let Some(measured) = item.measured else {
                continue;
            };
            if !seen.insert((id.clone(), item.subject.clone())) {
                continue;
            }
            if let Ok(labels) = labels(&[("check", &id), ("subject", &item.subject)]) {
                writer.sample(name, &labels, measured.value, &mut out);
            }
        }
    }
    let counts = report.counts();
    let healthy = f64::from(u8::from(report.status().code() == 0));
    for (name, help, value) in [
        (
            "seamless_health_check_healthy",
            "Whether the last run found everything healthy.",
            healthy,
        ),
        (
            "seamless_health_check_failed",
            "Checks that failed in the last run.",
            counts.fail as f64,
        ),
        (
            "seamless_health_check_warned",
            "Checks that warned in the last run.",
            counts.warn as f64,
        ),
        (
            "seamless_health_check_duration_seconds",
            "How long the last run took.",
            report.took.as_secs_f64(),
        ),
        (
            "seamless_health_check_last_run_timestamp_seconds",
            "When the last run began.",
            report.started,
        ),
    ] {
        gauge(name, help, &mut out);
        if let Ok(labels) = labels(&[]) {
            writer.sample(name, &labels, value, &mut out);
        }
    }
    writer.finish(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}
