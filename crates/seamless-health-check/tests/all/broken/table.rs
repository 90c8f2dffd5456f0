//! The table of broken deployments: which check names a fault, with what verdict and exit code.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use seamless_lab::kept;

use crate::support::JsonRun;

/// One fault and what the program makes of it.
#[derive(Debug)]
pub(crate) struct Row(String);

/// The checks of a run that did not pass.
fn not_passing(run: &JsonRun) -> Vec<(&str, &str)> {
    let word = |verdict: &'static str| run.ids(verdict).into_iter().map(move |id| (id, verdict));
    word("fail").chain(word("warn")).collect()
}

/// The message of a check and those of all its items.
fn said(run: &JsonRun, id: &str) -> String {
    let mut said = run.check(id).1.to_owned();
    let checks = run.document["checks"].as_array().into_iter().flatten();
    let check = checks.filter(|check| check["id"] == id);
    for item in check
        .filter_map(|check| check["items"].as_array())
        .flatten()
    {
        let text = |field: &str| item[field].as_str().unwrap_or_default().to_owned();
        let _ = write!(said, "\n{}: {}", text("subject"), text("message"));
    }
    said
}

impl Row {
    /// The check `id` must not pass, and its message must hold `says`.
    pub(crate) fn named(fault: &str, id: &str, says: &str, command: &mut Command) -> Self {
        let run = JsonRun::of(command);
        let (verdict, message) = run.check(id);
        assert!(
            matches!(verdict, "fail" | "warn") && said(&run, id).contains(says),
            "{fault}: {id} is {verdict}: {message}\n{:#?}",
            not_passing(&run)
        );
        let also: Vec<String> = not_passing(&run)
            .into_iter()
            .filter(|(other, _)| *other != id)
            .map(|(other, verdict)| format!("{other} ({verdict})"))
            .collect();
        let also = also.join(", ");
        let code = run.code;
        Self(format!(
            "| {fault} | {id} | {verdict} | {code} | {says} | {also} |"
        ))
    }

    /// Nothing is wrong with it, however it looks.
    pub(crate) fn healthy(what: &str, command: &mut Command) -> Self {
        let run = JsonRun::of(command);
        let messages: Vec<_> = not_passing(&run)
            .into_iter()
            .map(|(id, _)| (id, run.check(id).1))
            .collect();
        assert!(messages.is_empty(), "{what}: {messages:#?}");
        let code = run.code;
        Self(format!("| {what} | none | pass | {code} | | |"))
    }

    /// What cannot be told is a skip, with that exit code.
    pub(crate) fn skipped(
        what: &str,
        id: &str,
        says: &str,
        exit: i32,
        command: &mut Command,
    ) -> Self {
        let run = JsonRun::of(command);
        let (verdict, message) = run.check(id);
        assert!(
            verdict == "skip" && message.contains(says),
            "{what}: {id} is {verdict}: {message}"
        );
        assert_eq!(run.code, exit, "{what}");
        Self(format!("| {what} | {id} | skip | {exit} | {says} | |"))
    }

    /// Found before anything is contacted; `says` is on stderr.
    pub(crate) fn usage_error(fault: &str, says: &str, command: &mut Command) -> Self {
        let output = command.output();
        let stderr = output.as_ref().map_or_else(
            |error| error.to_string(),
            |output| String::from_utf8_lossy(&output.stderr).into_owned(),
        );
        let code = output.ok().and_then(|output| output.status.code());
        assert_eq!(code, Some(2), "{fault}: {stderr}");
        assert!(stderr.contains(says), "{fault}: {stderr}");
        Self(format!("| {fault} | usage error | | 2 | {says} | |"))
    }
}

/// Compares the table with the committed one, `NAME.md` in the folder of the tests.
pub(crate) fn check(name: &str, rows: &[Row]) {
    let mut text =
        "| fault | named by | verdict | exit code | saying | also not passing |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for Row(row) in rows {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{row}");
    }
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all");
    kept::check(&text, tests.join(format!("{name}.md")));
}
