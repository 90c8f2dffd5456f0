//! Whether this injection can fire an alert, about when, and what to change if it cannot.
//!
//! A pure function of the rules, the request and what is known of the scraping. It evaluates no PromQL:
//! it compares what the expression needs with what the scenarios do, and says nothing where it sees
//! no obstacle.

mod obstacle;

use std::collections::BTreeSet;
use std::time::Duration;

use seamless_core::rules::{Comparison, Expression, QueryError, Rule, RuleFile, SeriesSelector};
use seamless_core::schema::{Family, Kind, Unit};

use crate::cast::{Cast, CastFamily, Role};
use crate::request::{Delivery, Request};
use crate::scenario::{FEEDS, Motion, Observed, Scenario, Towards};

pub(crate) use obstacle::Obstacle;

/// Alerts that no injection fires: they tell that something is gone, or nothing at all.
const NOT_INJECTED: [&str; 2] = ["SeamlessMetricsAbsent", "SeamlessWatchdog"];

/// What is known of the way from exposition to rule.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts {
    /// How often the series are scraped.
    pub(crate) scrape_interval: Option<Duration>,
    /// The highest finite bucket of the live histogram, in its own unit.
    pub(crate) top_bucket: Option<f64>,
}

/// What is to be expected of an alert.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// It fires about so long after the start.
    Fires { after: Duration },
    /// It cannot fire, for these reasons.
    Cannot(Vec<Obstacle>),
}

/// Foretells the alert `name`.
///
/// # Errors
/// [`QueryError`] for an expression that cannot be read.
pub(crate) fn foretell(
    file: &RuleFile,
    name: &str,
    request: &Request,
    cast: &Cast,
    facts: Facts,
) -> Result<Verdict, QueryError> {
    if NOT_INJECTED.contains(&name) {
        return Ok(Verdict::Cannot(vec![Obstacle::NotInjected]));
    }
    let mut obstacles: Vec<Obstacle> = Vec::new();
    let mut soonest: Option<Duration> = None;
    let mut known = false;
    for rule in file.alerts_named(name) {
        known = true;
        let scene = Scene {
            file,
            request,
            cast,
            facts,
        };
        match scene.foretell(rule)? {
            Verdict::Fires { after } => {
                soonest = Some(soonest.map_or(after, |earlier| earlier.min(after)));
            }
            Verdict::Cannot(why) => {
                for obstacle in why {
                    if !obstacles.contains(&obstacle) {
                        obstacles.push(obstacle);
                    }
                }
            }
        }
    }
    Ok(match soonest {
        Some(after) => Verdict::Fires { after },
        None if known => Verdict::Cannot(narrowed(obstacles)),
        None => Verdict::Cannot(vec![Obstacle::NotLoaded {
            similar: similar(file, name),
        }]),
    })
}

/// Where one rule of an alert fails on what it selects and another on something else, the second is the
/// one to mend.
fn narrowed(mut obstacles: Vec<Obstacle>) -> Vec<Obstacle> {
    let misses = |obstacle: &Obstacle| matches!(obstacle, Obstacle::NotSelected { .. });
    if !obstacles.iter().all(misses) {
        obstacles.retain(|obstacle| !misses(obstacle));
    }
    // The alert's other rules fail in the same way with other numbers.
    let mut kinds = BTreeSet::new();
    obstacles.retain(|obstacle| kinds.insert(obstacle.name()));
    obstacles
}

/// The name among the file's alerts that `name` was probably meant to be.
fn similar(file: &RuleFile, name: &str) -> Option<String> {
    file.alerts()
        .map(|rule| (strsim::jaro_winkler(&rule.name, name), &rule.name))
        .filter(|(likeness, _)| *likeness > 0.85)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name.clone())
}

struct Scene<'s> {
    file: &'s RuleFile,
    request: &'s Request,
    cast: &'s Cast,
    facts: Facts,
}

impl Scene<'_> {
    fn foretell(&self, rule: &Rule) -> Result<Verdict, QueryError> {
        let mut needed = Vec::new();
        self.needed(&rule.expr, &mut needed, &mut BTreeSet::new())?;
        let families: Vec<&'static Family> = self.file.inputs(rule)?.families();
        if families.is_empty() {
            return Ok(Verdict::Cannot(vec![Obstacle::NotInjected]));
        }
        let fed: Vec<_> = self
            .roles()
            .filter(|(family, role)| {
                role.violates && families.iter().any(|f| f.name == family.family.name)
            })
            .collect();
        if fed.is_empty() {
            return Ok(Verdict::Cannot(vec![not_fed(&families)]));
        }
        if !fed
            .iter()
            .any(|(family, role)| needed.iter().any(|s| self.selects(s, family, role)))
        {
            let rule = rule.labels.get("phase").cloned();
            return Ok(Verdict::Cannot(vec![Obstacle::NotSelected { phase: rule }]));
        }
        let mut obstacles = Vec::new();
        obstacles.extend(self.quantiles(rule)?);
        let approach = self.levels(rule, &mut obstacles)?;
        obstacles.extend(self.ranges(&needed));
        let after = self.settling(&needed) + self.evaluation(rule) + approach + rule.pending_for();
        obstacles.extend(self.too_short(rule, &needed, after));
        Ok(if obstacles.is_empty() {
            Verdict::Fires { after }
        } else {
            Verdict::Cannot(obstacles)
        })
    }

    fn roles(&self) -> impl Iterator<Item = (&CastFamily, &Role)> {
        self.cast
            .families
            .iter()
            .flat_map(|family| family.roles.iter().map(move |role| (family, role)))
    }

    /// The selectors that the expression needs, recording rules resolved.
    fn needed(
        &self,
        expr: &Expression,
        found: &mut Vec<SeriesSelector>,
        seen: &mut BTreeSet<String>,
    ) -> Result<(), QueryError> {
        for selector in expr.query()?.needed_selectors() {
            let name = selector.name().unwrap_or_default().to_owned();
            let mut recordings = self.file.recordings_named(&name).peekable();
            if recordings.peek().is_none() {
                found.push(selector);
            } else if seen.insert(name.clone()) {
                for recording in recordings {
                    self.needed(&recording.expr, found, seen)?;
                }
            }
        }
        Ok(())
    }

    /// Whether the selector takes the role's series.
    fn selects(&self, selector: &SeriesSelector, family: &CastFamily, role: &Role) -> bool {
        let named = ["", "_bucket", "_sum", "_count"]
            .iter()
            .any(|suffix| selector.selects_name(&format!("{}{suffix}", family.name)));
        let pairs = role.pairs(self.request, 0);
        named
            && selector
                .matchers
                .iter()
                .filter(|matcher| !matches!(matcher.name.as_str(), "__name__" | "le"))
                .all(|matcher| {
                    let value = pairs.iter().find(|(name, _)| *name == matcher.name);
                    matcher.is_match(value.map_or("", |(_, value)| value))
                })
    }

    /// What keeps every quantile of the rule from passing its threshold.
    fn quantiles(&self, rule: &Rule) -> Result<Vec<Obstacle>, QueryError> {
        let mut obstacles = Vec::new();
        for threshold in self.file.thresholds(rule)? {
            let above = matches!(
                threshold.comparison,
                Comparison::Greater | Comparison::GreaterOrEqual
            );
            if threshold.native || !above {
                continue;
            }
            for (family, role) in self.roles() {
                if !role.violates || !self.selects(&threshold.selector, family, role) {
                    continue;
                }
                let Kind::Histogram(bounds) = family.family.kind else {
                    continue;
                };
                let top = self.facts.top_bucket.or(bounds.last().copied());
                let top = top.unwrap_or(f64::INFINITY);
                if threshold.threshold >= top {
                    obstacles.push(Obstacle::ThresholdAboveTopBucket {
                        threshold: threshold.threshold,
                        top,
                    });
                    continue;
                }
                let estimate = self.quantile(family, role, threshold.quantile);
                if estimate > threshold.threshold {
                    return Ok(Vec::new());
                }
                obstacles.push(Obstacle::DurationTooShort {
                    estimate,
                    threshold: threshold.threshold,
                    unit: family.family.unit.symbol(),
                });
            }
        }
        obstacles.dedup();
        Ok(obstacles)
    }

    /// The quantile of a role whose observations all lie in one bucket, as `histogram_quantile`
    /// interpolates it.
    fn quantile(&self, family: &CastFamily, role: &Role, quantile: f64) -> f64 {
        let (
            Kind::Histogram(bounds),
            Motion::Observe {
                violating: Observed::Duration,
                ..
            },
        ) = (family.family.kind, role.motion)
        else {
            return f64::INFINITY;
        };
        let scale = match family.family.unit {
            Unit::Milliseconds => 1000.0,
            _ => 1.0,
        };
        let value = self.request.duration.as_secs_f64() * scale;
        let index = bounds.partition_point(|bound| *bound < value);
        let low = index.checked_sub(1).and_then(|i| bounds.get(i)).copied();
        let low = low.unwrap_or(0.0);
        match bounds.get(index) {
            Some(high) => low + (high - low) * quantile,
            None => low,
        }
    }

    /// How long gauges take to pass what the rule compares them with; an obstacle where none does.
    fn levels(&self, rule: &Rule, obstacles: &mut Vec<Obstacle>) -> Result<Duration, QueryError> {
        let mut soonest: Option<u32> = None;
        let mut missed = None;
        for (selector, comparison, threshold) in rule.expr.query()?.compared_series() {
            for (family, role) in self.roles() {
                let Motion::Level {
                    start, violating, ..
                } = role.motion
                else {
                    continue;
                };
                if !role.violates || !self.selects(&selector, family, role) {
                    continue;
                }
                match steps_until(start, violating, comparison, threshold) {
                    Some(steps) => soonest = Some(soonest.map_or(steps, |s| s.min(steps))),
                    None => {
                        missed = Some(Obstacle::LevelNotReached {
                            family: family.family.name,
                            level: violating.0,
                            threshold,
                        });
                    }
                }
            }
        }
        match (soonest, missed) {
            (Some(steps), _) => Ok(self.step() * steps),
            (None, Some(missed)) => {
                obstacles.push(missed);
                Ok(Duration::ZERO)
            }
            (None, None) => Ok(Duration::ZERO),
        }
    }

    fn ranges(&self, needed: &[SeriesSelector]) -> Option<Obstacle> {
        let shortest = needed.iter().filter_map(|selector| selector.range).min()?;
        if matches!(self.request.delivery, Delivery::Once(_)) {
            return Some(Obstacle::StandsStill);
        }
        if let Some(interval) = self.facts.scrape_interval
            && shortest < interval * 2
        {
            return Some(Obstacle::RangeUnderTwoScrapes {
                range: shortest,
                interval,
            });
        }
        (shortest < self.step() * 2).then(|| Obstacle::StepTooLong {
            range: shortest,
            step: self.step(),
        })
    }

    fn step(&self) -> Duration {
        match &self.request.delivery {
            Delivery::Once(_) => Duration::ZERO,
            Delivery::Lasting(course) => course.step,
        }
    }

    /// How long it takes until the expression has what it reads: two samples for a rate, one for a level,
    /// and a past where it looks back.
    fn settling(&self, needed: &[SeriesSelector]) -> Duration {
        let interval = self
            .facts
            .scrape_interval
            .unwrap_or_default()
            .max(self.step());
        let samples = if needed.iter().any(|s| s.range.is_some()) {
            2
        } else {
            1
        };
        let past = needed.iter().map(|selector| selector.offset).max();
        interval * samples + past.unwrap_or_default()
    }

    /// The group's interval: so long the rule may take to see what is there.
    fn evaluation(&self, rule: &Rule) -> Duration {
        let group = self
            .file
            .groups
            .iter()
            .find(|group| group.rules.iter().any(|other| std::ptr::eq(other, rule)));
        group.and_then(|group| group.interval).unwrap_or_default()
    }

    fn too_short(
        &self,
        rule: &Rule,
        needed: &[SeriesSelector],
        after: Duration,
    ) -> Option<Obstacle> {
        let Delivery::Lasting(course) = &self.request.delivery else {
            return None;
        };
        let violating = course
            .recover_after
            .map_or(course.hold, |r| r.min(course.hold));
        // What looks back over a range still sees the violation when it is over.
        let ranges: Option<Vec<Duration>> = needed.iter().map(|s| s.range).collect();
        let afterglow = ranges.and_then(|ranges| ranges.into_iter().min());
        (violating + afterglow.unwrap_or_default() < after).then(|| Obstacle::HoldTooShort {
            violating,
            needs: after,
            pending_for: rule.pending_for(),
        })
    }
}

fn steps_until(
    start: f64,
    Towards(target, share): Towards,
    comparison: Comparison,
    threshold: f64,
) -> Option<u32> {
    let holds = |level: f64| match comparison {
        Comparison::Greater => level > threshold,
        Comparison::GreaterOrEqual => level >= threshold,
        Comparison::Less => level < threshold,
        Comparison::LessOrEqual => level <= threshold,
        Comparison::Equal => level == threshold,
        Comparison::NotEqual => level != threshold,
    };
    let mut level = start;
    // A level that has not come near its target after so many steps never will.
    for steps in 0..2000 {
        if holds(level) && (holds(target) || steps > 0) {
            return Some(steps);
        }
        level += (target - level) * share;
    }
    None
}

fn not_fed(families: &[&'static Family]) -> Obstacle {
    let mut scenarios: Vec<&'static str> = FEEDS
        .iter()
        .filter(|feed| families.iter().any(|family| family.name == feed.family))
        .map(|feed| Scenario::name(feed.scenario))
        .collect();
    scenarios.dedup();
    Obstacle::NotFed {
        families: families.iter().map(|family| family.name).collect(),
        scenarios,
    }
}

#[cfg(test)]
mod tests;
