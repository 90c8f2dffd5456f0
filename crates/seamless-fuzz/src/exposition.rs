//! Exposition text, in both formats.

use seamless_core::exposition::read::{Exposition, parse, parse_as, scan};
use seamless_core::exposition::write::{Header, Labels, Writer};
use seamless_core::exposition::{Format, Scraper, is_metric_name};

/// A scrape's answer. Findings name a place in the document and are presentable; a document without fault comes back when it is written and read again. Whether a
/// verdict is the scraper's is tested on real servers, with the documents of the corpus and mutated ones.
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
            let labels = Labels::new(pairs).unwrap_or_else(|error| panic!("{error}"));
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
