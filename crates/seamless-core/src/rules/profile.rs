//! The two sets of thresholds that the rules are rendered with.

use std::sync::LazyLock;

use super::{RuleFile, RuleFileError, shipped};
use crate::prometheus::{LoadedGroup, LoadedRule};
use crate::schema::Phase;

/// Records the rate of requests over their budget, by phase.
const OVER_BUDGET: &str = "seamless:sla_observations_over_budget:rate5m";

/// A set of thresholds: `_config.profile` of the dashboards' sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// The platform's presets, which `alert_rules.yml` has.
    #[default]
    Baseline,
    /// The platform's golden signals: 240 s for a whole request, 50 flags.
    GoldenSignals,
}

impl Profile {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Baseline, Self::GoldenSignals];

    /// Its name in `_config`, on command lines and in contexts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::GoldenSignals => "golden_signals",
        }
    }

    /// The profile of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// Its rules, as they ship.
    ///
    /// # Errors
    /// [`RuleFileError`] if the embedded file is not a rule file; a test holds that it is.
    pub fn rules(self) -> Result<&'static RuleFile, &'static RuleFileError> {
        static GOLDEN: LazyLock<Result<RuleFile, RuleFileError>> = LazyLock::new(|| {
            RuleFile::parse(include_str!(
                "../../../../dashboards/profiles/golden_signals.rules.yml"
            ))
        });
        match self {
            Self::Baseline => shipped(),
            Self::GoldenSignals => GOLDEN.as_ref(),
        }
    }

    /// The budget of a phase, in seconds.
    #[must_use]
    pub const fn budget_seconds(self, phase: Phase) -> f64 {
        match (self, phase) {
            (Self::GoldenSignals, Phase::Total) => 240.0,
            _ => phase.budget_seconds(),
        }
    }

    /// Whether this is the phase's budget, in seconds, which its rules record and alert by.
    #[must_use]
    pub fn has_budget(self, phase: Phase, seconds: f64) -> bool {
        (seconds - self.budget_seconds(phase)).abs() <= f64::EPSILON
    }

    /// The profile that the loaded rules are of, by the budget of the whole request that they record.
    #[must_use]
    pub fn of_loaded(groups: &[LoadedGroup]) -> Self {
        let golden = Self::GoldenSignals.edge(Phase::Total);
        let is_golden = |rule: &LoadedRule| {
            rule.name == OVER_BUDGET && rule.query.to_string().contains(&golden)
        };
        let mut rules = groups.iter().flat_map(|group| &group.rules);
        match rules.any(is_golden) {
            true => Self::GoldenSignals,
            false => Self::Baseline,
        }
    }

    /// How the rules select the bucket that ends at a phase's budget.
    fn edge(self, phase: Phase) -> String {
        format!("le=~\"{}([.]0)?\"", self.budget_seconds(phase))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budgets_are_those_of_the_rules() {
        for profile in Profile::ALL {
            assert_eq!(Profile::named(profile.name()), Some(profile));
            let rules = profile.rules().unwrap();
            for phase in Phase::ALL {
                let edge = profile.edge(phase);
                let recorded = rules
                    .recordings_named(OVER_BUDGET)
                    .find(|rule| rule.labels.get("phase").is_some_and(|p| p == phase.label()));
                let text = recorded.unwrap().expr.to_string();
                assert!(text.contains(&edge), "{profile:?} {phase:?}: {text}");
            }
        }
    }
}
