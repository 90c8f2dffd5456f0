//! `--set key=value`: changes to `_config`.

use std::str::FromStr;

use anyhow::bail;
use serde_json::Value;

/// One changed key of `_config`.
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    /// The key.
    pub key: String,
    /// Its new value.
    pub value: Value,
}

impl Override {
    /// A changed key.
    pub fn new(key: impl Into<String>, value: impl Into<Value>) -> Self {
        Self {
            key: key.into(),
            value: value.into(),
        }
    }
}

impl FromStr for Override {
    type Err = String;

    /// Reads `key=value`; a value that is not JSON is taken as text.
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() => Ok(Self::new(
                key,
                serde_json::from_str(value).unwrap_or_else(|_| Value::from(value)),
            )),
            _ => Err("expected KEY=VALUE".to_owned()),
        }
    }
}

/// The overrides as a jsonnet object.
///
/// # Errors
/// A key that is not in `known`: it would change nothing, silently.
pub(super) fn object(overrides: &[Override], known: &[String]) -> anyhow::Result<String> {
    let mut object = serde_json::Map::new();
    for Override { key, value } in overrides {
        if !known.contains(key) {
            bail!("_config has no key `{key}`; it has: {}", known.join(", "));
        }
        object.insert(key.clone(), value.clone());
    }
    // JSON is jsonnet.
    Ok(Value::Object(object).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_or_text() {
        let parse = |text: &str| text.parse::<Override>().map(|set| set.value);
        assert_eq!(parse("total_budget=120"), Ok(Value::from(120)));
        assert_eq!(parse("stuck_for=20m"), Ok(Value::from("20m")));
        assert_eq!(
            parse("keep_labels=[\"drill\"]"),
            Ok(serde_json::json!(["drill"]))
        );
        assert!(parse("total_budget").is_err());
        assert!(parse("=1").is_err());
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let known = ["total_budget".to_owned()];
        let error = object(&[Override::new("budget", 1)], &known).unwrap_err();
        assert!(error.to_string().contains("total_budget"), "{error}");
    }
}
