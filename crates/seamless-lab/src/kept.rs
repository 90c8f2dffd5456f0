//! Tables that a test makes anew and compares with the committed ones.

use std::path::Path;

/// Set to `write`, the committed tables are replaced. The test fails all the same, since it has compared
/// nothing.
const VARIABLE: &str = "KEPT_TABLES";

/// Compares `text` with the committed file at `path`.
///
/// # Panics
/// If they differ, and with `KEPT_TABLES=write` in the environment always, after the file is replaced.
pub fn check(text: &str, path: impl AsRef<Path>) {
    let path = path.as_ref();
    let shown = path.display();
    let replace = std::env::var_os(VARIABLE).is_some_and(|value| value == "write");
    if replace {
        let written = std::fs::write(path, text);
        assert!(written.is_ok(), "cannot write {shown}: {written:?}");
    }
    assert!(
        !replace,
        "{shown} was replaced and nothing was compared: look at `git diff`, then test without {VARIABLE}"
    );
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    let new: Vec<&str> = text
        .lines()
        .filter(|line| !kept.lines().any(|other| other == *line))
        .collect();
    assert!(
        text == kept,
        "{shown} says otherwise ({VARIABLE}=write replaces it). Now: {new:#?}"
    );
}
