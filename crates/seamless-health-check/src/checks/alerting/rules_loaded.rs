//! Whether the rules are loaded that should be, compared by meaning.

use std::collections::BTreeSet;

use seamless_core::prometheus::LoadedGroup;
use seamless_core::rules::{ComparedRule, Copy, Profile, RuleFile, compare};

use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::site::{Site, VMALERT_RENDER};
use crate::verdict::{CheckOutcome, Item, Next, Verdict};
use crate::words::listed;

pub(super) const CHECK: Check = Check {
    name: "rules-loaded",
    group: Group::Alerting,
    title: "the alert rules are loaded",
    needs: &[Need::Prometheus],
    requires: &["prometheus/queries"],
    severity: Severity::Fail,
    hint: "load alert_rules.yml with `rule_files:` and reload Prometheus; a site's own file: --rules FILE",
    anchor: "check-alerting",
    explained: Explained {
        means: "Rules that should be loaded are not, differ from the shipped ones, or are loaded twice. A rule that is not loaded never alerts.",
        remedy: "Install the rule file under `rule_files:`, take older copies out, and reload Prometheus. Rules of the site's own: `--rules FILE`. vmalert takes the rules that `cargo xtask render --set native_histograms=false --out DIR` writes: load those, and check with `--rules DIR/alert_rules.yml`.",
        example: "fail  1 of 58 rules not loaded: SeamlessSla99thDegraded: not loaded",
        korean: Korean {
            title: "경보 규칙이 로드되어 있다",
            means: "로드되어야 할 규칙이 없거나, 제공된 규칙과 다르거나, 두 번 로드되었다. 로드되지 않은 규칙은 경보를 울리지 않는다.",
            remedy: "규칙 파일을 `rule_files:`에 넣고 오래된 사본을 뺀 뒤 Prometheus를 다시 읽힌다. 사이트의 규칙은 `--rules FILE`로 준다. vmalert는 `cargo xtask render --set native_histograms=false --out DIR`이 쓴 규칙을 받는다. 그것을 로드하고 `--rules DIR/alert_rules.yml`로 점검한다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    let groups = site.rules().await?;
    let profile = site.request.profile(groups);
    let expected = match (profile, profile.rules()) {
        (Profile::GoldenSignals, Ok(rules)) => rules,
        _ => &site.request.rules,
    };
    let outcome = judge(groups, profile, expected).next(again());
    let is_good = !outcome.verdict.is_bad() || site.request.has_own_rules;
    if is_good || !site.is_victoria_metrics().await.unwrap_or(false) {
        return Ok(outcome);
    }
    Ok(outcome.hint(for_vmalert(profile)))
}

/// The check once more, when the file has been loaded: what one alert is about helps with no file.
fn again() -> Next {
    Next::health_check(&["--only", "alerting/rules-loaded", "--wait", "5m"])
}

/// What to do where vmalert evaluates the rules: it cannot have loaded the shipped ones.
fn for_vmalert(profile: Profile) -> String {
    let profile = match profile {
        Profile::Baseline => String::new(),
        other => format!(" --set profile={}", other.name()),
    };
    format!(
        "vmalert refuses alert_rules.yml as shipped: let it load the DIR/alert_rules.yml that \
         `{VMALERT_RENDER}{profile} --out DIR` writes, and check against that file: --rules DIR/alert_rules.yml"
    )
}

pub(super) fn judge(groups: &[LoadedGroup], profile: Profile, expected: &RuleFile) -> CheckOutcome {
    let compared = compare(expected, groups);
    let mut items: Vec<Item> = compared.rules.iter().map(rule).collect();
    items.extend(compared.copies.iter().map(copy));
    let all = compared.rules.len();
    let alerts = compared.rules.iter().filter(|rule| rule.is_alert).count();
    let mut good = format!(
        "all {alerts} alerts and {} recording rules are loaded",
        all - alerts
    );
    if profile == Profile::GoldenSignals {
        good = format!("{good}, profile {}", profile.name());
    }
    let missing = compared.rules.iter().filter(|rule| !rule.is_loaded).count();
    let mut outcome = CheckOutcome::of(items, good);
    let files = differing_files(&compared.rules, groups);
    if !files.is_empty() {
        outcome = outcome.hint(format!(
            "if alert_rules.yml should be loaded, put it in the place of {} and reload Prometheus; a site's own file: --rules FILE",
            listed(&files)
        ));
    }
    if missing == all {
        outcome.message = format!("none of {all} rules is loaded");
    } else if missing > 0 {
        outcome.message = format!("{missing} of {all} rules not loaded: {}", outcome.message);
    }
    outcome
}

/// The files, as Prometheus names them, of rules that are loaded and not as they should be.
fn differing_files<'g>(rules: &[ComparedRule], groups: &'g [LoadedGroup]) -> Vec<&'g str> {
    let differing: BTreeSet<&str> = rules
        .iter()
        .filter(|rule| rule.is_loaded && !rule.differences.is_empty())
        .map(|rule| rule.name.as_str())
        .collect();
    let has_one = |group: &&LoadedGroup| {
        let mut names = group.rules.iter().map(|rule| rule.name.as_str());
        names.any(|name| differing.contains(name))
    };
    let files = groups
        .iter()
        .filter(has_one)
        .map(|group| group.file.as_str());
    let files: BTreeSet<&str> = files.filter(|file| !file.is_empty()).collect();
    files.into_iter().collect()
}

fn rule(rule: &ComparedRule) -> Item {
    if !rule.is_loaded {
        return Item::new(rule.title(), Verdict::Fail, "not loaded");
    }
    match rule.differences.as_slice() {
        [] => Item::new(rule.title(), Verdict::Pass, "as it should be"),
        some => Item::new(rule.title(), Verdict::Warn, some.join("; ")),
    }
}

fn copy(copy: &Copy) -> Item {
    let what = match copy.differences.as_slice() {
        [] => "an equal one".to_owned(),
        some => format!("another one ({})", some.join("; ")),
    };
    let message = format!(
        "loaded twice: {what} in group {} of {}",
        copy.group, copy.file
    );
    Item::new(&copy.name, Verdict::Warn, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    use crate::given::{file, rules};

    #[test]
    fn each_rule_is_loaded_as_it_should_be_or_said() {
        let expected = file("[{alert: A, expr: a > 1}, {record: r, expr: sum(a)}]");
        let a = |expr: &str| json!({ "type": "alerting", "name": "A", "query": expr });
        let r = json!({ "type": "recording", "name": "r", "query": "sum(a)" });
        for (loaded, verdict, message) in [
            (
                json!([a("a > 1"), r]),
                Verdict::Pass,
                "all 1 alerts and 1 recording rules",
            ),
            (
                json!([a("a>1"), r]),
                Verdict::Pass,
                "all 1 alerts and 1 recording rules",
            ),
            (
                json!([a("a > 1")]),
                Verdict::Fail,
                "1 of 2 rules not loaded",
            ),
            (json!([]), Verdict::Fail, "none of 2 rules is loaded"),
            (json!([a("a > 2"), r]), Verdict::Warn, "A: "),
        ] {
            let outcome = judge(&rules(loaded), Profile::Baseline, &expected);
            assert_eq!(outcome.verdict, verdict, "{outcome:?}");
            assert!(outcome.message.starts_with(message), "{outcome:?}");
        }
    }
}
