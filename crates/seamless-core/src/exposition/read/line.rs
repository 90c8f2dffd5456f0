//! The parts of one line: names, quoted values, numbers.
//!
//! Owns the syntax within a line. What a line means for the document is decided in `scan`.

use std::borrow::Cow;

use super::error::{Found, Problem};
use crate::exposition::{Format, is_label_name_byte, is_metric_name_byte};

/// One label as the document writes it, escapes undone.
pub type Label<'a> = (&'a str, Cow<'a, str>);

/// A problem and the byte at which it shows.
pub(super) type At<T> = Result<T, (usize, Problem)>;

/// A place in a line, moving towards its end.
pub(super) struct Cursor<'a> {
    line: &'a str,
    at: usize,
    format: Format,
}

impl<'a> Cursor<'a> {
    pub(super) const fn new(line: &'a str, format: Format) -> Self {
        Self {
            line,
            at: 0,
            format,
        }
    }

    pub(super) fn rest(&self) -> &'a str {
        self.line.get(self.at..).unwrap_or_default()
    }

    pub(super) const fn at(&self) -> usize {
        self.at
    }

    fn peek(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    fn fail<T>(&self, problem: impl FnOnce(Found) -> Problem) -> At<T> {
        Err((self.at, problem(Found::new(self.rest()))))
    }

    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        if found {
            self.at += 1;
        }
        found
    }

    pub(super) fn expect(&mut self, byte: u8, expected: &'static str) -> At<()> {
        if self.eat(byte) {
            Ok(())
        } else {
            self.fail(|found| Problem::Expected { expected, found })
        }
    }

    /// Skips blanks where the format allows them: nowhere but as separators in `OpenMetrics`.
    pub(super) fn blanks(&mut self) {
        if self.format == Format::Text {
            while matches!(self.peek(), Some(b' ' | b'\t')) {
                self.at += 1;
            }
        }
    }

    /// Passes what separates two tokens: one blank in `OpenMetrics`, one or more in the text format.
    pub(super) fn separator(&mut self) -> At<()> {
        let before = self.at;
        match self.format {
            Format::Text => self.blanks(),
            Format::OpenMetrics => {
                self.eat(b' ');
            }
        }
        if self.at == before {
            return self.fail(|found| Problem::Expected {
                expected: "a blank",
                found,
            });
        }
        Ok(())
    }

    fn word(&mut self, belongs: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest
            .bytes()
            .position(|byte| !belongs(byte))
            .unwrap_or(rest.len());
        self.at += end;
        rest.get(..end).unwrap_or_default()
    }

    /// The token up to the next blank.
    pub(super) fn token(&mut self) -> &'a str {
        self.word(|byte| !matches!(byte, b' ' | b'\t'))
    }

    pub(super) fn metric_name(&mut self) -> At<&'a str> {
        if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return self.fail(Problem::MetricName);
        }
        match self.word(is_metric_name_byte) {
            "" => self.fail(Problem::MetricName),
            name => Ok(name),
        }
    }

    fn label_name(&mut self) -> At<&'a str> {
        if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return self.fail(Problem::LabelName);
        }
        match self.word(is_label_name_byte) {
            "" => self.fail(Problem::LabelName),
            name => Ok(name),
        }
    }

    /// A set of labels with its braces, when one stands here.
    pub(super) fn labels(&mut self, labels: &mut Vec<Label<'a>>) -> At<()> {
        labels.clear();
        if !self.eat(b'{') {
            return Ok(());
        }
        loop {
            self.blanks();
            let trailing_comma_allowed = self.format == Format::Text || labels.is_empty();
            if trailing_comma_allowed && self.eat(b'}') {
                return Ok(());
            }
            let start = self.at;
            let name = self.label_name()?;
            if name == "__name__" {
                return Err((start, Problem::ReservedLabel(name.to_owned())));
            }
            if labels.iter().any(|(other, _)| *other == name) {
                return Err((start, Problem::DuplicateLabel(name.to_owned())));
            }
            self.blanks();
            self.expect(b'=', "'='")?;
            self.blanks();
            let value = self.quoted()?;
            labels.push((name, value));
            self.blanks();
            if !self.eat(b',') {
                return self.expect(b'}', "',' or '}'");
            }
        }
    }

    fn quoted(&mut self) -> At<Cow<'a, str>> {
        self.expect(b'"', "'\"'")?;
        let start = self.at;
        let plain = self.word(|byte| byte != b'"' && byte != b'\\');
        if self.eat(b'"') {
            return Ok(Cow::Borrowed(plain));
        }
        let mut value = plain.to_owned();
        loop {
            match self.peek() {
                None => return Err((start - 1, Problem::OpenQuote)),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(value));
                }
                Some(b'\\') => value.push(self.escape(true)?),
                Some(_) => value.push_str(self.word(|byte| byte != b'"' && byte != b'\\')),
            }
        }
    }

    /// A backslash and what it escapes.
    fn escape(&mut self, quotes: bool) -> At<char> {
        let start = self.at;
        self.at += 1;
        let escaped = self.rest().chars().next();
        let meant = match escaped {
            Some('\\') => '\\',
            Some('n') => '\n',
            Some('"') if quotes => '"',
            Some(other) => return Err((start, Problem::Escape(other))),
            None if quotes => return Err((start, Problem::OpenQuote)),
            None => return Err((start, Problem::Escape('\n'))),
        };
        self.at += 1;
        Ok(meant)
    }

    /// The prose that ends a `# HELP` line.
    pub(super) fn prose(&mut self) -> At<Cow<'a, str>> {
        let plain = self.word(|byte| byte != b'\\');
        if self.peek().is_none() {
            return Ok(Cow::Borrowed(plain));
        }
        let mut text = plain.to_owned();
        while self.peek().is_some() {
            text.push(self.escape(self.format == Format::OpenMetrics)?);
            text.push_str(self.word(|byte| byte != b'\\'));
        }
        Ok(Cow::Owned(text))
    }

    pub(super) fn value(&mut self) -> At<f64> {
        let start = self.at;
        let token = self.token();
        number(token).ok_or_else(|| (start, Problem::Value(Found::new(token))))
    }

    /// A timestamp, in milliseconds since 1970: written so in the text format, as seconds in
    /// `OpenMetrics`.
    pub(super) fn timestamp(&mut self) -> At<i64> {
        let start = self.at;
        let token = self.token();
        let (unit, read) = match self.format {
            Format::Text => ("whole milliseconds", token.parse().ok()),
            Format::OpenMetrics => ("seconds", number(token).and_then(whole_milliseconds)),
        };
        read.ok_or_else(|| {
            let found = Found::new(token);
            (start, Problem::Timestamp { unit, found })
        })
    }

    pub(super) fn end(&mut self) -> At<()> {
        self.blanks();
        if self.rest().is_empty() {
            Ok(())
        } else {
            self.fail(Problem::Trailing)
        }
    }
}

fn whole_milliseconds(seconds: f64) -> Option<i64> {
    let milliseconds = (seconds * 1000.0).round();
    // Beyond 2^53 a float no longer tells milliseconds apart.
    (milliseconds.abs() < 9_007_199_254_740_992.0).then_some(milliseconds as i64)
}

/// A number as Go spells it. Rust reads the same spellings, and `-nan` besides.
fn number(token: &str) -> Option<f64> {
    let value: f64 = token.parse().ok()?;
    let signed_nan = value.is_nan() && token.starts_with(['+', '-']);
    (!signed_nan).then_some(value)
}
