//! The value of every series at one step, and how the next step follows from it.
//!
//! A pure function of the request, the seed, the number of steps and the time that is passed in: no clock, no I/O.

use std::collections::BTreeMap;

use fastrand::Rng;
use seamless_core::schema::Unit;

use crate::request::Request;
use crate::scenario::{Amount, Listed, Observed, Towards, Waveform};
use crate::series::{SeriesFamily, SeriesGroup, SeriesSet};

/// Every value at one step. Copies of a group share theirs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Values {
    /// How many steps were made.
    pub(crate) step: u64,
    /// By family and group, in the order of the series set.
    pub(crate) families: Vec<Vec<Value>>,
}

/// What share of its way a gauge may lack to have arrived.
const ARRIVED: f64 = 1e-6;

/// The value of a group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Count(u64),
    Level(f64),
    /// Each bucket's own observations, `+Inf` last, and the sum of all.
    Observations {
        buckets: Vec<u64>,
        sum: f64,
        /// The same observations in the buckets of a native histogram.
        native: Native,
    },
}

/// Observations in buckets that grow by a constant factor, as native histograms have them.
///
/// Specification: <https://prometheus.io/docs/specs/native_histograms/>.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Native {
    /// How often each bucket was met; the bucket at `i` ends at `2^(i/8)`.
    buckets: BTreeMap<i32, u64>,
    /// Observations of zero.
    pub(crate) zero: u64,
}

impl Native {
    /// Eight buckets per power of two: quantiles are exact to 9 %.
    pub(crate) const SCHEMA: i32 = 3;
    /// What counts as zero, as client libraries have it: 2^-128.
    pub(crate) const ZERO_THRESHOLD: f64 = 2.938_735_877_055_719e-39;

    fn observe(&mut self, value: f64, times: u64) {
        if value <= Self::ZERO_THRESHOLD {
            self.zero = self.zero.saturating_add(times);
            return;
        }
        let index = (value.log2() * f64::from(1 << Self::SCHEMA)).ceil() as i32;
        let count = self.buckets.entry(index).or_default();
        *count = count.saturating_add(times);
    }

    /// The spans of buckets (offset from the one before, length), and each bucket's difference from the one
    /// before. A histogram without observations has one empty span, which tells it from a classic one.
    pub(crate) fn spans(&self) -> (Vec<(i32, u32)>, Vec<i64>) {
        let mut spans: Vec<(i32, u32)> = Vec::new();
        let mut deltas = Vec::new();
        let (mut next, mut last) = (0, 0);
        for (index, count) in &self.buckets {
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            match spans.last_mut() {
                Some((_, length)) if *index == next => *length += 1,
                _ => spans.push((*index - next, 1)),
            }
            deltas.push(count - last);
            (next, last) = (*index + 1, count);
        }
        if spans.is_empty() {
            spans.push((0, 0));
        }
        (spans, deltas)
    }
}

/// When a step is made.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Moment {
    /// Seconds since 1970.
    pub(crate) unix_seconds: f64,
    /// Seconds since the drill's start.
    pub(crate) elapsed_seconds: f64,
}

/// Whether a drill violates, or has been told to recover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    Violating,
    Recovered,
}

impl Values {
    /// Before the first step: counters and histograms at 0, gauges where they start.
    pub(crate) fn first(series_set: &SeriesSet, request: &Request, moment: Moment) -> Self {
        let value = |family: &SeriesFamily, group: &SeriesGroup| match group.waveform {
            Waveform::Observe { .. } => Value::Observations {
                buckets: vec![0; family.bounds.buckets()],
                sum: 0.0,
                native: Native::default(),
            },
            Waveform::Count { .. } => Value::Count(0),
            Waveform::Level { start, .. } => Value::Level(start),
            Waveform::Listed(what) => Value::Level(listed(what, request, moment)),
        };
        Self {
            step: 0,
            families: series_set
                .families
                .iter()
                .map(|family| {
                    family
                        .groups
                        .iter()
                        .map(|group| value(family, group))
                        .collect()
                })
                .collect(),
        }
    }

    /// Moves everything by one step.
    pub(crate) fn advance(
        &mut self,
        series_set: &SeriesSet,
        request: &Request,
        condition: Condition,
        moment: Moment,
        rng: &mut Rng,
    ) {
        self.step += 1;
        for (family, values) in series_set.families.iter().zip(&mut self.families) {
            for (group, value) in family.groups.iter().zip(values) {
                let violates = group.violates && condition == Condition::Violating;
                if let (Waveform::Listed(what), Value::Level(level)) = (group.waveform, &mut *value)
                {
                    *level = listed(what, request, moment);
                }
                step(family, group, violates, request, rng, value);
            }
        }
    }
}

/// What the coordinator's list says then.
fn listed(what: Listed, request: &Request, moment: Moment) -> f64 {
    match what {
        Listed::At => moment.unix_seconds,
        Listed::Age(at_start) => at_start + moment.elapsed_seconds,
        Listed::ExpiresIn(at_start) => at_start - moment.elapsed_seconds,
        Listed::Leases => (request.nodes * request.worlds) as f64,
    }
}

fn step(
    family: &SeriesFamily,
    group: &SeriesGroup,
    violates: bool,
    request: &Request,
    rng: &mut Rng,
    value: &mut Value,
) {
    match (group.waveform, &mut *value) {
        (Waveform::Count { violating, healthy }, Value::Count(count)) => {
            // A counter that has come to the end of its range stands still; starting over would be a reset.
            *count = count.saturating_add(match if violates { violating } else { healthy } {
                Amount::Nothing => 0,
                Amount::Fixed(amount) => amount,
                Amount::PerRepetition(amount) => amount.saturating_mul(request.repetitions),
            });
        }
        (
            Waveform::Level {
                start,
                violating,
                healthy,
            },
            Value::Level(level),
        ) => {
            let Towards(target, share) = if violates { violating } else { healthy };
            *level += (target - *level) * share;
            // Shares of what is left never come to the end; nobody shows 1e-147 tokens.
            if (target - *level).abs() <= (target - start).abs() * ARRIVED {
                *level = target;
            }
        }
        (Waveform::Observe { violating, healthy }, Value::Observations { .. }) => {
            let observed = if violates { violating } else { healthy };
            observe(family, group, observed, request, rng, value);
        }
        // A value was made from its waveform, so they agree.
        _ => {}
    }
}

fn observe(
    family: &SeriesFamily,
    group: &SeriesGroup,
    observed: Observed,
    request: &Request,
    rng: &mut Rng,
    observations: &mut Value,
) {
    let Value::Observations {
        buckets,
        sum,
        native,
    } = observations
    else {
        return;
    };
    let unit = match family.family.unit {
        Unit::Milliseconds => 1000.0,
        _ => 1.0,
    };
    let budget = group.phase.map_or(1.0, |phase| phase.budget_seconds());
    let (low, high) = match observed {
        Observed::Duration => {
            let seconds = request.duration.as_secs_f64();
            (seconds, seconds)
        }
        Observed::BudgetShare(low, high) => (low * budget, high * budget),
        Observed::Seconds(low, high) => (low, high),
    };
    let mut record = |seconds: f64, times: u64| {
        let value = seconds * unit;
        if let Some(bucket) = buckets.get_mut(bucket_of(family, value)) {
            *bucket = bucket.saturating_add(times);
        }
        *sum += value * times as f64;
        native.observe(value, times);
    };
    if low >= high {
        record(low, request.repetitions);
        return;
    }
    // A thousand draws tell a distribution as well as a million.
    let draws = request.repetitions.min(1000);
    for draw in 0..draws {
        let share = request.repetitions / draws + u64::from(draw < request.repetitions % draws);
        record(low + rng.f64() * (high - low), share);
    }
}

fn bucket_of(family: &SeriesFamily, value: f64) -> usize {
    family.edges.partition_point(|edge| *edge < value)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::Args;

    fn after(arguments: &[&str], steps: usize, alter: impl Fn(&mut Values)) -> (SeriesSet, Values) {
        let program = ["inject-sla-violation", "n"];
        let args = Args::try_parse_from(program.iter().chain(arguments)).unwrap();
        let request = Request::from_args(&args).unwrap();
        let series_set = SeriesSet::new(&request).unwrap();
        let mut values = Values::first(&series_set, &request, Moment::default());
        alter(&mut values);
        let mut rng = Rng::with_seed(1);
        for _ in 0..steps {
            let moment = Moment::default();
            values.advance(
                &series_set,
                &request,
                Condition::Violating,
                moment,
                &mut rng,
            );
        }
        (series_set, values)
    }

    #[test]
    fn a_listed_lease_grows_older_and_its_list_is_new() {
        let arguments = [
            "inject-sla-violation",
            "n",
            "--scenario=stuck-lease",
            "--nodes=3",
        ];
        let request = Request::from_args(&Args::try_parse_from(arguments).unwrap()).unwrap();
        let series_set = SeriesSet::new(&request).unwrap();
        let mut values = Values::first(&series_set, &request, Moment::default());
        let moment = Moment {
            unix_seconds: 1_700_000_000.5,
            elapsed_seconds: 60.0,
        };
        let mut rng = Rng::with_seed(1);
        values.advance(
            &series_set,
            &request,
            Condition::Violating,
            moment,
            &mut rng,
        );
        for (name, expected) in [
            ("seamless_lease_held", 1.0),
            ("seamless_lease_age_seconds", 3660.0),
            ("seamless_lease_expires_in_seconds", -3540.0),
            ("seamless_leases", 3.0),
            ("seamless_leases_listed_timestamp_seconds", 1_700_000_000.5),
        ] {
            let mut families = series_set.families.iter();
            let at = families.position(|family| family.name == name).unwrap();
            assert_eq!(values.families[at], [Value::Level(expected)], "{name}");
        }
    }

    #[test]
    fn a_native_histogram_has_spans_of_buckets() {
        let mut native = Native::default();
        assert_eq!(native.spans(), (vec![(0, 0)], vec![]));
        // 1 is the end of bucket 0, 2 that of bucket 8, 2.1 lies in the next one.
        for (value, times) in [(1.0, 3), (2.0, 2), (2.1, 7), (0.0, 5)] {
            native.observe(value, times);
        }
        assert_eq!(native.zero, 5);
        assert_eq!(native.spans(), (vec![(0, 1), (7, 2)], vec![3, -1, 5]));
    }

    #[test]
    fn tokens_end_at_zero() {
        let (series_set, values) = after(&["--scenario=rate-limit"], 20, |_| {});
        let tokens = series_set
            .families
            .iter()
            .position(|family| family.name == "seamless_rl_tokens_available");
        assert_eq!(values.families[tokens.unwrap()][0], Value::Level(0.0));
    }

    #[test]
    fn counters_do_not_wrap() {
        let arguments = ["--scenario=all", "--repetitions=1000000000"];
        let (_, values) = after(&arguments, 2, |values| {
            for value in values.families.iter_mut().flatten() {
                match value {
                    Value::Count(count) => *count = u64::MAX - 1,
                    Value::Observations { buckets, .. } => buckets.fill(u64::MAX - 1),
                    Value::Level(_) => {}
                }
            }
        });
        for value in values.families.iter().flatten() {
            match value {
                Value::Count(count) => assert!(*count >= u64::MAX - 1),
                Value::Observations { buckets, .. } => {
                    assert!(buckets.iter().all(|count| *count >= u64::MAX - 1));
                }
                Value::Level(_) => {}
            }
        }
    }
}
