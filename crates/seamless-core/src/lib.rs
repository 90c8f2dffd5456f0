//! What the seamless-ops programs share: the metric schema, exposition, lease keys, the clients of the
//! coordinator, Prometheus and Alertmanager, and configuration.
//!
//! It parses no arguments, prints nothing, never ends the process, and takes the time from its
//! callers.

pub mod alertmanager;
pub mod analysis;
pub mod bounds;
pub mod config;
pub mod context;
pub mod coordinator;
pub mod counters;
pub mod duration;
pub mod exposition;
pub mod http;
pub mod lease;
pub mod logs;
mod nullable;
pub mod paging;
pub mod prometheus;
pub mod promql;
pub mod remote_write;
pub mod rules;
pub mod schema;
pub mod stuck;
mod yaml;
