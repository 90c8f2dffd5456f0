//! The rules that an injection is held against: a file's, those that a Prometheus has loaded, or the
//! shipped ones.

use std::path::Path;

use seamless_cli::{UsageError, text_of};
use seamless_core::http::ServiceError;
use seamless_core::prometheus::PrometheusClient;
use seamless_core::rules::{Profile, RuleFile};

/// Reads a rule file.
///
/// # Errors
/// [`UsageError`] for a file that is none.
pub(crate) fn from_file(path: &Path) -> anyhow::Result<RuleFile> {
    let shown = path.display();
    let rules = RuleFile::parse(&text_of("--rules", path)?)
        .map_err(|error| UsageError(format!("--rules {shown} is no rule file: {error}")))?;
    Ok(rules)
}

/// The shipped rules, with the thresholds of a profile.
pub(crate) fn shipped(profile: Profile) -> anyhow::Result<RuleFile> {
    Ok(profile.rules()?.clone())
}

/// The rules that a Prometheus has loaded.
pub(crate) async fn loaded(prometheus: &PrometheusClient) -> Result<RuleFile, ServiceError> {
    Ok(RuleFile::loaded(&prometheus.rules().await?.data))
}
