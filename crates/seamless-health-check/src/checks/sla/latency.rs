//! What a phase's buckets say about its p99: a value inside a bucket, or only a bound.
//!
//! Owns the arithmetic on the rates of buckets, summed over the fleet. A quantile inside a bucket is known no
//! better than the bucket's edges, and one above the highest finite edge only as "at least that": the mean of
//! what lies beyond tells more, if it tells anything. See
//! <https://prometheus.io/docs/practices/histograms/#errors-of-quantile-estimation>.

use seamless_core::prometheus::InstantSeries;

const QUANTILE: f64 = 0.99;

/// The buckets of one phase, in observations per second.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Buckets {
    /// Observations at or below each edge, over the series that have the edge.
    pub(crate) within: Vec<(f64, f64)>,
    /// How many series have each edge.
    pub(crate) series: Vec<(f64, f64)>,
    /// All observations of the series that have the edge; known for the budget's edge only.
    pub(crate) observed: Vec<(f64, f64)>,
    /// The sum of all observed values, per second.
    pub(crate) sum: f64,
    /// The p99 of native histograms, which have no such edges.
    pub(crate) native: Option<f64>,
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

impl Buckets {
    /// Of one phase, from the samples of the query of the p99.
    pub(crate) fn of(phase: &str, samples: &[InstantSeries]) -> Self {
        let mut buckets = Self::default();
        for sample in samples {
            let Some(value) = sample.value.map(|value| value.value) else {
                continue;
            };
            if sample.metric.get("phase") != phase || value.is_nan() {
                continue;
            }
            let edge = sample.metric.get("le").parse().unwrap_or(f64::NAN);
            match sample.metric.get("what") {
                "within" => add(&mut buckets.within, edge, value),
                "series" => add(&mut buckets.series, edge, value),
                "observed" => add(&mut buckets.observed, edge, value),
                "sum" => buckets.sum += value,
                "native" => buckets.native = Some(value),
                _ => {}
            }
        }
        buckets.within.sort_by(|a, b| a.0.total_cmp(&b.0));
        buckets
    }

    /// The p99 over the edges that every series has; None without observations.
    pub(crate) fn p99(&self) -> Option<P99> {
        let total = at(&self.within, f64::INFINITY).filter(|total| *total > 0.0)?;
        let everywhere = at(&self.series, f64::INFINITY)?;
        let common = |edge: f64| at(&self.series, edge).is_some_and(|count| count >= everywhere);
        let (mut low, mut below) = (0.0, 0.0);
        for (edge, within) in self
            .within
            .iter()
            .copied()
            .filter(|(edge, _)| common(*edge))
        {
            if edge.is_infinite() {
                break;
            }
            if within >= QUANTILE * total {
                let share = (QUANTILE * total - below) / (within - below);
                return Some(P99::Inside {
                    low,
                    high: edge,
                    value: low + (edge - low) * share,
                });
            }
            (low, below) = (edge, within);
        }
        let mean = (self.sum - low * below) / (total - below);
        Some(P99::Beyond { top: low, mean })
    }

    /// How the p99 stands to a budget.
    pub(crate) fn standing(&self, p99: P99, budget: f64) -> Standing {
        if self.native.is_some_and(|native| native > budget) || self.over_an_edge(budget) {
            return Standing::Over;
        }
        match p99 {
            P99::Inside { high, .. } if high <= budget => Standing::Within,
            P99::Inside { low, .. } if low >= budget => Standing::Over,
            P99::Beyond { top, mean } if top >= budget || mean > budget => Standing::Over,
            P99::Inside { .. } | P99::Beyond { .. } => Standing::Unknown,
        }
    }

    /// Whether more than one in a hundred of all observations lies above an edge at or over the budget, which
    /// some of the series have.
    fn over_an_edge(&self, budget: f64) -> bool {
        let total = at(&self.within, f64::INFINITY).unwrap_or(f64::INFINITY);
        self.observed.iter().any(|(edge, observed)| {
            let within = at(&self.within, *edge).unwrap_or(*observed);
            *edge >= budget && observed - within > (1.0 - QUANTILE) * total
        })
    }
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
    use super::*;

    const INF: f64 = f64::INFINITY;

    /// `series` series that all have the edges.
    fn buckets(within: &[(f64, f64)], sum: f64) -> Buckets {
        Buckets {
            within: within.to_vec(),
            series: within.iter().map(|(edge, _)| (*edge, 2.0)).collect(),
            sum,
            ..Buckets::default()
        }
    }

    fn standing(buckets: &Buckets, budget: f64) -> Standing {
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

    #[test]
    fn slow_native_histograms_are_not_hidden_by_a_classic_one() {
        let mut fleet = buckets(&[(5.0, 10.0), (60.0, 10.0), (INF, 10.0)], 10.0);
        assert_eq!(standing(&fleet, 60.0), Standing::Within);
        fleet.native = Some(90.0);
        assert_eq!(standing(&fleet, 60.0), Standing::Over);
    }

    #[test]
    fn without_observations_there_is_no_p99() {
        assert_eq!(Buckets::default().p99(), None);
        assert_eq!(buckets(&[(5.0, 0.0), (INF, 0.0)], 0.0).p99(), None);
    }
}
