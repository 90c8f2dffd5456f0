//! Leases where the terminal is too narrow for a table: a line to decide from, the key in full below it.

use seamless_cli::{Palette, clean, ratio_bar};
use seamless_core::coordinator::LeaseRecord;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::table::{self, KEY_TITLES};
use crate::select::Stuckness;

const INDENT: &str = "  ";
const GAP: &str = "  ";
const TITLES: [&str; 4] = ["STATE", "DONE", "AGE", "EXPIRES"];

/// The leases in lines of at most `width` columns, at `now_ms`.
pub(super) fn leases(
    leases: &[(LeaseRecord, Stuckness)],
    now_ms: i64,
    width: usize,
    palette: Palette,
) -> String {
    let heads: Vec<[String; 4]> = leases
        .iter()
        .map(|(record, stuckness)| {
            [
                table::state(*stuckness).to_owned(),
                table::done(record, |ratio| ratio_bar(ratio, 4)),
                table::age(record, now_ms),
                table::expires(record, now_ms),
            ]
        })
        .collect();
    let layout = Layout {
        width,
        columns: std::array::from_fn(|column| {
            let cells = heads.iter().map(|head| head[column].width());
            cells.fold(TITLES[column].width(), usize::max)
        }),
    };
    let mut lines = Vec::new();
    let titles = TITLES.map(str::to_owned);
    let key_titles = KEY_TITLES.map(str::to_owned).to_vec();
    layout.block(&mut lines, &titles, "WORKER", key_titles, str::to_owned);
    lines.push("─".repeat(width));
    for ((record, stuckness), head) in leases.iter().zip(&heads) {
        let key = match record.key.canonical() {
            None => vec![clean(record.key.as_str())],
            Some(parts) => {
                let mut parts = table::columns(parts).to_vec();
                parts.retain(|part| part != "-");
                parts
            }
        };
        let worker = table::worker(record);
        let paint = |cell: &str| table::painted(*stuckness, palette, cell);
        layout.block(&mut lines, head, &worker, key, paint);
    }
    lines.join("\n")
}

struct Layout {
    width: usize,
    columns: [usize; 4],
}

impl Layout {
    /// Appends one lease. The worker stands in the first line where it fits.
    fn block(
        &self,
        lines: &mut Vec<String>,
        head: &[String; 4],
        worker: &str,
        key: Vec<String>,
        paint: impl Fn(&str) -> String,
    ) {
        let mut cells: Vec<String> = head.iter().zip(self.columns).map(padded).collect();
        cells[0] = paint(&cells[0]);
        let used = self.columns.iter().sum::<usize>() + self.columns.len() * GAP.len();
        let mut below = key;
        if used + worker.width() <= self.width {
            cells.push(worker.to_owned());
        } else {
            below.push(worker.to_owned());
        }
        lines.push(cells.join(GAP).trim_end().to_owned());
        self.fill(lines, &below);
    }

    /// Appends parts, as many to a line as fit. A part that is longer than a line is broken.
    fn fill(&self, lines: &mut Vec<String>, parts: &[String]) {
        let room = self.width.saturating_sub(INDENT.len());
        let mut line = String::new();
        for piece in parts.iter().flat_map(|part| pieces(part, room)) {
            if !line.is_empty() && line.width() + GAP.len() + piece.width() > room {
                lines.push(format!("{INDENT}{line}"));
                line.clear();
            }
            if !line.is_empty() {
                line.push_str(GAP);
            }
            line.push_str(piece);
        }
        lines.push(format!("{INDENT}{line}"));
    }
}

fn padded((cell, width): (&String, usize)) -> String {
    let missing = width.saturating_sub(cell.width());
    format!("{cell}{}", " ".repeat(missing))
}

/// A text in pieces of at most `room` columns.
fn pieces(text: &str, room: usize) -> Vec<&str> {
    let (mut out, mut start, mut used) = (Vec::new(), 0, 0);
    for (at, c) in text.char_indices() {
        let columns = c.width().unwrap_or(0);
        if used + columns > room && at > start {
            out.push(&text[start..at]);
            (start, used) = (at, 0);
        }
        used += columns;
    }
    out.push(&text[start..]);
    out
}
