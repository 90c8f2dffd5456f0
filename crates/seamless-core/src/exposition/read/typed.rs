//! Samples grouped into whole metrics, by `prometheus-parse`.
//!
//! That library groups buckets and quantiles well and is not to be trusted with much else: it undoes
//! no escapes, drops what it cannot read, and never errs. So it gets a document that our own reader
//! has accepted and rewritten: names and label values that it would misread are replaced by plain
//! words and put back afterwards, timestamps and exemplars are left out, and each sample's type stands
//! right above it. What it returns is counted; one sample more or less is an error, not a result.

use std::collections::HashMap;
use std::fmt::Write as _;

use prometheus_parse::{Scrape, Value as Parsed};

use super::{Exposition, Family, Sample};
use crate::exposition::{Format, MetricType};

/// One counter, gauge, histogram or summary: everything with the same name and labels.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// The name: a histogram's and summary's without a suffix, everything else's as exposed.
    pub name: String,
    /// The labels but `le` and `quantile`, by name.
    pub labels: Vec<(String, String)>,
    /// The value.
    pub value: Value,
}

impl Metric {
    /// The value of the label `name`.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        super::find(&self.labels, name)
    }
}

/// The value of a [`Metric`].
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A counter's.
    Counter(f64),
    /// A gauge's.
    Gauge(f64),
    /// A sample of any other type, or of none.
    Untyped(f64),
    /// A histogram's.
    Histogram {
        /// The buckets, by their bound.
        buckets: Vec<Bucket>,
        /// The sum of what was observed.
        sum: Option<f64>,
        /// How often something was observed.
        count: Option<f64>,
    },
    /// A summary's.
    Summary {
        /// The quantiles, in order.
        quantiles: Vec<Quantile>,
        /// The sum of what was observed.
        sum: Option<f64>,
        /// How often something was observed.
        count: Option<f64>,
    },
}

/// One bucket of a histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// The upper bound, inclusive.
    pub bound: f64,
    /// Observations at or below it.
    pub cumulative: f64,
}

/// One quantile of a summary.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantile {
    /// Which, 0 to 1.
    pub quantile: f64,
    /// Its value.
    pub value: f64,
}

/// `prometheus-parse` returned another number of samples than our reader counted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the document holds {expected} samples, of which {returned} came back from prometheus-parse; \
     this is a fault of seamless-ops"
)]
pub struct Disagreement {
    /// Samples that the strict reader counted.
    pub expected: usize,
    /// Samples that came back.
    pub returned: usize,
}

impl Exposition {
    /// Groups the samples into metrics, sorted by name and labels. Where a series has several points,
    /// the newest counts.
    ///
    /// # Errors
    /// [`Disagreement`], when grouping lost or invented a sample.
    pub fn metrics(&self) -> Result<Vec<Metric>, Disagreement> {
        let mut words = Words::default();
        let (text, expected) = normalise(self, &mut words);
        let lines = text.lines().map(|line| Ok(line.to_owned()));
        // The time serves samples without a timestamp, which are all of them; nothing reads it.
        let disagreement = |returned| Disagreement { expected, returned };
        let scrape = Scrape::parse_at(lines, Default::default()).map_err(|_| disagreement(0))?;
        let returned = scrape.samples.iter().map(|s| points(&s.value)).sum();
        if returned != expected {
            return Err(disagreement(returned));
        }
        let mut metrics: Vec<Metric> = scrape
            .samples
            .into_iter()
            .map(|sample| words.restore(sample))
            .collect();
        // The library keeps groups in a hash map: their order differs from run to run.
        metrics.sort_by(|a, b| (&a.name, &a.labels).cmp(&(&b.name, &b.labels)));
        Ok(fold_sums(metrics, self))
    }
}

const fn points(value: &Parsed) -> usize {
    match value {
        Parsed::Histogram(buckets) => buckets.len(),
        Parsed::Summary(quantiles) => quantiles.len(),
        Parsed::Counter(_) | Parsed::Gauge(_) | Parsed::Untyped(_) => 1,
    }
}

/// Writes the document as `prometheus-parse` reads it right, and counts its samples.
fn normalise(exposition: &Exposition, words: &mut Words) -> (String, usize) {
    let mut text = String::new();
    let mut count = 0;
    for family in &exposition.families {
        let family_word = words.replace(&family.name, is_plain_name);
        for sample in newest_points(family, exposition.format) {
            let suffix = sample.name.strip_prefix(&family.name).unwrap_or_default();
            let name = match (family.kind, suffix) {
                (MetricType::Histogram, "_bucket") => {
                    let _ = writeln!(text, "# TYPE {family_word} histogram");
                    format!("{family_word}_bucket")
                }
                (MetricType::Summary, "") => {
                    let _ = writeln!(text, "# TYPE {family_word} summary");
                    family_word.clone()
                }
                (kind, _) => {
                    let word = words.replace(&sample.name, is_plain_name);
                    let _ = writeln!(text, "# TYPE {word} {}", single_type(kind, suffix));
                    word
                }
            };
            text.push_str(&name);
            for (index, (label, value)) in sample.labels.iter().enumerate() {
                text.push(if index == 0 { '{' } else { ',' });
                let value = words.replace(value, is_plain_value);
                let _ = write!(text, "{label}=\"{value}\"");
            }
            if !sample.labels.is_empty() {
                text.push('}');
            }
            let _ = writeln!(text, " {}", sample.value);
            count += 1;
        }
    }
    (text, count)
}

/// The type of a sample that stands for itself.
fn single_type(kind: MetricType, suffix: &str) -> &'static str {
    match kind {
        MetricType::Counter if suffix != "_created" => "counter",
        MetricType::Gauge | MetricType::Info | MetricType::StateSet => "gauge",
        _ => "untyped",
    }
}

fn newest_points(family: &Family, format: Format) -> Vec<&Sample> {
    if format == Format::Text {
        return family.samples.iter().collect();
    }
    let mut newest: Vec<&Sample> = Vec::with_capacity(family.samples.len());
    let mut places = HashMap::new();
    for sample in &family.samples {
        let mut key: Vec<_> = sample.labels.iter().collect();
        key.sort();
        let place = *places
            .entry((sample.name.as_str(), key))
            .or_insert_with(|| newest.len());
        match newest.get_mut(place) {
            Some(older) => *older = sample,
            None => newest.push(sample),
        }
    }
    newest
}

fn is_plain_name(name: &str) -> bool {
    !name.contains(':')
}

/// Whether `prometheus-parse` reads the value as it stands.
fn is_plain_value(value: &str) -> bool {
    !value.is_empty()
        && value
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-./:+ ".contains(c))
}

/// The words put in place of what `prometheus-parse` would misread.
#[derive(Default)]
struct Words {
    words: HashMap<String, String>,
    meant: HashMap<String, String>,
}

impl Words {
    /// Starts every word; text that starts so itself is replaced too, so that none is taken for one.
    const MARK: &str = "Seamless_word_";

    fn replace(&mut self, text: &str, plain: impl Fn(&str) -> bool) -> String {
        if plain(text) && !text.starts_with(Self::MARK) {
            return text.to_owned();
        }
        if let Some(word) = self.words.get(text) {
            return word.clone();
        }
        let word = format!("{}{}", Self::MARK, self.words.len());
        self.words.insert(text.to_owned(), word.clone());
        self.meant.insert(word.clone(), text.to_owned());
        word
    }

    fn meant(&self, word: &str) -> String {
        self.meant.get(word).map_or(word, String::as_str).to_owned()
    }

    fn restore(&self, sample: prometheus_parse::Sample) -> Metric {
        let mut labels: Vec<_> = sample
            .labels
            .iter()
            .map(|(name, value)| (name.clone(), self.meant(value)))
            .collect();
        labels.sort();
        Metric {
            name: self.meant(&sample.metric),
            labels,
            value: match sample.value {
                Parsed::Counter(value) => Value::Counter(value),
                Parsed::Gauge(value) => Value::Gauge(value),
                Parsed::Untyped(value) => Value::Untyped(value),
                Parsed::Histogram(buckets) => Value::Histogram {
                    buckets: in_order(buckets.iter().map(|b| (b.less_than, b.count)))
                        .map(|(bound, cumulative)| Bucket { bound, cumulative })
                        .collect(),
                    sum: None,
                    count: None,
                },
                Parsed::Summary(quantiles) => Value::Summary {
                    quantiles: in_order(quantiles.iter().map(|q| (q.quantile, q.count)))
                        .map(|(quantile, value)| Quantile { quantile, value })
                        .collect(),
                    sum: None,
                    count: None,
                },
            },
        }
    }
}

fn in_order(pairs: impl Iterator<Item = (f64, f64)>) -> impl Iterator<Item = (f64, f64)> {
    let mut pairs: Vec<_> = pairs.collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    pairs.into_iter()
}

/// Moves `_sum` and `_count` into the histogram or summary that they belong to.
fn fold_sums(metrics: Vec<Metric>, exposition: &Exposition) -> Vec<Metric> {
    let (parts, mut wholes): (Vec<_>, Vec<_>) = metrics
        .into_iter()
        .partition(|metric| part_of(metric, exposition).is_some());
    for part in parts {
        let Some((whole, suffix)) = part_of(&part, exposition) else {
            continue;
        };
        let place = wholes.binary_search_by(|metric| {
            (metric.name.as_str(), &metric.labels).cmp(&(whole, &part.labels))
        });
        let target = place.ok().and_then(|place| wholes.get_mut(place));
        match (target.map(|metric| &mut metric.value), &part.value) {
            (
                Some(Value::Histogram { sum, count, .. } | Value::Summary { sum, count, .. }),
                Value::Untyped(value),
            ) => {
                *(if suffix == "_sum" { sum } else { count }) = Some(*value);
            }
            // Without a bucket there is nothing to belong to: it stays a sample of its own, in order.
            _ => {
                let at = place.unwrap_or_else(|at| at);
                let at = wholes
                    .get(at..)
                    .unwrap_or_default()
                    .partition_point(|m| (&m.name, &m.labels) < (&part.name, &part.labels))
                    + at;
                wholes.insert(at, part);
            }
        }
    }
    wholes
}

fn part_of<'m>(metric: &'m Metric, exposition: &Exposition) -> Option<(&'m str, &'static str)> {
    ["_sum", "_count"].into_iter().find_map(|suffix| {
        let whole = metric.name.strip_suffix(suffix)?;
        let kind = exposition.family(whole)?.kind;
        matches!(kind, MetricType::Histogram | MetricType::Summary).then_some((whole, suffix))
    })
}
