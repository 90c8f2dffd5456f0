//! Who would be told of which alert, as a table.

use std::collections::BTreeSet;

use seamless_cli::{clean, wrapped};

use super::TextStyle;

use crate::paging::Reach;
use crate::report::Report;
use crate::told::{Told, ToldIntegration, ToldReceiver};

/// The table; without an Alertmanager a line that says so.
pub(super) fn render(report: &Report, look: TextStyle) -> String {
    if report.told.is_empty() {
        return "receivers unknown: give --alertmanager-url or --alertmanager-config\n".to_owned();
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
        let mut of: Vec<&Told> = of.collect();
        // First what someone has to mend.
        of.sort_by_key(|told| state(told) == TOLD);
        out.push_str(
            &look
                .palette
                .dim(&format!("through {}\n", clean(alertmanager))),
        );
        out.push_str(&table(&of, look));
        out.push_str(&notifications(&of, look));
    }
    out
}

/// What stands where nothing holds an alert back.
const TOLD: &str = "told";

/// Whether the alert's receivers are told now, in a word or two.
fn state(told: &Told) -> &'static str {
    match told {
        told if told.reach <= Reach::Nobody => "nobody",
        told if told.reach == Reach::Somebody && told.severity == "critical" => "no page",
        told if told.reach == Reach::Somebody => "others",
        told if told.muted.is_some() => "muted",
        told if told.silenced.is_some() => "silenced",
        told if told.less_when.is_some() => "in part",
        _ => TOLD,
    }
}

/// What holds it back, in full.
fn reasons(told: &Told) -> Vec<String> {
    let silenced = |silence: &String| format!("silenced {silence}");
    let less = |when: &String| format!("reaches less when {when}");
    [
        told.muted.clone(),
        told.silenced.as_ref().map(silenced),
        told.less_when.as_ref().map(less),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn table(all: &[&Told], look: TextStyle) -> String {
    const INDENT: usize = 4;
    let header = ["ALERT", "SEVERITY", "NOW", "RECEIVERS"].map(str::to_owned);
    let cells: Vec<[String; 4]> = all.iter().map(|told| row(told)).collect();
    let width = |column: usize| {
        let cells = std::iter::once(&header).chain(&cells);
        cells
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2)];
    let line = |row: &[String; 4]| {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}  "));
        let line = cells.collect::<String>() + &row[3];
        format!("{}\n", line.trim_end())
    };
    let mut out = line(&header);
    for (told, row) in all.iter().zip(&cells) {
        out.push_str(&line(row));
        for reason in reasons(told) {
            for part in wrapped(&clean(&reason), look.width, INDENT) {
                out.push_str(&format!("{:INDENT$}{part}\n", ""));
            }
        }
    }
    out
}

fn row(told: &Told) -> [String; 4] {
    let receivers: Vec<String> = told.receivers.iter().map(short).collect();
    let receivers = match receivers.as_slice() {
        [] => "nobody".to_owned(),
        some => some.join(", "),
    };
    let state = state(told).to_owned();
    [told.alert.clone(), told.severity.clone(), state, receivers].map(|cell| clean(&cell))
}

/// A receiver with its kinds of integration, where its name does not say them.
fn short(receiver: &ToldReceiver) -> String {
    let kinds: Vec<&str> = receiver
        .integrations
        .iter()
        .map(|integration| integration.kind.as_str())
        .collect();
    match kinds.as_slice() {
        [] => format!("{} (no integration)", receiver.name),
        [kind] if receiver.name == *kind => receiver.name.clone(),
        kinds => format!("{} ({})", receiver.name, kinds.join(", ")),
    }
}

/// What became of the notifications of each kind; receivers of a kind share its counters.
fn notifications(all: &[&Told], look: TextStyle) -> String {
    let receivers = all.iter().flat_map(|told| &told.receivers);
    let (known, unknown): (Vec<&ToldIntegration>, Vec<&ToldIntegration>) = receivers
        .flat_map(|receiver| &receiver.integrations)
        .partition(|one| one.sent_24h.or(one.sent_since_start).is_some());
    let unknown: BTreeSet<&str> = unknown.iter().map(|one| one.kind.as_str()).collect();
    let mut parts: BTreeSet<String> = known.into_iter().map(integration).collect();
    if !unknown.is_empty() {
        let kinds: Vec<&str> = unknown.into_iter().collect();
        parts.insert(format!("unknown of {}", kinds.join(", ")));
    }
    let parts: Vec<String> = parts.into_iter().collect();
    let text = match parts.as_slice() {
        [] => return String::new(),
        parts => format!("notifications  {}", parts.join("; ")),
    };
    let lines = wrapped(&clean(&text), look.width, 0);
    lines.iter().map(|line| format!("{line}\n")).collect()
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
