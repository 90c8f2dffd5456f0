//! Faults of this machine's settings, and of whole services.

use std::time::Duration;

use seamless_lab::coordinator::{Coordinator, HeldLease, now_ms};
use seamless_lab::faults::{Behaviour, Faults, Refusing, Reply};
use seamless_lab::runtime::{Misbehaviour, Preset, Runtime};
use seamless_lab::servers::Prometheus;

use super::site::{SoundSite, settled};
use super::table::{self, Row};

/// A Prometheus in which nothing is wrong.
fn sound(site: &SoundSite) -> Prometheus {
    let builder = site.prometheus();
    let prometheus = builder.scrape("seamless", [site.runtime.address()]);
    let prometheus = prometheus.start().unwrap();
    settled(&prometheus);
    prometheus
}

#[test]
fn environment() {
    let site = &SoundSite::start();
    let prometheus = sound(site);
    let check = || site.check(&prometheus.url());
    table::check(
        "broken/environment",
        &[
            Row::healthy("nothing", &mut check()),
            Row::named(
                "a required variable is not set",
                "environment/variables",
                "not set: QMTL_NO_SUCH",
                check().args(["--required-env", "QMTL_NO_SUCH"]),
            ),
            Row::usage_error(
                "a URL without its scheme",
                "QMTL_SEAMLESS_COORDINATOR_URL",
                check().env("QMTL_SEAMLESS_COORDINATOR_URL", "coordinator:8000"),
            ),
            Row::usage_error(
                "no URL of Prometheus",
                "QMTL_PROMETHEUS_URL",
                check().env_remove("QMTL_PROMETHEUS_URL"),
            ),
        ],
    );
}

#[test]
fn coordinators() {
    let site = &SoundSite::start();
    let prometheus = sound(site);
    let row = |fault: &str, says: &str, url: &str| {
        let mut command = site.check(&prometheus.url());
        command.env("QMTL_SEAMLESS_COORDINATOR_URL", url);
        Row::named(fault, "coordinator/health", says, &mut command)
    };
    let answering = |behaviour: Behaviour| Faults::choose(move |_, _| behaviour.clone()).unwrap();
    let refusing = Refusing::start().unwrap();
    let unauthorized = answering(Reply::status(401).into());
    let login = answering(Reply::html().into());
    let redirect = answering(Reply::redirect("https://login.example/").into());
    let broken = answering(Reply::status(500).into());
    let degraded = Coordinator::builder().health_body(r#"{"status":"degraded"}"#);
    let degraded = degraded.start().unwrap();
    let stuck = Coordinator::start().unwrap();
    let lease = HeldLease::new("seam-node-1:60:1700:1760", "0123456789", now_ms());
    stuck.insert(lease.ratio(0.25).claimed_earlier(3_600_000));
    let with_stuck = || {
        let mut command = site.check(&prometheus.url());
        command.env("QMTL_SEAMLESS_COORDINATOR_URL", stuck.url());
        command
    };
    table::check(
        "broken/coordinators",
        &[
            row(
                "the coordinator is down",
                "refused",
                &refusing.url().unwrap(),
            ),
            row("the coordinator wants a token", "401", &unauthorized.url()),
            row("a login page for a coordinator", "HTML", &login.url()),
            row(
                "a redirect to a login page for a coordinator",
                "302",
                &redirect.url(),
            ),
            row("the coordinator answers 500", "500", &broken.url()),
            row(
                "the coordinator says that it is degraded",
                "degraded",
                &degraded.url(),
            ),
            Row::named(
                "a lease that does not move",
                "coordinator/stuck-leases",
                "1 of 1 leases",
                &mut with_stuck(),
            ),
            Row::named(
                "a lease that does not move, with --fail-on warn",
                "coordinator/stuck-leases",
                "1 of 1 leases",
                with_stuck().args(["--fail-on", "warn"]),
            ),
        ],
    );
}

#[test]
fn prometheuses() {
    let site = &SoundSite::start();
    let prometheus = sound(site);
    let row = |fault: &str, id: &str, says: &str, url: &str| {
        Row::named(fault, id, says, &mut site.check(url))
    };
    let answering = |behaviour: Behaviour| Faults::choose(move |_, _| behaviour.clone()).unwrap();
    let refusing = Refusing::start().unwrap();
    let login = answering(Reply::html().into());
    let unauthorized = answering(Reply::status(401).into());
    let replaying = answering(Reply::status(503).body("Service Unavailable").into());
    let queries_fail = Faults::choose(|request, _| match request.path.as_str() {
        "/-/ready" => Reply::status(200).body("ready").into(),
        _ => Reply::status(422)
            .header("Content-Type", "application/json")
            .body(r#"{"status":"error","errorType":"execution","error":"expanding series: no space left on device"}"#)
            .into(),
    })
    .unwrap();
    let hanging = answering(Behaviour::HangBeforeHeaders);
    let ready = "prometheus/ready";
    table::check(
        "broken/prometheuses",
        &[
            row(
                "Prometheus is down",
                ready,
                "refused",
                &refusing.url().unwrap(),
            ),
            row("a login page for a Prometheus", ready, "HTML", &login.url()),
            row(
                "Prometheus wants a password",
                ready,
                "401",
                &unauthorized.url(),
            ),
            row(
                "the path prefix is wrong",
                ready,
                "404",
                &format!("{}/prometheus", prometheus.url()),
            ),
            row(
                "Prometheus is not ready yet",
                ready,
                "503",
                &replaying.url(),
            ),
            Row::named(
                "Prometheus hangs",
                ready,
                "no answer within 1s",
                site.check(&hanging.url()).args(["--timeout", "1s"]),
            ),
            row(
                "Prometheus is ready and answers no query",
                "prometheus/queries",
                "no space left on device",
                &queries_fail.url(),
            ),
        ],
    );
}

#[test]
fn slow_storage() {
    let site = &SoundSite::start();
    let runtime = Runtime::builder()
        .tick(Duration::from_millis(200))
        .preset(Preset::TolerantPartial);
    let runtime = runtime.start().unwrap();
    runtime.misbehave(Misbehaviour::SlowStorage);
    let builder = site.prometheus();
    let prometheus = builder.scrape("seamless", [runtime.address()]);
    let prometheus = prometheus.start().unwrap();
    settled(&prometheus);
    let check = || {
        let mut command = site.check(&prometheus.url());
        command.args(["--only", "sla"]);
        command
    };
    table::check(
        "broken/slow_storage",
        &[
            Row::named("storage is slow", "sla/p99", "storage_wait", &mut check()),
            Row::named(
                "storage has been slow for long",
                "sla/error-budget",
                "% of requests over budget",
                &mut check(),
            ),
        ],
    );
}
