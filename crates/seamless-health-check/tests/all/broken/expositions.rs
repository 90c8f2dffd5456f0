//! Faults that an exposition shows by itself, with no Prometheus.

use super::scraping::without;
use super::site::SoundSite;
use super::table::{self, Row};
use crate::support::program;

#[test]
fn files() {
    let site = &SoundSite::start();
    let folder = tempfile::tempdir().unwrap();
    let sound = site.runtime.exposition();
    let file = |text: &str| {
        let path = folder.path().join("metrics");
        std::fs::write(&path, text).unwrap();
        let mut command = program();
        command
            .arg("--metrics-file")
            .arg(path)
            .args(["--only", "exposition"]);
        command
    };
    let row = |fault: &str, id: &str, says: &str, text: &str| {
        assert_ne!(text, sound, "{fault}: nothing is changed");
        Row::named(fault, id, says, &mut file(text))
    };
    let replaced = |from: &str, to: &str| sound.replace(from, to);
    let first = sound
        .lines()
        .find(|line| line.starts_with("coverage_ratio{"));
    let first = first.unwrap_or_default();
    table::check(
        "broken/files",
        &[
            Row::healthy("nothing, in the exposition", &mut file(&sound)),
            row(
                "a label twice in one series of the exposition",
                "exposition/readable",
                "duplicate label",
                &replaced(first, &first.replace('{', "{interval=\"1\",")),
            ),
            row(
                "a page of HTML for an exposition",
                "exposition/readable",
                "line 1",
                "<!DOCTYPE html><html><body>Sign in</body></html>",
            ),
            row(
                "a name with a typo in the exposition",
                "exposition/families",
                "seamless_total_ms: is not exposed",
                &replaced("seamless_total_ms", "seamless_toatl_ms"),
            ),
            row(
                "a gauge for a counter in the exposition",
                "exposition/types",
                "is a gauge, must be a counter",
                &replaced(
                    "# TYPE seamless_conformance_flag_total counter",
                    "# TYPE seamless_conformance_flag_total gauge",
                ),
            ),
            row(
                "a label is missing in the exposition",
                "exposition/labels",
                "the label world_id is missing",
                &replaced("world_id=", "world="),
            ),
            row(
                "buckets that cannot carry the budget in the exposition",
                "exposition/buckets",
                "can never fire",
                &[
                    "le=\"90.0\"",
                    "le=\"120.0\"",
                    "le=\"180.0\"",
                    "le=\"240.0\"",
                    "le=\"300.0\"",
                    "le=\"600.0\"",
                    "le=\"60.0\"",
                ]
                .iter()
                .fold(sound.clone(), |text, edge| without(&text, edge)),
            ),
        ],
    );
}
