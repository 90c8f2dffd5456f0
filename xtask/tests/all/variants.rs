//! The variant of rules and dashboards for servers without native histograms, on such a server.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use seamless_core::rules::RuleFile;
use seamless_lab::servers::{Generation, VMALERT, VictoriaMetrics};
use seamless_lab::wait_until;
use xtask::dashboard::{Filling, queries, rendered, text};
use xtask::render::{self, Override};

use crate::generations::PATIENCE;

/// Every expression of rules and dashboards with those overrides, as `place: expression`.
fn expressions(overrides: &[&str]) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("render").arg("--out").arg(folder.path());
    for text in overrides {
        command.args(["--set", text]);
    }
    assert!(command.output().unwrap().status.success());
    let rules = std::fs::read_to_string(folder.path().join("alert_rules.yml")).unwrap();
    let mut found: Vec<(String, String)> = RuleFile::parse(&rules)
        .unwrap()
        .rules()
        .map(|rule| (rule.name.clone(), rule.expr.to_string()))
        .collect();
    for (file, dashboard) in rendered(folder.path()).unwrap() {
        for (panel, query) in queries(&dashboard) {
            let (expr, unknown) = Filling::all("").fill(text(&query["expr"]));
            assert!(unknown.is_empty(), "{unknown:?}");
            found.push((format!("{file}, {}", text(&panel["title"])), expr));
        }
    }
    found
}

/// The expressions that the server refuses.
fn refused(server: &VictoriaMetrics, expressions: &[(String, String)]) -> Vec<String> {
    expressions
        .iter()
        .filter_map(|(place, expr)| {
            let answer = server.get("/api/v1/query", &[("query", expr)]);
            answer.err().map(|error| format!("{place}: {error:#}"))
        })
        .collect()
}

#[test]
fn victoria_metrics_takes_every_expression_without_native_histograms() {
    let server = VictoriaMetrics::start().unwrap();
    let variant = expressions(&["native_histograms=false"]);
    let shipped = expressions(&[]);
    // All that it leaves out is about native histograms.
    let left_out = shipped.iter().filter(|(place, _)| {
        let mut kept = variant.iter();
        !kept.any(|(other, _)| other == place)
    });
    for (place, _) in left_out {
        assert!(place.contains("native"), "{place}");
    }
    assert_eq!(refused(&server, &variant), Vec::<String>::new());
    // The reason for the variant: the shipped ones it does not take.
    let refused = refused(&server, &shipped);
    assert!(
        refused
            .iter()
            .any(|said| said.starts_with("seamless:sla_observations:rate5m")),
        "{refused:#?}"
    );
}

/// Of today's servers only: Debian has no vmalert.
mod vmalert_refuses_the_shipped_rules_and_loads_the_variant {
    use super::*;

    #[test]
    fn current() {
        Generation::Current.during(|| {
            let folder = tempfile::tempdir().unwrap();
            let variant = folder.path().join("rules.yml");
            let without = [Override::new("native_histograms", false)];
            std::fs::write(&variant, render::rules(&without).unwrap()).unwrap();
            for (rules, loads) in [
                (xtask::root().join("alert_rules.yml"), false),
                (variant, true),
            ] {
                let output = std::process::Command::new(VMALERT.require().unwrap())
                    .arg("-dryRun")
                    .arg(format!("-rule={}", rules.display()))
                    .output()
                    .unwrap();
                assert_eq!(output.status.success(), loads, "{output:?}");
            }
        });
    }
}

/// Of today's servers only: Debian has no vmalert.
mod the_health_check_names_the_cure_for_vmalert {
    use super::*;
    use crate::generations::{check, health_check};

    #[test]
    fn current() {
        Generation::Current.during(|| {
            for profile in ["baseline", "golden_signals"] {
                let variant = [
                    Override::new("native_histograms", false),
                    Override::new("profile", profile),
                ];
                let variant = render::rules(&variant).unwrap();
                let server = VictoriaMetrics::evaluating(&variant).unwrap();
                let judged = |more: &[&str]| {
                    let only = ["--only", "alerting/rules-loaded"];
                    let run = health_check(&server.url(), &[&only, more].concat());
                    check(&run, "alerting/rules-loaded").clone()
                };
                wait_until(PATIENCE, "vmalert's rules", || {
                    !judged(&[])["message"].as_str().unwrap().contains("none of")
                })
                .unwrap();
                let found = judged(&[]);
                assert_eq!(found["verdict"], "fail", "{found:#}");
                let hint = found["hint"].as_str().unwrap();
                let render = "cargo xtask render --set native_histograms=false";
                assert!(hint.contains(render), "{hint}");
                let is_golden = hint.contains("--set profile=golden_signals --out DIR");
                assert_eq!(is_golden, profile == "golden_signals", "{hint}");
                assert!(hint.contains("--rules DIR/alert_rules.yml"), "{hint}");

                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("alert_rules.yml");
                std::fs::write(&path, &variant).unwrap();
                let found = judged(&["--rules", path.to_str().unwrap()]);
                assert_eq!(found["verdict"], "pass", "{found:#}");
            }
        });
    }
}
