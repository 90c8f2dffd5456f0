//! `cargo xtask grafana`: the dashboards against what Grafana publishes of itself.
//!
//! Owns the model of a dashboard and the checks for which Grafana's own packages are needed. Those come
//! from npm, into the build folder. No Grafana server is asked: this repository cannot install one.

pub mod dashboard;
mod draw;
mod npm;
mod types;

use std::process::ExitCode;

use clap::Subcommand;

pub use dashboard::{
    Annotation, Annotations, Dashboard, Datasource, FieldConfig, FieldDefaults, Filling, GridPos,
    Panel, PanelLink, PanelOptions, PanelTarget, RATE_INTERVAL, SortBy, Templating, Variable,
    rendered,
};
pub use types::{Mistyped, SCHEMAS, mistyped};

/// Arguments of `cargo xtask grafana`.
#[derive(clap::Args)]
pub struct GrafanaArgs {
    #[command(subcommand)]
    command: GrafanaCommand,
}

#[derive(Subcommand)]
enum GrafanaCommand {
    /// Check every rendered dashboard against the schema types that Grafana 11 and 12 publish.
    Types,
    /// Draw every rendered dashboard with Grafana's own components, on a real Prometheus fed by the injector.
    Draw(draw::DrawArgs),
}

/// Runs one.
///
/// # Errors
/// If node or npm is missing and cannot be installed, or what they bring cannot be had.
pub fn run(args: &GrafanaArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        GrafanaCommand::Types => types::run(),
        GrafanaCommand::Draw(args) => draw::run(args),
    }
}
