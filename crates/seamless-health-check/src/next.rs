//! The command that comes next, with this run's own endpoints: what was found can be followed without
//! typing them again.
//!
//! Only what stood on the command line is repeated: what came from the environment or a file is still there.
//! No secret is: a header is named without its value, and a URL is shown without its user.

use seamless_cli::clean;
use url::Url;

use crate::args::Args;
use crate::verdict::Next;

/// The endpoint options of a run, as words of a shell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Own {
    /// For this program.
    health_check: Vec<String>,
    /// For lease-recover, whose credentials without a prefix are the coordinator's.
    lease_recover: Vec<String>,
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
        for rules in &args.rules {
            own.mine("--rules", Some(&rules.display().to_string()));
        }
        for receiver in &args.receiver {
            own.mine("--receiver", Some(receiver));
        }
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
        own
    }

    /// The whole command line of `next`.
    pub(crate) fn command(&self, next: &Next) -> String {
        let (program, own, arguments) = match next {
            Next::HealthCheck(arguments) => {
                ("seamless-health-check", &self.health_check, arguments)
            }
            Next::LeaseRecover(arguments) => ("lease-recover", &self.lease_recover, arguments),
        };
        let arguments = arguments.iter().map(|word| quoted(word));
        let words = std::iter::once(program.to_owned())
            .chain(arguments)
            .chain(own.iter().cloned());
        words.collect::<Vec<_>>().join(" ")
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

/// A URL without the user and password in it.
fn shown(url: &str) -> String {
    let Ok(mut parsed) = Url::parse(url) else {
        return url.to_owned();
    };
    if parsed.username().is_empty() && parsed.password().is_none() {
        return url.to_owned();
    }
    // A URL that has a user has a host, without which these fail.
    let _ = parsed.set_username("");
    let _ = parsed.set_password(None);
    parsed.to_string()
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
            own.command(&Next::lease_recover(&["--list", "--stuck"])),
            "lease-recover --list --stuck --context eu --coordinator-url http://c:8080 \
             --bearer-token-file coordinator=/run/c"
        );
        assert_eq!(
            own.command(&Next::health_check(&["--only", "sla"])),
            "seamless-health-check --only sla --context eu --coordinator-url http://c:8080 \
             --prometheus-url http://p:9090 --selector 'cluster=\"eu\"' \
             --bearer-token-file coordinator=/run/c --bearer-token-file /run/p"
        );
    }

    #[test]
    fn no_secret_is_repeated() {
        let own = own(&[
            "--prometheus-url=http://me:hunter2@p:9090/x",
            "--header=Authorization: Bearer hunter2",
            "--header=coordinator=X-Key: hunter2",
        ]);
        for next in [Next::lease_recover(&[]), Next::health_check(&[])] {
            let command = own.command(&next);
            assert!(!command.contains("hunter2"), "{command}");
            assert!(command.contains("'coordinator=X-Key: …'"), "{command}");
        }
    }
}
