//! Checks that every alert can fire, and has a rule test in which it fires and one in which it does not.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use seamless_core::analysis::{Analysis, FiringVerdict, Layouts};
use seamless_core::promql::Query;
use seamless_core::rules::RuleFile;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::{LintFinding, LintedPlace};

#[derive(Deserialize)]
struct RuleTestFile {
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    #[serde(default)]
    alert_rule_test: Vec<AlertTest>,
    #[serde(default)]
    promql_expr_test: Vec<ExprTest>,
}

#[derive(Deserialize)]
struct AlertTest {
    alertname: String,
    #[serde(default)]
    exp_alerts: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct ExprTest {
    expr: String,
    #[serde(default)]
    exp_samples: Vec<IgnoredAny>,
}

pub(super) fn check(
    rules: &RuleFile,
    tests: &BTreeMap<String, String>,
    found: &mut Vec<LintFinding>,
) -> anyhow::Result<()> {
    let mut fires = BTreeSet::new();
    let mut quiet = BTreeSet::new();
    let mut seen = |name: String, fired: bool| {
        if fired {
            fires.insert(name)
        } else {
            quiet.insert(name)
        };
    };
    for (name, text) in tests {
        let file: RuleTestFile = serde_saphyr::from_str(text).with_context(|| name.clone())?;
        for test in file.tests {
            for alert in test.alert_rule_test {
                seen(alert.alertname, !alert.exp_alerts.is_empty());
            }
            for expr in test.promql_expr_test {
                for name in alert_names(&expr.expr)? {
                    seen(name, !expr.exp_samples.is_empty());
                }
            }
        }
    }
    let layouts = Layouts::of_schema();
    let analysis = Analysis::new(rules, &layouts);
    for rule in rules.alerts() {
        let mut at = LintedPlace::new(found, super::alerts::place(rule));
        if let FiringVerdict::NeverFires(why) = analysis.judge(rule).verdict {
            at.wrong("unreachable", format!("it can never fire: {why}"));
        }
        if !fires.contains(&rule.name) {
            at.wrong("untested", "no rule test in which it fires");
        }
        // An alert that always fires has nothing else to show.
        if !quiet.contains(&rule.name) && !analysis.always_fires(rule) {
            at.wrong("untested", "no rule test in which it does not fire");
        }
    }
    for name in fires.union(&quiet) {
        if rules.alerts_named(name).next().is_none() {
            let message = format!("tests {name}, which is no alert");
            LintedPlace::new(found, "dashboards/tests").wrong("untested", message);
        }
    }
    Ok(())
}

/// The alerts whose `ALERTS` series an expression asks for.
fn alert_names(expr: &str) -> anyhow::Result<Vec<String>> {
    let selectors = Query::parse(expr)?.selectors();
    let alerts = selectors
        .iter()
        .filter(|selector| selector.name() == Some("ALERTS"));
    Ok(alerts
        .flat_map(|selector| selector.matchers_of("alertname").map(|m| m.value.clone()))
        .collect())
}
