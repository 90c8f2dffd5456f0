//! What a rule reads, followed through recording rules to the series that somebody exposes.

use std::collections::BTreeSet;

use super::{Rule, RuleFile};
use crate::promql::{Expression, QuantileThreshold, QueryError, SeriesSelector};
use crate::schema::{FAMILIES, Family};

/// The series that a rule reads in the end, recording rules of the same file resolved.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Inputs {
    /// Selectors of series that no recording rule of the file stores.
    pub selectors: Vec<SeriesSelector>,
    /// The recording rules on the way, by name.
    pub recordings: BTreeSet<String>,
}

impl SeriesSelector {
    /// The schema's families of which it can select series, in any exposed form.
    #[must_use]
    pub fn families(&self) -> Vec<&'static Family> {
        FAMILIES
            .iter()
            .filter(|f| f.exposed_names().iter().any(|name| self.selects_name(name)))
            .collect()
    }
}

impl Inputs {
    /// The schema's families among them, in the schema's order.
    #[must_use]
    pub fn families(&self) -> Vec<&'static Family> {
        let mut found: Vec<&'static Family> = Vec::new();
        for family in self.selectors.iter().flat_map(SeriesSelector::families) {
            if !found.iter().any(|known| known.name == family.name) {
                found.push(family);
            }
        }
        found.sort_by_key(|family| {
            crate::schema::FAMILIES
                .iter()
                .position(|f| f.name == family.name)
        });
        found
    }

    /// The selectors that belong to no family of the schema.
    pub fn unknown_selectors(&self) -> impl Iterator<Item = &SeriesSelector> {
        self.selectors
            .iter()
            .filter(|selector| selector.families().is_empty())
    }
}

impl RuleFile {
    /// What `rule` reads, through the recording rules of this file.
    ///
    /// # Errors
    /// [`QueryError`] for an expression on the way that cannot be read.
    pub fn inputs(&self, rule: &Rule) -> Result<Inputs, QueryError> {
        let mut inputs = Inputs::default();
        self.collect_inputs(&rule.expr, &mut inputs)?;
        Ok(inputs)
    }

    /// The quantiles that `rule` compares with a constant, written in its expression or recorded by a
    /// rule of this file.
    ///
    /// # Errors
    /// [`QueryError`] for an expression on the way that cannot be read.
    pub fn thresholds(&self, rule: &Rule) -> Result<Vec<QuantileThreshold>, QueryError> {
        let query = rule.expr.query()?;
        let mut found = query.thresholds();
        for (series, comparison, threshold) in query.compared_series() {
            let Some(name) = series.name() else { continue };
            for recording in self.recordings_named(name) {
                for (quantile, selector) in recording.expr.query()?.quantile_values() {
                    let Some(name) = selector.name() else {
                        continue;
                    };
                    let base = name.strip_suffix("_bucket");
                    found.push(QuantileThreshold {
                        quantile,
                        histogram: base.unwrap_or(name).to_owned(),
                        native: base.is_none(),
                        selector: selector.clone(),
                        comparison,
                        threshold,
                    });
                }
            }
        }
        Ok(found)
    }

    fn collect_inputs(&self, expr: &Expression, inputs: &mut Inputs) -> Result<(), QueryError> {
        for selector in expr.query()?.selectors() {
            let name = selector.name().unwrap_or_default().to_owned();
            let mut recordings = self.recordings_named(&name).peekable();
            if recordings.peek().is_none() {
                if !inputs.selectors.contains(&selector) {
                    inputs.selectors.push(selector);
                }
            } else if inputs.recordings.insert(name.clone()) {
                for recording in recordings {
                    self.collect_inputs(&recording.expr, inputs)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "
groups:
- name: seamless-a
  rules:
  - {record: 'seamless:p99', expr: 'histogram_quantile(0.99, sum by (le) (rate(seamless_total_ms_bucket[5m])))'}
  - {record: 'seamless:worst', expr: 'max(seamless:p99)'}
  - {alert: Slow, expr: 'seamless:p99 > 60000'}
  - {alert: Worst, expr: 'seamless:worst > 1 and coverage_ratio < 1'}
  - {alert: Stranger, expr: 'up == 0'}
  - {record: 'loop:a', expr: 'loop:a'}
";

    #[test]
    fn inputs_are_followed_through_recording_rules() {
        let file = RuleFile::parse(FILE).unwrap();
        let worst = file.alerts_named("Worst").next().unwrap();
        let inputs = file.inputs(worst).unwrap();
        let names: Vec<&str> = inputs.families().iter().map(|f| f.name).collect();
        assert_eq!(names, ["seamless_total_ms", "coverage_ratio"]);
        assert_eq!(inputs.recordings.len(), 2);
        assert_eq!(inputs.unknown_selectors().count(), 0);
        let stranger = file.alerts_named("Stranger").next().unwrap();
        assert_eq!(
            file.inputs(stranger).unwrap().unknown_selectors().count(),
            1
        );
    }

    #[test]
    fn thresholds_are_followed_through_recording_rules() {
        let file = RuleFile::parse(FILE).unwrap();
        let slow = file.alerts_named("Slow").next().unwrap();
        let found = file.thresholds(slow).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].histogram, "seamless_total_ms");
        assert!((found[0].threshold - 60_000.0).abs() < 1e-9);
    }

    #[test]
    fn a_recording_rule_that_reads_itself_ends() {
        let file = RuleFile::parse(FILE).unwrap();
        let looping = file.recordings_named("loop:a").next().unwrap();
        assert!(file.inputs(looping).is_ok());
    }

    #[test]
    fn every_shipped_expression_reads_only_the_schema() {
        let file = super::super::shipped().unwrap();
        assert!(file.alerts().count() > 0);
        for rule in file.rules() {
            let inputs = file.inputs(rule).unwrap();
            let unknown_selectors: Vec<_> = inputs.unknown_selectors().collect();
            assert!(
                unknown_selectors.is_empty(),
                "{}: {unknown_selectors:?}",
                rule.name
            );
        }
    }
}
