//! What is known of series: from the schema, the buckets of histograms, the conventions of Prometheus, and
//! the recording rules.

use std::collections::BTreeMap;

use promql_parser::label::{METRIC_NAME, Matcher};

use super::evaluate::AbstractValue;
use super::interval::Range;
use super::labels::PossibleLabels;
use super::layout::Layout;
use super::{Analysis, Reason};
use crate::promql::SeriesSelector;
use crate::schema::{FAMILIES, Family, Kind, Unit, family_of_series};

impl Analysis<'_> {
    /// What the series of a selector can be.
    pub(super) fn selected(&self, selector: &SeriesSelector) -> AbstractValue {
        let mut fact = match selector.name() {
            Some(name) => self.named(name, selector),
            None => self.matching(selector),
        };
        for matcher in &selector.matchers {
            use promql_parser::label::MatchOp;
            if matcher.name == "__name__" {
                continue;
            }
            if matcher.op == MatchOp::Equal {
                fact.labels = fact.labels.fixed(&matcher.name, &matcher.value);
            }
        }
        fact
    }

    /// A selector by a pattern: the schema's names that it matches.
    fn matching(&self, selector: &SeriesSelector) -> AbstractValue {
        let names = FAMILIES.iter().flat_map(Family::exposed_names);
        let named = names.filter(|name| selector.selects_name(name));
        let facts = named.map(|name| self.named(&name, selector));
        let unnamed = || AbstractValue::unknown(Reason::Metric(braced(&selector.matchers)));
        facts.reduce(AbstractValue::either).unwrap_or_else(unnamed)
    }

    fn named(&self, name: &str, selector: &SeriesSelector) -> AbstractValue {
        let mut recordings = self.rules.recordings_named(name).peekable();
        if recordings.peek().is_some() && !recordings.any(|rule| rule.may_be_selected_by(selector))
        {
            let part = format!("{name}{}", braced(&selector.matchers));
            let why = "no rule records series with such labels";
            return AbstractValue::series(Range::ANY).empty(Reason::Empty { part, why });
        }
        if let Some(fact) = self.recorded(name) {
            return fact;
        }
        let mut fact = match name {
            "up" => AbstractValue::series(Range::new(0.0, 1.0)).with_labels(&["job", "instance"]),
            "ALERTS" => {
                AbstractValue::series(Range::point(1.0)).with_labels(&["alertname", "alertstate"])
            }
            // What the health check writes.
            "seamless_health_check_healthy" => AbstractValue::series(Range::new(0.0, 1.0)),
            // What Prometheus and every client library expose.
            "scrape_duration_seconds" | "scrape_samples_scraped" | "process_start_time_seconds" => {
                AbstractValue::series(Range::NOT_NEGATIVE).with_labels(&["job", "instance"])
            }
            _ => match family_of_series(name) {
                Some(family) => self.family(name, family),
                // By convention these are counters, whoever exposes them.
                None if ["_total", "_count", "_bucket"]
                    .iter()
                    .any(|s| name.ends_with(s)) =>
                {
                    let mut fact = AbstractValue::series(Range::NOT_NEGATIVE);
                    if name.ends_with("_bucket") {
                        fact = fact.with_labels(&["le"]);
                        fact.histogram = Some((name.to_owned(), Layout::Unknown));
                    }
                    fact
                }
                // And these are points in time.
                None if name.ends_with("_timestamp_seconds") || name.ends_with("_time") => {
                    AbstractValue::series(Range::NOT_NEGATIVE)
                }
                None => AbstractValue::unknown(Reason::Metric(name.to_owned())),
            },
        };
        if let Some((_, Layout::Classic(edges))) = &mut fact.histogram {
            let les: Vec<_> = selector.matchers_of("le").collect();
            let had_edges = !edges.is_empty();
            edges.retain(|edge| {
                let forms = [edge.to_string(), format!("{edge:?}")];
                les.iter()
                    .all(|matcher| forms.iter().any(|form| matcher.is_match(form)))
            });
            // `+Inf` is no edge, and always there.
            let infinite = les.iter().all(|matcher| matcher.is_match("+Inf"));
            if had_edges && edges.is_empty() && !infinite {
                let part = format!(
                    "{name}{{{}}}",
                    les.iter()
                        .map(|le| le.to_string())
                        .collect::<Vec<_>>()
                        .join(",")
                );
                let why = "no series of it has such a bucket";
                return fact.empty(Reason::Empty { part, why });
            }
        }
        fact
    }

    fn family(&self, name: &str, family: &Family) -> AbstractValue {
        // A world may be the empty one; whatever else the schema names is there.
        let labels: Vec<&str> = family
            .labels
            .iter()
            .copied()
            .filter(|l| *l != "world_id")
            .collect();
        let layout = |layouts: &BTreeMap<String, Layout>| {
            let layout = layouts.get(family.name).cloned().unwrap_or(Layout::Unknown);
            Some((family.name.to_owned(), layout))
        };
        let values = match (family.kind, family.unit) {
            (Kind::Gauge, Unit::Ratio) if family.name.starts_with("seamless_lease") => {
                Range::new(-1.0, 1.0)
            }
            (Kind::Gauge, Unit::Ratio) => Range::new(0.0, 1.0),
            (Kind::Gauge, _) if family.name == "seamless_lease_held" => Range::new(0.0, 1.0),
            // A lease that is over expires in less than no time.
            (Kind::Gauge, _) if family.name.contains("expires_in") => Range::FINITE,
            _ => Range::NOT_NEGATIVE,
        };
        let mut fact = AbstractValue::series(values).with_labels(&labels);
        if matches!(family.kind, Kind::Histogram(_)) {
            if name.ends_with("_bucket") {
                fact = fact.with_labels(&["le"]);
                fact.histogram = layout(&self.layouts.classic);
                if matches!(fact.histogram, Some((_, Layout::Absent))) {
                    let part = name.to_owned();
                    let why = "there are native histograms of it alone";
                    return fact.empty(Reason::Empty { part, why });
                }
            } else if name == family.name {
                fact.range = Range::ANY;
                fact.native = true;
                fact.histogram = layout(&self.layouts.native);
                if matches!(fact.histogram, Some((_, Layout::Absent))) {
                    let part = name.to_owned();
                    let why = "there are no native histograms of it";
                    return fact.empty(Reason::Empty { part, why });
                }
            }
        }
        fact
    }

    /// What the recording rules called `name` store; none if there is no such rule.
    fn recorded(&self, name: &str) -> Option<AbstractValue> {
        if let Some(known) = self.recorded.borrow().get(name) {
            let cycle = || AbstractValue::unknown(Reason::Cycle(name.to_owned()));
            return Some(known.clone().unwrap_or_else(cycle));
        }
        let mut rules = self.rules.recordings_named(name).peekable();
        rules.peek()?;
        self.recorded.borrow_mut().insert(name.to_owned(), None);
        let facts = rules.map(|rule| {
            let mut fact = self.expression(&rule.expr);
            for (label, value) in &rule.labels {
                fact.labels = fact.labels.fixed(label, value);
            }
            fact
        });
        let mut fact = facts.reduce(AbstractValue::either)?;
        // A recorded series is stored: whether it is there is a matter of when.
        fact.absent = true;
        fact.single = false;
        if is_ratio(name) && fact.unknown.is_none() {
            // Of a lease of which it is not known how far it is, the ratio is -1.
            let least = if name.contains("lease") { -1.0 } else { 0.0 };
            fact.range.low = fact.range.low.max(least);
            fact.range.high = fact.range.high.min(1.0);
        }
        self.recorded
            .borrow_mut()
            .insert(name.to_owned(), Some(fact.clone()));
        Some(fact)
    }
}

/// Matchers as a selector has them, without the name.
fn braced(matchers: &[Matcher]) -> String {
    let matchers = matchers.iter().filter(|m| m.name != METRIC_NAME);
    let matchers: Vec<String> = matchers.map(ToString::to_string).collect();
    format!("{{{}}}", matchers.join(","))
}

/// Whether the name promises a share: the operation of `level:metric:operation` is `ratio` or `ratio_rate…`.
/// That a part is no greater than its whole is nothing that intervals can tell.
fn is_ratio(name: &str) -> bool {
    let operation = name
        .rsplit(':')
        .next()
        .filter(|_| name.starts_with("seamless:"));
    operation.is_some_and(|operation| operation == "ratio" || operation.starts_with("ratio_rate"))
}

impl AbstractValue {
    fn with_labels(mut self, labels: &[&str]) -> Self {
        let has = labels.iter().map(|label| ((*label).to_owned(), None));
        self.labels.has.extend(has);
        self
    }

    /// Series of this range, of which there may be none or many.
    pub(super) fn series(range: Range) -> Self {
        Self {
            range,
            absent: true,
            present: true,
            single: false,
            filtered: false,
            labels: PossibleLabels::default(),
            ..Self::scalar(range)
        }
    }
}
