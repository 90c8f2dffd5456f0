//! Which labels the series of a part of an expression can carry.

use std::collections::{BTreeMap, BTreeSet};

use promql_parser::parser::LabelModifier;

/// The labels of every series of a result, its name left out.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct PossibleLabels {
    /// The only labels that there can be; any without.
    pub(super) only: Option<BTreeSet<String>>,
    /// Labels that are surely absent.
    pub(super) lacks: BTreeSet<String>,
    /// Labels that are surely there, with their value where it is known.
    pub(super) has: BTreeMap<String, Option<String>>,
}

impl PossibleLabels {
    /// No labels.
    pub(super) fn none() -> Self {
        Self {
            only: Some(BTreeSet::new()),
            ..Self::default()
        }
    }

    pub(super) fn surely_lacks(&self, label: &str) -> bool {
        self.lacks.contains(label) || self.only.as_ref().is_some_and(|only| !only.contains(label))
    }

    /// Whether no label can be there.
    pub(super) fn is_none(&self) -> bool {
        self.only.as_ref().is_some_and(BTreeSet::is_empty)
    }

    /// Only `labels` are kept.
    pub(super) fn kept(&self, labels: &[String]) -> Self {
        let keep = |label: &String| labels.contains(label);
        let can = labels.iter().filter(|label| !self.surely_lacks(label));
        Self {
            only: Some(can.cloned().collect()),
            lacks: self.lacks.clone(),
            has: self
                .has
                .iter()
                .filter(|(label, _)| keep(label))
                .map(clone)
                .collect(),
        }
    }

    /// `labels` are dropped.
    pub(super) fn without(&self, labels: &[String]) -> Self {
        let mut left = self.clone();
        for label in labels {
            left.has.remove(label);
            if let Some(only) = &mut left.only {
                only.remove(label);
            }
            left.lacks.insert(label.clone());
        }
        left
    }

    /// `label` can be anything.
    pub(super) fn freed(mut self, label: &str) -> Self {
        self.has.remove(label);
        self.lacks.remove(label);
        if let Some(only) = &mut self.only {
            only.insert(label.to_owned());
        }
        self
    }

    /// `label` has this value.
    pub(super) fn fixed(self, label: &str, value: &str) -> Self {
        if value.is_empty() {
            return self.without(&[label.to_owned()]);
        }
        let mut fixed = self.freed(label);
        fixed.has.insert(label.to_owned(), Some(value.to_owned()));
        fixed
    }

    pub(super) fn grouped(&self, by: Option<&LabelModifier>) -> Self {
        match by {
            None => Self::none(),
            Some(LabelModifier::Include(labels)) => self.kept(&labels.labels),
            Some(LabelModifier::Exclude(labels)) => self.without(&labels.labels),
        }
    }

    /// What holds for the series of either.
    pub(super) fn union(&self, other: &Self) -> Self {
        let only = match (&self.only, &other.only) {
            (Some(a), Some(b)) => Some(a | b),
            _ => None,
        };
        let has = self.has.iter().filter_map(|(label, value)| {
            let theirs = other.has.get(label)?;
            let value = value.clone().filter(|_| value == theirs);
            Some((label.clone(), value))
        });
        let labels = self.lacks.union(&other.lacks);
        let lacks = labels.filter(|label| self.surely_lacks(label) && other.surely_lacks(label));
        Self {
            only,
            lacks: lacks.cloned().collect(),
            has: has.collect(),
        }
    }

    /// A label for which no series of the two can match: one side surely has it and the other surely lacks
    /// it or has another value.
    pub(super) fn mismatch(&self, other: &Self, on: Option<&LabelModifier>) -> Option<String> {
        let compared = |label: &str| match on {
            None => true,
            Some(LabelModifier::Include(labels)) => labels.labels.iter().any(|l| l == label),
            Some(LabelModifier::Exclude(labels)) => !labels.labels.iter().any(|l| l == label),
        };
        let apart = |one: &Self, two: &Self| {
            let mut has = one.has.iter().filter(|(label, _)| compared(label));
            has.find(|(label, value)| {
                two.surely_lacks(label)
                    || matches!((value, two.has.get(*label)), (Some(a), Some(Some(b))) if a != b)
            })
            .map(|(label, _)| label.clone())
        };
        apart(self, other).or_else(|| apart(other, self))
    }
}

fn clone((label, value): (&String, &Option<String>)) -> (String, Option<String>) {
    (label.clone(), value.clone())
}
