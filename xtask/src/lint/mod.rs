//! `cargo xtask lint`: holds rules, dashboards and rule tests to the schema and to each other.
//!
//! Owns what the project promises beyond what other tools check: that every name exists, that every
//! alert can fire, is explained and tested, that every panel can be read. It changes nothing. What
//! Prometheus accepts is promtool's business, and how Rust looks is clippy's.

mod alerts;
mod dashboards;
mod expressions;
mod sources;
mod tested;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use seamless_core::rules::RuleFile;
use serde_json::Value;

/// Arguments of `cargo xtask lint`.
#[derive(clap::Args)]
pub struct LintArgs {}

/// Something that breaks a promise.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LintFinding {
    /// Where.
    pub place: String,
    /// The name of the check, for exclusions and tests.
    pub check: &'static str,
    /// What is wrong.
    pub message: String,
}

/// A place that is looked at, and where its findings go.
struct LintedPlace<'f> {
    found: &'f mut Vec<LintFinding>,
    place: String,
}

impl<'f> LintedPlace<'f> {
    fn new(found: &'f mut Vec<LintFinding>, place: impl Into<String>) -> Self {
        let place = place.into();
        Self { found, place }
    }

    fn wrong(&mut self, check: &'static str, message: impl Into<String>) {
        self.found.push(LintFinding {
            place: self.place.clone(),
            check,
            message: message.into(),
        });
    }
}

impl fmt::Display for LintFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} [{}]", self.place, self.message, self.check)
    }
}

/// What is held against each other; plain text, so that a test can plant a fault in it.
#[derive(Debug, Clone)]
pub struct LintSubject {
    /// The rule file.
    pub rules: String,
    /// The dashboards, by file name.
    pub dashboards: BTreeMap<String, Value>,
    /// The promtool tests, by file name.
    pub rule_tests: BTreeMap<String, String>,
}

impl LintSubject {
    /// What is committed under `root`.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn load(root: &Path) -> anyhow::Result<Self> {
        let rules = std::fs::read_to_string(root.join("alert_rules.yml"));
        Ok(Self {
            rules: rules.context("cannot read alert_rules.yml")?,
            dashboards: crate::dashboard::rendered(root)?,
            rule_tests: crate::render::rule_tests(root)?,
        })
    }

    /// Everything that is wrong with it, exclusions left out.
    ///
    /// # Errors
    /// A text that is not even of its kind: no rule file, no dashboard, no rule test.
    pub fn findings(&self) -> anyhow::Result<Vec<LintFinding>> {
        let rules = RuleFile::parse(&self.rules)?;
        let mut found = Vec::new();
        alerts::check(&rules, &mut found);
        tested::check(&rules, &self.rule_tests, &mut found)?;
        dashboards::check(&rules, &self.dashboards, &mut found);
        let meant = |finding: &LintFinding| {
            let mut exclusions = EXCLUSIONS.iter();
            exclusions.any(|(check, place, _)| finding.check == *check && finding.place == *place)
        };
        found.retain(|finding| !meant(finding));
        found.sort();
        found.dedup();
        Ok(found)
    }
}

/// Findings that are meant to be: the check, the place, and why.
const EXCLUSIONS: [(&str, &str, &str); 6] = [
    (
        "annotation",
        "alert SeamlessMetricsAbsent",
        "of a series that is not there nothing is measured",
    ),
    (
        "one-form",
        "recording seamless:sla_bucket:rate5m",
        "seamless:sla_native:rate5m is the other form, and both are read together",
    ),
    (
        "one-form",
        "recording seamless:sla_native_beyond_top:rate5m",
        "is about native histograms whose top edge cannot judge",
    ),
    (
        "one-form",
        "recording seamless:sla_series_without_edge:count",
        "counts series whose buckets cannot judge; a native histogram always can",
    ),
    (
        "one-form",
        "recording seamless:sla_beyond_top:mean_seconds",
        "is about classic series whose buckets cannot judge",
    ),
    (
        "recording-name",
        "recording seamless_sla_total_p99_seconds",
        "the name that the platform's own dashboards ask for",
    ),
];

/// Lints the workspace.
///
/// # Errors
/// Something that cannot be read, or a tool that is missing.
pub fn run(_args: &LintArgs) -> anyhow::Result<ExitCode> {
    let root = crate::root();
    let mut found = LintSubject::load(&root)?.findings()?;
    sources::check(&root, &mut found)?;
    let mut out = std::io::stdout().lock();
    for finding in &found {
        writeln!(out, "{finding}")?;
    }
    if found.is_empty() {
        writeln!(out, "rules, dashboards and rule tests agree")?;
        Ok(ExitCode::SUCCESS)
    } else {
        writeln!(out, "{} findings", found.len())?;
        Ok(ExitCode::FAILURE)
    }
}
