//! Who would be told of which alert, as a table.

use seamless_cli::clean;

use super::Look;
use crate::report::Report;
use crate::told::{Told, ToldIntegration, ToldReceiver};

/// The table; without an Alertmanager a line that says so.
pub(super) fn render(report: &Report, look: Look) -> String {
    if report.told.is_empty() {
        return "nobody is known to be told: give --alertmanager-url or --alertmanager-config\n"
            .to_owned();
    }
    let mut out = String::new();
    let mut alertmanagers: Vec<&str> = Vec::new();
    for told in &report.told {
        if !alertmanagers.contains(&told.alertmanager.as_str()) {
            alertmanagers.push(&told.alertmanager);
        }
    }
    for alertmanager in alertmanagers {
        let of = report
            .told
            .iter()
            .filter(|told| told.alertmanager == alertmanager);
        let rows: Vec<[String; 4]> = of.map(row).collect();
        out.push_str(
            &look
                .palette
                .dim(&format!("through {}\n", clean(alertmanager))),
        );
        out.push_str(&table(&rows));
    }
    out
}

fn table(rows: &[[String; 4]]) -> String {
    let header = ["ALERT", "SEVERITY", "RECEIVERS", "NOW"].map(str::to_owned);
    let rows: Vec<&[String; 4]> = std::iter::once(&header).chain(rows).collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2)];
    let line = |row: &&[String; 4]| {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}  "));
        let line = cells.collect::<String>() + &row[3];
        format!("{}\n", line.trim_end())
    };
    rows.iter().map(line).collect()
}

fn row(told: &Told) -> [String; 4] {
    let receivers: Vec<String> = told.receivers.iter().map(receiver).collect();
    let receivers = match receivers.as_slice() {
        [] => "nobody".to_owned(),
        some => some.join("; "),
    };
    let mut state: Vec<String> = Vec::new();
    state.extend(told.muted.clone());
    state.extend(
        told.silenced
            .as_ref()
            .map(|silence| format!("silenced {silence}")),
    );
    state.extend(
        told.less_when
            .as_ref()
            .map(|when| format!("less when {when}")),
    );
    let state = if state.is_empty() {
        "told".to_owned()
    } else {
        state.join("; ")
    };
    [told.alert.clone(), told.severity.clone(), receivers, state].map(|cell| clean(&cell))
}

/// A receiver with its kinds of integration and what became of their notifications.
pub(super) fn receiver(receiver: &ToldReceiver) -> String {
    let kinds: Vec<String> = receiver.integrations.iter().map(integration).collect();
    match kinds.as_slice() {
        [] => format!("{} (no integration)", receiver.name),
        kinds => format!("{} ({})", receiver.name, kinds.join(", ")),
    }
}

/// The kind, and what became of its notifications.
fn integration(integration: &ToldIntegration) -> String {
    let kind = &integration.kind;
    let said = |sent: Option<f64>, failed: Option<f64>, over: &str| {
        let (sent, failed) = (sent?, failed?);
        Some(format!("{kind}: {sent} sent, {failed} failed {over}"))
    };
    said(integration.sent_24h, integration.failed_24h, "in 24h")
        .or_else(|| {
            said(
                integration.sent_since_start,
                integration.failed_since_start,
                "since start",
            )
        })
        .unwrap_or_else(|| format!("{kind}: sent unknown"))
}
