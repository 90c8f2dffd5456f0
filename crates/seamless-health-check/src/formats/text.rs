//! For people: one line per check, what to do under those that do not pass, and the SLA with its last
//! hour. Readable without colour: the verdict is a word.

use seamless_cli::{Palette, clean, shown_width, truncated, wrapped};
use seamless_core::duration;

use super::{Look, plot};
use crate::report::{Finding, Report};
use crate::verdict::{Item, Verdict};

/// How many items of a check are listed.
const ITEMS: usize = 10;
/// The same where all that does not pass is to fit a screen.
const ITEMS_IN_SHORT: usize = 3;

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    Everything,
    NotPassing,
}

pub(super) fn render(report: &Report, look: Look, show: Show) -> String {
    let mut lines = Vec::new();
    let mut group = None;
    let shown = |finding: &&Finding| {
        show == Show::Everything || matches!(finding.outcome.verdict, Verdict::Warn | Verdict::Fail)
    };
    for finding in report.findings.iter().filter(shown) {
        if show == Show::Everything && group != Some(finding.check.group) {
            if group.is_some() {
                lines.push(String::new());
            }
            lines.push(look.palette.strong(finding.check.group.name()));
            group = Some(finding.check.group);
        }
        check(&mut lines, finding, look, show);
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    if show == Show::NotPassing
        && let Some(first) = report.findings.iter().find(|finding| shown(finding))
    {
        let more = "what a check means: seamless-health-check --explain";
        let id = first.check.id();
        lines.push(look.palette.dim(&format!("{more} {id}")));
    }
    lines.push(summary(report, look.palette));
    lines.join("\n") + "\n"
}

fn painted(palette: Palette, verdict: &Verdict, text: &str) -> String {
    match verdict {
        Verdict::Pass => palette.good(text),
        Verdict::Warn => palette.warning(text),
        Verdict::Fail => palette.bad(text),
        Verdict::Skip(_) => palette.dim(text),
    }
}

fn check(lines: &mut Vec<String>, finding: &Finding, look: Look, show: Show) {
    let verdict = &finding.outcome.verdict;
    let word = painted(look.palette, verdict, verdict.word());
    let name = match show {
        Show::Everything => finding.check.name.to_owned(),
        Show::NotPassing => finding.check.id(),
    };
    let indent = if show == Show::Everything { "  " } else { "" };
    let column = if show == Show::Everything { 18 } else { 29 };
    let first = indent.len() + 4 + 2 + column + 1;
    let margin = " ".repeat(indent.len() + 6);
    let items = items(finding, look, margin.len(), show);
    let text = clean(&if items.is_empty() {
        finding.message()
    } else {
        without_first_item(finding)
    });
    let text = if matches!(verdict, Verdict::Skip(_)) {
        wrapped(&text, look.width, first)
            .into_iter()
            .map(|line| look.palette.dim(&line))
            .collect()
    } else {
        wrapped(&text, look.width, first)
    };
    for (index, line) in text.iter().enumerate() {
        lines.push(if index == 0 {
            format!("{indent}{word}  {name:column$} {line}")
        } else {
            format!("{}{line}", " ".repeat(first))
        });
    }
    for line in items {
        lines.push(format!("{margin}{line}"));
    }
    let mut advise = |line: &str| lines.push(format!("{margin}{}", look.palette.dim(line)));
    if let Some(hint) = finding.hint() {
        for line in wrapped(&format!("→ {}", clean(hint)), look.width, margin.len()) {
            advise(&line);
        }
    }
    if let Some(next) = finding.next() {
        for line in command(next, look.width, margin.len()) {
            advise(&line);
        }
    }
    if let Some(more) = finding.more().filter(|_| show == Show::Everything) {
        advise(&format!("→ {more}"));
    }
}

/// The message where several items follow: what it says of the first of them stands there.
fn without_first_item(finding: &Finding) -> String {
    let message = finding.message();
    let is_first =
        |item: &&Item| message.starts_with(&format!("{}: {}", item.subject, item.message));
    match finding.outcome.items.iter().find(is_first) {
        Some(first) if message.len() > first.subject.len() + 2 + first.message.len() => {
            message.replacen(&format!(": {}", first.message), "", 1)
        }
        _ => message,
    }
}

/// What is worth a line of its own: measurements with a history, and what does not pass if there is
/// more than the message already says.
fn items(finding: &Finding, look: Look, margin: usize, show: Show) -> Vec<String> {
    let all = &finding.outcome.items;
    let measured = |item: &&Item| !item.history.is_empty();
    let bad = |item: &&Item| matches!(item.verdict, Verdict::Warn | Verdict::Fail);
    let mut shown: Vec<&Item> = all.iter().filter(measured).collect();
    if shown.is_empty() {
        let message = &finding.outcome.message;
        shown = all.iter().filter(bad).collect();
        shown.retain(|item| item.message != *message);
        let said = |item: &&Item| message.contains(&item.message);
        if shown.len() < 2 && shown.iter().all(said) {
            return Vec::new();
        }
    }
    let most = if show == Show::Everything {
        ITEMS
    } else {
        ITEMS_IN_SHORT
    };
    let left_out = shown.len().saturating_sub(most);
    shown.truncate(most);
    let column = shown
        .iter()
        .map(|item| shown_width(&item.subject))
        .max()
        .unwrap_or(0)
        .min(32);
    let beside = margin + column + 1;
    // The messages stand beside the subjects, or all beneath them.
    let has_room = shown.iter().all(|item| {
        shown_width(&item.subject) <= column && fits(&item.message, look.width, beside)
    });
    let mut lines: Vec<String> = shown
        .iter()
        .map(|item| {
            let message = clean(&item.message);
            let subject = clean(&item.subject);
            if item.history.is_empty() && !has_room {
                // A line of its own, since cutting a lease's key takes away what tells it from others.
                let room = look
                    .width
                    .map_or(usize::MAX, |width| width.saturating_sub(margin));
                let subject = truncated(&subject, room.max(20));
                let subject = painted(look.palette, &item.verdict, &subject);
                let message = hanging(&message, look.width, margin + 2);
                return format!("{subject}\n{}{message}", " ".repeat(margin + 2));
            }
            let subject = truncated(&format!("{subject:column$}"), 60);
            let subject = painted(look.palette, &item.verdict, &subject);
            if item.history.is_empty() {
                let message = hanging(&message, look.width, beside);
                return format!("{subject} {message}");
            }
            let scale = item
                .measured
                .and_then(|measured| measured.fail)
                .unwrap_or(0.0);
            let plot = plot::sparkline(&item.history, scale);
            format!("{subject} {message:22} {plot} 1h")
                .trim_end()
                .to_owned()
        })
        .collect();
    if left_out > 0 {
        lines.push(format!("and {left_out} more"));
    }
    lines
}

/// A command line, broken as a shell takes it.
fn command(line: &str, width: Option<usize>, indent: usize) -> Vec<String> {
    let width = width.map(|width| width.saturating_sub("$  \\".len()));
    let parts = wrapped(line, width, indent);
    let last = parts.len() - 1;
    let parts = parts.iter().enumerate().map(|(index, part)| {
        let begin = if index == 0 { "$ " } else { "  " };
        let end = if index == last { "" } else { " \\" };
        format!("{begin}{part}{end}")
    });
    parts.collect()
}

/// The same as one text, whose first line is indented already.
fn hanging(text: &str, width: Option<usize>, indent: usize) -> String {
    wrapped(text, width, indent).join(&format!("\n{}", " ".repeat(indent)))
}

/// Whether every word of a text fits beside an indentation.
fn fits(text: &str, width: Option<usize>, indent: usize) -> bool {
    let longest = text.split(' ').map(shown_width).max();
    width.is_none_or(|width| indent + longest.unwrap_or(0) <= width)
}

fn summary(report: &Report, palette: Palette) -> String {
    let counts = report.counts();
    let took = duration::human(report.took);
    let mut parts = Vec::new();
    for (count, word, verdict) in [
        (counts.fail, "failed", Verdict::Fail),
        (counts.warn, "warned", Verdict::Warn),
        (counts.pass, "passed", Verdict::Pass),
    ] {
        if count > 0 {
            parts.push(painted(palette, &verdict, &format!("{count} {word}")));
        }
    }
    if counts.skip > 0 {
        parts.push(palette.dim(&format!("{} skipped", counts.skip)));
    }
    let unchecked = report.unchecked_groups();
    if let Some((_, reason)) = unchecked.first() {
        let groups: Vec<&str> = unchecked.iter().map(|(group, _)| *group).collect();
        parts.push(format!(
            "nothing checked of {} ({reason})",
            groups.join(", ")
        ));
    }
    let stopped = report
        .stopped
        .map(|signal| format!(" (stopped by {})", signal.name()))
        .unwrap_or_default();
    format!("{} in {took}{stopped}", parts.join(", "))
}
