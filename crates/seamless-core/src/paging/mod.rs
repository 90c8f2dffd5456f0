//! The path of an alert, from a rule to a person.
//!
//! Owns Alertmanager's configuration as far as it decides who is told ([`Configuration`]): the routing
//! tree, receivers with their kinds of integration, mute and active time intervals, inhibitions; the
//! labels that an alert will have when it arrives there ([`AlertShape`]); silences; and the counters of
//! what was sent and what failed ([`Counters`]). It asks no server: callers fetch, this module judges.
//!
//! Routing follows Alertmanager 0.25 to 0.35 (`dispatch/route.go`, `pkg/labels`, `matcher/parse`,
//! `timeinterval`, `inhibit`); a test holds it to `amtool config routes test` of both generations.
//!
//! ```
//! use seamless_core::paging::{Configuration, LabelSet};
//!
//! let config = Configuration::parse(include_str!("../../../../alertmanager.yml"))?;
//! let alert: LabelSet = [("alertname", "SeamlessBackfillStuckLease"), ("severity", "critical")]
//!     .map(|(name, value)| (name.to_owned(), value.to_owned()))
//!     .into();
//! let receivers: Vec<&str> = config.routes_of(&alert).iter().map(|r| r.receiver.as_str()).collect();
//! assert_eq!(receivers, ["pagerduty", "slack"]);
//! # Ok::<(), seamless_core::paging::ConfigurationError>(())
//! ```

mod config;
mod held;
mod interval;
mod matcher;
mod regex;
mod relabel;
mod route;
mod shape;

use std::collections::BTreeMap;

pub use crate::counters::{Counters, CountersError, Growth, growth};
pub use config::{Configuration, ConfigurationError, InhibitRule, Integration, Receiver};
pub use held::{Coverage, Silence, SilenceStatus, Silenced};
pub use interval::{TimeInterval, TimeIntervalError};
pub use matcher::{MatchOp, Matcher, MatcherError};
pub use relabel::{RelabelRule, Sending, SendingError};
pub use route::{Mute, Route};
pub use shape::{AlertShape, Cases, LabelCase, OpenLabels};

/// The labels of an alert. An absent label is the empty one, as Alertmanager has it.
pub type LabelSet = BTreeMap<String, String>;

/// The kinds of integration that page a person. A webhook may too, but only its owner knows.
pub const PAGING_KINDS: &[&str] = &[
    "pagerduty",
    "opsgenie",
    "victorops",
    "incidentio",
    "pushover",
    "sns",
];
