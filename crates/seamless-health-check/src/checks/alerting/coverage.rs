//! What it means that something holds an alert back, whole or in part.

use seamless_core::paging::{AlertShape, Coverage};

use crate::paging::severity;
use crate::verdict::{SkipReason, Verdict};

/// `reason`: why it may not be known.
pub(super) fn verdict(alert: &AlertShape, coverage: Coverage, reason: &str) -> Option<Verdict> {
    Some(match coverage {
        Coverage::None => return None,
        Coverage::Part => Verdict::Pass,
        Coverage::Unknown => Verdict::Skip(SkipReason::NotApplicable(reason.to_owned())),
        Coverage::Most | Coverage::Whole if severity(alert) == "critical" => Verdict::Fail,
        Coverage::Most | Coverage::Whole => Verdict::Warn,
    })
}
