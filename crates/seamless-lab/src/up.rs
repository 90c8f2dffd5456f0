//! `seamless-lab up`: the whole stack in the foreground.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use seamless_cli::{ExitStatus, Stop, Terminal, clean};
use seamless_lab::console::Console;
use seamless_lab::pager::{Notice, PagingService};
use seamless_lab::stack::{Blueprint, Stack};
use serde_json::json;
use tokio::time::sleep;

use crate::args::UpArgs;

/// The rules that are loaded where none are named.
const SHIPPED_RULES: &str = "alert_rules.yml";
/// How often it is looked whether a page has arrived.
const BETWEEN_LOOKS: Duration = Duration::from_millis(500);

/// Runs until a signal; that is how it is meant to end, so the exit code is 0.
pub(crate) async fn run(args: UpArgs, terminal: &Terminal, stop: &Stop) -> Result<ExitStatus> {
    if !(args.time_scale.is_finite() && args.time_scale > 0.0) {
        bail!("--time-scale {}: give a positive number", args.time_scale);
    }
    let blueprint = Blueprint {
        rules: read(&args.rules, "--rules")?,
        routes: read(&args.routes, "--routes")?,
        time_scale: args.time_scale,
        scrape_interval: Duration::from_secs(if args.time_scale < 1.0 { 1 } else { 5 }),
        buckets: args.buckets,
        coordinator_exports_gauge: args.coordinator_gauge,
        otlp: args.otlp.clone(),
    };
    let progress = terminal.progress();
    let spinner = progress.spinner("starting Prometheus and Alertmanager");
    let stack = Arc::new(args.servers.during(|| blueprint.start())?);
    let console = Console::start(&stack, args.listen)?;
    spinner.finish_and_clear();

    let provisioning = provision_grafana(&stack, &args.dashboards)?;
    terminal.bytes(welcome(&args, &stack, &console, &provisioning)?.as_bytes())?;
    tell_notices(&stack, terminal, stop).await;
    terminal.note("stopping");
    Ok(ExitStatus::Done)
}

/// Says of each page and message that it arrived, until a signal. Of the watchdog's, which come all the time, the
/// first is enough.
async fn tell_notices(stack: &Stack, terminal: &Terminal, stop: &Stop) {
    let mut told = 0;
    let mut watchdog_is_heard = false;
    loop {
        tokio::select! {
            biased;
            _ = stop.wait() => return,
            () = sleep(BETWEEN_LOOKS) => {}
        }
        let notices = stack.pager.notices();
        for notice in notices.iter().skip(told) {
            let is_watchdog = notice.service == PagingService::Webhook;
            if !(is_watchdog && watchdog_is_heard) {
                terminal.note(&arrived(notice));
            }
            watchdog_is_heard |= is_watchdog;
        }
        told = notices.len();
    }
}

/// When it arrived, where, and what it says.
fn arrived(notice: &Notice) -> String {
    let at = jiff::Timestamp::try_from(notice.at).unwrap_or_default();
    let at = at.strftime("%H:%M:%S UTC");
    let service = notice.service.name();
    let receiver = match notice.hook.as_str() {
        hook if hook.is_empty() || hook.eq_ignore_ascii_case(service) => service.to_owned(),
        hook => format!("{hook} ({service})"),
    };
    let over = if notice.is_resolved() {
        ", resolved"
    } else {
        ""
    };
    clean(&format!("{at}  {receiver}{over}: {}", notice.title()))
}

fn read(path: &Path, flag: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| {
        format!(
            "cannot read {}; run this in the project's folder or give {flag}",
            path.display()
        )
    })
}

fn welcome(args: &UpArgs, stack: &Stack, console: &Console, provisioning: &Path) -> Result<String> {
    let mut text = String::new();
    writeln!(
        text,
        "console       {}  (pages as they arrive)",
        console.url()
    )?;
    writeln!(text, "Prometheus    {}", stack.prometheus.url())?;
    writeln!(text, "Alertmanager  {}", stack.alertmanager.url())?;
    writeln!(text, "coordinator   {}", stack.coordinator.url())?;
    writeln!(text, "metrics       {}", stack.runtime.metrics_url())?;
    let file_sd = stack.file_sd("NAME");
    writeln!(
        text,
        "targets       {}  (watched for more)",
        file_sd.display()
    )?;
    writeln!(text, "log           {}", stack.log().display())?;
    match &args.otlp {
        Some(url) => writeln!(text, "traces        {url}")?,
        None => writeln!(text, "traces        {}", stack.traces().display())?,
    }
    writeln!(
        text,
        "\nA Grafana on this machine, provisioned with the dashboards:\n  GF_PATHS_PROVISIONING={} grafana server",
        provisioning.display()
    )?;
    writeln!(text, "\nIn another terminal:")?;
    // The programs are built beside this one.
    if let Some(folder) = std::env::current_exe()?.parent() {
        writeln!(text, "  export PATH=\"{}:$PATH\"", folder.display())?;
    }
    for (name, value) in stack.environment() {
        writeln!(text, "  export {name}={value}")?;
    }
    // Other rules than the shipped ones differ from these on purpose.
    let rules = match args.rules == Path::new(SHIPPED_RULES) {
        true => String::new(),
        false => format!(" --rules '{}'", std::path::absolute(&args.rules)?.display()),
    };
    writeln!(text, "  seamless-health-check --output short{rules}")?;
    writeln!(
        text,
        "  seamless-lab break dead-worker --lab {}",
        console.url()
    )?;
    writeln!(text, "  seamless-lab heal --lab {}", console.url())?;
    writeln!(
        text,
        "\nPages and messages are told here as they arrive.\nCtrl-C stops everything."
    )?;
    Ok(text)
}

/// Writes what a Grafana reads at its start: the data source, and where the dashboards are.
fn provision_grafana(stack: &Stack, dashboards: &Path) -> Result<std::path::PathBuf> {
    let dir = stack.dir().join("grafana");
    let dashboards = std::path::absolute(dashboards).context("--dashboards")?;
    let datasources = json!({
        "apiVersion": 1,
        "datasources": [{
            "name": "seamless-lab",
            "uid": "seamless-lab",
            "type": "prometheus",
            "access": "proxy",
            "url": stack.prometheus.url(),
            "isDefault": true,
            "jsonData": {"timeInterval": "5s"},
        }],
    });
    let providers = json!({
        "apiVersion": 1,
        "providers": [{
            "name": "seamless",
            "type": "file",
            "folder": "Seamless",
            "options": {"path": dashboards},
        }],
    });
    for (folder, content) in [("datasources", datasources), ("dashboards", providers)] {
        let folder = dir.join(folder);
        fs::create_dir_all(&folder)
            .and_then(|()| fs::write(folder.join("seamless.yml"), content.to_string()))
            .with_context(|| format!("cannot write to {}", folder.display()))?;
    }
    Ok(dir)
}
