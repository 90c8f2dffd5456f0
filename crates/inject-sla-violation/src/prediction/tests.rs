use clap::{Parser as _, ValueEnum as _};
use seamless_core::rules;

use super::*;
use crate::args::Args;
use crate::scenario::Scenario;

fn verdict(arguments: &[&str], file: &RuleFile, alert: &str, scrape: ScrapeInfo) -> PredictedDelay {
    let program = ["inject-sla-violation", "n"];
    let args = Args::try_parse_from(program.iter().chain(arguments)).unwrap();
    let request = Request::from_args(&args).unwrap();
    let series_set = SeriesSet::new(&request).unwrap();
    predict(file, alert, &request, &series_set, scrape).unwrap()
}

fn obstacles(verdict: &PredictedDelay) -> Vec<&'static str> {
    let obstacles = verdict.as_ref().err();
    obstacles
        .into_iter()
        .flatten()
        .map(Obstacle::name)
        .collect()
}

const LONG: [&str; 2] = ["--serve=0", "--hold=4h"];

#[test]
fn all_fires_every_shipped_alert_that_an_injection_can_fire() {
    let file = rules::shipped().unwrap();
    let arguments = [&LONG[..], &["--scenario=all"]].concat();
    for rule in file.alerts() {
        let verdict = verdict(&arguments, file, &rule.name, ScrapeInfo::default());
        if NOT_INJECTED.contains(&rule.name.as_str()) {
            assert_eq!(obstacles(&verdict), ["not_injected"], "{}", rule.name);
        } else {
            assert!(verdict.is_ok(), "{}: {verdict:?}", rule.name);
        }
    }
}

#[test]
fn each_scenario_fires_its_own_alerts_and_healthy_none() {
    let file = rules::shipped().unwrap();
    let fired: Vec<(&str, &[&str])> = vec![
        (
            "sla",
            &[
                "SeamlessSla99thDegraded",
                "SeamlessSlaBudgetApproaching",
                "SeamlessSlaErrorBudgetBurn",
            ],
        ),
        ("stuck-lease", &["SeamlessBackfillStuckLease"]),
        ("stale-claim", &["SeamlessBackfillStaleClaim"]),
        ("conformance", &["SeamlessConformanceFlagSpike"]),
        ("staleness", &["SeamlessLiveDataStale"]),
        ("coverage", &["SeamlessCoverageLow"]),
        ("gap-repair", &["SeamlessGapRepairSlow"]),
        ("rate-limit", &["SeamlessRateLimiterExhausted"]),
        ("artifact", &["SeamlessArtifactPublishSlow"]),
        ("backfill-failing", &["SeamlessBackfillFailing"]),
        ("domain-gate", &["SeamlessDomainGateHolds"]),
        ("healthy", &[]),
    ];
    // What it fires is the test before this one.
    let all = Scenario::value_variants().iter().map(|it| it.name());
    let listed: Vec<&str> = fired.iter().map(|(scenario, _)| *scenario).collect();
    let missing: Vec<&str> = all
        .filter(|name| *name != "all" && !listed.contains(name))
        .collect();
    assert_eq!(missing, [""; 0], "scenarios without their alerts");
    for (scenario, alerts) in fired {
        let arguments = [&LONG[..], &["--scenario", scenario]].concat();
        for alert in alerts {
            let verdict = verdict(&arguments, file, alert, ScrapeInfo::default());
            assert!(verdict.is_ok(), "{alert}: {verdict:?}");
        }
        let other = if scenario == "coverage" {
            "SeamlessLiveDataStale"
        } else {
            "SeamlessCoverageLow"
        };
        let verdict = verdict(&arguments, file, other, ScrapeInfo::default());
        assert_eq!(obstacles(&verdict), ["family_not_fed"], "{scenario}");
    }
}

#[test]
fn the_time_is_the_window_and_the_for() {
    let file = rules::shipped().unwrap();
    let scrape = ScrapeInfo {
        scrape_interval: Some(Duration::from_secs(15)),
        top_bucket: None,
    };
    let after = |arguments: &[&str], alert: &str| {
        verdict(arguments, file, alert, scrape).unwrap().as_secs()
    };
    assert_eq!(after(&LONG, "SeamlessSla99thDegraded"), 2 * 15 + 30 + 300);
    let stale = [&LONG[..], &["--scenario=stale-claim"]].concat();
    assert!(after(&stale, "SeamlessBackfillStaleClaim") >= 900);
}

#[test]
fn each_obstacle_is_named() {
    let shipped = rules::shipped().unwrap();
    let alert = "SeamlessSla99thDegraded";
    let named = |arguments: &[&str], file: &RuleFile, scrape: ScrapeInfo| {
        obstacles(&verdict(arguments, file, alert, scrape))
    };
    let high = RuleFile::parse(
        "groups: [{name: g, rules: [{alert: SeamlessSla99thDegraded, expr: 'histogram_quantile(0.99, \
         sum by (le, drill) (rate(seamless_sla_deadline_seconds_bucket[5m]))) > 900'}]}]",
    )
    .unwrap();
    let scrape = ScrapeInfo::default();
    assert_eq!(named(&LONG, &high, scrape), ["threshold_above_top_bucket"]);
    let low_top = ScrapeInfo {
        top_bucket: Some(2.5),
        ..scrape
    };
    assert_eq!(
        named(&LONG, shipped, low_top),
        ["threshold_above_top_bucket"]
    );
    // Under the platform's own top bucket of 10 s the mean of what lies beyond it is judged.
    let platform = [&LONG[..], &["--buckets=platform"]].concat();
    assert_eq!(named(&platform, shipped, scrape), Vec::<&str>::new());
    // A ratio is never negative, whatever is injected.
    let impossible = RuleFile::parse(
        "groups: [{name: g, rules: [{alert: SeamlessCoverageLow, expr: 'coverage_ratio < 0'}]}]",
    )
    .unwrap();
    let coverage = [&LONG[..], &["--scenario=coverage"]].concat();
    let never = verdict(&coverage, &impossible, "SeamlessCoverageLow", scrape);
    assert_eq!(obstacles(&never), ["never_fires"]);
    let short = [&LONG[..], &["--duration=1"]].concat();
    assert!(named(&short, shipped, scrape).contains(&"duration_too_short"));
    assert_eq!(
        named(&["--serve=0", "--hold=10s"], shipped, scrape),
        ["hold_too_short"]
    );
    let recovering = [&LONG[..], &["--recover-after=5s"]].concat();
    assert_eq!(named(&recovering, shipped, scrape), ["hold_too_short"]);
    assert_eq!(
        named(&["--write-to=x"], shipped, scrape),
        ["rates_stand_still"]
    );
    let rare = ScrapeInfo {
        scrape_interval: Some(Duration::from_secs(200)),
        ..scrape
    };
    assert_eq!(named(&LONG, shipped, rare), ["range_under_two_scrapes"]);
    let slow = [&LONG[..], &["--step=4m"]].concat();
    assert_eq!(named(&slow, shipped, scrape), ["step_too_long"]);
    let other = verdict(&LONG, shipped, "SeamlessSla99Degraded", scrape);
    let similar = Some("SeamlessSla99thDegraded".to_owned());
    assert_eq!(other, Err(vec![Obstacle::NotLoaded { similar }]));
    let only_total = RuleFile::parse(
        "groups: [{name: g, rules: [{alert: SeamlessSla99thDegraded, labels: {phase: total}, expr: \
         'histogram_quantile(0.99, sum by (le) (rate(seamless_sla_deadline_seconds_bucket{phase=\"total\"}[5m]))) \
         > 60'}]}]",
    )
    .unwrap();
    let live = [&LONG[..], &["--phase=live_wait"]].concat();
    assert_eq!(named(&live, &only_total, scrape), ["series_not_selected"]);
    let far = RuleFile::parse(
        "groups: [{name: g, rules: [{alert: SeamlessSla99thDegraded, expr: 'coverage_ratio < 0.5'}]}]",
    )
    .unwrap();
    let coverage = [&LONG[..], &["--scenario=coverage"]].concat();
    assert_eq!(named(&coverage, &far, scrape), ["level_not_reached"]);
}

/// Prometheus 3 gives a range of one scrape interval one sample, and one of two intervals two.
#[test]
fn a_range_holds_two_scrapes_always_now_and_then_or_never() {
    let scrape = ScrapeInfo {
        scrape_interval: Some(Duration::from_secs(60)),
        ..ScrapeInfo::default()
    };
    for (range, pending_for, expected) in [
        (59, "0s", &["range_under_two_scrapes"][..]),
        (60, "0s", &["range_under_two_scrapes"]),
        (61, "0s", &[]),
        (61, "5m", &["range_under_two_scrapes"]),
        (119, "5m", &["range_under_two_scrapes"]),
        (120, "0s", &[]),
        (120, "5m", &[]),
    ] {
        let file = RuleFile::parse(&format!(
            "groups: [{{name: g, rules: [{{alert: A, for: {pending_for}, expr: \
             'rate(seamless_sla_deadline_seconds_count[{range}s]) > 0'}}]}}]"
        ))
        .unwrap();
        let verdict = verdict(&LONG, &file, "A", scrape);
        assert_eq!(obstacles(&verdict), expected, "{range}s, {pending_for}");
    }
}
