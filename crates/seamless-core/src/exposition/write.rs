//! Rendering families and series as exposition text.
//!
//! Owns escaping, number formatting and the order of a family's lines. Labels are rendered once, as
//! [`RenderedLabels`], and copied from then on, so that a scrape costs little more than copying its bytes. It
//! appends to a buffer that the caller owns and may drain at any point: a document of any size can be
//! written through a buffer of one size. It does not check that a document is whole or that series are
//! unique: [`super::read`] does.

use super::{Format, MetricType, is_label_name};

/// A series' labels, already escaped: `node_id="a",phase="total"`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct RenderedLabels(Box<str>);

/// A label name that the format does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot name a label; a name matches [a-zA-Z_][a-zA-Z0-9_]*")]
pub struct BadLabelName(pub String);

impl RenderedLabels {
    /// Renders pairs of name and value, in the given order.
    ///
    /// # Errors
    /// [`BadLabelName`] for a name that the format does not allow. Every value is allowed.
    pub fn new<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, BadLabelName> {
        let mut rendered = String::new();
        for (name, value) in pairs {
            if !is_label_name(name) {
                return Err(BadLabelName(name.to_owned()));
            }
            if !rendered.is_empty() {
                rendered.push(',');
            }
            rendered.push_str(name);
            rendered.push_str("=\"");
            escape_label_value(value, &mut rendered);
            rendered.push('"');
        }
        Ok(Self(rendered.into_boxed_str()))
    }

    /// The rendered text, without braces.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Appends `value` as it stands between the quotes of a label.
pub fn escape_label_value(value: &str, out: &mut String) {
    escape(value, true, out);
}

fn escape(text: &str, quotes: bool, out: &mut String) {
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            other => out.push(other),
        }
    }
}

/// The upper bounds of a histogram's buckets, rendered once as the labels `le="..."`.
#[derive(Debug, Clone)]
pub struct Bounds(Vec<Box<str>>);

impl Bounds {
    /// Renders `bounds`; `+Inf` is added behind them.
    ///
    /// `OpenMetrics` asks for floats, and client libraries write `60.0` in both formats.
    #[must_use]
    pub fn new(bounds: &[f64]) -> Self {
        let label = |bound: f64| format!("le=\"{}\"", Self::label_value(bound)).into();
        Self(
            bounds
                .iter()
                .copied()
                .chain([f64::INFINITY])
                .map(label)
                .collect(),
        )
    }

    /// The value of the label `le` of one bound.
    #[must_use]
    pub fn label_value(bound: f64) -> String {
        let mut rendered = Vec::new();
        push_float(bound, &mut rendered);
        String::from_utf8_lossy(&rendered).into_owned()
    }

    /// How many buckets there are, `+Inf` included.
    #[must_use]
    pub const fn buckets(&self) -> usize {
        self.0.len()
    }
}

/// What `# HELP`, `# TYPE` and `# UNIT` say of a family.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    /// The name under which series appear; a counter's with `_total`.
    pub name: &'a str,
    /// The type.
    pub kind: MetricType,
    /// One line or more of prose.
    pub help: &'a str,
}

/// Appends a document to a buffer, family by family.
#[derive(Debug, Clone, Copy)]
pub struct Writer {
    format: Format,
}

impl Writer {
    /// A writer of documents in `format`.
    #[must_use]
    pub const fn new(format: Format) -> Self {
        Self { format }
    }

    /// Opens a family. Its series follow it, and no other family's come between.
    pub fn header(self, header: Header<'_>, out: &mut Vec<u8>) {
        // In OpenMetrics a counter's family goes without the suffix that its samples carry.
        let family = match (self.format, header.kind) {
            (Format::OpenMetrics, MetricType::Counter) => {
                header.name.strip_suffix("_total").unwrap_or(header.name)
            }
            _ => header.name,
        };
        let word = header.kind.word(self.format).unwrap_or("untyped");
        let mut text = String::with_capacity(header.help.len() + 2 * family.len() + 32);
        text.push_str("# HELP ");
        text.push_str(family);
        text.push(' ');
        escape(header.help, self.format == Format::OpenMetrics, &mut text);
        text.push_str("\n# TYPE ");
        text.push_str(family);
        text.push(' ');
        text.push_str(word);
        text.push('\n');
        out.extend_from_slice(text.as_bytes());
    }

    /// A counter's or gauge's sample.
    pub fn sample(self, name: &str, labels: &RenderedLabels, value: f64, out: &mut Vec<u8>) {
        push_series(name, "", labels, None, out);
        push_float(value, out);
        out.push(b'\n');
    }

    /// A counter's sample that counts whole things.
    pub fn count(self, name: &str, labels: &RenderedLabels, value: u64, out: &mut Vec<u8>) {
        push_series(name, "", labels, None, out);
        push_integer(value, out);
        out.push(b'\n');
    }

    /// A histogram's samples: cumulative buckets ending in `+Inf`, `_sum` and `_count`.
    ///
    /// `counts` holds each bucket's own observations, as many as `bounds` has buckets; those that are
    /// missing count as 0.
    pub fn histogram(
        self,
        name: &str,
        labels: &RenderedLabels,
        bounds: &Bounds,
        counts: &[u64],
        sum: f64,
        out: &mut Vec<u8>,
    ) {
        let mut cumulative: u64 = 0;
        for (index, bound) in bounds.0.iter().enumerate() {
            cumulative = cumulative.saturating_add(counts.get(index).copied().unwrap_or(0));
            push_series(name, "_bucket", labels, Some(bound), out);
            push_integer(cumulative, out);
            out.push(b'\n');
        }
        push_series(name, "_sum", labels, None, out);
        push_float(sum, out);
        out.push(b'\n');
        push_series(name, "_count", labels, None, out);
        push_integer(cumulative, out);
        out.push(b'\n');
    }

    /// Ends the document.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.format == Format::OpenMetrics {
            out.extend_from_slice(b"# EOF\n");
        }
    }
}

fn push_series(
    name: &str,
    suffix: &str,
    labels: &RenderedLabels,
    bound: Option<&str>,
    out: &mut Vec<u8>,
) {
    out.reserve(name.len() + suffix.len() + labels.0.len() + 48);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(suffix.as_bytes());
    if !labels.0.is_empty() || bound.is_some() {
        out.push(b'{');
        out.extend_from_slice(labels.0.as_bytes());
        if let Some(bound) = bound {
            if !labels.0.is_empty() {
                out.push(b',');
            }
            out.extend_from_slice(bound.as_bytes());
        }
        out.push(b'}');
    }
    out.push(b' ');
}

fn push_integer(value: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a value as Go's parser, which reads it in the end, spells it.
pub(crate) fn push_float(value: f64, out: &mut Vec<u8>) {
    if value.is_finite() {
        out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
    } else if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value > 0.0 {
        out.extend_from_slice(b"+Inf");
    } else {
        out.extend_from_slice(b"-Inf");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(format: Format) -> String {
        let writer = Writer::new(format);
        let mut out = Vec::new();
        let labels = RenderedLabels::new([("node_id", "a\"b\\c\nd"), ("phase", "total")]).unwrap();
        writer.header(
            Header {
                name: "wait_seconds",
                kind: MetricType::Histogram,
                help: "Time \"spent\",\nin C:\\ seconds.",
            },
            &mut out,
        );
        let bounds = Bounds::new(&[0.5, 60.0]);
        writer.histogram(
            "wait_seconds",
            &labels,
            &bounds,
            &[1, 0, 2],
            360.25,
            &mut out,
        );
        writer.header(
            Header {
                name: "flags_total",
                kind: MetricType::Counter,
                help: "Flags.",
            },
            &mut out,
        );
        writer.count("flags_total", &RenderedLabels::default(), 7, &mut out);
        writer.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn text_format() {
        assert_eq!(
            document(Format::Text),
            r#"# HELP wait_seconds Time "spent",\nin C:\\ seconds.
# TYPE wait_seconds histogram
wait_seconds_bucket{node_id="a\"b\\c\nd",phase="total",le="0.5"} 1
wait_seconds_bucket{node_id="a\"b\\c\nd",phase="total",le="60.0"} 1
wait_seconds_bucket{node_id="a\"b\\c\nd",phase="total",le="+Inf"} 3
wait_seconds_sum{node_id="a\"b\\c\nd",phase="total"} 360.25
wait_seconds_count{node_id="a\"b\\c\nd",phase="total"} 3
# HELP flags_total Flags.
# TYPE flags_total counter
flags_total 7
"#
        );
    }

    #[test]
    fn open_metrics_names_a_counter_without_its_suffix_and_ends_in_eof() {
        let document = document(Format::OpenMetrics);
        assert!(
            document.contains("# HELP wait_seconds Time \\\"spent\\\",\\nin C:\\\\ seconds.\n")
        );
        assert!(document.contains("# TYPE flags counter\nflags_total 7\n# EOF\n"));
    }

    #[test]
    fn values_that_are_no_numbers_are_spelt_as_go_spells_them() {
        let mut out = Vec::new();
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, 1e300] {
            push_float(value, &mut out);
            out.push(b' ');
        }
        assert_eq!(out, b"NaN +Inf -Inf 0.0 1e300 ");
    }

    #[test]
    fn a_name_that_is_no_label_is_refused() {
        for name in ["", "a-b", "1a", "a:b"] {
            assert_eq!(
                RenderedLabels::new([(name, "v")]),
                Err(BadLabelName(name.into()))
            );
        }
    }
}
