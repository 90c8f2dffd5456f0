//! Items without repetition: alerts of one name often share a fate.

use seamless_core::rules::RuleFile;

use crate::verdict::{CheckOutcome, Item, Verdict};

/// Adds an item, unless an equal one is there.
pub(super) fn push(items: &mut Vec<Item>, item: Item) {
    if !items.contains(&item) {
        items.push(item);
    }
}

/// What keeps Prometheus from loading a file, as far as this program reads expressions; None if nothing does.
pub(super) fn refused(rules: &RuleFile) -> Option<CheckOutcome> {
    let mut items = Vec::new();
    for rule in rules.rules() {
        if let Err(error) = rule.expr.query() {
            let message = format!("its expression cannot be read: {error}");
            push(&mut items, Item::new(&rule.name, Verdict::Fail, message));
        }
    }
    let hint =
        "a Prometheus that cannot read one refuses the whole file: promtool check rules FILE";
    (!items.is_empty()).then(|| CheckOutcome::of(items, String::new()).hint(hint))
}
