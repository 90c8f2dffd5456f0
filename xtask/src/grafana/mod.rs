//! `cargo xtask grafana`: the dashboards against what Grafana publishes of itself.
//!
//! Owns the checks for which Grafana's own packages are needed. Those come from npm, into the build folder. No
//! Grafana server is asked: this repository cannot install one.

mod draw;
mod npm;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Subcommand;

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
        GrafanaCommand::Types => types(),
        GrafanaCommand::Draw(args) => draw::run(args),
    }
}

/// What judges is `dashboards/check/types`.
fn types() -> anyhow::Result<ExitCode> {
    let rendered = crate::root().join("dashboards/rendered");
    let arguments = ["check.mjs", &rendered.display().to_string()];
    let (sound, said) = npm::node(&npm::folder("types")?, &arguments, &[])?;
    std::io::stdout().lock().write_all(said.as_bytes())?;
    Ok(match sound {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}
