//! Lines of a file of any size. Owns the bound on a line's length and the numbers of those that cannot
//! be read.

use std::collections::{HashSet, VecDeque};
use std::io::{self, BufRead};

use seamless_core::bounds;

/// The longest line that is read: an OTLP batch takes some hundred kilobytes.
const LONGEST: usize = 16 << 20;
/// How many broken lines are named.
const NAMED: usize = 5;
/// How many leases are remembered: the newest, which a log and traces most likely share.
const LEASES: usize = 10_000;

/// A line of a file.
pub(super) struct Line<'l> {
    /// Counted from 1.
    pub(super) number: u64,
    /// Without the end of the line; empty if it was too long.
    pub(super) text: &'l [u8],
    pub(super) too_long: bool,
    /// The file ends in it, without an end of the line: it may still be being written.
    pub(super) torn: bool,
}

/// Hands on every line that is not blank, and counts all.
pub(super) fn each(reader: &mut dyn BufRead, mut take: impl FnMut(Line)) -> io::Result<u64> {
    let mut buffer = Vec::new();
    let mut number = 0;
    loop {
        if !bounds::read_line(reader, LONGEST, &mut buffer)? {
            return Ok(number);
        }
        number += 1;
        let ended = buffer.last() == Some(&b'\n');
        let too_long = !ended && buffer.len() == LONGEST;
        if too_long {
            reader.skip_until(b'\n')?;
            buffer.clear();
        }
        let text = buffer.trim_ascii();
        if !text.is_empty() || too_long {
            take(Line {
                number,
                text,
                too_long,
                torn: !ended && !too_long,
            });
        }
    }
}

/// Lines that cannot be read: how many, and where the first are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) count: u64,
    first: Vec<String>,
}

impl Broken {
    pub(super) fn add(&mut self, line: u64, why: &str) {
        self.count += 1;
        if self.first.len() < NAMED {
            self.first.push(format!("line {line} ({why})"));
        }
    }

    /// `line 3 (not JSON: …), line 7 (…) and 12 more`.
    pub(crate) fn named(&self) -> String {
        let named = self.first.join(", ");
        match self.count - self.first.len() as u64 {
            0 => named,
            more => format!("{named} and {more} more"),
        }
    }
}

/// The leases seen last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Leases {
    order: VecDeque<String>,
    known: HashSet<String>,
}

impl Leases {
    pub(super) fn add(&mut self, key: &str) {
        if self.known.contains(key) {
            return;
        }
        if self.order.len() == LEASES
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        self.order.push_back(key.to_owned());
        self.known.insert(key.to_owned());
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Those that `other` has too, oldest first.
    pub(crate) fn shared<'l>(&'l self, other: &'l Self) -> impl Iterator<Item = &'l str> {
        let both = self.order.iter().filter(|key| other.known.contains(*key));
        both.map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_one_that_never_ends_costs_no_memory() {
        let mut text = b"a\n\n  \nb\n".to_vec();
        text.extend(std::iter::repeat_n(b'x', LONGEST + 5));
        text.extend(b"\nlast");
        let mut seen = Vec::new();
        let lines = each(&mut text.as_slice(), |line| {
            let text = String::from_utf8_lossy(line.text).into_owned();
            seen.push((line.number, text, line.too_long, line.torn));
        });
        assert_eq!(lines.unwrap(), 6);
        let expected = [
            (1, "a", false, false),
            (4, "b", false, false),
            (5, "", true, false),
            (6, "last", false, true),
        ];
        let expected = expected
            .map(|(number, text, too_long, torn)| (number, text.to_owned(), too_long, torn));
        assert_eq!(seen, expected);
    }

    #[test]
    fn of_many_leases_the_newest_are_kept() {
        let mut many = Leases::default();
        for number in 0..LEASES + 2 {
            many.add(&number.to_string());
            many.add(&number.to_string());
        }
        assert_eq!(many.len(), LEASES);
        let mut few = Leases::default();
        few.add("1");
        few.add("2");
        assert_eq!(many.shared(&few).collect::<Vec<_>>(), ["2"]);
    }

    #[test]
    fn broken_lines_are_named_and_counted() {
        let mut broken = Broken::default();
        for line in 1..=7 {
            broken.add(line, "not JSON");
        }
        assert!(broken.named().ends_with("line 5 (not JSON) and 2 more"));
    }
}
