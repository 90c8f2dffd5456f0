//! What is judged of each Alertmanager, put together.

use crate::gap::Gap;
use crate::paging::{OneAlertmanager, Paging};
use crate::verdict::{CheckOutcome, Item, SkipReason, Verdict};

/// Judges each Alertmanager; several are told apart in the items.
pub(super) fn of_each(
    paging: &Paging,
    good: impl Fn(usize) -> String,
    judge: impl Fn(&OneAlertmanager) -> Result<Vec<Item>, Gap>,
) -> CheckOutcome {
    let several = paging.alertmanagers.len() > 1;
    let mut items = Vec::new();
    let mut gap = None;
    for alertmanager in &paging.alertmanagers {
        match judge(alertmanager) {
            Ok(found) if several => items.extend(found.into_iter().map(|mut item| {
                item.message = format!("{}: {}", alertmanager.name, item.message);
                item
            })),
            Ok(found) => items.extend(found),
            Err(missing) if several => {
                let outcome = missing.outcome();
                let message = match &outcome.verdict {
                    Verdict::Skip(skip) => skip.reason(),
                    _ => outcome.message.clone(),
                };
                items.push(Item::new(&alertmanager.name, outcome.verdict, message));
            }
            Err(missing) => gap = Some(missing),
        }
    }
    match gap {
        Some(gap) => gap.outcome(),
        None if paging.alertmanagers.is_empty() => {
            CheckOutcome::not_applicable("no Alertmanager URL is given (--alertmanager-url)")
        }
        None => {
            let good = good(items.len());
            known(CheckOutcome::of(items, good))
        }
    }
}

/// An outcome of which something could not be told is a skip that says what, unless something is wrong.
fn known(mut outcome: CheckOutcome) -> CheckOutcome {
    let skipped = outcome
        .items
        .iter()
        .find(|item| matches!(item.verdict, Verdict::Skip(_)));
    if let (Verdict::Pass | Verdict::Skip(_), Some(item)) = (&outcome.verdict, skipped) {
        let reason = format!("{}: {}", item.subject, item.message);
        outcome.verdict = Verdict::Skip(SkipReason::NotApplicable(reason));
    }
    outcome
}
