//! What keeps an alert from firing, and what to change.

use std::fmt;
use std::time::Duration;

use seamless_core::duration::format;
use serde::ser::{Serialize, SerializeStruct, Serializer};

/// What keeps an alert from firing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Obstacle {
    /// No rule has this name.
    NotLoaded { similar: Option<String> },
    /// The alert does not depend on what is injected.
    NotInjected,
    /// The chosen scenarios violate none of the families that it reads.
    NotFed {
        families: Vec<&'static str>,
        scenarios: Vec<&'static str>,
    },
    /// It reads the family, and not these series.
    NotSelected { phase: Option<String> },
    /// Its expression is empty whatever is injected: nothing that its series can be makes it true.
    NeverFires {
        /// Which part, and why.
        reason: String,
        /// Whether it compares a quantile, which never exceeds the highest finite bucket.
        is_quantile: bool,
    },
    /// What is observed does not pass the threshold.
    DurationTooShort {
        estimate: f64,
        threshold: f64,
        unit: &'static str,
    },
    /// The gauge does not pass the threshold.
    LevelNotReached {
        family: &'static str,
        level: f64,
        threshold: f64,
    },
    /// A rate needs two samples within its range.
    RangeUnderTwoScrapes { range: Duration, interval: Duration },
    /// A counter that moves less than twice per range looks frozen.
    StepTooLong { range: Duration, step: Duration },
    /// One document has no rate.
    StandsStill,
    /// The violation ends before the alert can fire.
    HoldTooShort {
        violating: Duration,
        needs: Duration,
        pending_for: Duration,
    },
}

impl Obstacle {
    /// Its name in the JSON report.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::NotLoaded { .. } => "rule_not_loaded",
            Self::NotInjected => "not_injected",
            Self::NotFed { .. } => "family_not_fed",
            Self::NotSelected { .. } => "series_not_selected",
            Self::NeverFires {
                is_quantile: true, ..
            } => "threshold_above_top_bucket",
            Self::NeverFires { .. } => "never_fires",
            Self::DurationTooShort { .. } => "duration_too_short",
            Self::LevelNotReached { .. } => "level_not_reached",
            Self::RangeUnderTwoScrapes { .. } => "range_under_two_scrapes",
            Self::StepTooLong { .. } => "step_too_long",
            Self::StandsStill => "rates_stand_still",
            Self::HoldTooShort { .. } => "hold_too_short",
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLoaded { similar: None } => {
                f.write_str("no alert of this name is loaded; load alert_rules.yml")
            }
            Self::NotLoaded {
                similar: Some(similar),
            } => write!(f, "no alert of this name is loaded; did you mean {similar}?"),
            Self::NotInjected => f.write_str("not testable with injected series"),
            Self::NotFed {
                families,
                scenarios,
            } => write!(
                f,
                "it reads {}, which this drill does not violate; add --scenario {}",
                families.join(", "),
                scenarios.join(" or ")
            ),
            Self::NotSelected { phase: Some(phase) } => write!(
                f,
                "its expression does not select the drill's series; add --phase {phase}"
            ),
            Self::NotSelected { phase: None } => {
                f.write_str("its expression does not select the drill's series; compare its matchers with their labels")
            }
            Self::NeverFires {
                reason,
                is_quantile: true,
            } => write!(
                f,
                "{reason}; a quantile never exceeds the highest finite bucket: lower the threshold, or give the \
                 histogram higher buckets"
            ),
            Self::NeverFires { reason, .. } => write!(f, "{reason}; correct the expression"),
            Self::DurationTooShort {
                estimate,
                threshold,
                unit,
            } => write!(
                f,
                "the quantile comes to about {estimate:.0} {unit}, not over {threshold} {unit}; give a longer \
                 --duration"
            ),
            Self::LevelNotReached {
                family,
                level,
                threshold,
            } => write!(
                f,
                "{family} goes to {level}, which does not pass the threshold {threshold}; change the threshold"
            ),
            Self::RangeUnderTwoScrapes { range, interval } => write!(
                f,
                "its range {} covers less than two scrapes, which are {} apart; scrape more often or widen the \
                 range",
                format(*range),
                format(*interval)
            ),
            Self::StepTooLong { range, step } => write!(
                f,
                "its range {} covers less than two steps of {}; give a shorter --step",
                format(*range),
                format(*step)
            ),
            Self::StandsStill => f.write_str(
                "a single snapshot never changes: rate() is 0; use --serve, or --write-to with --hold",
            ),
            Self::HoldTooShort {
                violating,
                needs,
                pending_for,
            } => write!(
                f,
                "the violation lasts {}, and the alert needs about {} of it (its window, and {} of `for`); give a \
                 longer --hold or --recover-after",
                format(*violating),
                format(*needs),
                format(*pending_for)
            ),
        }
    }
}

impl Serialize for Obstacle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut obstacle = serializer.serialize_struct("Obstacle", 2)?;
        obstacle.serialize_field("reason", self.name())?;
        obstacle.serialize_field("text", &self.to_string())?;
        obstacle.end()
    }
}
