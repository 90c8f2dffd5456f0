//! `--verify`: looking whether what was recovered is really gone, and `--await-reclaim`: whether another
//! worker has it.
//!
//! Owns comparing the coordinator's list with the outcomes, again and again until it agrees. It changes
//! nothing.

use std::collections::HashMap;
use std::time::Duration;

use seamless_cli::{Stop, clean};
use seamless_core::coordinator::{CoordinatorClient, LeaseRecord};
use seamless_core::lease::LeaseKey;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::listing::malformed_warning;
use crate::outcome::{LeaseOutcome, RecordedOutcome};
use crate::request::Verify;
use crate::target::TargetLease;
use crate::words::advice;

/// How long between two looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// What the list says about the recovered leases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "result", rename_all = "snake_case")]
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
    /// None is still held, and so many were not claimed again in time.
    NotReclaimed {
        /// How many.
        leases: usize,
    },
    /// It could not be told.
    NotPossible {
        /// Why.
        reason: String,
    },
}

/// What one look at the list shows, by place among the leases.
#[derive(Debug, Default, PartialEq)]
struct ListView {
    recovered: usize,
    still_held: Vec<usize>,
    /// Answered by 404, and the token is another key's: by place, with that key.
    misnamed: Vec<(usize, LeaseKey)>,
    not_reclaimed: usize,
    unclear: usize,
}

impl Verify {
    /// Whether the list has something to say of this outcome.
    pub(crate) const fn is_about(&self, settled: &RecordedOutcome) -> bool {
        if self.is_asked {
            settled.outcome.is_recovered()
        } else {
            settled.may_be_contradicted()
        }
    }
}

/// Looks until the list agrees or the time is over. A lease that is still held under its token then was not
/// recovered, whatever was answered: its outcome becomes a failure. Returns which outcomes changed, too.
pub(crate) async fn verify(
    coordinator: &CoordinatorClient,
    how: Verify,
    deadline: Option<Instant>,
    stop: &Stop,
    targets: &[TargetLease],
    settled: &mut [RecordedOutcome],
) -> (Verification, Vec<usize>) {
    let started = Instant::now();
    let mut gone_since = None;
    // What the newest list showed to be held still: no answer outweighs it.
    let mut held: Option<ListView> = None;
    let stopped = "the run was stopped first".to_owned();
    let reason = loop {
        let looked = tokio::select! {
            biased;
            _ = stop.wait() => break stopped,
            looked = coordinator.inspect() => looked,
        };
        let is_over = deadline.is_some_and(|deadline| Instant::now() >= deadline);
        let is_late = is_over || started.elapsed() >= how.within;
        match looked {
            Err(error) if is_late || !how.is_asked => {
                break format!("{error}; {}", advice(&error.source));
            }
            Err(_) => {}
            Ok(_) if !coordinator.is_proven() => {
                break "nothing at this URL has shown itself to be the coordinator".to_owned();
            }
            Ok(listed) => {
                let look = look(&listed.leases, targets, settled, how);
                let is_held = !look.still_held.is_empty();
                match malformed_warning(&listed).filter(|_| !is_held) {
                    Some(reason) if is_late || !how.is_asked => break reason,
                    Some(_) => {}
                    None => {
                        if !is_held && look.unclear == 0 {
                            gone_since.get_or_insert_with(Instant::now);
                        }
                        let end = conclusion(&look, how.await_reclaim, gone_since, is_late);
                        if let Some(verification) = end.filter(|_| !is_held) {
                            return (verification, misnamed(look, settled));
                        }
                    }
                }
                held = Some(look).filter(|_| is_held);
                if is_held && is_late {
                    break String::new();
                }
            }
        }
        tokio::select! {
            biased;
            _ = stop.wait() => break stopped,
            () = sleep(BETWEEN_LOOKS) => {}
        }
    };
    match held {
        Some(look) => still_held(&look, settled),
        None => (not_possible(&reason), Vec::new()),
    }
}

/// What a look comes to; `None` where another is worth it.
fn conclusion(
    look: &ListView,
    await_reclaim: Option<Duration>,
    gone_since: Option<Instant>,
    is_late: bool,
) -> Option<Verification> {
    let Some(gone_since) = gone_since.filter(|_| look.still_held.is_empty()) else {
        return is_late.then(|| {
            not_possible(&format!(
                "the coordinator lists {} of the recovered keys without a token",
                look.unclear
            ))
        });
    };
    let confirmed = Verification::Confirmed {
        leases: look.recovered,
    };
    match await_reclaim {
        None => Some(confirmed),
        Some(_) if look.not_reclaimed == 0 => Some(confirmed),
        Some(within) => (gone_since.elapsed() >= within).then_some(Verification::NotReclaimed {
            leases: look.not_reclaimed,
        }),
    }
}

fn still_held(look: &ListView, settled: &mut [RecordedOutcome]) -> (Verification, Vec<usize>) {
    for index in &look.still_held {
        let settled = &mut settled[*index];
        settled.outcome = LeaseOutcome::Failed(format!(
            "answered as {}, but the coordinator still lists it under this token; look at the coordinator's log",
            settled.outcome.word()
        ));
        settled.by_earlier_run = false;
    }
    let leases = look.still_held.len();
    (Verification::StillHeld { leases }, look.still_held.clone())
}

/// A token belongs to one lease: where it is held under another key, the key that was given is wrong, and the
/// 404 says nothing of the lease that was meant.
fn misnamed(look: ListView, settled: &mut [RecordedOutcome]) -> Vec<usize> {
    let changed = look.misnamed.into_iter().map(|(index, key)| {
        settled[index].outcome = LeaseOutcome::Unknown(format!(
            "the coordinator holds no lease of this key, but lists this token under {}; is the key mistyped?",
            clean(key.as_str())
        ));
        index
    });
    changed.collect()
}

fn not_possible(reason: &str) -> Verification {
    Verification::NotPossible {
        reason: reason.to_owned(),
    }
}

fn look(
    listed: &[LeaseRecord],
    targets: &[TargetLease],
    settled: &[RecordedOutcome],
    how: Verify,
) -> ListView {
    let mut held: HashMap<&LeaseKey, Vec<&LeaseRecord>> = HashMap::new();
    let mut by_token = HashMap::new();
    for record in listed {
        held.entry(&record.key).or_default().push(record);
        by_token.extend(record.token.as_ref().map(|token| (token, &record.key)));
    }
    let mut look = ListView::default();
    for (index, (target, settled)) in targets.iter().zip(settled).enumerate() {
        if !how.is_about(settled) {
            continue;
        }
        let token = target.spec.token.as_ref();
        let elsewhere = token.and_then(|token| by_token.get(token));
        let is_missing = matches!(settled.outcome, LeaseOutcome::AlreadyReleased { .. });
        if let Some(key) = elsewhere.filter(|_| is_missing && !held.contains_key(&target.spec.key))
        {
            look.misnamed.push((index, (*key).clone()));
            continue;
        }
        look.recovered += 1;
        let records = held.get(&target.spec.key).map_or(&[][..], Vec::as_slice);
        let is_ours = |record: &&&LeaseRecord| record.token == target.spec.token;
        if records.is_empty() {
            look.not_reclaimed += 1;
        } else if records
            .iter()
            .filter(|record| record.token.is_some())
            .any(|record| is_ours(&record))
        {
            look.still_held.push(index);
        } else if records.iter().any(|record| record.token.is_none()) {
            look.unclear += 1;
        }
    }
    look
}

#[cfg(test)]
mod tests {
    use seamless_core::lease::LeaseSpec;

    use super::*;

    fn looked(listed: &[&str]) -> ListView {
        let targets: Vec<TargetLease> = ["a:11", "b:22"]
            .iter()
            .map(|text| TargetLease {
                spec: LeaseSpec::parse(text).unwrap(),
                is_selected: false,
            })
            .collect();
        let released = LeaseOutcome::Released {
            completion_ratio: None,
        };
        let settled = [
            RecordedOutcome::without_request(released),
            RecordedOutcome::without_request(LeaseOutcome::Conflict { note: None }),
        ];
        let listed: Vec<LeaseRecord> = listed
            .iter()
            .map(|text| LeaseRecord::from(LeaseSpec::parse(text).unwrap()))
            .collect();
        let how = Verify {
            is_asked: true,
            within: Duration::ZERO,
            await_reclaim: None,
        };
        look(&listed, &targets, &settled, how)
    }

    #[test]
    fn only_the_same_key_under_the_same_token_is_still_held() {
        for (listed, still_held, not_reclaimed, unclear) in [
            (&[][..], 0, 1, 0),
            (&["b:22"], 0, 1, 0),
            (&["a:99"], 0, 0, 0),
            (&["a:11"], 1, 0, 0),
            (&["a:99", "a:11"], 1, 0, 0),
            (&["a:"], 0, 0, 1),
        ] {
            let look = looked(listed);
            let found = (look.still_held.len(), look.not_reclaimed, look.unclear);
            assert_eq!(found, (still_held, not_reclaimed, unclear), "{listed:?}");
            assert_eq!(look.recovered, 1);
        }
    }
}
