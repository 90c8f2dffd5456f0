//! One JSON document, for programs. Its shape is stable within a `schema_version`.

use seamless_cli::ExitStatus;
use serde::Serialize;

use crate::report::{CheckResult, Report};
use crate::told::Told;

pub(crate) const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct JsonDocument {
    schema_version: u32,
    healthy: bool,
    exit_code: u8,
    started_at: String,
    duration_seconds: f64,
    rounds: u32,
    stopped_by: Option<&'static str>,
    counts: JsonCounts,
    endpoints: Vec<JsonEndpoint>,
    warnings: Vec<String>,
    checks: Vec<JsonCheck>,
    /// Who would be told of which alert, through each Alertmanager.
    paths: Vec<Told>,
}

#[derive(Serialize)]
struct JsonCounts {
    pass: usize,
    warn: usize,
    fail: usize,
    skip: usize,
}

#[derive(Serialize)]
struct JsonEndpoint {
    service: String,
    url: String,
}

#[derive(Serialize)]
struct JsonCheck {
    id: String,
    group: &'static str,
    title: &'static str,
    severity: &'static str,
    requires: &'static [&'static str],
    verdict: &'static str,
    message: String,
    hint: Option<String>,
    /// A command line.
    next: Option<String>,
    /// A URL.
    runbook: Option<String>,
    items: Vec<JsonItem>,
}

#[derive(Serialize)]
struct JsonItem {
    subject: String,
    verdict: &'static str,
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
}

/// The document of a run that was refused.
pub(super) fn refusal(error: &str) -> String {
    let document = serde_json::json!({
        "schema_version": SCHEMA_VERSION,
        "healthy": false,
        "exit_code": ExitStatus::Usage.code(),
        "error": error,
        "checks": [],
    });
    format!("{document}\n")
}

pub(super) fn render(report: &Report) -> anyhow::Result<String> {
    let counts = report.counts();
    let status = report.status();
    let document = JsonDocument {
        schema_version: SCHEMA_VERSION,
        healthy: status.code() == 0,
        exit_code: status.code(),
        started_at: timestamp(report.started),
        duration_seconds: report.took.as_secs_f64(),
        rounds: report.rounds,
        stopped_by: report.stopped.map(seamless_cli::Signal::name),
        counts: JsonCounts {
            pass: counts.pass,
            warn: counts.warn,
            fail: counts.fail,
            skip: counts.skip,
        },
        endpoints: report
            .endpoints
            .iter()
            .map(|(service, url)| JsonEndpoint {
                service: service.clone(),
                url: url.clone(),
            })
            .collect(),
        warnings: report.warnings.clone(),
        checks: report.findings.iter().map(check).collect(),
        paths: report.told.clone(),
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn check(finding: &CheckResult) -> JsonCheck {
    JsonCheck {
        id: finding.check.id(),
        group: finding.check.group.name(),
        title: finding.check.title,
        severity: finding.check.severity.word(),
        requires: finding.check.requires,
        verdict: finding.outcome.verdict.word(),
        message: finding.message(),
        hint: finding.hint().map(str::to_owned),
        next: finding.next().map(str::to_owned),
        runbook: finding.runbook(),
        items: finding
            .outcome
            .items
            .iter()
            .map(|item| JsonItem {
                subject: item.subject.clone(),
                verdict: item.verdict.word(),
                message: item.message.clone(),
                value: item
                    .measured
                    .map(|measured| measured.value)
                    .filter(|v| v.is_finite()),
                unit: item.measured.map(|measured| measured.unit),
            })
            .collect(),
    }
}

fn timestamp(seconds: f64) -> String {
    jiff::Timestamp::from_millisecond((seconds * 1000.0) as i64)
        .map_or_else(|_| String::new(), |time| time.to_string())
}
