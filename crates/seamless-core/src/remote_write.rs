//! The messages of Prometheus remote write 1.0, as far as anything here sends them.
//!
//! Specification: <https://prometheus.io/docs/specs/prw/remote_write_spec/>; fields and tags are those of
//! Prometheus's `prompb/types.proto`.

use prost::Message;

/// The media type of a request's body.
pub const CONTENT_TYPE: &str = "application/x-protobuf";
/// The headers of a request beside its media type.
pub const HEADERS: &[(&str, &str)] = &[
    ("Content-Encoding", "snappy"),
    ("X-Prometheus-Remote-Write-Version", "0.1.0"),
];

/// Series that go to a receiver together.
#[derive(Clone, PartialEq, Message)]
pub struct WriteRequest {
    /// The series.
    #[prost(message, repeated, tag = "1")]
    pub timeseries: Vec<TimeSeries>,
}

impl WriteRequest {
    /// The body of the request.
    ///
    /// # Errors
    /// If the message is over 4 GiB, which snappy cannot pack.
    pub fn body(&self) -> Result<Vec<u8>, snap::Error> {
        snap::raw::Encoder::new().compress_vec(&self.encode_to_vec())
    }
}

/// One series: samples, or native histograms.
#[derive(Clone, PartialEq, Message)]
pub struct TimeSeries {
    /// Its labels, `__name__` among them, sorted by name ([`labels`]).
    #[prost(message, repeated, tag = "1")]
    pub labels: Vec<WriteLabel>,
    /// Its samples, oldest first.
    #[prost(message, repeated, tag = "2")]
    pub samples: Vec<WriteSample>,
    /// Its native histograms, oldest first.
    #[prost(message, repeated, tag = "4")]
    pub histograms: Vec<NativeHistogram>,
}

/// One label; its value is not empty.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct WriteLabel {
    /// Its name.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its value.
    #[prost(string, tag = "2")]
    pub value: String,
}

/// The labels in the order that receivers ask for.
pub fn labels<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<WriteLabel> {
    let mut labels: Vec<WriteLabel> = pairs
        .into_iter()
        .map(|(name, value)| WriteLabel {
            name: name.to_owned(),
            value: value.to_owned(),
        })
        .collect();
    labels.sort_by(|a, b| a.name.cmp(&b.name));
    labels
}

/// A value at a time.
#[derive(Clone, PartialEq, Message)]
pub struct WriteSample {
    /// The value.
    #[prost(double, tag = "1")]
    pub value: f64,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "2")]
    pub timestamp: i64,
}

/// A native histogram with whole counts and no negative buckets.
#[derive(Clone, PartialEq, Message)]
pub struct NativeHistogram {
    /// How many observations there are.
    #[prost(uint64, tag = "1")]
    pub count: u64,
    /// Their sum.
    #[prost(double, tag = "3")]
    pub sum: f64,
    /// Each bucket ends at 2^(2^-schema) times the edge of the one before.
    #[prost(sint32, tag = "4")]
    pub schema: i32,
    /// The upper edge of the bucket around zero.
    #[prost(double, tag = "5")]
    pub zero_threshold: f64,
    /// Which buckets there are.
    #[prost(message, repeated, tag = "11")]
    pub positive_spans: Vec<BucketSpan>,
    /// Their counts, each as the difference to the one before.
    #[prost(sint64, repeated, tag = "12")]
    pub positive_deltas: Vec<i64>,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "15")]
    pub timestamp: i64,
}

/// Consecutive buckets.
#[derive(Clone, PartialEq, Eq, Message)]
pub struct BucketSpan {
    /// The index of the first, or the gap behind the span before.
    #[prost(sint32, tag = "1")]
    pub offset: i32,
    /// How many there are.
    #[prost(uint32, tag = "2")]
    pub length: u32,
}
