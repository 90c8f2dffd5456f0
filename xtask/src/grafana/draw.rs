//! `cargo xtask grafana draw`: a picture of each dashboard, for a person to look at.
//!
//! Owns the data that is shown (an incident under way in the lab, and the page of a drill) and where the
//! pictures go: into the documents, unless told otherwise. What draws is `dashboards/check/draw`: Grafana's
//! published components in Chromium. It fails where a panel's query is refused, a component breaks or
//! nothing is drawn; whether a picture is beautiful it cannot tell.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use seamless_lab::runtime::Misbehaviour;
use seamless_lab::servers::{Program, Prometheus};
use serde_json::{Value, json};

use super::npm;
use crate::coverage::Injected;
use crate::dashboard::{Filling, rendered, text};
use crate::drill::pace::Pace;
use crate::drill::programs::Programs;
use crate::drill::stack::DrillStack;
use crate::drill::timeline::Seen;
use crate::install;

const CHROMIUM: Program = Program {
    names: &["chromium", "chromium-browser", "google-chrome"],
    package: "chromium",
};

/// Arguments of `cargo xtask grafana draw`.
#[derive(clap::Args)]
pub(super) struct DrawArgs {
    /// Put the pictures into this folder [default: docs/images].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// How many seconds of data to show.
    #[arg(long, default_value_t = 150)]
    seconds: u32,
    /// Show every family, as the injector feeds it, instead of an incident: a check that every panel draws.
    #[arg(long)]
    every_panel: bool,
}

/// What breaks half-way through what is shown.
const INCIDENT: [Misbehaviour; 4] = [
    Misbehaviour::SlowStorage,
    Misbehaviour::DeadWorker,
    Misbehaviour::BadData,
    Misbehaviour::DryLimiter,
];

/// The shipped rules so fast that a lease that lies still is stuck, and pages, while the incident lasts.
const PACE: Pace = Pace {
    time_scale: 0.02,
    scrape_interval: Duration::from_secs(1),
};

pub(super) fn run(args: &DrawArgs) -> Result<ExitCode> {
    install::ensure(&[CHROMIUM])?;
    let chromium = CHROMIUM.require()?;
    let images = || crate::root().join("docs/images");
    let out = std::path::absolute(args.out.clone().unwrap_or_else(images))?;
    fs::create_dir_all(&out).with_context(|| out.display().to_string())?;
    let folder = npm::folder("draw")?;
    crate::say("building the page");
    if !npm::node(&folder, &["node_modules/vite/bin/vite.js", "build"], &[])?.0 {
        bail!("the page does not build (see above)");
    }
    let browser = Browser { folder, chromium };
    let data = tempfile::tempdir()?;
    let mut sound = if args.every_panel {
        let injected = Injected::start("classic")?;
        gather(args.seconds);
        browser.dashboards(&injected.server, args.seconds, data.path(), &out)?
    } else {
        // With the lease list, as a site exports it: a dead worker's gauges go with it.
        let Seen(stack, _) = DrillStack::start(PACE, &Programs::build(false)?, false)?;
        let servers = &stack.servers;
        let sound = args.seconds / 2;
        gather(sound);
        for way in INCIDENT {
            servers.runtime.misbehave(way);
        }
        gather(args.seconds - sound);
        browser.dashboards(&servers.prometheus, args.seconds, data.path(), &out)?
    };
    if !args.every_panel {
        sound &= browser.drill(data.path(), &out)?;
    }
    Ok(if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn gather(seconds: u32) {
    crate::say(&format!("gathering {seconds} s of data"));
    std::thread::sleep(Duration::from_secs(seconds.into()));
}

/// Chromium, and the folder whose programs drive it.
struct Browser {
    folder: PathBuf,
    chromium: PathBuf,
}

impl Browser {
    /// Draws every dashboard. Whether every panel came out.
    fn dashboards(
        &self,
        prometheus: &Prometheus,
        seconds: u32,
        data: &Path,
        out: &Path,
    ) -> Result<bool> {
        let mut sound = true;
        for (file, dashboard) in rendered(&crate::root())? {
            let page = data.join(&file);
            fs::write(&page, page_of(dashboard, seconds)?.to_string())?;
            let picture = out.join(Path::new(&file).with_extension("png"));
            sound &= self.draw(&prometheus.url(), &page, &picture)?;
        }
        Ok(sound)
    }

    /// Rehearses an incident and draws the page that the drill writes about it.
    fn drill(&self, data: &Path, out: &Path) -> Result<bool> {
        let page = data.join("drill.html");
        let status = Command::new(std::env::current_exe()?)
            .args(["drill", "--html"])
            .arg(&page)
            .stdin(Stdio::null())
            .stdout(std::io::stderr())
            .status()
            .context("cannot run the drill")?;
        Ok(status.success() && self.draw("", &page, &out.join("drill.png"))?)
    }

    fn draw(&self, prometheus: &str, page: &Path, picture: &Path) -> Result<bool> {
        let paths = [page, picture].map(|path| path.display().to_string());
        let (drawn, said) = npm::node(
            &self.folder,
            &["draw.mjs", prometheus, &paths[0], &paths[1]],
            &[("CHROMIUM", &self.chromium)],
        )?;
        let mut out = std::io::stdout().lock();
        for line in said.lines() {
            writeln!(out, "{}: {line}", page.display())?;
        }
        writeln!(out, "{}", picture.display())?;
        Ok(drawn)
    }
}

/// A dashboard whose variables are filled in, synthetic series shown, and the time that it shows.
fn page_of(mut dashboard: Value, seconds: u32) -> Result<Value> {
    let filling = Filling::all(".*")
        .with("__rate_interval", "15s")
        .with("__range", &format!("{seconds}s"))
        .with("__range_s", &seconds.to_string());
    let panels = dashboard["panels"].as_array_mut().context("no panels")?;
    for target in panels
        .iter_mut()
        .filter_map(|panel| panel["targets"].as_array_mut())
        .flatten()
    {
        target["expr"] = filling.fill(text(&target["expr"])).0.into();
    }
    let to = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)?
        .as_secs();
    let from = to - u64::from(seconds);
    Ok(json!({ "dashboard": dashboard, "span": { "from": from, "to": to, "step": 5 } }))
}
