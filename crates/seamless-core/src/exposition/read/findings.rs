//! What was found, once per kind and family, however often it is there.

use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};

use super::problem::{Finding, Problem};

/// As many different findings are kept; the rest is counted.
const KEPT: usize = 100;

/// Gathers findings.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) list: Vec<Finding>,
    pub(super) left_out: usize,
    places: HashMap<(Discriminant<Problem>, Box<str>), usize>,
}

impl Findings {
    /// Notes a problem of `family`; `place` gives line and column where it is the first.
    pub(super) fn add(
        &mut self,
        family: &str,
        problem: Problem,
        place: impl FnOnce() -> (usize, usize),
    ) {
        let kind = (discriminant(&problem), Box::from(family));
        if let Some(first) = self.places.get(&kind) {
            if let Some(first) = self.list.get_mut(*first) {
                first.further += 1;
            }
            return;
        }
        if self.list.len() == KEPT {
            self.left_out += 1;
            return;
        }
        self.places.insert(kind, self.list.len());
        let (line, column) = place();
        self.list.push(Finding {
            line,
            column,
            problem,
            further: 0,
        });
    }

    /// All, in the order of the document.
    pub(super) fn sorted(mut self) -> (Vec<Finding>, usize) {
        self.list
            .sort_by_key(|finding| (finding.line, finding.column));
        (self.list, self.left_out)
    }
}
