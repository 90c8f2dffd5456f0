//! `cargo xtask docs`: the generated reference, and what the written pages must keep.
//!
//! Owns `docs/reference/` and the rules that hold the pages together: both languages, anchors, links,
//! alerts. It writes no page by hand and changes none that a person wrote.

mod consistency;
mod page;
mod programs;
mod reference;
pub mod servers;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Result;

pub use consistency::faults;
pub use page::{Block, BoldLabel, Heading, Link, Page, PageCommand};

/// Arguments of `cargo xtask docs`.
#[derive(clap::Args)]
pub struct DocsArgs {
    /// Write nothing; fail if a generated file differs, or the pages contradict each other.
    #[arg(long)]
    check: bool,
}

/// Generates, or compares, and checks the written pages.
///
/// # Errors
/// Files that cannot be read or written.
pub fn run(args: &DocsArgs) -> Result<ExitCode> {
    let root = crate::root();
    let mut out = std::io::stdout().lock();
    let mut faults = Vec::new();
    if args.check {
        faults = reference::files()?.drift(&root)?;
        faults.extend(servers::update(&root, true)?);
        if !faults.is_empty() {
            faults.push("run `cargo xtask docs` and commit the result".to_owned());
        }
    } else {
        for path in reference::files()?.write(&root)? {
            writeln!(out, "{}", path.display())?;
        }
        for page in servers::update(&root, false)? {
            writeln!(out, "{page}")?;
        }
    }
    faults.extend(consistency::faults(&root)?);
    for fault in &faults {
        writeln!(out, "{fault}")?;
    }
    if !faults.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    writeln!(out, "the documents are up to date and hold together")?;
    Ok(ExitCode::SUCCESS)
}
