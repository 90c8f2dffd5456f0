//! Exposition text, in both formats.

use seamless_core::exposition::Format;
use seamless_core::exposition::read::{Exposition, parse, parse_as};
use seamless_core::exposition::write::{Header, Labels, Writer};

/// A scrape's answer. Errors name a place in the document and are presentable; what is read comes back
/// when it is written and read again; the typed view neither loses nor invents a sample.
pub(crate) fn exposition(bytes: &[u8]) {
    let _ = parse(bytes);
    for format in [Format::Text, Format::OpenMetrics] {
        match parse_as(bytes, format) {
            Ok(exposition) => {
                if format == Format::Text {
                    comes_back(&exposition);
                }
                let _ = exposition.metrics();
            }
            Err(error) => {
                crate::assert_presentable(&error.to_string());
                let lines = bytes.split(|byte| *byte == b'\n').count();
                assert!((1..=lines + 1).contains(&error.line), "{error}");
                assert!((1..=bytes.len() + 1).contains(&error.column), "{error}");
            }
        }
    }
}

fn comes_back(first: &Exposition) {
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
