//! Would anyone be paged? The shipped alerts are loaded and evaluated, can fire on the live series, and
//! their way to a person is open.

mod can_fire;
mod explained;
mod holding;
mod loaded;
pub(crate) mod routes;
pub(crate) mod sending;

use seamless_core::prometheus::{Alertmanagers, FiringAlert, LoadedGroup, LoadedRule, RuleType};
use seamless_core::schema::DRILL_LABEL;

use crate::check::{Check, Group, Need, Severity};
use crate::paging::WATCHDOG;
use crate::request::Request;
use crate::verdict::{Item, Outcome, Verdict};

/// Alerts on the health check itself: it would keep them firing.
const OWN: &str = "SeamlessHealthCheck";
const LOADED: &str = "alerting/rules-loaded";

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "rules-loaded",
        group: Group::Alerting,
        title: "the rules are loaded",
        needs: &[Need::Prometheus],
        requires: &["prometheus/queries"],
        severity: Severity::Fail,
        hint: "load alert_rules.yml with `rule_files:` and reload Prometheus; a site's own file: --rules FILE",
        anchor: "check-alerting",
        explained: explained::RULES_LOADED,
        run: |site| Box::pin(async { Ok(loaded::loaded(site.rules().await?, site.request)) }),
    },
    Check {
        name: "rules-evaluated",
        group: Group::Alerting,
        title: "their last evaluation succeeded and is recent",
        needs: &[Need::Prometheus],
        requires: &["prometheus/queries"],
        severity: Severity::Fail,
        hint: "the rule's page in Prometheus (Status, Rules) shows the error",
        anchor: "check-alerting",
        explained: explained::RULES_EVALUATED,
        run: |site| {
            Box::pin(async {
                let (rules, clock) = tokio::join!(site.rules(), site.clock());
                Ok(loaded::evaluated(rules?, clock?, site.request))
            })
        },
    },
    Check {
        name: "inputs",
        group: Group::Alerting,
        title: "the series that they read exist",
        needs: &[Need::Prometheus],
        requires: &[LOADED],
        severity: Severity::Fail,
        hint: "an alert without its series never fires: see prometheus/present",
        anchor: "check-alerting",
        explained: explained::INPUTS,
        run: |site| {
            Box::pin(async {
                let (rules, series) = tokio::join!(site.rules(), site.series());
                Ok(can_fire::inputs(rules?, series?, site.request))
            })
        },
    },
    Check {
        name: "can-fire",
        group: Group::Alerting,
        title: "their expressions can become true",
        needs: &[Need::Prometheus],
        requires: &[LOADED],
        severity: Severity::Fail,
        hint: "correct the rule's expression, or give the histogram the schema's buckets: register it before the platform's metrics module is imported (docs/monitoring.md)",
        anchor: "check-alerting",
        explained: explained::CAN_FIRE,
        run: |site| Box::pin(async { can_fire::run(site).await }),
    },
    Check {
        name: "ranges",
        group: Group::Alerting,
        title: "their ranges cover two scrapes, and are kept",
        needs: &[Need::Prometheus],
        requires: &[LOADED],
        severity: Severity::Fail,
        hint: "scrape the runtime more often; let Prometheus keep 35 days: --storage.tsdb.retention.time=35d",
        anchor: "check-alerting",
        explained: explained::RANGES,
        run: |site| Box::pin(async { can_fire::run_ranges(site).await }),
    },
    Check {
        name: "firing",
        group: Group::Alerting,
        title: "no alert is firing",
        needs: &[Need::Prometheus],
        requires: &["prometheus/queries"],
        severity: Severity::Fail,
        hint: "each alert has its section in the runbook",
        anchor: "check-alerting",
        explained: explained::FIRING,
        run: |site| Box::pin(async { Ok(firing(site.rules().await?, site.request)) }),
    },
    Check {
        name: "alertmanager-known",
        group: Group::Alerting,
        title: "Prometheus has an Alertmanager",
        needs: &[Need::Prometheus],
        requires: &["prometheus/queries"],
        severity: Severity::Fail,
        hint: "add it under `alerting: alertmanagers:` in prometheus.yml",
        anchor: "check-alerting",
        explained: explained::ALERTMANAGER_KNOWN,
        run: |site| Box::pin(async { Ok(alertmanager_known(site.alertmanagers().await?)) }),
    },
    Check {
        name: "alertmanager-ready",
        group: Group::Alerting,
        title: "Alertmanager is ready",
        needs: &[Need::Alertmanager],
        requires: &[],
        severity: Severity::Fail,
        hint: "look at Alertmanager's log",
        anchor: "check-alerting",
        explained: explained::ALERTMANAGER_READY,
        run: |site| {
            Box::pin(async {
                let paging = site.paging().await?;
                Ok(sending::ready(paging))
            })
        },
    },
    Check {
        name: "held",
        group: Group::Alerting,
        title: "Alertmanager holds this Prometheus's SeamlessWatchdog",
        needs: &[Need::Alertmanager, Need::Prometheus],
        requires: &["alerting/alertmanager-ready"],
        severity: Severity::Fail,
        hint: "look at Status, Runtime & Build Information in Prometheus, and at its log for notifier errors",
        anchor: "check-alerting",
        explained: explained::HELD,
        run: |site| Box::pin(async { Ok(sending::held(&site.path().await?, site.request)) }),
    },
    Check {
        name: "sent",
        group: Group::Alerting,
        title: "no alert fails on its way to Alertmanager",
        needs: &[Need::Alertmanager, Need::Prometheus],
        requires: &[],
        severity: Severity::Fail,
        hint: "Prometheus's log names each Alertmanager that it cannot reach",
        anchor: "check-alerting",
        explained: explained::SENT,
        run: |site| Box::pin(async { Ok(sending::sent(&site.path().await?, site.request)) }),
    },
    Check {
        name: "routes",
        group: Group::Alerting,
        title: "every alert reaches someone",
        needs: &[Need::Alertmanager, Need::Prometheus],
        requires: &[],
        severity: Severity::Fail,
        hint: "compare with the shipped alertmanager.yml; `amtool config routes test` with the alert's labels shows the way",
        anchor: "check-alerting",
        explained: explained::ROUTES,
        run: |site| Box::pin(async { Ok(routes::routes(&site.path().await?, site.request)) }),
    },
    Check {
        name: "open",
        group: Group::Alerting,
        title: "their routes are not muted now",
        needs: &[Need::Alertmanager, Need::Prometheus],
        requires: &[],
        severity: Severity::Fail,
        hint: "a route that pages needs no mute_time_intervals; let another route take over by `continue`",
        anchor: "check-alerting",
        explained: explained::OPEN,
        run: |site| Box::pin(async { Ok(routes::open(&site.path().await?, site.request)) }),
    },
    Check {
        name: "silences",
        group: Group::Alerting,
        title: "no silence covers a whole alert",
        needs: &[Need::Alertmanager, Need::Prometheus],
        requires: &["alerting/alertmanager-ready"],
        severity: Severity::Fail,
        hint: "expire it, or narrow it to the node, lease or domain that it is about: amtool silence",
        anchor: "check-alerting",
        explained: explained::SILENCES,
        run: |site| Box::pin(async { Ok(holding::silences(&site.path().await?, site.request)) }),
    },
    Check {
        name: "inhibitions",
        group: Group::Alerting,
        title: "no firing alert holds them back",
        needs: &[Need::Alertmanager, Need::Prometheus],
        requires: &[],
        severity: Severity::Fail,
        hint: "narrow the inhibit rule: name the alerts on both sides, or labels in `equal`",
        anchor: "check-alerting",
        explained: explained::INHIBITIONS,
        run: |site| Box::pin(async { Ok(holding::inhibitions(&site.path().await?, site.request)) }),
    },
    Check {
        name: "delivered",
        group: Group::Alerting,
        title: "Alertmanager's notifications arrive",
        needs: &[Need::Alertmanager, Need::Prometheus],
        requires: &["alerting/alertmanager-ready"],
        severity: Severity::Fail,
        hint: "Alertmanager's log says why each notification failed: a key that is refused, a URL that is wrong",
        anchor: "check-alerting",
        explained: explained::DELIVERED,
        run: |site| Box::pin(async { Ok(sending::delivered(&site.path().await?, site.request)) }),
    },
];

/// The alerts of these names that are loaded.
fn alerting_rules(groups: &[LoadedGroup]) -> impl Iterator<Item = (&LoadedRule, f64)> {
    let groups = groups.iter();
    groups.flat_map(|group| group.rules.iter().map(|rule| (rule, group.interval)))
}

fn firing(groups: &[LoadedGroup], request: &Request) -> Outcome {
    let names = request.alert_names();
    let firing = |(rule, _): (&'_ LoadedRule, f64)| -> Vec<FiringAlert> {
        let shipped = rule.kind == RuleType::Alerting
            && names.contains(rule.name.as_str())
            && rule.name != WATCHDOG
            && !rule.name.starts_with(OWN);
        let alerts = rule.alerts.iter().filter(|alert| alert.state == "firing");
        if shipped {
            alerts.cloned().collect()
        } else {
            Vec::new()
        }
    };
    let mut alerts: Vec<FiringAlert> = alerting_rules(groups).flat_map(firing).collect();
    alerts.sort_by_key(|alert| alert.labels.get("severity") != "critical");
    // One alert fires for many domains: those that say the same are counted.
    let mut groups: Vec<(&FiringAlert, usize)> = Vec::new();
    for alert in &alerts {
        match groups.iter_mut().find(|(first, _)| alike(first, alert)) {
            Some((_, count)) => *count += 1,
            None => groups.push((alert, 1)),
        }
    }
    let items = groups
        .iter()
        .map(|(alert, count)| firing_item(alert, *count))
        .collect();
    let good = match alerts.len() {
        0 => "none".to_owned(),
        drills => format!("no real alert; {drills} synthetic (drill) alerts firing"),
    };
    Outcome::of(items, good)
}

fn alike(one: &FiringAlert, other: &FiringAlert) -> bool {
    let summary = |alert: &FiringAlert| alert.annotations.get("summary").to_owned();
    let same = |label| one.labels.get(label) == other.labels.get(label);
    same("alertname") && same(DRILL_LABEL) && summary(one) == summary(other)
}

fn firing_item(alert: &FiringAlert, count: usize) -> Item {
    let name = alert.labels.get("alertname");
    let mut message = match alert.annotations.get("summary") {
        "" => "firing".to_owned(),
        summary => summary.to_owned(),
    };
    if count > 1 {
        message = format!("{count} times: {message}");
    }
    match alert.labels.get(DRILL_LABEL) {
        "" if alert.labels.get("severity") == "critical" => Item::new(name, Verdict::Fail, message),
        "" => Item::new(name, Verdict::Warn, message),
        drill => Item::new(name, Verdict::Pass, format!("drill {drill}: {message}")),
    }
}

fn alertmanager_known(known: &Alertmanagers) -> Outcome {
    match known.active.first() {
        Some(first) => Outcome::pass(match known.active.len() {
            1 => first.url.clone(),
            many => format!("{many} of them, {} first", first.url),
        }),
        None if known.dropped.is_empty() => {
            Outcome::fail("Prometheus has no Alertmanager; alerts go nowhere")
        }
        None => Outcome::fail("relabelling drops every one: no alert reaches anyone"),
    }
}
