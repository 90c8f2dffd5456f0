//! Prometheus rule files, and what their rules read.
//!
//! Owns the typed form of a rule file ([`RuleFile`]), the rules this project ships ([`shipped`]), how loaded
//! rules differ from those that should be ([`compare`]), and which
//! families of the schema a rule reads, followed through recording rules. It asks no server, evaluates
//! nothing, and renders nothing; `promtool` stays the judge of what a Prometheus accepts.
//!
//! ```
//! use seamless_core::rules;
//!
//! let shipped = rules::shipped()?;
//! let rule = shipped.alerts_named("SeamlessSla99thDegraded").next().ok_or("not shipped")?;
//! // What it reads, through recording rules down to the series that a runtime exposes.
//! let inputs = shipped.inputs(rule)?;
//! assert!(inputs.families().iter().any(|f| f.name == "seamless_sla_deadline_seconds"));
//! // Whether it can fire: its threshold against the top bucket.
//! assert!(shipped.thresholds(rule)?.iter().all(|t| t.threshold < 600.0));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::sync::LazyLock;

mod compare;
mod file;
mod inputs;
mod profile;

pub use compare::{Compared, ComparedRule, Copy, compare};
pub use file::{Rule, RuleFile, RuleFileError, RuleGroup, RuleKind};
pub use inputs::Inputs;
pub use profile::Profile;

/// The shipped alert that always fires: what hears of it knows that alerts arrive.
pub const WATCHDOG: &str = "SeamlessWatchdog";

/// The text of the shipped `alert_rules.yml`.
pub const SHIPPED: &str = include_str!("../../../../alert_rules.yml");

/// The rules this project ships, read once.
///
/// # Errors
/// [`RuleFileError`] if the embedded file is not a rule file; a test holds that it is.
pub fn shipped() -> Result<&'static RuleFile, &'static RuleFileError> {
    static READ: LazyLock<Result<RuleFile, RuleFileError>> =
        LazyLock::new(|| RuleFile::parse(SHIPPED));
    READ.as_ref()
}
