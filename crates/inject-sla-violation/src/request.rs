//! What a run is asked to do, checked: whatever a `Request` says can be done as far as can be known
//! without contacting or changing anything.

use std::path::PathBuf;
use std::time::Duration;

use seamless_cli::{Connections, UsageError, WantedEndpoint};
use seamless_core::config::Service;
use seamless_core::duration;
use seamless_core::http::Endpoint;
use seamless_core::schema::{Buckets, Phase};

use crate::args::{Args, OutputFormat};
use crate::refusal;
use crate::scenario::Scenario;

pub(crate) use crate::args::Histograms;

/// What each synthetic request reports unless told otherwise.
const DEFAULT_DURATION: Duration = Duration::from_secs(180);
/// How often it is observed per step unless told otherwise.
const DEFAULT_REPETITIONS: u64 = 10;
/// How long a drill lasts unless told otherwise.
const DEFAULT_HOLD: Duration = Duration::from_secs(60);
/// How long an alert is awaited unless told otherwise.
const DEFAULT_WITHIN: Duration = Duration::from_secs(600);
/// How often counters advance unless told otherwise.
const DEFAULT_STEP: Duration = Duration::from_secs(5);
/// More copies than anybody scrapes; their labels alone would fill the memory.
const MOST_COPIES: u64 = 1_000_000;

/// A checked request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) node_id: String,
    pub(crate) duration: Duration,
    pub(crate) repetitions: u64,
    /// In the schema's order, each once.
    pub(crate) phases: Vec<Phase>,
    pub(crate) interval: u64,
    pub(crate) world_id: String,
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) nodes: usize,
    pub(crate) worlds: usize,
    pub(crate) seed: u64,
    pub(crate) drill_id: String,
    /// Further labels of every series.
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) delivery: Delivery,
    /// The alerts to wait for, each once.
    pub(crate) expected: Vec<String>,
    /// The receiver that has to be told.
    pub(crate) expect_receiver: Option<String>,
    /// How long to wait for them.
    pub(crate) within: Duration,
    /// Which bounds the buckets have.
    pub(crate) buckets: Buckets,
    /// Which histograms are exposed.
    pub(crate) histograms: Histograms,
    /// Whether the drill is muted at every receiver.
    pub(crate) silence: bool,
    pub(crate) output: OutputFormat,
}

/// Where the series go.
#[derive(Debug, Clone)]
pub(crate) enum Delivery {
    /// One document, after one step: rates over it do not move.
    Once(OneShot),
    /// A document that moves with every step.
    Lasting(Box<Course>),
}

/// Where a single document goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OneShot {
    Stdout,
    File(PathBuf),
}

/// A drill that lasts.
#[derive(Debug, Clone)]
pub(crate) struct Course {
    pub(crate) hold: Duration,
    pub(crate) step: Duration,
    pub(crate) recover_after: Option<Duration>,
    pub(crate) file: Option<PathBuf>,
    /// Whether the file stays when the drill is over.
    pub(crate) keep: bool,
    pub(crate) serve: Option<Serve>,
    pub(crate) push_gateway: Option<Endpoint>,
    pub(crate) remote_write: Option<Endpoint>,
}

/// Where to listen, and where to announce it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Serve {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) file_sd: Option<PathBuf>,
    pub(crate) advertise: Option<Advertised>,
}

/// What scrapers reach this machine by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Advertised {
    host: String,
    port: Option<u16>,
}

impl Advertised {
    /// The address, with the port that is listened on where none was named.
    pub(crate) fn with_port(&self, listening: u16) -> String {
        format!("{}:{}", self.host, self.port.unwrap_or(listening))
    }
}

impl Request {
    /// Checks what the arguments ask for.
    ///
    /// # Errors
    /// [`UsageError`], or an endpoint's own error.
    pub(crate) fn from_args(args: &Args) -> anyhow::Result<Self> {
        refusal::refuse_ignored(args)?;
        let copies = args.nodes.saturating_mul(args.worlds);
        if copies > MOST_COPIES {
            return Err(UsageError(format!(
                "--nodes {} times --worlds {} makes {copies} copies; at most {MOST_COPIES} are possible",
                args.nodes, args.worlds
            ))
            .into());
        }
        let mut phases = args.phase.clone();
        phases.sort_unstable();
        phases.dedup();
        let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
        Ok(Self {
            node_id: args.node_id.clone().unwrap_or_default(),
            duration: args.duration.unwrap_or(DEFAULT_DURATION),
            repetitions: args.repetitions.unwrap_or(DEFAULT_REPETITIONS),
            phases: if phases.is_empty() {
                Phase::ALL.to_vec()
            } else {
                phases
            },
            interval: args.interval,
            world_id: args.world_id.clone(),
            scenarios: args.scenario.clone(),
            nodes: usize::try_from(args.nodes)?,
            worlds: usize::try_from(args.worlds)?,
            seed,
            drill_id: args
                .cleanup
                .clone()
                .or_else(|| args.drill_id.clone())
                .unwrap_or_else(|| generated_id(seed)),
            labels: labels(args)?,
            delivery: delivery(args)?,
            expected: expected(args),
            expect_receiver: args.expect_receiver.clone(),
            within: args.within.unwrap_or(DEFAULT_WITHIN),
            buckets: args.buckets,
            histograms: args.histograms,
            silence: args.silence,
            output: args.output,
        })
    }
}

fn labels(args: &Args) -> Result<Vec<(String, String)>, UsageError> {
    let mut labels: Vec<(String, String)> = Vec::new();
    for (name, value) in &args.label {
        if labels.iter().any(|(known, _)| known == name) {
            return Err(UsageError(format!("--label {name} is given twice")));
        }
        labels.push((name.clone(), value.clone()));
    }
    Ok(labels)
}

fn expected(args: &Args) -> Vec<String> {
    let mut expected: Vec<String> = Vec::new();
    for name in &args.expect_alert {
        if !expected.contains(name) {
            expected.push(name.clone());
        }
    }
    expected
}

fn generated_id(seed: u64) -> String {
    format!("drill-{:08x}", fastrand::Rng::with_seed(seed).u32(..))
}

fn delivery(args: &Args) -> anyhow::Result<Delivery> {
    let usage = |text: &str| Err(UsageError(text.to_owned()).into());
    let to_stdout = args
        .write_to
        .as_ref()
        .is_some_and(|path| path.as_os_str() == "-");
    let file = args.write_to.clone().filter(|_| !to_stdout);
    let remote = args.serve.is_some() || args.push_gateway.is_some() || args.remote_write.is_some();
    if to_stdout && remote {
        return usage("--write-to - prints one document and cannot go with a sink that lasts");
    }
    if args.cleanup.is_some() && args.remote_write.is_some() && args.node_id.is_none() {
        return usage(
            "--cleanup with --remote-write ends the drill's series: give the same NODE_ID and the same options that \
             make them (--scenario, --nodes and so on)",
        );
    }
    if !remote && args.hold.is_none() && args.cleanup.is_none() {
        if args.recover_after.is_some() {
            return usage("--recover-after needs a drill that lasts: give --hold");
        }
        if !args.expect_alert.is_empty() && !args.dry_run {
            return usage(
                "--expect-alert needs a drill that lasts: give --serve, --push-gateway, --remote-write, or --hold \
                 with --write-to",
            );
        }
        let one_shot = file.map_or(OneShot::Stdout, OneShot::File);
        if one_shot == OneShot::Stdout && args.output == OutputFormat::Json && !args.dry_run {
            return usage(
                "stdout cannot carry the exposition and the JSON report: give --write-to PATH or another sink",
            );
        }
        return Ok(Delivery::Once(one_shot));
    }
    if !remote && file.is_none() && args.cleanup.is_none() {
        return usage(
            "--hold needs a sink that can change: --write-to PATH, --serve, --push-gateway or --remote-write",
        );
    }
    let hold = args.hold.unwrap_or(if args.expect_alert.is_empty() {
        DEFAULT_HOLD
    } else {
        args.within.unwrap_or(DEFAULT_WITHIN)
    });
    if let Some(after) = args.recover_after.filter(|after| *after >= hold) {
        return Err(UsageError(format!(
            "--recover-after {} is not before the end of --hold {}: the series would never turn healthy",
            duration::format(after),
            duration::format(hold)
        ))
        .into());
    }
    let connections = Connections::resolve(&args.http, &wanted(args), 1)?;
    Ok(Delivery::Lasting(Box::new(Course {
        hold,
        step: args.step.unwrap_or_else(|| DEFAULT_STEP.min(hold / 2)),
        recover_after: args.recover_after,
        file,
        keep: args.keep,
        serve: args
            .serve
            .as_deref()
            .map(|address| {
                let (file_sd, advertise) = (args.file_sd.clone(), args.advertise.as_deref());
                serve(address, file_sd, advertise, args.cleanup.is_none())
            })
            .transpose()?,
        push_gateway: connections.own("push-gateway").cloned(),
        remote_write: connections.own("remote-write").cloned(),
    })))
}

/// The endpoints of a drill. What only the environment names is looked up only where an alert is awaited or
/// silenced; credentials without a prefix are for Prometheus then.
pub(crate) fn wanted(args: &Args) -> Vec<WantedEndpoint<'_>> {
    let awaits = !args.expect_alert.is_empty();
    let prometheus = args.prometheus.prometheus_url.as_deref();
    let mut alertmanagers = args.alertmanager_url.iter().map(String::as_str);
    let alertmanager = alertmanagers.next();
    let (gateway, receiver) = (args.push_gateway.as_deref(), args.remote_write.as_deref());
    let mut wanted = vec![
        WantedEndpoint::service(Service::Prometheus, prometheus)
            .main()
            .used(awaits || prometheus.is_some()),
        WantedEndpoint::service(Service::Alertmanager, alertmanager)
            .used(awaits || args.silence || alertmanager.is_some()),
        WantedEndpoint::own("Pushgateway", "push-gateway", "--push-gateway", gateway),
        WantedEndpoint::own(
            "remote-write receiver",
            "remote-write",
            "--remote-write",
            receiver,
        )
        .whole(),
    ];
    wanted
        .extend(alertmanagers.map(|url| WantedEndpoint::service(Service::Alertmanager, Some(url))));
    wanted
}

/// The endpoints of a plan: those of the drill, of which only the services named on the command line are asked.
pub(crate) fn wanted_by_plan(args: &Args) -> Vec<WantedEndpoint<'_>> {
    let prometheus = args.prometheus.prometheus_url.as_deref();
    let mut alertmanagers = args.alertmanager_url.iter().map(String::as_str);
    let alertmanager = alertmanagers.next();
    let unused = |name, prefix, option| WantedEndpoint::own(name, prefix, option, None).used(false);
    let mut wanted = vec![
        WantedEndpoint::service(Service::Prometheus, prometheus)
            .main()
            .used(prometheus.is_some()),
        WantedEndpoint::service(Service::Alertmanager, alertmanager).used(alertmanager.is_some()),
        unused("Pushgateway", "push-gateway", "--push-gateway"),
        unused("remote-write receiver", "remote-write", "--remote-write"),
    ];
    wanted
        .extend(alertmanagers.map(|url| WantedEndpoint::service(Service::Alertmanager, Some(url))));
    wanted
}

/// `announces` is whether the address is about to be announced; the clean-up only looks at the file.
fn serve(
    address: &str,
    file_sd: Option<PathBuf>,
    advertise: Option<&str>,
    announces: bool,
) -> Result<Serve, UsageError> {
    let bad = || {
        UsageError(format!(
            "--serve {address:?} is no address; write it like 9109, 127.0.0.1:9109 or [::1]:9109"
        ))
    };
    let (host, port) = match address.rsplit_once(':') {
        None => ("127.0.0.1", address),
        Some((host, port)) => (host, port),
    };
    let bracketed = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
    if !is_host(host) {
        return Err(bad());
    }
    let port = port_number(port).ok_or_else(bad)?;
    let host = bracketed.unwrap_or(host);
    let everywhere = host
        .parse::<std::net::IpAddr>()
        .is_ok_and(|ip| ip.is_unspecified());
    if everywhere && announces && file_sd.is_some() && advertise.is_none() {
        return Err(UsageError(format!(
            "--serve {address} listens on every address, and --file-sd has to name one that Prometheus reaches: add \
             --advertise HOST"
        )));
    }
    if let Some(path) = &file_sd {
        let known = ["json", "yml", "yaml"];
        if !path
            .extension()
            .is_some_and(|extension| known.iter().any(|known| extension == *known))
        {
            return Err(UsageError(format!(
                "--file-sd {}: Prometheus reads only files that end in .json, .yml or .yaml",
                path.display()
            )));
        }
    }
    Ok(Serve {
        host: host.to_owned(),
        port,
        file_sd,
        advertise: advertise.map(advertised).transpose()?,
    })
}

fn is_host(host: &str) -> bool {
    let bracketed = host.starts_with('[') && host.ends_with(']');
    !host.is_empty() && (bracketed || !host.contains([':', '[', ']', '/', ' ']))
}

fn port_number(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

fn advertised(address: &str) -> Result<Advertised, UsageError> {
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !address.ends_with(']') => (host, Some(port)),
        _ => (address, None),
    };
    let number = port.map(port_number);
    if !is_host(host) || matches!(number, Some(None | Some(0))) {
        return Err(UsageError(format!(
            "--advertise {address:?} is no address; write it like drills.example, 10.0.0.7:9109 or [fd00::7]:9109"
        )));
    }
    Ok(Advertised {
        host: host.to_owned(),
        port: number.flatten(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    fn request(arguments: &[&str]) -> Result<Request, String> {
        let args = Args::try_parse_from(["inject-sla-violation"].iter().chain(arguments))
            .map_err(|error| error.to_string())?;
        Request::from_args(&args).map_err(|error| error.to_string())
    }

    #[test]
    fn addresses() {
        for (text, host, port) in [
            ("9109", "127.0.0.1", 9109),
            ("0", "127.0.0.1", 0),
            ("0.0.0.0:9109", "0.0.0.0", 9109),
            ("localhost:1", "localhost", 1),
            ("[::1]:9", "::1", 9),
        ] {
            let serve = serve(text, None, None, true).unwrap();
            assert_eq!((serve.host.as_str(), serve.port), (host, port), "{text}");
        }
        for text in [
            "",
            ":1",
            "host:",
            "::1:9",
            "70000",
            "x",
            "+1",
            "http://h:1",
            "1.2.3.4",
        ] {
            assert!(serve(text, None, None, true).is_err(), "{text}");
        }
    }

    #[test]
    fn an_advertised_address_takes_the_port_that_is_listened_on() {
        for (text, shown) in [
            ("drills.example", "drills.example:9109"),
            ("10.0.0.7:80", "10.0.0.7:80"),
            ("[fd00::7]", "[fd00::7]:9109"),
            ("[fd00::7]:80", "[fd00::7]:80"),
        ] {
            assert_eq!(advertised(text).unwrap().with_port(9109), shown);
        }
        for text in ["", ":80", "a:", "a:0", "fd00::7:80", "http://a", "a:70000"] {
            assert!(advertised(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_drill_shorter_than_a_step_steps_faster() {
        let step = |arguments: &[&str]| match request(arguments).unwrap().delivery {
            Delivery::Lasting(course) => course.step,
            Delivery::Once(_) => panic!("one document"),
        };
        assert_eq!(step(&["n", "--serve=0"]), DEFAULT_STEP);
        assert_eq!(step(&["n", "--serve=0", "--hold=0.5"]).as_millis(), 250);
        assert_eq!(
            step(&["n", "--serve=0", "--hold=1s", "--step=2s"]).as_secs(),
            2
        );
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for (arguments, reason) in [
            (&["n", "--hold", "5s"][..], "needs a sink that can change"),
            (
                &["n", "--write-to", "-", "--serve", "0"],
                "cannot go with a sink that lasts",
            ),
            (&["n", "--output", "json"], "stdout cannot carry"),
            (&["n", "--recover-after", "5s"], "needs a drill that lasts"),
            (
                &["n", "--serve", "0", "--recover-after", "2m"],
                "not before the end of --hold 1m",
            ),
            (&["n", "--serve", "0", "--within", "2m"], "name an alert"),
            (&["n", "--step", "2s"], "--step needs a drill that lasts"),
            (&["n", "--keep", "--write-to", "x"], "stays anyway"),
            (&["n", "--rules", "x"], "predicting alerts"),
            (&["n", "--silence"], "a drill that lasts"),
            (
                &["n", "--scenario", "coverage", "--phase", "total"],
                "add --scenario sla",
            ),
            (
                &["n", "--scenario", "coverage", "--duration", "240"],
                "--duration changes nothing in the scenario coverage",
            ),
            (
                &["n", "--scenario", "healthy", "--duration", "240"],
                "--duration changes nothing",
            ),
            (
                &["n", "--scenario", "stuck-lease", "--repetitions", "5"],
                "--repetitions changes nothing",
            ),
            (
                &["n", "--scenario", "conformance", "--buckets", "platform"],
                "--buckets changes nothing",
            ),
            (
                &["n", "--scenario", "staleness", "--histograms", "both"],
                "--histograms changes nothing",
            ),
            (&["n", "--prometheus-url", "http://p"], "contacts no server"),
            (
                &["n", "--alertmanager-url", "http://a"],
                "contacts no server",
            ),
            (&["n", "--label", "cluster"], "write it like cluster=eu"),
            (&["n", "--label", "drill=x"], "are taken"),
            (&["n", "--label", "node_id=x"], "are taken"),
            (&["n", "--label", "cluster="], "the same as no label"),
            (&["n", "--label", "a=1", "--label", "a=2"], "given twice"),
            (
                &["n", "--serve", "0.0.0.0:0", "--file-sd", "x.json"],
                "add --advertise HOST",
            ),
            (
                &[
                    "n",
                    "--serve",
                    "0",
                    "--file-sd",
                    "x.json",
                    "--advertise",
                    "a:b:1",
                ],
                "is no address",
            ),
            (&["--cleanup", "d", "--hold", "5s"], "cannot be used with"),
            (&["--cleanup", "d", "--yes"], "cannot be used with"),
            (
                &["--cleanup", "d", "--duration", "5"],
                "cannot be used with",
            ),
            (
                &["--cleanup", "d", "--repetitions", "5"],
                "cannot be used with",
            ),
            (&["--cleanup", "d", "--seed", "5"], "cannot be used with"),
            (&["--cleanup", "d", "--rules", "x"], "cannot be used with"),
            (
                &["n", "--cleanup", "d", "--write-to", "x"],
                "NODE_ID describes the drill's series",
            ),
            (
                &["--cleanup", "d", "--write-to", "x", "--scenario", "all"],
                "--scenario describes the drill's series",
            ),
            (
                &["--cleanup", "d", "--file-sd", "x.json", "--nodes", "5"],
                "--nodes describes the drill's series",
            ),
            (
                &["--cleanup", "d", "--file-sd", "x.json", "--label", "a=b"],
                "--label describes the drill's series",
            ),
            (
                &["n", "--scenario", "rate-limit", "--interval", "5"],
                "--interval changes nothing in the scenario rate-limit",
            ),
            (
                &["n", "--scenario", "backfill-failing", "--worlds", "2"],
                "--worlds changes nothing in the scenario backfill-failing",
            ),
            (
                &["n", "--scenario", "backfill-failing", "--world-id", "w"],
                "--world-id changes nothing",
            ),
            (
                &[
                    "n",
                    "--scenario",
                    "healthy",
                    "--serve",
                    "0",
                    "--recover-after",
                    "9s",
                ],
                "--recover-after changes nothing",
            ),
            (&["n", "--header", "A: b"], "contacts none"),
            (&["n", "--dry-run", "--header", "A: b"], "contacts none"),
            (&["n", "--bearer-token-file", "x"], "contacts none"),
            (&["n", "--ca-cert", "x"], "contacts none"),
            (
                &[
                    "n",
                    "--dry-run",
                    "--rules",
                    "x",
                    "--prometheus-url",
                    "http://p",
                ],
                "--rules replaces",
            ),
            (
                &["n", "--nodes", "1000000", "--worlds", "2"],
                "2000000 copies",
            ),
            (&["n", "--file-sd", "x.json"], "--serve"),
            (&["n", "--serve", "0", "--file-sd", "x"], "end in .json"),
            (&["n", "--expect-alert", "A"], "needs a drill that lasts"),
            (&["n", "--push-gateway", "localhost:9091"], "--push-gateway"),
        ] {
            let error = request(arguments).unwrap_err();
            assert!(error.contains(reason), "{arguments:?}: {error}");
        }
    }

    #[test]
    fn the_clean_up_takes_the_sinks_of_the_drill() {
        for arguments in [
            &[
                "--cleanup",
                "d",
                "--serve",
                "0.0.0.0:9",
                "--file-sd",
                "x.json",
            ][..],
            &["--cleanup", "d", "--alertmanager-url", "http://a"],
            &[
                "n",
                "--cleanup",
                "d",
                "--remote-write",
                "http://p/write",
                "--scenario",
                "all",
                "--nodes",
                "5",
                "--label",
                "a=b",
            ],
        ] {
            request(arguments).unwrap_or_else(|error| panic!("{arguments:?}: {error}"));
        }
    }

    #[test]
    fn a_seed_names_the_drill_and_no_seed_names_another() {
        let id = |arguments: &[&str]| request(arguments).unwrap().drill_id;
        assert_eq!(id(&["n", "--seed", "7"]), id(&["n", "--seed", "7"]));
        assert_ne!(id(&["n"]), id(&["n"]));
        assert_eq!(id(&["n", "--drill-id", "mine"]), "mine");
    }
}
