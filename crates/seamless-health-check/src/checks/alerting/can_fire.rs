//! What the alerts can be at all, given the buckets there are. Judged on the rules as Prometheus has loaded
//! them, since those are the ones that would page.

use std::collections::{BTreeMap, BTreeSet};

use seamless_core::analysis::{Analysis, FiringVerdict, Judgement, Layout, Layouts};
use seamless_core::prometheus::{InstantSeries, LoadedGroup};
use seamless_core::promql::SeriesSelector;
use seamless_core::rules::{Rule, RuleFile, WATCHDOG};
use seamless_core::schema::{FAMILIES, Family, Kind};

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
    let live = layouts(buckets?, &tops?, series.ok());
    Ok(judge(&RuleFile::loaded(rules?), &live, &names))
}

/// The finite bucket bounds of the live histograms that the rules read, by family: by a few of them where those
/// tell that they are the schema's.
async fn buckets(site: &Site<'_>) -> Fact<Edges> {
    let selectors = selectors(site.loaded().await?);
    let read: Vec<Histogram> = FAMILIES
        .iter()
        .filter_map(|family| Histogram::of(family, &selectors))
        .collect();
    if read.is_empty() {
        return Ok(Edges::new());
    }
    let few = few_buckets(&read);
    let (few, live) = tokio::join!(site.instant(&few), site.series());
    let (few, live) = (few?, live?);
    let (mut found, mut unclear) = (Edges::new(), Vec::new());
    for histogram in &read {
        let edges = histogram.edges(&few);
        if histogram.has_the_schemas(&edges) {
            found.insert(histogram.family.name, histogram.bounds.to_vec());
        } else if !edges.is_empty() || live.has(histogram.family) {
            unclear.push(histogram);
        }
    }
    if !unclear.is_empty() {
        let every = site.instant(&every_bucket(&unclear)).await?;
        let edges = unclear
            .iter()
            .map(|one| (one.family.name, one.edges(&every)));
        found.extend(edges.filter(|(_, edges)| !edges.is_empty()));
    }
    Ok(found)
}

/// Bucket bounds by the name of the family.
type Edges = BTreeMap<&'static str, Vec<f64>>;

/// A histogram of the schema that the rules read.
struct Histogram {
    family: &'static Family,
    /// The schema's finite ones, of which the last is the highest.
    bounds: &'static [f64],
    /// Those that the rules select by themselves.
    asked_for: Vec<f64>,
}

impl Histogram {
    fn of(family: &'static Family, selectors: &[SeriesSelector]) -> Option<Self> {
        let Kind::Histogram(bounds) = family.kind else {
            return None;
        };
        let name = format!("{}_bucket", family.name);
        let reading = selectors.iter().filter(|one| one.selects_name(&name));
        let reading: Vec<&SeriesSelector> = reading.collect();
        let is_asked_for = |bound: &f64| {
            let writings = [bound.to_string(), format!("{bound:?}")];
            let asks = |selector: &&SeriesSelector| selector.matchers_of("le").next().is_some();
            let takes = |selector: &SeriesSelector, le: &String| {
                selector.matchers_of("le").all(|edge| edge.is_match(le))
            };
            let mut asking = reading.iter().copied().filter(asks);
            asking.any(|selector| writings.iter().any(|le| takes(selector, le)))
        };
        let asked_for = bounds.iter().copied().filter(is_asked_for).collect();
        (!reading.is_empty()).then_some(Self {
            family,
            bounds,
            asked_for,
        })
    }

    /// The bounds that have to be there: those that are asked for, and the highest.
    fn due(&self) -> impl Iterator<Item = f64> {
        self.asked_for.iter().chain(self.bounds.last()).copied()
    }

    /// Its real series per bound, but for those that are left out.
    fn counted(&self, left_out: &[f64]) -> String {
        let edges: Vec<String> = left_out.iter().map(|edge| queries::edge(*edge)).collect();
        let mut selector = queries::real(&format!("{}_bucket", self.family.name));
        if !edges.is_empty() {
            selector = selector.not_matching("le", &edges.join("|"));
        }
        queries::tagged(
            &format!("count by (le) ({selector})"),
            "name",
            self.family.name,
        )
    }

    /// Its finite bounds among those of an answer.
    fn edges(&self, counted: &[InstantSeries]) -> Vec<f64> {
        let mine = counted
            .iter()
            .filter(|one| one.metric.get("name") == self.family.name);
        let edges = mine.filter_map(|one| one.metric.get("le").parse().ok());
        edges.filter(|edge: &f64| edge.is_finite()).collect()
    }

    /// Whether bounds that [`few_buckets`] found are the schema's: all that are due, and no strange one.
    fn has_the_schemas(&self, few: &[f64]) -> bool {
        self.due().all(|edge| few.contains(&edge))
            && few.iter().all(|edge| self.bounds.contains(edge))
    }
}

/// What the loaded rules ask for.
fn selectors(groups: &[LoadedGroup]) -> Vec<SeriesSelector> {
    groups
        .iter()
        .flat_map(|group| &group.rules)
        .filter_map(|rule| rule.query.query().ok())
        .flat_map(|query| query.selectors())
        .collect()
}

/// The top edges of the native histograms that were converted from buckets, as far as they show.
async fn tops(site: &Site<'_>) -> Fact<Vec<InstantSeries>> {
    let live = site.series().await?;
    let names: Vec<String> = FAMILIES
        .iter()
        .filter(|family| matches!(family.kind, Kind::Histogram(_)))
        .map(|family| family.name.to_owned())
        .filter(|name| live.real(std::slice::from_ref(name)) > 0.0)
        .collect();
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

/// Real series of the histograms per bucket bound, under the label `name` that of the family.
fn every_bucket(read: &[&Histogram]) -> String {
    let each = read.iter().map(|one| one.counted(&[]));
    each.collect::<Vec<_>>().join(" or ")
}

/// The same without those bounds of the schema, of which there are 17 in 20, that neither are the highest nor
/// selected by a rule: where the others are the schema's, so are they.
fn few_buckets(read: &[Histogram]) -> String {
    let of_one = |one: &Histogram| {
        let due: Vec<f64> = one.due().collect();
        let between = one
            .bounds
            .iter()
            .copied()
            .filter(|bound| !due.contains(bound));
        let left_out: Vec<f64> = between.chain([f64::INFINITY]).collect();
        one.counted(&left_out)
    };
    read.iter().map(of_one).collect::<Vec<_>>().join(" or ")
}

/// The layouts of the live histograms; the schema's where there is none. Where one form alone is live, there is
/// none of the other. `tops` are those of the native ones, as [`converted_tops`] asks for them.
fn layouts(classic: Edges, tops: &[InstantSeries], live: Option<&Presence>) -> Layouts {
    let mut layouts = Layouts::of_schema();
    for family in FAMILIES {
        let native = [family.name.to_owned()];
        let has_native = live.map(|live| live.real(&native) > 0.0);
        let has_classic = classic.contains_key(family.name);
        if has_native == Some(true) {
            let top = tops
                .iter()
                .find(|top| top.metric.get("name") == family.name);
            let top = top.and_then(|top| top.value).map(|top| top.value);
            if let Some(top) = top.filter(|top| top.is_finite()) {
                layouts.set_native(family.name, Layout::Custom(top));
            }
            if !has_classic {
                layouts.without_classic(family.name);
            }
        }
        if has_native == Some(false) && has_classic {
            layouts.set_native(family.name, Layout::Absent);
        }
    }
    for (name, edges) in classic {
        layouts.set_classic(name, edges);
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
    use crate::given::is_promql;
    use crate::queries::SLA;

    /// As rules read it that select its bucket `le`.
    fn sla(le: &str) -> Histogram {
        let query = format!("rate({SLA}_bucket{{le=~{le:?}}}[5m])");
        let rule = serde_json::json!({ "type": "recording", "name": "r", "query": query });
        let selectors = selectors(&crate::given::rules(serde_json::json!([rule])));
        let mut read = FAMILIES
            .iter()
            .filter_map(|one| Histogram::of(one, &selectors));
        let histogram = read.next().unwrap();
        assert!(histogram.family.name == SLA && read.next().is_none());
        histogram
    }

    #[test]
    fn the_queries_are_promql() {
        let histogram = sla("60([.]0)?");
        is_promql(&every_bucket(&[&histogram]));
        is_promql(&few_buckets(&[histogram]));
        is_promql(&converted_tops(&[SLA.to_owned()]));
    }

    #[test]
    fn a_few_buckets_tell_whether_the_bounds_are_the_schemas() {
        for (few, are_the_schemas) in [
            (vec![60.0, 600.0], true),
            // The highest is missing, the one that is asked for is, or there are strange ones.
            (vec![60.0], false),
            (vec![600.0], false),
            (vec![60.0, 600.0, 7.5], false),
            (vec![], false),
        ] {
            let found = sla("60([.]0)?").has_the_schemas(&few);
            assert_eq!(found, are_the_schemas, "{few:?}");
        }
    }

    #[test]
    fn the_bounds_that_rules_ask_for_are_among_the_few() {
        for (asked, left_out) in [("60([.]0)?", "45"), ("45", "60"), ("45[.]0", "60")] {
            let edge = |edge: &str| format!("|{edge}([.]0)?|");
            let query = few_buckets(&[sla(asked)]);
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
        for (threshold, verdict) in [
            ("30", Verdict::Pass),
            ("45", Verdict::Warn),
            ("60", Verdict::Fail),
        ] {
            let outcome = judge(
                &RuleFile::loaded(&alert(threshold)),
                &layouts(
                    Edges::from([(SLA, vec![30.0, 60.0])]),
                    &[],
                    Some(&Presence::default()),
                ),
                &["A"].into(),
            );
            assert_eq!(outcome.verdict, verdict, "{threshold}: {outcome:?}");
        }
    }
}
