//! Narrowing every selector of an expression.

use promql_parser::label::Matcher;
use promql_parser::parser::{Expr, VectorSelector};

use super::{Query, QueryError};

/// Matchers that every selector of a query gets beside its own: one deployment of a shared server.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scope {
    matchers: Vec<Matcher>,
}

impl Scope {
    /// Reads matchers without their braces: `cluster="eu", namespace="seamless"`.
    ///
    /// # Errors
    /// [`QueryError`] when they are none.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let query = Query::parse(&format!("{{{text}}}"))?;
        let mut selectors = query.selectors();
        match (selectors.pop(), selectors.pop()) {
            (Some(selector), None) => Ok(Self {
                matchers: selector.matchers,
            }),
            _ => Err(QueryError {
                expr: text.to_owned(),
                reason: "write LABEL=\"VALUE\"".to_owned(),
            }),
        }
    }

    /// Whether it narrows nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.matchers.is_empty()
    }

    /// The expression with every selector narrowed.
    ///
    /// # Errors
    /// [`QueryError`] when it cannot be read.
    pub fn narrowed(&self, expression: &str) -> Result<String, QueryError> {
        let mut tree = Query::parse(expression)?.tree().clone();
        self.narrow(&mut tree);
        Ok(tree.to_string())
    }

    fn narrow(&self, expr: &mut Expr) {
        match expr {
            Expr::Aggregate(e) => {
                self.narrow(&mut e.expr);
                if let Some(param) = &mut e.param {
                    self.narrow(param);
                }
            }
            Expr::Unary(e) => self.narrow(&mut e.expr),
            Expr::Binary(e) => {
                self.narrow(&mut e.lhs);
                self.narrow(&mut e.rhs);
            }
            Expr::Paren(e) => self.narrow(&mut e.expr),
            Expr::Subquery(e) => self.narrow(&mut e.expr),
            Expr::Call(e) => e.args.args.iter_mut().for_each(|arg| self.narrow(arg)),
            Expr::VectorSelector(e) => self.narrow_selector(e),
            Expr::MatrixSelector(e) => self.narrow_selector(&mut e.vs),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
        }
    }

    fn narrow_selector(&self, selector: &mut VectorSelector) {
        let matchers = &mut selector.matchers;
        if matchers.or_matchers.is_empty() {
            matchers.matchers.extend(self.matchers.iter().cloned());
        }
        for alternative in &mut matchers.or_matchers {
            alternative.extend(self.matchers.iter().cloned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_selector_is_narrowed() {
        let scope = Scope::parse(r#"cluster="eu",namespace!~"x\\.y""#).unwrap();
        for (expression, expected) in [
            ("time()", "time()"),
            ("up", r#"up{cluster="eu",namespace!~"x\\.y"}"#),
            (
                r#"sum by (le) (rate(a_bucket{le=~"60([.]0)?"}[5m] offset 1h)) / b > 1"#,
                r#"sum by (le) (rate(a_bucket{cluster="eu",le=~"60([.]0)?",namespace!~"x\\.y"}[5m] offset 1h)) / b{cluster="eu",namespace!~"x\\.y"} > 1"#,
            ),
        ] {
            let narrowed = scope.narrowed(expression).unwrap();
            let read = |text: &str| Query::parse(text).unwrap();
            assert!(read(&narrowed).same_meaning(&read(expected)), "{narrowed}");
        }
        assert!(Scope::parse("cluster").is_err());
        assert!(Scope::parse(r#"a="b"} or x{c="d""#).is_err());
    }
}
