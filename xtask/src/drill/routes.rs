//! The shipped `alertmanager.yml`, led to the lab's pager instead of the real services.
//!
//! Receivers, routes, inhibition, grouping and message texts stay as they ship. Only what must differ
//! does: URLs, the files that hold secrets, and the timings, which shrink with the rules.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use seamless_core::duration;
use seamless_lab::pager::Pager;
use serde_json::{Value, json};

use super::pace::Pace;

/// A configuration and the secret files that it names, by file name.
#[derive(Debug)]
pub(super) struct Routes {
    pub(super) config: String,
    pub(super) files: Vec<(String, String)>,
}

/// Where the pager takes what is meant for each service.
pub(super) struct Targets<'t> {
    pub(super) pagerduty: String,
    pub(super) slack: &'t dyn Fn(&str) -> String,
    pub(super) webhook: &'t dyn Fn(&str) -> String,
}

impl Routes {
    /// The shipped routes, led to `pager`.
    pub(super) fn shipped(root: &Path, pager: &Pager, pace: Pace) -> Result<Self> {
        let path = root.join("alertmanager.yml");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let targets = Targets {
            pagerduty: pager.pagerduty_url(),
            slack: &|receiver| pager.slack_url(receiver),
            webhook: &|receiver| pager.webhook_url(receiver),
        };
        Self::led_to(&text, &targets, pace).context("alertmanager.yml")
    }

    fn led_to(yaml: &str, targets: &Targets<'_>, pace: Pace) -> Result<Self> {
        let mut config: Value = serde_saphyr::from_str(yaml).context("not YAML")?;
        let mut files = Vec::new();

        if let Some(Value::Object(global)) = config.get_mut("global") {
            for secret in ["slack_api_url", "slack_api_url_file", "pagerduty_url"] {
                global.remove(secret);
            }
        }
        if let Some(route) = config.get_mut("route") {
            scale_timings(route, pace)?;
        }
        for receiver in elements(&mut config, "receivers") {
            let name = receiver["name"].as_str().unwrap_or_default().to_owned();
            let Some(receiver) = receiver.as_object_mut() else {
                bail!("a receiver is not a mapping");
            };
            for (kind, configs) in receiver {
                for entry in configs.as_array_mut().into_iter().flatten() {
                    match kind.as_str() {
                        "pagerduty_configs" => {
                            entry["url"] = json!(targets.pagerduty);
                            let file = format!("{name}-routing-key");
                            replace_secret(entry, "routing_key", &file);
                            files.push((file, "drill-routing-key".to_owned()));
                        }
                        "slack_configs" => {
                            let file = format!("{name}-url");
                            replace_secret(entry, "api_url", &file);
                            files.push((file, (targets.slack)(&name)));
                        }
                        "webhook_configs" => entry["url"] = json!((targets.webhook)(&name)),
                        other => bail!("the drill cannot lead {other} to its pager"),
                    }
                }
            }
        }
        Ok(Self {
            config: config.to_string(),
            files,
        })
    }
}

/// Names a file beside the configuration instead of whatever held the secret.
fn replace_secret(entry: &mut Value, key: &str, file: &str) {
    if let Some(entry) = entry.as_object_mut() {
        entry.remove(key);
        entry.insert(format!("{key}_file"), json!(file));
    }
}

fn scale_timings(route: &mut Value, pace: Pace) -> Result<()> {
    for key in ["group_wait", "group_interval", "repeat_interval"] {
        if let Some(text) = route[key].as_str() {
            let time = duration::parse(text).with_context(|| format!("{key}: {text}"))?;
            // Nothing to wait for stays so.
            if !time.is_zero() {
                route[key] = json!(duration::format(pace.of(time)));
            }
        }
    }
    for route in elements(route, "routes") {
        scale_timings(route, pace)?;
    }
    Ok(())
}

/// The elements of a list that may be absent.
fn elements<'v>(parent: &'v mut Value, key: &str) -> impl Iterator<Item = &'v mut Value> {
    let list = parent.get_mut(key).and_then(Value::as_array_mut);
    list.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_routes_reach_nothing_but_the_pager() {
        let shipped = std::fs::read_to_string(crate::root().join("alertmanager.yml")).unwrap();
        let targets = Targets {
            pagerduty: "http://127.0.0.1:1/v2/enqueue".to_owned(),
            slack: &|name| format!("http://127.0.0.1:1/services/{name}"),
            webhook: &|name| format!("http://127.0.0.1:1/webhook/{name}"),
        };
        let routes = Routes::led_to(&shipped, &targets, Pace::DRILL).unwrap();
        let config: Value = serde_json::from_str(&routes.config).unwrap();
        for foreign in [
            "https://",
            "/etc/",
            "events.pagerduty.com",
            "hooks.slack.com",
        ] {
            assert!(!routes.config.contains(foreign), "{foreign}: {config:#}");
        }
        let before: Value = serde_saphyr::from_str(&shipped).unwrap();
        assert_eq!(config["inhibit_rules"], before["inhibit_rules"]);
        assert_eq!(config["route"]["group_by"], before["route"]["group_by"]);
        let real = Routes::led_to(&shipped, &targets, Pace::REAL).unwrap();
        let real: Value = serde_json::from_str(&real.config).unwrap();
        assert_eq!(real["route"], before["route"]);
        assert_ne!(config["route"], before["route"]);
        let names: Vec<&str> = routes.files.iter().map(|file| file.0.as_str()).collect();
        for name in &names {
            assert!(routes.config.contains(name), "{name}");
        }
        assert!(!names.is_empty());
    }

    #[test]
    fn a_receiver_that_would_reach_somebody_else_is_refused() {
        let yaml = "receivers: [{name: x, email_configs: [{to: a@example.com}]}]";
        let targets = Targets {
            pagerduty: String::new(),
            slack: &|_| String::new(),
            webhook: &|_| String::new(),
        };
        let error = Routes::led_to(yaml, &targets, Pace::DRILL).unwrap_err();
        assert!(error.to_string().contains("email_configs"), "{error}");
    }
}
