//! Sets of numbers: an interval of the extended reals, and whether NaN belongs to it.
//!
//! Every operation gives a set that holds each result the operation can have; it may hold more. The sign of
//! a zero bound counts, since a division by -0 is -Inf: a lower bound of 0.0 excludes -0.0.

use std::fmt;

use crate::promql::Comparison;

/// What a value can be: between two bounds, both included, or NaN.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The least number.
    pub low: f64,
    /// The greatest number.
    pub high: f64,
    /// Whether it can be NaN.
    pub nan: bool,
}

pub(super) const INF: f64 = f64::INFINITY;

impl Range {
    /// Anything at all.
    pub const ANY: Self = Self {
        low: -INF,
        high: INF,
        nan: true,
    };
    /// Any finite number that is not negative. That sums of finite numbers overflow is left aside.
    pub const NOT_NEGATIVE: Self = Self::new(0.0, f64::MAX);
    /// Any finite number.
    pub const FINITE: Self = Self::new(f64::MIN, f64::MAX);

    /// Numbers from `low` to `high`.
    #[must_use]
    pub const fn new(low: f64, high: f64) -> Self {
        Self {
            low,
            high,
            nan: false,
        }
    }

    /// One value.
    #[must_use]
    pub const fn point(value: f64) -> Self {
        if value.is_nan() {
            // No number: bounds that hold nothing.
            return Self {
                low: INF,
                high: -INF,
                nan: true,
            };
        }
        Self::new(value, value)
    }

    /// The same, and NaN.
    #[must_use]
    pub const fn or_nan(mut self) -> Self {
        self.nan = true;
        self
    }

    /// The same, and NaN if `condition`.
    pub(super) const fn nan_if(mut self, condition: bool) -> Self {
        self.nan |= condition;
        self
    }

    /// Whether it holds no number, only NaN if anything.
    pub(super) fn has_no_number(self) -> bool {
        self.low > self.high
    }

    /// The one number that it can be.
    #[must_use]
    pub fn single(self) -> Option<f64> {
        (self.low == self.high && !self.nan).then_some(self.low)
    }

    /// Whether `value` belongs to it.
    #[must_use]
    pub fn contains(self, value: f64) -> bool {
        if value.is_nan() {
            self.nan
        } else {
            self.low <= value && value <= self.high
        }
    }

    pub(super) fn is_infinite(self) -> bool {
        self.low == -INF || self.high == INF
    }

    pub(super) fn union(self, other: Self) -> Self {
        let nan = self.nan || other.nan;
        if self.has_no_number() {
            return Self { nan, ..other };
        }
        if other.has_no_number() {
            return Self { nan, ..self };
        }
        hull(&[self.low, self.high, other.low, other.high]).nan_if(nan)
    }

    /// Both bounds through a function that never decreases.
    pub(super) fn rising(self, f: impl Fn(f64) -> f64) -> Self {
        if self.has_no_number() {
            return self;
        }
        Self {
            low: f(self.low),
            high: f(self.high),
            nan: self.nan,
        }
    }

    pub(super) fn negated(self) -> Self {
        Self {
            low: -self.high,
            high: -self.low,
            nan: self.nan,
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        let nan = self.nan
            || other.nan
            || (self.high == INF && other.low == -INF)
            || (self.low == -INF && other.high == INF);
        if self.has_no_number() || other.has_no_number() {
            return Self::point(f64::NAN).nan_if(nan);
        }
        // Inf - Inf at a bound: that side is as far as it goes.
        let infinite = self.is_infinite() || other.is_infinite();
        let or = |sum: f64, otherwise: f64| {
            if sum.is_nan() {
                otherwise
            } else {
                finite(sum, infinite)
            }
        };
        Self {
            low: or(self.low + other.low, -INF),
            high: or(self.high + other.high, INF),
            nan,
        }
    }

    pub(super) fn minus(self, other: Self) -> Self {
        self.plus(other.negated())
    }

    pub(super) fn times(self, other: Self) -> Self {
        let nan = self.nan
            || other.nan
            || (self.contains(0.0) && other.is_infinite())
            || (other.contains(0.0) && self.is_infinite());
        if self.has_no_number() || other.has_no_number() {
            return Self::point(f64::NAN).nan_if(nan);
        }
        // 0 × Inf at a bound: just inside the bounds it is 0.
        let infinite = self.is_infinite() || other.is_infinite();
        let product = |a: f64, b: f64| {
            if a == 0.0 || b == 0.0 {
                zero(a, b)
            } else {
                finite(a * b, infinite)
            }
        };
        hull(&[
            product(self.low, other.low),
            product(self.low, other.high),
            product(self.high, other.low),
            product(self.high, other.high),
        ])
        .nan_if(nan)
    }

    pub(super) fn over(self, divisor: Self) -> Self {
        let nan = self.nan
            || divisor.nan
            || (self.contains(0.0) && divisor.contains(0.0))
            || (self.is_infinite() && divisor.is_infinite());
        if self.has_no_number() || divisor.has_no_number() {
            return Self::point(f64::NAN).nan_if(nan);
        }
        let quotient = |a: f64, b: f64| {
            if b == 0.0 {
                if a == 0.0 { 0.0 } else { a / b }
            } else if b.is_infinite() {
                // Where both are infinite, what lies just inside can be anything between.
                if a.is_infinite() {
                    a.signum() * b.signum() * INF
                } else {
                    a / b
                }
            } else {
                a / b
            }
        };
        let (low, high) = (divisor.low, divisor.high);
        let crosses = low.is_sign_negative() && high.is_sign_positive() && divisor.contains(0.0);
        let parts: &[(f64, f64)] = if crosses {
            &[(low, -0.0), (0.0, high)]
        } else {
            &[(low, high)]
        };
        let mut bounds = Vec::new();
        for (from, to) in parts {
            for a in [self.low, self.high] {
                bounds.push(quotient(a, *from));
                bounds.push(quotient(a, *to));
                if a.is_infinite() && (from.is_infinite() || to.is_infinite()) {
                    bounds.push(0.0);
                }
            }
        }
        if self.contains(0.0) {
            bounds.push(0.0);
            if divisor.low.is_sign_negative() || self.low.is_sign_negative() {
                bounds.push(-0.0);
            }
        }
        hull(&bounds).nan_if(nan)
    }

    /// `%` as Go's `math.Mod`: the sign of the dividend, smaller than the divisor.
    pub(super) fn modulo(self, divisor: Self) -> Self {
        let nan = self.nan || divisor.nan || self.is_infinite() || divisor.contains(0.0);
        if self.has_no_number() || divisor.has_no_number() {
            return Self::point(f64::NAN).nan_if(nan);
        }
        let size = divisor.low.abs().max(divisor.high.abs());
        let low = if self.low.is_sign_negative() {
            (-size).max(self.low)
        } else {
            0.0
        };
        let high = if self.high > 0.0 {
            size.min(self.high)
        } else {
            -0.0
        };
        Self { low, high, nan }
    }

    pub(super) fn power(self, exponent: Self) -> Self {
        if let (Some(base), Some(exponent)) = (self.single(), exponent.single()) {
            return Self::point(base.powf(exponent));
        }
        if self.low < 0.0 || self.has_no_number() || exponent.has_no_number() {
            return Self::ANY;
        }
        let nan = self.nan || exponent.nan;
        let mut bounds = vec![0.0, 1.0];
        bounds.truncate(usize::from(self.nan || exponent.nan || self.contains(1.0)) * 2);
        for a in [self.low, self.high] {
            for b in [exponent.low, exponent.high] {
                bounds.push(a.powf(b));
            }
        }
        if exponent.contains(0.0) {
            bounds.push(1.0);
        }
        if self.contains(1.0) {
            bounds.push(1.0);
        }
        if self.low.is_sign_negative() {
            return Self::ANY;
        }
        hull(&bounds).nan_if(nan)
    }

    pub(super) fn atan2(self, other: Self) -> Self {
        use std::f64::consts::PI;
        Self::new(-PI, PI).nan_if(self.nan || other.nan)
    }

    /// Whether `self comparison other` can be true, and whether it can be false.
    pub(super) fn outcomes(self, comparison: Comparison, other: Self) -> (bool, bool) {
        let nan = self.nan || other.nan;
        if self.has_no_number() || other.has_no_number() {
            let differs = comparison == Comparison::NotEqual;
            return (differs, !differs);
        }
        let apart = self.high < other.low || other.high < self.low;
        let same = self.low == self.high && other.low == other.high && self.low == other.low;
        match comparison {
            Comparison::Greater => (self.high > other.low, nan || self.low <= other.high),
            Comparison::GreaterOrEqual => (self.high >= other.low, nan || self.low < other.high),
            Comparison::Less => (self.low < other.high, nan || self.high >= other.low),
            Comparison::LessOrEqual => (self.low <= other.high, nan || self.high > other.low),
            Comparison::Equal => (!apart, nan || !same),
            Comparison::NotEqual => (nan || !same, !apart),
        }
    }

    /// The part of it for which `self comparison other` can be true.
    pub(super) fn where_true(self, comparison: Comparison, other: Self) -> Self {
        let mut kept = self;
        match comparison {
            Comparison::Greater | Comparison::GreaterOrEqual => kept.low = kept.low.max(other.low),
            Comparison::Less | Comparison::LessOrEqual => kept.high = kept.high.min(other.high),
            Comparison::Equal => {
                kept.low = kept.low.max(other.low);
                kept.high = kept.high.min(other.high);
            }
            Comparison::NotEqual => return self,
        }
        kept.nan = false;
        kept
    }
}

/// A result of finite operands is finite.
const fn finite(value: f64, infinite: bool) -> f64 {
    if infinite {
        value
    } else {
        value.clamp(f64::MIN, f64::MAX)
    }
}

fn zero(a: f64, b: f64) -> f64 {
    if a.is_sign_negative() == b.is_sign_negative() {
        0.0
    } else {
        -0.0
    }
}

/// The smallest interval that holds all of `values`, of which none is NaN.
fn hull(values: &[f64]) -> Range {
    let least = values.iter().copied().min_by(f64::total_cmp);
    let greatest = values.iter().copied().max_by(f64::total_cmp);
    match (least, greatest) {
        (Some(low), Some(high)) => Range::new(low, high),
        _ => Range::point(f64::NAN),
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = (self.low, self.high);
        // Bounds that come from 0.1 + 0.2 are shown as a person would write them.
        let shown = |bound: f64| {
            let short: f64 = format!("{bound:.9e}").parse().unwrap_or(bound);
            short.to_string()
        };
        match (low <= f64::MIN, high >= f64::MAX) {
            _ if low > high => f.write_str("NaN"),
            _ if low == high => f.write_str(&shown(low)),
            (true, true) => f.write_str("any number"),
            (true, false) => write!(f, "at most {}", shown(high)),
            (false, true) => write!(f, "at least {}", shown(low)),
            (false, false) => write!(f, "from {} to {}", shown(low), shown(high)),
        }
    }
}
