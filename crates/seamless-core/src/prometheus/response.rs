//! The shapes of Prometheus's answers. Fields that some servers leave out are optional.

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::labels::{BorrowedStr, Labels};
use crate::nullable::nullable;
use crate::promql::Expression;

/// A value at a time: seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Seconds since the epoch.
    pub time: f64,
    /// The value; NaN and infinities are values too.
    pub value: f64,
}

impl<'de> Deserialize<'de> for Sample {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (time, BorrowedStr(text)) = Deserialize::deserialize(deserializer)?;
        let value = text
            .parse()
            .map_err(|_| D::Error::custom(format_args!("{text:?} is no sample value")))?;
        Ok(Self { time, value })
    }
}

/// A native histogram at a time.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramSample {
    /// Seconds since the epoch.
    pub time: f64,
    /// How many observations it holds.
    pub count: f64,
    /// Their sum.
    pub sum: f64,
    /// The buckets that hold any, in order.
    pub buckets: Vec<HistogramBucket>,
}

/// A bucket of a native histogram.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HistogramBucket {
    /// Its lower bound.
    pub lower: f64,
    /// Its upper bound.
    pub upper: f64,
    /// How many observations lie between them.
    pub count: f64,
}

impl<'de> Deserialize<'de> for HistogramSample {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct HistogramBody {
            count: String,
            sum: String,
            // Which of the bounds belong to it, the bounds, the count.
            #[serde(default)]
            buckets: Vec<(u8, String, String, String)>,
        }
        let (time, histogram) = <(f64, HistogramBody)>::deserialize(deserializer)?;
        let number = |text: &str| {
            text.parse()
                .map_err(|_| D::Error::custom(format_args!("{text:?} is no number")))
        };
        Ok(Self {
            time,
            count: number(&histogram.count)?,
            sum: number(&histogram.sum)?,
            buckets: histogram
                .buckets
                .iter()
                .map(|(_, lower, upper, count)| {
                    Ok(HistogramBucket {
                        lower: number(lower)?,
                        upper: number(upper)?,
                        count: number(count)?,
                    })
                })
                .collect::<Result<_, _>>()?,
        })
    }
}

/// A series in the answer to an instant query.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct InstantSeries {
    /// Its labels.
    #[serde(default)]
    pub metric: Labels,
    /// Its value, unless it is a native histogram.
    #[serde(default)]
    pub value: Option<Sample>,
    /// Its value, if it is a native histogram.
    #[serde(default)]
    pub histogram: Option<HistogramSample>,
}

/// A series in the answer to a range query, or to an instant query for a range.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct RangeSeries {
    /// Its labels.
    #[serde(default)]
    pub metric: Labels,
    /// Its values, oldest first.
    #[serde(default)]
    pub values: Vec<Sample>,
    /// Its values that are native histograms, oldest first.
    #[serde(default)]
    pub histograms: Vec<HistogramSample>,
}

/// What a query came to.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
pub enum QueryValue {
    /// One value per series.
    Vector(Vec<InstantSeries>),
    /// Many values per series.
    Matrix(Vec<RangeSeries>),
    /// One number.
    Scalar(Sample),
    /// One text, with its time.
    String((f64, String)),
}

impl QueryValue {
    /// The series of a vector; none for anything else.
    #[must_use]
    pub fn vector(self) -> Vec<InstantSeries> {
        match self {
            Self::Vector(series) => series,
            Self::Matrix(_) | Self::Scalar(_) | Self::String(_) => Vec::new(),
        }
    }

    /// The series of a matrix; none for anything else.
    #[must_use]
    pub fn matrix(self) -> Vec<RangeSeries> {
        match self {
            Self::Matrix(series) => series,
            Self::Vector(_) | Self::Scalar(_) | Self::String(_) => Vec::new(),
        }
    }
}

/// A group of rules, as loaded.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct LoadedGroup {
    /// The group's name.
    pub name: String,
    /// The file it came from.
    #[serde(default)]
    pub file: String,
    /// How often it is evaluated, in seconds.
    #[serde(default)]
    pub interval: f64,
    /// How many series a rule of it may give before it fails; none bound if 0.
    #[serde(default)]
    pub limit: i64,
    /// Its rules, in order.
    #[serde(default, deserialize_with = "nullable")]
    pub rules: Vec<LoadedRule>,
}

/// Whether a rule alerts or records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleType {
    /// It fires alerts.
    Alerting,
    /// It records a series.
    Recording,
}

/// A rule, as loaded and last evaluated.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct LoadedRule {
    /// Whether it alerts or records.
    #[serde(rename = "type")]
    pub kind: RuleType,
    /// The alert's or the recorded series' name.
    pub name: String,
    /// The expression, as the server prints it.
    #[serde(default)]
    pub query: Expression,
    /// The alert's `for`, in seconds.
    #[serde(default)]
    pub duration: f64,
    /// The alert's `keep_firing_for`, in seconds.
    #[serde(default, rename = "keepFiringFor")]
    pub keep_firing_for: f64,
    /// The labels that it adds, its group's among them.
    #[serde(default, deserialize_with = "nullable")]
    pub labels: Labels,
    /// The alert's annotation templates.
    #[serde(default, deserialize_with = "nullable")]
    pub annotations: Labels,
    /// Its alerts that are pending or firing.
    #[serde(default, deserialize_with = "nullable")]
    pub alerts: Vec<FiringAlert>,
    /// `ok`, `err` or `unknown`.
    #[serde(default)]
    pub health: String,
    /// Why the last evaluation failed.
    #[serde(default, rename = "lastError")]
    pub last_error: String,
    /// When it was last evaluated, RFC 3339.
    #[serde(default, rename = "lastEvaluation")]
    pub last_evaluation: String,
}

impl LoadedRule {
    /// When it was last evaluated, in seconds since the epoch; None if it never was.
    #[must_use]
    pub fn evaluated_at(&self) -> Option<f64> {
        /// What Go writes for a time that never was; vmalert calls such a rule healthy.
        const NEVER: &str = "0001-01-01T00:00:00Z";
        let last: jiff::Timestamp = self.last_evaluation.parse().ok()?;
        (self.last_evaluation != NEVER).then(|| last.as_millisecond() as f64 / 1000.0)
    }
}

/// An alert that is pending or firing.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct FiringAlert {
    /// Its labels, `alertname` among them.
    #[serde(default, deserialize_with = "nullable")]
    pub labels: Labels,
    /// Its annotations, filled in.
    #[serde(default, deserialize_with = "nullable")]
    pub annotations: Labels,
    /// `pending` or `firing`.
    #[serde(default)]
    pub state: String,
    /// Since when, RFC 3339.
    #[serde(default, rename = "activeAt")]
    pub active_at: Option<String>,
    /// The expression's value, as the server prints it.
    #[serde(default)]
    pub value: String,
}

/// A scrape target.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Target {
    /// Its labels after relabelling.
    #[serde(default, deserialize_with = "nullable")]
    pub labels: Labels,
    /// What is scraped.
    #[serde(default, rename = "scrapeUrl")]
    pub scrape_url: String,
    /// `up`, `down` or `unknown`.
    #[serde(default)]
    pub health: String,
    /// Why the last scrape failed.
    #[serde(default, rename = "lastError")]
    pub last_error: String,
    /// When it was last scraped, RFC 3339.
    #[serde(default, rename = "lastScrape")]
    pub last_scrape: String,
    /// How often it is scraped, as a Prometheus duration.
    #[serde(default, rename = "scrapeInterval")]
    pub scrape_interval: String,
    /// How long a scrape may take, as a Prometheus duration; empty where the server does not say it.
    #[serde(default, rename = "scrapeTimeout")]
    pub scrape_timeout: String,
    /// How long the last scrape took, in seconds.
    #[serde(default, rename = "lastScrapeDuration")]
    pub last_scrape_duration: f64,
}

#[derive(Debug, Deserialize)]
pub(super) struct TargetList {
    #[serde(default, rename = "activeTargets", deserialize_with = "nullable")]
    pub(super) active: Vec<Target>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RuleGroups {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) groups: Vec<LoadedGroup>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Alerts {
    #[serde(default, deserialize_with = "nullable")]
    pub(super) alerts: Vec<FiringAlert>,
}

/// What scraped expositions say of a family.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MetricMetadata {
    /// The word of `# TYPE`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text of `# HELP`.
    #[serde(default)]
    pub help: String,
}

/// An Alertmanager that Prometheus knows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AlertmanagerUrl {
    /// Where alerts are sent.
    pub url: String,
}

/// The Alertmanagers that Prometheus knows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Alertmanagers {
    /// In use.
    #[serde(default, rename = "activeAlertmanagers", deserialize_with = "nullable")]
    pub active: Vec<AlertmanagerUrl>,
    /// Discovered and dropped by relabelling.
    #[serde(
        default,
        rename = "droppedAlertmanagers",
        deserialize_with = "nullable"
    )]
    pub dropped: Vec<AlertmanagerUrl>,
}

#[derive(Debug, Deserialize)]
pub(super) struct LoadedYaml {
    #[serde(default)]
    pub(super) yaml: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct RuntimeInfo {
    #[serde(default, rename = "storageRetention")]
    pub(super) storage_retention: String,
}

/// Which server it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BuildInfo {
    /// The version.
    #[serde(default)]
    pub version: String,
    /// The commit it was built from; servers that only speak the same API have none.
    #[serde(default)]
    pub revision: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_result_type_is_read() {
        let vector: QueryValue = serde_json::from_str(
            r#"{"resultType":"vector","result":[{"metric":{"__name__":"up"},"value":[1700000000.5,"NaN"]},{"metric":{},"histogram":[1,{"count":"3","sum":"1.5","buckets":[[0,"0","1","3"]]}]}]}"#,
        )
        .unwrap();
        let series = vector.vector();
        assert!(series[0].value.unwrap().value.is_nan());
        assert_eq!(series[1].histogram.as_ref().unwrap().count, 3.0);
        let scalar: QueryValue =
            serde_json::from_str(r#"{"resultType":"scalar","result":[1,"+Inf"]}"#).unwrap();
        assert_eq!(
            scalar,
            QueryValue::Scalar(Sample {
                time: 1.0,
                value: f64::INFINITY
            })
        );
        let text: QueryValue =
            serde_json::from_str(r#"{"resultType":"string","result":[1,"x"]}"#).unwrap();
        assert_eq!(text, QueryValue::String((1.0, "x".to_owned())));
        let matrix: QueryValue = serde_json::from_str(
            r#"{"result":[{"metric":{},"values":[[1,"2"],[2,"3"]]}],"resultType":"matrix"}"#,
        )
        .unwrap();
        assert_eq!(matrix.matrix()[0].values.len(), 2);
    }

    #[test]
    fn null_is_nothing() {
        let groups: RuleGroups = serde_json::from_str(r#"{"groups":null}"#).unwrap();
        assert_eq!(groups.groups, []);
        let text = r#"{"groups":[{"name":"g","rules":null},{"name":"h","rules":[
            {"type":"alerting","name":"a","labels":null,"annotations":null,"alerts":null}]}]}"#;
        let groups: RuleGroups = serde_json::from_str(text).unwrap();
        assert_eq!(groups.groups[0].rules, []);
        assert_eq!(groups.groups[1].rules[0].alerts, []);
        let alerts: Alerts = serde_json::from_str(r#"{"alerts":null}"#).unwrap();
        assert_eq!(alerts.alerts, []);
        let targets: TargetList = serde_json::from_str(r#"{"activeTargets":null}"#).unwrap();
        assert_eq!(targets.active, []);
    }

    #[test]
    fn a_native_histogram_has_its_buckets() {
        let text = r#"[1,{"count":"3","sum":"NaN","buckets":[[0,"-Inf","0.25","1"],[0,"10","+Inf","2"]]}]"#;
        let sample: HistogramSample = serde_json::from_str(text).unwrap();
        assert_eq!(sample.buckets[1].lower, 10.0);
        assert_eq!(sample.buckets[1].upper, f64::INFINITY);
        assert_eq!(sample.buckets[0].count, 1.0);
    }

    #[test]
    fn a_value_that_is_no_number_is_an_error() {
        for text in [r#"[1,"x"]"#, r#"[1,2]"#, r#"[1]"#, r#"["1","2"]"#] {
            assert!(serde_json::from_str::<Sample>(text).is_err(), "{text}");
        }
    }
}
