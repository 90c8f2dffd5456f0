//! Regular expressions as Alertmanager and Prometheus read them (Go's RE2), matched by the `regex` crate,
//! and examples of what one matches.

use regex::Regex;
use regex_syntax::hir::{Class, Hir, HirKind};

/// How many examples of one expression are of use: each alternative is one.
const MOST_EXAMPLES: usize = 64;

/// Compiles `pattern` so that it matches a whole value. Prometheus 3 lets `.` match a line feed.
pub(super) fn whole(pattern: &str, dot_matches_line_feed: bool) -> Result<Regex, regex::Error> {
    let flags = if dot_matches_line_feed { "s" } else { "" };
    Regex::new(&format!("^(?{flags}:{})$", translated(pattern)))
}

/// Values that `pattern` matches: one per alternative, as short as they can be.
pub(super) fn examples(pattern: &str) -> Vec<String> {
    let Ok(tree) = regex_syntax::parse(&translated(pattern)) else {
        return Vec::new();
    };
    let mut found = examples_of(&tree);
    found.sort();
    found.dedup();
    found
}

fn examples_of(tree: &Hir) -> Vec<String> {
    match tree.kind() {
        HirKind::Empty | HirKind::Look(_) => vec![String::new()],
        HirKind::Literal(literal) => vec![String::from_utf8_lossy(&literal.0).into_owned()],
        HirKind::Class(class) => members(class).iter().map(char::to_string).collect(),
        HirKind::Repetition(repetition) => {
            // What may be absent or present is shown both ways.
            let inner = examples_of(&repetition.sub);
            let least = repetition.min.min(8) as usize;
            let mut found: Vec<String> = inner.iter().map(|text| text.repeat(least)).collect();
            if repetition.min == 0 && repetition.max != Some(0) {
                found.extend(inner);
            }
            found.truncate(MOST_EXAMPLES);
            found
        }
        HirKind::Capture(capture) => examples_of(&capture.sub),
        HirKind::Alternation(branches) => {
            let mut found: Vec<String> = branches.iter().flat_map(examples_of).collect();
            found.truncate(MOST_EXAMPLES);
            found
        }
        HirKind::Concat(parts) => parts.iter().fold(vec![String::new()], |heads, part| {
            let tails = examples_of(part);
            let joined = heads
                .iter()
                .flat_map(|head| tails.iter().map(move |tail| format!("{head}{tail}")));
            joined.take(MOST_EXAMPLES).collect()
        }),
    }
}

/// The members of a class, if they are few (`a|b` is read as one); else a readable one.
fn members(class: &Class) -> Vec<char> {
    const FEW: usize = 8;
    let ranges: Vec<(char, char)> = match class {
        Class::Unicode(class) => class.iter().map(|r| (r.start(), r.end())).collect(),
        Class::Bytes(class) => class
            .iter()
            .map(|r| (char::from(r.start()), char::from(r.end())))
            .collect(),
    };
    let all = || ranges.iter().flat_map(|(start, end)| *start..=*end);
    let mut members: Vec<char> = all().take(FEW + 1).collect();
    if members.len() > FEW {
        let readable = |c: &char| c.is_ascii_alphanumeric();
        members = all()
            .take(256)
            .find(readable)
            .or_else(|| all().next())
            .into_iter()
            .collect();
    }
    members
}

/// The pattern in the words of the `regex` crate: Perl's classes are ASCII in Go, and in a bracket `[`,
/// `&&`, `--` and `~~` stand for themselves there.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern.chars().peekable();
    let mut in_class = false;
    // In a bracket the first `]` stands for itself.
    let mut class_is_empty = false;
    while let Some(c) = rest.next() {
        let first_in_class = std::mem::take(&mut class_is_empty);
        match c {
            '\\' => match rest.next() {
                Some('Q') if !in_class => quoted(&mut rest, &mut out),
                Some('z') => out.push_str("\\z"),
                Some('b') if !in_class => out.push_str("(?-u:\\b)"),
                Some('B') if !in_class => out.push_str("(?-u:\\B)"),
                Some(escaped) => match (perl_class(escaped), in_class) {
                    (Some(members), true) => out.push_str(members),
                    (Some(members), false) => out.extend(["[", members, "]"]),
                    (None, _) => out.extend(['\\', escaped]),
                },
                None => out.push('\\'),
            },
            '[' if !in_class => {
                in_class = true;
                class_is_empty = true;
                out.push('[');
                if rest.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
            }
            '[' if rest.peek() == Some(&':') => {
                out.push('[');
                for c in rest.by_ref() {
                    out.push(c);
                    if c == ']' {
                        break;
                    }
                }
            }
            ']' if in_class && first_in_class => out.push_str("\\]"),
            ']' => {
                in_class = false;
                out.push(']');
            }
            '[' | '&' | '~' if in_class => out.extend(['\\', c]),
            '-' if in_class && rest.peek() == Some(&'-') => out.push_str("\\-"),
            _ => out.push(c),
        }
    }
    out
}

/// What is quoted by `\Q…\E`, as a literal.
fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, out: &mut String) {
    while let Some(c) = rest.next() {
        if c == '\\' && rest.next_if_eq(&'E').is_some() {
            return;
        }
        out.push_str(&regex_syntax::escape(c.encode_utf8(&mut [0; 4])));
    }
}

fn perl_class(letter: char) -> Option<&'static str> {
    Some(match letter {
        'd' => "0-9",
        'w' => "0-9A-Za-z_",
        's' => r"\t\n\f\r ",
        'D' => r"[^0-9]",
        'W' => r"[^0-9A-Za-z_]",
        'S' => r"[^\t\n\f\r ]",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_go() {
        for (pattern, matched, other) in [
            (r"\d+", "12", "१"),
            (r"\w", "a", "é"),
            (r"[\w-]+", "a-b", "é"),
            (r"[[]", "[", "]"),
            (r"[]a]+", "]a", "b"),
            (r"[a&&b]", "&", "c"),
            (r"[^\d]", "x", "1"),
            (r"\D", "x", "1"),
            (r"\Qa.b\E+", "a.bb", "aXb"),
            ("[[:alpha:]]+", "ab", "1"),
            ("a|b", "b", "ab"),
            (r".*", "any", "line\nfeed"),
        ] {
            let regex = whole(pattern, false).unwrap();
            assert!(regex.is_match(matched), "{pattern} {matched}");
            assert!(!regex.is_match(other), "{pattern} {other}");
        }
        assert!(whole(".*", true).unwrap().is_match("line\nfeed"));
        assert!(whole("(", false).is_err());
    }

    #[test]
    fn every_example_is_matched_and_every_alternative_has_one() {
        for (pattern, count) in [
            ("critical|warning", 2),
            ("ohlcv:.*", 2),
            ("(a|b)-(x|y)", 4),
            ("[0-9]{3}", 1),
            ("prod(-eu)?", 2),
        ] {
            let found = examples(pattern);
            assert_eq!(found.len(), count, "{pattern}: {found:?}");
            let regex = whole(pattern, false).unwrap();
            assert!(found.iter().all(|text| regex.is_match(text)), "{found:?}");
        }
    }
}
