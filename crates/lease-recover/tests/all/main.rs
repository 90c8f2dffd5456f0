//! The built program against servers that keep its requests, in one binary, so that it is linked once:
//! exit code, streams and requests received.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod answers;
mod contexts;
mod fault_matrix;
mod flow;
mod kill;
mod outcomes;
mod program;
mod records;
mod secrets;
mod selection;
mod signals;
mod surroundings;
