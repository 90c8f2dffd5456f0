//! Every committed input of every target still holds, and so do inputs cut short and with a byte changed.

#![expect(
    clippy::unwrap_used,
    reason = "what a test needs and cannot get fails it"
)]

use std::fs;
use std::path::{Path, PathBuf};

use seamless_fuzz::TARGETS;

fn inputs(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files
        .into_iter()
        .map(|path| {
            let bytes = fs::read(&path).unwrap();
            (path, bytes)
        })
        .collect()
}

/// `bytes` cut at up to 4 places, and with one byte in up to 4 places replaced: the same ones always.
fn variants(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let places = move || (0..bytes.len()).step_by(bytes.len().div_ceil(4).max(1));
    let cut = places().map(|at| bytes[..at].to_vec());
    let changed = places().map(|at| {
        let mut changed = bytes.to_vec();
        changed[at] = b"\xff\0\"{[:\n9"[at % 8];
        changed
    });
    cut.chain(changed)
}

#[test]
fn every_input_holds() {
    for target in TARGETS {
        for (path, bytes) in inputs(target.name) {
            for input in std::iter::once(bytes.clone()).chain(variants(&bytes)) {
                let held = std::panic::catch_unwind(|| (target.run)(&input));
                let shown = String::from_utf8_lossy(&input);
                assert!(held.is_ok(), "{}, as {shown:?}", path.display());
            }
        }
    }
}

#[test]
fn every_folder_is_a_target() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for entry in fs::read_dir(corpus).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(TARGETS.iter().any(|target| target.name == name), "{name}");
    }
}
