//! What an exposition holds, as far as the checks ask: gathered while it is read, so that memory is that
//! of the text and not of its samples. What is wrong with it is for the checks to say.

use std::collections::{BTreeSet, HashMap, HashSet};

use seamless_core::exposition::read::{
    Disagreement, Event, Exposition, Family as Kept, Metric, ReadError, Sample, SampleRef, scan,
};
use seamless_core::exposition::{Format, MetricType};
use seamless_core::schema::{FAMILIES, Family, Kind, Phase};

/// As many unknown phases as are remembered: a label that holds anything must not fill the memory.
const PHASES_KEPT: usize = 16;

/// What an exposition holds.
#[derive(Debug, Clone)]
pub(crate) struct Survey {
    pub(crate) format: Format,
    pub(crate) samples: usize,
    /// In the order in which the text first speaks of them.
    pub(crate) families: Vec<Surveyed>,
    /// Of the schema's histograms, one series of each family, phase and set of bounds.
    histograms: Exposition,
}

/// A family of it.
#[derive(Debug, Clone)]
pub(crate) struct Surveyed {
    pub(crate) name: String,
    pub(crate) kind: MetricType,
    /// What it is in the schema, if it is there.
    pub(crate) known: Option<&'static Family>,
    /// The labels of the schema that a sample lacks, and the first line where one does.
    pub(crate) lacking: Vec<(&'static str, usize)>,
    pub(crate) unknown_phases: BTreeSet<String>,
}

impl Survey {
    /// Reads a document, in that format or the one that it tells by itself.
    ///
    /// # Errors
    /// [`ReadError`] at the first place that is wrong.
    pub(crate) fn of(document: &[u8], format: Option<Format>) -> Result<Self, ReadError> {
        let format = format.unwrap_or_else(|| {
            // What is not UTF-8 has no format; reading it names the place.
            Format::detect(std::str::from_utf8(document).unwrap_or_default())
        });
        let mut surveying = Surveying::default();
        scan(document, format, |event| match event {
            Event::Help { family, .. } | Event::Unit { family, .. } => {
                surveying.family(family);
            }
            Event::Type { family, kind } => surveying.family(family).kind = kind,
            Event::Sample(sample) => surveying.sample(&sample),
            _ => {}
        })?;
        surveying.end_series();
        Ok(Self {
            format,
            samples: surveying.samples,
            families: surveying.families,
            histograms: Exposition {
                format,
                families: surveying.histograms,
            },
        })
    }

    /// The schema's histograms, one series of each family, phase and set of bounds.
    ///
    /// # Errors
    /// [`Disagreement`], when grouping lost or invented a sample.
    pub(crate) fn histograms(&self) -> Result<Vec<Metric>, Disagreement> {
        self.histograms.metrics()
    }
}

#[derive(Default)]
struct Surveying<'a> {
    samples: usize,
    families: Vec<Surveyed>,
    places: HashMap<&'a str, usize>,
    histograms: Vec<Kept>,
    /// The buckets of the series that is being read.
    series: Vec<Sample>,
    shapes: HashSet<Vec<String>>,
}

impl<'a> Surveying<'a> {
    fn family(&mut self, name: &'a str) -> &mut Surveyed {
        let place = *self.places.entry(name).or_insert_with(|| {
            let known = FAMILIES
                .iter()
                .find(|family| family.exposed_names().iter().any(|exposed| exposed == name));
            self.families.push(Surveyed {
                name: name.to_owned(),
                kind: MetricType::Untyped,
                known,
                lacking: Vec::new(),
                unknown_phases: BTreeSet::new(),
            });
            self.families.len() - 1
        });
        &mut self.families[place]
    }

    fn sample(&mut self, sample: &SampleRef<'a, '_>) {
        self.samples += 1;
        let family = self.family(sample.family);
        let Some(known) = family.known else { return };
        let value = |name: &str| {
            let label = sample.labels.iter().find(|(label, _)| *label == name);
            label.map_or("", |(_, value)| value.as_ref())
        };
        for label in known.labels {
            if value(label).is_empty() && !family.lacking.iter().any(|(other, _)| other == label) {
                family.lacking.push((label, sample.line));
            }
        }
        let phase = value("phase");
        if !phase.is_empty()
            && Phase::from_label(phase).is_none()
            && family.unknown_phases.len() < PHASES_KEPT
        {
            family.unknown_phases.insert(phase.to_owned());
        }
        let is_bucket = sample.kind == MetricType::Histogram && sample.name.ends_with("_bucket");
        if is_bucket && matches!(known.kind, Kind::Histogram(_)) {
            self.bucket(sample);
        }
    }

    fn bucket(&mut self, sample: &SampleRef<'a, '_>) {
        let bucket = Sample {
            line: sample.line,
            name: sample.name.to_owned(),
            labels: sample
                .labels
                .iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone().into_owned()))
                .collect(),
            value: sample.value,
            timestamp: None,
            exemplar: None,
        };
        if self.series.last().is_some_and(|last| !same(last, &bucket)) {
            self.end_series();
        }
        self.series.push(bucket);
    }

    /// Keeps the series that was read, unless there is one like it.
    fn end_series(&mut self) {
        let series = std::mem::take(&mut self.series);
        let Some(first) = series.first() else { return };
        let phase = first.label("phase").unwrap_or_default();
        let bounds = series.iter().filter_map(|bucket| bucket.label("le"));
        let shape = [first.name.as_str(), phase].into_iter().chain(bounds);
        if !self.shapes.insert(shape.map(str::to_owned).collect()) {
            return;
        }
        let name = first.name.trim_end_matches("_bucket").to_owned();
        match self.histograms.iter_mut().find(|kept| kept.name == name) {
            Some(kept) => kept.samples.extend(series),
            None => self.histograms.push(Kept {
                name,
                kind: MetricType::Histogram,
                help: None,
                unit: None,
                samples: series,
            }),
        }
    }
}

/// Whether two buckets are of the same series.
fn same(one: &Sample, other: &Sample) -> bool {
    let labels = |sample: &Sample| -> Vec<(String, String)> {
        let labels = sample.labels.iter().filter(|(name, _)| name != "le");
        labels.cloned().collect()
    };
    one.name == other.name && labels(one) == labels(other)
}
