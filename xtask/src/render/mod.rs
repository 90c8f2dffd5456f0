//! `cargo xtask render`: jsonnet sources to `alert_rules.yml`, `dashboards/rendered/`, and the rules of the other
//! profiles in `dashboards/profiles/`.
//!
//! Owns the evaluation and the comparison with what is committed. It changes nothing outside the files
//! it renders, and decides nothing about their content: that is in `dashboards/`.

mod files;
mod jsonnet;
mod overrides;
mod schema;
mod yaml;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::Value;

pub use files::FileSet;
pub use overrides::Override;

/// Arguments of `cargo xtask render`.
#[derive(clap::Args)]
pub struct RenderArgs {
    /// Write nothing; fail if a committed file differs from what would be rendered.
    #[arg(long, conflicts_with = "out")]
    check: bool,
    /// Override a key of `_config` (dashboards/config.libsonnet), as JSON or plain text.
    #[arg(long = "set", value_name = "KEY=VALUE", requires = "out")]
    overrides: Vec<Override>,
    /// Render into this folder instead of the workspace.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Renders, or compares.
///
/// # Errors
/// Sources that do not evaluate, files that cannot be read or written.
pub fn run(args: &RenderArgs) -> anyhow::Result<ExitCode> {
    let root = crate::root();
    let mut out = std::io::stdout().lock();
    if args.check {
        let drift = rendered(&root, &[])?.drift(&root)?;
        for line in &drift {
            writeln!(out, "{line}")?;
        }
        if drift.is_empty() {
            writeln!(out, "rendered files are up to date")?;
            return Ok(ExitCode::SUCCESS);
        }
        writeln!(out, "run `cargo xtask render` and commit the result")?;
        return Ok(ExitCode::FAILURE);
    }
    if args.out.is_none() {
        // The sources import it, so it comes first.
        schema::file().write(&root)?;
    }
    let target = args.out.as_deref().unwrap_or(&root);
    for path in rendered(&root, &args.overrides)?.write(target)? {
        writeln!(out, "{}", path.display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The alert rules as Prometheus loads them, with `_config` changed by `overrides`.
///
/// A drill passes `time_scale` here to run the same rules in minutes.
///
/// # Errors
/// Sources that do not evaluate, or an override of a key that `_config` does not have.
pub fn rules(overrides: &[Override]) -> anyhow::Result<String> {
    yaml::rule_file(&evaluate(&crate::root(), RULES, overrides)?)
}

const RULES: &str = "{ groups: mixin.prometheusRules.groups + mixin.prometheusAlerts.groups }";

/// The rule tests by the name of their file, those in jsonnet evaluated.
///
/// # Errors
/// A folder or file that cannot be read, sources that do not evaluate.
pub fn rule_tests(root: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    const FOLDER: &str = "dashboards/tests";
    let mut tests = BTreeMap::new();
    for entry in std::fs::read_dir(root.join(FOLDER)).context(FOLDER)? {
        let path = entry?.path();
        let (Some(name), Some(extension)) = (path.file_name(), path.extension()) else {
            continue;
        };
        let name = name.to_string_lossy().into_owned();
        let text = match extension.to_string_lossy().as_ref() {
            "yml" => std::fs::read_to_string(&path).with_context(|| name.clone())?,
            "jsonnet" => jsonnet::evaluate(root, &format!("import '{FOLDER}/{name}'"))?,
            _ => continue,
        };
        tests.insert(name, text);
    }
    Ok(tests)
}

/// Everything that is rendered, by path under the workspace.
fn rendered(root: &Path, overrides: &[Override]) -> anyhow::Result<FileSet> {
    let mut files = FileSet::new(&["dashboards/rendered", "dashboards/profiles"]);
    files.add(
        "alert_rules.yml",
        yaml::rule_file(&evaluate(root, RULES, overrides)?)?,
    );
    let dashboards = evaluate(root, "mixin.grafanaDashboards", overrides)?;
    let dashboards: BTreeMap<String, Value> =
        serde_json::from_str(&dashboards).context("the rendered dashboards")?;
    for (name, dashboard) in dashboards {
        let text = serde_json::to_string_pretty(&dashboard)? + "\n";
        files.add(format!("dashboards/rendered/{name}"), text);
    }
    if overrides.is_empty() {
        files.extend(schema::file());
        let golden = [Override::new("profile", "golden_signals")];
        files.add(
            "dashboards/profiles/golden_signals.rules.yml",
            yaml::rule_file(&evaluate(root, RULES, &golden)?)?,
        );
    }
    Ok(files)
}

/// The value of `expr`, in which `mixin` is the mixin with the overrides applied.
fn evaluate(root: &Path, expr: &str, overrides: &[Override]) -> anyhow::Result<String> {
    let known = jsonnet::evaluate(
        root,
        "std.objectFields((import 'dashboards/mixin.libsonnet')._config)",
    )?;
    let known: Vec<String> = serde_json::from_str(&known).context("the keys of _config")?;
    let config = overrides::object(overrides, &known)?;
    jsonnet::evaluate(
        root,
        &format!(
            "local mixin = (import 'dashboards/mixin.libsonnet') + {{ _config+:: {config} }}; {expr}"
        ),
    )
}
