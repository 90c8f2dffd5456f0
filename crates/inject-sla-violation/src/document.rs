//! Values as exposition text, a piece at a time.
//!
//! Owns the order of the document. It holds one piece and never the whole: a scrape of a million
//! series needs as much memory as one of a thousand.

use std::ops::Range;
use std::sync::Arc;

use seamless_core::exposition::Format;
use seamless_core::exposition::write::{Header, Writer};

use crate::series::{SeriesFamily, SeriesSet};
use crate::values::{Value, Values};

/// About so many series make one piece.
const SERIES_PER_PIECE: usize = 2000;

/// What one piece holds: some copies of one group, and what stands before and behind them.
pub(crate) struct Part {
    pub(crate) family: usize,
    pub(crate) group: usize,
    pub(crate) copies: Range<usize>,
}

/// The pieces of one document.
pub(crate) fn pieces(
    series_set: Arc<SeriesSet>,
    values: Arc<Values>,
    format: Format,
) -> impl Iterator<Item = Vec<u8>> + Send {
    let writer = Writer::new(format);
    let end = std::iter::once_with(move || {
        let mut out = Vec::new();
        writer.finish(&mut out);
        out
    });
    parts(&series_set)
        .into_iter()
        .map(move |part| piece(&series_set, &values, writer, &part))
        .chain(end)
        .filter(|piece| !piece.is_empty())
}

/// How the document is cut into pieces.
pub(crate) fn parts(series_set: &SeriesSet) -> Vec<Part> {
    let mut parts = Vec::new();
    for (family, SeriesFamily { groups, .. }) in series_set.families.iter().enumerate() {
        let per_copy = series_set.families[family].series_per_copy();
        let step = (SERIES_PER_PIECE / per_copy).max(1);
        for (group, copies) in groups.iter().map(|group| group.copies.len()).enumerate() {
            parts.extend((0..copies).step_by(step).map(|first| Part {
                family,
                group,
                copies: first..(first + step).min(copies),
            }));
        }
    }
    parts
}

fn piece(series_set: &SeriesSet, values: &Values, writer: Writer, part: &Part) -> Vec<u8> {
    let mut out = Vec::new();
    let family = &series_set.families[part.family];
    let name = &family.name;
    if part.group == 0 && part.copies.start == 0 {
        let header = Header {
            name,
            kind: family.metric_type(),
            help: family.family.help,
        };
        writer.header(header, &mut out);
    }
    let value = &values.families[part.family][part.group];
    for labels in &family.groups[part.group].copies[part.copies.clone()] {
        match value {
            Value::Count(count) => writer.count(name, labels, *count, &mut out),
            Value::Level(level) => writer.sample(name, labels, *level, &mut out),
            Value::Observations { buckets, sum, .. } => {
                writer.histogram(name, labels, &family.bounds, buckets, *sum, &mut out);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use fastrand::Rng;
    use proptest::prelude::*;
    use seamless_core::exposition::read;

    use super::*;
    use crate::args::Args;
    use crate::request::Request;
    use crate::values::{Condition, Moment};

    fn document(arguments: &[&str], steps: usize, format: Format) -> (u64, Vec<Vec<u8>>) {
        let program = ["inject-sla-violation"];
        let args = Args::try_parse_from(program.iter().chain(arguments)).unwrap();
        let request = Request::from_args(&args).unwrap();
        let series_set = Arc::new(SeriesSet::new(&request).unwrap());
        let mut values = Values::first(&series_set, &request, Moment::default());
        let mut rng = Rng::with_seed(1);
        for _ in 0..steps {
            let moment = Moment::default();
            values.advance(
                &series_set,
                &request,
                Condition::Violating,
                moment,
                &mut rng,
            );
        }
        let series = series_set.series();
        (
            series,
            pieces(series_set, Arc::new(values), format).collect(),
        )
    }

    #[test]
    fn pieces_are_bounded_and_make_one_document() {
        let arguments = ["n", "--scenario=all", "--nodes=150", "--worlds=2"];
        for format in [Format::Text, Format::OpenMetrics] {
            let (series, pieces) = document(&arguments, 1, format);
            assert!(pieces.len() > 10);
            assert!(pieces.iter().all(|piece| piece.len() < 512 * 1024));
            let read = read::parse_as(&pieces.concat(), format).unwrap();
            assert_eq!(read.samples().count() as u64, series);
        }
    }

    #[test]
    fn every_violated_counter_moves_with_every_step() {
        let at = |steps| {
            let (_, pieces) = document(&["n", "--scenario=all"], steps, Format::Text);
            read::parse(&pieces.concat()).unwrap()
        };
        let (before, after) = (at(3), at(4));
        for (old, new) in before.samples().zip(after.samples()) {
            let counts = ["_total", "_count", "_sum"]
                .iter()
                .any(|suffix| new.name.ends_with(suffix));
            assert!(!counts || new.value > old.value, "{old:?} {new:?}");
        }
    }

    proptest! {
        #[test]
        fn any_name_comes_through(node in "\\PC*[a-z\\\\\"\n]\\PC*", world in any::<String>()) {
            prop_assume!(!node.starts_with('-') && !node.trim().is_empty());
            let world_id = format!("--world-id={world}");
            let arguments = ["--scenario=coverage", &world_id, "--", &node];
            let (_, pieces) = document(&arguments, 1, Format::Text);
            let read = read::parse(&pieces.concat()).unwrap();
            let sample = read.samples().next().unwrap();
            prop_assert_eq!(sample.label("node_id"), Some(node.as_str()));
            prop_assert_eq!(sample.label("world_id").unwrap_or_default(), world.as_str());
        }
    }
}
