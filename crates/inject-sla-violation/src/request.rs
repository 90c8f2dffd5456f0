//! What a run is asked to do, checked: whatever a `Request` says can be done as far as can be known
//! without contacting or changing anything.

use std::path::PathBuf;
use std::time::Duration;

use seamless_cli::{Connections, UsageError, Wanted};
use seamless_core::config::Service;
use seamless_core::duration;
use seamless_core::http::Endpoint;
use seamless_core::schema::Phase;

use crate::args::{Args, OutputFormat};
use crate::scenario::Scenario;

/// How long a drill lasts unless told otherwise.
const DEFAULT_HOLD: Duration = Duration::from_secs(60);
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
    pub(crate) delivery: Delivery,
    /// The alerts to wait for, each once.
    pub(crate) expected: Vec<String>,
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
}

impl Request {
    /// Checks what the arguments ask for.
    ///
    /// # Errors
    /// [`UsageError`], or an endpoint's own error.
    pub(crate) fn from_args(args: &Args) -> anyhow::Result<Self> {
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
            node_id: args.node_id.clone(),
            duration: args.duration,
            repetitions: args.repetitions,
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
            drill_id: args.drill_id.clone().unwrap_or_else(|| generated_id(seed)),
            delivery: delivery(args)?,
            expected: expected(args),
            output: args.output,
        })
    }
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
    if !remote && args.hold.is_none() {
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
    if !remote && file.is_none() {
        return usage(
            "--hold needs a sink that can change: --write-to PATH, --serve, --push-gateway or --remote-write",
        );
    }
    let hold = args.hold.unwrap_or(if args.expect_alert.is_empty() {
        DEFAULT_HOLD
    } else {
        args.within
    });
    if args.step > hold {
        return Err(UsageError(format!(
            "--step {} is longer than --hold {}: no counter would ever move",
            duration::format(args.step),
            duration::format(hold)
        ))
        .into());
    }
    let connections = Connections::resolve(&args.http, &wanted(args), 1)?;
    Ok(Delivery::Lasting(Box::new(Course {
        hold,
        step: args.step,
        recover_after: args.recover_after,
        file,
        serve: args
            .serve
            .as_deref()
            .map(|address| serve(address, args.file_sd.clone()))
            .transpose()?,
        push_gateway: connections.own("push-gateway").cloned(),
        remote_write: connections.own("remote-write").cloned(),
    })))
}

/// The endpoints of a drill. Prometheus and Alertmanager are looked up only where an alert is awaited;
/// then credentials without a prefix are for Prometheus.
pub(crate) fn wanted(args: &Args) -> [Wanted<'_>; 4] {
    let awaits = !args.expect_alert.is_empty();
    let prometheus = args.prometheus.prometheus_url.as_deref();
    let alertmanager = args.alertmanager.alertmanager_url.as_deref();
    let (gateway, receiver) = (args.push_gateway.as_deref(), args.remote_write.as_deref());
    [
        Wanted::service(Service::Prometheus, prometheus)
            .main()
            .used(awaits),
        Wanted::service(Service::Alertmanager, alertmanager).used(awaits),
        Wanted::own("Pushgateway", "push-gateway", "--push-gateway", gateway),
        Wanted::own(
            "remote-write receiver",
            "remote-write",
            "--remote-write",
            receiver,
        )
        .whole(),
    ]
}

fn serve(address: &str, file_sd: Option<PathBuf>) -> Result<Serve, UsageError> {
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
    if host.is_empty() || (bracketed.is_none() && host.contains([':', '[', ']', '/'])) {
        return Err(bad());
    }
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    let port = port.parse().map_err(|_| bad())?;
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
        host: bracketed.unwrap_or(host).to_owned(),
        port,
        file_sd,
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
            let serve = serve(text, None).unwrap();
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
            assert!(serve(text, None).is_err(), "{text}");
        }
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
                &["n", "--serve", "0", "--step", "2m"],
                "longer than --hold 1m",
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
    fn a_seed_names_the_drill_and_no_seed_names_another() {
        let id = |arguments: &[&str]| request(arguments).unwrap().drill_id;
        assert_eq!(id(&["n", "--seed", "7"]), id(&["n", "--seed", "7"]));
        assert_ne!(id(&["n"]), id(&["n"]));
        assert_eq!(id(&["n", "--drill-id", "mine"]), "mine");
    }
}
