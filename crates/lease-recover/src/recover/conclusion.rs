//! What is left when nothing more is sent: unsent leases, a last look at the list, the report.

use seamless_cli::ExitStatus;
use seamless_core::coordinator::Coordinator;
use seamless_core::lease::LeaseSpec;

use super::Run;
use crate::execute::Target;
use crate::list;
use crate::outcome::{Settled, Skip};
use crate::records::Records;
use crate::render::renderer;
use crate::report::{Head, Tail, Trouble};
use crate::verify::{self, Verification};

impl Run<'_> {
    pub(super) fn left_unsent(
        &self,
        records: &Records<'_>,
        targets: &[Target],
        skip: &Skip,
        tail: &mut Tail,
    ) -> Vec<Settled> {
        targets
            .iter()
            .map(|target| {
                let settled = unsent(records, &target.spec, skip.clone());
                if let Err(error) = records.emit(&target.spec, &settled) {
                    let error = format!("cannot write the audit log: {error}");
                    tail.trouble.get_or_insert(Trouble::Failed(error));
                }
                settled
            })
            .collect()
    }

    pub(super) async fn verify(
        &self,
        coordinator: &Coordinator,
        records: &Records<'_>,
        targets: &[Target],
        settled: &mut [Settled],
    ) -> Verification {
        if self.stop.requested().is_some() {
            return Verification::NotPossible("the run was stopped first".to_owned());
        }
        let listed = match list::read(coordinator, self.terminal, self.stop).await {
            Ok(listed) => listed,
            Err(Some(trouble)) => return Verification::NotPossible(trouble.text().to_owned()),
            Err(None) => return Verification::NotPossible("the run was stopped first".to_owned()),
        };
        let (verification, changed) = verify::compare(&listed.leases, targets, settled);
        for index in changed {
            // It is reported either way; the journal's word matters to the next run only.
            if let Err(error) = records.write(&targets[index].spec, &settled[index]).await {
                self.terminal.error(&error);
            }
        }
        verification
    }

    pub(super) fn report(
        &self,
        head: &Head,
        targets: &[Target],
        settled: &[Settled],
        mut tail: Tail,
    ) -> anyhow::Result<ExitStatus> {
        let mut out = String::new();
        let mut render = renderer(
            self.request.output,
            self.request.show_tokens,
            self.terminal.palette(),
        );
        render.begin(&mut out, head);
        for (target, settled) in targets.iter().zip(settled) {
            tail.summary.count(settled);
            render.lease(&mut out, &target.spec, settled);
        }
        let status = tail.status(self.recovery.dry_run);
        render.end(&mut out, &tail, status);
        self.terminal.result(status, &out)?;
        Ok(status)
    }
}

/// The outcome of a lease that is not sent: what an earlier run found, or why.
pub(super) fn unsent(records: &Records<'_>, spec: &LeaseSpec, skip: Skip) -> Settled {
    if let Some(settled) = records.settled(spec) {
        return settled;
    }
    Settled::skipped(if spec.token.is_none() {
        Skip::MissingToken
    } else {
        skip
    })
}
