//! Sending: so many at a time, at an even rate, until done or told to stop.
//!
//! Owns the flow from leases to outcomes. Each lease passes three stations: it is admitted (in order, at
//! the rate, unless the run has stopped), settled (with bounded concurrency) and written down (without
//! holding up the next request). Every lease comes out with exactly one outcome.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use seamless_cli::Stop;
use seamless_core::coordinator::{Action, Confirmation, Coordinator};
use seamless_core::http::RateLimiter;
use seamless_core::lease::LeaseSpec;
use tokio::time::{Instant, sleep, sleep_until};

use crate::freshness::Freshness;
use crate::outcome::{Outcome, Settled, Skip};
use crate::records::Records;
use crate::select::FailureLimit;

/// A lease to recover.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    pub(crate) spec: LeaseSpec,
    /// Selected from the coordinator's list, and not named: read again before it is acted on.
    pub(crate) is_selected: bool,
}

/// How leases are sent in this run.
pub(crate) struct Engine<'r> {
    pub(crate) coordinator: &'r Coordinator,
    pub(crate) action: &'r Action,
    /// How it is known that the selected leases are meant.
    pub(crate) meant: Confirmation,
    pub(crate) concurrency: usize,
    /// Taken by first attempts here, and by the coordinator's client when it repeats them.
    pub(crate) rate_limiter: Option<Arc<RateLimiter>>,
    pub(crate) max_failures: Option<FailureLimit>,
    pub(crate) freshness: Freshness<'r>,
    pub(crate) records: &'r Records<'r>,
    pub(crate) stop: &'r Stop,
    pub(crate) deadline: Option<Instant>,
    /// How long a request in flight may go on after a signal.
    pub(crate) grace: Duration,
}

/// What a run came to, beside the outcomes.
#[derive(Debug, Default)]
pub(crate) struct Executed {
    /// In the order of the leases.
    pub(crate) settled: Vec<Settled>,
    /// The journal or audit log failed.
    pub(crate) unrecorded: Option<String>,
}

#[derive(Default)]
struct Progressing {
    failures: Cell<usize>,
    too_many_failures: Cell<bool>,
    unrecorded: RefCell<Option<String>>,
}

impl Engine<'_> {
    /// Recovers every lease and reports each outcome to `on_settled` once it is written down.
    pub(crate) async fn run(
        &self,
        targets: &[Target],
        mut on_settled: impl FnMut(&Settled),
    ) -> Executed {
        let state = Progressing::default();
        let mut settled: Vec<Option<Settled>> = vec![None; targets.len()];
        {
            let state = &state;
            let outcomes = stream::iter(targets.iter().enumerate())
                .then(|(index, target)| async move {
                    (index, target, self.admit(&target.spec, state).await)
                })
                .map(|(index, target, refused)| async move {
                    let settled = match refused {
                        Some(settled) => settled,
                        None => self.settle(target).await,
                    };
                    if settled.outcome.is_failure() {
                        self.count_failure(state, targets.len());
                    }
                    (index, target, settled)
                })
                .buffer_unordered(self.concurrency)
                .map(|(index, target, settled)| async move {
                    if let Err(error) = self.records.write(&target.spec, &settled).await {
                        state.unrecorded.borrow_mut().get_or_insert(error);
                    }
                    (index, settled)
                })
                // Outcomes that wait for the disk must not keep requests from being sent.
                .buffer_unordered(self.concurrency.max(64) * 4);
            let mut outcomes = std::pin::pin!(outcomes);
            while let Some((index, outcome)) = outcomes.next().await {
                on_settled(&outcome);
                settled[index] = Some(outcome);
            }
        }
        Executed {
            settled: settled.into_iter().flatten().collect(),
            unrecorded: state.unrecorded.into_inner(),
        }
    }

    /// Waits for a lease's turn. `Some` if it is not to be sent.
    async fn admit(&self, spec: &LeaseSpec, state: &Progressing) -> Option<Settled> {
        if let Some(settled) = self.records.settled(spec) {
            return Some(settled);
        }
        if spec.token.is_none() {
            return Some(Settled::skipped(Skip::MissingToken));
        }
        if let (Some(rate_limiter), None) = (&self.rate_limiter, self.halted(state)) {
            let turn = rate_limiter.reserve(Instant::now());
            tokio::select! {
                () = sleep_until(turn) => {}
                _ = self.stop.wait() => {}
                () = self.deadline_passed() => {}
            }
        }
        self.halted(state).map(Settled::skipped)
    }

    async fn settle(&self, target: &Target) -> Settled {
        let Some(token) = &target.spec.token else {
            return Settled::skipped(Skip::MissingToken);
        };
        let mut meant = Confirmation::NamedExplicitly;
        if target.is_selected {
            meant = self.meant;
            let objection = tokio::select! {
                objection = self.freshness.objection(&target.spec) => objection,
                signal = self.stop.wait() => Some(Outcome::Skipped(Skip::Stopped(signal))),
            };
            if let Some(outcome) = objection {
                return Settled::without_request(outcome);
            }
        }
        let release = self
            .coordinator
            .release(&target.spec.key, token, self.action, meant);
        tokio::select! {
            release = release => Settled::of(release, self.records.is_resumed()),
            () = self.out_of_patience() => Settled {
                outcome: Outcome::Unknown("still without an answer when the run was stopped".to_owned()),
                requests: 1,
                by_earlier_run: false,
            },
        }
    }

    fn halted(&self, state: &Progressing) -> Option<Skip> {
        if let Some(signal) = self.stop.requested() {
            Some(Skip::Stopped(signal))
        } else if state.unrecorded.borrow().is_some() {
            Some(Skip::NoRecord)
        } else if state.too_many_failures.get() {
            Some(Skip::TooManyFailures)
        } else if self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline)
        {
            Some(Skip::Deadline)
        } else {
            None
        }
    }

    fn count_failure(&self, state: &Progressing, total: usize) {
        let failures = state.failures.get() + 1;
        state.failures.set(failures);
        if self
            .max_failures
            .is_some_and(|limit| limit.is_passed(failures, total))
        {
            state.too_many_failures.set(true);
        }
    }

    async fn deadline_passed(&self) {
        match self.deadline {
            Some(deadline) => sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    }

    /// Ends some time after a signal: a request that waits to be repeated must not hold up the report.
    async fn out_of_patience(&self) {
        self.stop.wait().await;
        sleep(self.grace).await;
    }
}
