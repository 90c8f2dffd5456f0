//! Whether this injection can fire an alert, about when, and what to change if it cannot.
//!
//! A pure function of the rules, the request and what is known of the scraping. It evaluates no PromQL:
//! it compares what the expression needs with what the scenarios do, and says nothing where it sees
//! no obstacle.

mod obstacle;

use std::collections::BTreeSet;
use std::time::Duration;

use seamless_cli::clean;
use seamless_core::analysis::{Analysis, FiringVerdict, Layout, Layouts};
use seamless_core::duration;
use seamless_core::promql::{Comparison, Expression, QueryError, SeriesSelector};
use seamless_core::rules::{self, Rule, RuleFile};
use seamless_core::schema::{AlertSeverity, DRILL_LABEL, Family, Unit};
use serde::Serialize;

use crate::args::Histograms;
use crate::request::{Delivery, Request};
use crate::scenario::{self, Observed, Scenario, Towards, Waveform};
use crate::series::{SeriesFamily, SeriesGroup, SeriesSet};

pub(crate) use obstacle::Obstacle;

/// Alerts that no injection fires: they tell that something is gone, or nothing at all.
const NOT_INJECTED: [&str; 6] = [
    "SeamlessMetricsAbsent",
    "SeamlessTargetDown",
    "SeamlessNotificationsFailing",
    "SeamlessHealthCheckFailing",
    "SeamlessHealthCheckAbsent",
    rules::WATCHDOG,
];

/// What is known of the way from exposition to rule.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ScrapeInfo {
    /// How often the series are scraped.
    pub(crate) scrape_interval: Option<Duration>,
    /// The highest finite bucket of the live histogram, in its own unit.
    pub(crate) top_bucket: Option<f64>,
}

/// What is to be expected of an alert.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Prediction {
    pub(crate) alert: String,
    pub(crate) can_fire: bool,
    /// About so long after the start of the drill.
    #[serde(rename = "after_seconds", serialize_with = "crate::json::some_seconds")]
    pub(crate) after: Option<Duration>,
    /// Why it cannot fire.
    pub(crate) obstacles: Vec<Obstacle>,
    /// Whether the run was asked to wait for it.
    pub(crate) expected: bool,
}

/// Whether one rule fires: after so long, or why not.
type PredictedDelay = Result<Duration, Vec<Obstacle>>;

impl Prediction {
    /// Whether nothing is expected that cannot be.
    pub(crate) const fn keeps_its_promise(&self) -> bool {
        self.can_fire || !self.expected
    }

    /// In one line.
    pub(crate) fn line(&self) -> String {
        let name = clean(&self.alert);
        match self.after {
            Some(after) => format!("{name} should fire after about {}", duration::format(after)),
            None => {
                let why: Vec<String> = self.obstacles.iter().map(Obstacle::to_string).collect();
                format!("{name} cannot fire: {}", clean(&why.join("; and ")))
            }
        }
    }
}

/// What is to be expected of the alerts that the run waits for; without any, of all that `rules` has.
///
/// # Errors
/// [`QueryError`] for an expression that cannot be read.
pub(crate) fn predictions(
    rules: &RuleFile,
    request: &Request,
    series_set: &SeriesSet,
    scrape: ScrapeInfo,
) -> Result<Vec<Prediction>, QueryError> {
    let mut names: Vec<&str> = request.expected.iter().map(String::as_str).collect();
    if names.is_empty() {
        for rule in rules.alerts() {
            if !names.contains(&rule.name.as_str()) {
                names.push(&rule.name);
            }
        }
    }
    names
        .into_iter()
        .map(|name| {
            let verdict = predict(rules, name, request, series_set, scrape)?;
            Ok(Prediction {
                alert: name.to_owned(),
                can_fire: verdict.is_ok(),
                after: verdict.as_ref().ok().copied(),
                obstacles: verdict.err().unwrap_or_default(),
                expected: !request.expected.is_empty(),
            })
        })
        .collect()
}

/// Whether the rule's alerts page.
pub(crate) fn is_critical(rule: &Rule) -> bool {
    let severity = rule.labels.get("severity");
    severity.is_some_and(|severity| severity == AlertSeverity::Critical.label())
}

/// Whether the rule's alerts do not carry this drill's label, so that nothing that goes by it, such as the
/// drill's silence, meets them.
pub(crate) fn loses_drill(rules: &RuleFile, rule: &Rule) -> bool {
    match rule.labels.get(DRILL_LABEL) {
        Some(value) if !repeats_drill(DRILL_LABEL, value) => true,
        _ => Analysis::new(rules, &Layouts::of_schema()).drops(rule, DRILL_LABEL),
    }
}

/// Whether a label of a rule is the drill's label as the series have it: `drill: '{{ $labels.drill }}'`.
pub(crate) fn repeats_drill(name: &str, value: &str) -> bool {
    name == DRILL_LABEL && value.contains(&format!("$labels.{DRILL_LABEL}"))
}

/// The rules of severity critical whose alerts should fire, and after how long.
pub(crate) fn critical<'r>(
    rules: &'r RuleFile,
    request: &Request,
    series_set: &SeriesSet,
) -> Vec<(&'r Rule, Duration)> {
    let mut found = Vec::new();
    for rule in rules.alerts().filter(|rule| is_critical(rule)) {
        if NOT_INJECTED.contains(&rule.name.as_str()) {
            continue;
        }
        let predictor = Predictor {
            file: rules,
            request,
            series_set,
            scrape: ScrapeInfo::default(),
        };
        let Ok(Ok(after)) = predictor.predict(rule) else {
            continue;
        };
        found.push((rule, after));
    }
    found
}

/// Whether the alert `name` can fire: after so long, or why not.
///
/// # Errors
/// [`QueryError`] for an expression that cannot be read.
pub(crate) fn predict(
    file: &RuleFile,
    name: &str,
    request: &Request,
    series_set: &SeriesSet,
    scrape: ScrapeInfo,
) -> Result<PredictedDelay, QueryError> {
    if NOT_INJECTED.contains(&name) {
        return Ok(Err(vec![Obstacle::NotInjected]));
    }
    let mut obstacles: Vec<Obstacle> = Vec::new();
    let mut soonest: Option<Duration> = None;
    let mut known = false;
    for rule in file.alerts_named(name) {
        known = true;
        let predictor = Predictor {
            file,
            request,
            series_set,
            scrape,
        };
        match predictor.predict(rule)? {
            Ok(after) => {
                soonest = Some(soonest.map_or(after, |earlier| earlier.min(after)));
            }
            Err(why) => {
                for obstacle in why {
                    if !obstacles.contains(&obstacle) {
                        obstacles.push(obstacle);
                    }
                }
            }
        }
    }
    Ok(match soonest {
        Some(after) => Ok(after),
        None if known => Err(narrowed(obstacles)),
        None => Err(vec![Obstacle::NotLoaded {
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

struct Predictor<'s> {
    file: &'s RuleFile,
    request: &'s Request,
    series_set: &'s SeriesSet,
    scrape: ScrapeInfo,
}

impl Predictor<'_> {
    fn predict(&self, rule: &Rule) -> Result<PredictedDelay, QueryError> {
        let mut needed = Vec::new();
        self.needed(
            &rule.expr,
            &mut needed,
            &mut BTreeSet::new(),
            Duration::ZERO,
        )?;
        // What is not injected is there already, or leaves an alternative empty.
        needed.retain(|s| {
            self.groups()
                .any(|(family, group)| self.selects(s, family, group))
        });
        let families: Vec<&'static Family> = self.file.inputs(rule)?.families();
        if families.is_empty() {
            return Ok(Err(vec![Obstacle::NotInjected]));
        }
        let fed: Vec<_> = self
            .groups()
            .filter(|(family, group)| {
                group.violates && families.iter().any(|f| f.name == family.family.name)
            })
            .collect();
        if fed.is_empty() {
            return Ok(Err(vec![not_fed(&families)]));
        }
        if !fed
            .iter()
            .any(|(family, group)| needed.iter().any(|s| self.selects(s, family, group)))
        {
            let rule = rule.labels.get("phase").cloned();
            return Ok(Err(vec![Obstacle::NotSelected { phase: rule }]));
        }
        let layouts = self.layouts();
        let judgement = Analysis::new(self.file, &layouts).judge(rule);
        if let FiringVerdict::NeverFires(reason) = judgement.verdict {
            let is_quantile = !self.file.thresholds(rule)?.is_empty();
            return Ok(Err(vec![Obstacle::NeverFires {
                reason: reason.to_string(),
                is_quantile,
            }]));
        }
        let mut obstacles = Vec::new();
        obstacles.extend(self.quantiles(rule)?);
        let approach = self.levels(rule, &mut obstacles)?;
        obstacles.extend(self.ranges(rule, &needed));
        let after = self.settling(&needed) + self.evaluation(rule) + approach + rule.pending_for();
        obstacles.extend(self.too_short(rule, &needed, after));
        Ok(if obstacles.is_empty() {
            Ok(after)
        } else {
            Err(obstacles)
        })
    }

    fn groups(&self) -> impl Iterator<Item = (&SeriesFamily, &SeriesGroup)> {
        self.series_set
            .families
            .iter()
            .flat_map(|family| family.groups.iter().map(move |group| (family, group)))
    }

    /// The selectors that the expression needs, recording rules resolved.
    fn needed(
        &self,
        expr: &Expression,
        found: &mut Vec<SeriesSelector>,
        seen: &mut BTreeSet<(String, Duration)>,
        past: Duration,
    ) -> Result<(), QueryError> {
        for mut selector in expr.query()?.needed_selectors() {
            selector.offset += past;
            let name = selector.name().unwrap_or_default().to_owned();
            let mut recordings = self.file.recordings_named(&name).peekable();
            if recordings.peek().is_none() {
                found.push(selector);
            } else if seen.insert((name.clone(), selector.offset)) {
                for recording in recordings {
                    self.needed(&recording.expr, found, seen, selector.offset)?;
                }
            }
        }
        Ok(())
    }

    /// Whether the selector takes the group's series.
    fn selects(
        &self,
        selector: &SeriesSelector,
        family: &SeriesFamily,
        group: &SeriesGroup,
    ) -> bool {
        let named = ["", "_bucket", "_sum", "_count"]
            .iter()
            .any(|suffix| selector.selects_name(&format!("{}{suffix}", family.name)));
        let pairs = group.pairs(self.request, 0);
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

    /// The buckets that the drill's histograms have: what is live, or what is injected.
    fn layouts(&self) -> Layouts {
        let mut layouts = Layouts::of_schema();
        let top = self.scrape.top_bucket.unwrap_or(f64::INFINITY);
        for family in &self.series_set.families {
            let edges = family.edges.iter().copied().filter(|edge| *edge <= top);
            if !family.edges.is_empty() {
                layouts.set_classic(family.family.name, edges);
                if self.request.histograms == Histograms::Classic {
                    layouts.set_native(family.family.name, Layout::Absent);
                }
            }
        }
        layouts
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
            for (family, group) in self.groups() {
                if !group.violates || !self.selects(&threshold.selector, family, group) {
                    continue;
                }
                if family.edges.is_empty() {
                    continue;
                }
                let estimate = self.quantile(family, group, threshold.quantile);
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

    /// The quantile of a group whose observations all lie in one bucket, as `histogram_quantile`
    /// interpolates it.
    fn quantile(&self, family: &SeriesFamily, group: &SeriesGroup, quantile: f64) -> f64 {
        let Waveform::Observe {
            violating: Observed::Duration,
            ..
        } = group.waveform
        else {
            return f64::INFINITY;
        };
        let bounds = family.edges;
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
            for (family, group) in self.groups() {
                let Waveform::Level {
                    start, violating, ..
                } = group.waveform
                else {
                    continue;
                };
                if !group.violates || !self.selects(&selector, family, group) {
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

    fn ranges(&self, rule: &Rule, needed: &[SeriesSelector]) -> Option<Obstacle> {
        let shortest = needed.iter().filter_map(|selector| selector.range).min()?;
        if matches!(self.request.delivery, Delivery::Once(_)) {
            return Some(Obstacle::StandsStill);
        }
        // A range is open on the left from Prometheus 3.0 on, so that one of a single scrape interval holds one
        // sample. One under two intervals holds two now and then, and `for` starts anew in between.
        let fewest = if rule.pending_for().is_zero() { 1 } else { 2 };
        if let Some(interval) = self.scrape.scrape_interval
            && (shortest <= interval || shortest < interval * fewest)
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
            .scrape
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
    let mut scenarios: Vec<&'static str> = scenario::every()
        .filter(|generator| {
            families
                .iter()
                .any(|family| family.name == generator.family)
        })
        .map(|generator| Scenario::name(generator.scenario))
        .collect();
    scenarios.dedup();
    Obstacle::NotFed {
        families: families.iter().map(|family| family.name).collect(),
        scenarios,
    }
}

#[cfg(test)]
mod tests;
