//! Rejects expressions whose syntax trees would be deeper than a stack can follow.

use super::duration_guard::{is_word, quoted, word};

/// Deeper than anything that a person or a generator writes for a rule.
pub(super) const DEEPEST: usize = 400;

/// Whether the tree may be deeper than [`DEEPEST`]: an operator and a bracket each add a level.
pub(super) fn is_too_deep(expr: &str) -> bool {
    let mut rest = expr;
    // Levels that the open brackets and the operators beside them add, the innermost last.
    let mut open: Vec<usize> = vec![0];
    let mut depth = 0;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' | '`' => quoted(rest, first),
            '#' => rest.find('\n').unwrap_or(rest.len()),
            _ if is_word(first) => word(rest),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        rest = after;
        let operator = ["and", "or", "unless", "atan2"];
        match first {
            '(' | '[' | '{' => {
                open.push(1);
                depth += 1;
            }
            ')' | ']' | '}' => {
                depth -= open.pop().unwrap_or_default();
            }
            // Arguments and labels stand side by side.
            ',' => {
                if let Some(levels) = open.last_mut() {
                    depth -= levels.saturating_sub(1);
                    *levels = (*levels).min(1);
                }
            }
            '+' | '-' | '*' | '/' | '%' | '^' | '>' | '<' | '=' | '!' => {
                depth += 1;
                if let Some(levels) = open.last_mut() {
                    *levels += 1;
                }
            }
            _ if operator.iter().any(|word| token.eq_ignore_ascii_case(word)) => {
                depth += 1;
                if let Some(levels) = open.last_mut() {
                    *levels += 1;
                }
            }
            _ => {}
        }
        if depth > DEEPEST {
            return true;
        }
    }
    false
}
