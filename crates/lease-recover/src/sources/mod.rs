//! Where leases come from when they are named: arguments, files, standard input, logs.
//!
//! Owns opening and reading them, with a place in every error and never a line's text (it may be a
//! token). Reading may block, so it is done away from the runtime. Nothing here contacts anybody.

mod lines;
mod logs;

use std::collections::HashSet;
use std::path::PathBuf;

use anyhow::Context;
use seamless_core::lease::LeaseSpec;

/// The named leases of a run, each once.
#[derive(Debug, Default)]
pub(crate) struct Named {
    /// Given as KEY:TOKEN: meant as they are.
    pub(crate) specs: Vec<LeaseSpec>,
    /// Open in a log: a selection.
    pub(crate) from_logs: Vec<LeaseSpec>,
    /// The files that name no lease.
    pub(crate) empty: Vec<String>,
    /// What the logs hold, file by file, and whether that is nothing of ours.
    pub(crate) logs_read: Vec<(String, bool)>,
}

/// Reads every lease, so that one that cannot be read is known before anything is done with the first.
pub(crate) fn read(
    arguments: &[String],
    files: &[PathBuf],
    logs: &[PathBuf],
) -> anyhow::Result<Named> {
    let mut named = Named::default();
    for (index, argument) in arguments.iter().enumerate() {
        let spec = LeaseSpec::parse(argument).with_context(|| format!("argument {}", index + 1))?;
        named.specs.push(spec);
    }
    for path in files {
        let before = named.specs.len();
        lines::each(path, |line| {
            named.specs.extend(spec_on(&line)?);
            Ok(())
        })?;
        // A pipe whose first command failed looks like that.
        if named.specs.len() == before {
            named.empty.push(lines::name_of(path));
        }
    }
    let mut open_leases = logs::OpenLeases::default();
    for path in logs {
        open_leases.begin_file();
        lines::each(path, |line| read_log(&mut open_leases, &line))?;
        let summary = format!("{}: {}", lines::name_of(path), open_leases.summary());
        named.logs_read.push((summary, open_leases.has_no_event()));
    }
    named.from_logs = open_leases.into_specs();
    let mut seen = HashSet::new();
    named.specs.retain(|spec| seen.insert(spec.clone()));
    named.from_logs.retain(|spec| seen.insert(spec.clone()));
    Ok(named)
}

/// The lease on a line, unless the line is empty or a comment.
fn spec_on(line: &lines::Line<'_>) -> anyhow::Result<Option<LeaseSpec>> {
    if matches!(line.bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
        anyhow::bail!("UTF-16 text; save it as UTF-8");
    }
    let text = str::from_utf8(line.bytes).context("not UTF-8 text")?.trim();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    Ok(Some(LeaseSpec::parse_line(text)?))
}

fn read_log(open_leases: &mut logs::OpenLeases, line: &lines::Line<'_>) -> anyhow::Result<()> {
    open_leases
        .read(line.bytes, line.is_torn)
        .map_err(|reason| anyhow::anyhow!(reason))
}

/// The leases that the text of a log shows claimed and never ended.
///
/// # Errors
/// The first line that is one of the coordinator clients' events and cannot be read.
pub fn open_in_log(text: &[u8]) -> anyhow::Result<Vec<LeaseSpec>> {
    let mut open_leases = logs::OpenLeases::default();
    lines::read("the log", text, |line| read_log(&mut open_leases, &line))?;
    Ok(open_leases.into_specs())
}
