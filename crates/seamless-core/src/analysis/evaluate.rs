//! From the parts of an expression to the whole.

use promql_parser::parser::token::{
    T_ADD, T_ATAN2, T_AVG, T_BOTTOMK, T_COUNT, T_COUNT_VALUES, T_DIV, T_GROUP, T_LAND, T_LOR,
    T_LUNLESS, T_MAX, T_MIN, T_MOD, T_MUL, T_POW, T_QUANTILE, T_STDDEV, T_STDVAR, T_SUB, T_SUM,
    T_TOPK,
};
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{
    AggregateExpr, BinaryExpr, Expr, LabelModifier, VectorMatchCardinality, VectorSelector,
};

use super::interval::{INF, Range};
use super::labels::PossibleLabels;
use super::layout::Layout;
use super::{Analysis, BetweenEdges, Reason};
use crate::promql::{Comparison, SeriesSelector};

/// The deepest that parts may lie in each other, recording rules followed: what a thread's stack holds with
/// room to spare.
const DEEPEST: usize = 450;

/// How many thresholds between edges are told of one alert.
const MOST_NOTES: usize = 20;

/// What a part of an expression can be.
#[derive(Debug, Clone, PartialEq)]
pub struct AbstractValue {
    /// The values of its series. Means nothing for native histograms.
    pub range: Range,
    /// Whether it can have no result.
    pub absent: bool,
    /// Whether it can have a result.
    pub present: bool,
    /// Why it never has one.
    pub never: Option<Reason>,
    /// What in it is not known, where that decides something.
    pub unknown: Option<Reason>,
    /// Whether there can be one series at most.
    pub(super) single: bool,
    /// Whether values, or series that are there or not, decide what it returns.
    pub(super) filtered: bool,
    pub(super) labels: PossibleLabels,
    /// The histogram that its buckets, or its native samples, belong to.
    pub(super) histogram: Option<(String, Layout)>,
    /// Whether its samples are native histograms.
    pub(super) native: bool,
    /// The bucket edges between which a quantile was interpolated, scaled as the value was.
    pub(super) edges: Vec<f64>,
    pub(super) between_edges: Vec<BetweenEdges>,
}

impl AbstractValue {
    /// A scalar.
    pub(super) fn scalar(range: Range) -> Self {
        Self {
            range,
            absent: false,
            present: true,
            never: None,
            unknown: None,
            single: true,
            filtered: false,
            labels: PossibleLabels::none(),
            histogram: None,
            native: false,
            edges: Vec::new(),
            between_edges: Vec::new(),
        }
    }

    /// Something of which nothing is known.
    pub(super) fn unknown(why: Reason) -> Self {
        Self {
            unknown: Some(why),
            ..Self::series(Range::ANY)
        }
    }

    /// Whether `value` is one of those it can have.
    #[must_use]
    pub fn allows(&self, value: f64) -> bool {
        self.native || self.range.contains(value)
    }

    pub(super) fn empty(mut self, why: Reason) -> Self {
        self.present = false;
        self.absent = true;
        self.never.get_or_insert(why);
        self.unknown = None;
        self
    }

    /// The same series with other values.
    pub(super) fn valued(mut self, range: Range) -> Self {
        self.range = range;
        self.edges.clear();
        self.histogram = None;
        self.native = false;
        self
    }

    /// What may be the one or the other.
    pub(super) fn either(self, other: Self) -> Self {
        let mut notes = self.between_edges.clone();
        note(&mut notes, &other.between_edges);
        let mut both = match (self.present, other.present) {
            (true, false) => self,
            (false, true) => other,
            (false, false) => self,
            (true, true) => Self {
                range: self.range.union(other.range),
                absent: self.absent && other.absent,
                present: true,
                never: None,
                unknown: self.unknown.or(other.unknown),
                single: self.single
                    && other.single
                    && self.labels.is_none()
                    && other.labels.is_none(),
                filtered: self.filtered || other.filtered,
                labels: self.labels.union(&other.labels),
                histogram: self.histogram.or(other.histogram),
                native: self.native || other.native,
                edges: if self.edges.is_empty() {
                    other.edges
                } else {
                    self.edges
                },
                between_edges: Vec::new(),
            },
        };
        both.between_edges = notes;
        both
    }
}

impl Analysis<'_> {
    pub(super) fn evaluate(&self, expr: &Expr) -> AbstractValue {
        let depth = self.depth.get();
        if depth >= DEEPEST {
            let why = "with the recording rules that it reads, it is nested too deeply";
            return AbstractValue::unknown(Reason::Unreadable(why.to_owned()));
        }
        self.depth.set(depth + 1);
        let fact = self.part(expr);
        self.depth.set(depth);
        fact
    }

    fn part(&self, expr: &Expr) -> AbstractValue {
        match expr {
            Expr::NumberLiteral(number) => AbstractValue::scalar(Range::point(number.val)),
            Expr::StringLiteral(_) => AbstractValue::scalar(Range::ANY),
            Expr::Paren(paren) => self.evaluate(&paren.expr),
            Expr::Unary(unary) => {
                let inner = self.evaluate(&unary.expr);
                let (range, edges) = (inner.range.negated(), inner.edges.clone());
                let mut fact = inner.valued(range);
                fact.edges = edges.iter().rev().map(|edge| -edge).collect();
                fact
            }
            Expr::Binary(binary) => self.binary(binary, expr),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate, expr),
            Expr::Call(call) => self.call(call, expr),
            Expr::VectorSelector(selector) => self.selectors(selector, expr),
            Expr::MatrixSelector(matrix) => self.selectors(&matrix.vs, expr),
            Expr::Subquery(subquery) => {
                let mut fact = self.evaluate(&subquery.expr);
                // A step may lie where there was nothing yet.
                fact.absent |= !matches!(subquery.expr.value_type(), ValueType::Scalar);
                fact
            }
            Expr::Extension(extension) => {
                AbstractValue::unknown(Reason::Function(extension.expr.name().to_owned()))
            }
        }
    }

    fn selectors(&self, selector: &VectorSelector, _: &Expr) -> AbstractValue {
        let alternatives = SeriesSelector::of(selector);
        let facts = alternatives.iter().map(|selector| self.selected(selector));
        facts
            .reduce(AbstractValue::either)
            .unwrap_or_else(|| AbstractValue::unknown(Reason::Metric(String::new())))
    }

    fn binary(&self, binary: &BinaryExpr, whole: &Expr) -> AbstractValue {
        let (left, right) = (self.evaluate(&binary.lhs), self.evaluate(&binary.rhs));
        let op = binary.op.id();
        let matching = binary.modifier.as_ref().and_then(|m| m.matching.as_ref());
        let vector = |expr: &Expr| matches!(expr.value_type(), ValueType::Vector);
        let both = vector(&binary.lhs) && vector(&binary.rhs);
        let mismatch = || {
            left.labels
                .mismatch(&right.labels, matching)
                .filter(|_| both)
        };
        match op {
            T_LOR => {
                let mut fact = left.clone().either(right.clone());
                // Where the left side has no result, neither side's being there is a condition.
                fact.absent = left.absent && right.absent;
                return fact;
            }
            T_LUNLESS => return unless(&left, &right, matching, whole, mismatch()),
            T_LAND => {
                let mut fact = left.clone();
                note(&mut fact.between_edges, &right.between_edges);
                fact.absent = left.absent || right.absent || !empty_match(&left, &right, matching);
                fact.filtered |= right.filtered || fact.absent && !right.present;
                if !right.present {
                    let why = right.never.unwrap_or(Reason::NoCondition);
                    return fact.empty(why);
                }
                if let Some(label) = mismatch() {
                    let operation = whole.to_string();
                    return fact.empty(Reason::NoMatch { operation, label });
                }
                fact.unknown = fact.unknown.or(right.unknown);
                return fact;
            }
            _ => {}
        }
        let comparison = Comparison::from_token(op);
        let mut fact = self.combined(binary, &left, &right, both, matching);
        if let Some(never) = [&left, &right].into_iter().find(|side| !side.present) {
            let why = never.never.clone().unwrap_or(Reason::NoCondition);
            return fact.empty(why);
        }
        if let Some(label) = mismatch() {
            let operation = whole.to_string();
            return fact.empty(Reason::NoMatch { operation, label });
        }
        fact.unknown = left.unknown.clone().or_else(|| right.unknown.clone());
        if left.native || right.native {
            fact.native = true;
            fact.range = Range::ANY;
            fact.histogram = left.histogram.or(right.histogram);
            if comparison.is_some() {
                fact.unknown = Some(Reason::Function(
                    "a comparison of native histograms".to_owned(),
                ));
                fact.filtered = true;
            }
            return fact;
        }
        match comparison {
            Some(comparison) => {
                let bool = binary.modifier.as_ref().is_some_and(|m| m.return_bool);
                let vector_left = vector(&binary.lhs) || !vector(&binary.rhs);
                compared(fact, &left, &right, comparison, bool, vector_left, whole)
            }
            None => {
                fact.range = arithmetic(op, left.range, right.range);
                fact.edges = scaled_edges(op, &left, &right);
                fact
            }
        }
    }

    /// The series that an operation of two parts gives, its values left open.
    fn combined(
        &self,
        binary: &BinaryExpr,
        left: &AbstractValue,
        right: &AbstractValue,
        both: bool,
        matching: Option<&LabelModifier>,
    ) -> AbstractValue {
        let mut fact = AbstractValue::scalar(Range::ANY);
        fact.between_edges.clone_from(&left.between_edges);
        note(&mut fact.between_edges, &right.between_edges);
        fact.filtered = left.filtered || right.filtered;
        if !both {
            let is_vector = |side: &Expr| matches!(side.value_type(), ValueType::Vector);
            let series = if is_vector(&binary.rhs) { right } else { left };
            fact.labels = series.labels.clone();
            fact.absent = series.absent;
            fact.single = series.single;
            return fact;
        }
        let card = binary.modifier.as_ref().map(|m| &m.card);
        fact.labels = match card {
            Some(VectorMatchCardinality::ManyToOne(labels)) => {
                included(&left.labels, &labels.labels)
            }
            Some(VectorMatchCardinality::OneToMany(labels)) => {
                included(&right.labels, &labels.labels)
            }
            _ => match matching {
                Some(LabelModifier::Include(on)) => left.labels.kept(&on.labels),
                Some(LabelModifier::Exclude(ignored)) => left.labels.without(&ignored.labels),
                None => left.labels.clone(),
            },
        };
        fact.absent = left.absent || right.absent || !empty_match(left, right, matching);
        fact.single = left.single && right.single;
        fact
    }

    fn aggregate(&self, aggregate: &AggregateExpr, whole: &Expr) -> AbstractValue {
        let inner = self.evaluate(&aggregate.expr);
        let param = aggregate.param.as_ref().map(|param| self.evaluate(param));
        let op = aggregate.op.id();
        let kept = matches!(op, T_TOPK | T_BOTTOMK);
        let labels = inner.labels.grouped(aggregate.modifier.as_ref());
        let mut fact = inner.clone();
        if !kept {
            fact.single = inner.single || labels.is_none();
            fact.labels = labels;
        }
        let (range, one) = (inner.range, inner.single);
        if inner.native && matches!(op, T_SUM | T_AVG) {
            return fact;
        }
        let histogram = inner
            .histogram
            .clone()
            .filter(|_| matches!(op, T_SUM | T_AVG | T_MAX | T_MIN));
        let edges = inner.edges.clone();
        let spread = range.high - range.low;
        let parameter = param.as_ref().map_or(Range::ANY, |param| param.range);
        let values = match op {
            T_SUM if one => range,
            T_SUM => summed(range),
            T_AVG | T_MIN | T_MAX => range.nan_if(op == T_AVG && range.is_infinite()),
            T_COUNT | T_COUNT_VALUES if one => Range::point(1.0),
            T_COUNT | T_COUNT_VALUES => Range::new(1.0, f64::MAX),
            T_GROUP => Range::point(1.0),
            T_STDDEV => deviation(range, spread / 2.0),
            T_STDVAR => deviation(range, spread * spread / 4.0),
            T_QUANTILE => quantile(parameter, range),
            T_TOPK | T_BOTTOMK => {
                fact.unknown = fact.unknown.or(param.and_then(|param| param.unknown));
                if parameter.high < 1.0 {
                    let part = whole.to_string();
                    let why = "it takes fewer than one series";
                    return fact.empty(Reason::Empty { part, why });
                }
                fact.absent |= parameter.low < 1.0 || parameter.nan;
                return fact;
            }
            _ => {
                let name = aggregate.op.to_string();
                let mut unknown = AbstractValue::unknown(Reason::Function(name));
                unknown.between_edges = fact.between_edges;
                return unknown;
            }
        };
        fact = fact.valued(values);
        fact.histogram = histogram;
        if matches!(op, T_AVG | T_MIN | T_MAX) {
            fact.edges = edges;
        }
        if matches!(op, T_COUNT | T_GROUP | T_COUNT_VALUES) {
            // How many there are does not depend on what they are, unless a comparison chose them.
            fact.unknown = inner.unknown.filter(|_| inner.filtered);
            if op == T_COUNT_VALUES {
                fact.labels = PossibleLabels::default();
                fact.single = false;
            }
        }
        fact
    }
}

/// Adds what is not among the notes yet: a rule that reads another twice tells its thresholds once.
fn note(notes: &mut Vec<BetweenEdges>, more: &[BetweenEdges]) {
    for one in more {
        if notes.len() < MOST_NOTES && !notes.contains(one) {
            notes.push(one.clone());
        }
    }
}

/// Whether the two sides surely match because neither has labels that are compared.
fn empty_match(
    left: &AbstractValue,
    right: &AbstractValue,
    matching: Option<&LabelModifier>,
) -> bool {
    let on_nothing = matches!(matching, Some(LabelModifier::Include(on)) if on.labels.is_empty());
    on_nothing || (left.labels.is_none() && right.labels.is_none())
}

fn included(many: &PossibleLabels, labels: &[String]) -> PossibleLabels {
    labels
        .iter()
        .fold(many.clone(), |set, label| set.freed(label))
}

fn unless(
    left: &AbstractValue,
    right: &AbstractValue,
    matching: Option<&LabelModifier>,
    whole: &Expr,
    mismatch: Option<String>,
) -> AbstractValue {
    let mut fact = left.clone();
    note(&mut fact.between_edges, &right.between_edges);
    if !right.present || mismatch.is_some() {
        return fact;
    }
    if !right.absent && right.unknown.is_none() && empty_match(left, right, matching) {
        let part = whole.to_string();
        let why = "what `unless` takes away is always there";
        return fact.empty(Reason::Empty { part, why });
    }
    fact.absent = true;
    fact.filtered = true;
    fact.unknown = fact.unknown.or_else(|| right.unknown.clone());
    fact
}

fn arithmetic(op: u16, left: Range, right: Range) -> Range {
    match op {
        T_ADD => left.plus(right),
        T_SUB => left.minus(right),
        T_MUL => left.times(right),
        T_DIV => left.over(right),
        T_MOD => left.modulo(right),
        T_POW => left.power(right),
        T_ATAN2 => left.atan2(right),
        _ => Range::ANY,
    }
}

/// The edges of a quantile that is multiplied or divided by a constant.
fn scaled_edges(op: u16, left: &AbstractValue, right: &AbstractValue) -> Vec<f64> {
    let (edges, by) = match (op, left.range.single(), right.range.single()) {
        (T_MUL, _, Some(by)) => (&left.edges, by),
        (T_MUL, Some(by), _) => (&right.edges, by),
        (T_DIV, _, Some(by)) => (&left.edges, 1.0 / by),
        _ => return Vec::new(),
    };
    let mut scaled: Vec<f64> = edges.iter().map(|edge| edge * by).collect();
    scaled.sort_by(f64::total_cmp);
    scaled
}

fn compared(
    mut fact: AbstractValue,
    left: &AbstractValue,
    right: &AbstractValue,
    comparison: Comparison,
    bool: bool,
    keeps_left: bool,
    whole: &Expr,
) -> AbstractValue {
    let (can_be_true, can_be_false) = left.range.outcomes(comparison, right.range);
    if can_be_true {
        fact.between_edges.extend(between(left, right, whole));
        fact.between_edges.extend(between(right, left, whole));
    }
    if bool {
        fact.range = match (can_be_false, can_be_true) {
            (true, true) => Range::new(0.0, 1.0),
            (false, _) => Range::point(1.0),
            (true, false) => Range::point(0.0),
        };
        if !(can_be_true && can_be_false) {
            fact.unknown = None;
        }
        return fact;
    }
    let (kept, other, towards) = if keeps_left {
        (left, right, comparison)
    } else {
        (right, left, comparison.flipped())
    };
    fact.range = kept.range.where_true(towards, other.range);
    fact.edges.clone_from(&kept.edges);
    if !can_be_true {
        let comparison = whole.to_string();
        let (left, right) = (left.range, right.range);
        return fact.empty(Reason::NeverTrue {
            comparison,
            left,
            right,
        });
    }
    fact.absent |= can_be_false;
    fact.filtered |= can_be_false;
    fact
}

/// The edges around a constant that a quantile is compared with, unless it is one of them.
fn between(
    quantile: &AbstractValue,
    constant: &AbstractValue,
    whole: &Expr,
) -> Option<BetweenEdges> {
    let threshold = constant.range.single()?;
    let close = |edge: f64| (edge - threshold).abs() <= 1e-9 * threshold.abs();
    if quantile.edges.iter().any(|edge| close(*edge)) {
        return None;
    }
    let above = quantile.edges.iter().position(|edge| *edge > threshold)?;
    Some(BetweenEdges {
        comparison: whole.to_string(),
        threshold,
        lower: above
            .checked_sub(1)
            .map_or(0.0, |below| quantile.edges[below]),
        upper: quantile.edges[above],
    })
}

/// The sum of any number of values of a range.
pub(super) fn summed(range: Range) -> Range {
    let far = |bound: f64, unbounded: f64| {
        if bound.is_infinite() {
            bound
        } else {
            unbounded
        }
    };
    if range.has_no_number() {
        return range;
    }
    Range {
        low: if range.low < 0.0 {
            far(range.low, f64::MIN)
        } else {
            range.low
        },
        high: if range.high > 0.0 {
            far(range.high, f64::MAX)
        } else {
            range.high
        },
        nan: range.nan || (range.low == -INF && range.high == INF),
    }
}

/// A standard deviation or variance of values of a range, of which `most` is the greatest.
pub(super) fn deviation(range: Range, most: f64) -> Range {
    let most = if most.is_nan() { INF } else { most };
    // Rounding may leave a little where all values are the same.
    Range::new(0.0, most.max(0.0) * (1.0 + 1e-9) + f64::MIN_POSITIVE)
        .nan_if(range.nan || range.is_infinite())
}

/// A quantile of values of a range.
pub(super) fn quantile(q: Range, range: Range) -> Range {
    let mut values = range.nan_if(q.nan || range.is_infinite());
    if q.low < 0.0 {
        values.low = -INF;
    }
    if q.high > 1.0 {
        values.high = INF;
    }
    values
}
