//! `name=value` pairs: logfmt, and structlog's key-value and console output.

use serde_json::{Map, Value};

/// The pairs of a line, wherever they stand. A value in quotes has its escapes undone, as Go and Python
/// write them. Every other value is the text that stands there (a token may look like a number), but for
/// the words for nothing.
pub(super) fn read(line: &str) -> Map<String, Value> {
    let mut pairs = Map::new();
    let mut rest = line;
    let mut at_start = true;
    while !rest.is_empty() {
        if at_start && let Some((name, value, after)) = pair(rest) {
            pairs.insert(name.to_owned(), value);
            rest = after;
            at_start = false;
            continue;
        }
        let mut characters = rest.chars();
        at_start = characters.next().is_some_and(char::is_whitespace);
        rest = characters.as_str();
    }
    pairs
}

/// A pair at the start of `text`, and what follows.
fn pair(text: &str) -> Option<(&str, Value, &str)> {
    let of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let end = text.find(|c| !of_name(c)).filter(|end| *end > 0)?;
    let (name, rest) = text.split_at(end);
    let rest = rest.strip_prefix('=')?;
    if let Some(quote @ ('"' | '\'')) = rest.chars().next() {
        let (value, after) = quoted(rest.get(1..)?, quote)?;
        return Some((name, Value::String(value), after));
    }
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    let value = match word {
        "" | "None" | "null" | "nil" => Value::Null,
        word => Value::String(word.to_owned()),
    };
    Some((name, value, after))
}

/// A text up to its closing quote, and what follows.
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next()? {
                'n' => value.push('\n'),
                't' => value.push('\t'),
                'r' => value.push('\r'),
                escaped @ ('\\' | '"' | '\'') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            end if end == quote => return Some((value, characters.as_str())),
            other => value.push(other),
        }
    }
    None
}
