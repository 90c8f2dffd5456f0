//! The way of the drill's alerts from Prometheus to people, as the servers are configured now: who would be
//! told, and what would keep an alert from them.

use jiff::Timestamp;
use seamless_core::alertmanager::{AlertmanagerClient, HeldAlert};
use seamless_core::http::ServiceError;
use seamless_core::paging::{Configuration, LabelSet, Mute, Receiver, Route, Sending, Silence};
use seamless_core::prometheus::PrometheusClient;
use seamless_core::rules::Rule;
use seamless_core::schema::DRILL_LABEL;

use crate::prediction;
use crate::request::Request;

/// The configuration of the way, and what stands in it.
pub(crate) struct AlertPath {
    config: Configuration,
    silences: Vec<Silence>,
    held: Vec<HeldAlert>,
    sending: Option<Sending>,
}

impl AlertPath {
    /// Asks an Alertmanager, and the Prometheus that sends to it.
    ///
    /// # Errors
    /// Why that could not be had.
    pub(crate) async fn ask(
        alertmanager: &AlertmanagerClient,
        prometheus: Option<&PrometheusClient>,
    ) -> Result<Self, String> {
        let words = |error: ServiceError| error.to_string();
        let status = alertmanager.status().await.map_err(words)?;
        let config =
            Configuration::parse(&status.config.original).map_err(|error| error.to_string())?;
        let silences = alertmanager.silences().await.map_err(words)?;
        let held = alertmanager.alerts(&[]).await.map_err(words)?;
        // Without it external labels are unknown, and nothing is said of them.
        let sending = match prometheus {
            Some(prometheus) => prometheus.config().await.ok(),
            None => None,
        };
        Ok(Self {
            config,
            silences,
            held,
            sending: sending.and_then(|text| Sending::parse(&text).ok()),
        })
    }

    /// The labels of the alert that are known beforehand, as Alertmanager gets them; None where Prometheus
    /// drops it.
    fn labels(&self, rule: &Rule, request: &Request) -> Option<LabelSet> {
        let mut labels: LabelSet = request.labels.iter().cloned().collect();
        labels.insert(DRILL_LABEL.to_owned(), request.drill_id.clone());
        // A label of the rule replaces the series', unless it only repeats it.
        let own = rule.labels.iter();
        let own = own.filter(|(name, value)| !prediction::repeats_drill(name, value));
        labels.extend(own.map(|(n, v)| (n.clone(), v.clone())));
        labels.insert("alertname".to_owned(), rule.name.clone());
        match &self.sending {
            Some(sending) => sending.sent(labels),
            None => Some(labels),
        }
    }

    /// Whether Prometheus takes the drill's label from the alert on its way (`alert_relabel_configs`).
    pub(super) fn loses_drill(&self, rule: &Rule, request: &Request) -> bool {
        let labels = self.labels(rule, request);
        labels.is_some_and(|labels| labels.get(DRILL_LABEL) != Some(&request.drill_id))
    }

    /// The receivers that the alert reaches, each with its integrations.
    pub(super) fn receivers(&self, rule: &Rule, request: &Request) -> Vec<String> {
        let Some(labels) = self.labels(rule, request) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        for route in self.config.routes_of(&labels) {
            let receiver = &route.receiver;
            let kinds: Vec<&str> = self
                .config
                .receiver(receiver)
                .map(|receiver| receiver.kinds().collect())
                .unwrap_or_default();
            let text = match kinds.as_slice() {
                [] => format!("{receiver} (tells nobody)"),
                kinds => format!("{receiver} ({})", kinds.join(", ")),
            };
            if !found.contains(&text) {
                found.push(text);
            }
        }
        found
    }

    /// What would swallow the alert.
    pub(super) fn obstacles(&self, rule: &Rule, request: &Request, now: Timestamp) -> Vec<String> {
        let Some(labels) = self.labels(rule, request) else {
            return vec!["Prometheus drops it (alert_relabel_configs)".to_owned()];
        };
        let mut found = Vec::new();
        for silence in self.silences.iter().filter(|silence| silence.is_active()) {
            if silence.matches(&labels) {
                found.push(format!(
                    "the silence {} by {} until {}",
                    silence.id, silence.created_by, silence.ends_at
                ));
            }
        }
        for source in self.held.iter().filter(|a| a.status.state == "active") {
            let source_labels: LabelSet = (&source.labels).into();
            let mut rules = self.config.inhibit_rules.iter();
            if let Some(by) = rules.find(|rule| rule.holds_back(&source_labels, &labels)) {
                let name = source.labels.get("alertname");
                found.push(format!("{} while {name} fires", by.place));
            }
        }
        let routes = self.config.routes_of(&labels);
        let tells = |route: &&Route| {
            let receiver = self.config.receiver(&route.receiver);
            receiver.is_some_and(Receiver::tells_somebody)
        };
        if !routes.iter().any(tells) {
            let names: Vec<&str> = routes.iter().map(|route| &*route.receiver).collect();
            found.push(format!(
                "no route to anybody: {} tells nobody",
                names.join(", ")
            ));
        }
        for route in routes {
            if let Mute::Closed { by, opens } = self.config.mute(route, now) {
                let until = opens.map_or(String::new(), |opens| format!(" until {opens}"));
                found.push(format!("{by} of the route to {}{until}", route.receiver));
            }
        }
        if let Some(wanted) = &request.expect_receiver {
            let reached = self.config.routes_of(&labels);
            if !reached.iter().any(|route| route.receiver == *wanted) {
                let names: Vec<&str> = reached.iter().map(|route| &*route.receiver).collect();
                found.push(format!(
                    "its route goes to {}, not to {wanted}",
                    names.join(", ")
                ));
            }
        }
        found
    }
}
