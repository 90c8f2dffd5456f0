//! What an expression can be at all: the values and labels of every part of it, from the schema, the
//! buckets of histograms and the recording rules.
//!
//! Owns the verdict on an alert ([`Judgement`]): that it can never fire, always fires, can fire, or that
//! this cannot be told. A set of values may be too large, never too small: "never" and "always" are proofs.
//! It evaluates nothing and asks no server.
//!
//! ```
//! use seamless_core::analysis::{Analysis, FiringVerdict, Layouts};
//! use seamless_core::rules::RuleFile;
//!
//! let file = "groups: [{name: a, rules: [{alert: A, expr: backfill_completion_ratio < 0}]}]";
//! let rules = RuleFile::parse(file)?;
//! let rule = rules.alerts().next().ok_or("no rule")?;
//! let judgement = Analysis::new(&rules, &Layouts::of_schema()).judge(rule);
//! assert!(matches!(judgement.verdict, FiringVerdict::NeverFires(_)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod evaluate;
mod functions;
mod interval;
mod labels;
mod layout;
mod sources;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;

use crate::promql::Expression;
use crate::rules::{Rule, RuleFile};

pub use evaluate::AbstractValue;
pub use interval::Range;
pub use layout::{Layout, Layouts};

/// What comes of an alert.
#[derive(Debug, Clone, PartialEq)]
pub enum FiringVerdict {
    /// It can fire, and need not.
    CanFire,
    /// Nothing that its series can be makes it fire.
    NeverFires(Reason),
    /// It fires as long as its series are there, whatever their values.
    AlwaysFires(Reason),
    /// Something in it is not known.
    Unknown(Reason),
}

/// Why, in words that name the part of the expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    /// A comparison that is never true.
    NeverTrue {
        /// The comparison.
        comparison: String,
        /// What its left side can be.
        left: Range,
        /// What its right side can be.
        right: Range,
    },
    /// Nothing in it depends on a value.
    NoCondition,
    /// No series of the two sides can match.
    NoMatch {
        /// The operation.
        operation: String,
        /// The label on which they differ.
        label: String,
    },
    /// A part that never has a result.
    Empty {
        /// The part.
        part: String,
        /// Why.
        why: &'static str,
    },
    /// A metric of which nothing is known.
    Metric(String),
    /// A function or operator that is not analysed.
    Function(String),
    /// A histogram whose buckets are not known.
    Buckets(String),
    /// Recording rules that read each other in a circle.
    Cycle(String),
    /// Not PromQL, or nested too deeply.
    Unreadable(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverTrue {
                comparison,
                left,
                right,
            } => write!(
                f,
                "`{comparison}` is never true: the left side is {left}, the right side {right}"
            ),
            Self::NoCondition => f.write_str(
                "nothing in the expression depends on a value: each of its series fires",
            ),
            Self::NoMatch { operation, label } => write!(
                f,
                "`{operation}` matches nothing: its sides always differ in the label {label}"
            ),
            Self::Empty { part, why } => write!(f, "`{part}` has no result: {why}"),
            Self::Metric(name) => write!(f, "nothing is known of the metric {name}"),
            Self::Function(name) => write!(f, "{name} is not analysed"),
            Self::Buckets(name) => write!(f, "the buckets of {name} are not known"),
            Self::Cycle(name) => write!(f, "the recording rule {name} reads itself"),
            Self::Unreadable(why) => f.write_str(why),
        }
    }
}

/// A quantile that is compared with a value inside a bucket, where it is interpolated.
#[derive(Debug, Clone, PartialEq)]
pub struct BetweenEdges {
    /// The comparison.
    pub comparison: String,
    /// What the quantile is compared with.
    pub threshold: f64,
    /// The bucket edge below it.
    pub lower: f64,
    /// The bucket edge above it.
    pub upper: f64,
}

/// The verdict on an alert, and what else is worth knowing of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: FiringVerdict,
    /// Thresholds between two bucket edges.
    pub between_edges: Vec<BetweenEdges>,
}

/// An analysis of one file's rules. What its recording rules can be is found once.
#[derive(Debug)]
pub struct Analysis<'a> {
    rules: &'a RuleFile,
    layouts: &'a Layouts,
    recorded: RefCell<BTreeMap<String, Option<AbstractValue>>>,
    /// How many parts the one that is looked at lies in, through recording rules.
    depth: Cell<usize>,
}

impl<'a> Analysis<'a> {
    /// An analysis with these rules and the buckets that histograms have.
    #[must_use]
    pub const fn new(rules: &'a RuleFile, layouts: &'a Layouts) -> Self {
        Self {
            rules,
            layouts,
            recorded: RefCell::new(BTreeMap::new()),
            depth: Cell::new(0),
        }
    }

    /// What comes of an alert.
    #[must_use]
    pub fn judge(&self, rule: &Rule) -> Judgement {
        let fact = self.expression(&rule.expr);
        let verdict = match (fact.never, fact.unknown) {
            (Some(why), _) if !fact.present => FiringVerdict::NeverFires(why),
            (_, Some(why)) => FiringVerdict::Unknown(why),
            (_, None) if !fact.filtered => FiringVerdict::AlwaysFires(Reason::NoCondition),
            (_, None) => FiringVerdict::CanFire,
        };
        Judgement {
            verdict,
            between_edges: fact.between_edges,
        }
    }

    /// Whether an alert fires whatever happens: its expression reads no series, and is never empty.
    #[must_use]
    pub fn always_fires(&self, rule: &Rule) -> bool {
        let query = rule.expr.query();
        query.is_ok_and(|query| query.selectors().is_empty())
            && matches!(self.judge(rule).verdict, FiringVerdict::AlwaysFires(_))
    }

    /// Whether an alert's series surely lack `label`: its expression drops it.
    #[must_use]
    pub fn drops(&self, rule: &Rule, label: &str) -> bool {
        self.expression(&rule.expr).labels.surely_lacks(label)
    }

    /// What an expression can be.
    #[must_use]
    pub fn expression(&self, expression: &Expression) -> AbstractValue {
        match expression.query() {
            Ok(query) => self.evaluate(query.tree()),
            Err(error) => AbstractValue::unknown(Reason::Unreadable(error.to_string())),
        }
    }
}
