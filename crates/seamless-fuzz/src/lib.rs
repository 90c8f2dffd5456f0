//! What must hold for any bytes that others wrote.
//!
//! Owns one target per parser: a function that takes bytes, reads them as a server's answer, a file or
//! an argument, and panics where a promise is broken. `tests/corpus.rs` runs each over its corpus;
//! `fuzz/` lets libFuzzer look for more. It starts no server and reads no file.
//!
//! ```text
//! cargo install cargo-fuzz
//! cd crates/seamless-fuzz
//! cargo fuzz run --sanitizer none inspect_page fuzz/found/inspect_page corpus/inspect_page
//! ```
//!
//! The target `exposition` changes accepted documents by the words of their grammar ([`Mutations`]). What it
//! finds accepted is scraped for real: committed, or made from seeds, in the tests of the health check.
//!
//! (`fuzz/found` collects new inputs and is not committed.) What it finds becomes a file in
//! `corpus/TARGET`, named after what was wrong. Each target has been run ten million times (without a
//! sanitizer: there is no unsafe code here; with debug assertions).

#![expect(clippy::panic, reason = "a broken promise stops the fuzzer")]

mod answers;
mod exposition;
mod files;
mod records;
mod specs;

pub use exposition::{Mutations, is_accepted};

/// One thing to fuzz.
#[derive(Debug, Clone, Copy)]
pub struct FuzzTarget {
    /// Its name, which is also that of its folder in `corpus`.
    pub name: &'static str,
    /// Reads the bytes; panics where a promise is broken.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: [FuzzTarget; 9] = [
    FuzzTarget {
        name: "lease_spec",
        run: specs::lease_spec,
    },
    FuzzTarget {
        name: "inspect_page",
        run: answers::inspect_page,
    },
    FuzzTarget {
        name: "prometheus_answer",
        run: answers::prometheus_answer,
    },
    FuzzTarget {
        name: "alertmanager_answer",
        run: answers::alertmanager_answer,
    },
    FuzzTarget {
        name: "configuration",
        run: files::configuration,
    },
    FuzzTarget {
        name: "exposition",
        run: exposition::exposition,
    },
    FuzzTarget {
        name: "lease_log",
        run: records::lease_log,
    },
    FuzzTarget {
        name: "lease_journal",
        run: records::lease_journal,
    },
    FuzzTarget {
        name: "rule_file",
        run: files::rule_file,
    },
];

/// Runs the target `name`.
///
/// # Panics
/// If there is no such target, and where a promise is broken.
pub fn run(name: &str, bytes: &[u8]) {
    match TARGETS.iter().find(|target| target.name == name) {
        Some(target) => (target.run)(bytes),
        None => panic!("no target {name}"),
    }
}

/// A message for people: one line, of bounded length, that cannot move the cursor.
fn assert_presentable(message: &str) {
    assert!(message.chars().count() <= 1000, "too long: {message:.2000}");
    assert!(!message.contains(char::is_control), "{message:?}");
}
