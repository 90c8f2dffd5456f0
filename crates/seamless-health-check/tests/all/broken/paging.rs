//! Faults on the way from a series to a person.

use std::time::{SystemTime, UNIX_EPOCH};

use seamless_lab::faults::{Faults, Refusing, Reply};
use seamless_lab::servers::Prometheus;
use serde_json::json;

use super::scraping::SLOW_SCRAPE;
use super::site::{SoundSite, address, evaluated, scraped, settled};
use super::table::{self, Row};
use crate::support::quick_rules;

/// A further group, whose alert fires at once.
const FIRING: &str = "\
- name: another
  rules:
  - {alert: SeamlessLiveDataStale, expr: vector(1)}
";

fn start(site: &SoundSite, rules: &str) -> Prometheus {
    let builder = site.prometheus().rules(rules);
    let prometheus = builder.scrape("seamless", [site.runtime.address()]);
    prometheus.start().unwrap()
}

/// The shipped rules with `from` replaced, which must be in them.
fn changed(from: &str, to: &str) -> String {
    let rules = quick_rules();
    assert!(
        rules.contains(from),
        "the shipped rules do not hold {from:?}"
    );
    rules.replace(from, to)
}

#[test]
fn rules() {
    let site = &SoundSite::start();
    let prometheus = start(site, &quick_rules());
    scraped(&prometheus);
    let check = |rules: &str| {
        prometheus.set_rules(rules).unwrap();
        evaluated(&prometheus);
        let mut command = site.check(&prometheus.url());
        // After a reload Prometheus has none for some seconds.
        command.args(["--skip", "alerting/alertmanager-known"]);
        command
    };
    let row = |fault: &str, id: &str, says: &str, rules: &str| {
        Row::named(fault, id, says, &mut check(rules))
    };
    let loaded = "alerting/rules-loaded";
    let coverage = "min by (node_id, interval, world_id, drill) (coverage_ratio) < 0.98";
    table::check(
        "broken/rules",
        &[
            row("no rules are loaded", loaded, "none of", "groups: []"),
            row(
                "one alert is not loaded",
                loaded,
                "SeamlessCoverageLow: not loaded",
                &changed("alert: SeamlessCoverageLow", "alert: CoverageLow"),
            ),
            row(
                "an alert with another threshold",
                loaded,
                "the expression has `0.5` where `0.98` should be",
                &changed(coverage, &coverage.replace("0.98", "0.5")),
            ),
            row(
                "an alert with another `for`",
                loaded,
                "for is 20m, should be 10m",
                &changed("for: 10m", "for: 20m"),
            ),
            row(
                "an alert with another severity",
                loaded,
                "label severity is \"info\", should be \"critical\"",
                &changed("severity: critical", "severity: info"),
            ),
            Row::healthy(
                "an alert is written in another way and means the same",
                &mut check(&changed(
                    coverage,
                    &coverage.replace(", drill)", ",\n        drill)"),
                )),
            ),
            row(
                "an alert is firing",
                "alerting/firing",
                "SeamlessLiveDataStale",
                &(quick_rules() + FIRING),
            ),
            row(
                "a rule that cannot be evaluated",
                "alerting/rules-evaluated",
                "seamless:coverage_ratio:low: fails",
                &changed(coverage, "coverage_ratio * on (node_id) coverage_ratio"),
            ),
            row(
                "a threshold above the top bucket",
                "alerting/can-fire",
                "can never fire: `",
                &changed("> 48", "> 4800"),
            ),
            row(
                "a range shorter than two scrapes",
                "alerting/ranges",
                "covers fewer than two scrapes of 1s",
                &changed("[5m]", "[1s]"),
            ),
        ],
    );
}

#[test]
fn evaluation() {
    let site = &SoundSite::start();
    let hourly = start(site, &quick_rules().replace("interval: 1s", "interval: 1h"));
    let sound = start(site, &quick_rules());
    settled(&sound);
    // The real answer, as if the rules had last been evaluated when it says.
    let rules = sound.get("/api/v1/rules", &[]).unwrap();
    let mut old: serde_json::Value = serde_json::from_str(&rules).unwrap();
    for group in old["data"]["groups"].as_array_mut().unwrap() {
        for rule in group["rules"].as_array_mut().unwrap() {
            rule["lastEvaluation"] = json!("2024-01-01T00:00:00Z");
        }
    }
    let old = old.to_string();
    let long_ago = Faults::choose(move |request, _| {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let now = now.as_secs_f64();
        match request.path.as_str() {
            "/-/ready" => Reply::status(200).body("ready").into(),
            "/api/v1/rules" => Reply::json(&old).into(),
            _ => Reply::json(
                &json!({"status": "success", "data":
                    {"resultType": "scalar", "result": [now, now.to_string()]}})
                .to_string(),
            )
            .into(),
        }
    })
    .unwrap();
    let only = ["--only", "alerting/rules-evaluated"];
    let id = "alerting/rules-evaluated";
    table::check(
        "broken/evaluation",
        &[
            Row::named(
                "rules that are due once an hour and were never evaluated",
                id,
                "not evaluated yet",
                site.check(&hourly.url()).args(only),
            ),
            Row::named(
                "rules that were last evaluated long ago",
                id,
                "though due every 1s",
                site.check(&long_ago.url()).args(only),
            ),
        ],
    );
}

/// The SLA histogram's buckets that `keep` lets through.
fn buckets(text: &str, keep: impl Fn(f64) -> bool) -> String {
    let kept = text.lines().filter(|line| {
        let bound = line
            .strip_prefix("seamless_sla_deadline_seconds_bucket{")
            .and_then(|line| line.split_once("le=\""))
            .and_then(|(_, rest)| rest.split_once('"'))
            .and_then(|(bound, _)| bound.parse::<f64>().ok());
        bound.is_none_or(|bound| bound.is_infinite() || keep(bound))
    });
    kept.map(|line| format!("{line}\n")).collect()
}

#[test]
fn buckets_of_the_histogram() {
    let site = &SoundSite::start();
    let scraping = |change: fn(String) -> String| {
        let worker = site.worker(change);
        let prometheus = site.prometheus().scrape("seamless", [address(&worker)]);
        let prometheus = prometheus.start().unwrap();
        settled(&prometheus);
        (prometheus, worker)
    };
    let default = scraping(|text| buckets(&text, |bound| bound <= 10.0));
    let no_edge = scraping(|text| buckets(&text, |bound| (bound - 60.0).abs() > 0.5));
    let integers = scraping(|text| text.replace(".0\"} ", "\"} "));
    let thresholds = "alerting/can-fire";
    table::check(
        "broken/buckets_of_the_histogram",
        &[
            Row::named(
                "a client's default buckets (top 10 s) under a budget of 60 s",
                thresholds,
                "the left side is from 0 to 10",
                &mut site.check(&default.0.url()),
            ),
            Row::named(
                "no bucket edge at the budget",
                "sla/error-budget",
                "outside",
                &mut site.check(&no_edge.0.url()),
            ),
            Row::healthy(
                "buckets are written le=\"60\" instead of le=\"60.0\"",
                &mut site.check(&integers.0.url()),
            ),
        ],
    );
}

#[test]
fn ranges() {
    let site = &SoundSite::start();
    let worker = site.worker(|text| text);
    let slow = json!({
        "job_name": "slow",
        "scrape_interval": format!("{}s", SLOW_SCRAPE.as_secs()),
        "static_configs": [{"targets": [address(&worker)]}],
        // The same job as the other worker, as most sites have it.
        "relabel_configs": [{"target_label": "job", "replacement": "seamless"}],
    });
    let builder = site.prometheus().scrape_config(slow);
    let prometheus = builder.scrape("seamless", [site.runtime.address()]);
    let prometheus = prometheus.start().unwrap();
    settled(&prometheus);
    table::check(
        "broken/ranges",
        &[Row::named(
            "a worker is scraped every five minutes",
            "alerting/ranges",
            "covers fewer than two scrapes of 5m",
            site.check(&prometheus.url())
                // Whether it has been scraped by now is chance.
                .args(["--skip", "prometheus/targets"]),
        )],
    );
}

#[test]
fn ways_to_a_person() {
    let site = &SoundSite::start();
    let builder = Prometheus::builder().rules(quick_rules());
    let alone = builder.scrape("seamless", [site.runtime.address()]);
    let alone = alone.start().unwrap();
    scraped(&alone);
    evaluated(&alone);
    let sound = start(site, &quick_rules());
    settled(&sound);
    let refusing = Refusing::start().unwrap();
    let refusing = refusing.url().unwrap();
    let with = |url: &str| {
        let mut command = site.check(&sound.url());
        command.env("QMTL_ALERTMANAGER_URL", url);
        command
    };
    table::check(
        "broken/ways_to_a_person",
        &[
            Row::named(
                "Prometheus knows no Alertmanager",
                "alerting/alertmanager-known",
                "alerts go nowhere",
                &mut site.check(&alone.url()),
            ),
            Row::named(
                "Alertmanager is down",
                "alerting/alertmanager-ready",
                "refused",
                &mut with(&refusing),
            ),
        ],
    );
}
