//! What is to be checked, validated. Everything that can be wrong with the arguments is found here,
//! before anything is contacted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use seamless_cli::{Connections, Terminal, UsageError, WantedEndpoint, text_of};
use seamless_core::alertmanager::AlertmanagerClient;
use seamless_core::config::Service;
use seamless_core::context::Settings;
use seamless_core::coordinator::CoordinatorClient;
use seamless_core::exposition::{Scraper, is_metric_name};
use seamless_core::http::{Endpoint, HttpClient};
use seamless_core::paging::{Configuration, LabelSet};
use seamless_core::prometheus::{LoadedGroup, PrometheusClient};
use seamless_core::promql::Scope;
use seamless_core::rules::{Profile, RuleFile};
use seamless_core::schema::{FAMILIES, Family, Phase};
use tokio::time::Instant;

use crate::args::{Args, FailOn, PrometheusGeneration};
use crate::input::Input;
use crate::next::Own;
use crate::output::{OutputTarget, outputs};
use crate::paging::WantedReceivers;
use crate::telemetry::{OtlpReceiver, Spans};
use crate::words::did_you_mean;

/// As many requests as one round may have under way at the same server.
const CONCURRENCY: usize = 24;

/// A metric to look for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RequestedMetric {
    /// As it was asked for.
    pub(crate) name: String,
    /// The names under which its series may appear.
    pub(crate) exposed: Vec<String>,
    /// Those of them that tell whether it is there, with the fewest series.
    pub(crate) tracked: Vec<String>,
    /// What the schema says of it, if it knows it.
    pub(crate) family: Option<&'static Family>,
}

impl RequestedMetric {
    pub(crate) fn parse(name: &str) -> Result<Self, UsageError> {
        if !is_metric_name(name) {
            let message = format!("--prometheus-metric {name:?} is not the name of a metric");
            return Err(UsageError(message));
        }
        let family = FAMILIES
            .iter()
            .find(|family| family.name == name || family.exposition_name() == name);
        let with_suffixes = |suffixes: &[&str]| {
            let names = suffixes.iter().map(|suffix| format!("{name}{suffix}"));
            names.collect::<Vec<_>>()
        };
        let (exposed, tracked) = match family {
            Some(family) => (family.exposed_names(), family.tracked_names()),
            None => (
                with_suffixes(&["", "_bucket", "_sum", "_count", "_total"]),
                with_suffixes(&["", "_count", "_total"]),
            ),
        };
        Ok(Self {
            name: name.to_owned(),
            exposed,
            tracked,
            family,
        })
    }
}

/// Where an exposition is read.
#[derive(Debug, Clone)]
pub(crate) enum Metrics {
    Url(Box<(HttpClient, Endpoint)>),
    Input(Input),
}

/// The platform's log and traces, where they are to be checked.
#[derive(Debug, Clone)]
pub(crate) struct Telemetry {
    pub(crate) log: Option<PathBuf>,
    pub(crate) spans: Option<Spans>,
}

impl Telemetry {
    fn asked(args: &Args, connections: &Connections) -> anyhow::Result<Self> {
        let is_stdin = |path: &Option<PathBuf>| path.as_deref() == Some(Path::new("-"));
        if is_stdin(&args.logs) && is_stdin(&args.metrics_file) {
            let message = "--logs - and --metrics-file -: stdin can be read only once; name a file for one of them";
            return Err(UsageError(message.to_owned()).into());
        }
        if args.wait.is_some() && is_stdin(&args.logs) {
            let message = "--logs -: stdin can be read only once; leave --wait away or name a file";
            return Err(UsageError(message.to_owned()).into());
        }
        let receiver = connections.own("traces").cloned();
        let spans = match (receiver, &args.traces) {
            (Some(endpoint), _) => {
                let endpoint = endpoint
                    .without_last_segment("traces")
                    .without_last_segment("v1");
                Some(Spans::Receiver(OtlpReceiver::new(
                    connections.http.clone(),
                    endpoint,
                )))
            }
            (None, Some(path)) => Some(Spans::File(PathBuf::from(path))),
            (None, None) => None,
        };
        Ok(Self {
            log: args.logs.clone(),
            spans,
        })
    }

    pub(crate) const fn is_asked(&self) -> bool {
        self.log.is_some() || self.spans.is_some()
    }
}

/// What is to be checked, and how the result is shown.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) metrics: Vec<RequestedMetric>,
    pub(crate) max_age: Duration,
    pub(crate) budgets: BTreeMap<Phase, f64>,
    /// The profile that was named.
    pub(crate) profile: Option<Profile>,
    /// Whether the rules are the site's own.
    pub(crate) has_own_rules: bool,
    pub(crate) required_env: Vec<String>,
    pub(crate) health_path: Option<String>,
    pub(crate) exposition: Option<Metrics>,
    /// Whose verdict on an exposition counts, where it was given.
    pub(crate) scraper: Option<Scraper>,
    pub(crate) telemetry: Telemetry,
    /// When the whole run must be over.
    pub(crate) deadline: Option<Instant>,
    pub(crate) wait: Option<Duration>,
    pub(crate) interval: Duration,
    pub(crate) fail_on: FailOn,
    pub(crate) outputs: Vec<OutputTarget>,
    pub(crate) coordinator: Option<CoordinatorClient>,
    pub(crate) prometheus: Option<PrometheusClient>,
    pub(crate) alertmanagers: Vec<AlertmanagerClient>,
    /// A configuration of Alertmanager that is judged as if it were loaded, with its file's name.
    pub(crate) alertmanager_file: Option<(String, Configuration)>,
    /// The rules that should be loaded: the shipped ones, or the site's own.
    pub(crate) rules: RuleFile,
    /// Whom alerts of a severity must reach.
    pub(crate) receivers: WantedReceivers,
    /// External labels that were named.
    pub(crate) external_labels: LabelSet,
    /// Whether to look twice at what counts failed deliveries.
    pub(crate) wait_delivery: bool,
    /// The endpoint options of this run, for the commands that follow it.
    pub(crate) own: Own,
    /// The URL of the site's runbook.
    pub(crate) runbook: Option<Arc<str>>,
    /// The alert to explain, instead of the report.
    pub(crate) explain: Option<String>,
    /// Whether a check that was skipped makes the result undetermined.
    pub(crate) strict: bool,
    /// The endpoints in use and where each came from, without credentials.
    pub(crate) endpoints: Vec<(Service, String, String)>,
}

impl Request {
    /// The arguments, validated. Without the services that are `required` nothing can be told, unless there is
    /// something else to check.
    pub(crate) fn new(
        args: &Args,
        terminal: &Terminal,
        required: &[Service],
    ) -> anyhow::Result<Self> {
        let deadline = args.http.deadline.map(|allowed| Instant::now() + allowed);
        let connections = Connections::resolve(&args.http, &endpoints(args), CONCURRENCY)?;
        connections.announce(terminal);
        // The context brings its own options along.
        let own = Own::of(args);
        let args = &in_context(args, connections.context());
        let exposition = exposition(args, &connections);
        let telemetry = Telemetry::asked(args, &connections)?;
        let profile = args.profile.as_deref().and_then(Profile::named);
        let rules = expected_rules(args, profile)?;
        let metrics = metrics(&args.prometheus_metric)?;
        let budgets = budgets(&args.budget)?;
        let outputs = outputs(&args.output)?;
        let alertmanager_file = alertmanager_file(args)?;
        // An exposition, a log, traces and files can be checked with nothing else there.
        let optional = exposition.is_some()
            || telemetry.is_asked()
            || alertmanager_file.is_some()
            || judges_rules_alone(args, &connections)
            || args.explain.is_some();
        let scope = scope(args.selector.as_deref())?;
        let prometheus = match connections.prometheus() {
            Ok(client) => Some(client.with_scope(scope)),
            Err(error) if required.contains(&Service::Prometheus) && !optional => {
                return Err(error.into());
            }
            Err(_) => None,
        };
        let coordinator = match connections.coordinator() {
            Ok(client) => Some(client),
            Err(error) if required.contains(&Service::Coordinator) && !optional => {
                return Err(error.into());
            }
            Err(_) => None,
        };
        let services = [
            Service::Coordinator,
            Service::Prometheus,
            Service::Alertmanager,
        ];
        let endpoints = services.into_iter().filter_map(|service| {
            let endpoint = connections.endpoint(service)?;
            let origin = endpoint.configured_by().to_owned();
            Some((service, endpoint.to_string(), origin))
        });
        Ok(Self {
            metrics,
            max_age: args.max_age,
            budgets,
            profile,
            has_own_rules: !args.rules.is_empty(),
            required_env: args.required_env.clone(),
            health_path: args.coordinator_health_path.clone(),
            exposition,
            scraper: args.scraper.map(PrometheusGeneration::scraper),
            telemetry,
            deadline,
            wait: args.wait,
            interval: args.interval,
            fail_on: args.fail_on,
            outputs,
            coordinator,
            prometheus,
            alertmanagers: connections.alertmanagers(),
            alertmanager_file,
            own,
            runbook: connections
                .context()
                .and_then(|context| context.runbook_url.as_deref().map(Arc::from)),
            explain: explained(args, &rules)?,
            rules,
            receivers: receivers(&args.receiver)?,
            external_labels: external_labels(&args.external_label)?,
            wait_delivery: args.wait_delivery,
            strict: args.strict,
            endpoints: endpoints.collect(),
        })
    }

    /// The site's own rules, where there is no Prometheus that could have loaded them.
    pub(crate) fn rules_alone(&self) -> Option<&RuleFile> {
        (self.has_own_rules && self.prometheus.is_none()).then_some(&self.rules)
    }

    /// The names of the alerts that should be loaded.
    pub(crate) fn alert_names(&self) -> BTreeSet<&str> {
        self.rules.alerts().map(|rule| rule.name.as_str()).collect()
    }

    /// The names of all rules that should be loaded.
    pub(crate) fn rule_names(&self) -> BTreeSet<&str> {
        self.rules.rules().map(|rule| rule.name.as_str()).collect()
    }

    /// The profile that the loaded rules are held to: the one that was named, else the one that is loaded. The
    /// site's own rules have none.
    pub(crate) fn profile(&self, loaded: &[LoadedGroup]) -> Profile {
        match self.profile {
            Some(profile) => profile,
            None if self.has_own_rules => Profile::Baseline,
            None => Profile::of_loaded(loaded),
        }
    }

    /// The budget of a phase, in seconds: the one that was named, else the profile's.
    pub(crate) fn budget(&self, phase: Phase, profile: Profile) -> f64 {
        self.budgets
            .get(&phase)
            .copied()
            .unwrap_or_else(|| profile.budget_seconds(phase))
    }
}

/// Whether a site's rules are to be judged as they lie there. A deployment whose Prometheus was forgotten is
/// another matter.
fn judges_rules_alone(args: &Args, connections: &Connections) -> bool {
    let only = ["alerting/inputs", "alerting/can-fire"];
    let asked = args.only.iter().all(|id| only.contains(&id.as_str())) && !args.only.is_empty();
    let nothing_runs = connections.endpoint(Service::Coordinator).is_none()
        && connections.endpoint(Service::Alertmanager).is_none();
    !args.rules.is_empty() && (asked || nothing_runs)
}

/// The endpoints of a run. Credentials without a prefix are for Prometheus.
fn endpoints(args: &Args) -> Vec<WantedEndpoint<'_>> {
    let receiver = args.traces.as_deref().filter(|text| text.contains("://"));
    let metrics = args.metrics_url.as_deref();
    let mut wanted = vec![
        WantedEndpoint::service(
            Service::Prometheus,
            args.prometheus.prometheus_url.as_deref(),
        )
        .main(),
        WantedEndpoint::service(
            Service::Coordinator,
            args.coordinator.coordinator_url.as_deref(),
        ),
        WantedEndpoint::own("metrics endpoint", "metrics", "--metrics-url", metrics).whole(),
        WantedEndpoint::own("OTLP receiver", "traces", "--traces", receiver),
    ];
    let alertmanager = |url| WantedEndpoint::service(Service::Alertmanager, url);
    match args.alertmanager_url.as_slice() {
        // A file is judged in the place of what the environment may name.
        [] if args.alertmanager_config.is_some() => {}
        [] => wanted.push(alertmanager(None)),
        urls => wanted.extend(urls.iter().map(|url| alertmanager(Some(url)))),
    }
    wanted
}

fn metrics(named: &[String]) -> Result<Vec<RequestedMetric>, UsageError> {
    if named.is_empty() {
        let required = FAMILIES.iter().filter(|family| family.required);
        return required
            .map(|family| RequestedMetric::parse(family.name))
            .collect();
    }
    let mut metrics: Vec<RequestedMetric> = Vec::new();
    for name in named {
        let metric = RequestedMetric::parse(name.trim())?;
        if !metrics.contains(&metric) {
            metrics.push(metric);
        }
    }
    Ok(metrics)
}

fn budgets(named: &[String]) -> Result<BTreeMap<Phase, f64>, UsageError> {
    let mut budgets = BTreeMap::new();
    for text in named {
        let wrong = |why: &str| UsageError(format!("--budget {text}: {why}"));
        let (phase, seconds) = text
            .split_once('=')
            .ok_or_else(|| wrong("write PHASE=SECONDS"))?;
        let phase = Phase::from_label(phase).ok_or_else(|| {
            let known = Phase::ALL.map(Phase::label).join(", ");
            wrong(&format!("no such phase; there are {known}"))
        })?;
        let seconds = seamless_cli::positive_duration(seconds).map_err(|why| wrong(&why))?;
        budgets.insert(phase, seconds.as_secs_f64());
    }
    Ok(budgets)
}

/// The arguments, with what the context says where they say nothing.
fn in_context(args: &Args, context: Option<&Settings>) -> Args {
    let mut args = args.clone();
    let Some(context) = context else {
        return args;
    };
    args.selector = args.selector.or_else(|| context.selector.clone());
    if args.rules.is_empty() && args.profile.is_none() {
        args.rules.clone_from(&context.rules);
    }
    if args.rules.is_empty() && args.profile.is_none() {
        args.profile = context.profile.map(|profile| profile.name().to_owned());
    }
    if args.receiver.is_empty() {
        let named = context.receivers.iter();
        let named = named.map(|(severity, names)| format!("{severity}={}", names.join(",")));
        args.receiver = named.collect();
    }
    args
}

fn scope(matchers: Option<&str>) -> Result<Scope, UsageError> {
    let Some(text) = matchers else {
        return Ok(Scope::default());
    };
    let braces = |c| c == '{' || c == '}';
    Scope::parse(text.trim().trim_matches(braces)).map_err(|error| {
        let hint = "write matchers, such as cluster=\"eu\"";
        UsageError(format!("--selector {text}: {hint} ({})", error.reason))
    })
}

fn alertmanager_file(args: &Args) -> Result<Option<(String, Configuration)>, UsageError> {
    const OPTION: &str = "--alertmanager-config";
    let Some(path) = &args.alertmanager_config else {
        return Ok(None);
    };
    let name = path.display().to_string();
    let config = Configuration::parse(&text_of(OPTION, path)?)
        .map_err(|error| UsageError(format!("{OPTION} {name}: {error}")))?;
    Ok(Some((name, config)))
}

/// The rules that should be loaded: those of all files that were named, else the shipped ones.
fn expected_rules(args: &Args, profile: Option<Profile>) -> anyhow::Result<RuleFile> {
    if args.rules.is_empty() {
        return Ok(profile.unwrap_or_default().rules()?.clone());
    }
    let mut all = RuleFile::default();
    for path in &args.rules {
        let read = RuleFile::parse(&text_of("--rules", path)?)
            .map_err(|error| UsageError(format!("--rules {}: {error}", path.display())))?;
        all.groups.extend(read.groups);
    }
    if all.alerts().next().is_none() {
        let files: Vec<String> = args
            .rules
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let message = format!(
            "--rules {}: no alert in it; give the file that Prometheus loads under rule_files (without --rules the \
             shipped rules are expected)",
            files.join(", ")
        );
        return Err(UsageError(message).into());
    }
    Ok(all)
}

/// The alert to explain, which must be one of the rules.
fn explained(args: &Args, rules: &RuleFile) -> Result<Option<String>, UsageError> {
    let Some(name) = &args.explain else {
        return Ok(None);
    };
    if rules.alerts_named(name).next().is_some() {
        return Ok(Some(name.clone()));
    }
    let names: BTreeSet<&str> = rules.alerts().map(|rule| rule.name.as_str()).collect();
    let meant = did_you_mean(name, names.into_iter());
    Err(UsageError(format!(
        "--explain {name}: no such alert or check; {meant}--list shows the checks, --output paths the alerts"
    )))
}

fn receivers(named: &[String]) -> Result<WantedReceivers, UsageError> {
    let mut wanted = WantedReceivers::new();
    for text in named {
        let parts = text
            .split_once('=')
            .filter(|(severity, names)| !severity.is_empty() && !names.is_empty());
        let (severity, names) = parts.ok_or_else(|| {
            UsageError(format!(
                "--receiver {text}: write SEVERITY=NAME, such as critical=oncall"
            ))
        })?;
        let names = names.split(',').map(|name| name.trim().to_owned());
        wanted.entry(severity.to_owned()).or_default().extend(names);
    }
    Ok(wanted)
}

fn external_labels(named: &[String]) -> Result<LabelSet, UsageError> {
    let label = |text: &String| {
        let parts = text.split_once('=').filter(|(name, _)| !name.is_empty());
        let (name, value) = parts.ok_or_else(|| {
            UsageError(format!(
                "--external-label {text}: write NAME=VALUE, such as cluster=eu"
            ))
        })?;
        Ok((name.to_owned(), value.to_owned()))
    };
    named.iter().map(label).collect()
}

fn exposition(args: &Args, connections: &Connections) -> Option<Metrics> {
    if let Some(path) = &args.metrics_file {
        return Some(Metrics::Input(Input::new(path)));
    }
    let endpoint = connections.own("metrics")?.clone();
    Some(Metrics::Url(Box::new((connections.http.clone(), endpoint))))
}
