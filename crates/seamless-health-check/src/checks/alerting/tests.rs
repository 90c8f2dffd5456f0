//! The judges of the alerts' path, over answers as the servers give them: one sound deployment, and what may
//! be wrong with it. No server runs.

use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;
use seamless_core::paging::{Configuration, Counters, Sending};
use seamless_core::prometheus::{InstantSeries, LoadedGroup, LoadedRule};
use seamless_core::rules::{Profile, RuleFile, RuleKind, WATCHDOG};
use serde_json::{Value, json};

use super::{delivered, held, inhibitions, open, routes, rules_loaded, sent, silences};
use crate::gap::Gap;
use crate::paging::{Facts, OneAlertmanager, Paging, Reads, Scraped, WantedReceivers};
use crate::verdict::{CheckOutcome, Verdict};

static RULES: LazyLock<RuleFile> =
    LazyLock::new(|| RuleFile::parse(include_str!("../../../../../alert_rules.yml")).unwrap());

const NOW: &str = "2026-11-28T12:00:00Z";
const SHIPPED: &str = include_str!("../../../../../alertmanager.yml");
const HELD: &str =
    r#"{"alertname":"SeamlessWatchdog","service":"seamless","severity":"none","cluster":"eu"}"#;
const PAGER_ROUTE: &str = "      receiver: pagerduty\n";

/// What `/api/v1/rules` answers where the shipped rules are loaded.
fn loaded_rules() -> Vec<LoadedGroup> {
    let groups = RULES.groups.iter().map(|group| {
        let rules = group.rules.iter().map(|rule| {
            let mut loaded = json!({
                "type": "recording", "name": rule.name, "query": *rule.expr, "labels": rule.labels,
                "health": "ok", "lastEvaluation": "2026-11-28T11:59:50Z",
            });
            if let RuleKind::Alert { pending_for, .. } = rule.kind {
                loaded["type"] = json!("alerting");
                loaded["duration"] = json!(pending_for.as_secs_f64());
                loaded["annotations"] = json!(rule.annotations);
            }
            if rule.name == WATCHDOG {
                loaded["alerts"] = json!([{
                    "labels": {"alertname": rule.name}, "state": "firing", "activeAt": "2026-11-28T10:00:00Z"
                }]);
            }
            loaded
        });
        let interval = group.interval.unwrap().as_secs_f64();
        json!({"name": group.name, "file": "alert_rules.yml", "interval": interval, "rules": rules.collect::<Vec<_>>()})
    });
    serde_json::from_value(groups.collect()).unwrap()
}

fn counted(lines: &str) -> Counters {
    Counters::read(lines.as_bytes()).unwrap()
}

fn once(lines: &str) -> Reads {
    Reads {
        first: counted(lines),
        second: None,
        apart: Duration::ZERO,
    }
}

fn twice(first: &str, second: &str) -> Reads {
    Reads {
        first: counted(first),
        second: Some(counted(second)),
        apart: Duration::from_secs(180),
    }
}

fn held_alert(labels: &str, updated: &str) -> Value {
    let labels: Value = serde_json::from_str(labels).unwrap();
    json!({"labels": labels, "status": {"state": "active"}, "updatedAt": updated})
}

fn alertmanager(name: &str, failed: u32) -> OneAlertmanager {
    let status = json!({"config": {"original": SHIPPED}, "cluster": {"status": "ready"}});
    OneAlertmanager {
        name: name.to_owned(),
        ready: Ok(()),
        status: Ok(serde_json::from_value(status).unwrap()),
        config: Ok(Configuration::parse(SHIPPED).unwrap()),
        alerts: Ok((
            vec![serde_json::from_value(held_alert(HELD, "2026-11-28T11:59:30Z")).unwrap()],
            Some(NOW.parse::<Timestamp>().unwrap().as_millisecond()),
        )),
        silences: Ok(Vec::new()),
        counters: Ok(once(&failures(failed))),
    }
}

/// What an Alertmanager counts, with so many failures of PagerDuty.
fn failures(failed: u32) -> String {
    format!(
        "alertmanager_config_last_reload_successful 1\nalertmanager_cluster_failed_peers 0\n\
         alertmanager_notifications_failed_total{{integration=\"pagerduty\",reason=\"clientError\"}} {failed}\n\
         alertmanager_notifications_failed_total{{integration=\"pagerduty\",reason=\"other\"}} 0\n\
         alertmanager_notifications_failed_total{{integration=\"sns\",reason=\"other\"}} 7\n"
    )
}

/// What an Alertmanager counts of its requests to PagerDuty, none of whose notifications was given up.
fn requests(all: u32, failed: u32) -> String {
    let of = |name: &str, count: u32| {
        format!("alertmanager_notification_{name}_total{{integration=\"pagerduty\"}} {count}\n")
    };
    failures(0) + &of("requests", all) + &of("requests_failed", failed)
}

/// What is known of a deployment.
pub(super) struct Known {
    rules: Vec<LoadedGroup>,
    pub(super) paging: Paging,
}

pub(super) fn sound() -> Known {
    Known {
        rules: loaded_rules(),
        paging: Paging {
            sending: Ok(Sending::parse("global: {external_labels: {cluster: eu}}").unwrap()),
            resend: Duration::from_secs(60),
            alertmanagers: vec![alertmanager("http://a:9093", 0)],
            prometheus: Ok(once("prometheus_config_last_reload_successful 1\n")),
            scraped: Ok(Scraped::default()),
        },
    }
}

fn judged(judge: Judge, known: &Known) -> CheckOutcome {
    judge(&Facts {
        now: NOW.parse::<Timestamp>().unwrap().as_second() as f64,
        expected: &RULES,
        rules: Ok(&known.rules),
        wanted: &WantedReceivers::new(),
        paging: &known.paging,
    })
}

fn paging(known: &mut Known) -> &mut Paging {
    &mut known.paging
}

fn first(facts: &mut Known) -> &mut OneAlertmanager {
    paging(facts).alertmanagers.first_mut().unwrap()
}

fn configure(facts: &mut Known, yaml: &str) {
    first(facts).config = Ok(Configuration::parse(yaml).unwrap());
}

/// The shipped configuration with a change that must change it.
fn shipped_but(facts: &mut Known, from: &str, to: &str) {
    assert!(
        SHIPPED.contains(from),
        "{from:?} is not in alertmanager.yml"
    );
    configure(facts, &SHIPPED.replace(from, to));
}

type Judge = fn(&Facts<'_>) -> CheckOutcome;
type PathFault = (&'static str, &'static str, fn(&mut Known));

/// Each fault must come to the verdict that is before the first blank of what is said, and say the rest.
fn table(judge: Judge, faults: &[PathFault]) {
    let found = judged(judge, &sound());
    assert_eq!(found.verdict, Verdict::Pass, "sound: {found:?}");
    for (fault, expected, spoil) in faults {
        let mut facts = sound();
        spoil(&mut facts);
        let (verdict, says) = expected.split_once(' ').unwrap_or((expected, ""));
        let found = judged(judge, &facts);
        let mut said = found.message.clone();
        if let Verdict::Skip(skip) = &found.verdict {
            said += &skip.reason();
        }
        for item in &found.items {
            said += &format!("\n{}: {}", item.subject, item.message);
        }
        assert_eq!(found.verdict.word(), verdict, "{fault}: {said}");
        assert!(said.contains(says), "{fault}: {said}");
    }
}

fn group<'f>(facts: &'f mut Known, rule: &str) -> &'f mut LoadedGroup {
    let mut holding = facts
        .rules
        .iter_mut()
        .filter(|group| group.rules.iter().any(|r| r.name == rule));
    holding.next().unwrap()
}

const LEASE: &str = "SeamlessBackfillStuckLease";

fn lease(facts: &mut Known) -> &mut LoadedRule {
    let rules = &mut group(facts, LEASE).rules;
    rules.iter_mut().find(|rule| rule.name == LEASE).unwrap()
}

#[test]
fn what_is_loaded() {
    table(
        |facts| {
            rules_loaded::judge(
                facts.rules.clone().unwrap(),
                Profile::Baseline,
                facts.expected,
            )
        },
        &[
            ("nothing is loaded", "fail none of", |f| f.rules.clear()),
            (
                "the recording rules are missing",
                "fail rules not loaded",
                |f| {
                    for group in &mut f.rules {
                        group
                            .rules
                            .retain(|rule| !rule.name.starts_with("seamless:"));
                    }
                },
            ),
            ("one alert is missing", "fail rules not loaded", |f| {
                group(f, LEASE).rules.retain(|rule| rule.name != LEASE);
            }),
            ("it waits longer", "warn for is 1h", |f| {
                lease(f).duration = 3600.0
            }),
            ("it keeps firing", "warn keep_firing_for is 5m", |f| {
                lease(f).keep_firing_for = 300.0
            }),
            (
                "it has another severity",
                "warn label severity is \"info\"",
                |f| {
                    lease(f).labels = [("service", "seamless"), ("severity", "info")]
                        .into_iter()
                        .collect();
                },
            ),
            (
                "it asks for something else",
                "warn SeamlessBackfillStuckLease",
                |f| {
                    lease(f).query = "backfill_completion_ratio < 0.1".to_owned().into();
                },
            ),
            (
                "its group gives one series at most",
                "warn the group's limit is 1",
                |f| {
                    group(f, LEASE).limit = 1;
                },
            ),
            (
                "it is evaluated more seldom",
                "warn the group's interval is 1h",
                |f| {
                    group(f, LEASE).interval = 3600.0;
                },
            ),
            ("an older copy is loaded beside", "warn loaded twice", |f| {
                let mut copy = group(f, LEASE).clone();
                copy.file = "older.yml".to_owned();
                copy.rules.retain(|rule| rule.name == LEASE);
                f.rules.push(copy);
            }),
        ],
    );
}

#[test]
fn what_is_sent_and_held() {
    fn relabel(facts: &mut Known, rules: &str) {
        let config = format!(
            "global: {{external_labels: {{cluster: eu}}}}\nalerting: {{alert_relabel_configs: {rules}}}"
        );
        paging(facts).sending = Ok(Sending::parse(&config).unwrap());
    }
    fn series(labels: &Value, value: &str) -> Vec<InstantSeries> {
        vec![serde_json::from_value(json!({"metric": labels, "value": [0, value]})).unwrap()]
    }
    fn holds(facts: &mut Known, alerts: &[Value]) {
        let alerts = serde_json::from_value(Value::Array(alerts.to_vec())).unwrap();
        first(facts).alerts = Ok((
            alerts,
            Some(NOW.parse::<Timestamp>().unwrap().as_millisecond()),
        ));
    }
    table(
        sent::judge,
        &[
            (
                "its last reload failed",
                "fail its last reload failed",
                |f| {
                    paging(f).prometheus = Ok(once("prometheus_config_last_reload_successful 0\n"));
                },
            ),
            (
                "errors grow, by query",
                "fail http://a:9093/api/v2/alerts: 12 alerts could not be sent",
                |f| {
                    let errors = series(
                        &json!({"alertmanager": "http://a:9093/api/v2/alerts"}),
                        "12",
                    );
                    paging(f).scraped = Ok(Scraped {
                        errors,
                        ..Scraped::default()
                    });
                },
            ),
            (
                "alerts are dropped, by query",
                "fail Prometheus: 3 alerts dropped",
                |f| {
                    let dropped = series(&json!({}), "3");
                    paging(f).scraped = Ok(Scraped {
                        dropped,
                        ..Scraped::default()
                    });
                },
            ),
            (
                "errors grow between two reads",
                "fail 2 alerts could not be sent just now",
                |f| {
                    let errors = |count| {
                        format!(
                            "prometheus_notifications_errors_total{{alertmanager=\"http://a\"}} {count}\n"
                        )
                    };
                    paging(f).prometheus = Ok(twice(&errors(100), &errors(102)));
                },
            ),
            (
                "drops of a newer Prometheus grow",
                "fail http://a: 5 alerts were dropped just now",
                |f| {
                    let dropped = |count| {
                        format!(
                            "prometheus_notifications_dropped_total{{alertmanager=\"http://a\"}} {count}\n"
                        )
                    };
                    paging(f).prometheus = Ok(twice(&dropped(0), &dropped(5)));
                },
            ),
            ("totals alone are no fault", "pass holds a recent", |f| {
                paging(f).prometheus = Ok(once(
                    "prometheus_notifications_errors_total{alertmanager=\"http://a\"} 100\n",
                ));
            }),
            ("nothing proves the link", "skip --wait-delivery", |f| {
                holds(f, &[])
            }),
        ],
    );
    table(
        held::judge,
        &[
            ("it holds none", "fail not in Alertmanager:", |f| {
                holds(f, &[])
            }),
            (
                "it holds another Prometheus's",
                "fail Alertmanager holds only",
                |f| {
                    let other =
                        held_alert(&HELD.replace("\"eu\"", "\"us\""), "2026-11-28T11:59:30Z");
                    holds(f, &[other]);
                },
            ),
            ("it was last sent long ago", "fail last sent 30m ago", |f| {
                holds(f, &[held_alert(HELD, "2026-11-28T11:30:00Z")]);
            }),
            (
                "Prometheus has just been started",
                "warn too early to tell: it has been firing for 5s and is sent within",
                |f| {
                    holds(f, &[]);
                    let rules = &mut group(f, WATCHDOG).rules;
                    for alert in rules.iter_mut().flat_map(|rule| &mut rule.alerts) {
                        alert.active_at = Some("2026-11-28T11:59:55Z".to_owned());
                    }
                },
            ),
            (
                "Prometheus has not evaluated it yet",
                "warn too early to tell: Prometheus has not evaluated it yet",
                |f| {
                    holds(f, &[]);
                    for rule in &mut group(f, WATCHDOG).rules {
                        rule.health = "unknown".to_owned();
                        rule.last_evaluation = "0001-01-01T00:00:00Z".to_owned();
                        rule.alerts.clear();
                    }
                },
            ),
            (
                "relabelling drops it",
                "fail alert_relabel_configs drop",
                |f| {
                    relabel(
                        f,
                        "[{source_labels: [severity], regex: none, action: drop}]",
                    );
                },
            ),
            (
                "relabelling renames the cluster, and it arrives so",
                "pass arrives",
                |f| {
                    relabel(f, "[{target_label: cluster, replacement: west}]");
                    holds(
                        f,
                        &[held_alert(
                            &HELD.replace("\"eu\"", "\"west\""),
                            "2026-11-28T11:59:30Z",
                        )],
                    );
                },
            ),
            (
                "the external labels are unknown",
                "skip --external-label",
                |f| {
                    paging(f).sending = Ok(Sending::default());
                },
            ),
        ],
    );
}

/// Whom an alert reaches, against whom it must reach.
#[test]
fn a_critical_alert_must_reach_who_was_asked_for() {
    let pages = "pagerduty_configs: [{routing_key: x}]";
    let chats = "slack_configs: [{api_url: 'http://x'}]";
    for (integrations, asked, expected) in [
        (
            pages,
            "",
            "pass every alert reaches a receiver of its severity",
        ),
        (chats, "", "warn critical, but reaches only oncall (slack)"),
        (
            chats,
            "critical=oncall",
            "pass every alert reaches a receiver of its severity",
        ),
        (
            pages,
            "critical=other",
            "fail critical, but reaches oncall (pagerduty), not other",
        ),
        (
            chats,
            "warning=other",
            "fail warning, but reaches oncall (slack), not other",
        ),
        ("labels: {}", "critical=oncall", "fail which tells nobody"),
    ] {
        let mut known = sound();
        let config =
            format!("route: {{receiver: oncall}}\nreceivers: [{{name: oncall, {integrations}}}]");
        configure(&mut known, &config);
        let asked = asked.split_once('=');
        let wanted: WantedReceivers = asked
            .map(|(severity, name)| (severity.to_owned(), [name.to_owned()].into()))
            .into_iter()
            .collect();
        let outcome = routes::judge(&Facts {
            now: NOW.parse::<Timestamp>().unwrap().as_second() as f64,
            expected: &RULES,
            rules: Ok(&known.rules),
            wanted: &wanted,
            paging: &known.paging,
        });
        let (word, says) = expected.split_once(' ').unwrap();
        let said = format!("{}\n{:?}", outcome.message, outcome.items);
        assert_eq!(
            outcome.verdict.word(),
            word,
            "{integrations} {asked:?}: {said}"
        );
        assert!(said.contains(says), "{integrations} {asked:?}: {said}");
    }
}

const INTERVALS: &str = "\ntime_intervals:\n- {name: noon, time_intervals: [{times: [{start_time: '11:30', end_time: '14:00'}]}]}\n\
    - {name: seoul-evening, time_intervals: [{location: Asia/Seoul, times: [{start_time: '20:00', end_time: '22:00'}]}]}\n\
    - {name: here, time_intervals: [{location: Local, times: [{start_time: '11:30', end_time: '14:00'}]}]}\n\
    - {name: night, time_intervals: [{times: [{start_time: '00:00', end_time: '06:00'}]}]}\n";

fn muted(facts: &mut Known, by: &str) {
    let route = format!("{PAGER_ROUTE}      {by}\n");
    assert!(SHIPPED.contains(PAGER_ROUTE));
    configure(facts, &(SHIPPED.replace(PAGER_ROUTE, &route) + INTERVALS));
}

#[test]
fn whom_it_reaches_and_when() {
    table(
        routes::judge,
        &[
            (
                "critical alerts go to Slack alone",
                "warn critical, but reaches only slack",
                |f| {
                    shipped_but(
                        f,
                        "['severity=\"critical\"']\n      receiver: pagerduty",
                        "['severity=\"page\"']\n      receiver: pagerduty",
                    );
                },
            ),
            (
                "the pager's route asks for another cluster",
                "warn critical, but reaches only slack",
                |f| {
                    shipped_but(
                        f,
                        "- matchers: ['severity=\"critical\"']",
                        "- matchers: ['severity=\"critical\"', 'cluster=\"us\"']",
                    );
                },
            ),
            (
                "for the cluster that nobody knows",
                "skip depends on cluster",
                |f| {
                    shipped_but(
                        f,
                        "- matchers: ['severity=\"critical\"']",
                        "- matchers: ['severity=\"critical\"', 'cluster=\"us\"']",
                    );
                    paging(f).sending = Ok(Sending::default());
                },
            ),
            ("nobody is told", "fail which tells nobody", |f| {
                configure(
                    f,
                    "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n",
                );
            }),
            (
                "Prometheus drops it",
                "fail alert_relabel_configs drop it",
                |f| {
                    let config = "alerting: {alert_relabel_configs: [{source_labels: [severity], regex: critical, action: drop}]}";
                    paging(f).sending = Ok(Sending::parse(config).unwrap());
                },
            ),
            (
                "Prometheus takes the severity away",
                "warn SeamlessBackfillStuckLease: critical, but reaches only",
                |f| {
                    let config =
                        "alerting: {alert_relabel_configs: [{regex: severity, action: labeldrop}]}";
                    paging(f).sending = Ok(Sending::parse(config).unwrap());
                    shipped_but(f, "severity=~\"critical|warning\"", "service=\"seamless\"");
                },
            ),
            (
                "Prometheus drops it of some nodes",
                "warn alert_relabel_configs drop it when node_id=\"ohlcv:1\"",
                |f| {
                    let config = "alerting: {alert_relabel_configs: [{source_labels: [severity, node_id], regex: 'critical;ohlcv:1', action: drop}]}";
                    paging(f).sending = Ok(Sending::parse(config).unwrap());
                },
            ),
            (
                "a template says its severity, and it may be critical",
                "warn reaches only slack (slack) when severity=\"critical\"",
                |f| {
                    let severity = "{{ if gt $value 0.1 }}warning{{ else }}critical{{ end }}";
                    lease(f).labels = [("service", "seamless"), ("severity", severity)]
                        .into_iter()
                        .collect();
                    shipped_but(
                        f,
                        "    - matchers: ['severity=\"critical\"']",
                        "    - {receiver: slack, matchers: ['alertname=\"SeamlessBackfillStuckLease\"']}\n    - matchers: ['severity=\"critical\"']",
                    );
                },
            ),
            (
                "a template says its severity, and each is right",
                "pass",
                |f| {
                    let severity = "{{ if gt $value 0.1 }}warning{{ else }}critical{{ end }}";
                    lease(f).labels = [("service", "seamless"), ("severity", severity)]
                        .into_iter()
                        .collect();
                },
            ),
            ("a key is mistyped", "warn a typing error?", |f| {
                shipped_but(f, "      continue: true", "      continues: true");
            }),
            (
                "a second alert waits for hours",
                "warn group_interval is 4h",
                |f| {
                    shipped_but(
                        f,
                        "group_interval: 1m\n      repeat_interval: 1h",
                        "group_interval: 4h\n      repeat_interval: 1h",
                    );
                },
            ),
            (
                "the pager waits ten minutes",
                "warn group_wait is 10m",
                |f| {
                    shipped_but(f, "group_wait: 10s", "group_wait: 10m");
                },
            ),
        ],
    );
    table(
        open::judge,
        &[
            (
                "it is muted at noon",
                "fail muted now by mute_time_intervals noon",
                |f| {
                    muted(f, "mute_time_intervals: [noon]");
                },
            ),
            (
                "and opens after it",
                "fail opens 2026-11-28T14:00:00Z",
                |f| {
                    muted(f, "mute_time_intervals: [noon]");
                },
            ),
            (
                "noon here is the evening elsewhere",
                "fail seoul-evening",
                |f| {
                    muted(f, "mute_time_intervals: [night, seoul-evening]");
                },
            ),
            (
                "it is active at night alone",
                "fail active_time_intervals night",
                |f| {
                    muted(f, "active_time_intervals: [night]");
                },
            ),
            ("it is muted at night", "pass no route", |f| {
                muted(f, "mute_time_intervals: [night]")
            }),
            (
                "it goes by Alertmanager's own clock",
                "skip location: Local",
                |f| {
                    muted(f, "mute_time_intervals: [here]");
                },
            ),
        ],
    );
}

#[test]
fn what_holds_it_back() {
    fn silence(facts: &mut Known, state: &str, matchers: &Value) {
        let silence = json!({"id": "1", "matchers": matchers, "endsAt": "2026-11-28T14:00:00Z",
            "createdBy": "kim", "comment": "upgrade", "status": {"state": state}});
        first(facts).silences = Ok(vec![serde_json::from_value(silence).unwrap()]);
    }
    table(
        silences::judge,
        &[
            (
                "everything critical",
                "fail by kim, until 2026-11-28T14:00:00Z: upgrade",
                |f| {
                    silence(
                        f,
                        "active",
                        &json!([{"name": "severity", "value": "critical", "isRegex": false}]),
                    );
                },
            ),
            ("a pattern", "fail SeamlessBackfillStuckLease", |f| {
                silence(
                    f,
                    "active",
                    &json!([{"name": "alertname", "value": "Seamless(Backfill|Domain).*", "isRegex": true}]),
                );
            }),
            ("all but another team's", "fail team!=\"x\"", |f| {
                silence(
                    f,
                    "active",
                    &json!([{"name": "team", "value": "x", "isRegex": false, "isEqual": false},
                    {"name": "cluster", "value": "eu", "isRegex": false}]),
                );
            }),
            ("warnings", "warn severity=\"warning\"", |f| {
                silence(
                    f,
                    "active",
                    &json!([{"name": "severity", "value": "warning", "isRegex": false}]),
                );
            }),
            ("one lease", "pass 1 narrower", |f| {
                silence(
                    f,
                    "active",
                    &json!([{"name": "alertname", "value": LEASE, "isRegex": false},
                    {"name": "lease_key", "value": "n:60:0:60:w:", "isRegex": false}]),
                );
            }),
            (
                "two that leave nothing between them",
                "fail together silence SeamlessBackfillStuckLease: {node_id=~\"ohlcv.*\"} by kim",
                |f| {
                    let half = |is_equal| {
                        let matchers = json!([{"name": "node_id", "value": "ohlcv.*", "isRegex": true, "isEqual": is_equal}]);
                        let mut made = sound();
                        silence(&mut made, "active", &matchers);
                        first(&mut made).silences.clone().unwrap().remove(0)
                    };
                    first(f).silences = Ok(vec![half(true), half(false)]);
                },
            ),
            ("one that has ended", "pass no silence", |f| {
                silence(
                    f,
                    "expired",
                    &json!([{"name": "severity", "value": "critical", "isRegex": false}]),
                );
            }),
        ],
    );
    fn inhibit(facts: &mut Known, rule: &str, fires: &str) {
        configure(
            facts,
            &SHIPPED.replace("inhibit_rules:\n", &format!("inhibit_rules:\n  - {rule}\n")),
        );
        let alerts = [held_alert(HELD, NOW), held_alert(fires, NOW)];
        let alerts = serde_json::from_value(json!(alerts)).unwrap();
        first(facts).alerts = Ok((alerts, None));
    }
    table(
        inhibitions::judge,
        &[
            (
                "by an alert that always fires",
                "fail held back by SeamlessWatchdog",
                |f| {
                    inhibit(
                        f,
                        "{source_matchers: ['alertname=\"SeamlessWatchdog\"'], target_matchers: ['severity=\"critical\"']}",
                        r#"{"alertname":"X"}"#,
                    );
                },
            ),
            (
                "by another's outage in the same cluster",
                "fail held back by Outage",
                |f| {
                    inhibit(
                        f,
                        "{source_matchers: ['alertname=Outage'], target_matchers: ['severity=critical'], equal: [cluster]}",
                        r#"{"alertname":"Outage","cluster":"eu"}"#,
                    );
                },
            ),
            (
                "labels that both lack are equal",
                "fail held back by Outage",
                |f| {
                    inhibit(
                        f,
                        "{source_matchers: ['alertname=Outage'], target_matchers: ['severity=critical'], equal: [region]}",
                        r#"{"alertname":"Outage","cluster":"eu"}"#,
                    );
                },
            ),
            ("in another cluster", "pass no firing alert", |f| {
                inhibit(
                    f,
                    "{source_matchers: ['alertname=Outage'], target_matchers: ['severity=critical'], equal: [cluster]}",
                    r#"{"alertname":"Outage","cluster":"us"}"#,
                );
            }),
        ],
    );
}

#[test]
fn what_is_delivered() {
    table(
        delivered::judge,
        &[
            (
                "failures grow",
                "fail 4 notifications failed in 3m (receiver pagerduty)",
                |f| {
                    first(f).counters = Ok(twice(&failures(1), &failures(5)));
                },
            ),
            (
                "every request fails and is sent again",
                "fail pagerduty: none of its 3 requests succeeded in 3m (receiver pagerduty)",
                |f| {
                    first(f).counters = Ok(twice(&requests(9, 4), &requests(12, 7)));
                },
            ),
            (
                "no request succeeded since its start",
                "warn none of its 4 requests succeeded since its start",
                |f| {
                    first(f).counters = Ok(once(&requests(4, 4)));
                },
            ),
            (
                "some requests are sent again and succeed",
                "pass no notification failed in 3m",
                |f| {
                    first(f).counters = Ok(twice(&requests(9, 4), &requests(13, 7)));
                },
            ),
            (
                "a restart between the reads",
                "fail 2 notifications failed in 3m",
                |f| {
                    first(f).counters = Ok(twice(&failures(9), &failures(2)));
                },
            ),
            (
                "failures of some time ago",
                "warn 3 notifications failed since its start",
                |f| {
                    first(f).counters = Ok(once(&failures(3)));
                },
            ),
            (
                "of one peer of two",
                "fail 2 notifications failed in 3m",
                |f| {
                    let mut second = alertmanager("http://b:9093", 0);
                    second.counters = Ok(twice(&failures(7), &failures(9)));
                    first(f).counters = Ok(twice(&failures(3), &failures(3)));
                    paging(f).alertmanagers.push(second);
                },
            ),
            (
                "of every peer",
                "warn 5 notifications failed since its start",
                |f| {
                    first(f).counters = Ok(once(&failures(2)));
                    paging(f)
                        .alertmanagers
                        .push(alertmanager("http://b:9093", 3));
                },
            ),
            (
                "a kind that two receivers share",
                "warn one of the receivers pagerduty, second",
                |f| {
                    first(f).counters = Ok(once(&failures(3)));
                    configure(
                        f,
                        &format!(
                            "{SHIPPED}\n  - name: second\n    pagerduty_configs: [{{routing_key: k}}]\n"
                        ),
                    );
                },
            ),
            ("by query", "fail 2 notifications failed in 6h", |f| {
                let failed = json!([{"metric": {"integration": "pagerduty"}, "value": [0, "2.1"]}]);
                let failed = serde_json::from_value(failed).unwrap();
                paging(f).scraped = Ok(Scraped {
                    failed,
                    ..Scraped::default()
                });
            }),
            (
                "nobody knows the ways",
                "fail 4 notifications failed",
                |f| {
                    first(f).counters = Ok(twice(&failures(1), &failures(5)));
                    paging(f).sending = Err(Gap::NotOffered("no".to_owned()));
                },
            ),
            (
                "its last reload failed",
                "fail its last reload failed",
                |f| {
                    first(f).counters = Ok(once("alertmanager_config_last_reload_successful 0\n"));
                },
            ),
            (
                "a peer is gone",
                "warn peers of its cluster have failed",
                |f| {
                    first(f).counters = Ok(once("alertmanager_cluster_failed_peers 1\n"));
                },
            ),
            (
                "its cluster is not settled",
                "warn its cluster is not settled",
                |f| {
                    let status =
                        json!({"config": {"original": SHIPPED}, "cluster": {"status": "settling"}});
                    first(f).status = Ok(serde_json::from_value(status).unwrap());
                },
            ),
        ],
    );
}
