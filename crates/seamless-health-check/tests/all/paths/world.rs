//! Ways in which alerting breaks at sites, as their reports tell: what holds an alert back together, what
//! relabelling does to it, what a rule does that works until it is needed, a pager that is down.

use serde_json::{Value, json};

use super::site::{self, PagedSite, routed};
use super::{Row, changed};
use crate::support::PATIENCE;
use seamless_lab::wait_until;

pub(super) fn rows(site: &PagedSite) -> Vec<Row> {
    let mut rows = held_back(site);
    rows.extend(relabelled(site));
    rows.extend(rules(site));
    rows.extend(configurations(site));
    rows.extend(behind_a_path(site));
    rows.push(pager_down(site));
    rows
}

fn held_back(site: &PagedSite) -> Vec<Row> {
    let half = |is_equal: bool| json!({"name": "node_id", "value": "ohlcv.*", "isRegex": true, "isEqual": is_equal});
    let halves = [true, false].map(|is_equal| site.silence(&[half(is_equal)]));
    let mut rows = vec![Row::named(
        "a silence of some nodes, and one of all others",
        "alerting/silences",
        "together silence",
        &mut site.check(),
    )];
    halves.iter().for_each(|id| site.expire(id));
    rows.push(Row::healthy("silences that have ended", &mut site.check()));
    // A pattern matches whole values only.
    let part = site.silence(&[
        json!({"name": "alertname", "value": "Seamless", "isRegex": true, "isEqual": true}),
    ]);
    rows.push(Row::healthy(
        "a silence of a part of the alerts' names",
        &mut site.check(),
    ));
    site.expire(&part);

    site.configure(&changed(
        "inhibit_rules:\n",
        "inhibit_rules:\n  - {source_matchers: ['alertname=\"Outage\"'], target_matchers: ['severity=\"critical\"'], equal: [region]}\n",
    ))
    .unwrap();
    let outage = json!({"alertname": "Outage", "cluster": "us"});
    site.post_alerts(&json!([{"labels": outage}]));
    let mut inhibited = |fault: &str| {
        rows.push(Row::named(
            fault,
            "alerting/inhibitions",
            "held back by Outage",
            &mut site.check(),
        ));
    };
    inhibited("an inhibit rule asks for a label that neither alert has");
    let silence = site.silence(&[
        json!({"name": "alertname", "value": "Outage", "isRegex": false, "isEqual": true}),
    ]);
    inhibited("the alert that inhibits is silenced");
    site.expire(&silence);
    site.resolve(&outage);
    site.configure(&site::alertmanager_yml()).unwrap();
    rows
}

fn relabelled(site: &PagedSite) -> Vec<Row> {
    let configure = |external: Value, relabel: Value| {
        site.prometheus
            .change_config(|config| {
                config["global"]["external_labels"] = external;
                config["alerting"]["alert_relabel_configs"] = relabel;
            })
            .unwrap();
        site.arrives();
    };
    let eu = || json!({"cluster": "eu"});
    configure(
        eu(),
        json!([{"source_labels": ["severity"], "regex": "critical", "target_label": "severity", "replacement": "P1"}]),
    );
    let mut rows = vec![Row::named(
        "Prometheus renames the severity that the routes ask for",
        "alerting/routes",
        "critical, but reaches only slack (slack)",
        &mut site.check(),
    )];
    configure(
        eu(),
        json!([{"source_labels": ["severity", "node_id"], "regex": "critical;ohlcv:.*", "action": "drop"}]),
    );
    rows.push(Row::named(
        "Prometheus drops the critical alerts of some nodes",
        "alerting/routes",
        "alert_relabel_configs drop it when node_id=\"ohlcv:\"",
        &mut site.check(),
    ));
    configure(json!({"cluster": "eu", "drill": "staging"}), json!([]));
    rows.push(Row::named(
        "every alert of this Prometheus carries the label of a drill",
        "alerting/routes",
        "they are taken for a drill's",
        &mut site.check(),
    ));
    configure(
        json!({"cluster": "eu", "replica": "a"}),
        json!([{"regex": "replica", "action": "labeldrop"}]),
    );
    rows.push(Row::healthy(
        "one of two replicas, which drops what tells them apart",
        &mut site.check(),
    ));
    configure(
        json!({"cluster": "eu", "namespace": "monitoring"}),
        json!([]),
    );
    site.configure(&changed(
        "    - matchers: ['severity=\"critical\"']",
        "    - matchers: ['severity=\"critical\"', 'namespace=\"monitoring\"']",
    ))
    .unwrap();
    rows.push(Row::named(
        "a route asks for an external label that the alerts have themselves",
        "alerting/routes",
        "critical, but reaches only slack (slack)",
        &mut site.check(),
    ));
    site.configure(&site::alertmanager_yml()).unwrap();
    configure(eu(), json!([]));
    rows
}

fn rules(site: &PagedSite) -> Vec<Row> {
    let lease = "- name: seamless-backfill\n";
    let shipped = site::rules();
    assert!(shipped.contains(lease), "no group {lease:?}");
    site.load(&shipped.replace(lease, &format!("{lease}  limit: 1\n")));
    let mut rows = vec![Row::named(
        "a second stuck lease would end the alert on the first",
        "alerting/rules-loaded",
        "the group's limit is 1",
        &mut site.check(),
    )];
    site.load(&format!(
        "{shipped}- name: seamless-own\n  rules:\n  - {{record: 'own:node', expr: 'vector(1) * on () (label_replace(vector(1), \"a\", \"1\", \"\", \"\") or label_replace(vector(1), \"a\", \"2\", \"\", \"\"))'}}\n"
    ));
    rows.push(Row::named(
        "a rule matches many series to one",
        "alerting/rules-evaluated",
        "own:node: fails: ",
        &mut site.check(),
    ));
    site.load(&shipped.replacen(
        "severity: critical",
        "severity: '{{ if gt $value 0.1 }}warning{{ else }}critical{{ end }}'",
        1,
    ));
    site.configure(&changed(
        "    - matchers: ['severity=\"critical\"']",
        "    - {receiver: slack, matchers: ['alertname=\"SeamlessSlaErrorBudgetBurn\"']}\n    - matchers: ['severity=\"critical\"']",
    ))
    .unwrap();
    rows.push(Row::named(
        "a template says the severity of an alert that no pager gets",
        "alerting/routes",
        "critical, but reaches only slack (slack) when severity=\"critical\"",
        &mut site.check(),
    ));
    site.configure(&site::alertmanager_yml()).unwrap();
    site.load(&shipped);
    rows
}

fn configurations(site: &PagedSite) -> Vec<Row> {
    let row = |fault: &str, id: &str, says: &str, config: &str| {
        site.configure(config).unwrap();
        Row::named(fault, id, says, &mut site.check())
    };
    let seoul = jiff::Timestamp::now().in_tz("Asia/Seoul").unwrap();
    let days = [seoul.clone(), seoul.tomorrow().unwrap()].map(|day| day.strftime("%A").to_string());
    let [today, tomorrow] = days.map(|day| day.to_lowercase());
    let intervals = format!(
        "\ntime_intervals:\n- name: there\n  time_intervals: [{{location: Asia/Seoul, weekdays: ['{today}', '{tomorrow}']}}]\n"
    );
    let mut rows = vec![row(
        "the pager is muted on these weekdays of another time zone",
        "alerting/open",
        "muted now by mute_time_intervals there",
        &(super::pager_route("      mute_time_intervals: [there]\n") + &intervals),
    )];
    rows.push(row(
        "the tree of an operator, which tells nobody of a watchdog",
        "alerting/routes",
        "SeamlessWatchdog: reaches only null (no integration), which tells nobody",
        &routed(
            "{receiver: 'null', group_by: [namespace], routes: [{matchers: ['severity=~\"critical|warning|info\"'], receiver: pager, continue: true}]}",
            "[{name: 'null'}, {name: pager, pagerduty_configs: [{routing_key: key, url: 'http://127.0.0.1:1'}]}]",
        ),
    ));
    site.configure(&routed(
        "{receiver: pager, group_by: ['...'], routes: [{match_re: {service: 'seam(less)?'}, routes: [{matchers: ['severity =~ \"(critical|warning)\"', 'team!=\"a \\\"b\\\", c\"'], receiver: pager, continue: true, routes: [{matchers: ['severity=info'], receiver: chat}]}]}]}",
        "[{name: chat, webhook_configs: [{url: 'http://127.0.0.1:1/'}]}, {name: pager, pagerduty_configs: [{routing_key: key, url: 'http://127.0.0.1:1'}]}]",
    ))
    .unwrap();
    rows.push(Row::healthy(
        "nested routes, quotes in a matcher, no grouping",
        &mut site.check(),
    ));
    site.configure(&site::alertmanager_yml()).unwrap();
    rows
}

fn behind_a_path(site: &PagedSite) -> Vec<Row> {
    let second = site.second_alertmanager("/am");
    let url = second.url();
    let check = || {
        let mut command = site.check();
        command.args(["--alertmanager-url", &url]);
        command
    };
    let send = |prefix: &str| {
        let to =
            json!([{"static_configs": [{"targets": [second.address()]}], "path_prefix": prefix}]);
        site.prometheus
            .change_config(|config| config["alerting"]["alertmanagers"] = to)
            .unwrap();
        site.knows(&format!("{}{prefix}/api", second.address()));
    };
    send("");
    let mut rows = vec![Row::named(
        "Prometheus sends past the path of its Alertmanager",
        "alerting/held",
        "not in Alertmanager",
        &mut check(),
    )];
    send("/am");
    wait_until(PATIENCE, "the watchdog below a path", || {
        let held = second.get("/api/v2/alerts", &[]);
        held.is_ok_and(|held| held.contains("SeamlessWatchdog"))
    })
    .unwrap();
    rows.push(Row::healthy("an Alertmanager below a path", &mut check()));
    site.send_to(&[site.alertmanager.address()]);
    site.arrives();
    rows
}

/// What an Alertmanager counts of the requests to its pager.
fn requests(site: &PagedSite, name: &str) -> f64 {
    let text = site.alertmanager.get("/metrics", &[]).unwrap_or_default();
    let prefix = format!("alertmanager_notification_{name}_total{{integration=\"pagerduty\"");
    let of = text.lines().filter(|line| line.starts_with(&prefix));
    of.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

fn pager_down(site: &PagedSite) -> Row {
    site.pager_answers(site::DOWN);
    let before = requests(site, "requests_failed");
    site.post_alerts(&json!([{"labels": {"alertname": "Page", "severity": "critical"}}]));
    wait_until(PATIENCE, "a request that failed", || {
        requests(site, "requests_failed") > before
    })
    .unwrap();
    let row = Row::named(
        "the pager is down, and each page is sent again",
        "alerting/delivered",
        "requests succeeded in",
        site.check().arg("--wait-delivery"),
    );
    let succeeded = |site| requests(site, "requests") - requests(site, "requests_failed");
    let before = succeeded(site);
    site.pager_answers(site::TAKEN);
    wait_until(PATIENCE, "a page", || succeeded(site) > before).unwrap();
    row
}
