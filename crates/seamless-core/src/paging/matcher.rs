//! Matchers of labels, in both syntaxes of Alertmanager.
//!
//! A text is read as Alertmanager's default mode does: by the classic syntax where that reads it, else by
//! the UTF-8 one (quoted names, Go's string escapes), which 0.27 brought.

use std::fmt;

use regex::Regex;
use thiserror::Error;

use super::{LabelSet, regex as go_regex};

/// A matcher that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot read the matcher {text:?}: {reason}")]
pub struct MatcherError {
    /// The matcher, or the list that it stands in.
    pub text: String,
    /// Why.
    pub reason: String,
}

/// How a matcher compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, of the whole value
    Regex,
    /// `!~`
    NotRegex,
}

impl MatchOp {
    const ALL: [(&'static str, Self); 4] = [
        ("=~", Self::Regex),
        ("!~", Self::NotRegex),
        ("!=", Self::NotEqual),
        ("=", Self::Equal),
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// A condition on one label.
#[derive(Debug, Clone)]
pub struct Matcher {
    /// The label's name.
    pub name: String,
    /// How it is compared.
    pub op: MatchOp,
    /// With what.
    pub value: String,
    regex: Option<Regex>,
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl Matcher {
    /// A matcher from its parts.
    ///
    /// # Errors
    /// [`MatcherError`] when `value` is to be a regular expression and is none.
    pub fn new(name: &str, op: MatchOp, value: &str) -> Result<Self, MatcherError> {
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => {
                let compiled = go_regex::whole(value, false);
                Some(compiled.map_err(|error| MatcherError {
                    text: format!("{name}{}\"{value}\"", op.word()),
                    reason: error.to_string(),
                })?)
            }
        };
        Ok(Self {
            name: name.to_owned(),
            op,
            value: value.to_owned(),
            regex,
        })
    }

    /// Reads a list of matchers: `severity="critical", team=~"a|b"`, with or without braces.
    ///
    /// # Errors
    /// [`MatcherError`] for a list that neither syntax reads.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, MatcherError> {
        let failed = |reason: String| MatcherError {
            text: text.to_owned(),
            reason,
        };
        match classic(text) {
            Ok(parts) => parts,
            Err(reason) => utf8(text).map_err(|_| failed(reason.to_owned()))?,
        }
        .into_iter()
        .map(|(name, op, value)| Self::new(&name, op, &value))
        .collect()
    }

    /// Whether a label with this value matches.
    #[must_use]
    pub fn is_match(&self, value: &str) -> bool {
        let found = self.regex.as_ref().map(|regex| regex.is_match(value));
        match self.op {
            MatchOp::Equal => value == self.value,
            MatchOp::NotEqual => value != self.value,
            MatchOp::Regex => found.unwrap_or_default(),
            MatchOp::NotRegex => !found.unwrap_or_default(),
        }
    }

    /// Whether the alert matches.
    #[must_use]
    pub fn matches(&self, labels: &LabelSet) -> bool {
        self.is_match(labels.get(&self.name).map_or("", String::as_str))
    }

    /// Values of the label that this matcher tells from others: what it names, or examples of it.
    pub(super) fn values(&self) -> Vec<String> {
        match self.op {
            MatchOp::Equal | MatchOp::NotEqual => vec![self.value.clone()],
            MatchOp::Regex | MatchOp::NotRegex => go_regex::examples(&self.value),
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_classic_name(&self.name) {
            f.write_str(&self.name)?;
        } else {
            write!(f, "{:?}", self.name)?;
        }
        write!(
            f,
            "{}{}",
            self.op.word(),
            crate::prometheus::quote(&self.value)
        )
    }
}

type Parts = Vec<(String, MatchOp, String)>;

fn is_classic_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == ':')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':')
}

/// The blanks of Go's `\s`.
const BLANKS: [char; 5] = [' ', '\t', '\n', '\u{c}', '\r'];

/// The classic syntax: lenient about quotes and blanks, strict about names.
fn classic(text: &str) -> Result<Parts, &'static str> {
    let text = text.strip_prefix('{').unwrap_or(text);
    let text = text.strip_suffix('}').unwrap_or(text);
    let mut parts = Vec::new();
    let (mut quoted, mut escaped, mut start) = (false, false, 0);
    for (at, c) in text.char_indices() {
        match c {
            ',' if !quoted => {
                parts.push(classic_matcher(&text[start..at])?);
                start = at + 1;
                continue;
            }
            '"' if escaped => escaped = false,
            '"' => quoted = !quoted,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    if !text[start..].trim().is_empty() {
        parts.push(classic_matcher(&text[start..])?);
    }
    Ok(parts)
}

fn classic_matcher(text: &str) -> Result<(String, MatchOp, String), &'static str> {
    const FORMAT: &str = "it is not NAME=\"VALUE\" (or != =~ !~)";
    let text = text.trim_matches(BLANKS);
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "_:".contains(c)));
    let (name, rest) = text.split_at(end.ok_or(FORMAT)?);
    if !is_classic_name(name) {
        return Err(FORMAT);
    }
    let rest = rest.trim_start_matches(BLANKS);
    let (op, value) = MatchOp::ALL
        .iter()
        .find_map(|(word, op)| Some((*op, rest.strip_prefix(word)?)))
        .ok_or(FORMAT)?;
    let value = value.trim_start_matches(BLANKS);
    Ok((name.to_owned(), op, classic_value(value)?))
}

fn classic_value(raw: &str) -> Result<String, &'static str> {
    const QUOTE: &str = "a double quote in its value is not escaped";
    let (raw, mut quote_is_due) = match raw.strip_prefix('"') {
        Some(rest) => (rest, true),
        None => (raw, false),
    };
    let mut value = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => value.push('\n'),
                Some(c @ ('"' | '\\')) => value.push(c),
                // A spurious escape stands for itself.
                Some(c) => value.extend(['\\', c]),
                None => value.push('\\'),
            },
            '"' if quote_is_due && chars.peek().is_none() => quote_is_due = false,
            '"' => return Err(QUOTE),
            c => value.push(c),
        }
    }
    if quote_is_due { Err(QUOTE) } else { Ok(value) }
}

/// The UTF-8 syntax: any name, quoted where it holds reserved characters.
fn utf8(text: &str) -> Result<Parts, &'static str> {
    let mut rest = text.trim();
    let braced = match rest.strip_prefix('{') {
        Some(inner) => {
            rest = inner.trim_start();
            true
        }
        None => false,
    };
    let mut parts = Vec::new();
    while !rest.is_empty() && !rest.starts_with('}') {
        let (name, after) = utf8_word(rest)?;
        let after = after.trim_start();
        let (op, after) = MatchOp::ALL
            .iter()
            .find_map(|(word, op)| Some((*op, after.strip_prefix(word)?)))
            .ok_or("an operator is missing")?;
        let (value, after) = utf8_word(after.trim_start())?;
        parts.push((name, op, value));
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(next) => rest = next.trim_start(),
            None if rest.is_empty() || rest.starts_with('}') => break,
            None => return Err("a comma is missing"),
        }
    }
    let end = if braced { "}" } else { "" };
    if rest == end {
        Ok(parts)
    } else {
        Err("the braces do not match")
    }
}

fn utf8_word(text: &str) -> Result<(String, &str), &'static str> {
    if let Some(inner) = text.strip_prefix('"') {
        let mut escaped = false;
        for (at, c) in inner.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => return Ok((go_unquoted(&inner[..at])?, &inner[at + 1..])),
                _ => {}
            }
        }
        return Err("a closing quote is missing");
    }
    let is_reserved = |c: char| c.is_whitespace() || "{}!=~,\\\"'`".contains(c);
    let end = text.find(is_reserved).unwrap_or(text.len());
    match text.split_at(end) {
        ("", _) => Err("a name or a value is missing"),
        (word, rest) => Ok((word.to_owned(), rest)),
    }
}

/// What a string literal of Go holds between its quotes.
fn go_unquoted(text: &str) -> Result<String, &'static str> {
    const ESCAPE: &str = "an escape is none of Go's";
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c == '\n' {
            return Err("a line feed in quotes");
        }
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let kind = rest.chars().next().ok_or(ESCAPE)?;
        let simple = match kind {
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            'v' => 11,
            '\\' | '"' => kind as u8,
            _ => 0,
        };
        if simple != 0 {
            bytes.push(simple);
            rest = &rest[1..];
            continue;
        }
        let (skip, digits, radix) = match kind {
            'x' => (1, 2, 16),
            'u' => (1, 4, 16),
            'U' => (1, 8, 16),
            '0'..='7' => (0, 3, 8),
            _ => return Err(ESCAPE),
        };
        let number = rest.get(skip..skip + digits).ok_or(ESCAPE)?;
        let number = u32::from_str_radix(number, radix).map_err(|_| ESCAPE)?;
        if matches!(kind, 'u' | 'U') {
            let c = char::from_u32(number).ok_or(ESCAPE)?;
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        } else {
            bytes.push(u8::try_from(number).map_err(|_| ESCAPE)?);
        }
        rest = &rest[skip + digits..];
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        let list = Matcher::parse_list(text).unwrap();
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn matchers_of_every_writing_are_read() {
        for (text, expected) in [
            (r#"a="b""#, vec![r#"a="b""#]),
            (r#"a =~ "b|c""#, vec![r#"a=~"b|c""#]),
            ("{a!=b}", vec![r#"a!="b""#]),
            (r#"a!~"x\"y""#, vec![r#"a!~"x\"y""#]),
            (r#"{a="1,2", b = 3 ,}"#, vec![r#"a="1,2""#, r#"b="3""#]),
            ("a=", vec![r#"a="""#]),
            ("", vec![]),
            (r#""my.label"="x""#, vec![r#""my.label"="x""#]),
            (
                r#"{"été"=~"a|b", b="\u00e9"}"#,
                vec![r#""été"=~"a|b""#, r#"b="é""#],
            ),
            // Only the classic syntax reads this one.
            (r#"a=~b(c|d)[e]"#, vec![r#"a=~"b(c|d)[e]""#]),
            // Both read it, differently: the classic one counts.
            (r#"a="\t""#, vec![r#"a="\\t""#]),
            ("région=eu", vec![r#""région"="eu""#]),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        for text in [
            "nothing",
            "a",
            "=b",
            r#"a="b"#,
            r#"{"my.label"="x""#,
            "a=~(",
            "0a=b c",
        ] {
            assert!(Matcher::parse_list(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_absent_label_is_an_empty_one() {
        let one = |text: &str| Matcher::parse_list(text).unwrap().remove(0);
        let none = LabelSet::new();
        assert!(one("a=").matches(&none));
        assert!(one("a!=b").matches(&none));
        assert!(one("a=~.*").matches(&none));
        assert!(!one("a=~.+").matches(&none));
        assert!(one("a!~.+").matches(&none));
    }
}
