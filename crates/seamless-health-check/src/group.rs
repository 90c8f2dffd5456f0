//! The groups of checks, by what they are about.

/// What a set of checks is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Group {
    Environment,
    Coordinator,
    Prometheus,
    Alerting,
    Sla,
    Exposition,
    Telemetry,
}

impl Group {
    pub(crate) const ALL: [Self; 7] = [
        Self::Environment,
        Self::Coordinator,
        Self::Prometheus,
        Self::Alerting,
        Self::Sla,
        Self::Exposition,
        Self::Telemetry,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Coordinator => "coordinator",
            Self::Prometheus => "prometheus",
            Self::Alerting => "alerting",
            Self::Sla => "sla",
            Self::Exposition => "exposition",
            Self::Telemetry => "telemetry",
        }
    }
}
