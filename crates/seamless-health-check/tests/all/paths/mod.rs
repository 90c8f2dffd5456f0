//! Would anyone be paged? Broken ways from a rule to a person, each in place in real servers of both
//! generations, and the check that names it. Each test has a table beside this file, which is what it expects;
//! `KEPT_TABLES=write` writes it anew.

mod cluster;
mod site;
mod world;

use crate::broken::table::{self, Row};
use crate::support::PATIENCE;
use seamless_lab::wait_until;
use serde_json::{Value, json};
use site::{PagedSite, routed};

/// A change to the shipped configuration of Alertmanager, which must change it.
fn changed(from: &str, to: &str) -> String {
    let config = site::alertmanager_yml();
    assert!(
        config.contains(from),
        "the configuration does not hold {from:?}"
    );
    config.replace(from, to)
}

/// The pager's route with more in it.
fn pager_route(more: &str) -> String {
    changed(
        "      receiver: pagerduty\n",
        &format!("      receiver: pagerduty\n{more}"),
    )
}

const EVER: &str = "\ntime_intervals:\n- name: ever\n  time_intervals: [{location: Asia/Seoul}]\n- name: past\n  time_intervals: [{years: ['2020']}]\n";

fn routes(site: &PagedSite) -> Vec<Row> {
    let id = "alerting/routes";
    let row = |fault: &str, id: &str, says: &str, config: &str| {
        site.configure(config).unwrap();
        Row::named(fault, id, says, &mut site.check())
    };
    let open = "alerting/open";
    let mut rows = vec![
        row(
            "critical alerts go to Slack alone",
            id,
            "critical, but reaches only slack (slack)",
            &changed(
                "severity=\"critical\"']\n      receiver: pagerduty",
                "severity=\"page\"']\n      receiver: pagerduty",
            ),
        ),
        row(
            "one critical alert alone has a route to the pager",
            id,
            "SeamlessSlaErrorBudgetBurn: critical, but reaches only slack (slack)",
            &changed(
                "['severity=\"critical\"']\n      receiver: pagerduty",
                "['severity=\"critical\"', 'alertname=\"SeamlessBackfillStuckLease\"']\n      receiver: pagerduty",
            ),
        ),
        row(
            "receivers that send nothing",
            id,
            "reaches only pagerduty (no integration), slack (no integration), which tells nobody",
            &routed(
                "{receiver: slack, routes: [{receiver: pagerduty, matchers: ['severity=\"critical\"'], continue: true}, {receiver: slack}]}",
                "[{name: pagerduty}, {name: slack}]",
            ),
        ),
        row(
            "warnings go to a receiver that sends nothing",
            id,
            "reaches only nobody (no integration), which tells nobody",
            &format!(
                "{}\n  - name: nobody\n",
                changed(
                    "severity=~\"critical|warning\"']\n      receiver: slack",
                    "severity=~\"critical|warning\"']\n      receiver: nobody"
                )
            ),
        ),
        row(
            "the pager's route asks for another cluster (match_re)",
            id,
            "critical, but reaches only slack (slack)",
            &changed(
                "    - matchers: ['severity=\"critical\"']",
                "    - match: {severity: critical}\n      match_re: {cluster: 'us|ap'}",
            ),
        ),
        row(
            "an earlier route without continue takes critical alerts",
            id,
            "critical, but reaches only slack (slack)",
            &changed(
                "    - matchers: ['severity=\"critical\"']",
                "    - {receiver: slack, matchers: ['service=\"seamless\"', 'severity=\"critical\"']}\n    - matchers: ['severity=\"critical\"']",
            ),
        ),
        row(
            "only one domain's critical alerts reach the pager",
            id,
            "when",
            &changed(
                "matchers: ['severity=\"critical\"']",
                "matchers: ['severity=\"critical\"', 'node_id=~\"ohlcv:.*\"']",
            ),
        ),
        row(
            "the pager waits five minutes",
            id,
            "group_wait is 5m",
            &changed("group_wait: 10s", "group_wait: 5m"),
        ),
        row(
            "a page is repeated once a day",
            id,
            "repeat_interval is 1d",
            &changed("repeat_interval: 1h", "repeat_interval: 24h"),
        ),
        row(
            "the pager's route is muted at this hour",
            open,
            "muted now by mute_time_intervals ever of route.routes[",
            &(pager_route("      mute_time_intervals: [ever]\n") + EVER),
        ),
        row(
            "the pager's route was active years ago",
            open,
            "active_time_intervals past",
            &(pager_route("      active_time_intervals: [past]\n") + EVER),
        ),
        row(
            "every route is muted",
            open,
            "muted now by mute_time_intervals ever of",
            &(site::alertmanager_yml()
                .replace(
                    "      receiver: slack",
                    "      receiver: slack\n      mute_time_intervals: [ever]",
                )
                .replace(
                    "      receiver: pagerduty\n",
                    "      receiver: pagerduty\n      mute_time_intervals: [ever]\n",
                )
                + EVER),
        ),
        row(
            "an alert that always fires inhibits all critical ones",
            "alerting/inhibitions",
            "held back by SeamlessWatchdog",
            &changed(
                "inhibit_rules:\n",
                "inhibit_rules:\n  - {source_matchers: ['alertname=\"SeamlessWatchdog\"'], target_matchers: ['severity=\"critical\"']}\n",
            ),
        ),
    ];
    site.configure(&changed(
        "inhibit_rules:\n",
        "inhibit_rules:\n  - {source_match: {alertname: Outage}, target_match_re: {severity: 'critical|warning'}, equal: [cluster]}\n",
    ))
    .unwrap();
    site.post_alerts(&json!([{"labels": {"alertname": "Outage", "cluster": "us"}}]));
    rows.push(Row::healthy(
        "an alert of another cluster inhibits its own",
        &mut site.check(),
    ));
    site.post_alerts(&json!([{"labels": {"alertname": "Outage", "cluster": "eu"}}]));
    rows.push(Row::named(
        "an alert of another team inhibits all of the cluster's",
        "alerting/inhibitions",
        "held back by Outage",
        &mut site.check(),
    ));
    site.resolve(&json!({"alertname": "Outage", "cluster": "eu"}));
    site.resolve(&json!({"alertname": "Outage", "cluster": "us"}));
    site.configure(&site::alertmanager_yml()).unwrap();
    rows.push(Row::named(
        "the receiver that is asked for is not reached",
        id,
        "critical, but reaches pagerduty (pagerduty), slack (slack), not oncall",
        site.check().args(["--receiver", "critical=oncall"]),
    ));
    rows
}

fn sound(site: &PagedSite) -> Vec<Row> {
    let with = |what: &str, config: &str, arguments: &[&str]| {
        site.configure(config).unwrap();
        Row::healthy(what, site.check().args(arguments))
    };
    let webhook =
        |name: &str| format!("{{name: {name}, webhook_configs: [{{url: 'http://127.0.0.1:1/'}}]}}");
    let rows = vec![
        with("the shipped configuration", &site::alertmanager_yml(), &[]),
        with(
            "Opsgenie alone",
            &routed(
                "{receiver: opsgenie, group_wait: 10s}",
                "[{name: opsgenie, opsgenie_configs: [{api_key: key, api_url: 'http://127.0.0.1:1/'}]}]",
            ),
            &[],
        ),
        with(
            "a webhook that pages",
            &routed("{receiver: oncall}", &format!("[{}]", webhook("oncall"))),
            &["--receiver", "critical=oncall"],
        ),
        with(
            "routes by cluster and namespace",
            &routed(
                "{receiver: nobody, routes: [{matchers: ['cluster=\"eu\"'], receiver: chat, routes: [{matchers: ['namespace=~\"seam.*\"', severity=critical], receiver: pager}]}]}",
                &format!(
                    "[{{name: nobody}}, {}, {{name: pager, pagerduty_configs: [{{routing_key: key, url: 'http://127.0.0.1:1/'}}]}}]",
                    webhook("chat")
                ),
            ),
            &[],
        ),
    ];
    site.configure(&site::alertmanager_yml()).unwrap();
    rows
}

fn silences(site: &PagedSite) -> Vec<Row> {
    let id = "alerting/silences";
    let is = |name: &str, value: &str, is_regex: bool| json!({"name": name, "value": value, "isRegex": is_regex, "isEqual": true});
    let silenced = |matchers: &[Value], play: &dyn Fn() -> Row| {
        let silence = site.silence(matchers);
        let row = play();
        site.expire(&silence);
        row
    };
    let row = |fault: &str, says: &str, matchers: &[Value]| {
        silenced(matchers, &|| Row::named(fault, id, says, &mut site.check()))
    };
    let healthy = |what: &str, matchers: &[Value]| {
        silenced(matchers, &|| Row::healthy(what, &mut site.check()))
    };
    vec![
        row(
            "a silence covers everything critical",
            "{severity=\"critical\"} by someone",
            &[is("severity", "critical", false)],
        ),
        row(
            "a silence covers every alert by a pattern",
            "{alertname=~\"Seamless.*\"}",
            &[is("alertname", "Seamless.*", true)],
        ),
        row(
            "a silence covers one critical alert",
            "silences SeamlessBackfillStuckLease",
            &[is("alertname", "SeamlessBackfillStuckLease", false)],
        ),
        row(
            "a silence covers all warnings",
            "{severity=\"warning\"}",
            &[is("severity", "warning", false)],
        ),
        row(
            "a silence of every node that there may be",
            "silences SeamlessBackfillStuckLease, except what it leaves out",
            &[
                is("alertname", "SeamlessBackfillStuckLease", false),
                is("node_id", ".+", true),
            ],
        ),
        row(
            "a silence of all nodes but one",
            "silences SeamlessBackfillStuckLease, except what it leaves out",
            &[
                is("alertname", "SeamlessBackfillStuckLease", false),
                json!({"name": "node_id", "value": "n", "isRegex": false, "isEqual": false}),
            ],
        ),
        healthy(
            "a silence of one lease",
            &[
                is("alertname", "SeamlessBackfillStuckLease", false),
                is("lease_key", "n:60:0:60:w:", false),
            ],
        ),
        healthy(
            "a silence of drills",
            &[is("severity", "critical", false), is("drill", ".+", true)],
        ),
        healthy(
            "a silence of another cluster",
            &[
                is("severity", "critical", false),
                is("cluster", "us", false),
            ],
        ),
    ]
}

fn rules(site: &PagedSite) -> Vec<Row> {
    let loaded = "alerting/rules-loaded";
    let with = |from: &str, to: &str| {
        let rules = site::rules();
        assert!(rules.contains(from), "the rules do not hold {from:?}");
        rules.replacen(from, to, 1)
    };
    let row = |fault: &str, id: &str, says: &str, rules: &str| {
        site.load(rules);
        {
            let mut command = site.check();
            if id == "alerting/inputs" {
                command.args(["--only", id]);
            }
            Row::named(fault, id, says, &mut command)
        }
    };
    let rows = vec![
        row(
            "the recording rules are not there",
            loaded,
            "rules not loaded",
            &site::rules().replace("record: seamless:", "record: other:"),
        ),
        row(
            "an alert reads a name with a typing error",
            "alerting/inputs",
            "reads coverage_ratios",
            &with("(coverage_ratio)", "(coverage_ratios)"),
        ),
        row(
            "an alert keeps firing",
            loaded,
            "keep_firing_for is 10m, should be 0s",
            &with("    for: 10m\n", "    for: 10m\n    keep_firing_for: 10m\n"),
        ),
        row(
            "a group is evaluated once a minute",
            loaded,
            "the group's interval is 1m, should be 1s",
            &with("interval: 1s", "interval: 1m"),
        ),
        row(
            "an older copy is loaded beside",
            loaded,
            "loaded twice",
            &(site::rules()
                + "- name: older\n  rules:\n  - {alert: SeamlessBackfillStuckLease, expr: 'backfill_completion_ratio < 0.1', for: 5m, labels: {severity: critical, service: seamless}}\n"),
        ),
        row(
            "an alert is labelled for another team's route",
            loaded,
            "label severity is \"info\", should be \"critical\"",
            &with("severity: critical", "severity: info"),
        ),
        {
            site.load(&(site::rules() + "- name: firing\n  rules:\n  - {alert: SeamlessBackfillStuckLease, expr: 'vector(1)', labels: {severity: critical, service: seamless}}\n"));
            Row::named(
                "a critical alert fires",
                "alerting/firing",
                "SeamlessBackfillStuckLease",
                site.check().args(["--only", "alerting/firing"]),
            )
        },
    ];
    site.load(&site::rules());
    rows
}

fn sending(site: &PagedSite) -> Vec<Row> {
    site.pager_answers(site::REFUSED);
    site.fire();
    let mut rows = vec![Row::named(
        "PagerDuty refuses the key",
        "alerting/delivered",
        "notifications failed in",
        site.check().arg("--wait-delivery"),
    )];
    rows.push(Row::named(
        "PagerDuty refused the key some time ago",
        "alerting/delivered",
        "notifications failed since its start",
        &mut site.check(),
    ));
    site.pager_answers(site::TAKEN);
    let _ = site.configure("route: {receiver: nobody}\nreceivers: []\n");
    rows.push(Row::named(
        "Alertmanager's last reload failed",
        "alerting/delivered",
        "its last reload failed",
        &mut site.check(),
    ));
    site.configure(&site::alertmanager_yml()).unwrap();
    let relabel = |rules: Value| {
        site.prometheus
            .change_config(|config| config["alerting"]["alert_relabel_configs"] = rules)
            .unwrap();
        site.arrives();
    };
    relabel(json!([{"source_labels": ["severity"], "regex": "critical", "action": "drop"}]));
    rows.push(Row::named(
        "Prometheus drops critical alerts",
        "alerting/routes",
        "alert_relabel_configs drop it",
        &mut site.check(),
    ));
    relabel(json!([]));
    let _ = site
        .prometheus
        .change_config(|config| config["global"]["scrape_interval"] = json!("never"));
    rows.push(Row::named(
        "Prometheus's last reload failed",
        "alerting/sent",
        "its last reload failed",
        &mut site.check(),
    ));
    site.prometheus
        .change_config(|config| config["global"]["scrape_interval"] = json!("1s"))
        .unwrap();
    let alertmanager = site.alertmanager.address();
    site.send_to(&["127.0.0.1:1".to_owned()]);
    site.knows("127.0.0.1:1");
    rows.push(Row::named(
        "Prometheus sends to a dead Alertmanager",
        "alerting/sent",
        "alerts could not be sent just now",
        // What it holds is of before for some seconds.
        site.check()
            .arg("--wait-delivery")
            .args(["--skip", "alerting/held"]),
    ));
    site.forget_the_watchdog();
    rows.push(Row::named(
        "nothing arrives at Alertmanager",
        "alerting/held",
        "not in Alertmanager",
        &mut site.check(),
    ));
    site.post_alerts(&json!([{"labels": {"alertname": "SeamlessWatchdog", "severity": "none", "service": "seamless", "cluster": "us"}}]));
    rows.push(Row::named(
        "only another Prometheus's alerts arrive",
        "alerting/held",
        "Alertmanager holds only",
        &mut site.check(),
    ));
    site.send_to(&[alertmanager]);
    site.arrives();
    rows
}

fn two_alertmanagers(site: &PagedSite) -> Vec<Row> {
    let second = site.second_alertmanager("");
    let (first_url, second_url) = (site.alertmanager.url(), second.url());
    let check = || {
        let mut command = site.check();
        for url in [&first_url, &second_url] {
            command.args(["--alertmanager-url", url]);
        }
        command
    };
    let mut rows = vec![Row::named(
        "Prometheus sends to one of two Alertmanagers",
        "alerting/held",
        "not in Alertmanager",
        &mut check(),
    )];
    let targets = [site.alertmanager.address(), second.address()];
    site.send_to(&targets);
    wait_until(PATIENCE, "the second's watchdog", || {
        let held = second.get("/api/v2/alerts", &[]);
        held.is_ok_and(|held| held.contains("SeamlessWatchdog"))
    })
    .unwrap();
    rows.push(Row::healthy("two Alertmanagers, each told", &mut check()));
    site.send_to(&targets[..1]);
    site.arrives();
    rows
}

/// What fails is then in Prometheus itself, and nobody has to look twice.
fn where_prometheus_scrapes_alertmanager(site: &PagedSite) -> Vec<Row> {
    site.pager_answers(site::REFUSED);
    let second = "\n  - name: second\n    pagerduty_configs: [{routing_key: key, url: 'http://127.0.0.1:1/'}]\n";
    site.configure(
        &(site::alertmanager_yml().replace("group_wait: 10s", "group_wait: 0s") + second),
    )
    .unwrap();
    let targets = [site.alertmanager.address(), site.prometheus.address()];
    site.prometheus
        .change_config(|config| {
            config["scrape_configs"] =
                json!([{"job_name": "alerting", "static_configs": [{"targets": targets}]}]);
        })
        .unwrap();
    let finds = |what: &str, query: &str| {
        wait_until(PATIENCE, what, || {
            site.prometheus
                .query(query)
                .is_ok_and(|found| !found.is_empty())
        })
        .unwrap();
    };
    let failed = r#"alertmanager_notifications_failed_total{integration="pagerduty"}"#;
    finds("a scrape", &format!("count_over_time({failed}[1m]) > 1"));
    for number in 0..3 {
        site.post_alerts(
            &json!([{"labels": {"alertname": format!("Refused{number}"), "severity": "critical"}}]),
        );
    }
    finds("a failure", &format!("sum(increase({failed}[6h])) > 1"));
    vec![Row::named(
        "PagerDuty refuses the key, as Prometheus saw in the last hours",
        "alerting/delivered",
        "notifications failed in 6h (one of the receivers pagerduty, second)",
        &mut site.check(),
    )]
}

fn files(site: &PagedSite) -> Vec<Row> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alertmanager.yml");
    let check = |config: &str| {
        std::fs::write(&path, config).unwrap();
        let mut command = crate::support::program();
        command.arg("--alertmanager-config").arg(&path).args([
            "--only",
            "alerting/routes",
            "--external-label",
            "cluster=eu",
        ]);
        command
    };
    let shipped = site::alertmanager_yml();
    vec![
        Row::healthy("the shipped file, with no server", &mut check(&shipped)),
        Row::named(
            "a key with a typing error in a file",
            "alerting/routes",
            "knows this key",
            &mut check(&shipped.replace("      continue: true", "      continues: true")),
        ),
        Row::usage_error(
            "a file that names a receiver which is not there",
            "receiver \"pagerduty\" is not defined",
            &mut check(&shipped.replace("- name: pagerduty", "- name: pager")),
        ),
        Row::usage_error(
            "a file with a matcher that cannot be read",
            "cannot read the matcher",
            &mut check(&shipped.replace("severity=\"critical\"", "severity")),
        ),
        {
            let mut command = check(&routed(
                "{receiver: a, routes: [{receiver: b, matchers: ['cluster=\"eu\"']}]}",
                "[{name: a, slack_configs: [{api_url: 'http://127.0.0.1:1'}]}, {name: b, pagerduty_configs: [{routing_key: x}]}]",
            ));
            command.arg("--strict").args(["--external-label", "team=x"]);
            Row::healthy("a file that routes by a label which is named", &mut command)
        },
        {
            std::fs::write(&path, routed("{receiver: a, routes: [{receiver: b, matchers: ['cluster=\"eu\"']}]}", "[{name: a, slack_configs: [{api_url: 'http://127.0.0.1:1'}]}, {name: b, pagerduty_configs: [{routing_key: x}]}]")).unwrap();
            let mut command = crate::support::program();
            command.arg("--alertmanager-config").arg(&path).args([
                "--only",
                "alerting/routes",
                "--strict",
            ]);
            Row::skipped(
                "a file that routes by a label which nobody named",
                "alerting/routes",
                "depends on cluster",
                3,
                &mut command,
            )
        },
        {
            let mut command = crate::support::program();
            command.args([
                "--only",
                "alerting/routes",
                "--alertmanager-url",
                &site.alertmanager.url(),
            ]);
            Row::healthy("an Alertmanager, with no Prometheus", &mut command)
        },
        {
            let mut command = crate::support::program();
            command.args([
                "--explain",
                "Seamless",
                "--alertmanager-url",
                &site.alertmanager.url(),
            ]);
            Row::usage_error(
                "an alert that is not there is to be explained",
                "no such alert",
                &mut command,
            )
        },
    ]
}

/// As a terminal of 80 columns shows it: what is wrong comes first.
#[test]
fn who_would_be_told_fits_the_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alertmanager.yml");
    let slack_alone = changed(
        "matchers: ['severity=\"critical\"']",
        "matchers: ['severity=\"critical\"', 'node_id=~\"ohlcv:.*\"']",
    );
    std::fs::write(&path, slack_alone).unwrap();
    let printed = |arguments: &[&str]| {
        let mut command = crate::support::program();
        command
            .arg("--alertmanager-config")
            .arg(&path)
            .args(arguments);
        let output = command.output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let only = ["--only", "alerting", "--output", "paths"];
    let unknown = printed(&only);
    assert!(
        unknown.contains("reaches less when node_id does not match its route (value unknown"),
        "{unknown}"
    );
    let table = printed(&[&only[..], &["--external-label", "cluster=eu"]].concat());
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines.iter().skip(1).all(|line| line.len() <= 80), "{table}");
    let row = |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
    assert_eq!(
        lines[1].split_whitespace().collect::<Vec<_>>(),
        ["ALERT", "SEVERITY", "NOW", "RECEIVERS"]
    );
    for (at, words) in [
        (2, "SeamlessSlaErrorBudgetBurn critical no page slack"),
        (
            3,
            "SeamlessBackfillStuckLease critical in part pagerduty, slack",
        ),
        (4, "reaches less when node_id=\"\""),
    ] {
        assert_eq!(row(lines[at]).join(" "), words, "{table}");
    }
    let stale = lines
        .iter()
        .find(|line| line.starts_with("SeamlessLiveDataStale"));
    let stale = stale.map(|line| row(line));
    assert_eq!(
        stale.unwrap(),
        ["SeamlessLiveDataStale", "warning", "told", "slack"]
    );
    assert!(table.contains("\nnotifications  "), "{table}");

    let explained = printed(&["--explain", "SeamlessBackfillStuckLease"]);
    let checks: Vec<&str> = explained
        .lines()
        .skip_while(|line| *line != "  what the checks say")
        .skip(1)
        .collect();
    assert!(
        checks[0].starts_with("    warn  alerting/routes"),
        "{explained}"
    );
    assert!(
        explained.contains("  receiver   pagerduty (pagerduty: sent unknown)"),
        "{explained}"
    );
}

/// Plays the scenes one after the other on one site, which each of them reconfigures.
fn check(table: &str, scenes: &[fn(&PagedSite) -> Vec<Row>]) {
    let site = PagedSite::start();
    let rows: Vec<Row> = scenes.iter().flat_map(|scene| scene(&site)).collect();
    table::check(&format!("paths/{table}"), &rows);
}

fn ways_through_routes() {
    check("routes", &[sound, files, routes]);
}

fn silences_and_rules() {
    check("rules", &[silences, rules, two_alertmanagers]);
}

fn ways_to_alertmanager() {
    check("sending", &[sending, where_prometheus_scrapes_alertmanager]);
}

fn as_sites_have_it() {
    check("world", &[world::rows]);
}

seamless_lab::on_both_generations!(
    ways_through_routes,
    silences_and_rules,
    ways_to_alertmanager,
    as_sites_have_it,
);
