//! The command that comes next, with this run's own endpoints: what was found can be followed without
//! typing them again.
//!
//! Only what stood on the command line is repeated: what came from the environment or a file is still there.
//! No secret is: a header is named without its value, and a URL is shown without its user.

use std::path::PathBuf;

use clap::ValueEnum as _;
use seamless_cli::clean;
use seamless_core::duration;
use url::Url;

use crate::args::{Args, DEFAULT_MAX_AGE};
use crate::group::Group;
use crate::verdict::Next;

/// The endpoint options of a run, as words of a shell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Own {
    /// For this program.
    health_check: Vec<String>,
    /// For lease-recover, whose credentials without a prefix are the coordinator's.
    lease_recover: Vec<String>,
    /// What only some groups read or judge by, with those groups.
    of_groups: Vec<(&'static [Group], Vec<String>)>,
}

impl Own {
    pub(crate) fn of(args: &Args) -> Self {
        let mut own = Self::default();
        let http = &args.http;
        let path = |path: &Option<std::path::PathBuf>| {
            path.as_ref().map(|path| path.display().to_string())
        };
        own.both("--context", http.context.as_deref());
        own.both("--config", path(&http.config).as_deref());
        own.both("--ca-cert", path(&http.ca_cert).as_deref());
        let coordinator = &args.coordinator.coordinator_url;
        own.both(
            "--coordinator-url",
            coordinator.as_deref().map(shown).as_deref(),
        );
        let prometheus = &args.prometheus.prometheus_url;
        own.mine(
            "--prometheus-url",
            prometheus.as_deref().map(shown).as_deref(),
        );
        for url in &args.alertmanager_url {
            own.mine("--alertmanager-url", Some(&shown(url)));
        }
        own.mine("--client-cert", path(&http.client_cert).as_deref());
        own.mine("--client-key", path(&http.client_key).as_deref());
        own.mine("--selector", args.selector.as_deref());
        for (option, values) in [
            ("--bearer-token-file", &http.bearer_token_file),
            ("--header", &http.header),
        ] {
            for value in values {
                let value = without_value(option, value);
                own.mine(option, Some(&value));
                if value.starts_with("coordinator=") {
                    push(&mut own.lease_recover, option, &value);
                }
            }
        }
        own.judged_by(args);
        own
    }

    /// What checks read beside the endpoints, and what they judge by.
    fn judged_by(&mut self, args: &Args) {
        use Group::{Alerting, Coordinator, Environment, Exposition, Prometheus, Sla, Telemetry};
        let file =
            |path: &Option<PathBuf>| path.iter().map(|path| path.display().to_string()).collect();
        let max_age = Some(duration::format(args.max_age)).filter(|age| age != DEFAULT_MAX_AGE);
        let scraper = args.scraper.and_then(|scraper| scraper.to_possible_value());
        let rules = args
            .rules
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let options: [(&'static [Group], &str, Vec<String>); 14] = [
            (&[Environment], "--required-env", args.required_env.clone()),
            (
                &[Coordinator],
                "--coordinator-health-path",
                args.coordinator_health_path.iter().cloned().collect(),
            ),
            (
                &[Prometheus, Exposition],
                "--prometheus-metric",
                args.prometheus_metric.clone(),
            ),
            (&[Prometheus], "--max-age", max_age.into_iter().collect()),
            (
                &[Sla, Exposition, Telemetry],
                "--budget",
                args.budget.clone(),
            ),
            (
                &[Alerting, Sla, Exposition, Telemetry],
                "--profile",
                args.profile.iter().cloned().collect(),
            ),
            (&[Alerting, Sla], "--rules", rules),
            (&[Alerting], "--receiver", args.receiver.clone()),
            (
                &[Alerting],
                "--alertmanager-config",
                file(&args.alertmanager_config),
            ),
            (&[Alerting], "--external-label", args.external_label.clone()),
            (
                &[Exposition],
                "--metrics-url",
                args.metrics_url.iter().map(|url| shown(url)).collect(),
            ),
            (&[Exposition], "--metrics-file", file(&args.metrics_file)),
            (
                &[Exposition],
                "--scraper",
                scraper
                    .iter()
                    .map(|value| value.get_name().to_owned())
                    .collect(),
            ),
            (&[Telemetry], "--logs", file(&args.logs)),
        ];
        for (groups, option, values) in options {
            for value in values {
                self.of_group(groups, option, &value);
            }
        }
        if let Some(traces) = &args.traces {
            self.of_group(&[Telemetry], "--traces", &shown(traces));
        }
    }

    /// The whole command line of `next`, which follows a check of `group`.
    pub(crate) fn command(&self, next: &Next, group: Group) -> String {
        let of_group = || {
            let mine = self
                .of_groups
                .iter()
                .filter(|(groups, _)| groups.contains(&group));
            mine.flat_map(|(_, words)| words)
        };
        let (program, own, arguments): (_, Vec<&String>, _) = match next {
            Next::HealthCheck(arguments) => (
                "seamless-health-check",
                of_group().chain(&self.health_check).collect(),
                arguments,
            ),
            Next::LeaseRecover(arguments) => (
                "lease-recover",
                self.lease_recover.iter().collect(),
                arguments,
            ),
        };
        let arguments = arguments.iter().map(|word| quoted(word));
        let words = std::iter::once(program.to_owned())
            .chain(arguments)
            .chain(own.into_iter().cloned());
        words.collect::<Vec<_>>().join(" ")
    }

    fn of_group(&mut self, groups: &'static [Group], option: &str, value: &str) {
        let mut words = Vec::new();
        push(&mut words, option, value);
        self.of_groups.push((groups, words));
    }

    fn mine(&mut self, option: &str, value: Option<&str>) {
        if let Some(value) = value {
            push(&mut self.health_check, option, value);
        }
    }

    fn both(&mut self, option: &str, value: Option<&str>) {
        self.mine(option, value);
        if let Some(value) = value {
            push(&mut self.lease_recover, option, value);
        }
    }
}

fn push(words: &mut Vec<String>, option: &str, value: &str) {
    words.extend([option.to_owned(), quoted(value)]);
}

/// A URL without the user, password and query in it: a query may hold a token.
fn shown(url: &str) -> String {
    let Ok(mut parsed) = Url::parse(url) else {
        return url.to_owned();
    };
    let has_user = !parsed.username().is_empty() || parsed.password().is_some();
    if !has_user && parsed.query().is_none() {
        return url.to_owned();
    }
    // A URL that has a user has a host, without which these fail.
    let _ = parsed.set_username("");
    let _ = parsed.set_password(None);
    let query = if parsed.query().is_some() { "?…" } else { "" };
    parsed.set_query(None);
    format!("{parsed}{query}")
}

fn without_value(option: &str, value: &str) -> String {
    match value.split_once(':') {
        Some((name, _)) if option == "--header" => format!("{name}: …"),
        _ => value.to_owned(),
    }
}

/// A text as a shell takes it for one word.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", clean(text).replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    fn own(options: &[&str]) -> Own {
        let program = std::iter::once("seamless-health-check");
        Own::of(&Args::try_parse_from(program.chain(options.iter().copied())).unwrap())
    }

    #[test]
    fn each_program_gets_the_endpoints_that_it_has() {
        let own = own(&[
            "--context=eu",
            "--coordinator-url=http://c:8080",
            "--prometheus-url=http://p:9090",
            "--selector",
            "cluster=\"eu\"",
            "--bearer-token-file=coordinator=/run/c",
            "--bearer-token-file=/run/p",
        ]);
        assert_eq!(
            own.command(
                &Next::lease_recover(&["--list", "--stuck"]),
                Group::Coordinator
            ),
            "lease-recover --list --stuck --context eu --coordinator-url http://c:8080 \
             --bearer-token-file coordinator=/run/c"
        );
        assert_eq!(
            own.command(&Next::health_check(&["--only", "sla"]), Group::Sla),
            "seamless-health-check --only sla --context eu --coordinator-url http://c:8080 \
             --prometheus-url http://p:9090 --selector 'cluster=\"eu\"' \
             --bearer-token-file coordinator=/run/c --bearer-token-file /run/p"
        );
    }

    #[test]
    fn a_check_is_followed_with_what_it_reads_and_judges_by() {
        let own = own(&[
            "--metrics-file=/tmp/seam less.prom",
            "--scraper=2",
            "--logs=seamless.jsonl",
            "--traces=http://me:hunter2@tempo:4318/",
            "--rules=site.yml",
            "--receiver=critical=oncall",
            "--budget=total=120",
            "--required-env=REGION",
            "--max-age=10m",
        ]);
        for (group, options) in [
            (Group::Environment, " --required-env REGION"),
            (Group::Coordinator, ""),
            (Group::Prometheus, " --max-age 10m"),
            (
                Group::Alerting,
                " --rules site.yml --receiver critical=oncall",
            ),
            (Group::Sla, " --budget total=120 --rules site.yml"),
            (
                Group::Exposition,
                " --budget total=120 --metrics-file '/tmp/seam less.prom' --scraper 2",
            ),
            (
                Group::Telemetry,
                " --budget total=120 --logs seamless.jsonl --traces http://tempo:4318/",
            ),
        ] {
            let next = Next::health_check(&["--only", group.name()]);
            let command = format!("seamless-health-check --only {}{options}", group.name());
            assert_eq!(own.command(&next, group), command);
            let next = Next::lease_recover(&["--list"]);
            assert_eq!(own.command(&next, group), "lease-recover --list");
        }
    }

    #[test]
    fn no_secret_is_repeated() {
        let own = own(&[
            "--prometheus-url=http://me:hunter2@p:9090/x",
            "--header=Authorization: Bearer hunter2",
            "--header=coordinator=X-Key: hunter2",
            "--metrics-url=http://p:8000/metrics?token=hunter2",
        ]);
        let next = Next::health_check(&["--only", "exposition"]);
        let command = own.command(&next, Group::Exposition);
        assert!(
            command.contains(" --metrics-url 'http://p:8000/metrics?…'"),
            "{command}"
        );
        assert!(!command.contains("hunter2"), "{command}");
        for next in [Next::lease_recover(&[]), Next::health_check(&[])] {
            let command = own.command(&next, Group::Sla);
            assert!(!command.contains("hunter2"), "{command}");
            assert!(command.contains("'coordinator=X-Key: …'"), "{command}");
        }
    }
}
