//! Rows that need no server: starting, writing, reading, rendering.

use anyhow::Result;

use super::measure::Task;
use super::row::{Against, Bar, Role, Row};
use super::setting::{PROGRAMS, Setting};

const SERIES: usize = 1_000_000;
/// Of [`Setting::exposition`]: 200 MB.
const SAMPLES: usize = 1_760_000;

/// Hands each wanted row to `measure`.
pub(super) fn rows(
    setting: &Setting,
    wanted: &dyn Fn(&str) -> bool,
    measure: &mut dyn FnMut(Row),
) -> Result<()> {
    if wanted("start") {
        start(setting).into_iter().for_each(&mut *measure);
    }
    if wanted("write") {
        measure(write(setting));
    }
    if wanted("read") {
        measure(read(setting)?);
    }
    if wanted("render") {
        measure(render(setting));
    }
    Ok(())
}

fn start(setting: &Setting) -> Vec<Row> {
    let row = |program: &str, flag: &str| Row {
        id: "start",
        job: format!("{program} {flag}"),
        ours: setting.shipped(program, &[flag]),
        against: vec![
            setting.peer("start.py", &["--version"], Bar::Times(1.0 / 50.0)),
            Against::Task(
                Role::Limit,
                Task::new("true", ["true"]),
                Bar::SecondsMore(0.005),
            ),
        ],
    };
    let flags = ["--version", "--help"];
    PROGRAMS
        .into_iter()
        .flat_map(|program| flags.map(|flag| row(program, flag)))
        .collect()
}

fn write(setting: &Setting) -> Row {
    let series = SERIES.to_string();
    let task =
        |name: &str, job: &str| Task::new(name, [&setting.driver(), job, &series]).times_itself();
    let python = setting.peer("write.py", &[&series], Bar::Times(1.0 / 20.0));
    let rust = task("prometheus-client (Rust)", "write-rust-client");
    Row {
        id: "write",
        job: "exposition of 1,000,000 series written".to_owned(),
        ours: task("", "write"),
        against: vec![
            python.with(Task::times_itself),
            Against::Task(Role::Peer, rust, Bar::Times(0.5)),
            Against::Task(Role::Limit, task("memory copy", "copy"), Bar::None),
        ],
    }
}

fn read(setting: &Setting) -> Result<Row> {
    let file = setting.exposition(SAMPLES)?;
    let size = std::fs::metadata(&file)?.len() as f64 / 1024.0 / 1024.0;
    let arguments = [
        "--only=exposition",
        "--prometheus-metric=backfill_completion_ratio",
        "--metrics-file",
        &file,
    ];
    let shell = |name: &str, script: &str| Task::new(name, ["sh", "-c", script, "sh", &file]);
    // It warns of units and helps; what is compared is the reading.
    let promtool = shell("promtool check metrics", "promtool check metrics < \"$1\"");
    let bytes = shell("wc -c of a pipe", "cat \"$1\" | wc -c");
    Ok(Row {
        id: "read",
        job: "exposition of 200 MB read and checked".to_owned(),
        ours: setting.shipped("seamless-health-check", &arguments),
        against: vec![
            Against::Task(Role::Peer, promtool.may_be_negative(), Bar::Times(0.25)),
            setting.peer("read.py", &[&file], Bar::None),
            Against::Task(Role::Limit, bytes, Bar::Mebibytes(size.round() + 64.0)),
        ],
    })
}

fn render(setting: &Setting) -> Row {
    let out = setting.files.path().join("rendered");
    let out = out.display().to_string();
    let expression = "local mixin = import 'dashboards/mixin.libsonnet'; [mixin.prometheusRules.groups + mixin.prometheusAlerts.groups, mixin.grafanaDashboards]";
    let root = crate::root().display().to_string();
    let reference = Task::new("jsonnet", ["jsonnet", "-J", &root, "-e", expression]);
    Row {
        id: "render",
        job: "rules and dashboards rendered".to_owned(),
        ours: Task::new("", [&setting.driver(), "render", "--out", &out]),
        against: vec![Against::Task(Role::Peer, reference, Bar::Times(1.0))],
    }
}
