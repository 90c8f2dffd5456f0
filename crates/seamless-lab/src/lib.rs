//! Stand-ins and real servers for drills and tests.
//!
//! Owns what a rehearsal needs around the shipped programs: real Prometheus, Alertmanager, Pushgateway,
//! VictoriaMetrics and node_exporter as child processes ([`servers`]), a backfill coordinator with real
//! lease semantics ([`coordinator`]), a server that misbehaves byte by byte ([`faults`]), a receiver
//! of pages ([`pager`]), and a runtime that exposes every family and misbehaves on command
//! ([`runtime`]); [`stack`] wires them together. Everything starts with a plain blocking call on a free port of 127.0.0.1 and
//! ends when its value is dropped.
//!
//! It never touches a server that it did not start, and no shipped program depends on it.

mod background;
pub mod console;
pub mod coordinator;
pub mod expositions;
pub mod faults;
mod interrupt;
pub mod kept;
pub mod pager;
mod process;
pub mod pty;
mod received;
pub mod routes;
pub mod runtime;
pub mod servers;
mod serving;
pub mod stack;
mod wait;

pub use interrupt::Interrupt;
pub use process::signal;
pub use received::Received;
pub use wait::{wait_for, wait_until};
