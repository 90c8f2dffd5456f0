//! Whether an alert can fire at all, given the series there are. Judged on the rules as Prometheus has
//! loaded them, since those are the ones that would page.

use std::time::Duration;

use seamless_core::analysis::{self, Analysis, Judgement, Layout, Layouts};
use seamless_core::duration;
use seamless_core::prometheus::{InstantSeries, LoadedGroup, Selector, Target};
use seamless_core::rules::{Rule, RuleFile};
use seamless_core::schema::{DRILL_LABEL, FAMILIES, Kind, Phase};

use crate::gap::Fact;
use crate::queries;
use crate::request::Request;
use crate::site::{Jobs, Presence, Site};
use crate::verdict::{Item, Outcome, Skip, Verdict};
use crate::words::listed;

/// The one alert that fires as long as all is well.
const WATCHDOG: &str = "SeamlessWatchdog";

/// The loaded rules in the form that the analysis reads.
fn live_rules(groups: &[LoadedGroup]) -> RuleFile {
    RuleFile::loaded(groups)
}

fn shipped_alerts<'r>(rules: &'r RuleFile, request: &Request) -> Vec<&'r Rule> {
    let names = request.alert_names();
    rules
        .alerts()
        .filter(|rule| names.contains(rule.name.as_str()))
        .collect()
}

/// Items without repetition: alerts of one name often share a fate.
fn push(items: &mut Vec<Item>, item: Item) {
    if !items.contains(&item) {
        items.push(item);
    }
}

/// Whether nothing that is known exposes or records what a selector asks for. What Prometheus itself, its
/// servers and this program's textfile expose is known; every other name is a rule that is not loaded, or
/// a typing error.
fn is_unfed(selector: &seamless_core::promql::SeriesSelector) -> bool {
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

pub(super) fn inputs(groups: &[LoadedGroup], series: &Presence, request: &Request) -> Outcome {
    let rules = live_rules(groups);
    let mut items = Vec::new();
    let mut unused = 0;
    let alerts = shipped_alerts(&rules, request);
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
            let message =
                format!("reads {name}, which no family of the schema and no loaded rule feeds");
            push(&mut items, Item::new(&rule.name, Verdict::Fail, message));
            continue;
        }
        let families = inputs.families();
        let some_live = families
            .iter()
            .any(|family| series.real(&family.tracked_names()) > 0.0);
        if families.is_empty() || some_live {
            continue;
        }
        let names: Vec<&str> = families.iter().map(|family| family.name).collect();
        if families.iter().any(|family| family.required) {
            let message = format!("reads {}, of which there are no series", listed(&names));
            push(&mut items, Item::new(&rule.name, Verdict::Fail, message));
        } else {
            // A feature that is not in use has no series, and nothing to alert on.
            unused += 1;
            let message = format!("{} is optional and not there", listed(&names));
            push(&mut items, Item::new(&rule.name, Verdict::Pass, message));
        }
    }
    let good = match unused {
        0 => format!("all of {} alerts", alerts.len()),
        n => format!(
            "{} of {} alerts; the other families are optional",
            alerts.len() - n,
            alerts.len()
        ),
    };
    Outcome::of(items, good)
}

/// The layouts of the live histograms; the schema's where there is none. Where classic histograms alone are
/// live, there is no native one.
fn layouts(series: &[InstantSeries], live: Option<&Presence>) -> Layouts {
    let mut layouts = Layouts::of_schema();
    for family in FAMILIES {
        let name = format!("{}_bucket", family.name);
        let buckets = series.iter().filter(|bucket| bucket.metric.name() == name);
        let edges: Vec<f64> = buckets
            .filter_map(|bucket| bucket.metric.get("le").parse().ok())
            .filter(|edge: &f64| edge.is_finite())
            .collect();
        if edges.is_empty() {
            continue;
        }
        let native = [family.name.to_owned()];
        if live.is_some_and(|live| live.real(&native) == 0.0) {
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

/// Judges by the buckets that the thresholds depend on.
pub(super) async fn run(site: &Site<'_>) -> Fact<Outcome> {
    let (rules, buckets, series) = tokio::join!(site.rules(), buckets(site), site.series());
    Ok(can_fire(rules?, &buckets?, series.ok(), site.request))
}

/// The bucket bounds by which thresholds are judged: all of them only where the outer ones do not tell.
async fn buckets(site: &Site<'_>) -> Fact<Vec<InstantSeries>> {
    let outer = site.instant(&outer_buckets()).await?;
    if every_top_is_known(&outer) && every_edge_is_there(&outer, site.loaded().await?) {
        return Ok(outer);
    }
    site.instant(&every_bucket()).await
}

/// Real series of the schema's histograms per name and bucket bound.
fn every_bucket() -> String {
    let selector =
        Selector::any_name(queries::histograms().map(|(name, _)| name)).with(DRILL_LABEL, "");
    format!("count by (__name__, le) ({selector})")
}

/// The same without the schema's own bounds between, of which there are 17 in 20: where every series has
/// the top one, they tell nothing more. The total budget stays, which rules ask for by itself.
fn outer_buckets() -> String {
    let mut between: Vec<String> = queries::histograms()
        .filter_map(|(_, bounds)| bounds.split_last())
        .flat_map(|(_, lower)| lower)
        .filter(|bound| **bound != Phase::Total.budget_seconds())
        .map(|bound| queries::edge(*bound))
        .collect();
    between.sort();
    between.dedup();
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

/// Whether every bucket edge that the rules ask for by itself is among the buckets.
fn every_edge_is_there(buckets: &[InstantSeries], groups: &[LoadedGroup]) -> bool {
    groups
        .iter()
        .flat_map(|group| &group.rules)
        .filter_map(|rule| rule.query.query().ok())
        .flat_map(|query| query.selectors())
        .filter(|selector| selector.matchers_of("le").next().is_some())
        .all(|selector| {
            let mut own = buckets
                .iter()
                .filter(|bucket| selector.selects_name(bucket.metric.name()))
                .map(|bucket| bucket.metric.get("le"))
                .peekable();
            own.peek().is_none()
                || own.any(|le| selector.matchers_of("le").all(|edge| edge.is_match(le)))
        })
}

/// What each alert can be at all, by the live buckets: those that this project ships, and others that read
/// its metrics.
fn can_fire(
    groups: &[LoadedGroup],
    buckets: &[InstantSeries],
    series: Option<&Presence>,
    request: &Request,
) -> Outcome {
    let rules = live_rules(groups);
    let (live, schema) = (layouts(buckets, series), Layouts::of_schema());
    let (analysis, by_schema) = (Analysis::new(&rules, &live), Analysis::new(&rules, &schema));
    let shipped = request.alert_names();
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
    Outcome::of(items, format!("all of {judged} alerts can"))
}

fn judged_items(rule: &Rule, by_live: &Judgement, by_schema: &Judgement) -> Vec<Item> {
    let item = |verdict, message: String| Item::new(&rule.name, verdict, message);
    let mut items = vec![match &by_live.verdict {
        analysis::Verdict::CanFire => item(Verdict::Pass, "can fire".to_owned()),
        analysis::Verdict::NeverFires(reason) => {
            let with_schema = matches!(by_schema.verdict, analysis::Verdict::NeverFires(_));
            let advice = if with_schema {
                ""
            } else {
                "; the schema's buckets would let it"
            };
            item(Verdict::Fail, format!("can never fire: {reason}{advice}"))
        }
        // The watchdog is meant to.
        analysis::Verdict::AlwaysFires(_) if rule.name == WATCHDOG => {
            item(Verdict::Pass, "always fires, as it is meant to".to_owned())
        }
        analysis::Verdict::AlwaysFires(reason) => {
            item(Verdict::Warn, format!("always fires: {reason}"))
        }
        analysis::Verdict::Unknown(reason) => {
            let reason = format!("cannot be told: {reason}");
            item(Verdict::Skip(Skip::NotApplicable(reason.clone())), reason)
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

pub(super) async fn run_ranges(site: &Site<'_>) -> Fact<Outcome> {
    let client = site.prometheus()?;
    let (rules, targets, jobs, retention) = tokio::join!(
        site.rules(),
        site.targets(),
        site.jobs(),
        site.answer(client.retention())
    );
    // Servers that do not say it are not asked to keep anything.
    let retention = retention.ok().flatten();
    Ok(ranges(rules?, targets?, jobs?, retention, site.request))
}

fn ranges(
    groups: &[LoadedGroup],
    targets: &[Target],
    jobs: &Jobs,
    retention: Option<Duration>,
    request: &Request,
) -> Outcome {
    let scrape = targets
        .iter()
        .filter(|target| jobs.contains(target.labels.get("job")))
        .filter_map(|target| duration::parse(&target.scrape_interval).ok())
        .max();
    let rules = live_rules(groups);
    let names = request.alert_names();
    let mut items = Vec::new();
    let ours = rules
        .rules()
        .filter(|rule| names.contains(rule.name.as_str()) || rule.name.starts_with("seamless:"));
    for rule in ours {
        let Ok(query) = rule.expr.query() else {
            continue;
        };
        let kept = retention.and_then(|kept| beyond(query.longest_range()?, kept));
        let shortest = query.two_sample_ranges().into_iter().min();
        let scraped = shortest
            .zip(scrape)
            .map(|(range, scrape)| scraped(range, scrape));
        for (verdict, message) in [scraped, kept].into_iter().flatten() {
            push(&mut items, Item::new(&rule.name, verdict, message));
        }
    }
    match scrape {
        None if items.is_empty() => Outcome::not_applicable(
            "no scrape target exports the metrics, so there is no scrape interval",
        ),
        None => Outcome::of(items, ""),
        Some(scrape) => {
            let scrape = duration::human(scrape);
            Outcome::of(items, format!("every range covers two scrapes of {scrape}"))
        }
    }
}

/// Whether a range reaches further back than samples are kept.
fn beyond(range: Duration, kept: Duration) -> Option<(Verdict, String)> {
    (range > kept && !kept.is_zero()).then(|| {
        let (range, kept) = (duration::human(range), duration::human(kept));
        let message = format!(
            "looks back {range}, but Prometheus keeps {kept}: its value is that of {kept} at most"
        );
        (Verdict::Warn, message)
    })
}

/// How many scrapes a range that needs two of them covers.
fn scraped(range: Duration, scrape: Duration) -> (Verdict, String) {
    let (range_text, scrape_text) = (duration::human(range), duration::human(scrape));
    if range <= scrape {
        let message = format!(
            "can never fire: its range {range_text} covers fewer than two scrapes of {scrape_text}"
        );
        (Verdict::Fail, message)
    } else if range < 2 * scrape {
        let message = format!(
            "its range {range_text} covers two scrapes of {scrape_text} only now and then: in between it has no value, and `for` starts anew"
        );
        (Verdict::Warn, message)
    } else {
        (Verdict::Pass, format!("range {range_text}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::{is_promql, series};
    use crate::queries::SLA;

    #[test]
    fn the_queries_are_promql() {
        is_promql(&every_bucket());
        is_promql(&outer_buckets());
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
    fn an_edge_that_a_rule_asks_for_must_be_among_them() {
        let rules = |edge: &str| -> Vec<LoadedGroup> {
            let query = format!("rate({}_bucket{{le=~{edge:?}}}[5m])", SLA);
            let rule = serde_json::json!({ "type": "recording", "name": "r", "query": query });
            serde_json::from_value(serde_json::json!([{ "name": "g", "rules": [rule] }])).unwrap()
        };
        let outer = [bucket("60.0", 5.0), bucket("600.0", 5.0)];
        assert!(every_edge_is_there(&outer, &rules("60([.]0)?")));
        assert!(!every_edge_is_there(&outer, &rules("120([.]0)?")));
        assert!(every_edge_is_there(&[], &rules("120([.]0)?")));
    }

    #[test]
    fn a_range_needs_two_scrapes_at_any_time() {
        let of = |range, scrape| scraped(Duration::from_secs(range), Duration::from_secs(scrape)).0;
        for (range, scrape, verdict) in [
            (59, 60, Verdict::Fail),
            (60, 60, Verdict::Fail),
            (61, 60, Verdict::Warn),
            (119, 60, Verdict::Warn),
            (120, 60, Verdict::Pass),
            (300, 60, Verdict::Pass),
        ] {
            assert_eq!(of(range, scrape), verdict, "{range} of {scrape}");
        }
    }

    #[test]
    fn a_range_longer_than_what_is_kept_is_a_warning() {
        const DAY: u64 = 86_400;
        let of = |range, kept| beyond(Duration::from_secs(range), Duration::from_secs(kept));
        assert_eq!(of(30 * DAY, 30 * DAY), None);
        // Zero is no limit.
        assert_eq!(of(30 * DAY, 0), None);
        let (verdict, message) = of(30 * DAY, 15 * DAY).unwrap();
        assert_eq!(verdict, Verdict::Warn);
        assert!(
            message.contains("looks back 30d, but Prometheus keeps 15d"),
            "{message}"
        );
    }
}
