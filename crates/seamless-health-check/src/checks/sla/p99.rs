//! The p99 of every phase against its budget.

use std::time::Duration;

use seamless_core::duration;
use seamless_core::prometheus::{InstantSeries, RangeSeries};
use seamless_core::schema::{BUDGET_WARNING_SHARE, Phase};

use super::latency::{P99, PhaseBuckets, Standing};
use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::{Fact, Gap};
use crate::presence::Presence;
use crate::queries::{SLA, SLA_BUCKETS, SLA_WITHOUT_EDGE, at_budget, edge, real, tagged};
use crate::site::Site;
use crate::verdict::{CheckOutcome, Item, Measured, Next, Verdict};
use crate::words::seconds;

const QUANTILE: f64 = 0.99;
const HOUR: f64 = 3600.0;
const MOST_HISTORY_STEPS: f64 = 30.0;
/// Fewer draw no line.
const LEAST_HISTORY_STEPS: f64 = 6.0;
/// Series of the SLA histogram, times steps: each costs the server as much as the p99 does.
const MOST_HISTORY: f64 = 6000.0;

/// What the rules record of it.
const RECORDED: [&str; 2] = [SLA_BUCKETS, SLA_WITHOUT_EDGE];

pub(super) const CHECK: Check = Check {
    name: "p99",
    group: Group::Sla,
    title: "the p99 of every phase is within its budget",
    needs: &[Need::Prometheus],
    requires: &["prometheus/queries"],
    severity: Severity::Fail,
    hint: "follow the runbook's procedure; the dashboard Seamless SLA Overview shows where",
    anchor: "check-sla",
    explained: Explained {
        means: "The p99 of a phase is over its budget now, or over 80 % of it (warning). *Cannot be judged with these buckets*: the budget is not a bucket boundary.",
        remedy: "Follow the runbook's procedure; the dashboard Seamless SLA Overview shows which phase, node and domain.",
        example: "fail  total: 1m 15s of 1m (125 %)",
        korean: Korean {
            title: "모든 단계의 p99가 예산 안에 있다",
            means: "어떤 단계의 p99가 지금 예산을 넘었거나 예산의 80 %를 넘었다(경고). *cannot be judged with these buckets*: 예산이 버킷 경계가 아니다.",
            remedy: "런북의 절차를 따른다. 대시보드 Seamless SLA Overview에 단계, 노드, 도메인이 나온다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    let native = site.has_native_sla().await;
    let recorded = !native && site.records(&RECORDED).await;
    let (samples, history) = tokio::join!(samples(site, native, recorded), history(site, recorded));
    let profile = site.profile().await;
    let budget = |phase| site.request.budget(phase, profile);
    let outcome = judge(&samples?, &history.unwrap_or_default(), budget);
    // Leases that are not worked on are what the runbook looks at next.
    let leases = site
        .coordinator()
        .ok()
        .map(|_| Next::lease_recover(&["--list"]));
    Ok(outcome.next(leases))
}

/// From what the rules record where every series has an edge at its budget: then the sums of the buckets tell all.
async fn samples(site: &Site<'_>, native: bool, recorded: bool) -> Fact<Vec<InstantSeries>> {
    if recorded {
        let samples = site.instant(&recorded_query()).await?;
        let is_without = |series: &InstantSeries| series.metric.get("what") == "without";
        if !samples.is_empty() && !samples.iter().any(is_without) {
            return Ok(samples);
        }
    }
    let (window, profile) = tokio::join!(site.window(), site.profile());
    let budgets = Phase::ALL.map(|phase| site.request.budget(phase, profile));
    site.instant(&query(window, budgets, native)).await
}

/// The p99 of the last hour.
async fn history(site: &Site<'_>, recorded: bool) -> Fact<Vec<RangeSeries>> {
    let range = async |query: &str, steps: f64| {
        let step = HOUR / steps;
        site.range(query, site.now - HOUR, site.now, step).await
    };
    if recorded {
        let buckets = real(SLA_BUCKETS);
        let query = format!("histogram_quantile({QUANTILE}, sum by (phase, le) ({buckets}))");
        let recorded = range(&query, MOST_HISTORY_STEPS).await?;
        // What is recorded of all has none of the labels of `--selector`.
        if !recorded.is_empty() {
            return Ok(recorded);
        }
    }
    let (series, window) = tokio::join!(site.series(), site.window());
    range(&history_query(window), history_steps(series?)?).await
}

/// Into how many steps the last hour may be cut without being a burden.
fn history_steps(series: &Presence) -> Fact<f64> {
    let of_the_p99 = |(name, drill): &(String, String)| name.starts_with(SLA) && drill.is_empty();
    let series = series.now.iter().filter(|(series, _)| of_the_p99(series));
    let series: f64 = series.map(|(_, count)| count).sum();
    let steps = (MOST_HISTORY / series.max(1.0)).floor();
    if steps < LEAST_HISTORY_STEPS {
        let reason = "the last hour of so many series is a burden to the server";
        return Err(Gap::not_configured(reason));
    }
    Ok(steps.min(MOST_HISTORY_STEPS))
}

/// The p99 of real requests by phase: of the form that has the higher one, where there are both.
fn history_query(window: Duration) -> String {
    let window = duration::format(window);
    let classic = real(&format!("{SLA}_bucket"));
    let native = real(SLA);
    format!(
        "max by (phase) (label_replace(histogram_quantile({QUANTILE}, sum by (phase, le) (rate({classic}[{window}]))), \
         \"form\", \"buckets\", \"\", \"\") or histogram_quantile({QUANTILE}, sum by (phase) (rate({native}[{window}]))))"
    )
}

/// The same as [`query`] gives, of the buckets that the rules have summed: each edge as one that every series has.
/// With `what="without"` come the phases where some series have none at the budget.
fn recorded_query() -> String {
    let buckets = format!("sum by (phase, le) ({})", real(SLA_BUCKETS));
    let without = format!("sum by (phase) ({})", real(SLA_WITHOUT_EDGE));
    [
        tagged(&buckets, "what", "within"),
        tagged(&format!("(0 * {buckets} + 1)"), "what", "series"),
        tagged(&without, "what", "without"),
    ]
    .join(" or ")
}

/// The buckets of real requests by phase, as [`PhaseBuckets::of`] reads them; the label
/// `what` tells the parts apart. `budgets` are the edges at which it matters who has them. Where `native`
/// histograms are about, a series that has both forms counts once: by its buckets if one ends at its budget,
/// else by its native form.
fn query(window: Duration, budgets: [f64; 4], native: bool) -> String {
    let window = duration::format(window);
    let name = |suffix: &str| real(&format!("{SLA}{suffix}"));
    let edges: Vec<String> = budgets.iter().map(|budget| edge(*budget)).collect();
    let at_budgets = name("_bucket").matching("le", &edges.join("|"));
    let judged: Vec<String> = Phase::ALL
        .into_iter()
        .zip(budgets)
        .map(|(phase, budget)| format!("rate({}[{window}])", at_budget(phase, budget)))
        .collect();
    let whole = format!(
        "(rate({}[{window}]) unless ignoring (le) ({}))",
        name(""),
        judged.join(" or ")
    );
    let but = |ignoring: &str| match native {
        true => format!(" unless {ignoring}{whole}"),
        false => String::new(),
    };
    let (but_bucket, but_series) = (but("ignoring (le) "), but(""));
    let (buckets, count, sum) = (name("_bucket"), name("_count"), name("_sum"));
    let parts = [
        (
            "within",
            format!("sum by (phase, le) (rate({buckets}[{window}]){but_bucket})"),
        ),
        (
            "series",
            format!("count by (phase, le) ({buckets}{but_bucket})"),
        ),
        (
            "sum",
            format!("sum by (phase) (rate({sum}[{window}]){but_series})"),
        ),
        (
            "observed",
            format!(
                "sum by (phase, le) ((0 * rate({at_budgets}[{window}]){but_bucket}) \
                 + ignoring (le) group_left () rate({count}[{window}]))"
            ),
        ),
    ];
    let mut query: Vec<String> = parts
        .iter()
        .map(|(what, part)| tagged(part, "what", what))
        .collect();
    if native {
        // It is known by its values; before Prometheus 3.0 `label_replace` loses native histograms.
        query.push(format!("sum by (phase) ({whole})"));
    }
    query.join(" or ")
}

/// `budget` gives that of a phase, in seconds.
fn judge(
    samples: &[InstantSeries],
    history: &[RangeSeries],
    budget: impl Fn(Phase) -> f64,
) -> CheckOutcome {
    let items: Vec<Item> = Phase::ALL
        .into_iter()
        .filter_map(|phase| phase_item(phase, samples, history, budget(phase)))
        .collect();
    if items.is_empty() {
        return CheckOutcome::not_applicable("no requests in the last minutes, so there is no p99");
    }
    let worst = items
        .iter()
        .filter_map(|item| item.measured.and_then(|m| Some(m.value / m.fail?)))
        .fold(0.0, f64::max);
    CheckOutcome::of(
        items,
        format!(
            "p99 at most {:.0} % of its budget in every phase",
            worst * 100.0
        ),
    )
}

fn phase_item(
    phase: Phase,
    samples: &[InstantSeries],
    history: &[RangeSeries],
    budget: f64,
) -> Option<Item> {
    let buckets = PhaseBuckets::of(phase.label(), samples);
    let p99 = buckets.p99()?;
    let standing = buckets.standing(p99, budget);
    let measured = value(p99);
    let share = measured / budget * 100.0;
    let (verdict, message) = match (standing, p99) {
        (Standing::Over, P99::Beyond { top, mean }) if top < budget => (
            Verdict::Fail,
            format!(
                "at least {} of {}, and requests beyond that take {} on average",
                seconds(top),
                seconds(budget),
                seconds(mean)
            ),
        ),
        (Standing::Over, P99::Beyond { top, .. }) => (
            Verdict::Fail,
            format!("at least {} of {}", seconds(top), seconds(budget)),
        ),
        (Standing::Unknown, P99::Beyond { top, .. }) => (
            Verdict::Warn,
            format!(
                "at least {} of {}: cannot be judged with these buckets, whose highest boundary is {}",
                seconds(top),
                seconds(budget),
                seconds(top)
            ),
        ),
        (Standing::Unknown, P99::Inside { low, high, .. }) => (
            Verdict::Warn,
            format!(
                "between {} and {}: cannot be judged against {}, which is not a bucket boundary",
                seconds(low),
                seconds(high),
                seconds(budget)
            ),
        ),
        (standing, _) => {
            let verdict = match standing {
                Standing::Over => Verdict::Fail,
                _ if measured >= budget * BUDGET_WARNING_SHARE => Verdict::Warn,
                _ => Verdict::Pass,
            };
            let of = format!(
                "{} of {} ({share:.0} %)",
                seconds(measured),
                seconds(budget)
            );
            (verdict, of)
        }
    };
    let mut item = Item::new(phase.label(), verdict, message).measured(Measured {
        value: measured,
        unit: "s",
        warn: Some(budget * BUDGET_WARNING_SHARE),
        fail: Some(budget),
    });
    item.history = history
        .iter()
        .find(|series| series.metric.get("phase") == phase.label())
        .map(|series| series.values.iter().map(|sample| sample.value).collect())
        .unwrap_or_default();
    Some(item)
}

/// In seconds: interpolated, or the least that it is.
const fn value(p99: P99) -> f64 {
    match p99 {
        P99::Inside { value, .. } => value,
        P99::Beyond { top, .. } => top,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::given::{is_promql, series};

    #[test]
    fn the_queries_are_promql() {
        is_promql(&recorded_query());
        is_promql(&history_query(Duration::from_secs(300)));
        for native in [false, true] {
            is_promql(&query(
                Duration::from_secs(300),
                [3.0, 45.0, 5.0, 60.0],
                native,
            ));
        }
    }

    #[test]
    fn the_more_series_the_shorter_the_history() {
        let name = format!("{SLA}_count");
        let steps = |count| {
            let mut counted = Presence::default();
            counted.now.insert((name.clone(), String::new()), count);
            let drill = (name.clone(), "drill-1".to_owned());
            counted.now.insert(drill, 1e9);
            history_steps(&counted)
        };
        assert_eq!(steps(4.0), Ok(30.0));
        assert_eq!(steps(600.0), Ok(10.0));
        assert!(steps(16_600.0).is_err());
    }

    /// One series of ten requests a second, all of them between two edges.
    fn between(edges: [&str; 2]) -> Vec<InstantSeries> {
        let mut samples = Vec::new();
        for (edge, within) in [(edges[0], 0.0), (edges[1], 10.0), ("+Inf", 10.0)] {
            let labels = |what| [("phase", "total"), ("le", edge), ("what", what)];
            samples.push(series(&labels("within"), within));
            samples.push(series(&labels("series"), 1.0));
        }
        samples
    }

    #[test]
    fn a_budget_is_over_near_or_kept() {
        for (budget, verdict) in [
            (10.0, Verdict::Fail),
            (30.0, Verdict::Fail),
            (60.0, Verdict::Warn),
            (120.0, Verdict::Pass),
        ] {
            let outcome = judge(&between(["30", "60"]), &[], |_| budget);
            assert_eq!(outcome.verdict, verdict, "{outcome:?}");
        }
        // No edge of these buckets: nobody knows on which side of it the requests are.
        let outcome = judge(&between(["30", "60"]), &[], |_| 45.0);
        assert_eq!(outcome.verdict, Verdict::Warn);
        assert!(outcome.message.contains("cannot be judged"), "{outcome:?}");
        let outcome = judge(&[], &[], |_| 60.0);
        assert!(matches!(outcome.verdict, Verdict::Skip(_)), "{outcome:?}");
    }
}
