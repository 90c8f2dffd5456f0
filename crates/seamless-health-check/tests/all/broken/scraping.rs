//! Faults of what Prometheus has of the runtime.

use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use seamless_lab::faults::{Faults, Refusing};
use seamless_lab::servers::Prometheus;

use super::site::{SoundSite, address, evaluated, notifying, settled};
use super::table::{self, Row};

const MINUTE_MS: u128 = 60_000;

/// The lines without those that hold `text`.
pub(crate) fn without(exposition: &str, text: &str) -> String {
    let lines = exposition.lines().filter(|line| !line.contains(text));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The samples of `family` dated that many milliseconds ago.
fn dated(exposition: &str, family: &str, ago: u128) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let at = now.as_millis() - ago;
    let lines = exposition.lines().map(|line| {
        if line.starts_with(family) {
            format!("{line} {at}\n")
        } else {
            format!("{line}\n")
        }
    });
    lines.collect()
}

/// A Prometheus that has scraped `worker` a few times.
fn scraping(site: &SoundSite, worker: &Faults) -> Prometheus {
    let prometheus = site.prometheus().scrape("seamless", [address(worker)]);
    let prometheus = prometheus.start().unwrap();
    settled(&prometheus);
    prometheus
}

/// What the check makes of a worker whose exposition is changed.
fn row(
    site: &SoundSite,
    (fault, id, says): (&str, &str, &str),
    change: impl Fn(String) -> String + Send + Sync + 'static,
) -> Row {
    let worker = site.worker(change);
    let prometheus = scraping(site, &worker);
    Row::named(fault, id, says, &mut check(site, &prometheus))
}

/// The check of that Prometheus, which asks for more metrics than are required.
fn check(site: &SoundSite, prometheus: &Prometheus) -> Command {
    let mut command = site.check(&prometheus.url());
    for metric in [
        "seamless_sla_deadline_seconds",
        "seamless_storage_wait_ms",
        "seamless_total_ms",
        "coverage_ratio",
        "live_staleness_seconds",
        "seamless_conformance_flag_total",
    ] {
        command.args(["--prometheus-metric", metric]);
    }
    command
}

#[test]
fn metrics() {
    let site = &SoundSite::start();
    let present = "prometheus/present";
    let never = "coverage_ratio: never seen in the last day";
    table::check(
        "broken/metrics",
        &[
            row(
                site,
                ("a required metric never was", present, never),
                |text| without(&text, "coverage_ratio"),
            ),
            row(
                site,
                (
                    "only a drill's series of a metric",
                    present,
                    "only synthetic series (drill d-1)",
                ),
                |text| text.replace("coverage_ratio{", r#"coverage_ratio{drill="d-1","#),
            ),
            row(
                site,
                (
                    "the series that an alert reads are gone",
                    "alerting/inputs",
                    "reads seamless_sla_deadline_seconds",
                ),
                |text| without(&text, "seamless_sla_deadline_seconds"),
            ),
        ],
    );
}

#[test]
fn ages() {
    let site = &SoundSite::start();
    let vanished = {
        // Always the same time, as the last sample of a series that ended.
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let ended = now.as_millis() - 50 * MINUTE_MS;
        move |text: String| -> String {
            let line = format!(
                "coverage_ratio{{node_id=\"n\",interval=\"60\",world_id=\"w\"}} 1 {ended}\n"
            );
            without(&text, "coverage_ratio") + &line
        }
    };
    let stale = site.worker(|text| dated(&text, "live_staleness_seconds", 2 * MINUTE_MS));
    let stale = scraping(site, &stale);
    table::check(
        "broken/ages",
        &[
            row(
                site,
                (
                    "a metric ended fifty minutes ago",
                    "prometheus/present",
                    "vanished: no series now",
                ),
                vanished,
            ),
            Row::named(
                "samples are two minutes late, one is allowed",
                "prometheus/fresh",
                "over 1m",
                check(site, &stale).args(["--max-age", "1m"]),
            ),
        ],
    );
}

#[test]
fn shapes() {
    let site = &SoundSite::start();
    table::check(
        "broken/shapes",
        &[
            row(
                site,
                (
                    "a label is missing",
                    "prometheus/labels",
                    "lack the label interval",
                ),
                |text| {
                    let lines = text
                        .lines()
                        .map(|line| match line.split_once("interval=\"") {
                            Some((before, after)) if line.starts_with("coverage_ratio{") => {
                                let (_, rest) = after.split_once('"').unwrap_or_default();
                                format!("{}{rest}\n", before.trim_end_matches(','))
                            }
                            _ => format!("{line}\n"),
                        });
                    lines.collect()
                },
            ),
            row(
                site,
                (
                    "a gauge where a counter should be",
                    "prometheus/types",
                    "is a gauge, should be a counter",
                ),
                |text| {
                    text.replace(
                        "# TYPE seamless_conformance_flag_total counter",
                        "# TYPE seamless_conformance_flag_total gauge",
                    )
                },
            ),
            row(
                site,
                (
                    "a summary where a histogram should be",
                    "prometheus/types",
                    "is a summary, should be a histogram",
                ),
                |text| {
                    without(&text, "seamless_total_ms_bucket").replace(
                        "# TYPE seamless_total_ms histogram",
                        "# TYPE seamless_total_ms summary",
                    )
                },
            ),
        ],
    );
}

#[test]
fn targets() {
    let site = &SoundSite::start();
    let refusing = Refusing::start().unwrap();
    let dead = refusing.url().unwrap().replace("http://", "");
    let builder = site.prometheus();
    let one_down = builder.scrape("seamless", [site.runtime.address(), dead]);
    let one_down = one_down.start().unwrap();
    settled(&one_down);
    let login = Faults::choose(|_, _| seamless_lab::faults::Reply::html().into()).unwrap();
    let builder = site.prometheus();
    let page = builder.scrape("seamless", [site.runtime.address(), address(&login)]);
    let page = page.start().unwrap();
    settled(&page);
    let no_target = site.prometheus().start().unwrap();
    evaluated(&no_target);
    notifying(&no_target);
    table::check(
        "broken/targets",
        &[
            Row::named(
                "one worker is down",
                "prometheus/targets",
                "down",
                &mut site.check(&one_down.url()),
            ),
            Row::named(
                "one worker answers with a login page",
                "prometheus/targets",
                "down",
                &mut site.check(&page.url()),
            ),
            Row::named(
                "nothing is scraped",
                "prometheus/present",
                "never seen in the last day",
                &mut site.check(&no_target.url()),
            ),
        ],
    );
}

pub(crate) const SLOW_SCRAPE: Duration = Duration::from_secs(300);
