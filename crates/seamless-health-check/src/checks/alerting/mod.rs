//! Would anyone be paged? The shipped alerts are loaded and evaluated, can fire on the live series, and
//! their way to a person is open.

mod can_fire;
mod explained;
mod holding;
mod loaded;
pub(crate) mod routes;
pub(crate) mod sending;

use seamless_core::prometheus::{FiringAlert, LoadedRule, RuleType};
use seamless_core::schema::DRILL_LABEL;

use crate::check::{Check, Group, Item, Outcome, Severity, Verdict};
use crate::facts::{Facts, Source};
use crate::paging::WATCHDOG;
use crate::request::Request;

/// Alerts on the health check itself: it would keep them firing.
const OWN: &str = "SeamlessHealthCheck";
const LOADED: &str = "alerting/rules-loaded";

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "rules-loaded",
        group: Group::Alerting,
        title: "the rules are loaded",
        sources: &[Source::Rules],
        requires: &["prometheus/queries"],
        severity: Severity::Fail,
        hint: "load alert_rules.yml with `rule_files:` and reload Prometheus; a site's own file: --rules FILE",
        anchor: "check-alerting",
        explained: explained::RULES_LOADED,
        judge: loaded::loaded,
    },
    Check {
        name: "rules-evaluated",
        group: Group::Alerting,
        title: "their last evaluation succeeded and is recent",
        sources: &[Source::Rules, Source::Clock],
        requires: &["prometheus/queries"],
        severity: Severity::Fail,
        hint: "the rule's page in Prometheus (Status, Rules) shows the error",
        anchor: "check-alerting",
        explained: explained::RULES_EVALUATED,
        judge: loaded::evaluated,
    },
    Check {
        name: "inputs",
        group: Group::Alerting,
        title: "the series that they read exist",
        sources: &[Source::Rules, Source::Inputs],
        requires: &[LOADED],
        severity: Severity::Fail,
        hint: "an alert without its series never fires: see prometheus/present",
        anchor: "check-alerting",
        explained: explained::INPUTS,
        judge: can_fire::inputs,
    },
    Check {
        name: "can-fire",
        group: Group::Alerting,
        title: "their expressions can become true",
        sources: &[Source::Rules, Source::Buckets, Source::Inputs],
        requires: &[LOADED],
        severity: Severity::Fail,
        hint: "correct the rule's expression, or give the histogram the schema's buckets: register it before the platform's metrics module is imported (docs/monitoring.md)",
        anchor: "check-alerting",
        explained: explained::CAN_FIRE,
        judge: can_fire::can_fire,
    },
    Check {
        name: "ranges",
        group: Group::Alerting,
        title: "their ranges cover two scrapes, and are kept",
        sources: &[
            Source::Rules,
            Source::Targets,
            Source::Jobs,
            Source::Retention,
        ],
        requires: &[LOADED],
        severity: Severity::Fail,
        hint: "scrape the runtime more often; let Prometheus keep 35 days: --storage.tsdb.retention.time=35d",
        anchor: "check-alerting",
        explained: explained::RANGES,
        judge: can_fire::ranges,
    },
    Check {
        name: "firing",
        group: Group::Alerting,
        title: "no alert is firing",
        sources: &[Source::Rules],
        requires: &["prometheus/queries"],
        severity: Severity::Fail,
        hint: "each alert has its section in the runbook",
        anchor: "check-alerting",
        explained: explained::FIRING,
        judge: firing,
    },
    Check {
        name: "alertmanager-known",
        group: Group::Alerting,
        title: "Prometheus has an Alertmanager",
        sources: &[Source::Alertmanagers],
        requires: &["prometheus/queries"],
        severity: Severity::Fail,
        hint: "add it under `alerting: alertmanagers:` in prometheus.yml",
        anchor: "check-alerting",
        explained: explained::ALERTMANAGER_KNOWN,
        judge: alertmanager_known,
    },
    Check {
        name: "alertmanager-ready",
        group: Group::Alerting,
        title: "Alertmanager is ready",
        sources: &[Source::Paging],
        requires: &[],
        severity: Severity::Fail,
        hint: "look at Alertmanager's log",
        anchor: "check-alerting",
        explained: explained::ALERTMANAGER_READY,
        judge: sending::ready,
    },
    Check {
        name: "held",
        group: Group::Alerting,
        title: "Alertmanager holds this Prometheus's SeamlessWatchdog",
        sources: &[Source::Paging, Source::Rules],
        requires: &["alerting/alertmanager-ready"],
        severity: Severity::Fail,
        hint: "look at Status, Runtime & Build Information in Prometheus, and at its log for notifier errors",
        anchor: "check-alerting",
        explained: explained::HELD,
        judge: sending::held,
    },
    Check {
        name: "sent",
        group: Group::Alerting,
        title: "no alert fails on its way to Alertmanager",
        sources: &[Source::Paging, Source::Rules],
        requires: &[],
        severity: Severity::Fail,
        hint: "Prometheus's log names each Alertmanager that it cannot reach",
        anchor: "check-alerting",
        explained: explained::SENT,
        judge: sending::sent,
    },
    Check {
        name: "routes",
        group: Group::Alerting,
        title: "every alert reaches someone",
        sources: &[Source::Paging, Source::Rules],
        requires: &[],
        severity: Severity::Fail,
        hint: "compare with the shipped alertmanager.yml; `amtool config routes test` with the alert's labels shows the way",
        anchor: "check-alerting",
        explained: explained::ROUTES,
        judge: routes::routes,
    },
    Check {
        name: "open",
        group: Group::Alerting,
        title: "their routes are not muted now",
        sources: &[Source::Paging, Source::Rules],
        requires: &[],
        severity: Severity::Fail,
        hint: "a route that pages needs no mute_time_intervals; let another route take over by `continue`",
        anchor: "check-alerting",
        explained: explained::OPEN,
        judge: routes::open,
    },
    Check {
        name: "silences",
        group: Group::Alerting,
        title: "no silence covers a whole alert",
        sources: &[Source::Paging, Source::Rules],
        requires: &["alerting/alertmanager-ready"],
        severity: Severity::Fail,
        hint: "expire it, or narrow it to the node, lease or domain that it is about: amtool silence",
        anchor: "check-alerting",
        explained: explained::SILENCES,
        judge: holding::silences,
    },
    Check {
        name: "inhibitions",
        group: Group::Alerting,
        title: "no firing alert holds them back",
        sources: &[Source::Paging, Source::Rules],
        requires: &[],
        severity: Severity::Fail,
        hint: "narrow the inhibit rule: name the alerts on both sides, or labels in `equal`",
        anchor: "check-alerting",
        explained: explained::INHIBITIONS,
        judge: holding::inhibitions,
    },
    Check {
        name: "delivered",
        group: Group::Alerting,
        title: "Alertmanager's notifications arrive",
        sources: &[Source::Paging, Source::Rules],
        requires: &["alerting/alertmanager-ready"],
        severity: Severity::Fail,
        hint: "Alertmanager's log says why each notification failed: a key that is refused, a URL that is wrong",
        anchor: "check-alerting",
        explained: explained::DELIVERED,
        judge: sending::delivered,
    },
];

/// The alerts of these names that are loaded.
fn alerting_rules(facts: &Facts) -> impl Iterator<Item = (&LoadedRule, f64)> {
    let groups = facts.rules.iter().flatten();
    groups.flat_map(|group| group.rules.iter().map(|rule| (rule, group.interval)))
}

fn firing(facts: &Facts, request: &Request) -> Outcome {
    if let Err(gap) = &facts.rules {
        return gap.outcome();
    }
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
    let mut alerts: Vec<FiringAlert> = alerting_rules(facts).flat_map(firing).collect();
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

fn alertmanager_known(facts: &Facts, _: &Request) -> Outcome {
    let known = match &facts.alertmanagers {
        Ok(known) => known,
        Err(gap) => return gap.outcome(),
    };
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
