//! What is known of series: from the schema, the buckets of histograms, the conventions of Prometheus, and
//! the recording rules.

use std::collections::BTreeMap;

use promql_parser::label::{METRIC_NAME, Matcher};

use super::evaluate::Fact;
use super::interval::Range;
use super::labels::LabelSet;
use super::{Analysis, Reason};
use crate::promql::SeriesSelector;
use crate::rules::Rule;
use crate::schema::{FAMILIES, Family, Kind, Unit, family_of_series};

/// Where a histogram's observations are counted.
#[derive(Debug, Clone, PartialEq)]
pub enum Layout {
    /// Classic buckets with these finite upper edges, in order; series may have different ones.
    Classic(Vec<f64>),
    /// A native histogram with exponential buckets: no greatest edge.
    Exponential,
    /// A native histogram with custom buckets up to this edge.
    Custom(f64),
    /// There are no series of this form.
    Absent,
    /// Not known.
    Unknown,
}

/// The layouts of histograms, by documented name: classic and native.
#[derive(Debug, Clone, Default)]
pub struct Layouts {
    classic: BTreeMap<String, Layout>,
    native: BTreeMap<String, Layout>,
}

impl Layouts {
    /// Those of the schema; native histograms are exponential.
    #[must_use]
    pub fn of_schema() -> Self {
        let mut layouts = Self::default();
        for family in FAMILIES {
            if let Kind::Histogram(edges) = family.kind {
                layouts.set_classic(family.name, edges.iter().copied());
                layouts.set_native(family.name, Layout::Exponential);
            }
        }
        layouts
    }

    /// Sets the finite edges of a classic histogram: the union over its series.
    pub fn set_classic(&mut self, histogram: &str, edges: impl IntoIterator<Item = f64>) {
        let mut edges: Vec<f64> = edges.into_iter().filter(|edge| edge.is_finite()).collect();
        edges.sort_by(f64::total_cmp);
        edges.dedup();
        let layout = if edges.is_empty() {
            Layout::Unknown
        } else {
            Layout::Classic(edges)
        };
        self.classic.insert(histogram.to_owned(), layout);
    }

    /// Says that there are no classic series of a histogram.
    pub fn without_classic(&mut self, histogram: &str) {
        self.classic.insert(histogram.to_owned(), Layout::Absent);
    }

    /// Sets the layout of a native histogram.
    pub fn set_native(&mut self, histogram: &str, layout: Layout) {
        self.native.insert(histogram.to_owned(), layout);
    }
}

impl Analysis<'_> {
    /// What the series of a selector can be.
    pub(super) fn selected(&self, selector: &SeriesSelector) -> Fact {
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
    fn matching(&self, selector: &SeriesSelector) -> Fact {
        let names = FAMILIES.iter().flat_map(Family::exposed_names);
        let named = names.filter(|name| selector.selects_name(name));
        let facts = named.map(|name| self.named(&name, selector));
        let unnamed = || Fact::unknown(Reason::Metric(braced(&selector.matchers)));
        facts.reduce(Fact::either).unwrap_or_else(unnamed)
    }

    fn named(&self, name: &str, selector: &SeriesSelector) -> Fact {
        let mut recordings = self.rules.recordings_named(name).peekable();
        let contradicts = |rule: &Rule| {
            let labels = rule.labels.iter();
            labels.clone().any(|(label, value)| {
                let mut matchers = selector.matchers_of(label);
                matchers.any(|matcher| !matcher.is_match(value))
            })
        };
        if recordings.peek().is_some() && recordings.all(contradicts) {
            let part = format!("{name}{}", braced(&selector.matchers));
            let why = "no rule records series with such labels";
            return Fact::series(Range::ANY).empty(Reason::Empty { part, why });
        }
        if let Some(fact) = self.recorded(name) {
            return fact;
        }
        let mut fact = match name {
            "up" => Fact::series(Range::new(0.0, 1.0)).with_labels(&["job", "instance"]),
            "ALERTS" => Fact::series(Range::point(1.0)).with_labels(&["alertname", "alertstate"]),
            // What the health check writes.
            "seamless_health_check_healthy" => Fact::series(Range::new(0.0, 1.0)),
            // What Prometheus and every client library expose.
            "scrape_duration_seconds" | "scrape_samples_scraped" | "process_start_time_seconds" => {
                Fact::series(Range::NOT_NEGATIVE).with_labels(&["job", "instance"])
            }
            _ => match family_of_series(name) {
                Some(family) => self.family(name, family),
                // By convention these are counters, whoever exposes them.
                None if ["_total", "_count", "_bucket"]
                    .iter()
                    .any(|s| name.ends_with(s)) =>
                {
                    let mut fact = Fact::series(Range::NOT_NEGATIVE);
                    if name.ends_with("_bucket") {
                        fact = fact.with_labels(&["le"]);
                        fact.histogram = Some((name.to_owned(), Layout::Unknown));
                    }
                    fact
                }
                // And these are points in time.
                None if name.ends_with("_timestamp_seconds") || name.ends_with("_time") => {
                    Fact::series(Range::NOT_NEGATIVE)
                }
                None => Fact::unknown(Reason::Metric(name.to_owned())),
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

    fn family(&self, name: &str, family: &Family) -> Fact {
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
        let mut fact = Fact::series(values).with_labels(&labels);
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
    fn recorded(&self, name: &str) -> Option<Fact> {
        if let Some(known) = self.recorded.borrow().get(name) {
            let cycle = || Fact::unknown(Reason::Cycle(name.to_owned()));
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
        let mut fact = facts.reduce(Fact::either)?;
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

impl Fact {
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
            labels: LabelSet::default(),
            ..Self::scalar(range)
        }
    }
}
