use super::*;

const RULES: &str = "
groups:
- name: a
  rules:
  - {record: 'seamless:sla_error:ratio_rate1h', expr: '1 - sum by (drill) (rate(seamless_sla_deadline_seconds_bucket{le=\"60\"}[1h])) / (sum by (drill) (rate(seamless_sla_deadline_seconds_count[1h])) > 0)'}
  - {record: 'a:labelled', expr: 'coverage_ratio', labels: {phase: total}}
  - {record: 'a:a', expr: 'a:b'}
  - {record: 'a:b', expr: 'a:a'}
";

fn judge(expr: &str) -> Judgement {
    let rules = RuleFile::parse(RULES).unwrap();
    let layouts = Layouts::of_schema();
    let rule = Rule::alert("A", expr);
    Analysis::new(&rules, &layouts).judge(&rule)
}

#[test]
fn what_can_never_fire_is_told_with_its_reason() {
    for (expr, part) in [
        ("seamless:sla_error:ratio_rate1h > 14.4", "from 0 to 1"),
        ("backfill_completion_ratio < 0", "from 0 to 1"),
        ("-1 * backfill_completion_ratio > 0", "-1"),
        ("avg(backfill_completion_ratio) > 5", "from 0 to 1"),
        ("2 < coverage_ratio", "from 0 to 1"),
        (
            "histogram_quantile(0.99, sum by (le) (rate(seamless_total_ms_bucket[5m]))) > 700000",
            "600000",
        ),
        (
            "histogram_quantile(0.99, sum(rate(seamless_total_ms_bucket[5m]))) > 1",
            "le was dropped",
        ),
        ("sum(coverage_ratio) / coverage_ratio > 0", "label interval"),
        (
            "sum(coverage_ratio) and on (node_id) live_staleness_seconds",
            "node_id",
        ),
        (
            "live_staleness_seconds unless on () vector(1)",
            "always there",
        ),
        ("absent(vector(1))", "always there"),
        ("topk(0, coverage_ratio) > 0", "fewer than one"),
        ("count(up) < 1", "at least 1"),
        (
            "coverage_ratio{world_id=\"a\"} * on (world_id) coverage_ratio{world_id=\"b\"} > 0",
            "world_id",
        ),
        ("clamp_max(live_staleness_seconds, 10) > 20", "from 0 to 10"),
        (
            "rate(seamless_conformance_flag_total[5m]) < 0",
            "at least 0",
        ),
        ("(coverage_ratio > bool 2) == 1", "0"),
        ("seamless:sla_error:ratio_rate1h < 0", "from 0 to 1"),
        ("seamless_lease_held > 1", "from 0 to 1"),
        ("a:labelled{phase=\"storage\"} > 0.5", "no rule records"),
    ] {
        let FiringVerdict::NeverFires(reason) = judge(expr).verdict else {
            panic!("{expr}: {:?}", judge(expr));
        };
        assert!(reason.to_string().contains(part), "{expr}: {reason}");
    }
}

#[test]
fn what_can_fire_is_not_refused() {
    for expr in [
        "sum(backfill_completion_ratio) > 5",
        "-1 * backfill_completion_ratio < 0",
        "coverage_ratio < 0.98 or vector(0) > 1",
        "absent(coverage_ratio)",
        "histogram_quantile(0.99, sum by (le) (rate(seamless_total_ms_bucket[5m]))) > 60000",
        "time() - timestamp(coverage_ratio) > 300",
        "rate(prometheus_notifications_dropped_total[5m]) > 0",
        "1 / coverage_ratio > 100",
        "sum by (node_id) (coverage_ratio) / on (node_id) group_left () coverage_ratio > 1",
    ] {
        assert_eq!(judge(expr).verdict, FiringVerdict::CanFire, "{expr}");
    }
}

#[test]
fn what_always_fires_and_what_cannot_be_told() {
    for expr in [
        "vector(1)",
        "coverage_ratio >= 0",
        "coverage_ratio <= 1 or coverage_ratio",
    ] {
        let verdict = judge(expr).verdict;
        assert!(
            matches!(verdict, FiringVerdict::AlwaysFires(_)),
            "{expr}: {verdict:?}"
        );
    }
    for (expr, part) in [
        ("node_load1 > 4", "node_load1"),
        ("tan(coverage_ratio) > 4", "tan"),
        ("a:a > 4", "a:a"),
        (
            "histogram_quantile(0.9, rate(x_bucket[5m])) > 4",
            "x_bucket",
        ),
    ] {
        let FiringVerdict::Unknown(reason) = judge(expr).verdict else {
            panic!("{expr}: {:?}", judge(expr));
        };
        assert!(reason.to_string().contains(part), "{expr}: {reason}");
    }
    // What is not known decides nothing here.
    assert_eq!(
        judge("count(node_load1) > 4").verdict,
        FiringVerdict::CanFire
    );
    assert!(matches!(
        judge("sin(node_load1) > 4").verdict,
        FiringVerdict::NeverFires(_)
    ));
}

#[test]
fn a_threshold_between_two_edges_names_them() {
    let expr = "histogram_quantile(0.99, sum by (le) (rate(seamless_sla_deadline_seconds_bucket[5m]))) * 1000 > 50000";
    let found = judge(expr).between_edges;
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].lower, found[0].upper), (45_000.0, 60_000.0));
    assert!(
        judge(&expr.replace("50000", "60000"))
            .between_edges
            .is_empty()
    );
}

#[test]
fn every_shipped_alert_is_known_and_can_fire() {
    let rules = crate::rules::shipped().unwrap();
    let layouts = Layouts::of_schema();
    let analysis = Analysis::new(rules, &layouts);
    let mut wrong = Vec::new();
    for rule in rules.alerts() {
        let verdict = analysis.judge(rule).verdict;
        if rule.name == "SeamlessWatchdog" {
            assert!(matches!(verdict, FiringVerdict::AlwaysFires(_)));
        } else if verdict != FiringVerdict::CanFire {
            wrong.push((&rule.name, verdict));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn hostile_nesting_is_refused_in_no_time() {
    let deep = 50_000;
    for expr in [
        format!("{}up{} > 1", "(".repeat(deep), ")".repeat(deep)),
        format!("{}up > 1", "-".repeat(deep)),
        format!("up{}", " + up".repeat(deep)),
        format!("up{}", " ^ up".repeat(deep)),
        format!("{}up{}", "abs(".repeat(deep), ")".repeat(deep)),
    ] {
        let started = std::time::Instant::now();
        assert!(matches!(judge(&expr).verdict, FiringVerdict::Unknown(_)));
        assert!(started.elapsed().as_secs() < 1);
    }
}

#[test]
fn a_rate_over_what_may_be_nan_may_be_negative() {
    let verdict = judge("rate((60 % seamless_conformance_flag_total)[2m:15s]) < 0").verdict;
    assert!(
        !matches!(verdict, FiringVerdict::NeverFires(_)),
        "{verdict:?}"
    );
}
