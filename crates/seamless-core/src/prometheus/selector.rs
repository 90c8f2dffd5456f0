//! Building series selectors whose names and values are always escaped.

use std::borrow::Cow;
use std::fmt;

/// A series selector: `name{label="value",…}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    name: String,
    matchers: Vec<(String, &'static str, String)>,
}

impl Selector {
    /// Series of this name.
    #[must_use]
    pub fn name(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            matchers: Vec::new(),
        }
    }

    /// Narrows it to series whose `label` is `value`.
    #[must_use]
    pub fn with(mut self, label: &str, value: &str) -> Self {
        self.matchers
            .push((label.to_owned(), "=", value.to_owned()));
        self
    }

    /// Narrows it to series whose `label` is not `value`.
    #[must_use]
    pub fn without(mut self, label: &str, value: &str) -> Self {
        self.matchers
            .push((label.to_owned(), "!=", value.to_owned()));
        self
    }

    /// Narrows it to series whose `label` matches the whole of the regular expression `pattern`.
    #[must_use]
    pub fn matching(mut self, label: &str, pattern: &str) -> Self {
        self.matchers
            .push((label.to_owned(), "=~", pattern.to_owned()));
        self
    }

    /// Narrows it to series whose `label` does not match the whole of the regular expression `pattern`.
    #[must_use]
    pub fn not_matching(mut self, label: &str, pattern: &str) -> Self {
        self.matchers
            .push((label.to_owned(), "!~", pattern.to_owned()));
        self
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.matchers.is_empty() {
            return Ok(());
        }
        f.write_str("{")?;
        for (index, (label, operator, value)) in self.matchers.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{}{operator}{}", label_name(label), quote(value))?;
        }
        f.write_str("}")
    }
}

/// A string literal of `PromQL`, quoted and escaped.
#[must_use]
pub fn quote(value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 2);
    out.push('"');
    for c in value.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A label's name as `PromQL` and Alertmanager read it: quoted where it is more than letters, digits and `_`.
#[must_use]
pub fn label_name(name: &str) -> Cow<'_, str> {
    let plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain && name.starts_with(|c: char| !c.is_ascii_digit()) {
        name.into()
    } else {
        quote(name).into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn selectors_are_written_as_promql_reads_them() {
        let selector = Selector::name("up")
            .with("job", "a\"b\\c\nd")
            .without("drill", "");
        assert_eq!(selector.to_string(), r#"up{job="a\"b\\c\nd",drill!=""}"#);
        let utf8 = Selector::name("up").with("cluster.name", "é");
        assert_eq!(utf8.to_string(), r#"up{"cluster.name"="é"}"#);
    }

    proptest! {
        #[test]
        fn any_value_parses_and_comes_back(value in "\\PC{0,30}|[\"\\\\\n]{0,5}") {
            let selector = Selector::name("up").with("job", &value).to_string();
            let parsed = promql_parser::parser::parse(&selector).unwrap();
            let promql_parser::parser::Expr::VectorSelector(parsed) = parsed else {
                panic!("not a selector: {selector}");
            };
            prop_assert_eq!(&parsed.matchers.matchers[0].value, &value);
        }
    }
}
