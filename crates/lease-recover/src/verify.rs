//! `--verify`: looking whether what was recovered is really gone.
//!
//! Owns comparing the coordinator's list with the outcomes. It changes nothing.

use std::collections::HashMap;

use seamless_core::coordinator::LeaseRecord;
use seamless_core::lease::LeaseKey;

use crate::execute::Target;
use crate::outcome::{Outcome, Settled};

/// What the list says about the recovered leases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verification {
    /// No recovered key is held under its recovered token.
    Confirmed {
        /// How many were recovered.
        leases: usize,
    },
    /// So many are still held, although the coordinator said otherwise.
    StillHeld {
        /// How many.
        leases: usize,
    },
    /// It could not be told.
    NotPossible(String),
}

/// Compares. A lease that is still held under its token was not recovered, whatever was answered: its
/// outcome becomes a failure. Returns the verification and which outcomes changed.
pub(crate) fn compare(
    listed: &[LeaseRecord],
    targets: &[Target],
    settled: &mut [Settled],
) -> (Verification, Vec<usize>) {
    let mut held: HashMap<&LeaseKey, Vec<&LeaseRecord>> = HashMap::new();
    for record in listed {
        held.entry(&record.key).or_default().push(record);
    }
    let (mut recovered, mut unclear, mut changed) = (0, 0, Vec::new());
    for (index, (target, settled)) in targets.iter().zip(settled.iter_mut()).enumerate() {
        if !settled.outcome.is_recovered() {
            continue;
        }
        recovered += 1;
        let records = held.get(&target.spec.key).map_or(&[][..], Vec::as_slice);
        if records
            .iter()
            .any(|record| record.token.is_some() && record.token == target.spec.token)
        {
            settled.outcome = Outcome::Failed(format!(
                "answered as {}, but the coordinator still lists it under this token; look at the coordinator's log",
                settled.outcome.word()
            ));
            settled.by_earlier_run = false;
            changed.push(index);
        } else if records.iter().any(|record| record.token.is_none()) {
            unclear += 1;
        }
    }
    let verification = if !changed.is_empty() {
        Verification::StillHeld {
            leases: changed.len(),
        }
    } else if unclear > 0 {
        Verification::NotPossible(format!(
            "the coordinator lists {unclear} of the recovered keys without a token"
        ))
    } else {
        Verification::Confirmed { leases: recovered }
    };
    (verification, changed)
}

#[cfg(test)]
mod tests {
    use seamless_core::lease::LeaseSpec;

    use super::*;

    fn compared(listed: &[&str], key_only: bool) -> (Verification, Vec<&'static str>) {
        let targets: Vec<Target> = ["a:1", "b:2"]
            .iter()
            .map(|text| Target {
                spec: LeaseSpec::parse(text).unwrap(),
                is_selected: false,
            })
            .collect();
        let released = Outcome::Released {
            completion_ratio: None,
        };
        let mut settled = vec![
            Settled::without_request(released),
            Settled::without_request(Outcome::Conflict { note: None }),
        ];
        let listed: Vec<LeaseRecord> = listed
            .iter()
            .map(|text| LeaseRecord::from(LeaseSpec::parse(text).unwrap()))
            .map(|record| LeaseRecord {
                token: record.token.filter(|_| !key_only),
                ..record
            })
            .collect();
        let (verification, _) = compare(&listed, &targets, &mut settled);
        (
            verification,
            settled
                .iter()
                .map(|settled| settled.outcome.word())
                .collect(),
        )
    }

    #[test]
    fn only_the_same_key_under_the_same_token_is_still_held() {
        let confirmed = Verification::Confirmed { leases: 1 };
        for listed in [&[][..], &["b:2"], &["a:9"]] {
            assert_eq!(
                compared(listed, false),
                (confirmed.clone(), vec!["released", "conflict"])
            );
        }
        let held = Verification::StillHeld { leases: 1 };
        assert_eq!(
            compared(&["a:1"], false),
            (held.clone(), vec!["failed", "conflict"])
        );
        assert_eq!(
            compared(&["a:9", "a:1"], false),
            (held, vec!["failed", "conflict"])
        );
        assert!(matches!(
            compared(&["a:1"], true).0,
            Verification::NotPossible(_)
        ));
    }
}
