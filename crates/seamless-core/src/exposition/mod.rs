//! The Prometheus text format 0.0.4 and `OpenMetrics` 1.0: what a scrape answers with.
//!
//! Owns [`write`], which renders families and series, and [`read`], which tells what a scraper makes of
//! a document and where it is wrong. It knows the formats and nothing of this project's own families; it fetches
//! nothing and writes to no file.
//!
//! Specifications: <https://prometheus.io/docs/instrumenting/exposition_formats/> and
//! <https://prometheus.io/docs/specs/om/open_metrics_spec/>.

mod content_type;
pub mod read;
pub mod write;

pub use content_type::ContentType;

/// Which of the two formats a document is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Prometheus text format 0.0.4.
    Text,
    /// `OpenMetrics` text format 1.0.
    OpenMetrics,
}

impl Format {
    /// The `Content-Type` under which a document in this format is served.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The format of a document that came without a `Content-Type`: a line `# EOF` makes it
    /// `OpenMetrics`, in which text after that line is an error.
    #[must_use]
    pub fn detect(document: &[u8]) -> Self {
        let is_line = |at: usize| {
            let starts = at == 0 || document.get(at - 1) == Some(&b'\n');
            starts && matches!(document.get(at + 5), None | Some(b'\n'))
        };
        match memchr::memmem::find_iter(document, "# EOF").any(is_line) {
            true => Self::OpenMetrics,
            false => Self::Text,
        }
    }
}

/// The generation of the Prometheus that scrapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Scraper {
    /// Before 3.0.
    Prometheus2,
    /// 3.0 and later.
    #[default]
    Prometheus3,
}

impl Scraper {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Prometheus2, Self::Prometheus3];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Prometheus2 => Self::Prometheus3,
            Self::Prometheus3 => Self::Prometheus2,
        }
    }

    /// The generation of a server that calls itself `version`, such as `3.5.0`.
    #[must_use]
    pub fn of_version(version: &str) -> Option<Self> {
        let major = version.trim_start_matches('v').split('.').next()?;
        match major.parse::<u32>().ok()? {
            0..=2 => Some(Self::Prometheus2),
            _ => Some(Self::Prometheus3),
        }
    }

    /// What it says of itself in `Accept` when it scrapes.
    #[must_use]
    pub const fn accept(self) -> &'static str {
        match self {
            Self::Prometheus2 => {
                "application/openmetrics-text;version=1.0.0,\
                 application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
            }
            Self::Prometheus3 => {
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                 application/openmetrics-text;version=0.0.1;q=0.5,\
                 text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
                 text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
            }
        }
    }
}

impl std::fmt::Display for Scraper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Prometheus2 => "Prometheus 2",
            Self::Prometheus3 => "Prometheus 3",
        })
    }
}

/// What `# TYPE` says of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricType {
    /// Only grows; restarts at 0.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations counted in cumulative buckets.
    Histogram,
    /// `OpenMetrics`: buckets that may shrink.
    GaugeHistogram,
    /// Observations with precomputed quantiles.
    Summary,
    /// `OpenMetrics`: a constant 1 with its facts in labels.
    Info,
    /// `OpenMetrics`: one series per state.
    StateSet,
    /// Nothing was said: `untyped` in the text format, `unknown` in `OpenMetrics`.
    Untyped,
}

impl MetricType {
    /// The word that `# TYPE` uses; `None` where the format has no such type.
    #[must_use]
    pub const fn word(self, format: Format) -> Option<&'static str> {
        match (self, format) {
            (Self::Counter, _) => Some("counter"),
            (Self::Gauge, _) => Some("gauge"),
            (Self::Histogram, _) => Some("histogram"),
            (Self::Summary, _) => Some("summary"),
            (Self::Untyped, Format::Text) => Some("untyped"),
            (Self::Untyped, Format::OpenMetrics) => Some("unknown"),
            (Self::GaugeHistogram, Format::OpenMetrics) => Some("gaugehistogram"),
            (Self::Info, Format::OpenMetrics) => Some("info"),
            (Self::StateSet, Format::OpenMetrics) => Some("stateset"),
            (Self::GaugeHistogram | Self::Info | Self::StateSet, Format::Text) => None,
        }
    }

    const ALL: [Self; 8] = [
        Self::Counter,
        Self::Gauge,
        Self::Histogram,
        Self::GaugeHistogram,
        Self::Summary,
        Self::Info,
        Self::StateSet,
        Self::Untyped,
    ];

    /// The type that `word` names in `format`.
    #[must_use]
    pub fn from_word(word: &str, format: Format) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.word(format) == Some(word))
    }
}

/// Whether `name` can name a metric: `[a-zA-Z_:][a-zA-Z0-9_:]*`.
#[must_use]
pub fn is_metric_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(is_metric_name_byte)
}

/// Whether `name` can name a label: `[a-zA-Z_][a-zA-Z0-9_]*`.
#[must_use]
pub fn is_label_name(name: &str) -> bool {
    is_metric_name(name) && !name.contains(':')
}

const fn is_metric_name_byte(byte: u8) -> bool {
    is_label_name_byte(byte) || byte == b':'
}

const fn is_label_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_eof_line_makes_open_metrics() {
        for (document, format) in [
            ("a 1\n# EOF\n", Format::OpenMetrics),
            ("# EOF", Format::OpenMetrics),
            ("# EOF\na 1\n", Format::OpenMetrics),
            ("a 1\n# EOF\nb 1\n", Format::OpenMetrics),
            ("a 1\n# EOFF\n", Format::Text),
            ("a 1\n x# EOF\n", Format::Text),
            ("", Format::Text),
        ] {
            assert_eq!(Format::detect(document.as_bytes()), format, "{document:?}");
        }
    }

    #[test]
    fn names_follow_the_specification() {
        for name in ["a", "_a:b", ":x", "a1"] {
            assert!(is_metric_name(name), "{name}");
        }
        for name in ["", "1a", "a-b", "a b", "é"] {
            assert!(!is_metric_name(name), "{name}");
        }
        assert!(!is_label_name("a:b"));
    }
}
