//! One alert: whom it reaches, by which routes, what holds it back, and what every check says of it.

use seamless_cli::{clean, wrapped};

use super::TextStyle;
use super::paths::receiver;
use super::text::fits;
use crate::report::Report;
use crate::told::Told;
use crate::verdict::Verdict;

/// What is known of the alert `name`.
pub(super) fn render(report: &Report, name: &str, look: TextStyle) -> String {
    let mut out = String::new();
    let told: Vec<&Told> = report
        .told
        .iter()
        .filter(|told| told.alert == name)
        .collect();
    if told.is_empty() {
        out.push_str(&format!(
            "{name}\n  receivers unknown: give --alertmanager-url or --alertmanager-config\n"
        ));
    }
    for told in told {
        out.push_str(&path(told, look));
    }
    let mut lines = said(report, name);
    lines.sort_by_key(|(_, verdict, _)| match verdict {
        Verdict::Fail => 0,
        Verdict::Warn => 1,
        Verdict::Skip(_) => 2,
        Verdict::Pass => 3,
    });
    if !lines.is_empty() {
        out.push_str("  what the checks say\n");
    }
    for (id, verdict, message) in lines {
        let head = format!("    {:4}  {id:24}  ", verdict.word());
        let message = clean(&message);
        let (gap, column) = if fits(&message, look.width, head.len()) {
            (String::new(), head.len())
        } else {
            (below(10), 10)
        };
        let lines = wrapped(&message, look.width, column);
        let text = format!("{head}{gap}{}", lines.join(&below(column)));
        let lines = text.lines().map(|line| format!("{}\n", line.trim_end()));
        out.extend(lines);
    }
    out
}

/// What goes between lines of a cell that begins at `column`.
fn below(column: usize) -> String {
    format!("\n{}", " ".repeat(column))
}

fn path(told: &Told, look: TextStyle) -> String {
    let mut out = format!("{} ({})\n", clean(&told.alert), clean(&told.severity));
    let mut line = |what: &str, text: &str| {
        let lines = wrapped(&clean(text), look.width, 13);
        out.push_str(&format!(
            "  {} {}\n",
            look.palette.dim(&format!("{what:10}")),
            lines.join(&below(13))
        ));
    };
    line("through", &told.alertmanager);
    for route in &told.routes {
        line("route", route);
    }
    for one in &told.receivers {
        line("receiver", &receiver(one));
    }
    if told.receivers.is_empty() {
        line("receiver", "nobody");
    }
    for (what, text) in [
        ("muted", &told.muted),
        ("silenced", &told.silenced),
        ("less when", &told.less_when),
    ] {
        if let Some(text) = text {
            line(what, text);
        }
    }
    out
}

/// What each check says of the alert itself, or of its receivers.
fn said<'r>(report: &'r Report, name: &str) -> Vec<(String, &'r Verdict, String)> {
    let mut said = Vec::new();
    for finding in &report.findings {
        let items = finding.outcome.items.iter();
        let is_about = |subject: &str| {
            subject == name
                || subject
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with(' '))
        };
        let about = items.filter(|item| is_about(&item.subject) || item.message.contains(name));
        said.extend(about.map(|item| {
            let what = if item.subject == name {
                String::new()
            } else {
                format!("{}: ", item.subject)
            };
            (
                finding.check.id(),
                &item.verdict,
                format!("{what}{}", item.message),
            )
        }));
    }
    said
}
