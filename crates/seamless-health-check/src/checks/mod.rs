//! Every check, in the order in which results are shown: preconditions first.

pub(crate) mod alerting;
mod coordinator;
mod environment;
mod exposition;
mod prometheus;
mod sla;
mod telemetry;

use std::collections::BTreeSet;

use seamless_cli::UsageError;
use seamless_core::config::Service;

use crate::check::{Check, Group};
use crate::request::Request;
use crate::words::did_you_mean;

/// Every check there is.
pub(crate) fn all() -> Vec<Check> {
    [
        environment::CHECKS,
        coordinator::CHECKS,
        prometheus::CHECKS,
        alerting::CHECKS,
        sla::CHECKS,
        exposition::CHECKS,
        telemetry::CHECKS,
    ]
    .concat()
}

/// The checks that `--only` and `--skip` leave, with those that they require.
pub(crate) fn select(only: &[String], skip: &[String]) -> Result<Vec<Check>, UsageError> {
    let all = all();
    let ids = |flag: &str, names: &[String]| -> Result<BTreeSet<String>, UsageError> {
        let mut found = BTreeSet::new();
        for name in names {
            let matching = all
                .iter()
                .filter(|check| check.group.name() == name || check.id() == *name);
            let matching: Vec<String> = matching.map(Check::id).collect();
            if matching.is_empty() {
                let groups = Group::ALL.map(Group::name);
                let ids: Vec<String> = all.iter().map(Check::id).collect();
                let known = groups.into_iter().chain(ids.iter().map(String::as_str));
                let meant = did_you_mean(name, known);
                return Err(UsageError(format!(
                    "{flag} {name}: no such check; {meant}give a group ({}) or an id that --list shows",
                    groups.join(", ")
                )));
            }
            found.extend(matching);
        }
        Ok(found)
    };
    let wanted = if only.is_empty() {
        all.iter().map(Check::id).collect()
    } else {
        with_required(&all, &ids("--only", only)?)
    };
    let unwanted = ids("--skip", skip)?;
    let chosen: Vec<Check> = all
        .iter()
        .filter(|check| wanted.contains(&check.id()) && !unwanted.contains(&check.id()))
        .copied()
        .collect();
    if chosen.is_empty() {
        return Err(UsageError("--only and --skip leave no check".to_owned()));
    }
    Ok(chosen)
}

/// The services without which some of the checks can tell nothing.
pub(crate) fn required_services(checks: &[Check]) -> Vec<Service> {
    let mut required = Vec::new();
    if checks.iter().any(Check::needs_prometheus) {
        required.push(Service::Prometheus);
    }
    if checks.iter().any(|check| check.group == Group::Coordinator) {
        required.push(Service::Coordinator);
    }
    required
}

/// Those of the checks for which something was given to read; `chosen`, where they were named, stay and say
/// what is missing.
pub(crate) fn applicable(
    mut checks: Vec<Check>,
    chosen: bool,
    request: &Request,
) -> Result<Vec<Check>, UsageError> {
    for (group, is_given, options) in [
        (
            Group::Exposition,
            request.exposition.is_some(),
            "--metrics-url or --metrics-file",
        ),
        (
            Group::Telemetry,
            request.telemetry.is_asked(),
            "--logs or --traces",
        ),
    ] {
        if is_given {
            continue;
        }
        if checks.iter().all(|check| check.group == group) {
            let message = format!("the {} group needs {options}", group.name());
            return Err(UsageError(message));
        }
        if !chosen {
            checks.retain(|check| check.group != group);
        }
    }
    Ok(checks)
}

/// The ids that `selected` and all they require name.
fn with_required(all: &[Check], selected: &BTreeSet<String>) -> BTreeSet<String> {
    let mut wanted = selected.clone();
    loop {
        let more: Vec<String> = all
            .iter()
            .filter(|check| wanted.contains(&check.id()))
            .flat_map(|check| check.requires)
            .map(|id| (*id).to_owned())
            .filter(|id| !wanted.contains(id))
            .collect();
        if more.is_empty() {
            return wanted;
        }
        wanted.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use regex::Regex;

    use super::*;

    #[test]
    fn ids_are_unique_and_requirements_come_first() {
        let mut seen = BTreeSet::new();
        for check in all() {
            for required in check.requires {
                assert!(seen.contains(*required), "{} before {required}", check.id());
            }
            assert!(seen.insert(check.id()), "{} twice", check.id());
            assert!(!check.hint.is_empty() && !check.title.is_empty());
            let (verdict, message) = check.explained.example.split_once("  ").unwrap();
            let words = ["pass", "warn", check.severity.word()];
            assert!(
                words.contains(&verdict) && !message.is_empty(),
                "{}",
                check.id()
            );
            assert_eq!(check.anchor, format!("check-{}", check.group.name()));
        }
    }

    /// What the judges of a check say, as patterns: the texts of its file, and of what it shares with others.
    fn said_by(check: &Check) -> Vec<Regex> {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let own = format!(
            "checks/{}/{}.rs",
            check.group.name(),
            check.name.replace('-', "_")
        );
        let shared: &[&str] = match check.id().as_str() {
            "telemetry/receiver" => &[
                "telemetry/receiver.rs",
                "../../seamless-core/src/http/error.rs",
            ],
            "coordinator/health" | "prometheus/ready" | "alerting/alertmanager-ready" => &[
                "../../seamless-core/src/http/service.rs",
                "../../seamless-core/src/http/error.rs",
            ],
            "exposition/valid" => &["../../seamless-core/src/exposition/read/problem.rs"],
            _ if check.group == Group::Telemetry => &["checks/telemetry/events.rs"],
            _ if check.group == Group::Alerting => &["paging/ways.rs"],
            _ => &[],
        };
        let text = Regex::new(r#"(?s)"((?:[^"\\]|\\.)*)""#).unwrap();
        let value = Regex::new(r"\\\{[^{}]*\\\}").unwrap();
        let mut said = Vec::new();
        for file in std::iter::once(own.as_str()).chain(shared.iter().copied()) {
            let source = fs::read_to_string(sources.join(file)).unwrap();
            let source = source.split("#[cfg(test)]").next().unwrap();
            let described = ["example: ", "means: ", "remedy: ", "title: ", "hint: "];
            let is_said = |line: &&str| !described.iter().any(|of| line.trim().starts_with(of));
            let lines: Vec<&str> = source.lines().filter(is_said).collect();
            for found in text.captures_iter(&lines.join("\n")) {
                let found = found[1].replace(r#"\""#, "\"");
                let found = found.replace("{{{}}}", "{}");
                let pattern = value.replace_all(&regex::escape(&found), ".*").into_owned();
                // What says nothing by itself proves nothing.
                if pattern
                    .replace(".*", "")
                    .chars()
                    .filter(|c| !c.is_whitespace())
                    .count()
                    >= 5
                {
                    let pattern = format!(r"^(?:.+[:;] )?{pattern}(?: \(and \d+ more\))?$");
                    said.push(Regex::new(&pattern).unwrap());
                }
            }
        }
        said
    }

    #[test]
    fn an_example_is_what_the_check_says() {
        let mut invented = Vec::new();
        // What fires says it by its summary.
        let rules = include_str!("../../../../alert_rules.yml");
        let summaries = rules
            .lines()
            .filter_map(|line| line.trim().strip_prefix("summary: "));
        for check in all() {
            let (verdict, message) = check.explained.example.split_once("  ").unwrap();
            assert!(["pass", "warn", check.severity.word()].contains(&verdict));
            let said = said_by(&check);
            let is_summary = || summaries.clone().any(|summary| message.ends_with(summary));
            if !said.iter().any(|pattern| pattern.is_match(message)) && !is_summary() {
                invented.push(format!("{} never says {message:?}", check.id()));
            }
        }
        assert_eq!(invented, [""; 0]);
    }
}
