//! The drill's silences: made before it begins, removed when nothing would be sent for want of them.

use std::time::Duration;

use seamless_cli::clean;
use seamless_core::alertmanager::AlertmanagerClient;
use seamless_core::duration;
use tokio::time::{Instant, sleep, timeout};

use super::{Drill, until};
use crate::report::{RunOutcome, SinkReport};
use crate::silence::{AFTERGLOW, DrillSilence, Made};
use crate::sinks::SinkError;

/// How long the removal of a silence waits for the drill's alerts to resolve: before that, whoever is on
/// call would be paged when the drill is over.
const RESOLVING: Duration = Duration::from_secs(10 * 60);
/// How long an Alertmanager that cannot be asked about them is asked again.
const UNREACHABLE: Duration = Duration::from_secs(30);
/// How long the removal itself may take.
const REMOVING: Duration = Duration::from_secs(10);
/// How often is looked whether they have.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// A silence without an answer may still be made behind its removal: so many looks have to find nothing.
const QUIET_LOOKS: u32 = 12;
const BETWEEN_QUIET_LOOKS: Duration = Duration::from_millis(100);

/// What became of a silence at the end.
enum Removed {
    Done,
    /// It was not there any more.
    Gone,
    /// It holds back so many alerts, which would be sent if it went.
    Kept(usize),
}

impl Drill<'_> {
    pub(super) fn silences(&self) -> Vec<DrillSilence> {
        if !self.request.silence {
            return Vec::new();
        }
        let silence = |alertmanager: AlertmanagerClient| {
            DrillSilence::new(
                &self.connections.http,
                &alertmanager,
                &self.request.drill_id,
            )
        };
        self.connections
            .alertmanagers()
            .into_iter()
            .map(silence)
            .collect()
    }

    pub(super) async fn silence(&self, silences: &mut [DrillSilence]) -> Result<(), SinkError> {
        let lasting = self.course.hold.max(self.request.within);
        for silence in silences {
            silence.begin(lasting).await?;
            self.terminal.note(&format!(
                "silenced at {} (drill {})",
                clean(&silence.target()),
                self.request.drill_id
            ));
        }
        Ok(())
    }

    /// Removes the silences once nothing would be sent for want of them.
    pub(super) async fn end_silences(
        &self,
        silences: &[DrillSilence],
        outcome: RunOutcome,
        deadline: Option<Instant>,
    ) -> (RunOutcome, Vec<SinkReport>) {
        let mut reports = Vec::new();
        for silence in silences {
            // Another one could not be made first.
            if silence.made() != Made::No || silence.failure.is_some() {
                reports.push(self.end_silence(silence, outcome, deadline).await);
            }
        }
        let failed = reports
            .iter()
            .any(|report| !report.cleaned_up || report.failed > 0);
        let outcome = match outcome {
            RunOutcome::Done | RunOutcome::DeadlineOver if failed => RunOutcome::SinkFailed,
            other => other,
        };
        (outcome, reports)
    }

    async fn end_silence(
        &self,
        silence: &DrillSilence,
        outcome: RunOutcome,
        deadline: Option<Instant>,
    ) -> SinkReport {
        let is_made = silence.made() == Made::Yes;
        let mut report = SinkReport::new("silence", silence.target());
        report.delivered = u64::from(is_made);
        report.failed = u64::from(!is_made);
        report.error.clone_from(&silence.failure);
        if silence.made() == Made::No {
            return report;
        }
        if is_made && outcome.is_unhurried() {
            tokio::select! {
                biased;
                _ = self.stop.wait() => {}
                () = until(deadline) => {}
                () = self.resolved(silence) => {}
            }
        }
        let by_hand = format!(
            "it expires by itself {} after the drill; sooner: --cleanup {} --alertmanager-url {}",
            duration::format(AFTERGLOW),
            self.request.drill_id,
            silence.target()
        );
        match timeout(REMOVING, self.remove(silence)).await {
            Ok(Ok(Removed::Kept(count))) => {
                report.kept = true;
                report.error = Some(format!(
                    "{count} of the drill's alerts still fire and would be sent now: the silence stays; {by_hand}"
                ));
            }
            Ok(Ok(Removed::Done)) => {}
            Ok(Ok(Removed::Gone)) if !is_made => {}
            Ok(Ok(Removed::Gone)) => {
                let text = format!(
                    "the silence at {} was gone before the end: the drill's alerts may have been sent",
                    silence.target()
                );
                self.terminal.error(&clean(&text));
                report.failed = 1;
                report.error = Some(text);
            }
            Ok(Err(error)) => self.not_removed(&mut report, &format!("{error}; {by_hand}")),
            Err(_) => {
                let text = format!(
                    "cannot remove the silence at {}: not done within {}; {by_hand}",
                    silence.target(),
                    duration::human(REMOVING)
                );
                self.not_removed(&mut report, &text);
            }
        }
        report
    }

    fn not_removed(&self, report: &mut SinkReport, text: &str) {
        self.terminal.error(&clean(text));
        report.cleaned_up = false;
        report.error = Some(text.to_owned());
    }

    async fn remove(&self, silence: &DrillSilence) -> Result<Removed, SinkError> {
        let held = silence.holds_back().await?;
        if held > 0 {
            return Ok(Removed::Kept(held));
        }
        // One without an answer may still come in.
        let looks = if silence.made() == Made::Yes {
            1
        } else {
            QUIET_LOOKS
        };
        for look in 0..looks {
            if look > 0 {
                sleep(BETWEEN_QUIET_LOOKS).await;
            }
            if silence.end().await? {
                return Ok(Removed::Done);
            }
        }
        Ok(Removed::Gone)
    }

    /// Waits until Alertmanager holds none of the drill's alerts, but not for ever.
    async fn resolved(&self, silence: &DrillSilence) {
        let end = Instant::now() + RESOLVING;
        let (mut told, mut failing_since) = (false, None);
        while Instant::now() < end {
            match silence.holds_back().await {
                Ok(0) => return,
                Ok(_) => {
                    failing_since = None;
                    if !told {
                        told = true;
                        self.terminal.note(
                            "the drill is over; its silence goes when its alerts have resolved (Ctrl-C: it stays until \
                             it expires)",
                        );
                    }
                }
                Err(error) => {
                    let since = *failing_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= UNREACHABLE {
                        self.terminal.warn(&clean(&error.to_string()));
                        return;
                    }
                }
            }
            sleep(BETWEEN_LOOKS).await;
        }
    }
}
