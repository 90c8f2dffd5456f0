//! What can go wrong, and which alerts must tell.
//!
//! Data only. Together with the incident, the scenarios cover every alert that ships but for a few, which a
//! test names.

use std::time::Duration;

use seamless_lab::runtime::Misbehaviour;

use super::pace::minutes;

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
    /// How long the shipped rules may take to fire once the cause is there: window and `for`.
    pub(super) fires_within: Duration,
    /// How long they may take to resolve once the cause is gone: the window.
    pub(super) resolves_within: Duration,
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

const fn alert(
    name: &'static str,
    reach: ExpectedReach,
    fires_within: Duration,
    resolves_within: Duration,
) -> ExpectedAlert {
    ExpectedAlert {
        name,
        label: None,
        reach,
        fires_within,
        resolves_within,
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
            alert(
                "SeamlessSla99thDegraded",
                ExpectedReach::Slack,
                minutes(10),
                minutes(5),
            ),
            alert(
                "SeamlessSlaBudgetApproaching",
                ExpectedReach::Inhibited,
                minutes(10),
                minutes(5),
            ),
            // The slower of the two that page clears when its short window of 30 minutes has.
            alert(
                "SeamlessSlaErrorBudgetBurn",
                ExpectedReach::Page,
                minutes(5),
                minutes(40),
            )
            .labelled("severity", "critical"),
            alert(
                "SeamlessGapRepairSlow",
                ExpectedReach::Slack,
                minutes(20),
                minutes(15),
            ),
            alert(
                "SeamlessArtifactPublishSlow",
                ExpectedReach::Slack,
                minutes(20),
                minutes(15),
            ),
            // A node whose policy is tolerant answers a late request with what there is.
            alert(
                "SeamlessDomainGateHolds",
                ExpectedReach::Slack,
                minutes(15),
                minutes(15),
            )
            .labelled("answer", "PARTIAL_FILL"),
        ],
    },
    DrillScenario {
        cause: Misbehaviour::DeadWorker,
        alerts: &[
            alert(
                "SeamlessBackfillStuckLease",
                ExpectedReach::Page,
                minutes(12),
                minutes(5),
            ),
            alert(
                "SeamlessBackfillStaleClaim",
                ExpectedReach::Inhibited,
                minutes(18),
                minutes(5),
            ),
            alert(
                "SeamlessTargetDown",
                ExpectedReach::Slack,
                minutes(8),
                minutes(2),
            )
            .labelled("severity", "warning"),
        ],
    },
    DrillScenario {
        cause: Misbehaviour::BadData,
        alerts: &[alert(
            "SeamlessConformanceFlagSpike",
            ExpectedReach::Slack,
            minutes(15),
            minutes(15),
        )],
    },
    DrillScenario {
        cause: Misbehaviour::StaleFeed,
        alerts: &[
            alert(
                "SeamlessLiveDataStale",
                ExpectedReach::Slack,
                minutes(6),
                minutes(1),
            ),
            alert(
                "SeamlessCoverageLow",
                ExpectedReach::Slack,
                minutes(11),
                minutes(1),
            ),
            alert(
                "SeamlessDomainGateHolds",
                ExpectedReach::Slack,
                minutes(15),
                minutes(15),
            )
            .labelled("answer", "HOLD"),
        ],
    },
    DrillScenario {
        cause: Misbehaviour::DryLimiter,
        alerts: &[alert(
            "SeamlessRateLimiterExhausted",
            ExpectedReach::Slack,
            minutes(13),
            minutes(5),
        )],
    },
    DrillScenario {
        cause: Misbehaviour::VendorOutage,
        alerts: &[alert(
            "SeamlessBackfillFailing",
            ExpectedReach::Slack,
            minutes(15),
            minutes(15),
        )],
    },
    DrillScenario {
        cause: Misbehaviour::LostMetrics,
        alerts: &[alert(
            "SeamlessMetricsAbsent",
            ExpectedReach::Slack,
            minutes(11),
            minutes(1),
        )],
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
