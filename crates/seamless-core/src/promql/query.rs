//! One PromQL expression, read into its syntax tree.
//!
//! Answers what can be told from the expression alone: it follows no recording rules, which is the part
//! of [`crate::rules::Inputs`], and evaluates nothing but constants.

use std::time::Duration;

use promql_parser::label::{METRIC_NAME, MatchOp, Matcher, Matchers};
use promql_parser::parser::token::{
    T_ADD, T_AVG, T_BOTTOMK, T_DIV, T_EQLC, T_GTE, T_GTR, T_LAND, T_LOR, T_LSS, T_LTE, T_LUNLESS,
    T_MAX, T_MIN, T_MUL, T_NEQ, T_QUANTILE, T_SUB, T_TOPK,
};
use promql_parser::parser::{self, BinaryExpr, Call, Expr, LabelModifier, Offset, VectorSelector};
use thiserror::Error;

use super::depth_guard::{DEEPEST, is_too_deep};
use super::duration_guard::has_overlong_duration;

/// Longer than anything that a person or a generator writes for a rule.
const LONGEST: usize = 100_000;

/// An expression that cannot be read.
#[derive(Debug, Clone, Error)]
#[error("`{expr}` is not PromQL: {reason}")]
pub struct QueryError {
    /// The expression.
    pub expr: String,
    /// What the parser says.
    pub reason: String,
}

/// A PromQL expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    tree: Expr,
}

/// Series that an expression selects.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesSelector {
    /// Every matcher, `__name__` included (as an equality where the name was written before `{`).
    pub matchers: Vec<Matcher>,
    /// The range in brackets (`[5m]`); none for an instant selector.
    pub range: Option<Duration>,
    /// How far back `offset` moves it; zero without.
    pub offset: Duration,
}

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

/// `histogram_quantile(quantile, …histogram…) comparison threshold`.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantileThreshold {
    /// The quantile, such as 0.99.
    pub quantile: f64,
    /// The documented name of the histogram: the selected name without `_bucket`.
    pub histogram: String,
    /// Whether the expression reads the native form (no `_bucket`).
    pub native: bool,
    /// What is selected of the histogram.
    pub selector: SeriesSelector,
    /// How the quantile (on the left) is compared with the threshold (on the right).
    pub comparison: Comparison,
    /// The threshold, in the histogram's own unit.
    pub threshold: f64,
}

impl Query {
    /// Reads an expression.
    ///
    /// # Errors
    /// [`QueryError`] when it is not PromQL.
    pub fn parse(expr: &str) -> Result<Self, QueryError> {
        let unreadable = |reason| QueryError {
            expr: expr.to_owned(),
            reason,
        };
        if expr.len() > LONGEST {
            return Err(unreadable(format!("it is longer than {LONGEST} bytes")));
        }
        if is_too_deep(expr) {
            return Err(unreadable(format!(
                "it is nested more than {DEEPEST} levels deep"
            )));
        }
        if has_overlong_duration(expr) {
            return Err(unreadable("a duration is too long".to_owned()));
        }
        let tree = parser::parse(expr).map_err(unreadable)?;
        Ok(Self { tree })
    }

    /// Whether two expressions differ in formatting alone.
    pub(super) fn same_meaning(&self, other: &Self) -> bool {
        normalized(&self.tree) == normalized(&other.tree)
    }

    /// The syntax tree, for checks that this module does not offer.
    #[must_use]
    pub const fn tree(&self) -> &Expr {
        &self.tree
    }

    /// Its parts that are expressions of their own, the larger first.
    pub fn parts(&self) -> impl Iterator<Item = &Expr> {
        let mut parts = Vec::new();
        walk(&self.tree, &mut |expr| parts.push(expr));
        parts.into_iter().skip(1)
    }

    /// Every selector, from left to right. A selector with `or` between matchers counts once per
    /// alternative.
    #[must_use]
    pub fn selectors(&self) -> Vec<SeriesSelector> {
        SeriesSelector::all_in(&self.tree)
    }

    /// The selectors without which the expression returns nothing: all of them but those on the right of
    /// an `unless`.
    #[must_use]
    pub fn needed_selectors(&self) -> Vec<SeriesSelector> {
        let mut found = Vec::new();
        needed(&self.tree, &mut found);
        found
    }

    /// The ranges of the functions that need two samples to give anything (`rate`, `increase` and their
    /// kin). A range shorter than two scrapes leaves them empty.
    #[must_use]
    pub fn two_sample_ranges(&self) -> Vec<Duration> {
        const FUNCTIONS: &[&str] = &[
            "rate",
            "irate",
            "increase",
            "delta",
            "idelta",
            "deriv",
            "predict_linear",
        ];
        let mut found = Vec::new();
        walk(&self.tree, &mut |expr| {
            if let Expr::Call(call) = expr
                && FUNCTIONS.contains(&call.func.name)
            {
                found.extend(call.args.args.iter().filter_map(|arg| match &**arg {
                    Expr::MatrixSelector(ms) => Some(ms.range),
                    _ => None,
                }));
            }
        });
        found
    }

    /// How far back the widest of its ranges reaches.
    #[must_use]
    pub fn longest_range(&self) -> Option<Duration> {
        self.selectors()
            .iter()
            .filter_map(|selector| selector.range)
            .max()
    }

    /// Every comparison of a quantile with a constant that is written out in this expression.
    #[must_use]
    pub fn thresholds(&self) -> Vec<QuantileThreshold> {
        self.comparisons()
            .into_iter()
            .flat_map(|(value, comparison, threshold)| {
                quantiles(value)
                    .into_iter()
                    .map(move |(call, factor)| (call, comparison, threshold / factor))
            })
            .filter_map(|(call, comparison, threshold)| {
                let (quantile, selector) = quantile_call(call)?;
                let name = selector.name()?;
                let base = name.strip_suffix("_bucket");
                Some(QuantileThreshold {
                    quantile,
                    histogram: base.unwrap_or(name).to_owned(),
                    native: base.is_none(),
                    selector: selector.clone(),
                    comparison,
                    threshold,
                })
            })
            .collect()
    }

    /// What the expression compares with a constant: the compared part's own selectors of instant
    /// vectors (where a recording rule may stand), the operator and the constant.
    #[must_use]
    pub fn compared_series(&self) -> Vec<(SeriesSelector, Comparison, f64)> {
        let mut found = Vec::new();
        for (value, comparison, threshold) in self.comparisons() {
            values(value, 1.0, &mut |expr, factor| {
                if let Expr::VectorSelector(vs) = expr {
                    let comparison = if factor < 0.0 {
                        comparison.flipped()
                    } else {
                        comparison
                    };
                    for selector in SeriesSelector::from_tree(vs, None) {
                        found.push((selector, comparison, threshold / factor));
                    }
                }
            });
        }
        found
    }

    /// The quantiles that the expression's value is made of, as calls.
    pub(crate) fn quantile_values(&self) -> Vec<(f64, SeriesSelector)> {
        quantiles(&self.tree)
            .into_iter()
            .filter_map(|(call, _)| quantile_call(call))
            .collect()
    }

    /// The quantile of an expression that says `quantile * all - within > 0`: more than `1 - quantile` of all lies
    /// above.
    pub(crate) fn excess_quantile(&self) -> Option<f64> {
        let above_zero = |(_, comparison, threshold): &(&Expr, Comparison, f64)| {
            *comparison == Comparison::Greater && *threshold == 0.0
        };
        if !self.comparisons().iter().any(above_zero) {
            return None;
        }
        let mut found = None;
        walk(&self.tree, &mut |expr| {
            if let Expr::Binary(binary) = expr
                && binary.op.id() == T_MUL
                && let Some(factor) = constant(&binary.lhs)
                && (0.5..1.0).contains(&factor)
            {
                found = Some(factor);
            }
        });
        found
    }

    fn comparisons(&self) -> Vec<(&Expr, Comparison, f64)> {
        let mut found = Vec::new();
        walk(&self.tree, &mut |expr| {
            let Expr::Binary(binary) = expr else { return };
            let Some(comparison) = Comparison::from_token(binary.op.id()) else {
                return;
            };
            match (constant(&binary.lhs), constant(&binary.rhs)) {
                (None, Some(threshold)) => found.push((&*binary.lhs, comparison, threshold)),
                (Some(threshold), None) => {
                    found.push((&*binary.rhs, comparison.flipped(), threshold));
                }
                _ => {}
            }
        });
        found
    }
}

impl SeriesSelector {
    /// The labels of which it asks for one value that is not empty.
    pub fn asked_labels(&self) -> impl Iterator<Item = &str> {
        let asked = self.matchers.iter().filter(|asked| {
            asked.op == MatchOp::Equal && !asked.value.is_empty() && asked.name != METRIC_NAME
        });
        asked.map(|asked| asked.name.as_str())
    }

    /// The exact name it selects; none where the name is a pattern or not given.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.matchers
            .iter()
            .find(|m| m.name == METRIC_NAME && m.op == MatchOp::Equal)
            .map(|m| m.value.as_str())
    }

    /// Whether a series of this name can be selected.
    #[must_use]
    pub fn selects_name(&self, name: &str) -> bool {
        self.matchers
            .iter()
            .filter(|m| m.name == METRIC_NAME)
            .all(|m| m.is_match(name))
    }

    /// The matchers on `label`.
    pub fn matchers_of<'a>(&'a self, label: &'a str) -> impl Iterator<Item = &'a Matcher> {
        self.matchers.iter().filter(move |m| m.name == label)
    }

    /// Every selector in a part of an expression, from left to right.
    #[must_use]
    pub fn all_in(tree: &Expr) -> Vec<Self> {
        let mut found = Vec::new();
        walk(tree, &mut |expr| match expr {
            Expr::VectorSelector(vs) => found.extend(Self::from_tree(vs, None)),
            Expr::MatrixSelector(ms) => found.extend(Self::from_tree(&ms.vs, Some(ms.range))),
            _ => {}
        });
        found
    }

    /// The selectors that one selector of the tree stands for: one per alternative.
    pub(crate) fn of(vs: &VectorSelector) -> Vec<Self> {
        Self::from_tree(vs, None)
    }

    fn from_tree(vs: &VectorSelector, range: Option<Duration>) -> Vec<Self> {
        let name = vs.name.as_ref();
        let name = name.map(|name| Matcher::new(MatchOp::Equal, METRIC_NAME, name));
        let offset = match vs.offset {
            Some(Offset::Pos(by)) => by,
            _ => Duration::ZERO,
        };
        let alternatives = match vs.matchers.or_matchers.as_slice() {
            [] => std::slice::from_ref(&vs.matchers.matchers),
            several => several,
        };
        alternatives
            .iter()
            .map(|matchers| Self {
                matchers: name.iter().chain(matchers).cloned().collect(),
                range,
                offset,
            })
            .collect()
    }
}

impl Comparison {
    pub(crate) fn from_token(token: u16) -> Option<Self> {
        Some(match token {
            T_GTR => Self::Greater,
            T_GTE => Self::GreaterOrEqual,
            T_LSS => Self::Less,
            T_LTE => Self::LessOrEqual,
            T_EQLC => Self::Equal,
            T_NEQ => Self::NotEqual,
            _ => return None,
        })
    }

    pub(crate) const fn flipped(self) -> Self {
        match self {
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            same => same,
        }
    }
}

/// Calls `visit` on `expr` and on everything below it, parents first.
fn walk<'e>(expr: &'e Expr, visit: &mut impl FnMut(&'e Expr)) {
    visit(expr);
    match expr {
        Expr::Aggregate(e) => {
            if let Some(param) = &e.param {
                walk(param, visit);
            }
            walk(&e.expr, visit);
        }
        Expr::Unary(e) => walk(&e.expr, visit),
        Expr::Binary(e) => {
            walk(&e.lhs, visit);
            walk(&e.rhs, visit);
        }
        Expr::Paren(e) => walk(&e.expr, visit),
        Expr::Subquery(e) => walk(&e.expr, visit),
        Expr::Call(e) => e.args.args.iter().for_each(|arg| walk(arg, visit)),
        Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::VectorSelector(_)
        | Expr::MatrixSelector(_)
        | Expr::Extension(_) => {}
    }
}

fn needed(expr: &Expr, found: &mut Vec<SeriesSelector>) {
    match expr {
        Expr::Binary(e) if e.op.id() == T_LUNLESS => needed(&e.lhs, found),
        Expr::Binary(e) => {
            needed(&e.lhs, found);
            needed(&e.rhs, found);
        }
        Expr::Aggregate(e) => needed(&e.expr, found),
        Expr::Unary(e) => needed(&e.expr, found),
        Expr::Paren(e) => needed(&e.expr, found),
        Expr::Subquery(e) => needed(&e.expr, found),
        Expr::Call(e) => e.args.args.iter().for_each(|arg| needed(arg, found)),
        Expr::VectorSelector(vs) => found.extend(SeriesSelector::from_tree(vs, None)),
        Expr::MatrixSelector(ms) => {
            found.extend(SeriesSelector::from_tree(&ms.vs, Some(ms.range)));
        }
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => {}
    }
}

/// Functions whose value is one of those of their argument, or lies between them.
const KEEP_VALUES: [&str; 9] = [
    "avg_over_time",
    "label_join",
    "label_replace",
    "last_over_time",
    "max_over_time",
    "min_over_time",
    "quantile_over_time",
    "sort",
    "sort_desc",
];

/// Calls `visit` on the sub-expressions that make up the value of `expr`, with the constant factor
/// that each is multiplied by. The right side of `and` and `unless` only filters, so it is left out, and
/// so is what a sum, a count or another function makes of values.
fn values<'e>(expr: &'e Expr, factor: f64, visit: &mut impl FnMut(&'e Expr, f64)) {
    visit(expr, factor);
    match expr {
        Expr::Aggregate(e)
            if matches!(
                e.op.id(),
                T_MIN | T_MAX | T_AVG | T_QUANTILE | T_TOPK | T_BOTTOMK
            ) =>
        {
            values(&e.expr, factor, visit);
        }
        Expr::Paren(e) => values(&e.expr, factor, visit),
        Expr::Subquery(e) => values(&e.expr, factor, visit),
        Expr::Call(e) if KEEP_VALUES.contains(&e.func.name) => {
            for arg in &e.args.args {
                values(arg, factor, visit);
            }
        }
        Expr::Binary(e) => binary_values(e, factor, visit),
        _ => {}
    }
}

fn binary_values<'e>(binary: &'e BinaryExpr, factor: f64, visit: &mut impl FnMut(&'e Expr, f64)) {
    match binary.op.id() {
        T_LOR => {
            values(&binary.lhs, factor, visit);
            values(&binary.rhs, factor, visit);
        }
        T_LAND | T_LUNLESS => values(&binary.lhs, factor, visit),
        T_MUL => match (constant(&binary.lhs), constant(&binary.rhs)) {
            (Some(by), None) => values(&binary.rhs, factor * by, visit),
            (None, Some(by)) => values(&binary.lhs, factor * by, visit),
            _ => {}
        },
        T_DIV => {
            if let Some(by) = constant(&binary.rhs) {
                values(&binary.lhs, factor / by, visit);
            }
        }
        other if Comparison::from_token(other).is_some() => {
            for side in [&binary.lhs, &binary.rhs] {
                if constant(side).is_none() {
                    values(side, factor, visit);
                }
            }
        }
        _ => {}
    }
}

fn quantiles(expr: &Expr) -> Vec<(&Call, f64)> {
    let mut found = Vec::new();
    values(expr, 1.0, &mut |part, factor| match part {
        Expr::Call(call) if call.func.name == "histogram_quantile" => found.push((call, factor)),
        _ => {}
    });
    found
}

fn quantile_call(call: &Call) -> Option<(f64, SeriesSelector)> {
    let [quantile, histogram] = call.args.args.as_slice() else {
        return None;
    };
    let histogram = Query {
        tree: (**histogram).clone(),
    };
    Some((
        constant(quantile)?,
        histogram.selectors().into_iter().next()?,
    ))
}

/// The value of an expression made of numbers alone.
fn constant(expr: &Expr) -> Option<f64> {
    match expr {
        Expr::NumberLiteral(number) => Some(number.val),
        Expr::Paren(paren) => constant(&paren.expr),
        Expr::Unary(unary) => constant(&unary.expr).map(|value| -value),
        Expr::Binary(binary) => {
            let (lhs, rhs) = (constant(&binary.lhs)?, constant(&binary.rhs)?);
            match binary.op.id() {
                T_ADD => Some(lhs + rhs),
                T_SUB => Some(lhs - rhs),
                T_MUL => Some(lhs * rhs),
                T_DIV => Some(lhs / rhs),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The tree without parentheses and with unordered lists in one order.
fn normalized(expr: &Expr) -> Expr {
    let mut expr = match expr {
        Expr::Paren(paren) => return normalized(&paren.expr),
        other => other.clone(),
    };
    match &mut expr {
        Expr::Aggregate(e) => {
            *e.expr = normalized(&e.expr);
            if let Some(param) = &mut e.param {
                **param = normalized(param);
            }
            if let Some(LabelModifier::Include(labels) | LabelModifier::Exclude(labels)) =
                &mut e.modifier
            {
                labels.labels.sort();
            }
            // `by ()` says what no modifier says.
            e.modifier.take_if(
                |modifier| matches!(modifier, LabelModifier::Include(labels) if labels.is_empty()),
            );
        }
        Expr::Unary(e) => *e.expr = normalized(&e.expr),
        Expr::Binary(e) => {
            *e.lhs = normalized(&e.lhs);
            *e.rhs = normalized(&e.rhs);
            if let Some(LabelModifier::Include(labels) | LabelModifier::Exclude(labels)) =
                e.modifier.as_mut().and_then(|m| m.matching.as_mut())
            {
                labels.labels.sort();
            }
        }
        Expr::Subquery(e) => *e.expr = normalized(&e.expr),
        Expr::Call(e) => e
            .args
            .args
            .iter_mut()
            .for_each(|arg| **arg = normalized(arg)),
        Expr::VectorSelector(vs) => sort_matchers(&mut vs.matchers),
        Expr::MatrixSelector(ms) => sort_matchers(&mut ms.vs.matchers),
        _ => {}
    }
    expr
}

fn sort_matchers(matchers: &mut Matchers) {
    for alternative in std::iter::once(&mut matchers.matchers).chain(&mut matchers.or_matchers) {
        alternative.sort_by_cached_key(ToString::to_string);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_unless_takes_away_is_not_needed() {
        let query =
            Query::parse("(a unless rate(b[5m]) == 0) < 1 and rate(c[1m]) > 0 unless d").unwrap();
        let names: Vec<String> = query
            .needed_selectors()
            .iter()
            .map(|s| s.name().unwrap().to_owned())
            .collect();
        assert_eq!(names, ["a", "c"]);
    }

    #[test]
    fn ranges_that_need_two_samples_are_found() {
        let query =
            Query::parse("sum(rate(a[5m])) > max_over_time(b[30s]) + increase(c[1h])").unwrap();
        let minutes = |m: u64| Duration::from_secs(60 * m);
        assert_eq!(query.two_sample_ranges(), [minutes(5), minutes(60)]);
    }

    #[test]
    fn selectors_carry_name_range_and_offset() {
        let query = Query::parse(
            r#"sum by (phase) (rate(seamless_sla_deadline_seconds_bucket{le=~"60(\\.0)?"}[5m] offset 1h))
               or max({__name__=~"artifact_bytes_written(_total)?"})"#,
        )
        .unwrap();
        let [first, second] = &query.selectors()[..] else {
            panic!("two selectors");
        };
        assert_eq!(first.name(), Some("seamless_sla_deadline_seconds_bucket"));
        assert_eq!(first.range, Some(Duration::from_secs(300)));
        assert_eq!(first.offset, Duration::from_secs(3600));
        assert!(
            first
                .matchers_of("le")
                .all(|m| m.is_match("60") && m.is_match("60.0"))
        );
        assert_eq!(second.name(), None);
    }

    #[test]
    fn thresholds_are_found_on_either_side_and_through_wrapping() {
        for expr in [
            r#"histogram_quantile(0.99, sum by (le) (rate(h_bucket[5m]))) > 60"#,
            r#"60 < histogram_quantile(0.99, sum by (le) (rate(h_bucket[5m])))"#,
            r#"max by (a) (histogram_quantile(0.99, rate(h_bucket[5m]))) > 0.8 * 75 unless x > 3"#,
            r#"histogram_quantile(0.99, rate(h_bucket[5m])) / 1000 > 0.06"#,
        ] {
            let found = Query::parse(expr).unwrap().thresholds();
            assert_eq!(found.len(), 1, "{expr}: {found:?}");
            assert_eq!(found[0].histogram, "h");
            assert!(!found[0].native);
            assert_eq!(found[0].comparison, Comparison::Greater);
            assert!((found[0].threshold - 60.0).abs() < 1e-9, "{expr}");
            assert_eq!(found[0].selector.range, Some(Duration::from_secs(300)));
        }
    }

    #[test]
    fn a_comparison_reaches_a_series_through_what_keeps_its_values_alone() {
        let compared = |expr| -> Vec<(Comparison, f64)> {
            let found = Query::parse(expr).unwrap().compared_series();
            found
                .into_iter()
                .map(|(_, how, with)| (how, with))
                .collect()
        };
        for expr in [
            "max by (a) (x) > 5",
            "min_over_time(x[5m:]) > 5",
            "2 * x > 10",
            "-2 * x < -10",
        ] {
            assert_eq!(compared(expr), [(Comparison::Greater, 5.0)], "{expr}");
        }
        for expr in [
            "sum(x) > 5",
            "count(x) > 5",
            "abs(x) > 5",
            "sum_over_time(x[5m:]) > 5",
        ] {
            assert_eq!(compared(expr), [], "{expr}");
        }
    }

    #[test]
    fn both_forms_of_a_histogram_are_two_thresholds() {
        let expr = "histogram_quantile(0.9, rate(h_bucket[5m])) > 2 or histogram_quantile(0.9, rate(h[5m])) > 2";
        let found = Query::parse(expr).unwrap().thresholds();
        let forms: Vec<bool> = found.iter().map(|t| t.native).collect();
        assert_eq!(forms, [false, true]);
    }

    #[test]
    fn what_only_filters_is_no_threshold() {
        let expr = "up > 0 and histogram_quantile(0.9, rate(h_bucket[5m])) > 2";
        // The comparison is written out, so it is found; its value is not the alert's.
        assert_eq!(Query::parse(expr).unwrap().thresholds().len(), 1);
        let expr = "(up and histogram_quantile(0.9, rate(h_bucket[5m]))) > 2";
        assert_eq!(Query::parse(expr).unwrap().thresholds(), []);
    }

    #[test]
    fn same_meaning_is_about_the_tree() {
        for (a, b, same) in [
            ("sum by () (a) > 0.0", "sum(a) > 0", true),
            ("sum without () (a)", "sum(a)", false),
            ("sum by (a, b) (x)", "sum  by(b,a)( (x) )", true),
            (
                r#"x{a="1", b="2"}[1h] offset 5m"#,
                r#"x{b="2",a="1"}[60m] offset 300s"#,
                true,
            ),
            ("x > 60", "x > 60.0", true),
            ("x > 60", "x >= 60", false),
            ("rate(x[5m])", "rate(x[10m])", false),
            (r#"x{a="1"}"#, r#"x{a=~"1"}"#, false),
            ("a - (b - c)", "a - b - c", false),
            ("(a - b) - c", "a - b - c", true),
            ("sum by (a) (x)", "sum without (a) (x)", false),
        ] {
            let [a, b] = [a, b].map(|text| Query::parse(text).unwrap());
            assert_eq!(a.same_meaning(&b), same, "{a:?} / {b:?}");
        }
    }
}
