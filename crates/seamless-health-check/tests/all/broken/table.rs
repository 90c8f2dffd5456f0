//! The table of broken deployments: which check names a fault, with what verdict and exit code.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use seamless_lab::kept;
use seamless_lab::servers::Generation;

use crate::support::JsonRun;

/// Scenes mostly wait for scrapes, so more of them run at a time than there are processors.
const AT_A_TIME: usize = 6;

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

/// Runs the scenes on the chosen generation of servers, a few at a time; their rows in the order of the scenes.
pub(crate) fn play(scenes: &[&(dyn Fn() -> Vec<Row> + Sync)]) -> Vec<Row> {
    let generation = Generation::chosen();
    let next = Mutex::new(0..scenes.len());
    let mut rows: Vec<(usize, Vec<Row>)> = thread::scope(|scope| {
        let play = || {
            let mut mine = Vec::new();
            while let Some(index) = next.lock().ok().and_then(|mut next| next.next()) {
                mine.push((index, generation.during(scenes[index])));
            }
            mine
        };
        let players: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(play)).collect();
        let played = players.into_iter().map(|player| match player.join() {
            Ok(rows) => rows,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        played.flatten().collect()
    });
    rows.sort_by_key(|(index, _)| *index);
    rows.into_iter().flat_map(|(_, rows)| rows).collect()
}

/// Compares the table with the file at `path`.
pub(crate) fn check(rows: &[Row], path: &Path) {
    let mut text =
        "| fault | named by | verdict | exit code | saying | also not passing |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for Row(row) in rows {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{row}");
    }
    kept::check(&text, path);
}
