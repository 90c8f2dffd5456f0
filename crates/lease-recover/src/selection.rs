//! Choosing what `--stuck` and `--from-logs` mean, and asking whether it is meant.
//!
//! Owns the way from the coordinator's list to leases that a person has seen and confirmed. It changes
//! nothing.

use std::collections::HashMap;
use std::time::Duration;

use seamless_cli::{ConfirmError, Consent, Signal, confirm};
use seamless_core::coordinator::{CoordinatorClient, Inspection, LeaseRecord};
use seamless_core::duration::human;
use seamless_core::lease::{LeaseKey, LeaseSpec};
use seamless_core::stuck::{Stuckness, judge};

use crate::filter::Filter;
use crate::listing::{self, Judged, NoList, cannot_tell_warning, judged, why_not_stuck};
use crate::outcome::Skip;
use crate::render::table;
use crate::report::{Report, RunError};
use crate::run::Run;
use crate::sources::Named;
use crate::target::TargetLease;
use crate::words::counted;

/// More leases than these take more than a `y`: their number.
const MOST_BY_YES: usize = 25;

/// Why leases that were meant are not sent, all of them.
pub(crate) enum NoneSent {
    DryRun,
    Signal(Signal),
    Declined,
    Error(RunError),
}

/// Leases that are meant: named one by one, or confirmed with `--yes` or at the prompt. Only
/// [`Selection::confirm`] makes one, and nothing else can be sent.
pub(crate) struct Confirmed<'s> {
    targets: &'s [TargetLease],
    is_unchecked: bool,
}

impl<'s> Confirmed<'s> {
    /// The leases.
    pub(crate) const fn targets(&self) -> &'s [TargetLease] {
        self.targets
    }

    /// Whether the coordinator has no list: selected ones cannot be read again.
    pub(crate) const fn is_unchecked(&self) -> bool {
        self.is_unchecked
    }
}

/// The leases of a run, before anybody has confirmed them.
pub(crate) struct Selection {
    /// Named ones first.
    targets: Vec<TargetLease>,
    is_unchecked: bool,
    from_logs: Vec<LeaseSpec>,
    /// Leases that were named and are listed, but not stuck, each with why.
    not_stuck: Vec<(LeaseSpec, Skip)>,
    shown: Vec<Judged>,
    now_ms: i64,
}

impl Selection {
    /// The named leases that are meant, and nothing selected yet.
    pub(crate) fn of_named(named: Named, filter: &Filter) -> Self {
        let meant = |spec: &LeaseSpec| filter.admits_key(&spec.key);
        let targets = named.specs.into_iter().filter(|spec| meant(spec));
        Self {
            targets: targets
                .map(|spec| TargetLease {
                    spec,
                    is_selected: false,
                })
                .collect(),
            is_unchecked: false,
            from_logs: named
                .from_logs
                .into_iter()
                .filter(|spec| meant(spec))
                .collect(),
            not_stuck: Vec::new(),
            shown: Vec::new(),
            now_ms: 0,
        }
    }

    /// The leases, for a report of what was not sent.
    pub(crate) fn targets(&self) -> &[TargetLease] {
        &self.targets
    }

    /// The leases, in the order of [`Self::targets`].
    pub(crate) fn into_targets(self) -> Vec<TargetLease> {
        self.targets
    }

    /// Takes out the leases that were named and are listed, but not stuck, each with why.
    pub(crate) fn take_not_stuck(&mut self) -> Vec<(LeaseSpec, Skip)> {
        std::mem::take(&mut self.not_stuck)
    }

    /// Leaves out all but the first `limit`.
    pub(crate) fn truncate(&mut self, limit: Option<usize>) {
        self.targets.truncate(limit.unwrap_or(usize::MAX));
    }

    /// Adds what the coordinator's list says is stuck.
    pub(crate) async fn choose(
        &mut self,
        run: &Run<'_>,
        coordinator: &CoordinatorClient,
        report: &mut Report,
    ) -> Result<(), NoneSent> {
        if !run.recovery.selects() {
            return Ok(());
        }
        match listing::read(coordinator, run.terminal, run.stop).await {
            Ok(listed) => self.choose_from(run, listed, report),
            Err(NoList::Stopped(signal)) => return Err(NoneSent::Signal(signal)),
            Err(NoList::Failed(error)) if error.source.is_not_offered() && !run.recovery.stuck => {
                self.take_unchecked(run, report)?;
            }
            Err(NoList::Failed(error)) => return Err(NoneSent::Error(error.into())),
        }
        Ok(())
    }

    fn choose_from(&mut self, run: &Run<'_>, listed: Inspection, report: &mut Report) {
        let filter = &run.request.filter;
        self.now_ms = listed.now_ms();
        let all = listed.leases.len();
        let none = filter.explain_none(&listed.leases);
        let mut meant = Vec::new();
        if run.recovery.stuck {
            let records = listed.leases.iter().filter(|record| filter.admits(record));
            meant.extend(records.cloned());
        }
        let by_key: HashMap<&LeaseKey, &LeaseRecord> = listed
            .leases
            .iter()
            .map(|record| (&record.key, record))
            .collect();
        let mut gone = Vec::new();
        for spec in std::mem::take(&mut self.from_logs) {
            match by_key.get(&spec.key) {
                Some(record) if record.token == spec.token && filter.admits(record) => {
                    if !run.recovery.stuck {
                        meant.push((*record).clone());
                    }
                }
                // Another worker holds it now, or the filter leaves it out.
                Some(_) => {}
                None => gone.push(spec),
            }
        }
        let limits = run.request.thresholds;
        let mut leases = judged(meant, limits, self.now_ms);
        let unclear = leases
            .iter()
            .filter(|judged| judged.stuckness == Stuckness::CannotTell)
            .count();
        // Who names several keys and sees some recovered must hear of the others.
        let unmet = filter.keys_not_listed(&listed.leases);
        unmet.iter().for_each(|text| run.terminal.warn(text));
        // Where nothing is meant the report has nothing that could be taken for all.
        if none.is_none() {
            report.notes.extend(unmet);
        }
        // Whoever names a lease by its key is told why it stays.
        if filter.names_keys() {
            let alive = leases
                .iter()
                .filter(|judged| judged.stuckness == Stuckness::Alive);
            self.not_stuck = alive
                .map(|Judged { record, .. }| {
                    let why = why_not_stuck(record, limits, self.now_ms);
                    (LeaseSpec::from(record.clone()), Skip::NotStuck(why))
                })
                .collect();
        }
        // A lease that is named by its key is meant, whether it can be judged or not.
        leases.retain(|judged| match judged.stuckness {
            Stuckness::Stuck => true,
            Stuckness::CannotTell => filter.names_keys(),
            Stuckness::Alive => false,
        });
        // What cannot be read may be a stuck lease; it has been warned of.
        report.cannot_tell = listed.malformed.len();
        if unclear > 0 && !filter.names_keys() {
            report.cannot_tell += unclear;
            run.terminal.warn(&cannot_tell_warning(unclear));
        }
        if !gone.is_empty() {
            run.terminal.note(&format!(
                "{} of the log, which the coordinator does not list any more",
                counted(gone.len())
            ));
        }
        if leases.is_empty() && self.not_stuck.is_empty() {
            let why = none.unwrap_or_else(|| format!("{all} listed"));
            run.terminal.note(&format!("no stuck leases ({why})"));
        }
        self.add(leases);
    }

    /// Adds judged leases, unless they are named already.
    fn add(&mut self, leases: Vec<Judged>) {
        let named: std::collections::HashSet<LeaseSpec> = self
            .targets
            .iter()
            .map(|target| target.spec.clone())
            .collect();
        for judged in leases {
            let spec = LeaseSpec::from(judged.record.clone());
            if !named.contains(&spec) {
                self.targets.push(TargetLease {
                    spec,
                    is_selected: true,
                });
                self.shown.push(judged);
            }
        }
    }

    /// Takes what the log names where there is no list to judge it by, if `--yes` says so.
    fn take_unchecked(&mut self, run: &Run<'_>, report: &mut Report) -> Result<(), NoneSent> {
        let from_logs = std::mem::take(&mut self.from_logs);
        let count = counted(from_logs.len());
        if !run.recovery.yes && !run.recovery.dry_run && !from_logs.is_empty() {
            let text = format!(
                "the coordinator offers no list of leases, so it cannot be checked that {count} of the log are stuck and not being worked on; --yes takes them unchecked"
            );
            return Err(NoneSent::Error(RunError::Failed(text)));
        }
        self.is_unchecked = true;
        let note =
            format!("{count} of the log taken unchecked: the coordinator offers no list of leases");
        run.terminal.warn(&note);
        report.notes.push(note);
        let records = from_logs.into_iter().map(LeaseRecord::from);
        let records: Vec<LeaseRecord> = records.collect();
        self.now_ms = jiff::Timestamp::now().as_millisecond();
        let thresholds = run.request.thresholds;
        let leases = records.into_iter().map(|record| Judged {
            stuckness: judge(&record, thresholds, self.now_ms),
            record,
        });
        let leases = leases.collect();
        self.add(leases);
        Ok(())
    }

    /// Shows a selection and asks, unless nothing needs to be asked.
    pub(crate) async fn confirm(
        &self,
        run: &Run<'_>,
        coordinator: &CoordinatorClient,
    ) -> Result<Confirmed<'_>, NoneSent> {
        if let Some(signal) = run.stop.requested() {
            return Err(NoneSent::Signal(signal));
        }
        let recovery = run.recovery;
        if recovery.dry_run {
            return Err(NoneSent::DryRun);
        }
        let confirmed = Confirmed {
            targets: &self.targets,
            is_unchecked: self.is_unchecked,
        };
        let count = self.targets.len();
        if recovery.yes || !recovery.selects() || count == 0 {
            return Ok(confirmed);
        }
        let named = self.targets.len() - self.shown.len();
        let shown = &self.shown[..count.saturating_sub(named)];
        run.terminal.show(&table::leases(
            shown,
            self.now_ms,
            run.terminal.stderr_width(),
            run.terminal.stderr_palette(),
        ));
        let action = match recovery.action.word() {
            "complete" => "Complete",
            _ => "Fail",
        };
        let endpoint = coordinator.endpoint();
        let question = format!(
            "{action} {} at {endpoint} (from {}){}?",
            counted(count),
            endpoint.configured_by(),
            self.ages(shown)
        );
        let consent = match count {
            0..=MOST_BY_YES => Consent::Yes,
            many => Consent::Number(many),
        };
        match confirm(&question, consent, run.terminal, run.stop).await {
            Ok(true) => Ok(confirmed),
            Ok(false) | Err(ConfirmError::NoTerminal) => Err(NoneSent::Declined),
            Err(ConfirmError::Stopped(signal)) => Err(NoneSent::Signal(signal)),
            Err(error @ ConfirmError::Terminal(_)) => {
                Err(NoneSent::Error(RunError::Failed(error.to_string())))
            }
        }
    }

    fn ages(&self, shown: &[Judged]) -> String {
        let claimed = shown
            .iter()
            .filter_map(|judged| judged.record.claimed_at_ms);
        let age = |at: i64| {
            let ms = u64::try_from(self.now_ms.saturating_sub(at)).unwrap_or(0);
            human(Duration::from_millis(ms))
        };
        match (claimed.clone().min().map(age), claimed.max().map(age)) {
            (Some(oldest), Some(youngest)) if oldest == youngest => {
                format!(", claimed {oldest} ago")
            }
            (Some(oldest), Some(youngest)) => {
                format!(", claimed {oldest} (oldest) to {youngest} (youngest) ago")
            }
            _ => String::new(),
        }
    }
}
