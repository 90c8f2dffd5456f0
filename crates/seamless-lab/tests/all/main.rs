//! The lab: real servers, stand-ins, the simulated runtime; and the HTTP client of core against them.

mod analysis;
mod client;
mod routing;
mod rule_files;
mod runtime;
mod servers;
mod stand_ins;
mod telemetry;
mod up;
