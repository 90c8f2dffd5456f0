//! Items without repetition: alerts of one name often share a fate.

use crate::verdict::Item;

/// Adds an item, unless an equal one is there.
pub(super) fn push(items: &mut Vec<Item>, item: Item) {
    if !items.contains(&item) {
        items.push(item);
    }
}
