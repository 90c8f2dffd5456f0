//! Tables for people, and making foreign text safe to print.

use std::borrow::Cow;

use tabled::builder::Builder;
use tabled::settings::object::Rows;
use tabled::settings::{Modify, Padding, Style, Width, peaker::PriorityMax, style::HorizontalLine};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Replaces control characters (escape sequences among them), so that text from a server cannot steer
/// the terminal.
#[must_use]
pub fn clean(text: &str) -> String {
    let is_bad = |c: char| c.is_control() || is_bidi_control(c);
    text.replace(is_bad, "\u{fffd}")
}

const fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Cuts a text to `width` columns, with an ellipsis if anything was cut.
#[must_use]
pub fn truncated(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let columns = c.width().unwrap_or(0);
        if used + columns + 1 > width {
            break;
        }
        used += columns;
        out.push(c);
    }
    out.push('…');
    out
}

/// The columns that a text takes on a terminal, colours left out.
#[must_use]
pub fn shown_width(text: &str) -> usize {
    console::measure_text_width(text)
}

/// Breaks a text at blanks so that it fits beside an indentation. A word is never broken: commands and
/// selectors are copied.
#[must_use]
pub fn wrapped(text: &str, width: Option<usize>, indent: usize) -> Vec<String> {
    let Some(width) = width else {
        return vec![text.to_owned()];
    };
    let room = textwrap::Options::new(width.saturating_sub(indent).max(24))
        .break_words(false)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit);
    let lines = textwrap::wrap(text, room).into_iter();
    lines.map(Cow::into_owned).collect()
}

/// A share (0 to 1) as a bar of `width` columns and a percentage.
#[must_use]
pub fn ratio_bar(ratio: f64, width: usize) -> String {
    let full = (ratio.clamp(0.0, 1.0) * width as f64).round() as usize;
    format!(
        "{}{} {:>3.0}%",
        "█".repeat(full),
        "░".repeat(width - full),
        ratio * 100.0
    )
}

/// A table with a header line. With `width` it is made to fit: the widest columns wrap first.
#[must_use]
pub fn table<R>(header: &[&str], rows: R, width: Option<usize>) -> String
where
    R: IntoIterator,
    R::Item: IntoIterator<Item = String>,
{
    let mut builder = Builder::default();
    builder.push_record(header.iter().copied());
    for row in rows {
        builder.push_record(row);
    }
    let mut table = builder.build();
    table.with(Style::empty().horizontals([(1, HorizontalLine::new('─'))]));
    table.with(Padding::new(0, 2, 0, 0));
    table.with(Modify::new(Rows::first()).with(Padding::new(0, 2, 0, 0)));
    if let Some(width) = width {
        table.with(
            Width::wrap(width)
                .priority(PriorityMax::left())
                .keep_words(true),
        );
    }
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_steer_the_terminal() {
        assert_eq!(
            clean("a\u{1b}[2Jb\nc\u{202e}d"),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d"
        );
    }

    #[test]
    fn texts_are_cut_by_columns() {
        assert_eq!(truncated("노드노드", 5), "노드…");
        assert_eq!(truncated("abc", 3), "abc");
    }

    #[test]
    fn a_table_fits_its_width() {
        let rows = [["nodeA".to_owned(), "x".repeat(60)]];
        let text = table(&["node", "key"], rows.clone(), Some(40));
        assert!(text.lines().all(|line| line.width() <= 40), "{text}");
        assert!(table(&["node", "key"], rows, None).contains(&"x".repeat(60)));
    }

    #[test]
    fn a_ratio_shows_as_bar_and_number() {
        assert_eq!(ratio_bar(0.25, 4), "█░░░  25%");
        assert_eq!(ratio_bar(7.0, 4), "████ 700%");
    }
}
