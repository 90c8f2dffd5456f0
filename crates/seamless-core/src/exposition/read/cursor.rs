//! A place in a document, and the tokens that begin there.
//!
//! Owns the spelling of names, quoted texts and numbers, byte by byte as Prometheus's own lexers have it:
//! a zero byte ends what it stands in, but for prose, comments and label values.

use std::borrow::Cow;

use memchr::{memchr, memchr3};

use super::problem::{Found, Problem};
use crate::exposition::{is_label_name_byte, is_metric_name_byte};

/// A problem and the byte at which it shows.
pub(super) type At<T> = Result<T, (usize, Problem)>;

/// A place in a document, moving towards its end.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    pub(super) fn slice(&self, from: usize, to: usize) -> &'a [u8] {
        self.bytes.get(from..to).unwrap_or_default()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn fail<T>(&self, problem: impl FnOnce(Found) -> Problem) -> At<T> {
        Err((self.at, problem(Found::new(self.rest()))))
    }

    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, byte: u8, expected: &'static str) -> At<()> {
        if self.eat(byte) {
            return Ok(());
        }
        self.fail(|found| Problem::Expected { expected, found })
    }

    pub(super) fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// Passes zero bytes, where they are as if they were not there.
    pub(super) fn zeros(&mut self) {
        while self.peek() == Some(0) {
            self.at += 1;
        }
    }

    pub(super) fn word(&mut self, belongs: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = self.rest();
        let end = rest
            .iter()
            .position(|byte| !belongs(*byte))
            .unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    /// What is left of the line.
    pub(super) fn line(&mut self) -> &'a [u8] {
        let rest = self.rest();
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    pub(super) fn metric_name(&mut self) -> At<&'a str> {
        self.name(is_metric_name_byte, Problem::MetricName)
    }

    pub(super) fn label_name(&mut self) -> At<&'a str> {
        self.name(is_label_name_byte, Problem::LabelName)
    }

    fn name(
        &mut self,
        belongs: impl Fn(u8) -> bool,
        problem: impl FnOnce(Found) -> Problem,
    ) -> At<&'a str> {
        if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return self.fail(problem);
        }
        let start = self.at;
        match self.word(belongs) {
            [] => self.fail(problem),
            name => utf8(name, start),
        }
    }

    /// A text in quotes, as it stands between them.
    pub(super) fn quoted(&mut self, inside: Inside) -> At<&'a [u8]> {
        let opened = self.at;
        self.expect(b'"', "'\"'")?;
        let start = self.at;
        let open = |cursor: &Self| match cursor.peek() {
            Some(0) => (
                cursor.at,
                Problem::Expected {
                    expected: "a text without zero bytes",
                    found: Found::new(&[0]),
                },
            ),
            _ => (opened, Problem::OpenQuote),
        };
        loop {
            // A zero byte ends a name and nothing else; a name is short.
            let rest = self.rest();
            let Some(mut end) = memchr3(b'"', b'\\', b'\n', rest) else {
                self.at += rest.len();
                return Err((opened, Problem::OpenQuote));
            };
            if !inside.zeros
                && let Some(zero) = memchr(0, rest.get(..end).unwrap_or_default())
            {
                end = zero;
            }
            self.at += end;
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(self.slice(start, self.at - 1));
                }
                Some(b'\\') => {
                    self.at += 1;
                    if inside.zeros {
                        self.zeros();
                    }
                    match self.peek() {
                        Some(0 | b'\n') | None => return Err(open(self)),
                        Some(_) => self.at += 1,
                    }
                }
                Some(b'\n') if inside.lines => self.at += 1,
                _ => return Err(open(self)),
            }
        }
    }

    /// A number as Go spells it, up to the next blank.
    pub(super) fn number(&mut self, token: &[u8], start: usize) -> At<f64> {
        number(token).map_err(|out_of_range| {
            let found = Found::new(token);
            let problem = match out_of_range {
                true => Problem::Range(found),
                false => Problem::Value(found),
            };
            (start, problem)
        })
    }
}

/// What a quoted text may hold besides the rest.
#[derive(Clone, Copy)]
pub(super) struct Inside {
    /// Line feeds.
    pub(super) lines: bool,
    /// Zero bytes.
    pub(super) zeros: bool,
}

/// Text out of the document.
pub(super) fn utf8(bytes: &[u8], start: usize) -> At<&str> {
    std::str::from_utf8(bytes).map_err(|error| (start + error.valid_up_to(), Problem::NotUtf8))
}

/// Undoes escapes: `\\`, `\n` and, within quotes, `\"`. What escapes nothing stays, and the first such
/// character comes back with its place.
pub(super) fn unescape(text: &str, quotes: bool) -> (Cow<'_, str>, Option<(usize, char)>) {
    if memchr(b'\\', text.as_bytes()).is_none() {
        return (Cow::Borrowed(text), None);
    }
    let mut plain = String::with_capacity(text.len());
    let mut unknown = None;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.clone().next() {
            Some((_, '\\')) => plain.push('\\'),
            Some((_, 'n')) => plain.push('\n'),
            Some((_, '"')) if quotes => plain.push('"'),
            other => {
                plain.push('\\');
                unknown = unknown.or(Some((at, other.map_or('\n', |(_, escaped)| escaped))));
                continue;
            }
        }
        characters.next();
    }
    (Cow::Owned(plain), unknown)
}

/// A number as Go spells it; the error says whether it is one out of range. Rust reads the same
/// spellings, `+nan` besides, and makes infinity of what is too large.
pub(super) fn number(token: &[u8]) -> Result<f64, bool> {
    let token = std::str::from_utf8(token).map_err(|_| false)?;
    let value: f64 = token.parse().map_err(|_| false)?;
    if value.is_nan() && token.starts_with(['+', '-']) {
        return Err(false);
    }
    if value.is_infinite() && token.contains(|c: char| c.is_ascii_digit()) {
        return Err(true);
    }
    Ok(value)
}
