//! One Prometheus, one Alertmanager and what it tells, reconfigured by reload from scene to scene.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use seamless_lab::faults::{Faults, Reply};
use seamless_lab::servers::{AMTOOL, Alertmanager, Prometheus};
use seamless_lab::wait_until;
use serde_json::{Value, json};

use crate::support::{PATIENCE, program, quick_rules, shipped};

/// Servers, and a pager that can refuse its key or be down.
pub(crate) struct PagedSite {
    pub(crate) prometheus: Prometheus,
    pub(crate) alertmanager: Arc<Alertmanager>,
    /// What the pager answers.
    answer: Arc<AtomicU16>,
    pager: Faults,
    _folder: tempfile::TempDir,
    rules: std::path::PathBuf,
}

/// The shipped rules, evaluated every second, with the namespace that an operator adds.
pub(crate) fn rules() -> String {
    quick_rules().replace(
        "      service: seamless\n",
        "      service: seamless\n      namespace: seamless\n",
    )
}

/// The shipped configuration; its secrets lie beside it.
pub(crate) fn alertmanager_yml() -> String {
    shipped("alertmanager.yml")
        .replace("/etc/alertmanager/secrets/", "")
        .replace(
            "https://events.pagerduty.com/v2/enqueue",
            "http://127.0.0.1:1/v2/enqueue",
        )
        .replace(
            "https://deadmansswitch.example.com/seamless",
            "http://127.0.0.1:1/",
        )
}

/// What a pager answers that takes a page, that refuses the key, and that is down.
pub(crate) const TAKEN: u16 = 202;
pub(crate) const REFUSED: u16 = 400;
pub(crate) const DOWN: u16 = 503;

/// Stands for the pager's URL.
const NOWHERE: &str = "http://127.0.0.1:1";

/// A configuration of a route and receivers.
pub(crate) fn routed(route: &str, receivers: &str) -> String {
    format!("route: {route}\nreceivers: {receivers}\n")
}

impl PagedSite {
    pub(crate) fn start() -> Self {
        let answer = Arc::new(AtomicU16::new(TAKEN));
        let status = Arc::clone(&answer);
        // Slack and the watchdog's receiver take everything: whether their turn comes
        // while the key is refused depends on how fast the machine is.
        let pager = Faults::choose(move |request, _| {
            let is_page = request.path.contains("enqueue");
            let status = if is_page {
                status.load(Ordering::SeqCst)
            } else {
                TAKEN
            };
            Reply::status(status).body("ok").into()
        })
        .unwrap();
        let alertmanager = Alertmanager::builder()
            .config(alertmanager_yml().replace(NOWHERE, &pager.url()))
            .file("slack_api_url", pager.url())
            .file("pagerduty_routing_key", "key")
            .start()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rules.yml");
        std::fs::write(&path, rules()).unwrap();
        let prometheus = Prometheus::builder()
            .rules(rules())
            .external_label("cluster", "eu")
            .flag("--rules.alert.resend-delay=1s")
            .alertmanager(alertmanager.address())
            .start()
            .unwrap();
        let site = Self {
            prometheus,
            alertmanager: Arc::new(alertmanager),
            answer,
            pager,
            _folder: folder,
            rules: path,
        };
        site.load(&rules());
        site.arrives();
        site
    }

    /// The program, asked for the path of every alert.
    pub(crate) fn check(&self) -> Command {
        self.arrives_or_not();
        let mut command = program();
        command
            .env("QMTL_PROMETHEUS_URL", self.prometheus.url())
            .env("QMTL_ALERTMANAGER_URL", self.alertmanager.url())
            .arg("--rules")
            .arg(&self.rules);
        for name in [
            "rules-loaded",
            "rules-evaluated",
            "held",
            "sent",
            "routes",
            "open",
            "silences",
            "inhibitions",
            "delivered",
        ] {
            command.args(["--only", &format!("alerting/{name}")]);
        }
        command
    }

    /// Another Alertmanager with the shipped configuration, below `prefix`, which nobody sends to.
    pub(crate) fn second_alertmanager(&self, prefix: &str) -> Alertmanager {
        Alertmanager::builder()
            .prefix(prefix)
            .config(alertmanager_yml().replace(NOWHERE, &self.pager.url()))
            .file("slack_api_url", self.pager.url())
            .file("pagerduty_routing_key", "key")
            .start()
            .unwrap()
    }

    /// Lets Prometheus send to these `HOST:PORT`.
    pub(crate) fn send_to(&self, addresses: &[String]) {
        let to = json!([{"static_configs": [{"targets": addresses}]}]);
        self.prometheus
            .change_config(|config| config["alerting"]["alertmanagers"] = to)
            .unwrap();
    }

    /// Reloads Alertmanager with a configuration that tells the pager.
    pub(crate) fn configure(&self, yaml: &str) -> anyhow::Result<()> {
        self.alertmanager
            .set_config(&yaml.replace(NOWHERE, &self.pager.url()))
    }

    /// Loads rules and waits until each was evaluated.
    pub(crate) fn load(&self, rules: &str) {
        self.prometheus.set_rules(rules).unwrap();
        wait_until(PATIENCE, "every rule's evaluation", || {
            self.prometheus
                .get("/api/v1/rules", &[])
                .is_ok_and(|rules| !rules.contains(r#""health":"unknown""#))
        })
        .unwrap();
        self.arrives();
    }

    /// Waits until the watchdog arrives.
    pub(crate) fn arrives(&self) {
        let since = jiff::Timestamp::now();
        let filter = [("filter", "alertname=\"SeamlessWatchdog\"")];
        let is_new = |alert: &Value| {
            let updated = alert["updatedAt"].as_str().unwrap_or_default();
            updated
                .parse::<jiff::Timestamp>()
                .is_ok_and(|updated| updated > since)
        };
        wait_until(PATIENCE, "the watchdog", || {
            let held = self.alertmanager.get("/api/v2/alerts", &filter);
            let held: Value = held
                .ok()
                .and_then(|held| serde_json::from_str(&held).ok())
                .unwrap_or_default();
            held.as_array().is_some_and(|held| held.iter().any(is_new))
        })
        .unwrap();
    }

    /// A reload takes Prometheus some seconds to find its Alertmanager again.
    fn arrives_or_not(&self) {
        let known = || {
            self.prometheus
                .get("/api/v1/alertmanagers", &[])
                .is_ok_and(|known| !known.contains(r#""activeAlertmanagers":[]"#))
        };
        wait_until(PATIENCE, "an Alertmanager", known).unwrap();
    }

    /// Waits until Prometheus sends to `address`.
    pub(crate) fn knows(&self, address: &str) {
        wait_until(PATIENCE, address, || {
            self.prometheus
                .get("/api/v1/alertmanagers", &[])
                .is_ok_and(|known| known.contains(address))
        })
        .unwrap();
    }

    pub(crate) fn post_alerts(&self, alerts: &Value) {
        self.alertmanager
            .post("/api/v2/alerts", Some(alerts))
            .unwrap();
        let name = alerts[0]["labels"]["alertname"]
            .as_str()
            .unwrap()
            .to_owned();
        wait_until(PATIENCE, &name, || {
            self.alertmanager
                .get("/api/v2/alerts", &[])
                .is_ok_and(|held| held.contains(&name))
        })
        .unwrap();
    }

    /// Ends an alert.
    pub(crate) fn resolve(&self, labels: &Value) {
        let ended = json!([{"labels": labels, "startsAt": "2024-01-01T00:00:00Z", "endsAt": "2024-01-01T00:01:00Z"}]);
        self.alertmanager
            .post("/api/v2/alerts", Some(&ended))
            .unwrap();
        let filter = format!("alertname=\"{}\"", labels["alertname"].as_str().unwrap());
        let cluster = labels["cluster"].as_str().unwrap().to_owned();
        wait_until(PATIENCE, "the end of an alert", || {
            self.alertmanager
                .get("/api/v2/alerts", &[("filter", &filter)])
                .is_ok_and(|held| !held.contains(&format!("\"cluster\":\"{cluster}\"")))
        })
        .unwrap();
    }

    /// Ends the watchdog that Alertmanager holds; Prometheus must not send it any more.
    pub(crate) fn forget_the_watchdog(&self) {
        let held: Value = serde_json::from_str(
            &self
                .alertmanager
                .get(
                    "/api/v2/alerts",
                    &[("filter", "alertname=\"SeamlessWatchdog\"")],
                )
                .unwrap(),
        )
        .unwrap();
        for alert in held.as_array().unwrap() {
            self.resolve(&alert["labels"]);
        }
    }

    /// Silences what matches and returns the silence's id.
    pub(crate) fn silence(&self, matchers: &[Value]) -> String {
        let now = jiff::Timestamp::now();
        let until = now
            .checked_add(jiff::SignedDuration::from_hours(1))
            .unwrap();
        let silence = json!({
            "matchers": matchers, "startsAt": now.to_string(), "endsAt": until.to_string(),
            "createdBy": "someone", "comment": "maintenance"
        });
        let made = self
            .alertmanager
            .post("/api/v2/silences", Some(&silence))
            .unwrap();
        let made: Value = serde_json::from_str(&made).unwrap();
        let id = made["silenceID"].as_str().unwrap().to_owned();
        wait_until(PATIENCE, "the silence", || {
            self.alertmanager
                .get(&format!("/api/v2/silence/{id}"), &[])
                .is_ok_and(|s| s.contains(r#""state":"active""#))
        })
        .unwrap();
        id
    }

    pub(crate) fn expire(&self, id: &str) {
        let mut amtool = Command::new(AMTOOL.require().unwrap());
        amtool.arg(format!("--alertmanager.url={}", self.alertmanager.url()));
        assert!(
            amtool
                .args(["silence", "expire", id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Lets the pager answer so from now on, and Alertmanager page at once.
    pub(crate) fn pager_answers(&self, status: u16) {
        self.answer.store(status, Ordering::SeqCst);
        self.configure(&alertmanager_yml().replace("group_wait: 10s", "group_wait: 0s"))
            .unwrap();
    }

    /// Fires a critical alert again and again, so that each second a page goes out.
    pub(crate) fn fire(&self) {
        for number in 0..6 {
            let alert =
                json!([{"labels": {"alertname": format!("Page{number}"), "severity": "critical"}}]);
            self.alertmanager
                .post("/api/v2/alerts", Some(&alert))
                .unwrap();
        }
        wait_until(PATIENCE, "a refused page", || {
            self.alertmanager.get("/metrics", &[]).is_ok_and(|text| {
                text.lines().any(|line| {
                    line.starts_with("alertmanager_notifications_failed_total{")
                        && line.contains("pagerduty")
                        && !line.ends_with(" 0")
                })
            })
        })
        .unwrap();
        // More of them while the program looks twice.
        let alertmanager = Arc::clone(&self.alertmanager);
        std::thread::spawn(move || {
            for number in 6..60 {
                let alert = json!([{"labels": {"alertname": format!("Page{number}"), "severity": "critical"}}]);
                let _ = alertmanager.post("/api/v2/alerts", Some(&alert));
                std::thread::sleep(std::time::Duration::from_millis(200));
            }
        });
    }
}
