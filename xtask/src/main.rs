//! The project's own commands. This file only dispatches.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Commands for those who work on seamless-ops.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Render the alert rules and dashboards from their jsonnet sources.
    Render(xtask::render::RenderArgs),
    /// Hold rules, dashboards and rule tests to the schema and to each other.
    Lint(xtask::lint::LintArgs),
    /// Measure the programs against their peers and against what cannot be beaten.
    Bench(xtask::bench::BenchArgs),
    /// Build the release: tarball, Debian package, Kubernetes manifests.
    Dist(xtask::dist::DistArgs),
    /// Generate the reference pages, man pages and completions, and check what the documents say.
    Docs(xtask::docs::DocsArgs),
    /// Run every panel's query and every alert's expression on a real Prometheus fed by the injector.
    Coverage(xtask::coverage::CoverageArgs),
    /// Check the dashboards with what Grafana publishes of itself.
    Grafana(xtask::grafana::GrafanaArgs),
    /// Rehearse an incident on real servers, from the violation to the resolved page.
    Drill(Box<xtask::drill::DrillArgs>),
    /// Build today's Prometheus, Alertmanager and VictoriaMetrics, which the tests run beside the distribution's.
    Servers(xtask::servers::ServersArgs),
    /// Measure what domains cost a Prometheus with the shipped rules.
    Sizing(xtask::sizing::SizingArgs),
    /// Run a program and print what it took, as JSON.
    #[command(hide = true)]
    Launch(xtask::measure::LaunchArgs),
    /// Check everything: format, lints, rendered files, rules, tests on real servers, the drill.
    Test(xtask::test::TestArgs),
}

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Render(args) => xtask::render::run(&args),
        Command::Lint(args) => xtask::lint::run(&args),
        Command::Bench(args) => xtask::bench::run(&args),
        Command::Dist(args) => xtask::dist::run(&args),
        Command::Docs(args) => xtask::docs::run(&args),
        Command::Coverage(args) => xtask::coverage::run(&args),
        Command::Grafana(args) => xtask::grafana::run(&args),
        Command::Drill(args) => xtask::drill::run(&args),
        Command::Servers(args) => xtask::servers::run(&args),
        Command::Sizing(args) => xtask::sizing::run(&args),
        Command::Launch(args) => xtask::measure::launch(&args),
        Command::Test(args) => xtask::test::run(&args),
    };
    xtask::exit_code(done)
}
