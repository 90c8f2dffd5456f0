//! A PromQL expression as a rule holds it: a text, read into a [`Query`] once.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use serde::Deserialize;

use super::{Query, QueryError};

/// An expression's text. It is read when its meaning is first asked for; clones share that reading, which
/// costs more than all that is asked of it.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct Expression(Arc<Inner>);

struct Inner {
    text: String,
    query: OnceLock<Result<Query, QueryError>>,
}

impl Expression {
    /// What it says.
    ///
    /// # Errors
    /// [`QueryError`] when it is not PromQL.
    pub fn query(&self) -> Result<&Query, QueryError> {
        let read = || Query::parse(&self.0.text);
        self.0
            .query
            .get_or_init(read)
            .as_ref()
            .map_err(Clone::clone)
    }

    /// Whether the two differ in formatting alone: blanks, redundant parentheses, the order of label
    /// matchers and of the labels in `by`/`without`, `60` or `60.0`, `1h` or `60m`.
    ///
    /// # Errors
    /// [`QueryError`] for the one that cannot be read.
    pub fn same_meaning(&self, other: &Self) -> Result<bool, QueryError> {
        Ok(self.query()?.same_meaning(other.query()?))
    }
}

impl From<String> for Expression {
    fn from(text: String) -> Self {
        Self(Arc::new(Inner {
            text,
            query: OnceLock::new(),
        }))
    }
}

impl Default for Expression {
    fn default() -> Self {
        String::new().into()
    }
}

impl Deref for Expression {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0.text
    }
}

impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
