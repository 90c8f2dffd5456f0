//! Choosing what `--stuck` means, and asking whether it is meant.
//!
//! Owns the way from the coordinator's list to a [`Confirmation`]. It changes nothing.

use seamless_cli::{ConfirmError, Consent, Signal, confirm};
use seamless_core::coordinator::{Confirmation, Coordinator};
use seamless_core::lease::LeaseSpec;

use super::Run;
use crate::execute::Target;
use crate::list::{self, Judged, cannot_tell_warning};
use crate::render::table;
use crate::report::{Tail, Trouble, counted};
use crate::request::Request;
use crate::sources::Seen;

/// More leases than these take more than a `y`: their number.
const MOST_BY_YES: usize = 25;

/// Why leases that were meant are not sent, all of them.
pub(super) enum Ended {
    Signal(Signal),
    Declined,
    Trouble(Trouble),
}

impl Run<'_> {
    /// Adds the stuck leases to the targets, unless they are named already. `None` without `--stuck`.
    pub(super) async fn select(
        &self,
        coordinator: &Coordinator,
        seen: &mut Seen,
        targets: &mut Vec<Target>,
        tail: &mut Tail,
    ) -> Result<Option<Judged>, Ended> {
        if !self.recovery.stuck {
            return Ok(None);
        }
        let listed =
            list::read(coordinator, self.terminal, self.stop)
                .await
                .map_err(|error| match (error, self.stop.requested()) {
                    (None, Some(signal)) => Ended::Signal(signal),
                    (trouble, _) => Ended::Trouble(trouble.unwrap_or_else(|| {
                        Trouble::CouldNotTell("the list was not read".to_owned())
                    })),
                })?;
        let now_ms = listed.now_ms();
        let Request {
            narrowing,
            thresholds,
            ..
        } = self.request;
        let mut judged = Judged::new(listed.leases, narrowing, *thresholds, now_ms);
        tail.cannot_tell = judged.keep_stuck();
        if tail.cannot_tell > 0 {
            self.terminal.warn(&cannot_tell_warning(tail.cannot_tell));
        }
        judged.leases.retain(|(record, _)| {
            let spec = LeaseSpec::from(record.clone());
            let is_new = seen.is_new(&spec);
            if is_new {
                targets.push(Target {
                    spec,
                    is_selected: true,
                });
            }
            is_new
        });
        Ok(Some(judged))
    }

    /// Shows a selection and asks, unless nothing needs to be asked.
    pub(super) async fn confirm(
        &self,
        judged: &Judged,
        targets: &[Target],
    ) -> Result<Confirmation, Ended> {
        if self.recovery.yes || self.recovery.dry_run || targets.is_empty() {
            return Ok(Confirmation::YesFlag);
        }
        let palette = self.terminal.stderr_palette();
        let width = self.terminal.stderr_width();
        self.terminal.show(&table::leases(
            &judged.leases,
            judged.now_ms,
            width,
            palette,
        ));
        let named = targets.len() - judged.leases.len();
        let named = if named > 0 {
            format!(" and, named explicitly, {}", counted(named))
        } else {
            String::new()
        };
        let action = match self.recovery.action.word() {
            "complete" => "Complete",
            _ => "Fail",
        };
        let question = format!("{action} {}{named}?", counted(judged.leases.len()));
        let consent = match targets.len() {
            0..=MOST_BY_YES => Consent::Yes,
            many => Consent::Number(many),
        };
        match confirm(&question, consent, self.terminal, self.stop).await {
            Ok(true) => Ok(Confirmation::AnsweredYes),
            Ok(false) | Err(ConfirmError::NoTerminal) => Err(Ended::Declined),
            Err(ConfirmError::Stopped(signal)) => Err(Ended::Signal(signal)),
            Err(error @ ConfirmError::Terminal(_)) => {
                Err(Ended::Trouble(Trouble::Failed(error.to_string())))
            }
        }
    }
}
