//! What every series is worth at one step, and how the next step follows from it.
//!
//! A pure function of the request, the seed and the number of steps: no clock, no I/O.

use fastrand::Rng;
use seamless_core::schema::{Kind, Unit};

use crate::cast::{Cast, CastFamily, Role};
use crate::request::Request;
use crate::scenario::{Amount, Motion, Observed, Towards};

/// Every value at one step. Copies of a role share theirs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Frame {
    /// How many steps were made.
    pub(crate) step: u64,
    /// The values, by family and role, in the order of the cast.
    pub(crate) values: Vec<Vec<Value>>,
}

/// The value of a role.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Count(u64),
    Level(f64),
    /// Each bucket's own observations, `+Inf` last, and the sum of all.
    Observations {
        buckets: Vec<u64>,
        sum: f64,
    },
}

/// Whether a drill violates, or has been told to recover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    Violating,
    Recovered,
}

impl Frame {
    /// The first frame: counters and histograms at 0, gauges where they start.
    pub(crate) fn first(cast: &Cast) -> Self {
        let value = |family: &CastFamily, role: &Role| match role.motion {
            Motion::Observe { .. } => Value::Observations {
                buckets: vec![0; family.bounds.buckets()],
                sum: 0.0,
            },
            Motion::Count { .. } => Value::Count(0),
            Motion::Level { start, .. } => Value::Level(start),
        };
        Self {
            step: 0,
            values: cast
                .families
                .iter()
                .map(|family| {
                    family
                        .roles
                        .iter()
                        .map(|role| value(family, role))
                        .collect()
                })
                .collect(),
        }
    }

    /// Moves everything by one step.
    pub(crate) fn advance(&mut self, cast: &Cast, request: &Request, mood: Mood, rng: &mut Rng) {
        self.step += 1;
        for (family, values) in cast.families.iter().zip(&mut self.values) {
            for (role, value) in family.roles.iter().zip(values) {
                let violates = role.violates && mood == Mood::Violating;
                step(family, role, violates, request, rng, value);
            }
        }
    }
}

fn step(
    family: &CastFamily,
    role: &Role,
    violates: bool,
    request: &Request,
    rng: &mut Rng,
    value: &mut Value,
) {
    match (role.motion, value) {
        (Motion::Count { violating, healthy }, Value::Count(count)) => {
            *count += match if violates { violating } else { healthy } {
                Amount::Nothing => 0,
                Amount::Fixed(amount) => amount,
                Amount::PerRepetition(amount) => amount * request.repetitions,
            };
        }
        (
            Motion::Level {
                violating, healthy, ..
            },
            Value::Level(level),
        ) => {
            let Towards(target, share) = if violates { violating } else { healthy };
            *level += (target - *level) * share;
        }
        (Motion::Observe { violating, healthy }, Value::Observations { buckets, sum }) => {
            let observed = if violates { violating } else { healthy };
            observe(family, role, observed, request, rng, buckets, sum);
        }
        // A value was made from its motion, so they agree.
        _ => {}
    }
}

fn observe(
    family: &CastFamily,
    role: &Role,
    observed: Observed,
    request: &Request,
    rng: &mut Rng,
    buckets: &mut [u64],
    sum: &mut f64,
) {
    let unit = match family.family.unit {
        Unit::Milliseconds => 1000.0,
        _ => 1.0,
    };
    let budget = role.phase.map_or(1.0, |phase| phase.budget_seconds());
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
            *bucket += times;
        }
        *sum += value * times as f64;
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

fn bucket_of(family: &CastFamily, value: f64) -> usize {
    match family.family.kind {
        Kind::Histogram(bounds) => bounds.partition_point(|bound| *bound < value),
        Kind::Counter | Kind::Gauge => 0,
    }
}
