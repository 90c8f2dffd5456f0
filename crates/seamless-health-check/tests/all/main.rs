//! The built program, against stand-ins and real servers. One binary, so that it is linked once.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod broken;
mod compatible;
mod deadlines;
mod expositions;
mod fault_matrix;
mod first_and_last;
mod fleets;
mod formats;
mod generations;
mod lookup;
mod paths;
mod real_servers;
mod rounds;
mod rule_files;
mod scraped;
mod secrets;
mod shared;
mod support;
mod surroundings;
mod telemetry;
