//! What is known of the path from a rule to a person: how Prometheus sends, what each Alertmanager holds
//! and does. Owns the shape of the facts; fetches and judges nothing.

mod facts;
mod notified;
mod ways;

pub(crate) use facts::{Facts, OneAlertmanager, Paging, Reads, Scraped, always_firing, labels_of};
pub(crate) use notified::{Failures, Tried, failures, of_day, since_start};
pub(crate) use ways::{Reach, WantedReceivers, Way, severity};
