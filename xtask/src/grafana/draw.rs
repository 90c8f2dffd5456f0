//! `cargo xtask grafana draw`: a picture of each dashboard, for a person to look at.
//!
//! Owns the data that is shown and where the pictures go. What draws is `dashboards/check/draw`: Grafana's
//! published components in Chromium. It fails where a panel's query is refused, a component breaks or
//! nothing is drawn; whether a picture is beautiful it cannot tell.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use seamless_lab::servers::{Program, Prometheus};
use serde_json::{Value, json};

use super::{Filling, npm};
use crate::coverage::{self, Injector};
use crate::install;

const CHROMIUM: Program = Program {
    names: &["chromium", "chromium-browser", "google-chrome"],
    package: "chromium",
};

/// Arguments of `cargo xtask grafana draw`.
#[derive(clap::Args)]
pub(super) struct Args {
    /// Put the pictures into this folder.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How many seconds of data to show.
    #[arg(long, default_value_t = 150)]
    seconds: u32,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    install::ensure(&[CHROMIUM])?;
    let chromium = CHROMIUM.require()?;
    fs::create_dir_all(&args.out).with_context(|| args.out.display().to_string())?;
    let folder = npm::folder("draw")?;
    crate::say("building the page");
    if !npm::node(&folder, &["node_modules/vite/bin/vite.js", "build"], &[])?.0 {
        bail!("the page does not build (see above)");
    }

    let data = tempfile::tempdir()?;
    let targets = data.path().join("targets.json");
    let prometheus = Prometheus::builder()
        .evaluation_interval(Duration::from_secs(1))
        .rules(coverage::rules()?)
        .file_sd("seamless", &targets)
        .start()?;
    let _injector = Injector::start(&targets)?;
    crate::say(&format!("gathering {} s of data", args.seconds));
    std::thread::sleep(Duration::from_secs(args.seconds.into()));

    let mut out = std::io::stdout().lock();
    let mut sound = true;
    for (file, text) in super::rendered(&crate::root())? {
        let picture = args.out.join(Path::new(&file).with_extension("png"));
        let page = data.path().join(&file);
        fs::write(&page, page_of(&text, args.seconds)?.to_string())?;
        let arguments =
            [&page, &std::path::absolute(&picture)?].map(|path| path.display().to_string());
        let (drawn, said) = npm::node(
            &folder,
            &["draw.mjs", &prometheus.url(), &arguments[0], &arguments[1]],
            &[("CHROMIUM", &chromium)],
        )?;
        for line in said.lines() {
            writeln!(out, "{file}: {line}")?;
        }
        sound &= drawn;
        writeln!(out, "{}", picture.display())?;
    }
    Ok(if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A dashboard whose variables are filled in, synthetic series shown, and the time that it shows.
fn page_of(text: &str, seconds: u32) -> Result<Value> {
    let mut dashboard: Value = serde_json::from_str(text)?;
    let filling = Filling::all(".*")
        .with("__rate_interval", "15s")
        .with("__range", &format!("{seconds}s"));
    let panels = dashboard["panels"].as_array_mut().context("no panels")?;
    for target in panels
        .iter_mut()
        .filter_map(|panel| panel["targets"].as_array_mut())
        .flatten()
    {
        target["expr"] = filling
            .fill(target["expr"].as_str().unwrap_or_default())
            .0
            .into();
    }
    let to = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)?
        .as_secs();
    let from = to - u64::from(seconds);
    Ok(json!({ "dashboard": dashboard, "span": { "from": from, "to": to, "step": 5 } }))
}
