//! What can go wrong, and which alerts must tell.
//!
//! Data only. Together with the incident, the scenarios cover every alert that ships but for a few, which a
//! test names.

use seamless_lab::runtime::Misbehaviour;

/// A cause and what it must lead to.
#[derive(Debug, Clone, Copy)]
pub(super) struct DrillScenario {
    pub(super) cause: Misbehaviour,
    pub(super) alerts: &'static [ExpectedAlert],
}

/// An alert that must fire, reach somebody, and resolve after the remedy.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExpectedAlert {
    pub(super) name: &'static str,
    /// A label that tells it from others of its name.
    pub(super) label: Option<(&'static str, &'static str)>,
    pub(super) reach: ExpectedReach,
}

/// Whom an alert reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExpectedReach {
    /// Slack.
    Slack,
    /// PagerDuty and Slack.
    Page,
    /// Nobody: another alert says it better.
    Inhibited,
}

impl ExpectedReach {
    const fn by(self, name: &'static str) -> ExpectedAlert {
        ExpectedAlert {
            name,
            label: None,
            reach: self,
        }
    }
}

impl ExpectedAlert {
    const fn labelled(mut self, label: &'static str, value: &'static str) -> Self {
        self.label = Some((label, value));
        self
    }
}

/// Every cause but those of the incident.
pub(super) const SCENARIOS: &[DrillScenario] = &[
    DrillScenario {
        cause: Misbehaviour::SlowStorage,
        alerts: &[
            ExpectedReach::Slack.by("SeamlessSla99thDegraded"),
            ExpectedReach::Inhibited.by("SeamlessSlaBudgetApproaching"),
            ExpectedReach::Page
                .by("SeamlessSlaErrorBudgetBurn")
                .labelled("severity", "critical"),
            ExpectedReach::Slack.by("SeamlessGapRepairSlow"),
            ExpectedReach::Slack.by("SeamlessArtifactPublishSlow"),
            // A node whose policy is tolerant answers a late request with what there is.
            ExpectedReach::Slack
                .by("SeamlessDomainGateHolds")
                .labelled("answer", "PARTIAL_FILL"),
        ],
    },
    DrillScenario {
        cause: Misbehaviour::DeadWorker,
        alerts: &[
            ExpectedReach::Page.by("SeamlessBackfillStuckLease"),
            ExpectedReach::Inhibited.by("SeamlessBackfillStaleClaim"),
            ExpectedReach::Slack
                .by("SeamlessTargetDown")
                .labelled("severity", "warning"),
        ],
    },
    DrillScenario {
        cause: Misbehaviour::BadData,
        alerts: &[ExpectedReach::Slack.by("SeamlessConformanceFlagSpike")],
    },
    DrillScenario {
        cause: Misbehaviour::StaleFeed,
        alerts: &[
            ExpectedReach::Slack.by("SeamlessLiveDataStale"),
            ExpectedReach::Slack.by("SeamlessCoverageLow"),
            ExpectedReach::Slack
                .by("SeamlessDomainGateHolds")
                .labelled("answer", "HOLD"),
        ],
    },
    DrillScenario {
        cause: Misbehaviour::DryLimiter,
        alerts: &[ExpectedReach::Slack.by("SeamlessRateLimiterExhausted")],
    },
    DrillScenario {
        cause: Misbehaviour::VendorOutage,
        alerts: &[ExpectedReach::Slack.by("SeamlessBackfillFailing")],
    },
    DrillScenario {
        cause: Misbehaviour::LostMetrics,
        alerts: &[ExpectedReach::Slack.by("SeamlessMetricsAbsent")],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use seamless_core::rules::WATCHDOG;

    /// Alerts on the monitoring itself: the drill's is sound, and keeps to tell of the others. The rule tests hold
    /// them, and so do tests on real servers.
    const NOT_REHEARSED: [&str; 3] = [
        "SeamlessHealthCheckAbsent",
        "SeamlessHealthCheckFailing",
        "SeamlessNotificationsFailing",
    ];

    use super::*;

    #[test]
    fn every_alert_that_ships_has_a_scenario() {
        let rules = seamless_core::rules::shipped().unwrap();
        let shipped: BTreeSet<&str> = rules.alerts().map(|rule| rule.name.as_str()).collect();
        let rehearsed: BTreeSet<&str> = SCENARIOS
            .iter()
            .flat_map(|scenario| scenario.alerts)
            .map(|alert| alert.name)
            .chain([WATCHDOG])
            .chain(NOT_REHEARSED.iter().copied())
            .collect();
        assert_eq!(rehearsed, shipped);
    }
}
