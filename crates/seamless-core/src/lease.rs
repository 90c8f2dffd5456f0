//! Lease keys, tokens and specs.
//!
//! Owns how a `KEY:TOKEN` is taken apart, how a canonical key is read into its fields, and that a
//! token never shows whole by accident. It talks to nobody.

use std::fmt;

use serde::Deserialize;
use serde_json::error::Category;

/// The key of a lease, as the coordinator knows it. Any non-empty text.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseKey(String);

impl LeaseKey {
    /// A key. `None` for an empty text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (!is_blank(&text)).then_some(Self(text))
    }

    /// The key as the coordinator knows it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key's fields, if it is canonical.
    #[must_use]
    pub fn canonical(&self) -> Option<CanonicalKey<'_>> {
        CanonicalKey::parse(&self.0)
    }
}

impl fmt::Display for LeaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The fields of a key of the form `node_id:interval:batch_start:batch_end[:world[:requested_as_of]]`.
///
/// The node id may itself hold colons and numbers, and the as-of time holds colons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CanonicalKey<'k> {
    /// The node.
    pub node_id: &'k str,
    /// The length of a bar, in seconds.
    pub interval: u64,
    /// Start of the window, in seconds since the epoch.
    pub batch_start: i64,
    /// End of the window, in seconds since the epoch.
    pub batch_end: i64,
    /// The world; absent in short keys and in empty fields.
    pub world: Option<&'k str>,
    /// The as-of time; absent in short keys and in empty fields.
    pub requested_as_of: Option<&'k str>,
}

impl<'k> CanonicalKey<'k> {
    /// Takes a key apart. `None` if it is not canonical.
    ///
    /// The window is found as three numbers (interval, start, end) with a plausible relation, followed
    /// by nothing, a world, or a world and a time. Of several readings the one whose window is a whole
    /// number of intervals wins, then the rightmost: numbers in the node id lie to the left.
    fn parse(key: &'k str) -> Option<Self> {
        let colons: Vec<usize> = key.match_indices(':').map(|(at, _)| at).collect();
        let ends = || colons.iter().copied().chain([key.len()]);
        let mut best: Option<(bool, Self)> = None;
        for (index, &before_interval) in colons.iter().enumerate() {
            let mut bounds = ends().skip(index + 1);
            let (Some(a), Some(b), Some(c)) = (bounds.next(), bounds.next(), bounds.next()) else {
                break;
            };
            let Some(reading) = Self::at(key, before_interval, [a, b, c]) else {
                continue;
            };
            let whole = (reading.batch_end - reading.batch_start)
                .checked_rem_euclid(reading.interval as i64)
                == Some(0);
            if best.is_none_or(|(best_whole, _)| whole || !best_whole) {
                best = Some((whole, reading));
            }
        }
        best.map(|(_, reading)| reading)
    }

    fn at(key: &'k str, before_interval: usize, [a, b, c]: [usize; 3]) -> Option<Self> {
        let node_id = &key[..before_interval];
        let interval: u64 = digits(&key[before_interval + 1..a])?.parse().ok()?;
        let batch_start: i64 = integer(&key[a + 1..b])?;
        let batch_end: i64 = integer(&key[b + 1..c])?;
        batch_end.checked_sub(batch_start)?;
        if node_id.is_empty()
            || interval == 0
            || interval > i64::MAX as u64
            || batch_end < batch_start
        {
            return None;
        }
        let rest = &key[c..];
        let (world, as_of) = match rest.strip_prefix(':') {
            None => ("", ""),
            Some(rest) => rest.split_once(':').unwrap_or((rest, "")),
        };
        if !(as_of.is_empty() || is_time(as_of)) {
            return None;
        }
        let present = |text: &'k str| (!text.is_empty()).then_some(text);
        Some(Self {
            node_id,
            interval,
            batch_start,
            batch_end,
            world: present(world),
            requested_as_of: present(as_of),
        })
    }
}

fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then_some(text)
}

fn integer(text: &str) -> Option<i64> {
    digits(text.strip_prefix('-').unwrap_or(text))?;
    text.parse().ok()
}

/// Whether a text is a time: a number since the epoch, or a date with an optional time of day.
fn is_time(text: &str) -> bool {
    text.parse::<f64>().is_ok_and(f64::is_finite)
        || text.parse::<jiff::Timestamp>().is_ok()
        || text.parse::<jiff::civil::DateTime>().is_ok()
        || text.parse::<jiff::civil::Date>().is_ok()
}

/// A lease's token. `Display` and `Debug` show its first 4 characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LeaseToken(String);

impl LeaseToken {
    /// A token. `None` for an empty text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (!is_blank(&text)).then_some(Self(text))
    }

    /// The whole token: for requests to the coordinator, and for output that was asked for.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The first 4 characters, and never more than half: enough to tell tokens apart, and all that logs may
    /// hold.
    #[must_use]
    pub fn hint(&self) -> &str {
        let shown = (self.0.chars().count() / 2).min(4);
        let end = self.0.char_indices().nth(shown).map(|(end, _)| end);
        &self.0[..end.unwrap_or(self.0.len())]
    }
}

impl fmt::Display for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", self.hint())
    }
}

impl fmt::Debug for LeaseToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LeaseToken({self})")
    }
}

/// A lease to act on: the key, and the token under which it is held.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LeaseSpec {
    /// The key.
    pub key: LeaseKey,
    /// The token; absent when the source named only the key.
    pub token: Option<LeaseToken>,
}

/// Why a text is no lease spec. It never holds the text: that may be a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Nothing, or only blanks.
    #[error("an empty lease spec; write it as KEY:TOKEN")]
    Empty,
    /// Nothing before the last colon.
    #[error("no key before the last ':'; write it as KEY:TOKEN")]
    EmptyKey,
    /// A character that no key or token has.
    #[error("a control character at character {0}")]
    ControlCharacter(usize),
    /// A character that nobody sees, as chats and web pages put into what is copied from them.
    #[error("an invisible character (U+{:04X}) at character {at}, where a copy from a chat or a page leaves one: type that place again", u32::from(*.character))]
    Invisible {
        /// Which one.
        character: char,
        /// The place, from 1.
        at: usize,
    },
    /// More than a lease was copied, or less.
    #[error(
        "{0}; write it as KEY:TOKEN, without anything around it (as JSON, {{\"key\": …, \"token\": …}}, both are taken as they stand)"
    )]
    Pasted(&'static str),
    /// A JSON object without what is needed.
    #[error("not a JSON object with \"key\" and \"token\" ({0})")]
    Json(String),
}

impl LeaseSpec {
    /// Reads what a person gives as `KEY:TOKEN`, as [`Self::listed`] does, but refuses what a copy from a chat,
    /// a page or a table brings along. A coordinator answers 404 to such a key, which would pass for a lease
    /// that is released already.
    ///
    /// # Errors
    /// [`SpecError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, SpecError> {
        let spec = Self::listed(text)?;
        check_written(text.trim())?;
        match &spec.token {
            Some(token) => check_token(token.expose()).map(|()| spec),
            None => Ok(spec),
        }
    }

    /// Reads `KEY:TOKEN` as a coordinator lists it; the token follows the last colon. A text that is a
    /// canonical key as a whole, up to the as-of time or its empty place, has no token; neither has one without
    /// a colon, or with nothing after the last.
    ///
    /// # Errors
    /// [`SpecError`] for anything else.
    pub fn listed(text: &str) -> Result<Self, SpecError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(SpecError::Empty);
        }
        if let Some(at) = text.chars().position(char::is_control) {
            return Err(SpecError::ControlCharacter(at + 1));
        }
        match text.rsplit_once(':') {
            Some((key, token)) if !is_whole_key(text) => Self::of(key, Some(token)),
            _ => Self::of(text, None),
        }
    }

    /// Reads a line of a specs file: `KEY:TOKEN`, or a JSON object with `key` and `token` (further
    /// members are ignored).
    ///
    /// # Errors
    /// [`SpecError`] for anything else.
    pub fn parse_line(line: &str) -> Result<Self, SpecError> {
        #[derive(Deserialize)]
        struct SpecObject {
            key: String,
            #[serde(default)]
            token: Option<String>,
        }
        let line = line.trim();
        if !line.starts_with('{') {
            return Self::parse(line);
        }
        let object: SpecObject = serde_json::from_str(line).map_err(|error| {
            let what = match error.classify() {
                Category::Eof => "the line ends before the object does",
                Category::Data => "a member is missing, twice there or no text",
                Category::Syntax | Category::Io => "no JSON",
            };
            SpecError::Json(format!("column {}: {what}", error.column()))
        })?;
        Self::of(&object.key, object.token.as_deref())
    }

    fn of(key: &str, token: Option<&str>) -> Result<Self, SpecError> {
        Ok(Self {
            key: LeaseKey::new(key).ok_or(SpecError::EmptyKey)?,
            token: token.and_then(LeaseToken::new),
        })
    }
}

/// Checks that a key that a person gives holds nothing that a copy has brought along.
///
/// # Errors
/// [`SpecError::Invisible`] and [`SpecError::Pasted`].
pub fn check_written(key: &str) -> Result<(), SpecError> {
    let mut characters = key.chars().enumerate();
    if let Some((at, character)) = characters.find(|(_, character)| is_invisible(*character)) {
        let at = at + 1;
        return Err(SpecError::Invisible { character, at });
    }
    if key.starts_with(is_quote) || key.ends_with(is_quote) {
        return Err(SpecError::Pasted("it stands in quotes"));
    }
    if ["[\"", "[{"].iter().any(|begins| key.starts_with(begins)) {
        return Err(SpecError::Pasted("a JSON array is not one lease"));
    }
    let mut characters = key.chars();
    let is_bullet = characters
        .next()
        .is_some_and(|first| "-*•·–—>|".contains(first));
    if is_bullet && characters.next() == Some(' ') {
        return Err(SpecError::Pasted(
            "it begins with the mark of a list or table",
        ));
    }
    Ok(())
}

/// The same for a token, which is one word.
fn check_token(token: &str) -> Result<(), SpecError> {
    if token.contains('…') || token.ends_with("...") {
        return Err(SpecError::Pasted(
            "the token is cut off, as tables show it; --list --output specs shows it whole",
        ));
    }
    if token.contains(char::is_whitespace) {
        return Err(SpecError::Pasted(
            "something follows the token, or stands before it",
        ));
    }
    if token.ends_with([',', ';']) {
        return Err(SpecError::Pasted("a comma or semicolon follows the token"));
    }
    Ok(())
}

/// Blanks other than the plain one, and characters of no width (Unicode's separators, formats and fillers).
const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{a0}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{1680}' | '\u{180e}'
            | '\u{2000}'..='\u{200f}' | '\u{2028}'..='\u{202f}' | '\u{205f}'..='\u{206f}' | '\u{3000}'
            | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
    )
}

fn is_quote(character: char) -> bool {
    "\"'`´“”„‟‘’‚‛«»‹›".contains(character)
}

/// Whether a text is a canonical key that ends in a date or time, or in the empty place of one: what looks
/// like a token is a part of the time.
fn is_whole_key(text: &str) -> bool {
    CanonicalKey::parse(text).is_some_and(|key| match key.requested_as_of {
        Some(as_of) => as_of.parse::<f64>().is_err(),
        None => text.ends_with(':'),
    })
}

fn is_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(key: &str) -> Option<(String, u64, i64, i64, String, String)> {
        let key = LeaseKey::new(key)?;
        let c = key.canonical()?;
        Some((
            c.node_id.to_owned(),
            c.interval,
            c.batch_start,
            c.batch_end,
            c.world.unwrap_or_default().to_owned(),
            c.requested_as_of.unwrap_or_default().to_owned(),
        ))
    }

    #[test]
    fn the_token_follows_the_last_colon() {
        let spec =
            LeaseSpec::parse("nodeA:60:1700:1760:world-1:2024-01-01T00:00:00Z:TOKEN").unwrap();
        assert_eq!(
            spec.key.as_str(),
            "nodeA:60:1700:1760:world-1:2024-01-01T00:00:00Z"
        );
        assert_eq!(spec.token.unwrap().expose(), "TOKEN");
        let spec = LeaseSpec::parse("lease-A:deadbeef").unwrap();
        assert_eq!(
            (spec.key.as_str(), spec.token.unwrap().expose()),
            ("lease-A", "deadbeef")
        );
    }

    #[test]
    fn a_key_alone_has_no_token() {
        for key in [
            "lease-A",
            "nodeA:60:1700:1760:world-1:2024-01-01T00:00:00Z",
            "ohlcv:binance:BTC/USDT:1m:60:1700:1760::2024-01-01T00:00:00+09:00",
            "n:60:1700:1760:w:2024-01-01",
            "ohlcv:binance:BTC/USDT:1m:60:1735689600:1735693200::",
        ] {
            let spec = LeaseSpec::parse(key).unwrap();
            assert_eq!((spec.key.as_str(), spec.token), (key, None));
            let spec = LeaseSpec::parse(&format!("{key}:abc")).unwrap();
            assert_eq!(spec.key.as_str(), key);
            assert_eq!(spec.token.unwrap().expose(), "abc");
        }
        let spec = LeaseSpec::parse("lease-A:").unwrap();
        assert_eq!((spec.key.as_str(), spec.token), ("lease-A", None));
    }

    #[test]
    fn what_is_no_spec_is_refused() {
        assert_eq!(LeaseSpec::parse("  "), Err(SpecError::Empty));
        assert_eq!(LeaseSpec::parse(":token"), Err(SpecError::EmptyKey));
        assert_eq!(
            LeaseSpec::parse("a\u{1b}[2J:t"),
            Err(SpecError::ControlCharacter(2))
        );
        assert!(matches!(
            LeaseSpec::parse_line("{\"token\":\"x\"}"),
            Err(SpecError::Json(_))
        ));
        assert!(matches!(
            LeaseSpec::parse_line("{\"key\":1}"),
            Err(SpecError::Json(_))
        ));
    }

    #[test]
    fn what_a_copy_brings_along_is_refused_and_a_list_is_read_as_it_stands() {
        let key = "ohlcv:binance:BTC/USDT:1m:60:1735689600:1735693200::";
        let pasted = |text: String, said: &str| {
            let error = LeaseSpec::parse(&text).unwrap_err().to_string();
            assert!(error.contains(said), "{text:?}: {error}");
            assert!(!error.contains("tok-1234"), "{error}");
            assert!(LeaseSpec::listed(&text).is_ok(), "{text:?}");
        };
        for (before, after) in [
            ("\"", "\""),
            ("'", "'"),
            ("`", "`"),
            ("“", "”"),
            ("‘", "’"),
            ("«", "»"),
            ("“", ""),
        ] {
            pasted(format!("{before}{key}:tok-1234{after}"), "in quotes");
        }
        for character in [
            '\u{a0}', '\u{200b}', '\u{feff}', '\u{2060}', '\u{3000}', '\u{202e}',
        ] {
            let said = format!("invisible character (U+{:04X})", u32::from(character));
            for text in [
                format!("oh{character}lcv:60:0:60:::tok-1234"),
                format!("{key}{character}:tok-1234"),
                format!("{key}:tok{character}-1234"),
            ] {
                pasted(text, &said);
            }
        }
        pasted(format!("[\"{key}:tok-1234\"]"), "JSON array");
        pasted(
            format!("[{{\"key\":\"{key}\",\"token\":\"tok-1234\"}}]"),
            "JSON array",
        );
        pasted(format!("- {key}:tok-1234"), "mark of a list");
        pasted(format!("• {key}:tok-1234"), "mark of a list");
        pasted(format!("{key}:tok-1234,"), "comma");
        pasted(format!("{key}:tok-1234 # for w-1"), "follows the token");
        pasted(format!("{key}   tok-…   10%"), "cut off");
        pasted(format!("{key}:tok-…"), "cut off");
        for text in [
            "it's:t",
            "노드 A:60:0:60:t",
            "-x:t",
            "a-b:c-d==",
            "[odd]:t",
            "a:…:t",
        ] {
            assert!(LeaseSpec::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_line_may_be_a_json_object() {
        let spec = LeaseSpec::parse_line(r#" {"key":"a:b","token":"t","worker":"w"} "#).unwrap();
        assert_eq!(
            (spec.key.as_str(), spec.token.unwrap().expose()),
            ("a:b", "t")
        );
        assert_eq!(
            LeaseSpec::parse_line(r#"{"key":"a:b"}"#).unwrap().token,
            None
        );
    }

    #[test]
    fn canonical_keys_are_taken_apart() {
        let s = str::to_owned;
        for (key, expected) in [
            (
                "nodeA:60:1700:1760:world-1:2024-01-01T00:00:00Z",
                (
                    s("nodeA"),
                    60,
                    1700,
                    1760,
                    s("world-1"),
                    s("2024-01-01T00:00:00Z"),
                ),
            ),
            (
                "ohlcv:binance:BTC/USDT:60:60:1700:1760:w:2024-01-01T00:00:00+09:00",
                (
                    s("ohlcv:binance:BTC/USDT:60"),
                    60,
                    1700,
                    1760,
                    s("w"),
                    s("2024-01-01T00:00:00+09:00"),
                ),
            ),
            (
                "n:1:60:1700:1760::",
                (s("n:1"), 60, 1700, 1760, s(""), s("")),
            ),
            ("n:1:60:1700:1760", (s("n:1"), 60, 1700, 1760, s(""), s(""))),
            ("n:60:1700:1760:5", (s("n"), 60, 1700, 1760, s("5"), s(""))),
            ("n:60:1700:1760:w:", (s("n"), 60, 1700, 1760, s("w"), s(""))),
            (
                "n:60:1700:1760::2024-01-01",
                (s("n"), 60, 1700, 1760, s(""), s("2024-01-01")),
            ),
            (
                "노드 1:60:1700:1760:w:1700",
                (s("노드 1"), 60, 1700, 1760, s("w"), s("1700")),
            ),
        ] {
            assert_eq!(canonical(key), Some(expected), "{key}");
        }
        for key in [
            "lease-A",
            "a:b:c",
            "n:60:1700",
            "n:0:1:2",
            "n:60:1760:1700",
            ":60:1:61",
            "n:x:1:2:w",
        ] {
            assert_eq!(canonical(key), None, "{key}");
        }
    }

    #[test]
    fn tokens_show_at_most_four_characters() {
        let token = LeaseToken::new("deadbeefcafe").unwrap();
        assert_eq!(format!("{token} {token:?}"), "dead… LeaseToken(dead…)");
        for (token, hint) in [("a", ""), ("ab", "a"), ("abcd", "ab"), ("노드노드", "노드")] {
            assert_eq!(LeaseToken::new(token).unwrap().hint(), hint);
        }
    }

    proptest! {
        #[test]
        fn any_key_and_token_come_back(key in "[^\\p{C}]{1,40}", token in "[^\\p{C}:]{1,20}") {
            prop_assume!(key.trim() == key && token.trim() == token && !key.is_empty() && !token.is_empty());
            prop_assume!(!is_whole_key(&format!("{key}:{token}")));
            let spec = LeaseSpec::listed(&format!("{key}:{token}")).unwrap();
            prop_assert_eq!(spec.key.as_str(), key);
            let token_read = spec.token.unwrap();
            prop_assert_eq!(token_read.expose(), token);
        }

        #[test]
        fn canonical_fields_come_back(
            node in "[a-zA-Z/:0-9_-]{0,20}[a-z]",
            interval in 1_u64..100_000,
            start in 0_i64..2_000_000_000,
            bars in 1_i64..1000,
            world in "[a-z-]{0,8}",
        ) {
            let end = start + bars * interval as i64;
            let key = LeaseKey::new(format!("{node}:{interval}:{start}:{end}:{world}:2024-01-01T00:00:00Z")).unwrap();
            let read = key.canonical().unwrap();
            prop_assert_eq!(
                (read.node_id, read.interval, read.batch_start, read.batch_end, read.world.unwrap_or_default()),
                (node.as_str(), interval, start, end, world.as_str())
            );
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = LeaseSpec::parse_line(&text);
            let _ = LeaseKey::new(text.as_str()).and_then(|key| key.canonical().map(|c| c.interval));
        }
    }
}
