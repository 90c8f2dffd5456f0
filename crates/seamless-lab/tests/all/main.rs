//! The lab: real servers, stand-ins, the simulated runtime.

mod runtime;
mod servers;
mod stand_ins;
mod telemetry;
mod up;
