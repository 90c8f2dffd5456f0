//! Real servers as child processes.
//!
//! Each starts on a free port of 127.0.0.1 with a temporary folder of its own, is awaited until it says
//! that it is ready, and is killed when its value is dropped or when this process dies. Installed
//! services of the same name are never used. There are two [`Generation`]s of them.

mod alertmanager;
pub mod current;
mod generation;
mod launch;
pub(crate) mod program;
mod prometheus;
mod simple;

pub use alertmanager::{Alertmanager, AlertmanagerBuilder};
pub use generation::Generation;
pub use launch::{Server, free_port};
pub use program::{
    ALERTMANAGER, AMTOOL, BUILT, NODE_EXPORTER, PROMETHEUS, PROMTOOL, PUSHGATEWAY, Program,
    VICTORIA_METRICS, VMALERT,
};
pub use prometheus::{BASIC_AUTH, InstantSample, Prometheus, PrometheusBuilder};
pub use simple::{NodeExporter, Pushgateway, VictoriaMetrics};

pub use crate::process::{Memory, Process, Start};
