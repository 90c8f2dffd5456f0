//! What an exposition holds, as far as the checks ask: gathered while it is read, so that memory is that
//! of the text and not of its samples. What is wrong with it is for the checks to say.

use std::collections::{BTreeSet, HashMap};

use seamless_core::exposition::read::{SampleRef, ScanEvent, ScanReport, scan};
use seamless_core::exposition::{Format, MetricType, is_metric_name};
use seamless_core::schema::{FAMILIES, Family, Kind, Phase};

/// As many unknown phases as are remembered: a label that holds anything must not fill the memory.
const PHASES_KEPT: usize = 16;
/// As many kinds of histograms: of each phase and set of bounds, far more than there are.
const HISTOGRAMS_KEPT: usize = 1000;
/// Prometheus drops samples further ahead (`maxAheadTime` in its `scrape/scrape.go`).
const AHEAD_MS: i64 = 10 * 60 * 1000;
/// It drops samples older than half of a block, by default an hour, once it has newer ones.
const BEHIND_MS: i64 = 60 * 60 * 1000;

/// What an exposition holds.
#[derive(Debug, Clone)]
pub(crate) struct Survey {
    /// Whether there is no byte.
    pub(crate) empty: bool,
    pub(crate) format: Format,
    /// Which scrapers refuse it, and what else is wrong.
    pub(crate) report: ScanReport,
    /// In the order in which the text first speaks of them.
    pub(crate) families: Vec<Surveyed>,
    /// Of the schema's histograms, each family, phase and set of bounds once.
    pub(crate) histograms: Vec<HistogramBounds>,
    /// The first name, of a metric or label, that needs quotes, and its line.
    pub(crate) quoted: Option<(String, usize)>,
    /// Of the samples with timestamps, those that a scrape now would not store.
    pub(crate) untimely: Option<Untimely>,
}

/// The bounds that series of a histogram have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HistogramBounds {
    pub(crate) family: &'static Family,
    pub(crate) phase: Option<String>,
    /// The finite ones, in the order of the text.
    pub(crate) bounds: Vec<f64>,
}

/// Samples whose timestamps are too far from now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Untimely {
    pub(crate) line: usize,
    pub(crate) name: String,
    pub(crate) ahead: bool,
    pub(crate) samples: usize,
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
    /// Reads a document, in that format or the one that it tells by itself. `now` is in seconds since
    /// 1970.
    pub(crate) fn of(document: &[u8], format: Option<Format>, now: f64) -> Self {
        let format = format.unwrap_or_else(|| Format::detect(document));
        let mut surveying = Surveying {
            now: (now * 1000.0) as i64,
            ..Surveying::default()
        };
        let report = scan(document, format, |event| match event {
            ScanEvent::Help { family, .. } | ScanEvent::Unit { family, .. } => {
                surveying.family(family);
            }
            ScanEvent::Type { family, kind } => {
                let place = surveying.family(family);
                surveying.families[place].kind = kind;
            }
            ScanEvent::Sample(sample) => surveying.sample(&sample),
            _ => {}
        });
        surveying.end_series();
        Self {
            empty: document.is_empty(),
            format,
            report,
            families: surveying.families,
            histograms: surveying.histograms,
            quoted: surveying.quoted,
            untimely: surveying.untimely,
        }
    }
}

#[derive(Default)]
struct Surveying {
    /// In milliseconds since 1970.
    now: i64,
    families: Vec<Surveyed>,
    places: HashMap<String, usize>,
    /// The family of the last sample.
    last: usize,
    histograms: Vec<HistogramBounds>,
    /// The buckets of the series that is being read: its labels without `le`, and its bounds.
    series: Option<(HistogramBounds, Vec<(String, String)>)>,
    quoted: Option<(String, usize)>,
    untimely: Option<Untimely>,
}

impl Surveying {
    fn family(&mut self, name: &str) -> usize {
        if self
            .families
            .get(self.last)
            .is_some_and(|last| last.name == name)
        {
            return self.last;
        }
        self.last = self.places.get(name).copied().unwrap_or_else(|| {
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
            self.places.insert(name.to_owned(), self.families.len() - 1);
            self.families.len() - 1
        });
        self.last
    }

    fn sample(&mut self, sample: &SampleRef<'_>) {
        self.time(sample);
        if self.quoted.is_none() {
            let labels = sample.labels.iter().map(|(label, _)| &**label);
            let quoted = labels
                .chain([sample.name])
                .find(|name| !is_metric_name(name));
            self.quoted = quoted.map(|name| (name.to_owned(), sample.line));
        }
        let place = self.family(sample.family);
        let family = &mut self.families[place];
        let Some(known) = family.known else { return };
        let value = |name: &str| {
            let label = sample.labels.iter().find(|(label, _)| label == name);
            label.map_or("", |(_, value)| value.as_ref())
        };
        for label in known.labels {
            // A domain may have no world; the label is there all the same.
            let worldless =
                *label == "world_id" && sample.labels.iter().any(|(name, _)| name == label);
            if value(label).is_empty()
                && !worldless
                && !family.lacking.iter().any(|(other, _)| other == label)
            {
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
            self.bucket(known, sample);
        }
    }

    /// Notes a sample that is further ahead than Prometheus takes, or older than it keeps open.
    fn time(&mut self, sample: &SampleRef<'_>) {
        let Some(timestamp) = sample.timestamp else {
            return;
        };
        let ahead = timestamp > self.now.saturating_add(AHEAD_MS);
        if !ahead && timestamp >= self.now.saturating_sub(BEHIND_MS) {
            return;
        }
        let first = || Untimely {
            line: sample.line,
            name: sample.name.to_owned(),
            ahead,
            samples: 0,
        };
        self.untimely.get_or_insert_with(first).samples += 1;
    }

    fn bucket(&mut self, family: &'static Family, sample: &SampleRef<'_>) {
        let others = || sample.labels.iter().filter(|(name, _)| name != "le");
        let continues = self.series.as_ref().is_some_and(|(histogram, labels)| {
            histogram.family.name == family.name
                && labels
                    .iter()
                    .map(|(name, value)| (&**name, &**value))
                    .eq(others().map(|(name, value)| (&**name, &**value)))
        });
        if !continues {
            self.end_series();
            let owned = |(name, value): &(_, _)| (String::clone(name), String::clone(value));
            let labels: Vec<(String, String)> = others()
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect();
            let phase = labels.iter().find(|(name, _)| name == "phase").map(owned);
            let histogram = HistogramBounds {
                family,
                phase: phase.map(|(_, value)| value),
                bounds: Vec::new(),
            };
            self.series = Some((histogram, labels));
        }
        let bound = sample.labels.iter().find(|(name, _)| name == "le");
        let bound = bound.and_then(|(_, bound)| bound.parse().ok());
        if let (Some((histogram, _)), Some(bound)) = (&mut self.series, bound)
            && f64::is_finite(bound)
        {
            histogram.bounds.push(bound);
        }
    }

    /// Keeps the series that was read, unless there is one like it.
    fn end_series(&mut self) {
        if let Some((histogram, _)) = self.series.take()
            && self.histograms.len() < HISTOGRAMS_KEPT
            && !self.histograms.contains(&histogram)
        {
            self.histograms.push(histogram);
        }
    }
}
