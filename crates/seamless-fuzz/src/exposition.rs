//! Exposition text, in both formats.

use seamless_core::exposition::read::{Exposition, parse, parse_as, scan};
use seamless_core::exposition::write::{Header, RenderedLabels, Writer};
use seamless_core::exposition::{Format, Scraper, is_metric_name};

/// A scrape's answer. Findings name a place in the document and are presentable; a document without fault
/// comes back when it is written and read again. Whether a verdict is the scraper's is tested on real
/// servers, with the documents of the corpus and with [`Mutations`] of accepted ones.
pub(crate) fn exposition(bytes: &[u8]) {
    let _ = parse(bytes);
    for format in [Format::Text, Format::OpenMetrics] {
        let report = scan(bytes, format, |_| {});
        let [by_2, by_3] = Scraper::ALL.map(|scraper| report.refused_by(scraper));
        for finding in report.findings.iter().chain(by_2).chain(by_3) {
            crate::assert_presentable(&finding.to_string());
            crate::assert_presentable(finding.problem.effect());
            let lines = bytes.split(|byte| *byte == b'\n').count();
            assert!((1..=lines + 1).contains(&finding.line), "{finding}");
            assert!((1..=bytes.len() + 1).contains(&finding.column), "{finding}");
        }
        if let Ok(exposition) = parse_as(bytes, format)
            && format == Format::Text
        {
            comes_back(&exposition);
        }
    }
}

/// Whether some scraper takes these bytes in some format.
#[must_use]
pub fn is_accepted(bytes: &[u8]) -> bool {
    let formats = [Format::Text, Format::OpenMetrics];
    let mut reports = formats
        .map(|format| scan(bytes, format, |_| {}))
        .into_iter();
    reports.any(|report| {
        let mut scrapers = Scraper::ALL.into_iter();
        scrapers.any(|scraper| report.refused_by(scraper).is_none())
    })
}

/// Small changes to expositions, most of which leave something that can still be read. The same seed gives
/// the same changes.
#[derive(Debug, Clone)]
pub struct Mutations(u64);

impl Mutations {
    /// Changes that follow from `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        // A state of 0 would stay 0.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `bound` (xorshift), 0 where that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let number = usize::try_from(self.0 >> 33).unwrap_or(usize::MAX);
        number.checked_rem(bound).unwrap_or(0)
    }

    /// Changes a document in one to three places.
    pub fn mutate(&mut self, document: &mut Vec<u8>) {
        for _ in 0..=self.below(3) {
            let at = self.below(document.len() + 1);
            match self.below(6) {
                0 if at < document.len() => {
                    document.remove(at);
                }
                1 => {
                    let byte = u8::try_from(self.below(256)).unwrap_or_default();
                    document.insert(at, byte);
                }
                2 => self.repeat_line(document),
                _ => {
                    let piece = PIECES.get(self.below(PIECES.len())).copied();
                    document.splice(at..at, piece.unwrap_or_default().iter().copied());
                }
            }
        }
    }

    /// Writes a line once more, at the beginning of a line.
    fn repeat_line(&mut self, document: &mut Vec<u8>) {
        let lines: Vec<&[u8]> = document.split_inclusive(|byte| *byte == b'\n').collect();
        let (from, to) = (self.below(lines.len()), self.below(lines.len()));
        let Some(line) = lines.get(from).map(|line| line.to_vec()) else {
            return;
        };
        let at: usize = lines.iter().take(to).map(|line| line.len()).sum();
        document.splice(at..at, line);
    }
}

/// What the grammars of both formats are made of.
const PIECES: &[&[u8]] = &[
    b"# TYPE ",
    b"# HELP a ",
    b"# UNIT a_seconds seconds\n",
    b"# TYPE a gauge\n",
    b"# TYPE \"a.b\" counter\n",
    b"# EOF\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b"a",
    b"1a",
    b":",
    b"_total",
    b"_bucket",
    b"_created",
    b"{",
    b"}",
    b"\"",
    b"=",
    b",",
    b"#",
    b"\\",
    b"\\n",
    b"\\\"",
    b"1",
    b"-1",
    b"1e400",
    b"0x1p3",
    b"1_0",
    b"NaN",
    b"+Inf",
    b" 12",
    b" -12",
    b" 99999999999999999999",
    b" 1e300",
    b"\0",
    b"\xff",
    b"\xc3\xa9",
    b"x=\"\"",
    b"x=\"y\"",
    b"\"a.b\"",
    b"\"a.b\"=\"c\"",
    b"le=\"1\"",
    b"job=\"j\"",
    b"__name__=\"b\"",
    b"{}",
    b" # {x=\"1\"} 1",
    b" # {} 1 1",
    b"gauge",
    b"counter",
    b"a 1\n",
    b"a{x=\"y\"} 1\n",
    b"{\"a.b\"} 1\n",
    b"  a 1\n",
];

fn comes_back(first: &Exposition) {
    let names = first.samples().flat_map(|sample| {
        let labels = sample.labels.iter().map(|(name, _)| name);
        labels.chain([&sample.name])
    });
    // The writer writes no quoted names.
    if names.into_iter().any(|name| !is_metric_name(name)) {
        return;
    }
    let writer = Writer::new(Format::Text);
    let mut document = Vec::new();
    for family in &first.families {
        let header = Header {
            name: &family.name,
            kind: family.kind,
            help: family.help.as_deref().unwrap_or_default(),
        };
        writer.header(header, &mut document);
        for sample in &family.samples {
            let pairs = sample
                .labels
                .iter()
                .map(|(name, value)| (&**name, &**value));
            let labels = RenderedLabels::new(pairs).unwrap_or_else(|error| panic!("{error}"));
            writer.sample(&sample.name, &labels, sample.value, &mut document);
        }
    }
    writer.finish(&mut document);
    let again = parse_as(&document, Format::Text).unwrap_or_else(|error| {
        panic!(
            "{error} in what was written: {}",
            String::from_utf8_lossy(&document)
        )
    });
    let (first, again): (Vec<_>, Vec<_>) = (first.samples().collect(), again.samples().collect());
    assert_eq!(first.len(), again.len());
    for (first, again) in first.iter().zip(&again) {
        assert_eq!((&first.name, &first.labels), (&again.name, &again.labels));
        let same = first.value == again.value || (first.value.is_nan() && again.value.is_nan());
        assert!(same, "{} became {}", first.value, again.value);
    }
}
