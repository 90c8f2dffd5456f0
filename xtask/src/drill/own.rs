//! The drill against somebody's own stack: inject, wait, report, clean up.
//!
//! Everything that it brings about carries the label `drill`, so that routes and people can tell it
//! apart. It changes nothing else there, breaks nothing, and recovers no lease.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use seamless_cli::duration;
use seamless_core::alertmanager::Alertmanager;
use seamless_core::http::{Endpoint, HttpClient, HttpOptions};
use seamless_core::prometheus::{Prometheus, Selector};
use seamless_core::schema::DRILL_LABEL;
use seamless_lab::servers::Process;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::programs::{Place, Programs};
use super::timeline::{Missed, Seen, Timeline, Wait, short};

const ALERT: &str = "SeamlessSla99thDegraded";
const FAMILY: &str = "seamless_sla_deadline_seconds";
/// How long the stack may take to show what was injected.
const NOTICING: Duration = Duration::from_secs(180);

/// Which stack, and how synthetic series get into its Prometheus.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct OwnStackArgs {
    /// Drill against this Prometheus instead of an embedded one.
    #[arg(long, value_name = "URL", requires = "sink", conflicts_with_all = ["scenarios", "real_time", "html"])]
    prometheus_url: Option<String>,
    /// And this Alertmanager.
    #[arg(long, value_name = "URL", requires = "prometheus_url")]
    alertmanager_url: Option<String>,
    #[command(flatten)]
    sink: Sink,
    /// How long the alert may take to fire, and to resolve.
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "20m")]
    within: Duration,
}

#[derive(Debug, Clone, clap::Args)]
#[group(id = "sink", multiple = false)]
struct Sink {
    /// Inject through this Pushgateway, which the Prometheus scrapes.
    #[arg(long, value_name = "URL", requires = "prometheus_url")]
    push_gateway: Option<String>,
    /// Inject by remote write to this URL.
    #[arg(long, value_name = "URL", requires = "prometheus_url")]
    remote_write: Option<String>,
    /// Inject through this service-discovery file, which the Prometheus on this machine watches.
    #[arg(long, value_name = "PATH", requires = "prometheus_url")]
    file_sd: Option<PathBuf>,
}

/// The stages, in order.
pub(super) const STAGES: &[&str] = &[
    "Prometheus ready",
    "SeamlessSla99thDegraded loaded",
    "violation injected",
    "SeamlessSla99thDegraded pending",
    "SeamlessSla99thDegraded firing",
    "SeamlessSla99thDegraded in Alertmanager",
    "violation ended",
    "SeamlessSla99thDegraded resolved",
];

/// Somebody's own stack.
pub(super) struct OwnStack {
    args: OwnStackArgs,
    prometheus: Prometheus,
    alertmanager: Option<Alertmanager>,
    runtime: Runtime,
    drill: String,
    dir: TempDir,
}

impl OwnStackArgs {
    /// The stack that was named, if one was. Nothing is contacted.
    pub(super) fn stack(&self) -> Result<Option<OwnStack>> {
        let Some(url) = &self.prometheus_url else {
            return Ok(None);
        };
        let prometheus = Endpoint::parse("Prometheus", url, "--prometheus-url")?;
        let alertmanager = self
            .alertmanager_url
            .as_ref()
            .map(|url| Endpoint::parse("Alertmanager", url, "--alertmanager-url"))
            .transpose()?;
        let endpoints = [&prometheus].into_iter().chain(&alertmanager);
        let http = HttpClient::new(HttpOptions::default(), endpoints)?;
        Ok(Some(OwnStack {
            args: self.clone(),
            prometheus: Prometheus::new(http.clone(), prometheus),
            alertmanager: alertmanager.map(|endpoint| Alertmanager::new(http, endpoint)),
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .context("cannot start a runtime")?,
            drill: format!("rehearsal-{}", std::process::id()),
            dir: TempDir::with_prefix("seamless-drill-").context("no temporary folder")?,
        }))
    }
}

impl OwnStack {
    /// The stages of a drill against it: without an Alertmanager nothing is asked of one.
    pub(super) fn stages(&self) -> Vec<String> {
        let asks = |stage: &&&str| self.alertmanager.is_some() || !stage.ends_with("Alertmanager");
        STAGES
            .iter()
            .filter(asks)
            .map(|stage| (*stage).to_owned())
            .collect()
    }

    /// Goes through the stages.
    pub(super) fn rehearse(
        &self,
        programs: &Programs,
        timeline: &mut Timeline,
    ) -> Result<(), Missed> {
        let within = self.args.within;
        timeline.stage("Prometheus ready", |_| {
            self.runtime.block_on(self.prometheus.ready())?;
            Ok(Seen((), self.prometheus.endpoint().to_string()))
        })?;
        timeline.stage("SeamlessSla99thDegraded loaded", |_| self.loaded())?;
        let mut injector =
            timeline.stage("violation injected", |wait| self.inject(programs, wait))?;
        for state in ["pending", "firing"] {
            timeline.stage(&format!("{ALERT} {state}"), |wait| {
                let what = format!("it to be {state}");
                let value = wait.until(within, &what, || {
                    let found = self.alert()?;
                    Ok(found.filter(|(found, _)| found == state || found == "firing"))
                })?;
                Ok(Seen((), format!("value {}", short(&value.1))))
            })?;
        }
        if let Some(alertmanager) = &self.alertmanager {
            timeline.stage("SeamlessSla99thDegraded in Alertmanager", |wait| {
                let receivers = wait.until(NOTICING, "Alertmanager to hold it", || {
                    self.receivers(alertmanager)
                })?;
                Ok(Seen((), format!("goes to {receivers}")))
            })?;
        }
        timeline.stage("violation ended", |_| {
            injector.interrupt(Duration::from_secs(30))?;
            Ok(Seen((), "the injector removed what it brought".to_owned()))
        })?;
        timeline.stage("SeamlessSla99thDegraded resolved", |wait| {
            wait.until(within, "it to be over", || {
                Ok(self.alert()?.is_none().then_some(()))
            })?;
            Ok(Seen((), "neither pending nor firing".to_owned()))
        })
    }

    fn loaded(&self) -> Result<Seen<()>> {
        let groups = self.runtime.block_on(self.prometheus.rules())?.data;
        let count = groups
            .iter()
            .flat_map(|group| &group.rules)
            .filter(|rule| rule.name == ALERT)
            .count();
        if count == 0 {
            bail!("Prometheus has no alert of that name; load alert_rules.yml");
        }
        Ok(Seen((), format!("{count} rules")))
    }

    fn inject(&self, programs: &Programs, wait: &Wait<'_>) -> Result<Seen<Process>> {
        // Who runs a drill against servers of their own has been told whom it pages.
        let mut arguments = vec!["seam-drill-1".to_owned(), "--yes".to_owned()];
        let mut flag = |name: &str, value: &str| {
            arguments.extend([name.to_owned(), value.to_owned()]);
        };
        let sink = &self.args.sink;
        if let Some(url) = &sink.push_gateway {
            flag("--push-gateway", url);
        }
        if let Some(url) = &sink.remote_write {
            flag("--remote-write", url);
        }
        if let Some(path) = &sink.file_sd {
            let path = std::path::absolute(path).context("--file-sd")?;
            flag("--serve", "0");
            flag(
                "--file-sd",
                path.to_str().context("--file-sd is not UTF-8")?,
            );
        }
        flag("--duration", "240");
        flag("--step", "5s");
        flag("--hold", "24h");
        flag("--drill-id", &self.drill);
        let place = Place {
            dir: self.dir.path(),
            environment: &[],
        };
        let mut process = place.start(&programs.inject, &arguments)?;
        let series = format!("{FAMILY}_bucket");
        let query = Selector::name(&series)
            .with(DRILL_LABEL, &self.drill)
            .to_string();
        let mut died = false;
        wait.until(NOTICING, "its series in Prometheus", || {
            died = process.exited().is_some();
            let reply = self
                .runtime
                .block_on(self.prometheus.instant(&query, None))?;
            Ok((died || !reply.data.vector().is_empty()).then_some(()))
        })?;
        if died {
            bail!("inject-sla-violation ended: {}", process.log_tail());
        }
        Ok(Seen(
            process,
            format!("series carry drill=\"{}\"", self.drill),
        ))
    }

    /// The state and value of this drill's alert, the furthest if there are several.
    fn alert(&self) -> Result<Option<(String, String)>> {
        let alerts = self.runtime.block_on(self.prometheus.alerts())?.data;
        let mut found: Vec<(String, String)> = alerts
            .into_iter()
            .filter(|alert| {
                alert.labels.get("alertname") == ALERT
                    && alert.labels.get(DRILL_LABEL) == self.drill
            })
            .map(|alert| (alert.state, alert.value))
            .collect();
        // "firing" sorts before "pending".
        found.sort();
        Ok(found.into_iter().next())
    }

    /// Who gets this drill's alert, once Alertmanager holds it.
    fn receivers(&self, alertmanager: &Alertmanager) -> Result<Option<String>> {
        let filters = [
            format!("alertname=\"{ALERT}\""),
            format!("{DRILL_LABEL}=\"{}\"", self.drill),
        ];
        let held = self.runtime.block_on(alertmanager.alerts(&filters))?;
        Ok(held.first().map(|alert| {
            let names: Vec<&str> = alert
                .receivers
                .iter()
                .map(|one| one.name.as_str())
                .collect();
            names.join(", ")
        }))
    }
}
