//! The result for people: a line per lease, then the summary line.

use seamless_cli::{Palette, clean, wrapped};

use crate::outcome::LeaseOutcome;
use crate::report::{LeaseResult, Report};
use crate::verify::Verification;
use crate::words::counted;

/// What a line goes on with below its first row.
const INDENT: &str = "  ";

pub(super) fn report(report: &Report, palette: Palette, width: Option<usize>) -> String {
    let coordinator = report.coordinator.as_deref().unwrap_or("no coordinator");
    let doing = match (report.action, report.dry_run) {
        ("complete", false) => "Completing",
        ("complete", true) => "Would complete",
        (_, false) => "Failing",
        (_, true) => "Would fail",
    };
    let is_unsent = |lease: &LeaseResult| lease.outcome == "skipped";
    let heading = match report.leases.iter().all(is_unsent) {
        true => format!("Nothing is sent to {coordinator}"),
        false => format!(
            "{doing} leases at {coordinator} (reason: {})",
            clean(&report.reason)
        ),
    };
    let mut lines = Vec::new();
    if !report.leases.is_empty() {
        lines.push(palette.dim(&heading));
    }
    let leases = report.leases.iter();
    lines.extend(leases.map(|lease| line(lease, palette)));
    lines.extend(report.verification.iter().map(|v| verification(v, palette)));
    lines.extend(report.notes.iter().map(|note| clean(note)));
    lines.push(report.summary.to_string());
    let mut text = String::new();
    for line in lines {
        text.push_str(&wrapped(&line, width, INDENT.len()).join(&format!("\n{INDENT}")));
        text.push('\n');
    }
    text
}

fn line(result: &LeaseResult, palette: Palette) -> String {
    let settled = &result.settled;
    let outcome = &settled.outcome;
    let word = format!("{:<16}", outcome.word());
    let word = match outcome {
        LeaseOutcome::Released { .. } | LeaseOutcome::AlreadyReleased { .. } => palette.good(&word),
        LeaseOutcome::Conflict { .. } | LeaseOutcome::Unknown(_) => palette.warning(&word),
        LeaseOutcome::Failed(_) => palette.bad(&word),
        LeaseOutcome::Skipped(_) => palette.dim(&word),
    };
    let mut out = format!("{word}  {}", clean(result.spec.key.as_str()));
    if let Some(token) = &result.spec.token {
        out.push_str(&format!("  token {}…", clean(token.hint())));
    }
    let mut remarks: Vec<String> = Vec::new();
    match (outcome, &result.detail) {
        (LeaseOutcome::Conflict { .. }, detail) => {
            remarks.extend(detail.iter().map(|detail| clean(detail)));
            remarks.push("not held under this token any more; it was left alone".to_owned());
        }
        (_, Some(detail)) => remarks.push(clean(detail)),
        (_, None) if settled.by_earlier_run => {
            remarks.push("settled by an earlier run".to_owned());
        }
        (_, None) => {}
    }
    if let LeaseOutcome::Released {
        completion_ratio: Some(ratio),
    } = outcome
    {
        remarks.push(format!("{:.0}% done", ratio * 100.0));
    }
    if settled.requests > 1 {
        remarks.push(format!("{} requests", settled.requests));
    }
    if !remarks.is_empty() {
        out.push_str("  ");
        out.push_str(&remarks.join("; "));
    }
    out
}

fn verification(verification: &Verification, palette: Palette) -> String {
    match verification {
        Verification::Confirmed { leases } => {
            palette.good(&format!("verified: {} no longer held", counted(*leases)))
        }
        Verification::StillHeld { leases } => palette.bad(&format!(
            "not released: {}, which the coordinator still lists",
            counted(*leases)
        )),
        Verification::NotReclaimed { leases } => palette.warning(&format!(
            "released, not yet reclaimed: {}",
            counted(*leases)
        )),
        Verification::NotPossible { reason } => {
            palette.warning(&format!("not verified: {}", clean(reason)))
        }
    }
}
