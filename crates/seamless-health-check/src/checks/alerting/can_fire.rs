//! What the alerts can be at all, given the buckets there are. Judged on the rules as Prometheus has loaded
//! them, since those are the ones that would page.

use std::collections::BTreeSet;

use seamless_core::analysis::{Analysis, FiringVerdict, Judgement, Layout, Layouts};
use seamless_core::prometheus::{InstantSeries, LoadedGroup, Selector};
use seamless_core::rules::{Rule, RuleFile, WATCHDOG};
use seamless_core::schema::{DRILL_LABEL, FAMILIES, Kind};

use super::items::{push, refused};
use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::presence::Presence;
use crate::queries;
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, SkipReason, Verdict};

pub(super) const CHECK: Check = Check {
    name: "can-fire",
    group: Group::Alerting,
    title: "the expressions of alerts can become true",
    needs: &[Need::Prometheus],
    requires: &["alerting/rules-loaded"],
    severity: Severity::Fail,
    hint: "correct the rule's expression, or give the histogram the schema's buckets: register it before the platform's metrics module is imported (docs/monitoring.md)",
    anchor: "check-alerting",
    explained: Explained {
        means: "By its expression and the buckets that there are, an alert can never become true, or is always true.",
        remedy: "Correct the expression. If its threshold lies above the highest bucket, give the runtime's histogram the buckets of the schema.",
        example: "fail  SeamlessSla99thDegraded: can never fire: the highest bucket is 10, the threshold 60",
        korean: Korean {
            title: "경보의 식이 참이 될 수 있다",
            means: "식과 지금 있는 버킷으로 보면 경보가 절대 참이 될 수 없거나 항상 참이다.",
            remedy: "식을 고친다. 임계값이 가장 높은 버킷보다 높으면 런타임의 히스토그램에 스키마의 버킷을 설정한다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

/// Judges by the buckets that the thresholds depend on.
async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    let names = site.request.alert_names();
    if let Some(rules) = site.request.rules_alone() {
        return Ok(refused(rules).unwrap_or_else(|| judge(rules, &Layouts::of_schema(), &names)));
    }
    let (rules, buckets, tops, series) =
        tokio::join!(site.rules(), buckets(site), tops(site), site.series());
    let mut buckets = buckets?;
    buckets.extend(tops?);
    let live = layouts(&buckets, series.ok());
    Ok(judge(&RuleFile::loaded(rules?), &live, &names))
}

/// The bucket bounds by which thresholds are judged: all of them only where the outer ones do not tell.
async fn buckets(site: &Site<'_>) -> Fact<Vec<InstantSeries>> {
    let outer = site.instant(&outer_buckets(site.loaded().await?)).await?;
    if every_top_is_known(&outer) {
        return Ok(outer);
    }
    site.instant(&every_bucket()).await
}

/// The top edges of the native histograms that were converted from buckets, as far as they show.
async fn tops(site: &Site<'_>) -> Fact<Vec<InstantSeries>> {
    let live = site.series().await?;
    let names = queries::histograms().filter_map(|(name, _)| {
        let name = name.strip_suffix("_bucket")?.to_owned();
        (live.real(std::slice::from_ref(&name)) > 0.0).then_some(name)
    });
    let names: Vec<String> = names.collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    site.instant(&converted_tops(&names)).await
}

/// The top edge of native histograms with custom buckets, under the label `name`: those of `names` all of whose
/// series hold observations beyond it. No exponential bucket is infinite.
fn converted_tops(names: &[String]) -> String {
    let top = names.iter().map(|name| {
        let series = queries::real(name);
        let top = format!(
            "max(histogram_quantile(1, {series})) unless on () (histogram_fraction(1e300, +Inf, {series}) == 0)"
        );
        queries::tagged(&format!("({top})"), "name", name)
    });
    top.collect::<Vec<_>>().join(" or ")
}

/// Real series of the schema's histograms per name and bucket bound.
fn every_bucket() -> String {
    let selector =
        Selector::any_name(queries::histograms().map(|(name, _)| name)).with(DRILL_LABEL, "");
    format!("count by (__name__, le) ({selector})")
}

/// The same without the schema's own bounds between, of which there are 17 in 20: where every series has
/// the top one, they tell nothing more. Those that the rules ask for by themselves stay.
fn outer_buckets(groups: &[LoadedGroup]) -> String {
    let selectors = groups
        .iter()
        .flat_map(|group| &group.rules)
        .filter_map(|rule| rule.query.query().ok())
        .flat_map(|query| query.selectors())
        .filter(|selector| selector.matchers_of("le").next().is_some());
    let asking: Vec<_> = selectors.collect();
    let asked_for = |name: &str, bound: f64| {
        let writings = [bound.to_string(), format!("{bound:?}")];
        asking.iter().any(|selector| {
            let takes = |le: &String| selector.matchers_of("le").all(|edge| edge.is_match(le));
            selector.selects_name(name) && writings.iter().any(takes)
        })
    };
    let (mut between, mut kept) = (BTreeSet::new(), BTreeSet::new());
    for (name, bounds) in queries::histograms() {
        for bound in bounds.split_last().map_or(&[][..], |(_, lower)| lower) {
            let edges = if asked_for(&name, *bound) {
                &mut kept
            } else {
                &mut between
            };
            edges.insert(queries::edge(*bound));
        }
    }
    let between: Vec<String> = between.difference(&kept).cloned().collect();
    let selector = Selector::any_name(queries::histograms().map(|(name, _)| name))
        .with(DRILL_LABEL, "")
        .not_matching("le", &between.join("|"));
    format!("count by (__name__, le) ({selector})")
}

/// Whether all series of each histogram have the schema's highest finite bucket.
fn every_top_is_known(buckets: &[InstantSeries]) -> bool {
    queries::histograms().all(|(name, bounds)| {
        let series_with = |bound: f64| -> f64 {
            buckets
                .iter()
                .filter(|bucket| bucket.metric.name() == name)
                .filter(|bucket| bucket.metric.get("le").parse() == Ok(bound))
                .filter_map(|bucket| bucket.value)
                .map(|sample| sample.value)
                .sum()
        };
        let top = bounds.last().copied().unwrap_or(f64::INFINITY);
        series_with(top) >= series_with(f64::INFINITY)
    })
}

/// The layouts of the live histograms; the schema's where there is none. Where one form alone is live, there is
/// none of the other.
fn layouts(series: &[InstantSeries], live: Option<&Presence>) -> Layouts {
    let mut layouts = Layouts::of_schema();
    for family in FAMILIES {
        let name = format!("{}_bucket", family.name);
        let buckets = series.iter().filter(|bucket| bucket.metric.name() == name);
        let edges: Vec<f64> = buckets
            .filter_map(|bucket| bucket.metric.get("le").parse().ok())
            .filter(|edge: &f64| edge.is_finite())
            .collect();
        let native = [family.name.to_owned()];
        let has_native = live.map(|live| live.real(&native) > 0.0);
        if has_native == Some(true) {
            let top = series
                .iter()
                .find(|top| top.metric.get("name") == family.name)
                .and_then(|top| top.value);
            if let Some(top) = top.filter(|top| top.value.is_finite()) {
                layouts.set_native(family.name, Layout::Custom(top.value));
            }
        }
        if edges.is_empty() {
            if has_native == Some(true) {
                layouts.without_classic(family.name);
            }
            continue;
        }
        if has_native == Some(false) {
            layouts.set_native(family.name, Layout::Absent);
        }
        // Of histograms whose top bucket is the schema's, the outer buckets alone may have been asked for.
        let Kind::Histogram(schema) = family.kind else {
            continue;
        };
        let are_outer = edges.len() < schema.len() / 2
            && edges.iter().all(|edge| schema.contains(edge))
            && schema.last().is_some_and(|top| edges.contains(top));
        if !are_outer {
            layouts.set_classic(family.name, edges);
        }
    }
    layouts
}

/// What each alert can be at all, by the live buckets: those that this project ships, and others that read
/// its metrics.
fn judge(rules: &RuleFile, live: &Layouts, shipped: &BTreeSet<&str>) -> CheckOutcome {
    let schema = Layouts::of_schema();
    let (analysis, by_schema) = (Analysis::new(rules, live), Analysis::new(rules, &schema));
    let mut items = Vec::new();
    let mut judged = 0;
    for rule in rules.alerts() {
        let reads_ours = || {
            rules
                .inputs(rule)
                .is_ok_and(|read| !read.families().is_empty())
        };
        if !shipped.contains(rule.name.as_str()) && !reads_ours() {
            continue;
        }
        judged += 1;
        let with_schema = by_schema.judge(rule);
        for item in judged_items(rule, &analysis.judge(rule), &with_schema) {
            push(&mut items, item);
        }
    }
    CheckOutcome::of(items, format!("all {judged} alerts can fire"))
}

fn judged_items(rule: &Rule, by_live: &Judgement, by_schema: &Judgement) -> Vec<Item> {
    let item = |verdict, message: String| Item::new(&rule.name, verdict, message);
    let mut items = vec![match &by_live.verdict {
        FiringVerdict::CanFire => item(Verdict::Pass, "can fire".to_owned()),
        FiringVerdict::NeverFires(reason) => {
            let with_schema = matches!(by_schema.verdict, FiringVerdict::NeverFires(_));
            let advice = if with_schema {
                ""
            } else {
                "; the schema's buckets would let it"
            };
            item(Verdict::Fail, format!("can never fire: {reason}{advice}"))
        }
        // The watchdog is meant to.
        FiringVerdict::AlwaysFires(_) if rule.name == WATCHDOG => {
            item(Verdict::Pass, "always fires, as it is meant to".to_owned())
        }
        FiringVerdict::AlwaysFires(reason) => {
            item(Verdict::Warn, format!("always fires: {reason}"))
        }
        FiringVerdict::Unknown(reason) => {
            let reason = format!("cannot be judged: {reason}");
            item(
                Verdict::Skip(SkipReason::NotApplicable(reason.clone())),
                reason,
            )
        }
    }];
    for between in &by_live.between_edges {
        let (threshold, lower, upper) = (between.threshold, between.lower, between.upper);
        let message = format!(
            "its threshold {threshold} lies between the bucket edges {lower} and {upper}: the quantile is interpolated there"
        );
        // Some thresholds are no edges of the schema either.
        let mut schema = by_schema.between_edges.iter();
        let known = schema.any(|known| known.comparison == between.comparison);
        let verdict = if known { Verdict::Pass } else { Verdict::Warn };
        items.push(item(verdict, message));
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::{is_promql, series};
    use crate::queries::SLA;

    #[test]
    fn the_queries_are_promql() {
        is_promql(&every_bucket());
        is_promql(&outer_buckets(&[]));
        is_promql(&converted_tops(&[queries::SLA.to_owned()]));
    }

    fn bucket(le: &str, count: f64) -> InstantSeries {
        let name = format!("{}_bucket", SLA);
        series(&[("__name__", &name), ("le", le)], count)
    }

    #[test]
    fn the_outer_buckets_tell_where_every_series_has_the_top_one() {
        assert!(every_top_is_known(&[]));
        assert!(every_top_is_known(&[
            bucket("600", 2.0),
            bucket("600.0", 3.0),
            bucket("+Inf", 5.0)
        ]));
        assert!(!every_top_is_known(&[
            bucket("600", 4.0),
            bucket("+Inf", 5.0)
        ]));
        assert!(!every_top_is_known(&[
            bucket("7.5", 5.0),
            bucket("+Inf", 5.0)
        ]));
    }

    #[test]
    fn the_edges_that_rules_ask_for_are_among_the_outer_buckets() {
        let query = |edge: &str| {
            let query = format!("rate({SLA}_bucket{{le=~{edge:?}}}[5m])");
            let rule = serde_json::json!({ "type": "recording", "name": "r", "query": query });
            let groups = serde_json::json!([{ "name": "g", "rules": [rule] }]);
            outer_buckets(&serde_json::from_value::<Vec<LoadedGroup>>(groups).unwrap())
        };
        for (asked, left_out) in [("60([.]0)?", "45"), ("45", "60"), ("45[.]0", "60")] {
            let edge = |edge: &str| format!("|{edge}([.]0)?|");
            let query = query(asked);
            let kept = asked.get(..2).unwrap();
            assert!(!query.contains(&edge(kept)), "{asked}: {query}");
            assert!(query.contains(&edge(left_out)), "{asked}: {query}");
        }
    }

    #[test]
    fn an_alert_above_the_highest_bucket_can_never_fire() {
        let quantile = "histogram_quantile(0.99, sum by (le) (rate(seamless_sla_deadline_seconds_bucket[5m])))";
        let alert = |threshold: &str| {
            let expr = format!("{quantile} > {threshold}");
            crate::given::rules(serde_json::json!([
                { "type": "alerting", "name": "A", "query": expr }
            ]))
        };
        let live = [bucket("30", 5.0), bucket("60", 5.0), bucket("+Inf", 5.0)];
        for (threshold, verdict) in [
            ("30", Verdict::Pass),
            ("45", Verdict::Warn),
            ("60", Verdict::Fail),
        ] {
            let outcome = judge(
                &RuleFile::loaded(&alert(threshold)),
                &layouts(&live, Some(&Presence::default())),
                &["A"].into(),
            );
            assert_eq!(outcome.verdict, verdict, "{threshold}: {outcome:?}");
        }
    }
}
