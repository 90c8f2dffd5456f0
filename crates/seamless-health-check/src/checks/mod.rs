//! Every check, in the order in which results are shown: preconditions first.

pub(crate) mod alerting;
mod coordinator;
mod environment;
mod exposition;
mod prometheus;
mod sla;
mod telemetry;

use crate::check::Check;

/// Every check there is.
pub(crate) fn all() -> Vec<Check> {
    [
        environment::CHECKS,
        coordinator::CHECKS,
        prometheus::CHECKS,
        alerting::CHECKS,
        sla::CHECKS,
        exposition::CHECKS,
        telemetry::CHECKS,
    ]
    .concat()
}

/// Names a list in a message without flooding it.
fn listed<S: AsRef<str>>(names: &[S]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<&str> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Seconds as a person says them.
fn seconds(seconds: f64) -> String {
    if seconds < 10.0 {
        return format!("{}s", round(seconds, 100.0));
    }
    std::time::Duration::try_from_secs_f64(seconds.round())
        .map_or_else(|_| format!("{seconds}s"), seamless_core::duration::human)
}

fn round(value: f64, to: f64) -> f64 {
    (value * to).round() / to
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ids_are_unique_and_requirements_come_first() {
        let mut seen = BTreeSet::new();
        for check in all() {
            for required in check.requires {
                assert!(seen.contains(*required), "{} before {required}", check.id());
            }
            assert!(seen.insert(check.id()), "{} twice", check.id());
            assert!(!check.hint.is_empty() && !check.title.is_empty());
            let (verdict, message) = check.explained.example.split_once("  ").unwrap();
            let words = ["pass", "warn", check.severity.word()];
            assert!(
                words.contains(&verdict) && !message.is_empty(),
                "{}",
                check.id()
            );
            assert_eq!(check.anchor, format!("check-{}", check.group.name()));
        }
    }
}
