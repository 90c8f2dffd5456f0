//! Where leases come from when they are named: arguments, files, standard input, logs.
//!
//! Owns opening and reading them, with a place in every error and never a line's text (it may be a
//! token). Files are streamed, and may be streamed more than once, so that a million lines need not be
//! held. Nothing here contacts anybody.

mod lines;
mod logs;

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};

use anyhow::Context;
use seamless_core::lease::{LeaseSpec, SpecRef};

use self::lines::Input;

/// The named leases of a run.
pub(crate) struct Sources {
    arguments: Vec<String>,
    files: Vec<Input>,
    from_logs: Vec<LeaseSpec>,
    /// What the logs hold, file by file, and whether that is nothing of ours.
    pub(crate) logs_read: Vec<(String, bool)>,
}

impl Sources {
    /// Opens the files and reads the logs. Standard input is read whole, since it cannot be read twice.
    pub(crate) fn open(
        arguments: &[String],
        files: &[PathBuf],
        logs: &[PathBuf],
    ) -> anyhow::Result<Self> {
        let mut open_leases = logs::OpenLeases::default();
        let mut logs_read = Vec::new();
        for path in logs {
            let name = lines::name_of(path);
            open_leases.begin_file();
            lines::each_line_once(path, |line| {
                open_leases
                    .read(line.bytes, line.is_torn)
                    .map_err(|reason| anyhow::anyhow!("{name}: line {}: {reason}", line.number))
            })?;
            let summary = format!("{name}: {}", open_leases.summary());
            logs_read.push((summary, open_leases.has_no_event()));
        }
        Ok(Self {
            arguments: arguments.to_vec(),
            files: files
                .iter()
                .map(|path| Input::open(path))
                .collect::<Result<_, _>>()?,
            from_logs: open_leases.into_specs(),
            logs_read,
        })
    }

    /// Reads every lease, so that one that cannot be read is known before anything is done with the
    /// first.
    pub(crate) fn check(&mut self) -> anyhow::Result<()> {
        self.each_named(|_| Ok(()))
    }

    /// Visits every lease in order: arguments, files, logs. Duplicates are visited too.
    pub(crate) fn each(
        &mut self,
        visit: &mut dyn FnMut(LeaseSpec) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.each_named(|spec| visit(spec.into_spec()))?;
        self.from_logs.iter().cloned().try_for_each(visit)
    }

    fn each_named(
        &mut self,
        mut visit: impl FnMut(SpecRef<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for (index, argument) in self.arguments.iter().enumerate() {
            visit(
                SpecRef::parse(argument.trim())
                    .with_context(|| format!("argument {}", index + 1))?,
            )?;
        }
        for file in &mut self.files {
            let name = file.name().to_owned();
            file.each_line(|line| {
                let place = || format!("{name}: line {}", line.number);
                let text = line
                    .text
                    .ok_or_else(|| anyhow::anyhow!("{}: not UTF-8 text", place()))?
                    .trim();
                if text.is_empty() || text.starts_with('#') {
                    return Ok(());
                }
                visit(SpecRef::parse_line(text).with_context(place)?)
            })?;
        }
        Ok(())
    }
}

/// How many leases a file names, each of them read.
///
/// # Errors
/// The file, or the first line that names no lease.
pub fn named_in(file: &Path) -> anyhow::Result<usize> {
    let mut named = 0;
    let mut sources = Sources::open(&[], &[file.to_owned()], &[])?;
    sources.each_named(|_| {
        named += 1;
        Ok(())
    })?;
    Ok(named)
}

/// The leases that the text of a log shows claimed and never ended.
///
/// # Errors
/// The first line that is one of the coordinator clients' events and cannot be read.
pub fn open_in_log(text: &[u8]) -> anyhow::Result<Vec<LeaseSpec>> {
    let mut open_leases = logs::OpenLeases::default();
    lines::read_lines("the log", text, |line| {
        open_leases
            .read(line.bytes, line.is_torn)
            .map_err(|reason| anyhow::anyhow!("line {}: {reason}", line.number))
    })?;
    Ok(open_leases.into_specs())
}

/// Which leases have been seen already, in 16 bytes each. Two different leases are taken for one with a
/// probability of 2^-128.
#[derive(Default)]
pub(crate) struct Seen {
    known: HashSet<u128>,
    hashers: (RandomState, RandomState),
}

impl Seen {
    /// Notes a lease. `false` if it had been seen.
    pub(crate) fn is_new(&mut self, spec: &LeaseSpec) -> bool {
        let high = u128::from(self.hashers.0.hash_one(spec));
        let low = u128::from(self.hashers.1.hash_one(spec));
        self.known.insert(high << 64 | low)
    }
}
