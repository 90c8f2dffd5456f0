//! A Nagios plugin's output: one status line with performance data, more lines after it, and the
//! plugin guidelines' exit codes. `|` separates the data, so no message may hold one.

use seamless_cli::ExitStatus;

use crate::args::FailOn;
use crate::report::Report;
use crate::verdict::{Measured, Verdict};

pub(super) fn render(report: &Report) -> String {
    let state = state(report);
    let counts = report.counts();
    let worst: Vec<String> = report
        .findings
        .iter()
        .filter(|finding| finding.outcome.verdict == Verdict::Fail)
        .chain(
            report
                .findings
                .iter()
                .filter(|f| f.outcome.verdict == Verdict::Warn),
        )
        .map(|finding| one_line(&format!("{}: {}", finding.check.id(), finding.message())))
        .collect();
    let told = worst
        .first()
        .cloned()
        .unwrap_or_else(|| format!("{} checks passed, {} skipped", counts.pass, counts.skip));
    let mut out = format!("SEAMLESS {} - {told}", state.word());
    let data: Vec<String> = report
        .findings
        .iter()
        .filter(|finding| {
            finding.check.group == crate::check::Group::Sla || finding.check.name == "stuck-leases"
        })
        .flat_map(|finding| &finding.outcome.items)
        .filter_map(|item| Some(perfdata(&item.subject, item.measured?)))
        .chain([
            format!("checks_failed={};;0;0", counts.fail),
            format!("checks_warned={};0;;0", counts.warn),
            format!("time={:.3}s;;;0", report.took.as_secs_f64()),
        ])
        .collect();
    out.push_str(" | ");
    out.push_str(&data.join(" "));
    out.push('\n');
    for line in worst.iter().skip(1) {
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// The guidelines ask for UNKNOWN where a plugin's arguments are wrong.
pub(super) fn refusal(error: &str) -> String {
    format!(
        "SEAMLESS {} - {}\n",
        NagiosState::Unknown.word(),
        one_line(error)
    )
}

fn perfdata(label: &str, measured: Measured) -> String {
    let limit = |limit: Option<f64>| limit.map(|limit| format!("{limit}")).unwrap_or_default();
    let label = label.replace(['\'', '='], "_");
    // A value is better low, except for a share that is left: its range counts from above.
    let from = if measured.unit == "%" { ":" } else { "" };
    let warn = limit(measured.warn);
    let warn = if warn.is_empty() {
        warn
    } else {
        format!("{warn}{from}")
    };
    // The guidelines know numbers, and U for what is none: a p99 may be infinite.
    let value = if measured.value.is_finite() {
        format!("{:.4}{}", measured.value, measured.unit)
    } else {
        "U".to_owned()
    };
    format!("'{label}'={value};{warn};{};", limit(measured.fail))
}

fn one_line(text: &str) -> String {
    seamless_cli::clean(text).replace('|', "/")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NagiosState {
    Ok,
    Warning,
    Critical,
    Unknown,
}

impl NagiosState {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }
}

fn state(report: &Report) -> NagiosState {
    let counts = report.counts();
    let strict = report.fail_on == FailOn::Warn;
    if counts.fail > 0 || (strict && counts.warn > 0) {
        return NagiosState::Critical;
    }
    match report.status() {
        ExitStatus::Undetermined | ExitStatus::Stopped(_) => NagiosState::Unknown,
        _ if counts.warn > 0 => NagiosState::Warning,
        _ => NagiosState::Ok,
    }
}

/// The plugin's exit code, as the status that has the same number.
pub(super) fn exit_status(report: &Report) -> ExitStatus {
    match state(report) {
        NagiosState::Ok => ExitStatus::Done,
        NagiosState::Warning => ExitStatus::Negative,
        NagiosState::Critical => ExitStatus::Usage,
        NagiosState::Unknown => ExitStatus::Undetermined,
    }
}
