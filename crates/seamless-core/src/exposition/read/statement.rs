//! One statement after the other, exactly as far as Prometheus reads them.
//!
//! Owns the syntax of both formats: what is refused here, Prometheus refuses with the whole document.
//! Nearly everything that Prometheus 2 reads, Prometheus 3 reads too. So a document is read as 3 does, and
//! what one of the two would have refused is noted. What statements mean together is decided in `scan`. Sources:
//! `model/textparse/promlex.l` and `openmetricslex.l` of Prometheus 2.42 and 3.16.

use std::borrow::Cow;

use memchr::memchr;

use super::cursor::{At, Cursor, Inside, unescape, utf8};
use super::labels::{Label, check_series};
use super::problem::{Found, Problem};
use crate::exposition::{Format, MetricType};

/// What a document states at one place.
pub(super) enum Statement<'a> {
    /// Nothing more.
    End,
    /// Nothing: a comment.
    Comment,
    /// `# HELP`.
    Help(Cow<'a, str>, Cow<'a, str>),
    /// `# TYPE`.
    Type(Cow<'a, str>, MetricType),
    /// `# UNIT`.
    Unit(Cow<'a, str>, Cow<'a, str>),
    /// A sample, with its labels in [`Statements::labels`].
    Sample(RawSample<'a>),
}

/// A sample as it stands in the document.
pub(super) struct RawSample<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) value: f64,
    /// In milliseconds since 1970.
    pub(super) timestamp: Option<i64>,
    pub(super) exemplar: Option<RawExemplar>,
}

/// An exemplar, with its labels in [`Statements::exemplar`].
pub(super) struct RawExemplar {
    pub(super) at: usize,
    pub(super) value: f64,
    pub(super) timestamp: Option<i64>,
}

/// Reads statement after statement.
pub(super) struct Statements<'a> {
    cursor: Cursor<'a>,
    format: Format,
    /// Where the statement just read begins: after blank lines and blanks.
    pub(super) start: usize,
    pub(super) labels: Vec<Label<'a>>,
    pub(super) exemplar: Vec<Label<'a>>,
    /// What Prometheus 2 refuses in the statement just read, first of all.
    pub(super) refused_by_2: Option<(usize, Problem)>,
    /// What Prometheus 3 alone refuses in it.
    pub(super) refused_by_3: Option<(usize, Problem)>,
    /// What is wrong with the statement just read, although Prometheus reads it.
    pub(super) notes: Vec<(usize, Problem)>,
}

impl<'a> Statements<'a> {
    pub(super) const fn new(document: &'a [u8], format: Format) -> Self {
        Self {
            cursor: Cursor::new(document),
            format,
            start: 0,
            labels: Vec::new(),
            exemplar: Vec::new(),
            refused_by_2: None,
            refused_by_3: None,
            notes: Vec::new(),
        }
    }

    fn open(&self) -> bool {
        self.format == Format::OpenMetrics
    }

    fn refused_by_2(&mut self, at: usize, problem: Problem) {
        self.refused_by_2.get_or_insert((at, problem));
    }

    fn note(&mut self, at: usize, problem: Problem) {
        self.notes.push((at, problem));
    }

    /// The next statement.
    ///
    /// # Errors
    /// What every Prometheus refuses the document for.
    pub(super) fn next(&mut self) -> At<Statement<'a>> {
        loop {
            let begin = self.cursor.at;
            if !self.open() {
                self.cursor.blanks();
            }
            self.start = self.cursor.at;
            match self.cursor.peek() {
                None if self.open() => return Err((self.start, Problem::NoEof)),
                None => return Ok(Statement::End),
                Some(b'\n') if self.open() => {
                    return Err((self.start, Problem::NotInOpenMetrics("blank lines")));
                }
                Some(b'\n') => self.cursor.at += 1,
                Some(0) if !self.open() => return Ok(self.rest_ignored()),
                Some(b'#') if self.open() => return self.open_comment(),
                Some(b'#') => return self.text_comment(),
                Some(_) => return self.sample(begin),
            }
        }
    }

    fn rest_ignored(&mut self) -> Statement<'a> {
        self.note(self.cursor.at, Problem::RestIgnored);
        Statement::End
    }

    fn text_comment(&mut self) -> At<Statement<'a>> {
        self.cursor.at += 1;
        if !matches!(self.cursor.peek(), Some(b' ' | b'\t')) {
            let from = self.cursor.at;
            let line = self.cursor.line();
            if let Some(zero) = memchr(0, line) {
                self.cursor.at = from + zero;
                return Ok(self.rest_ignored());
            }
            return Ok(self.comment(from, line));
        }
        self.cursor.blanks();
        let from = self.cursor.at;
        if self.cursor.peek() == Some(0) {
            return Ok(self.rest_ignored());
        }
        let what = ["HELP", "TYPE"]
            .into_iter()
            .find(|word| self.keyword(word, b" \t"));
        if let Some(what) = what {
            return self.metadata(what);
        }
        let line = self.cursor.line();
        Ok(self.comment(from, line))
    }

    fn comment(&mut self, from: usize, line: &[u8]) -> Statement<'a> {
        if let Err((at, problem)) = utf8(line, from) {
            self.note(at, problem);
        }
        Statement::Comment
    }

    /// Passes `word` and a blank after it, where both stand here. Zero bytes between them are nothing.
    fn keyword(&mut self, word: &str, blanks: &[u8]) -> bool {
        let begin = self.cursor.at;
        for byte in word.bytes() {
            if !self.cursor.eat(byte) {
                self.cursor.at = begin;
                return false;
            }
            self.cursor.zeros();
        }
        let one = |cursor: &mut Cursor<'_>| {
            let found = cursor.peek().is_some_and(|byte| blanks.contains(&byte));
            if found {
                cursor.at += 1;
                cursor.zeros();
            }
            found
        };
        if !one(&mut self.cursor) {
            self.cursor.at = begin;
            return false;
        }
        if !self.open() {
            while one(&mut self.cursor) {}
        }
        true
    }

    fn open_comment(&mut self) -> At<Statement<'a>> {
        self.cursor.at += 1;
        self.cursor.expect(b' ', "a blank")?;
        let from = self.cursor.at;
        for what in ["HELP", "TYPE", "UNIT"] {
            if self.keyword(what, b" ") {
                return self.metadata(what);
            }
        }
        for byte in *b"EOF" {
            if !self.cursor.eat(byte) {
                let what = "comments other than HELP, TYPE, UNIT and EOF";
                return Err((from, Problem::NotInOpenMetrics(what)));
            }
            self.cursor.zeros();
        }
        self.cursor.eat(b'\n');
        self.cursor.zeros();
        if self.cursor.rest().is_empty() {
            return Ok(Statement::End);
        }
        Err((self.cursor.at, Problem::AfterEof))
    }

    /// What follows `# HELP`, `# TYPE` or `# UNIT`.
    fn metadata(&mut self, what: &str) -> At<Statement<'a>> {
        let at = self.cursor.at;
        self.start = at;
        let family = if self.cursor.peek() == Some(b'"') {
            let inside = Inside {
                lines: true,
                zeros: false,
            };
            let name = self.cursor.quoted(inside)?;
            self.refused_by_2(at, Problem::Quoted);
            match std::str::from_utf8(name) {
                Ok(name) => unescape(name, true).0,
                Err(_) => String::from_utf8_lossy(name),
            }
        } else {
            Cow::Borrowed(self.cursor.metric_name()?)
        };
        let separator = self.cursor.at;
        if self.open() {
            self.cursor.expect(b' ', "a blank")?;
            let from = self.cursor.at;
            self.cursor.line();
            if !self.cursor.eat(b'\n') {
                return Err((self.cursor.at, Problem::NoEof));
            }
            // Zero bytes that follow belong to the line; its last byte alone is left off, whichever it is.
            self.cursor.zeros();
            let text = self.cursor.slice(from, self.cursor.at - 1);
            return self.said(what, family, from, text);
        }
        if self.cursor.peek() == Some(0) {
            return self.cursor.fail(|found| Problem::Expected {
                expected: "a blank",
                found,
            });
        }
        let line = self.cursor.line();
        self.cursor.eat(b'\n');
        // One byte separates, whichever it is; after blanks only, there is nothing.
        let text = match line {
            [_, text @ ..] if line.iter().any(|byte| !matches!(byte, b' ' | b'\t')) => text,
            _ => &[],
        };
        if !matches!(line.first(), None | Some(b' ' | b'\t')) {
            self.note(separator, Problem::NoBlank(family.clone().into_owned()));
        }
        self.said(what, family, separator + 1, text)
    }

    fn said(
        &mut self,
        what: &str,
        family: Cow<'a, str>,
        at: usize,
        text: &'a [u8],
    ) -> At<Statement<'a>> {
        match what {
            "TYPE" => {
                let word = String::from_utf8_lossy(text);
                match MetricType::from_word(&word, self.format) {
                    Some(kind) => Ok(Statement::Type(family, kind)),
                    None => Err((at, Problem::Type(word.into_owned()))),
                }
            }
            "UNIT" => {
                let unit = String::from_utf8_lossy(text);
                let named = family
                    .strip_suffix(&*unit)
                    .is_some_and(|base| base.ends_with('_'));
                if !unit.is_empty() && !named {
                    let (family, unit) = (family.into_owned(), unit.into_owned());
                    return Err((at, Problem::Unit { family, unit }));
                }
                Ok(Statement::Unit(family, unit))
            }
            _ => {
                let prose = utf8(text, at)?;
                let prose = match self.format {
                    Format::Text => prose.trim_start_matches([' ', '\t']),
                    Format::OpenMetrics => prose,
                };
                let at = at + text.len() - prose.len();
                let (prose, unknown) = unescape(prose, self.open());
                if let Some((within, escaped)) = unknown {
                    self.note(at + within, Problem::Escape(escaped));
                }
                Ok(Statement::Help(family, prose))
            }
        }
    }

    /// A sample. `begin` is where its line begins, or the text after blank lines.
    fn sample(&mut self, begin: usize) -> At<Statement<'a>> {
        let start = self.cursor.at;
        let mut labels = std::mem::take(&mut self.labels);
        labels.clear();
        let mut name = None;
        if self.cursor.peek() == Some(b'{') {
            self.refused_by_2(start, Problem::Quoted);
        } else {
            let plain = self.cursor.metric_name()?;
            name = Some(Cow::Borrowed(plain));
            if begin < start {
                self.refused_by_2(start, Problem::LeadingBlank);
                self.note(start, Problem::LeadingBlank);
                name = Some(Cow::Borrowed(utf8(
                    self.cursor.slice(begin, self.cursor.at),
                    begin,
                )?));
            }
        }
        let name_end = self.cursor.at;
        if !self.open() {
            self.cursor.blanks();
        }
        if self.cursor.eat(b'{') {
            self.label_set(&mut labels, Some(&mut name))?;
        }
        let Some(name) = name else {
            return Err((start, Problem::NoName));
        };
        let plain_name = self.cursor.slice(start, name_end);
        let value = self.value(labels.is_empty() && self.cursor.at == name_end)?;
        let (timestamp, exemplar) = match self.format {
            Format::Text => (self.text_timestamp()?, None),
            Format::OpenMetrics => self.open_rest(plain_name)?,
        };
        let refused_by_3 = check_series(&name, &labels, start, &mut self.notes)?;
        self.refused_by_3 = refused_by_3.map(|problem| (start, problem));
        self.labels = labels;
        Ok(Statement::Sample(RawSample {
            name,
            value,
            timestamp,
            exemplar,
        }))
    }

    /// A sample's value. `bare`: right behind the name.
    fn value(&mut self, bare: bool) -> At<f64> {
        if self.open() {
            if bare && self.cursor.peek().is_none_or(|byte| byte != b' ') {
                return self.cursor.fail(|found| Problem::Expected {
                    expected: "a blank",
                    found,
                });
            }
            self.cursor.expect(b' ', "a blank")?;
        } else {
            self.cursor.blanks();
        }
        let start = self.cursor.at;
        let token = match self.format {
            Format::Text => self
                .cursor
                .word(|byte| !matches!(byte, b'{' | b' ' | b'\t' | b'\n' | 0)),
            Format::OpenMetrics => self.open_token(),
        };
        if token.is_empty() {
            return self.cursor.fail(Problem::Value);
        }
        self.cursor.number(token, start)
    }

    fn open_token(&mut self) -> &'a [u8] {
        self.cursor.word(|byte| !matches!(byte, b' ' | b'\n' | 0))
    }

    /// The timestamp that may follow in the text format, and the end of the line.
    fn text_timestamp(&mut self) -> At<Option<i64>> {
        self.cursor.blanks();
        let mut timestamp = None;
        if !matches!(self.cursor.peek(), None | Some(b'\n')) {
            let start = self.cursor.at;
            let rest = self.cursor.rest();
            let digits = self.cursor.word(|byte| byte.is_ascii_digit());
            if digits.is_empty() {
                let unit = "whole milliseconds since 1970";
                let found = Found::new(rest);
                return Err((start, Problem::Timestamp { unit, found }));
            }
            let read = std::str::from_utf8(digits)
                .ok()
                .and_then(|d| d.parse().ok());
            let out_of_range = || (start, Problem::Range(Found::new(digits)));
            timestamp = Some(read.ok_or_else(out_of_range)?);
            self.cursor.blanks();
        }
        match self.cursor.peek() {
            None => self.note(self.cursor.at, Problem::CutOff),
            Some(b'\n') => self.cursor.at += 1,
            Some(_) => return self.cursor.fail(Problem::Trailing),
        }
        Ok(timestamp)
    }

    /// The timestamp and exemplar that may follow in `OpenMetrics`, and the end of the line.
    fn open_rest(&mut self, name: &[u8]) -> At<(Option<i64>, Option<RawExemplar>)> {
        let mut timestamp = None;
        if self.cursor.peek() == Some(b' ') && !self.cursor.rest().starts_with(b" # {") {
            timestamp = Some(self.open_timestamp()?);
        }
        let mut exemplar = None;
        if self.cursor.rest().starts_with(b" # {") {
            let at = self.cursor.at + 1;
            if !name.ends_with(b"_total") && !name.ends_with(b"_bucket") {
                let name = String::from_utf8_lossy(name).into_owned();
                self.refused_by_2(at, Problem::ExemplarHere(name));
            }
            self.cursor.at += 4;
            exemplar = Some(self.read_exemplar(at)?);
        }
        match self.cursor.peek() {
            Some(b'\n') => self.cursor.at += 1,
            None => return Err((self.cursor.at, Problem::NoEof)),
            Some(_) => return self.cursor.fail(Problem::Trailing),
        }
        Ok((timestamp, exemplar))
    }

    fn read_exemplar(&mut self, at: usize) -> At<RawExemplar> {
        let mut labels = std::mem::take(&mut self.exemplar);
        labels.clear();
        self.label_set(&mut labels, None)?;
        self.exemplar = labels;
        self.cursor.expect(b' ', "a blank")?;
        let start = self.cursor.at;
        let token = self.open_token();
        let value = self.cursor.number(token, start)?;
        let timestamp = match self.cursor.peek() {
            Some(b' ') => Some(self.open_timestamp()?),
            _ => None,
        };
        Ok(RawExemplar {
            at,
            value,
            timestamp,
        })
    }

    /// A blank and seconds since 1970, in milliseconds, cut off as Prometheus does.
    fn open_timestamp(&mut self) -> At<i64> {
        self.cursor.at += 1;
        let start = self.cursor.at;
        let token = self.open_token();
        let read = self.cursor.number(token, start);
        match read {
            Ok(seconds) if seconds.is_finite() => Ok((seconds * 1000.0) as i64),
            Err((_, Problem::Range(found))) => Err((start, Problem::Range(found))),
            _ => {
                let (unit, found) = ("seconds since 1970", Found::new(token));
                Err((start, Problem::Timestamp { unit, found }))
            }
        }
    }

    /// Labels and the brace that closes them. A series may have its `name` among them, in quotes.
    fn label_set(
        &mut self,
        labels: &mut Vec<Label<'a>>,
        mut name: Option<&mut Option<Cow<'a, str>>>,
    ) -> At<()> {
        let open = self.open();
        loop {
            self.label_blanks();
            if self.cursor.eat(b'}') {
                return Ok(());
            }
            let at = self.cursor.at;
            let quoted = self.cursor.peek() == Some(b'"');
            let label = if quoted {
                self.refused_by_2(at, Problem::Quoted);
                self.quoted_name(name.is_some())?
            } else {
                Cow::Borrowed(self.cursor.label_name()?)
            };
            self.label_blanks();
            let follows = self.cursor.peek();
            if quoted && matches!(follows, Some(b',' | b'}')) {
                match &mut name {
                    Some(name) if name.is_none() => **name = Some(label),
                    Some(_) => return Err((at, Problem::SecondName)),
                    None => return self.cursor.fail(Problem::LabelName),
                }
            } else {
                self.cursor.expect(b'=', "'='")?;
                let value = self.label_value(name.is_some())?;
                labels.push((label, value));
                self.label_blanks();
            }
            match self.cursor.peek() {
                Some(b',') => {
                    self.cursor.at += 1;
                    if open && self.cursor.peek() == Some(b'}') {
                        let at = self.cursor.at - 1;
                        self.refused_by_2(at, Problem::TrailingComma);
                        self.note(at, Problem::TrailingComma);
                    }
                }
                Some(b'}') => {}
                Some(b'"' | b'_' | b'a'..=b'z' | b'A'..=b'Z') if !open => {
                    self.note(self.cursor.at, Problem::NoComma);
                }
                _ => {
                    return self.cursor.fail(|found| Problem::Expected {
                        expected: "',' or '}'",
                        found,
                    });
                }
            }
        }
    }

    fn label_blanks(&mut self) {
        if !self.open() {
            self.cursor.blanks();
        }
    }

    fn quoted_name(&mut self, series: bool) -> At<Cow<'a, str>> {
        let at = self.cursor.at + 1;
        let inside = Inside {
            lines: series,
            zeros: false,
        };
        let raw = utf8(self.cursor.quoted(inside)?, at)?;
        let (name, unknown) = unescape(raw, true);
        if let Some((within, escaped)) = unknown {
            self.note(at + within, Problem::Escape(escaped));
        }
        Ok(name)
    }

    fn label_value(&mut self, series: bool) -> At<Cow<'a, str>> {
        let open = self.open();
        if !open && matches!(self.cursor.peek(), Some(b' ' | b'\t')) {
            while matches!(self.cursor.peek(), Some(b' ' | b'\t' | 0)) {
                self.cursor.at += 1;
            }
        }
        let at = self.cursor.at + 1;
        let inside = Inside {
            lines: !open,
            zeros: series,
        };
        let raw = utf8(self.cursor.quoted(inside)?, at)?;
        if series {
            self.cursor.zeros();
        }
        if !open && let Some(feed) = memchr(b'\n', raw.as_bytes()) {
            self.note(at + feed, Problem::RawLineFeed);
        }
        let (value, unknown) = unescape(raw, true);
        if let Some((within, escaped)) = unknown {
            self.note(at + within, Problem::Escape(escaped));
        }
        Ok(value)
    }
}
