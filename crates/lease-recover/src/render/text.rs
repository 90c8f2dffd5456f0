//! The result for people: a line per lease, then the summary line.

use seamless_cli::{ExitStatus, Palette, clean};
use seamless_core::lease::LeaseSpec;

use super::Render;
use crate::outcome::{Outcome, Settled, Skip};
use crate::report::{Head, Tail, counted};
use crate::verify::Verification;

pub(super) struct Text {
    palette: Palette,
    action: &'static str,
}

impl Text {
    pub(super) const fn new(palette: Palette) -> Self {
        Self {
            palette,
            action: "",
        }
    }
}

impl Render for Text {
    fn begin(&mut self, out: &mut String, head: &Head) {
        self.action = head.action;
        let coordinator = head.coordinator.as_deref().unwrap_or("no coordinator");
        let line = format!(
            "{} at {coordinator}, reason {}",
            head.action,
            clean(&head.reason)
        );
        out.push_str(&self.palette.dim(&line));
        out.push('\n');
    }

    fn lease(&mut self, out: &mut String, spec: &LeaseSpec, settled: &Settled) {
        use std::fmt::Write as _;

        let outcome = &settled.outcome;
        let word = format!("{:<16}", outcome.word());
        out.push_str(&match outcome {
            Outcome::Released { .. } | Outcome::AlreadyReleased { .. } => self.palette.good(&word),
            Outcome::Conflict { .. } | Outcome::Unknown(_) => self.palette.warning(&word),
            Outcome::Failed(_) => self.palette.bad(&word),
            Outcome::Skipped(_) => self.palette.dim(&word),
        });
        out.push_str("  ");
        out.push_str(&clean(spec.key.as_str()));
        if let Some(token) = &spec.token {
            // Writing to a String cannot fail.
            let _ = write!(out, "  token {}…", clean(token.hint()));
        }
        let mut separator = "  ";
        let mut remark = |text: &str| {
            out.push_str(separator);
            out.push_str(&clean(text));
            separator = "; ";
        };
        let detail = outcome.detail();
        match outcome {
            Outcome::Skipped(Skip::DryRun) => remark(&format!("dry run: would {}", self.action)),
            _ => detail.iter().for_each(|detail| remark(detail)),
        }
        if let Outcome::Released {
            completion_ratio: Some(ratio),
        } = outcome
        {
            remark(&format!("{:.0}% done", ratio * 100.0));
        }
        if settled.by_earlier_run && detail.is_none() {
            remark("settled by an earlier run");
        }
        if settled.requests > 1 {
            remark(&format!("{} requests", settled.requests));
        }
        out.push('\n');
    }

    fn end(&mut self, out: &mut String, tail: &Tail, _: ExitStatus) {
        use std::fmt::Write as _;

        if let Some(verification) = &tail.verification {
            let line = match verification {
                Verification::Confirmed { leases } => self.palette.good(&format!(
                    "verified: of {} recovered none is still held",
                    counted(*leases)
                )),
                Verification::StillHeld { leases } => self.palette.bad(&format!(
                    "not released: {}, which the coordinator still lists",
                    counted(*leases)
                )),
                Verification::NotPossible(reason) => self
                    .palette
                    .warning(&format!("not verified: {}", clean(reason))),
            };
            out.push_str(&line);
            out.push('\n');
        }
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{}", tail.summary);
    }
}
