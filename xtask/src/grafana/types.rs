//! `cargo xtask grafana types`: the rendered dashboards against `@grafana/schema` of Grafana 11 and of 12, panel
//! options included.
//!
//! A dashboard becomes typed TypeScript constants, one per panel, which the TypeScript compiler judges.
//! Names that are plain strings in Grafana's types (units, reducers, colours) are not seen here.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::npm;

/// Whose types the dashboards are held against, and the compiler's settings that lead to them.
pub const SCHEMAS: [(&str, &str); 2] = [
    ("Grafana 11", "tsconfig.json"),
    ("Grafana 12", "tsconfig-12.json"),
];

/// Something that Grafana's types do not allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistyped {
    /// Whose types: one of [`SCHEMAS`].
    pub schema: &'static str,
    /// The dashboard's file and the panel.
    pub place: String,
    /// What the compiler says.
    pub message: String,
}

impl fmt::Display for Mistyped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.place, self.schema, self.message)
    }
}

pub(super) fn run() -> Result<ExitCode> {
    let dashboards = super::rendered(&crate::root())?;
    let found = mistyped(
        dashboards
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str())),
    )?;
    let mut out = std::io::stdout().lock();
    for mistake in &found {
        writeln!(out, "{mistake}")?;
    }
    if found.is_empty() {
        let count = dashboards.len();
        let schemas = SCHEMAS.map(|(schema, _)| schema).join(" and ");
        writeln!(out, "{count} dashboards agree with the types of {schemas}")?;
        Ok(ExitCode::SUCCESS)
    } else {
        Ok(ExitCode::FAILURE)
    }
}

/// What Grafana's types do not allow in these dashboards, given by name.
///
/// # Errors
/// A text that is no dashboard; the compiler or the types cannot be had.
pub fn mistyped<'d>(
    dashboards: impl IntoIterator<Item = (&'d str, &'d str)>,
) -> Result<Vec<Mistyped>> {
    let packages = npm::folder("types")?;
    // Beside `node_modules`, where the compiler finds the types; two runs do not meet.
    let folder = tempfile::Builder::new()
        .prefix("run-")
        .tempdir_in(&packages)?;
    let settings = SCHEMAS.map(|(_, settings)| settings);
    for file in settings.into_iter().chain(["kinds.ts"]) {
        fs::copy(packages.join(file), folder.path().join(file))?;
    }
    let mut sources = Vec::new();
    for (number, (name, text)) in dashboards.into_iter().enumerate() {
        let dashboard = serde_json::from_str(text).with_context(|| name.to_owned())?;
        let source = DashboardSource::of(name, dashboard)?;
        let file = format!("dashboard-{number}.ts");
        fs::write(folder.path().join(&file), &source.text)?;
        sources.push((file, source));
    }
    let compiler = packages.join("node_modules/typescript/bin/tsc");
    let compiler = compiler.display().to_string();
    let mut all = Vec::new();
    for (schema, settings) in SCHEMAS {
        let (sound, said) = npm::node(
            folder.path(),
            &[&compiler, "--pretty", "false", "-p", settings],
            &[],
        )?;
        let found = said
            .lines()
            .filter_map(|line| place(line, schema, &sources))
            .collect::<Vec<_>>();
        if sound != found.is_empty() {
            bail!("the TypeScript compiler failed on something other than a dashboard:\n{said}");
        }
        all.extend(found);
    }
    Ok(all)
}

/// A dashboard as TypeScript.
#[derive(Default)]
struct DashboardSource {
    text: String,
    /// The line after which each part begins.
    parts: Vec<(usize, String)>,
}

impl DashboardSource {
    fn of(name: &str, mut dashboard: Value) -> Result<Self> {
        let panels = dashboard
            .as_object_mut()
            .and_then(|fields| fields.remove("panels"));
        let Some(Value::Array(panels)) = panels else {
            bail!("{name}: a dashboard has panels");
        };
        let mut source = Self::default();
        source.add(name, "import type * as kinds from './kinds';");
        source.constant(name, "kinds.Frame", &dashboard)?;
        for panel in &panels {
            let kind = serde_json::to_string(&panel["type"])?;
            let place = format!("{name}, panel {}", panel["title"]);
            source.constant(&place, &format!("kinds.Panels[{kind}]"), panel)?;
            let overrides = panel["fieldConfig"]["overrides"].as_array();
            for property in overrides
                .into_iter()
                .flatten()
                .filter_map(|over| over["properties"].as_array())
                .flatten()
            {
                source.constant(&place, &format!("kinds.Property<{kind}>"), property)?;
            }
        }
        Ok(source)
    }

    /// JSON is TypeScript.
    fn constant(&mut self, place: &str, kind: &str, value: &Value) -> Result<()> {
        let value = serde_json::to_string_pretty(value)?;
        let number = self.parts.len();
        self.add(
            place,
            &format!("export const part{number}: {kind} = {value};"),
        );
        Ok(())
    }

    fn add(&mut self, place: &str, text: &str) {
        let before = self.text.lines().count();
        self.parts.push((before, place.to_owned()));
        self.text.push_str(text);
        self.text.push('\n');
    }

    fn part(&self, line: usize) -> Option<&str> {
        let begun = self.parts.iter().take_while(|(before, _)| *before < line);
        begun.last().map(|(_, place)| place.as_str())
    }
}

/// Reads a line such as `dashboard-0.ts(12,5): error TS2322: Type …`.
fn place(
    line: &str,
    schema: &'static str,
    sources: &[(String, DashboardSource)],
) -> Option<Mistyped> {
    let (position, message) = line.split_once("): error ")?;
    let (file, position) = position.split_once('(')?;
    let (_, source) = sources
        .iter()
        .find(|(name, _)| Path::new(file) == Path::new(name))?;
    let line: usize = position.split(',').next()?.parse().ok()?;
    let written = source.text.lines().nth(line - 1).unwrap_or_default().trim();
    Some(Mistyped {
        schema,
        place: source.part(line)?.to_owned(),
        message: format!("{written} : {message}"),
    })
}
