//! What a rule reads, followed through recording rules to the series that somebody exposes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Rule, RuleFile};
use promql_parser::label::METRIC_NAME;

use crate::promql::{Comparison, Expression, QuantileThreshold, QueryError, SeriesSelector};
use crate::schema::{FAMILIES, Family, MONITORING_SERIES};

/// How many recording rules are followed to the edges at which they count.
const MOST_RECORDINGS: usize = 400;

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

    /// The selectors that belong to no family of the schema, nor to what monitoring says of itself.
    pub fn unknown_selectors(&self) -> impl Iterator<Item = &SeriesSelector> {
        self.selectors.iter().filter(|selector| {
            let known = selector
                .name()
                .is_some_and(|name| MONITORING_SERIES.contains(&name));
            !known && selector.families().is_empty()
        })
    }
}

impl RuleFile {
    /// What `rule` reads, through the recording rules of this file.
    ///
    /// # Errors
    /// [`QueryError`] for an expression on the way that cannot be read.
    pub fn inputs(&self, rule: &Rule) -> Result<Inputs, QueryError> {
        let mut recordings: BTreeMap<&str, Vec<&Expression>> = BTreeMap::new();
        for rule in self.rules().filter(|rule| !rule.is_alert()) {
            recordings.entry(&rule.name).or_default().push(&rule.expr);
        }
        let mut inputs = Inputs::default();
        // No recursion: rules of which each reads the next may be longer than a stack.
        let mut waiting = vec![&rule.expr];
        while let Some(expr) = waiting.pop() {
            for selector in expr.query()?.selectors() {
                let name = selector.name().unwrap_or_default();
                if let Some(expressions) = recordings.get(name) {
                    if inputs.recordings.insert(name.to_owned()) {
                        waiting.extend(expressions);
                    }
                } else if !inputs.selectors.contains(&selector) {
                    inputs.selectors.push(selector);
                }
            }
        }
        Ok(inputs)
    }

    /// The quantiles that `rule` compares with a constant, written in its expression or recorded by a
    /// rule of this file. A share of observations above a bucket's edge that is compared with a constant says the
    /// same: more than 1 % above 60 is a p99 above 60.
    ///
    /// # Errors
    /// [`QueryError`] for an expression on the way that cannot be read.
    pub fn thresholds(&self, rule: &Rule) -> Result<Vec<QuantileThreshold>, QueryError> {
        let query = rule.expr.query()?;
        let mut found = Vec::new();
        for threshold in query.thresholds() {
            self.push_recorded(threshold, &mut found)?;
        }
        for (series, comparison, threshold) in query.compared_series() {
            let Some(name) = series.name() else { continue };
            for recording in self.recordings_named(name) {
                for (quantile, selector) in recording.expr.query()?.quantile_values() {
                    let compared = quantile_threshold(quantile, selector, comparison, threshold);
                    if let Some(compared) = compared {
                        self.push_recorded(compared, &mut found)?;
                    }
                }
            }
            // A share; what is compared with more is a value.
            if threshold > 0.0 && threshold < 1.0 {
                let mut edges = Vec::new();
                self.collect_edges(&series, &mut BTreeSet::new(), &mut edges)?;
                for (selector, edge) in edges {
                    push(
                        quantile_threshold(1.0 - threshold, selector, comparison, edge),
                        &mut found,
                    );
                }
            }
        }
        // `quantile * all - within > 0`.
        if let (Some(quantile), Some((selector, edge))) =
            (query.excess_quantile(), lowest_edge(&query.selectors()))
        {
            push(
                quantile_threshold(quantile, selector, Comparison::Greater, edge),
                &mut found,
            );
        }
        Ok(found)
    }

    /// The threshold, on the histogram itself where its buckets are recorded.
    fn push_recorded(
        &self,
        threshold: QuantileThreshold,
        found: &mut Vec<QuantileThreshold>,
    ) -> Result<(), QueryError> {
        let recordings: Vec<&Rule> = self.recordings_named(&threshold.histogram).collect();
        if recordings.is_empty() {
            found.push(threshold);
            return Ok(());
        }
        for recording in recordings {
            if let Some(mut selector) = recording.expr.query()?.selectors().into_iter().next() {
                let narrower = threshold.selector.matchers.iter();
                selector
                    .matchers
                    .extend(narrower.filter(|m| m.name != METRIC_NAME).cloned());
                push(
                    quantile_threshold(
                        threshold.quantile,
                        selector,
                        threshold.comparison,
                        threshold.threshold,
                    ),
                    found,
                );
            }
        }
        Ok(())
    }

    /// The edges at which the recording rules behind `series` count observations, each rule's lowest: its budget.
    fn collect_edges(
        &self,
        series: &SeriesSelector,
        seen: &mut BTreeSet<String>,
        found: &mut Vec<(SeriesSelector, f64)>,
    ) -> Result<(), QueryError> {
        let Some(name) = series.name() else {
            return Ok(());
        };
        // A chain of rules that each read the next may be longer than a stack.
        if seen.len() >= MOST_RECORDINGS || !seen.insert(name.to_owned()) {
            return Ok(());
        }
        let recordings = self.recordings_named(name);
        for recording in recordings.filter(|rule| rule.may_be_selected_by(series)) {
            let selectors = recording.expr.query()?.selectors();
            if let Some(edge) = lowest_edge(&selectors) {
                found.push(edge);
                continue;
            }
            for mut inner in selectors {
                let outer = series.matchers.iter();
                inner
                    .matchers
                    .extend(outer.filter(|m| m.name != METRIC_NAME).cloned());
                self.collect_edges(&inner, seen, found)?;
            }
        }
        Ok(())
    }
}

/// Of the buckets that are selected by their edge, the lowest, with that edge.
fn lowest_edge(selectors: &[SeriesSelector]) -> Option<(SeriesSelector, f64)> {
    let edges = selectors.iter().filter_map(|selector| {
        let matcher = selector.matchers_of("le").next()?;
        // `60([.]0)?`: both ways in which clients write it.
        let text = matcher.value.trim_end_matches("([.]0)?");
        let edge: f64 = text.parse().ok()?;
        edge.is_finite().then_some((selector, edge))
    });
    edges
        .min_by(|(_, left), (_, right)| left.total_cmp(right))
        .map(|(selector, edge)| (selector.clone(), edge))
}

fn quantile_threshold(
    quantile: f64,
    selector: SeriesSelector,
    comparison: Comparison,
    threshold: f64,
) -> Option<QuantileThreshold> {
    let name = selector.name()?;
    let base = name.strip_suffix("_bucket");
    Some(QuantileThreshold {
        quantile,
        histogram: base.unwrap_or(name).to_owned(),
        native: base.is_none(),
        selector,
        comparison,
        threshold,
    })
}

fn push(threshold: Option<QuantileThreshold>, found: &mut Vec<QuantileThreshold>) {
    if let Some(threshold) = threshold
        && !found.contains(&threshold)
    {
        found.push(threshold);
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
  - {alert: Stranger, expr: 'stranger == 0'}
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
    fn a_share_above_an_edge_is_a_quantile_above_it() {
        let file = super::super::shipped().unwrap();
        let found = |name: &str, label: (&str, &str)| -> Vec<(String, f64, f64)> {
            file.alerts_named(name)
                .filter(|rule| rule.labels.get(label.0).is_some_and(|v| v == label.1))
                .flat_map(|rule| file.thresholds(rule).unwrap())
                .filter(|threshold| !threshold.native)
                .map(|t| (t.histogram, (t.quantile * 1000.0).round(), t.threshold))
                .collect()
        };
        let sla = || "seamless_sla_deadline_seconds".to_owned();
        let total = ("phase", "total");
        assert_eq!(
            found("SeamlessSla99thDegraded", total),
            [(sla(), 990.0, 60.0)]
        );
        assert_eq!(
            found("SeamlessSlaBudgetApproaching", total),
            [(sla(), 990.0, 48.0)]
        );
        let storage = ("phase", "storage_wait");
        assert_eq!(
            found("SeamlessSla99thDegraded", storage),
            [(sla(), 990.0, 3.0)]
        );
        let burn = found("SeamlessSlaErrorBudgetBurn", ("long_window", "1h"));
        let edges: Vec<f64> = burn.iter().map(|(_, _, edge)| *edge).collect();
        assert_eq!(edges, [3.0, 45.0, 5.0, 60.0]);
        let warning = ("severity", "warning");
        let repair = "gap_repair_latency_ms".to_owned();
        assert_eq!(
            found("SeamlessGapRepairSlow", warning),
            [(repair, 990.0, 120_000.0)]
        );
        assert_eq!(found("SeamlessBackfillFailing", warning), []);
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
