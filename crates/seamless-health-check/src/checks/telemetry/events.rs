//! What a log shows of the platform's events, as the checks of the log say it.

use seamless_core::logs::DROPPED_FIELDS;

use crate::telemetry::{Broken, LogEvent, Logs};
use crate::verdict::{CheckOutcome, Item, SkipReason, Verdict};
use crate::words::listed;

pub(super) const LOG_HINT: &str = "fix the platform's logging: lease-recover --from-logs and the runbook's searches read these fields";

pub(super) fn broken(broken: &Broken, lines: u64) -> String {
    let count = broken.count;
    let word = if count == 1 { "is" } else { "are" };
    format!("{count} of {lines} lines {word} broken: {}", broken.named())
}

/// What the log shows of an event; `None` if it is not there.
pub(super) fn event(logs: &Logs, event: LogEvent) -> Option<Item> {
    let seen = logs.seen(event);
    if seen.count == 0 {
        return None;
    }
    let bare = seen.bare.map(|(count, line)| {
        format!(
            "{count} of {} in line {line} and later: {DROPPED_FIELDS}",
            seen.count
        )
    });
    let lacking = seen.lacking.iter().map(|(field, lacking)| {
        let (count, line, condition) = (lacking.count, lacking.line, &lacking.condition);
        format!(
            "{field} is missing in {count} of {}{condition}, first in line {line}",
            seen.count
        )
    });
    let all: Vec<String> = bare.into_iter().chain(lacking).collect();
    Some(match all.is_empty() {
        true => Item::new(
            event.name,
            Verdict::Pass,
            format!("{}, with every field", seen.count),
        ),
        false => Item::new(event.name, Verdict::Fail, listed(&all)),
    })
}

/// An event that a healthy system does not write.
pub(super) fn not_occurred(event: LogEvent) -> Item {
    let reason = "none in this log".to_owned();
    Item::new(
        event.name,
        Verdict::Skip(SkipReason::NotApplicable(reason.clone())),
        reason,
    )
}

/// Events that need not occur: where none does, there is nothing to check.
pub(super) fn occurring(items: Vec<Item>, none: &str) -> CheckOutcome {
    let occurred = |item: &&Item| !matches!(item.verdict, Verdict::Skip(_));
    if !items.iter().any(|item| occurred(&item)) {
        return CheckOutcome::not_applicable(none).items(items);
    }
    let good: Vec<String> = items
        .iter()
        .filter(occurred)
        .map(|item| format!("{}: {}", item.subject, item.message))
        .collect();
    CheckOutcome::of(items, good.join(", "))
}
