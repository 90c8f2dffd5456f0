//! Rejects durations that make promql-parser panic.
//!
//! promql-parser 0.11 turns a number in the place of a duration (`[44]`, `offset 1e30`) into a
//! [`std::time::Duration`] without asking whether it fits. Owns finding one that does not, before the
//! parser sees it; whether the rest is PromQL is the parser's business.

/// Far more than any retention, and far less than overflows: 30 million years.
const LONGEST_SECONDS: f64 = 1e15;

/// Whether a number stands where a duration belongs and is none that can be had.
pub(super) fn has_overlong_duration(expr: &str) -> bool {
    let mut rest = expr;
    // After `[`, `:` and `offset`, through blanks, comments and signs.
    let mut expected = false;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' | '`' => quoted(rest, first),
            '#' => rest.find('\n').unwrap_or(rest.len()),
            _ if is_word(first) => word(rest),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        rest = after;
        expected = match first {
            '[' | ':' => true,
            '#' | '+' | '-' => expected,
            _ if first.is_whitespace() => expected,
            _ if expected && is_overlong(token) => return true,
            _ => token.eq_ignore_ascii_case("offset"),
        };
    }
    false
}

pub(super) const fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.')
}

/// The length of a word or number; the sign of an exponent belongs to it.
pub(super) fn word(text: &str) -> usize {
    let is_number = !text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let is_hex = text.starts_with("0x") || text.starts_with("0X");
    let mut before = ' ';
    text.find(|c: char| {
        let in_exponent =
            is_number && !is_hex && matches!(c, '+' | '-') && matches!(before, 'e' | 'E');
        before = c;
        !is_word(c) && !in_exponent
    })
    .unwrap_or(text.len())
}

/// The length of a string, its quotes included; all of the text if it does not end.
pub(super) fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == quote && !escaped;
        escaped = *c == '\\' && !escaped && quote != '`';
        ends
    });
    end.map_or(text.len(), |(at, _)| at + quote.len_utf8())
}

fn is_overlong(token: &str) -> bool {
    let hex = token
        .strip_prefix("0x")
        .or_else(|| token.strip_prefix("0X"));
    let seconds = match hex {
        // More digits than fit are more seconds than fit.
        Some(digits) => u64::from_str_radix(digits, 16).map_or(f64::INFINITY, |n| n as f64),
        None => token.parse().unwrap_or(0.0),
    };
    // NaN is none either.
    seconds.is_nan() || seconds > LONGEST_SECONDS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::Query;

    #[test]
    fn what_does_not_fit_is_an_error_and_no_panic() {
        for expr in [
            "f:[44444444444444444444444444444444444444444444444440]",
            "f[1e30]",
            "f[1e+30]",
            "f[5m:1e30]",
            "f[ # five\n 99999999999999999999]",
            "f offset 1e300",
            "f OFFSET -1e300",
            "f offset inf",
            "f offset NaN",
            "f offset 0xffffffffffffffff",
            "f offset 0xfffffffffffffffffffff",
            "f{a=\"\\\"\"}[1e30]",
        ] {
            assert!(has_overlong_duration(expr), "{expr}");
            assert!(Query::parse(expr).is_err(), "{expr}");
        }
    }

    #[test]
    fn what_fits_and_what_is_no_duration_is_left_to_the_parser() {
        for expr in [
            "f[44] > 1e30",
            "f[5m:1m] offset 1d",
            "f{a=\"[1e30]\", b='offset 1e30'} == Inf",
            "f offset -5m # offset 1e30",
            "job:f:rate5m / 99999999999999999999",
        ] {
            assert!(!has_overlong_duration(expr), "{expr}");
        }
        assert!(Query::parse("f > 1e30").is_ok());
    }
}
