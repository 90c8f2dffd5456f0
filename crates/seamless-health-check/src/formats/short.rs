//! What does not pass, on one screen: of each such check a line at least, and as much of the rest as has room,
//! what failed first.

use seamless_cli::{clean, truncated, wrapped};

use super::{TextStyle, text};
use crate::report::{CheckResult, Report};
use crate::verdict::Verdict;

/// Lines of the smallest terminal that is served whole.
const LINES: usize = 24;
/// What is left to the command and the prompt after it.
const BESIDES: usize = 2;
/// How many items of a check are listed.
const ITEMS: usize = 3;
/// Columns of a check's id, and what stands before a message.
const ID_COLUMNS: usize = 29;
const BESIDE: usize = 4 + 2 + ID_COLUMNS + 1;
const MARGIN: usize = 6;

/// How much is said of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Detail {
    /// One line.
    Line,
    /// And the command that comes next.
    Command,
    /// The whole message.
    Message,
    /// What to do, too.
    Advice,
    /// And what it looked at.
    Items,
}

pub(super) fn render(report: &Report, look: TextStyle) -> String {
    let is_bad = |finding: &&CheckResult| finding.outcome.verdict.is_bad();
    let bad: Vec<&CheckResult> = report.findings.iter().filter(is_bad).collect();
    let mut end = Vec::new();
    if let Some(first) = bad.first() {
        let more = "what a check means: seamless-health-check --explain";
        let more = format!("{more} {}", first.check.id());
        let more = wrapped(&more, look.width, 0);
        end.push(String::new());
        end.extend(more.iter().map(|line| look.palette.dim(line)));
    }
    end.extend(text::summary(report, look));
    // Only a terminal has an end; the endpoints stand on it already.
    let taken = end.len() + report.endpoints.len() + BESIDES;
    let screen_lines = look.height.unwrap_or(LINES).max(LINES);
    let room = look.width.map(|_| screen_lines.saturating_sub(taken));
    let mut lines = screen(&bad, look, room.unwrap_or(usize::MAX));
    lines.extend(end);
    lines.join("\n") + "\n"
}

/// As much of the findings as `room` lines hold.
fn screen(bad: &[&CheckResult], look: TextStyle, room: usize) -> Vec<String> {
    // Where not even a line of each has room, the ids of the others have.
    let mut shown = bad.len();
    let mut others = Vec::new();
    // On a narrow terminal a message stands beneath its id.
    let height = if text::has_room(look.width, BESIDE) {
        1
    } else {
        2
    };
    while shown > 1 && shown * height + others.len() > room {
        shown -= 1;
        let ids: Vec<String> = bad
            .iter()
            .skip(shown)
            .map(|finding| finding.check.id())
            .collect();
        let ids = format!("and {}: {}", ids.len(), ids.join(", "));
        others = wrapped(&ids, look.width, 0);
    }
    let mut blocks: Vec<Vec<String>> = bad
        .iter()
        .take(shown)
        .map(|finding| block(finding, look, Detail::Line))
        .collect();
    let mut free = room.saturating_sub(shown * height + others.len());
    let mut order: Vec<usize> = (0..shown).collect();
    order.sort_by_key(|index| {
        bad.get(*index)
            .map(|finding| finding.outcome.verdict != Verdict::Fail)
    });
    for detail in [
        Detail::Command,
        Detail::Message,
        Detail::Advice,
        Detail::Items,
    ] {
        for index in &order {
            let (Some(finding), Some(old)) = (bad.get(*index), blocks.get_mut(*index)) else {
                continue;
            };
            let new = block(finding, look, detail);
            let more = new.len().saturating_sub(old.len());
            if more <= free {
                free -= more;
                *old = new;
            }
        }
    }
    blocks.into_iter().flatten().chain(others).collect()
}

fn block(finding: &CheckResult, look: TextStyle, detail: Detail) -> Vec<String> {
    let verdict = &finding.outcome.verdict;
    let items = match detail {
        Detail::Items => text::items(finding, look, MARGIN, ITEMS),
        Detail::Line | Detail::Command | Detail::Message | Detail::Advice => Vec::new(),
    };
    let message = clean(&match items.is_empty() {
        true => finding.message(),
        false => text::without_first_item(finding),
    });
    let is_cut = matches!(detail, Detail::Line | Detail::Command);
    let is_beside =
        text::has_room(look.width, BESIDE) && (is_cut || text::fits(&message, look.width, BESIDE));
    let column = if is_beside { BESIDE } else { MARGIN };
    let message = match look.width.filter(|_| is_cut) {
        Some(width) => vec![truncated(&message, width.saturating_sub(column).max(20))],
        None => wrapped(&message, look.width, column),
    };
    let word = text::painted(look.palette, verdict, verdict.word());
    let id = finding.check.id();
    let below = format!("\n{}", " ".repeat(column));
    let gap = if is_beside { " " } else { below.as_str() };
    let mut lines = vec![format!(
        "{word}  {id:ID_COLUMNS$}{gap}{}",
        message.join(&below)
    )];
    let advice = match detail {
        Detail::Line => Vec::new(),
        Detail::Command | Detail::Message => text::next(finding, look, MARGIN),
        Detail::Advice | Detail::Items => text::advice(finding, look, MARGIN),
    };
    let below = items.into_iter().chain(advice);
    lines.extend(below.map(|line| format!("{}{line}", " ".repeat(MARGIN))));
    // A message or an item may take several.
    lines
        .iter()
        .flat_map(|line| line.split('\n'))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use seamless_cli::{Palette, shown_width};

    use super::*;
    use crate::checks;
    use crate::verdict::CheckOutcome;

    #[test]
    fn more_findings_than_a_screen_has_lines_end_in_the_ids_of_the_rest() {
        let message = "something is wrong in more words than one line of a terminal has room for";
        let findings: Vec<CheckResult> = checks::all()
            .into_iter()
            .map(|check| CheckResult::given(check, CheckOutcome::fail(message)))
            .collect();
        let bad: Vec<&CheckResult> = findings.iter().collect();
        for width in [80, 40] {
            let look = TextStyle {
                palette: Palette::plain(),
                width: Some(width),
                height: None,
            };
            let lines = screen(&bad, look, LINES - BESIDES);
            let page = lines.join("\n");
            if width == 80 {
                assert!(lines.len() <= LINES - BESIDES, "{page}");
            }
            assert!(
                lines.iter().all(|line| shown_width(line) <= width),
                "{page}"
            );
            let rest = lines.iter().position(|line| line.starts_with("and "));
            let rest = lines[rest.unwrap()..].join(" ");
            let count: usize = rest.split([' ', ':']).nth(1).unwrap().parse().unwrap();
            let ids: Vec<&str> = rest.split_once(": ").unwrap().1.split(", ").collect();
            let shown = bad.len() - count;
            assert!(shown > 0 && count > 0, "{page}");
            let expected: Vec<String> = bad[shown..].iter().map(|bad| bad.check.id()).collect();
            assert_eq!(ids, expected, "{page}");
            for bad in &bad[..shown] {
                assert!(
                    page.contains(&format!("fail  {}", bad.check.id())),
                    "{page}"
                );
            }
        }
    }

    fn at(width: usize, findings: &[CheckResult], room: usize) -> Vec<String> {
        let look = TextStyle {
            palette: Palette::plain(),
            width: Some(width),
            height: None,
        };
        screen(&findings.iter().collect::<Vec<_>>(), look, room)
    }

    #[test]
    fn a_word_that_is_too_long_beside_the_id_stands_beneath_it() {
        // As long as there is room beside the id, and a semicolon.
        let word = format!("`{}`;", "x".repeat(80 - BESIDE - 2));
        let message = format!("the expression has {word} label severity is missing");
        let check = checks::all().remove(0);
        let finding = CheckResult::given(check, CheckOutcome::fail(message));
        let lines = at(80, &[finding], 20);
        assert!(
            lines.iter().all(|line| shown_width(line) <= 80),
            "{lines:#?}"
        );
        assert!(lines.iter().any(|line| line.contains(&word)), "{lines:#?}");
    }

    #[test]
    fn where_a_whole_message_has_no_room_the_command_has() {
        let long = "something is wrong ".repeat(30);
        let findings: Vec<CheckResult> = checks::all()
            .into_iter()
            .take(3)
            .map(|check| CheckResult::given(check, CheckOutcome::fail(&*long)))
            .collect();
        let commands = |room| {
            let lines = at(80, &findings, room);
            assert!(lines.len() <= room, "{lines:#?}");
            lines
                .iter()
                .filter(|line| line.contains("$ seamless-health-check"))
                .count()
        };
        assert_eq!((commands(3), commands(5), commands(6)), (0, 2, 3));
        assert!(at(80, &findings, 100).len() > 40);
    }
}
