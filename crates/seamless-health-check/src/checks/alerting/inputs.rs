//! Whether the series that the alerts read exist.

use std::collections::BTreeSet;

use seamless_core::prometheus::InstantSeries;
use seamless_core::promql::SeriesSelector;
use seamless_core::rules::{Rule, RuleFile};
use seamless_core::schema::Family;

use super::super::prometheus::declared::{Declared, Exporters};
use super::items::{push, refused};
use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::presence::Presence;
use crate::request::RequestedMetric;
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, Verdict};
use crate::words::listed;

pub(super) const CHECK: Check = Check {
    name: "inputs",
    group: Group::Alerting,
    title: "the series that alerts read exist",
    needs: &[Need::Prometheus],
    requires: &["alerting/rules-loaded"],
    severity: Severity::Fail,
    hint: "an alert without its series never fires: see prometheus/present",
    anchor: "check-alerting",
    explained: Explained {
        means: "An alert reads a metric that has no series, or a name that is neither a metric of the schema nor a loaded recording rule. Such an alert never fires.",
        remedy: "For a metric of the runtime see `prometheus/present`. Any other name is a recording rule that is not loaded, or a typing error.",
        example: "fail  SeamlessSla99thDegraded: reads seamless_sla_deadline_seconds, which has no series",
        korean: Korean {
            title: "경보가 읽는 시계열이 있다",
            means: "경보가 읽는 메트릭에 시계열이 없거나, 스키마의 메트릭도 로드된 기록 규칙도 아닌 이름을 읽는다. 그런 경보는 절대 울리지 않는다.",
            remedy: "런타임의 메트릭이면 `prometheus/present`를 본다. 그 밖의 이름은 로드되지 않은 기록 규칙이거나 오타다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    let names = site.request.alert_names();
    if let Some(rules) = site.request.rules_alone() {
        return Ok(refused(rules).unwrap_or_else(|| judge(rules, None, &names)));
    }
    let (rules, series, labels, exporters) = tokio::join!(
        site.rules(),
        site.series(),
        site.labels(),
        Exporters::of(site)
    );
    let live = Live {
        series: series?,
        labels: labels.unwrap_or_default(),
        exporters: &exporters,
    };
    Ok(judge(&RuleFile::loaded(rules?), Some(&live), &names))
}

/// What is known of the series that the alerts read.
struct Live<'s> {
    series: &'s Presence,
    /// Of how many series a label of the schema is missing.
    labels: &'s [InstantSeries],
    exporters: &'s Exporters<'s>,
}

impl Live<'_> {
    fn count(&self, family: &Family) -> f64 {
        self.series.real(&family.tracked_names())
    }

    /// Whether the targets state the type of a family that had no event yet.
    fn is_declared(&self, family: &Family) -> bool {
        let metric = RequestedMetric::parse(family.name);
        metric.is_ok_and(|metric| self.exporters.declare(&metric) == Declared::Yes)
    }

    /// A label with a value that a selector asks for and that none of the family's series has.
    fn unlabelled(&self, selector: &SeriesSelector) -> Option<(&'static str, String)> {
        let lacks = |family: &Family, label: &str| {
            let of = |series: &&InstantSeries| {
                series.metric.get("metric") == family.name && series.metric.get("missing") == label
            };
            let lacking = self.labels.iter().find(of).and_then(|series| series.value);
            lacking.is_some_and(|lacking| lacking.value >= self.count(family))
        };
        let families = selector.families().into_iter();
        let mut pairs = families.flat_map(|family| {
            let asked = selector.asked_labels();
            asked.map(move |label| (family, label.to_owned()))
        });
        let (family, label) = pairs.find(|(family, label)| lacks(family, label))?;
        Some((family.name, label))
    }
}

/// Judges a file by the schema alone where no series are known.
fn judge(rules: &RuleFile, live: Option<&Live<'_>>, names: &BTreeSet<&str>) -> CheckOutcome {
    let mut items = Vec::new();
    let mut unused = 0;
    let alerts = shipped_alerts(rules, names);
    for rule in &alerts {
        let inputs = match rules.inputs(rule) {
            Ok(inputs) => inputs,
            Err(error) => {
                let message = format!("its expression cannot be read by this program: {error}");
                push(&mut items, Item::new(&rule.name, Verdict::Warn, message));
                continue;
            }
        };
        if let Some(stranger) = inputs
            .unknown_selectors()
            .find(|selector| is_unfed(selector))
        {
            let name = stranger.name().unwrap_or("a selector without a name");
            let message = format!(
                "reads {name}, which is no metric of the schema and no loaded recording rule"
            );
            push(&mut items, Item::new(&rule.name, Verdict::Fail, message));
            continue;
        }
        let Some(live) = live else { continue };
        let mut selectors = inputs.selectors.iter();
        if let Some((family, label)) = selectors.find_map(|selector| live.unlabelled(selector)) {
            let message =
                format!("reads {family} by the label {label}, which none of its series has");
            push(&mut items, Item::new(&rule.name, Verdict::Fail, message));
            continue;
        }
        let families = inputs.families();
        let some_live = families.iter().any(|family| live.series.has(family));
        if families.is_empty() || some_live {
            continue;
        }
        let names: Vec<&str> = families.iter().map(|family| family.name).collect();
        let mut required = families.iter().filter(|family| family.required).peekable();
        if required.peek().is_some() && required.all(|family| live.is_declared(family)) {
            unused += 1;
            let message = format!("{}: no event yet", listed(&names));
            push(&mut items, Item::new(&rule.name, Verdict::Pass, message));
        } else if families.iter().any(|family| family.required) {
            let message = format!("reads {}, which has no series", listed(&names));
            push(&mut items, Item::new(&rule.name, Verdict::Fail, message));
        } else {
            // A feature that is not in use has no series, and nothing to alert on.
            unused += 1;
            let message = format!("{} has no series, and is optional", listed(&names));
            push(&mut items, Item::new(&rule.name, Verdict::Pass, message));
        }
    }
    let good = match unused {
        0 => format!("input series exist for all {} alerts", alerts.len()),
        n => format!(
            "input series exist for {} of {} alerts; the others read what had no event yet or is optional",
            alerts.len() - n,
            alerts.len()
        ),
    };
    CheckOutcome::of(items, good)
}

fn shipped_alerts<'r>(rules: &'r RuleFile, names: &BTreeSet<&str>) -> Vec<&'r Rule> {
    rules
        .alerts()
        .filter(|rule| names.contains(rule.name.as_str()))
        .collect()
}

/// Whether nothing that is known exposes or records what a selector asks for. What Prometheus itself, its
/// servers and this program's textfile expose is known; every other name is a rule that is not loaded, or
/// a typing error.
fn is_unfed(selector: &SeriesSelector) -> bool {
    const KNOWN: &[&str] = &[
        "up",
        "ALERTS",
        "scrape_",
        "prometheus_",
        "alertmanager_",
        "seamless_health_check_",
        "seamless_lease",
        "node_textfile_",
    ];
    selector
        .name()
        .is_none_or(|name| !KNOWN.iter().any(|known| name.starts_with(known)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    use seamless_core::prometheus::MetricMetadata;
    use serde_json::json;

    use crate::given::{self, rules};

    #[test]
    fn an_alert_reads_series_that_exist_are_optional_or_missing() {
        let present = Presence {
            now: [(
                (
                    "seamless_sla_deadline_seconds_count".to_owned(),
                    String::new(),
                ),
                4.0,
            )]
            .into(),
            ..Presence::default()
        };
        let absent = Presence::default();
        // Some series of it lack a node, all of them a phase.
        let of = |label: &str, count: f64| {
            let labels = [
                ("metric", "seamless_sla_deadline_seconds"),
                ("missing", label),
            ];
            given::series(&labels, count)
        };
        let lacking = [of("node_id", 3.0), of("phase", 4.0)];
        let stated = |name: &str| {
            let entry = json!({"type": "histogram", "help": "", "unit": ""});
            let entry: MetricMetadata = serde_json::from_value(entry).unwrap();
            BTreeMap::from([(name.to_owned(), vec![entry])])
        };
        let metadata = stated("seamless_total_ms");
        let exporters = Exporters::stating(&metadata);
        let required = "rate(seamless_sla_deadline_seconds_count[5m]) > 1";
        for (expr, series, verdict, message) in [
            (
                required,
                &present,
                Verdict::Pass,
                "input series exist for all 1 alerts",
            ),
            (
                required,
                &absent,
                Verdict::Fail,
                "A: reads seamless_sla_deadline_seconds, which has no series",
            ),
            (
                "rate(seamless_total_ms_count[5m]) > 1",
                &absent,
                Verdict::Pass,
                "input series exist for 0 of 1 alerts; the others read what had no event yet or is optional",
            ),
            (
                "seamless_sla_deadline_seconds_count{node_id='n'} > 1",
                &present,
                Verdict::Pass,
                "input series exist for all 1 alerts",
            ),
            (
                "seamless_sla_deadline_seconds_count{phase='total'} > 1",
                &present,
                Verdict::Fail,
                "A: reads seamless_sla_deadline_seconds by the label phase, which none of its series has",
            ),
            (
                "nobody_feeds_this > 1",
                &present,
                Verdict::Fail,
                "A: reads nobody_feeds_this, which is no metric of the schema and no loaded recording rule",
            ),
            (
                "up == 0",
                &absent,
                Verdict::Pass,
                "input series exist for all 1 alerts",
            ),
        ] {
            let rule = json!({ "type": "alerting", "name": "A", "query": expr });
            let live = Live {
                series,
                labels: &lacking,
                exporters: &exporters,
            };
            let outcome = judge(
                &RuleFile::loaded(&rules(json!([rule]))),
                Some(&live),
                &["A"].into(),
            );
            assert_eq!(
                (outcome.verdict, outcome.message.as_str()),
                (verdict, message)
            );
        }
    }
}
