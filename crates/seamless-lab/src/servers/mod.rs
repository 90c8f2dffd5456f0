//! Real servers as child processes.
//!
//! Each starts on a free port of 127.0.0.1 with a temporary folder of its own, is awaited until it says
//! that it is ready, and is killed when its value is dropped or when this process dies. Installed
//! services of the same name are never used. There are two [`Generation`]s of them.

mod alertmanager;
pub mod current;
mod generation;
mod launch;
mod prometheus;
mod simple;

pub use alertmanager::{Alertmanager, AlertmanagerBuilder};
pub use generation::Generation;
pub use launch::{Server, free_port};
pub use prometheus::{BASIC_AUTH, InstantSample, Prometheus, PrometheusBuilder};
pub use simple::{NodeExporter, Pushgateway, VictoriaMetrics};

pub use crate::process::{Memory, Process, Program, Start};

/// Prometheus.
pub const PROMETHEUS: Program = Program {
    names: &["prometheus"],
    package: "prometheus",
};
/// promtool, which comes with Prometheus.
pub const PROMTOOL: Program = Program {
    names: &["promtool"],
    package: "prometheus",
};
/// Alertmanager.
pub const ALERTMANAGER: Program = Program {
    names: &["prometheus-alertmanager", "alertmanager"],
    package: "prometheus-alertmanager",
};
/// amtool, which comes with Alertmanager.
pub const AMTOOL: Program = Program {
    names: &["amtool"],
    package: "prometheus-alertmanager",
};
/// Pushgateway.
pub const PUSHGATEWAY: Program = Program {
    names: &["prometheus-pushgateway", "pushgateway"],
    package: "prometheus-pushgateway",
};
/// VictoriaMetrics, single node.
pub const VICTORIA_METRICS: Program = Program {
    names: &["victoria-metrics", "victoria-metrics-prod"],
    package: "victoria-metrics",
};
/// vmalert, which evaluates rules for VictoriaMetrics; Debian has none.
pub const VMALERT: Program = Program {
    names: &["vmalert"],
    package: "victoria-metrics",
};
/// What [`Generation::Current`] has; everything else is the distribution's in either generation.
pub const BUILT: &[Program] = &[
    PROMETHEUS,
    PROMTOOL,
    ALERTMANAGER,
    AMTOOL,
    VICTORIA_METRICS,
    VMALERT,
];
/// node_exporter.
pub const NODE_EXPORTER: Program = Program {
    names: &["prometheus-node-exporter", "node_exporter"],
    package: "prometheus-node-exporter",
};
