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
use seamless_core::coordinator::{Action, CoordinatorClient};
use seamless_core::http::RateLimiter;
use seamless_core::lease::LeaseSpec;
use tokio::time::{Instant, sleep, sleep_until};

use crate::freshness::Freshness;
use crate::limits::FailureLimit;
use crate::outcome::{LeaseOutcome, RecordedOutcome, Skip};
use crate::recorder::Recorder;
use crate::selection::Confirmed;
use crate::target::TargetLease;

/// How leases are sent in this run.
pub(crate) struct Engine<'r> {
    pub(crate) coordinator: &'r CoordinatorClient,
    pub(crate) action: &'r Action,
    pub(crate) concurrency: usize,
    /// Taken by first attempts here, and by the coordinator's client when it repeats them.
    pub(crate) rate_limiter: Option<Arc<RateLimiter>>,
    pub(crate) max_failures: Option<FailureLimit>,
    /// One lease first, then so many at a time.
    pub(crate) batch: Option<usize>,
    /// Between batches.
    pub(crate) pause: Duration,
    /// Absent where the coordinator has no list.
    pub(crate) freshness: Option<Freshness<'r>>,
    pub(crate) records: &'r Recorder,
    pub(crate) stop: &'r Stop,
    pub(crate) deadline: Option<Instant>,
    /// How long a request in flight may go on after a signal.
    pub(crate) grace: Duration,
}

/// What a run came to, beside the outcomes.
#[derive(Debug, Default)]
pub(crate) struct Executed {
    /// In the order of the leases.
    pub(crate) settled: Vec<RecordedOutcome>,
    /// The journal or audit log failed.
    pub(crate) unrecorded: Option<String>,
}

#[derive(Default)]
struct Progressing {
    failures: Cell<usize>,
    too_many_failures: Cell<bool>,
    batch_failed: Cell<bool>,
    unrecorded: RefCell<Option<String>>,
}

impl Engine<'_> {
    /// Recovers every confirmed lease and reports each outcome to `on_settled` once it is written down.
    pub(crate) async fn run(
        &self,
        confirmed: &Confirmed<'_>,
        mut on_settled: impl FnMut(&RecordedOutcome),
    ) -> Executed {
        let targets = confirmed.targets();
        let state = Progressing::default();
        let mut settled = Vec::with_capacity(targets.len());
        let mut rest = targets;
        let mut sent_before = false;
        while !rest.is_empty() {
            let size = match self.batch {
                // A canary: what goes wrong with one lease goes wrong with one lease only. What the journal
                // settled, or moved on, is none.
                Some(_) if !sent_before => 1,
                Some(batch) => batch.min(rest.len()),
                None => rest.len(),
            };
            let (batch, later) = rest.split_at(size);
            let outcomes = self
                .run_batch(batch, targets.len(), &state, &mut on_settled)
                .await;
            rest = later;
            let sent = outcomes.iter().any(|settled| settled.requests > 0);
            sent_before |= sent;
            if self.batch.is_some() && !rest.is_empty() && self.halted(&state).is_none() {
                if outcomes.iter().any(|settled| settled.outcome.is_failure()) {
                    state.batch_failed.set(true);
                } else if sent {
                    self.rest_for(self.pause).await;
                }
            }
            settled.extend(outcomes);
        }
        self.settle_unproven(targets, &mut settled, &state).await;
        Executed {
            settled,
            unrecorded: state.unrecorded.into_inner(),
        }
    }

    async fn run_batch(
        &self,
        targets: &[TargetLease],
        total: usize,
        state: &Progressing,
        on_settled: &mut impl FnMut(&RecordedOutcome),
    ) -> Vec<RecordedOutcome> {
        let mut settled: Vec<Option<RecordedOutcome>> = vec![None; targets.len()];
        let outcomes = stream::iter(targets.iter().enumerate())
            .then(|(index, target)| async move { (index, target, self.admit(target, state).await) })
            .map(|(index, target, refused)| async move {
                let settled = match refused {
                    Some(settled) => settled,
                    None => self.settle(target).await,
                };
                if settled.outcome.is_failure() {
                    self.count_failure(state, total);
                }
                (index, target, settled)
            })
            .buffer_unordered(self.concurrency)
            .map(|(index, target, settled)| async move {
                self.write(&target.spec, &settled, state).await;
                (index, settled)
            })
            // Outcomes that wait for the disk must not keep requests from being sent.
            .buffer_unordered(self.concurrency.max(64) * 4);
        let mut outcomes = std::pin::pin!(outcomes);
        while let Some((index, outcome)) = outcomes.next().await {
            on_settled(&outcome);
            settled[index] = Some(outcome);
        }
        settled.into_iter().flatten().collect()
    }

    async fn write(&self, spec: &LeaseSpec, settled: &RecordedOutcome, state: &Progressing) {
        if let Err(error) = self.records.write(spec, settled).await {
            state.unrecorded.borrow_mut().get_or_insert(error);
        }
    }

    /// What any server could have answered counts where the coordinator has shown itself since.
    async fn settle_unproven(
        &self,
        targets: &[TargetLease],
        settled: &mut [RecordedOutcome],
        state: &Progressing,
    ) {
        if !self.coordinator.is_proven() {
            return;
        }
        for (target, settled) in targets.iter().zip(settled) {
            if let Some(outcome) = settled.if_proven.take() {
                settled.outcome = *outcome;
                self.write(&target.spec, settled, state).await;
            }
        }
    }

    /// Waits, unless the run ends first.
    async fn rest_for(&self, pause: Duration) {
        tokio::select! {
            () = sleep(pause) => {}
            _ = self.stop.wait() => {}
            () = self.deadline_passed() => {}
        }
    }

    /// Waits for a lease's turn. `Some` if it is not to be sent.
    async fn admit(&self, target: &TargetLease, state: &Progressing) -> Option<RecordedOutcome> {
        // What the coordinator lists as held is held, whatever the journal says of an earlier run.
        let is_listed = target.is_selected && self.freshness.is_some();
        if let Some(settled) = self.records.settled(&target.spec)
            && !(is_listed && settled.by_earlier_run)
        {
            return Some(settled);
        }
        if target.spec.token.is_none() {
            return Some(RecordedOutcome::skipped(Skip::MissingToken));
        }
        if let (Some(rate_limiter), None) = (&self.rate_limiter, self.halted(state)) {
            let turn = rate_limiter.reserve(Instant::now());
            tokio::select! {
                () = sleep_until(turn) => {}
                _ = self.stop.wait() => {}
                () = self.deadline_passed() => {}
            }
        }
        self.halted(state).map(RecordedOutcome::skipped)
    }

    async fn settle(&self, target: &TargetLease) -> RecordedOutcome {
        let Some(token) = &target.spec.token else {
            return RecordedOutcome::skipped(Skip::MissingToken);
        };
        if let Some(freshness) = self.freshness.as_ref().filter(|_| target.is_selected) {
            let objection = tokio::select! {
                biased;
                signal = self.stop.wait() => Some(LeaseOutcome::Skipped(Skip::Stopped(signal))),
                () = self.deadline_passed() => Some(LeaseOutcome::Skipped(Skip::Deadline)),
                objection = freshness.objection(&target.spec) => objection,
            };
            if let Some(outcome) = objection {
                return RecordedOutcome::without_request(outcome);
            }
        }
        let release = self
            .coordinator
            .release(&target.spec.key, token, self.action);
        tokio::select! {
            release = release => RecordedOutcome::of(release, self.records.is_resumed()),
            () = self.out_of_patience() => RecordedOutcome {
                requests: 1,
                ..RecordedOutcome::without_request(LeaseOutcome::Unknown(
                    "still without an answer when the run was stopped".to_owned(),
                ))
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
        } else if state.batch_failed.get() {
            Some(Skip::BatchFailed)
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
