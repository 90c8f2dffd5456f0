//! What a phase's buckets say about its p99: a value inside a bucket, or only a bound.
//!
//! Owns the arithmetic on the rates of buckets, summed over the fleet: classic ones, and those of native
//! histograms, whose observations count beside them. A quantile inside a bucket is known no
//! better than the bucket's edges, and one above the highest finite edge only as "at least that": the mean of
//! what lies beyond tells more, if it tells anything. See
//! <https://prometheus.io/docs/practices/histograms/#errors-of-quantile-estimation>.

use seamless_core::prometheus::{HistogramSample, InstantSeries};

const QUANTILE: f64 = 0.99;

/// The buckets of one phase, in observations per second.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct PhaseBuckets {
    /// Observations at or below each edge, over the series that have the edge.
    pub(crate) within: Vec<(f64, f64)>,
    /// How many series have each edge.
    pub(crate) series: Vec<(f64, f64)>,
    /// All observations of the series that have the edge; known for the budget's edge only.
    pub(crate) observed: Vec<(f64, f64)>,
    /// The sum of all values that those series observed, per second.
    pub(crate) sum: f64,
    /// The native histograms of other series.
    pub(crate) native: Option<HistogramSample>,
}

/// What is known of a p99.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum P99 {
    /// It lies above `low` and at or below `high`; `value` is interpolated between them.
    Inside { low: f64, high: f64, value: f64 },
    /// It lies above the highest finite edge; the observations beyond it have at least this mean.
    Beyond { top: f64, mean: f64 },
}

/// How a p99 stands to its budget.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Standing {
    Within,
    Over,
    /// The buckets cannot tell.
    Unknown,
}

impl PhaseBuckets {
    /// Of one phase, from the samples of the query of the p99.
    pub(crate) fn of(phase: &str, samples: &[InstantSeries]) -> Self {
        let mut buckets = Self::default();
        for sample in samples {
            if sample.metric.get("phase") != phase {
                continue;
            }
            if let Some(native) = &sample.histogram {
                buckets.native = Some(native.clone()).filter(|native| native.count > 0.0);
            }
            let Some(value) = sample.value.map(|value| value.value) else {
                continue;
            };
            if value.is_nan() {
                continue;
            }
            let edge = sample.metric.get("le").parse().unwrap_or(f64::NAN);
            match sample.metric.get("what") {
                "within" => add(&mut buckets.within, edge, value),
                "series" => add(&mut buckets.series, edge, value),
                "observed" => add(&mut buckets.observed, edge, value),
                "sum" => buckets.sum += value,
                _ => {}
            }
        }
        buckets.within.sort_by(|a, b| a.0.total_cmp(&b.0));
        buckets
    }

    /// All observations of the classic series.
    fn classic(&self) -> f64 {
        at(&self.within, f64::INFINITY).unwrap_or(0.0)
    }

    /// All observations of both forms.
    fn total(&self) -> f64 {
        self.classic() + self.native.as_ref().map_or(0.0, |native| native.count)
    }

    /// The observations of both forms at or below each finite edge at which all of them can be counted.
    fn shared(&self) -> Vec<(f64, f64)> {
        let native = |edge| {
            self.native
                .as_ref()
                .map_or(Some(0.0), |native| native_within(native, edge))
        };
        if self.classic() > 0.0 {
            // Where no series is left there are no others that could lack the edge.
            let everywhere = at(&self.series, f64::INFINITY).unwrap_or(0.0);
            let common = |edge: f64| at(&self.series, edge).unwrap_or(0.0) >= everywhere;
            let finite = self.within.iter().filter(|(edge, _)| edge.is_finite());
            return finite
                .filter(|(edge, _)| common(*edge))
                .filter_map(|(edge, within)| Some((*edge, within + native(*edge)?)))
                .collect();
        }
        let buckets = self.native.iter().flat_map(|native| &native.buckets);
        let edges = buckets.flat_map(|bucket| [bucket.lower, bucket.upper]);
        let mut edges: Vec<f64> = edges.filter(|edge| edge.is_finite()).collect();
        edges.dedup();
        edges
            .into_iter()
            .filter_map(|edge| Some((edge, native(edge)?)))
            .collect()
    }

    /// The p99 over the edges that every series has; None without observations.
    pub(crate) fn p99(&self) -> Option<P99> {
        let total = self.total();
        if total <= 0.0 {
            return None;
        }
        let native_sum = self.native.as_ref().map_or(0.0, |native| native.sum);
        let (mut low, mut below) = (0.0, 0.0);
        for (edge, within) in self.shared() {
            if within >= QUANTILE * total {
                let share = (QUANTILE * total - below) / (within - below);
                // As Prometheus does, and only between buckets that grow by a constant factor.
                let value = if self.classic() == 0.0 && is_exponential(low, edge) {
                    low * (edge / low).powf(share)
                } else {
                    low + (edge - low) * share
                };
                return Some(P99::Inside {
                    low,
                    high: edge,
                    value,
                });
            }
            (low, below) = (edge, within);
        }
        let mean = (self.sum + native_sum - low * below) / (total - below);
        Some(P99::Beyond { top: low, mean })
    }

    /// How the p99 stands to a budget.
    pub(crate) fn standing(&self, p99: P99, budget: f64) -> Standing {
        if self.over_an_edge(budget) {
            return Standing::Over;
        }
        match p99 {
            P99::Inside { high, .. } if high <= budget => Standing::Within,
            P99::Inside { low, .. } if low >= budget => Standing::Over,
            P99::Beyond { top, mean } if top >= budget || mean > budget => Standing::Over,
            // Within exponential buckets the rules interpolate as well.
            P99::Inside { .. } if self.classic() == 0.0 && self.native_over(budget).is_some() => {
                Standing::Within
            }
            P99::Inside { .. } | P99::Beyond { .. } => Standing::Unknown,
        }
    }

    /// Native observations above an edge, where that can be told.
    fn native_over(&self, edge: f64) -> Option<f64> {
        let native = self.native.as_ref()?;
        Some(native.count - native_within(native, edge)?)
    }

    /// Whether more than one in a hundred of all observations lies above an edge at or over the budget, which
    /// some of the series have.
    fn over_an_edge(&self, budget: f64) -> bool {
        let allowed = (1.0 - QUANTILE) * self.total();
        let native = |edge| self.native_over(edge).unwrap_or(0.0);
        native(budget) > allowed
            || self.observed.iter().any(|(edge, observed)| {
                let within = at(&self.within, *edge).unwrap_or(*observed);
                *edge >= budget && observed - within + native(*edge) > allowed
            })
    }
}

/// Observations of a native histogram at or below an edge; None if a converted bucket has it inside.
fn native_within(native: &HistogramSample, edge: f64) -> Option<f64> {
    let mut within = 0.0;
    for bucket in &native.buckets {
        if bucket.upper <= edge {
            within += bucket.count;
        } else if bucket.lower < edge {
            if !is_exponential(bucket.lower, bucket.upper) {
                return None;
            }
            let share = (edge / bucket.lower).ln() / (bucket.upper / bucket.lower).ln();
            within += bucket.count * share;
        }
    }
    Some(within)
}

/// Whether both are bounds of exponential buckets: powers of 2^(1/256), which the finest schema has. The bounds
/// of converted ones are whatever the buckets had.
fn is_exponential(lower: f64, upper: f64) -> bool {
    let is_power = |bound: f64| {
        let steps = bound.log2() * 256.0;
        bound.is_normal() && (steps - steps.round()).abs() < 1e-6
    };
    is_power(lower) && is_power(upper)
}

/// `60` and `60.0` are one edge, which differs from client to client.
fn add(edges: &mut Vec<(f64, f64)>, edge: f64, value: f64) {
    match edges.iter_mut().find(|(known, _)| *known == edge) {
        Some((_, known)) => *known += value,
        None => edges.push((edge, value)),
    }
}

fn at(edges: &[(f64, f64)], edge: f64) -> Option<f64> {
    edges
        .iter()
        .find(|(known, _)| *known == edge)
        .map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use seamless_core::prometheus::HistogramBucket;

    use super::*;

    const INF: f64 = f64::INFINITY;

    /// `series` series that all have the edges.
    fn buckets(within: &[(f64, f64)], sum: f64) -> PhaseBuckets {
        PhaseBuckets {
            within: within.to_vec(),
            series: within.iter().map(|(edge, _)| (*edge, 2.0)).collect(),
            sum,
            ..PhaseBuckets::default()
        }
    }

    fn standing(buckets: &PhaseBuckets, budget: f64) -> Standing {
        buckets.standing(buckets.p99().unwrap(), budget)
    }

    #[test]
    fn a_p99_inside_a_bucket_is_judged_by_the_buckets_edges() {
        let buckets = buckets(&[(2.5, 0.5), (5.0, 10.0), (10.0, 10.0), (INF, 10.0)], 26.0);
        let Some(P99::Inside { low, high, value }) = buckets.p99() else {
            panic!("{:?}", buckets.p99());
        };
        assert_eq!((low, high), (2.5, 5.0));
        assert!(low < value && value <= high, "{value}");
        assert_eq!(standing(&buckets, 5.0), Standing::Within);
        assert_eq!(standing(&buckets, 2.5), Standing::Over);
        // 2.6 s under a budget of 3 s would be well; these buckets do not know.
        assert_eq!(standing(&buckets, 3.0), Standing::Unknown);
    }

    #[test]
    fn above_the_top_edge_the_mean_decides() {
        // Requests of 240 s in buckets that end at 10 s.
        let slow = buckets(&[(5.0, 0.0), (10.0, 0.0), (INF, 1.0)], 240.0);
        assert_eq!(
            slow.p99(),
            Some(P99::Beyond {
                top: 10.0,
                mean: 240.0
            })
        );
        assert_eq!(standing(&slow, 60.0), Standing::Over);
        assert_eq!(standing(&slow, 10.0), Standing::Over);
        // Of 20 s: over the top edge, and nobody can tell whether over the budget.
        let slower = buckets(&[(10.0, 0.9), (INF, 1.0)], 2.0 + 0.9 * 10.0);
        assert_eq!(standing(&slower, 60.0), Standing::Unknown);
    }

    #[test]
    fn in_a_mixed_fleet_only_common_edges_make_the_p99_and_any_edge_proves_a_violation() {
        let mut mixed = buckets(
            &[(5.0, 8.0), (10.0, 9.0), (60.0, 1.0), (INF, 10.0)],
            9.0 * 5.0 + 100.0,
        );
        mixed.series = vec![(5.0, 4.0), (10.0, 4.0), (60.0, 2.0), (INF, 4.0)];
        assert!(matches!(mixed.p99(), Some(P99::Beyond { top, .. }) if top == 10.0));
        // Half of the series have an edge at the budget: one in five of their requests lies above it.
        mixed.observed = vec![(60.0, 2.0)];
        assert_eq!(standing(&mixed, 60.0), Standing::Over);
        mixed.observed = vec![(60.0, 1.0)];
        mixed.sum = 9.0 * 10.0 + 30.0;
        assert_eq!(standing(&mixed, 60.0), Standing::Unknown);
    }

    fn native(buckets: &[(f64, f64, f64)], sum: f64) -> Option<HistogramSample> {
        let count = buckets.iter().map(|(.., count)| count).sum();
        let buckets = buckets.iter().map(|(lower, upper, count)| HistogramBucket {
            lower: *lower,
            upper: *upper,
            count: *count,
        });
        Some(HistogramSample {
            time: 0.0,
            count,
            sum,
            buckets: buckets.collect(),
        })
    }

    #[test]
    fn both_forms_are_counted_and_then_divided() {
        let mut fleet = buckets(&[(5.0, 10.0), (60.0, 10.0), (INF, 10.0)], 10.0);
        fleet.observed = vec![(60.0, 10.0)];
        assert_eq!(standing(&fleet, 60.0), Standing::Within);
        // Nine slow native nodes beside it.
        fleet.native = native(&[(128.0, 256.0, 90.0)], 90.0 * 200.0);
        assert_eq!(standing(&fleet, 60.0), Standing::Over);
        // Of a thousand classic requests one native one is slow.
        let mut fleet = buckets(&[(5.0, 999.0), (60.0, 999.0), (INF, 999.0)], 999.0);
        fleet.observed = vec![(60.0, 999.0)];
        fleet.native = native(&[(128.0, 256.0, 1.0)], 200.0);
        assert_eq!(standing(&fleet, 60.0), Standing::Within);
    }

    #[test]
    fn exponential_buckets_are_interpolated_and_converted_ones_are_not() {
        // Two in a hundred lie between 32 s and 64 s.
        let mut nodes = PhaseBuckets {
            native: native(&[(1.0, 2.0, 98.0), (32.0, 64.0, 2.0)], 240.0),
            ..PhaseBuckets::default()
        };
        assert!(
            matches!(nodes.p99(), Some(P99::Inside { low, high, .. }) if (low, high) == (32.0, 64.0))
        );
        assert_eq!(standing(&nodes, 60.0), Standing::Within);
        assert_eq!(standing(&nodes, 45.0), Standing::Over);
        // The platform's buckets, converted: 2.6 s under a budget of 3 s.
        nodes.native = native(&[(2.5, 5.0, 100.0)], 260.0);
        assert_eq!(standing(&nodes, 3.0), Standing::Unknown);
        assert_eq!(standing(&nodes, 5.0), Standing::Within);
        assert_eq!(standing(&nodes, 2.5), Standing::Over);
        // And beyond their top edge.
        nodes.native = native(
            &[(2.5, 5.0, 50.0), (10.0, INF, 50.0)],
            50.0 * 4.0 + 50.0 * 20.0,
        );
        assert!(matches!(nodes.p99(), Some(P99::Beyond { top, .. }) if top == 10.0));
        assert_eq!(standing(&nodes, 60.0), Standing::Unknown);
        nodes.native = native(&[(10.0, INF, 100.0)], 24_000.0);
        assert_eq!(standing(&nodes, 60.0), Standing::Over);
    }

    #[test]
    fn at_an_edge_that_a_converted_bucket_has_inside_nothing_is_counted() {
        let mut fleet = buckets(&[(3.0, 10.0), (5.0, 10.0), (INF, 10.0)], 10.0);
        fleet.native = native(&[(2.5, 5.0, 10.0)], 26.0);
        assert!(
            matches!(fleet.p99(), Some(P99::Inside { low, high, .. }) if (low, high) == (0.0, 5.0))
        );
        assert_eq!(standing(&fleet, 3.0), Standing::Unknown);
    }

    #[test]
    fn without_observations_there_is_no_p99() {
        assert_eq!(PhaseBuckets::default().p99(), None);
        assert_eq!(buckets(&[(5.0, 0.0), (INF, 0.0)], 0.0).p99(), None);
    }
}
