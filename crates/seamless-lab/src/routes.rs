//! An `alertmanager.yml` led to the lab's pager instead of the real services.
//!
//! Receivers, routes, inhibition, grouping and message texts stay as they ship. Only what must differ
//! does: URLs, the files that hold secrets, and the timings, which shrink with the rules.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use seamless_core::duration;
use serde_json::{Value, json};

use crate::pager::Pager;

/// A configuration and the secret files that it names, by file name.
#[derive(Debug, Clone)]
pub struct Routes {
    /// The configuration; JSON is YAML too.
    pub config: String,
    /// Names and contents of the files beside it.
    pub files: Vec<(String, String)>,
}

/// Where the pager takes what is meant for each service.
struct PagerTargets<'t> {
    pagerduty: String,
    slack: &'t dyn Fn(&str) -> String,
    webhook: &'t dyn Fn(&str) -> String,
}

impl Routes {
    /// The routes in `yaml`, led to `pager`, with their timings multiplied by `time_scale`.
    ///
    /// # Errors
    /// If it is no such file, or has a receiver that would reach somebody else than the pager.
    pub fn led_to_pager(yaml: &str, pager: &Pager, time_scale: f64) -> Result<Self> {
        let targets = PagerTargets {
            pagerduty: pager.pagerduty_url(),
            slack: &|receiver| pager.slack_url(receiver),
            webhook: &|receiver| pager.webhook_url(receiver),
        };
        Self::led_to(yaml, &targets, time_scale)
    }

    fn led_to(yaml: &str, targets: &PagerTargets<'_>, time_scale: f64) -> Result<Self> {
        let mut config: Value = serde_saphyr::from_str(yaml).context("not YAML")?;
        let mut files = Vec::new();

        if let Some(Value::Object(global)) = config.get_mut("global") {
            for secret in ["slack_api_url", "slack_api_url_file", "pagerduty_url"] {
                global.remove(secret);
            }
        }
        if let Some(route) = config.get_mut("route") {
            scale_timings(route, time_scale)?;
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
                        other => bail!("{other} cannot be led to the lab's pager"),
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

fn scale_timings(route: &mut Value, time_scale: f64) -> Result<()> {
    for key in ["group_wait", "group_interval", "repeat_interval"] {
        if let Some(text) = route[key].as_str() {
            let time = duration::parse(text).with_context(|| format!("{key}: {text}"))?;
            // Nothing to wait for stays so.
            if !time.is_zero() {
                route[key] = json!(duration::format(scaled(time, time_scale)));
            }
        }
    }
    for route in elements(route, "routes") {
        scale_timings(route, time_scale)?;
    }
    Ok(())
}

/// A time at that scale; a changed one is in whole seconds and at least one.
#[must_use]
pub fn scaled(time: Duration, time_scale: f64) -> Duration {
    if time_scale == 1.0 {
        return time;
    }
    let seconds = time.as_secs_f64() * time_scale;
    Duration::from_secs_f64(seconds.round().max(1.0))
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
        let shipped = include_str!("../../../alertmanager.yml");
        let targets = PagerTargets {
            pagerduty: "http://127.0.0.1:1/v2/enqueue".to_owned(),
            slack: &|name| format!("http://127.0.0.1:1/services/{name}"),
            webhook: &|name| format!("http://127.0.0.1:1/webhook/{name}"),
        };
        let routes = Routes::led_to(shipped, &targets, 0.1).unwrap();
        let config: Value = serde_json::from_str(&routes.config).unwrap();
        for foreign in [
            "https://",
            "/etc/",
            "events.pagerduty.com",
            "hooks.slack.com",
        ] {
            assert!(!routes.config.contains(foreign), "{foreign}: {config:#}");
        }
        let before: Value = serde_saphyr::from_str(shipped).unwrap();
        assert_eq!(config["inhibit_rules"], before["inhibit_rules"]);
        assert_eq!(config["route"]["group_by"], before["route"]["group_by"]);
        let real = Routes::led_to(shipped, &targets, 1.0).unwrap();
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
        let targets = PagerTargets {
            pagerduty: String::new(),
            slack: &|_| String::new(),
            webhook: &|_| String::new(),
        };
        let error = Routes::led_to(yaml, &targets, 0.1).unwrap_err();
        assert!(error.to_string().contains("email_configs"), "{error}");
    }
}
