//! The built program, against stand-ins and real servers. One binary, so that it is linked once.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod before_it_pages;
mod closed_loop;
mod fault_matrix;
mod notified;
mod program;
mod real_sinks;
mod safety;
mod secrets;
mod support;
mod surroundings;
