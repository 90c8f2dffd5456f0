//! PromQL expressions, read into their syntax trees.
//!
//! Owns what can be told from an expression alone ([`Query`]): which series it selects over which range,
//! which quantile of which histogram it compares with what, and whether two expressions mean the same. It
//! knows no metric of this project, asks no server, and evaluates nothing but constants; `promtool` stays
//! the judge of what a Prometheus accepts.

mod depth_guard;
mod duration_guard;
mod expression;
mod query;
mod scope;

pub use expression::Expression;
pub use query::{Comparison, QuantileThreshold, Query, QueryError, SeriesSelector};
pub use scope::Scope;
