//! The built program against servers that keep its requests: exit code, streams and requests received.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod flow;
mod kill;
mod outcomes;
mod program;
mod selection;
