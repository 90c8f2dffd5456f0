//! `cargo xtask load`: the release programs under more load than a deployment brings.
//!
//! Owns the run and its table: what was seen, the bound it is held to, and the verdict. Each load is a
//! module: [`scrapes`] has the injector served to several scrapers at once, [`leases`] has 100,000 leases
//! recovered from a coordinator with every fault, [`million`] has the health check ask a Prometheus with
//! a million series. Bounds are there to catch what grows without one; speed is `cargo xtask bench`'s.

mod leases;
mod million;
mod scrapes;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;

use crate::drill::programs::Programs;
use crate::install;
use crate::measure::Sheet;

/// Arguments of `cargo xtask load`.
#[derive(clap::Args)]
pub struct LoadArgs {
    /// How long the injector is scraped.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
    /// Only these (repeatable): `scrapes`, `leases`, `million`.
    #[arg(long = "only", value_name = "LOAD", value_parser = ["scrapes", "leases", "million"])]
    only: Vec<String>,
}

/// Runs the loads one after the other and prints the table. Exit code 1 if a bound does not hold.
///
/// # Errors
/// If a program cannot be built or started, or a server is missing.
pub fn run(args: &LoadArgs) -> Result<ExitCode> {
    install::ensure(install::FOR_LOAD)?;
    let programs = Programs::build(true)?;
    let wanted = |name: &str| args.only.is_empty() || args.only.iter().any(|only| only == name);
    let mut sheet = Sheet::default();
    if wanted("scrapes") {
        scrapes::run(&programs.inject, args.minutes, &mut sheet)?;
    }
    if wanted("leases") {
        leases::run(&programs.recover, &mut sheet)?;
    }
    if wanted("million") {
        million::run(&programs, &mut sheet)?;
    }
    std::io::stdout()
        .lock()
        .write_all(sheet.text().as_bytes())?;
    Ok(sheet.exit_code())
}
