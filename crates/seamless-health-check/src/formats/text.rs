//! For people: one line per check, what to do under those that do not pass, and the SLA with its last
//! hour. Readable without colour: the verdict is a word.

use seamless_cli::{Palette, clean, shown_width, truncated, wrapped};
use seamless_core::duration;

use super::{TextStyle, plot};
use crate::report::{CheckResult, Report};
use crate::verdict::{Item, Verdict};

/// How many items of a check are listed.
const ITEMS: usize = 10;

pub(super) fn render(report: &Report, look: TextStyle) -> String {
    let mut lines = Vec::new();
    let mut group = None;
    for finding in &report.findings {
        if group != Some(finding.check.group) {
            if group.is_some() {
                lines.push(String::new());
            }
            lines.push(look.palette.strong(finding.check.group.name()));
            group = Some(finding.check.group);
        }
        check(&mut lines, finding, look);
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines.extend(summary(report, look));
    lines.join("\n") + "\n"
}

pub(super) fn painted(palette: Palette, verdict: &Verdict, text: &str) -> String {
    match verdict {
        Verdict::Pass => palette.good(text),
        Verdict::Warn => palette.warning(text),
        Verdict::Fail => palette.bad(text),
        Verdict::Skip(_) => palette.dim(text),
    }
}

/// Columns of what was measured, before its last hour.
const MEASURED_COLUMNS: usize = 22;

/// Whether text that begins at `column` has room for more than a word or two.
pub(crate) fn has_room(width: Option<usize>, column: usize) -> bool {
    width.is_none_or(|width| width >= column + 30)
}

/// Columns of a check's name.
const NAME_COLUMNS: usize = 18;

fn check(lines: &mut Vec<String>, finding: &CheckResult, look: TextStyle) {
    let verdict = &finding.outcome.verdict;
    let word = painted(look.palette, verdict, verdict.word());
    let first = 2 + 4 + 2 + NAME_COLUMNS + 1;
    let margin = 8;
    let items = items(finding, look, margin, ITEMS);
    let text = if items.is_empty() {
        finding.message()
    } else {
        without_first_item(finding)
    };
    // On a narrow terminal, and with a word that is too long, messages stand beneath the names.
    let column = if has_room(look.width, first) && fits(&text, look.width, first) {
        first
    } else {
        margin
    };
    let mut text = wrapped(&clean(&text), look.width, column);
    if matches!(verdict, Verdict::Skip(_)) {
        text = text.iter().map(|line| look.palette.dim(line)).collect();
    }
    let name = finding.check.name;
    let below = format!("\n{}", " ".repeat(column));
    let gap = if column == first { " " } else { below.as_str() };
    lines.push(format!(
        "  {word}  {name:NAME_COLUMNS$}{gap}{}",
        text.join(&below)
    ));
    let margin_text = " ".repeat(margin);
    let below = items.into_iter().chain(advice(finding, look, margin));
    lines.extend(below.map(|line| format!("{margin_text}{line}")));
    if let Some(more) = finding.more() {
        let more = wrapped(&format!("→ {more}"), look.width, margin);
        lines.extend(
            more.iter()
                .map(|line| format!("{margin_text}{}", look.palette.dim(line))),
        );
    }
}

/// What to do, and the command that comes next.
pub(super) fn advice(finding: &CheckResult, look: TextStyle, margin: usize) -> Vec<String> {
    let hint = finding.hint().map(|hint| format!("→ {}", clean(hint)));
    let hint = hint.map_or_else(Vec::new, |hint| wrapped(&hint, look.width, margin));
    let mut lines: Vec<String> = hint.iter().map(|line| look.palette.dim(line)).collect();
    lines.extend(next(finding, look, margin));
    lines
}

/// The command that comes next.
pub(super) fn next(finding: &CheckResult, look: TextStyle, margin: usize) -> Vec<String> {
    let lines = finding.next().map(|next| command(next, look.width, margin));
    let lines = lines.unwrap_or_default();
    lines.iter().map(|line| look.palette.dim(line)).collect()
}

/// The message where several items follow: what it says of the first of them stands there.
pub(super) fn without_first_item(finding: &CheckResult) -> String {
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
/// more than the message already says; at most `most`, each a line or two.
pub(super) fn items(
    finding: &CheckResult,
    look: TextStyle,
    margin: usize,
    most: usize,
) -> Vec<String> {
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
    let is_beside = has_room(look.width, beside)
        && shown.iter().all(|item| {
            shown_width(&item.subject) <= column && fits(&item.message, look.width, beside)
        });
    let mut lines: Vec<String> = shown
        .iter()
        .map(|item| {
            let message = clean(&item.message);
            let subject = clean(&item.subject);
            let plotted = beside + MEASURED_COLUMNS + " ".len() + item.history.len() + " 1h".len();
            let has_plot =
                !item.history.is_empty() && look.width.is_none_or(|width| width >= plotted);
            if !has_plot && !is_beside {
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
            if !has_plot {
                let message = hanging(&message, look.width, beside);
                return format!("{subject} {message}");
            }
            let scale = item
                .measured
                .and_then(|measured| measured.fail)
                .unwrap_or(0.0);
            let plot = plot::sparkline(&item.history, scale);
            format!("{subject} {message:MEASURED_COLUMNS$} {plot} 1h")
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

/// Whether every word of a text fits beside an indentation. A terminal breaks one that does not, down to a lone
/// semicolon.
pub(super) fn fits(text: &str, width: Option<usize>, indent: usize) -> bool {
    let longest = text.split(' ').map(shown_width).max();
    width.is_none_or(|width| indent + longest.unwrap_or(0) <= width)
}

/// How many checks came to what, and of which groups nothing is known.
pub(super) fn summary(report: &Report, look: TextStyle) -> Vec<String> {
    let palette = look.palette;
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
    let stopped = report
        .stopped
        .map(|signal| format!(" (stopped by {})", signal.name()))
        .unwrap_or_default();
    let mut lines = vec![format!("{} in {took}{stopped}", parts.join(", "))];
    let unchecked = report.unchecked_groups();
    if let Some((_, reason)) = unchecked.first() {
        let groups: Vec<&str> = unchecked.iter().map(|(group, _)| *group).collect();
        let said = format!("nothing checked of {}: {reason}", groups.join(", "));
        lines.extend(wrapped(&clean(&said), look.width, 0));
    }
    lines
}
