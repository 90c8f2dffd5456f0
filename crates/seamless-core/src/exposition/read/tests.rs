use proptest::prelude::*;

use super::*;
use crate::exposition::Scraper;
use crate::exposition::write::{Bounds, Header, RenderedLabels, Writer};

fn text(document: &str) -> Result<Exposition, Finding> {
    parse_as(document.as_bytes(), Format::Text)
}

fn open_metrics(document: &str) -> Result<Exposition, Finding> {
    parse_as(document.as_bytes(), Format::OpenMetrics)
}

/// Name, labels, value and timestamp of every sample.
type Flat = Vec<(String, Vec<(String, String)>, f64, Option<i64>)>;

fn flat(exposition: &Exposition) -> Flat {
    exposition
        .samples()
        .map(|s| (s.name.clone(), s.labels.clone(), s.value, s.timestamp))
        .collect()
}

fn pairs(labels: &[(&str, &str)]) -> Vec<(String, String)> {
    labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn reads_what_the_text_format_allows() {
    let read = text(concat!(
        "# a comment\n\n# EOF\n",
        "#HELP is a comment too\n",
        "  # TYPE\ta:b gauge\n",
        "# HELP a:b Two\\nlines, a \\\\ and \"quotes\".\n",
        "a:b { x = \"1,2=}{\" , y=\"q\\\"\\\\\\n\" , } 1e3 \t5\n",
        "a:b{}-Inf\n",
        "other nan 1395066363000\n",
    ))
    .unwrap();
    let values: Vec<f64> = read.samples().map(|s| s.value).collect();
    assert_eq!(values[..2], [1000.0, f64::NEG_INFINITY]);
    assert!(values[2].is_nan());
    let first = read.samples().next().unwrap();
    assert_eq!(first.labels, pairs(&[("x", "1,2=}{"), ("y", "q\"\\\n")]));
    assert_eq!((first.timestamp, first.line), (Some(5), 7));
    let family = read.family("a:b").unwrap();
    assert_eq!(family.kind, MetricType::Gauge);
    assert_eq!(
        family.help.as_deref(),
        Some("Two\nlines, a \\ and \"quotes\".")
    );
    assert_eq!(read.family("other").unwrap().kind, MetricType::Untyped);
}

#[test]
fn reads_what_open_metrics_allows() {
    let read = open_metrics(concat!(
        "# TYPE wait_seconds histogram\n",
        "# UNIT wait_seconds seconds\n",
        "# HELP wait_seconds Waiting.\n",
        "wait_seconds_bucket{le=\"1.0\"} 1 1.5 # {trace=\"a\"} 0.7 1.25\n",
        "wait_seconds_bucket{le=\"+Inf\"} 1 1.5 # {} 0.7\n",
        "wait_seconds_sum 0.7 1.5\n",
        "wait_seconds_count 1 1.5\n",
        "wait_seconds_created 1.2 1.5\n",
        "# TYPE flags counter\n",
        "flags_total{} 3 10\n",
        "flags_total 4 11.5\n",
        "# EOF",
    ))
    .unwrap();
    assert_eq!(read.families.len(), 2);
    let wait = &read.families[0];
    assert_eq!(wait.unit.as_deref(), Some("seconds"));
    assert_eq!(wait.samples.len(), 5);
    assert_eq!(wait.samples[0].timestamp, Some(1500));
    assert_eq!(
        wait.samples[0].exemplar,
        Some(Exemplar {
            labels: pairs(&[("trace", "a")]),
            value: 0.7,
            timestamp: Some(1250),
        })
    );
    assert_eq!(read.families[1].samples[1].timestamp, Some(11_500));
}

#[test]
fn says_where_a_document_is_wrong() {
    use Format::{OpenMetrics, Text};
    for (format, document, place, words) in [
        (
            Text,
            "a 1\n1b 2\n",
            (2, 1),
            "expected a metric name, found \"1b\"",
        ),
        (Text, "a{x=\"1} 2\n", (1, 5), "no closing quote"),
        (Text, "a{x=\"1\" ?} 2\n", (1, 9), "expected ',' or '}'"),
        (
            Text,
            "a{x=\"é\",x=\"2\"} 2\n",
            (1, 1),
            "duplicate label \"x\"",
        ),
        (Text, "é{x:y=\"b\"} 2\n", (1, 1), "expected a metric name"),
        (Text, "a{x=\"é\",y:=\"b\"} 2\n", (1, 10), "expected '='"),
        (Text, "a{x=\"\\t\"} 2\n", (1, 6), "\\t does not exist"),
        (
            Text,
            "a\n",
            (1, 2),
            "expected a value, found the end of the line",
        ),
        (
            Text,
            "a 1 2 3\n",
            (1, 7),
            "expected the end of the line, found \"3\"",
        ),
        (Text, "a 1\nb 2", (2, 4), "cut off"),
        (
            Text,
            "a 1\nb{x=\"1\"} 2\nb{x=\"1\"} 3\n",
            (3, 1),
            "first on line 2",
        ),
        (
            Text,
            "# TYPE a gauge\n# TYPE a gauge\na 1\n",
            (2, 8),
            "the first is on line 1",
        ),
        (Text, "a{x=\"1\n2\",y} 1\n", (2, 5), "expected '='"),
        (
            Text,
            "a 1\na{x=\"1\n2\"} 1\nb x\n",
            (4, 3),
            "expected a value",
        ),
        (OpenMetrics, "a 1\n", (2, 1), "does not end in # EOF"),
        (OpenMetrics, "a 1\n# EOF\nb 1\n", (3, 1), "text after # EOF"),
        (OpenMetrics, "# hello\n# EOF\n", (1, 3), "no comments other"),
        (
            OpenMetrics,
            "a 1\nb 1\na{x=\"1\"} 1\n# EOF\n",
            (3, 1),
            "interleaved",
        ),
        (
            OpenMetrics,
            "# UNIT a_b seconds\n# EOF\n",
            (1, 12),
            "does not end in its unit",
        ),
        (
            OpenMetrics,
            "a 1 # {} 1\n# EOF\n",
            (1, 5),
            "has an exemplar",
        ),
    ] {
        let error = parse_as(document.as_bytes(), format).unwrap_err();
        assert_eq!((error.line, error.column), place, "{document:?}: {error}");
        assert!(error.to_string().contains(words), "{document:?}: {error}");
    }
    let error = parse(b"a 1\nb{x=\"\xff\"} 2\n").unwrap_err();
    assert_eq!((error.line, error.column), (2, 6));
    assert_eq!(error.problem, Problem::NotUtf8);
}

#[test]
fn what_is_wrong_many_times_is_one_finding_and_reading_goes_on() {
    let mut document = "# TYPE a_total counter\n".to_owned();
    for index in 0..1000 {
        document += &format!("a_total{{x=\"{index}\"}} -1\n");
    }
    let mut samples = 0;
    let report = scan(document.as_bytes(), Format::Text, |event| {
        samples += usize::from(matches!(event, ScanEvent::Sample(_)));
    });
    assert_eq!((samples, report.samples), (1000, 1000));
    assert_eq!(report.findings.len(), 1);
    let finding = &report.findings[0];
    assert_eq!((finding.line, finding.further), (2, 999));
    assert!(report.refused_by(Scraper::Prometheus2).is_none());
}

#[test]
fn names_in_quotes_are_read_with_escapes_undone() {
    let mut seen = Vec::new();
    let document = b"# TYPE \"a.\\\"b\" gauge\n{x=\"1\", \"a.\\\"b\", \"c d\"=\"2\"} 3\n";
    let report = scan(document, Format::Text, |event| {
        if let ScanEvent::Sample(sample) = event {
            let labels = sample.labels.iter();
            let labels: Vec<String> = labels.map(|(n, v)| format!("{n}={v}")).collect();
            seen.push((sample.name.to_owned(), sample.kind, labels));
        }
    });
    let labels = vec!["x=1".to_owned(), "c d=2".to_owned()];
    assert_eq!(seen, [("a.\"b".to_owned(), MetricType::Gauge, labels)]);
    assert_eq!(report.refused_by(Scraper::Prometheus3), None);
    let refused = report.refused_by(Scraper::Prometheus2).unwrap();
    assert_eq!((refused.line, refused.column), (1, 8));
    assert_eq!(report.findings, []);
}

#[test]
fn an_unterminated_eof_is_the_end_and_anything_cut_short_is_not() {
    let whole = "# TYPE a counter\na_total{x=\"1\"} 12 1.5\n# EOF\n";
    assert!(open_metrics(whole).is_ok());
    for end in 0..whole.len() - 1 {
        assert!(open_metrics(&whole[..end]).is_err(), "{:?}", &whole[..end]);
    }
}

#[test]
fn the_visitor_sees_samples_up_to_the_first_fault() {
    let mut seen = Vec::new();
    let report = scan(b"a 1\nb 2\nc x\nd 4\n", Format::Text, |event| {
        if let ScanEvent::Sample(sample) = event {
            seen.push(sample.name.to_owned());
        }
    });
    for scraper in Scraper::ALL {
        assert_eq!(report.refused_by(scraper).unwrap().line, 3);
    }
    assert_eq!(seen, ["a", "b"]);
}

/// Any text, weighted towards what needs escaping.
fn any_value() -> impl Strategy<Value = String> {
    prop_oneof!["[ -~]{0,12}", "[\\\\\"\n{},=# ]{0,8}", any::<String>()]
}

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>().prop_filter("NaN is tested by hand", |v| !v.is_nan()),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        (0_u32..1000).prop_map(f64::from),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        values in prop::collection::btree_map(any_value(), any_number(), 1..6),
        help in any_value(),
        counts in prop::collection::vec(0_u64..1_000_000, 4),
        sum in any_number().prop_map(f64::abs),
        open in any::<bool>(),
    ) {
        let format = if open { Format::OpenMetrics } else { Format::Text };
        let writer = Writer::new(format);
        let mut out = Vec::new();
        let header = Header { name: "g", kind: MetricType::Gauge, help: &help };
        writer.header(header, &mut out);
        for (label, value) in &values {
            let labels = RenderedLabels::new([("x", label.as_str())]).unwrap();
            writer.sample("g", &labels, *value, &mut out);
        }
        let header = Header { name: "h", kind: MetricType::Histogram, help: "H." };
        writer.header(header, &mut out);
        let bounds = Bounds::new(&[0.1, 1.0, 60.0]);
        for label in values.keys() {
            let labels = RenderedLabels::new([("x", label.as_str())]).unwrap();
            writer.histogram("h", &labels, &bounds, &counts, sum, &mut out);
        }
        writer.finish(&mut out);

        let read = parse_as(&out, format).unwrap();
        // The text format has blanks before the prose mean nothing.
        let prose = if open { help.as_str() } else { help.trim_start_matches([' ', '\t']) };
        prop_assert_eq!(read.families[0].help.as_deref(), Some(prose));
        let gauges: Flat = values
            .iter()
            .map(|(label, value)| ("g".to_owned(), pairs(&[("x", label)]), *value, None))
            .collect();
        let flat = flat(&read);
        prop_assert_eq!(&flat[..values.len()], gauges.as_slice());

        let total = counts.iter().sum::<u64>() as f64;
        let of = |suffix: &str| -> Vec<f64> {
            let samples = read.families[1].samples.iter();
            samples.filter(|s| s.name.ends_with(suffix)).map(|s| s.value).collect()
        };
        prop_assert_eq!(of("_bucket").len(), 4 * values.len());
        prop_assert_eq!(of("_sum"), vec![sum; values.len()]);
        prop_assert_eq!(of("_count"), vec![total; values.len()]);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "(# (HELP|TYPE|UNIT|EOF) ?a ?(gauge|histogram)?\n|a(_bucket)?(\\{(le|x)=\"[^\n]{0,3}\"?,?\\})? ?1 ?[0-9.]{0,3}( # \\{\\} 1)?\n?){0,6}"
                .prop_map(String::into_bytes),
        ],
    ) {
        for format in [Format::Text, Format::OpenMetrics] {
            let _ = parse_as(&bytes, format);
        }
    }
}
