//! The rules that an injection is held against: a file's, those that a Prometheus has loaded, or the
//! shipped ones.

use std::path::Path;
use std::time::Duration;

use seamless_cli::UsageError;
use seamless_core::http::ServiceError;
use seamless_core::prometheus::{LoadedRule, Prometheus, RuleType};
use seamless_core::rules::{self, Rule, RuleFile, RuleGroup, RuleKind};

/// Reads a rule file.
///
/// # Errors
/// [`UsageError`] for a file that is none.
pub(crate) fn from_file(path: &Path) -> anyhow::Result<RuleFile> {
    let shown = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| UsageError(format!("cannot read --rules {shown}: {error}")))?;
    let rules = RuleFile::parse(&text)
        .map_err(|error| UsageError(format!("--rules {shown} is no rule file: {error}")))?;
    Ok(rules)
}

/// The shipped rules.
pub(crate) fn shipped() -> anyhow::Result<RuleFile> {
    Ok(rules::shipped()?.clone())
}

/// The rules that a Prometheus has loaded.
pub(crate) async fn loaded(prometheus: &Prometheus) -> Result<RuleFile, ServiceError> {
    let groups = prometheus.rules().await?.data;
    Ok(RuleFile {
        groups: groups
            .into_iter()
            .map(|group| RuleGroup {
                interval: Duration::try_from_secs_f64(group.interval).ok(),
                rules: group.rules.into_iter().map(rule).collect(),
                name: group.name,
            })
            .collect(),
    })
}

fn rule(status: LoadedRule) -> Rule {
    let kind = match status.kind {
        RuleType::Recording => RuleKind::Recording,
        RuleType::Alerting => RuleKind::Alert {
            pending_for: Duration::try_from_secs_f64(status.duration).unwrap_or_default(),
        },
    };
    Rule {
        name: status.name,
        kind,
        expr: status.query,
        labels: (&status.labels).into(),
        annotations: (&status.annotations).into(),
    }
}
