//! One pass over a document, statement by statement, handing each thing it states to a visitor.
//!
//! Owns what statements mean together: which family a sample belongs to, what may stand once, what must
//! stand first. It keeps families, histograms, and one number per sample to find duplicates; samples go
//! to the visitor and are forgotten.

use std::borrow::Cow;
use std::collections::HashMap;

use memchr::memchr_iter;

use super::event::{ExemplarRef, SampleRef, ScanEvent};
use super::family::{forbidden, may_have_exemplar, owners, stands_alone, suffixes};
use super::findings::Findings;
use super::metric::{FamilyHistograms, HistogramPart};
use super::problem::{Finding, Problem};
use super::series::{Hasher, Repeated, SeenSeries};
use super::statement::{RawSample, Statement, Statements};
use crate::exposition::{Format, MetricType, Scraper};

/// What reading a document has shown, but for its samples.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScanReport {
    refused_by_2: Option<Finding>,
    refused_by_3: Option<Finding>,
    /// By both, where reading ended.
    refused: Option<Finding>,
    /// What is wrong although Prometheus takes it, in the order of the document: each kind once per
    /// family.
    pub findings: Vec<Finding>,
    /// Kinds of findings beyond those that are kept.
    pub left_out: usize,
    /// Samples read.
    pub samples: usize,
}

impl ScanReport {
    /// Why `scraper` refuses the whole document; `None` where it takes it.
    #[must_use]
    pub const fn refused_by(&self, scraper: Scraper) -> Option<&Finding> {
        let alone = match scraper {
            Scraper::Prometheus2 => &self.refused_by_2,
            Scraper::Prometheus3 => &self.refused_by_3,
        };
        match alone {
            Some(finding) => Some(finding),
            None => self.refused.as_ref(),
        }
    }

    /// The document is without fault for every scraper and for the specification.
    ///
    /// # Errors
    /// The first fault, those first for which the document is refused.
    pub fn sound(mut self) -> Result<(), Finding> {
        let alone = self.refused_by_2.take().or(self.refused_by_3.take());
        let finding = self.refused.take().or(alone);
        match finding.or_else(|| self.findings.into_iter().next()) {
            Some(finding) => Err(finding),
            None => Ok(()),
        }
    }
}

/// Reads `document` as far as a scraper does, and hands what it states to `visit`, in order. Reading ends
/// where every Prometheus refuses the document, and goes on after everything else that is wrong.
pub fn scan(document: &[u8], format: Format, mut visit: impl FnMut(ScanEvent<'_>)) -> ScanReport {
    let mut scan = Scan::new(document, format);
    let mut statements = Statements::new(document, format);
    let mut report = ScanReport::default();
    let mut passed = 0;
    // Prometheus 3 does not even parse a document without a byte.
    while !document.is_empty() {
        let read = statements.next();
        let start = statements.start;
        let skipped = document.get(passed..start).unwrap_or_default();
        scan.line += memchr_iter(b'\n', skipped).count();
        passed = start;
        if let Some((at, problem)) = statements.refused_by_2.take()
            && report.refused_by_2.is_none()
        {
            report.refused_by_2 = Some(scan.finding(at, problem));
        }
        if let Some((at, problem)) = statements.refused_by_3.take()
            && report.refused_by_3.is_none()
        {
            report.refused_by_3 = Some(scan.finding(at, problem));
        }
        for (at, problem) in statements.notes.drain(..) {
            scan.found(at, problem);
        }
        match read {
            Err((at, problem)) => {
                report.refused = Some(scan.finding(at, problem));
                break;
            }
            Ok(Statement::End) => break,
            Ok(Statement::Comment) => {}
            Ok(Statement::Help(family, text)) => {
                scan.comment(start, "HELP", &family);
                visit(ScanEvent::Help {
                    family: &family,
                    text: &text,
                });
            }
            Ok(Statement::Type(family, kind)) => {
                scan.comment(start, "TYPE", &family);
                scan.set_type(&family, kind);
                visit(ScanEvent::Type {
                    family: &family,
                    kind,
                });
            }
            Ok(Statement::Unit(family, unit)) => {
                scan.comment(start, "UNIT", &family);
                visit(ScanEvent::Unit {
                    family: &family,
                    unit: &unit,
                });
            }
            Ok(Statement::Sample(sample)) => scan.sample(start, &sample, &statements, &mut visit),
        }
    }
    report.samples = scan.samples;
    if report.refused.is_none() {
        scan.finish();
        scan.find_duplicates();
        if scan.samples == 0 {
            scan.findings.add("", Problem::NoSample, || (1, 1));
        }
        if document.is_empty() && format == Format::OpenMetrics {
            report.refused_by_2 = Some(scan.finding(0, Problem::Empty));
        }
    }
    (report.findings, report.left_out) = scan.findings.sorted();
    report
}

/// What is known of a family so far.
struct FamilyState {
    name: Box<str>,
    kind: Option<MetricType>,
    /// The lines of HELP, TYPE and UNIT.
    comments: [Option<usize>; 3],
    line: usize,
    sampled: bool,
    histograms: FamilyHistograms,
}

impl FamilyState {
    fn kind(&self) -> MetricType {
        self.kind.unwrap_or(MetricType::Untyped)
    }
}

struct Scan<'a> {
    document: &'a [u8],
    format: Format,
    /// The line of the statement being read.
    line: usize,
    samples: usize,
    families: Vec<FamilyState>,
    index: HashMap<Box<str>, usize>,
    /// The family of the lines just read.
    current: Option<usize>,
    /// The last sample's name, its family and suffix, so that a run of them is resolved once.
    resolved: Option<(Box<str>, usize, &'static str)>,
    hasher: Hasher,
    seen: SeenSeries,
    findings: Findings,
}

impl<'a> Scan<'a> {
    fn new(document: &'a [u8], format: Format) -> Self {
        Self {
            document,
            format,
            line: 1,
            samples: 0,
            families: Vec::new(),
            index: HashMap::new(),
            current: None,
            resolved: None,
            hasher: Hasher::default(),
            seen: SeenSeries::default(),
            findings: Findings::default(),
        }
    }

    fn finding(&self, at: usize, problem: Problem) -> Finding {
        let (line, column) = place(self.document, at);
        Finding {
            line,
            column,
            problem,
            further: 0,
        }
    }

    fn found(&mut self, at: usize, problem: Problem) {
        let name = match self.current.and_then(|current| self.families.get(current)) {
            Some(family) => &*family.name,
            None => "",
        };
        let document = self.document;
        self.findings.add(name, problem, || place(document, at));
    }

    fn family(&mut self, name: &str) -> usize {
        if let Some(index) = self.index.get(name) {
            return *index;
        }
        let index = self.families.len();
        self.families.push(FamilyState {
            name: name.into(),
            kind: None,
            comments: [None; 3],
            line: self.line,
            sampled: false,
            histograms: FamilyHistograms::default(),
        });
        self.index.insert(name.into(), index);
        index
    }

    /// Makes a family the one that lines belong to.
    fn enter(&mut self, at: usize, index: usize) {
        if self.current == Some(index) {
            return;
        }
        let again = self.families.get(index).is_some_and(|family| {
            family.sampled || self.format == Format::OpenMetrics && family.comments != [None; 3]
        });
        self.current = Some(index);
        if again && let Some(family) = self.families.get(index) {
            let problem = Problem::Interleaved(family.name.to_string());
            self.found(at, problem);
        }
    }

    fn comment(&mut self, at: usize, what: &'static str, name: &str) {
        let index = self.family(name);
        let late = self
            .families
            .get(index)
            .is_some_and(|family| family.sampled);
        // The text format lets HELP come late.
        let late_matters = what != "HELP" || self.format == Format::OpenMetrics;
        if late {
            self.current = Some(index);
        } else {
            self.enter(at, index);
        }
        let line = self.line;
        let Some(family) = self.families.get_mut(index) else {
            return;
        };
        let slot = match what {
            "HELP" => 0,
            "TYPE" => 1,
            _ => 2,
        };
        let first = family.comments.get_mut(slot).and_then(|slot| {
            let first = *slot;
            slot.get_or_insert(line);
            first
        });
        let family = name.to_owned();
        if let Some(first) = first {
            let second = Problem::SecondComment {
                what,
                family,
                first,
            };
            self.found(at, second);
        } else if late && late_matters {
            self.found(at, Problem::LateComment { what, family });
        }
    }

    fn set_type(&mut self, name: &str, kind: MetricType) {
        let index = self.family(name);
        if let Some(family) = self.families.get_mut(index) {
            family.kind = Some(kind);
        }
        self.resolved = None;
    }

    fn sample(
        &mut self,
        at: usize,
        sample: &RawSample<'_>,
        statements: &Statements<'_>,
        visit: &mut impl FnMut(ScanEvent<'_>),
    ) {
        self.samples += 1;
        let name = &*sample.name;
        let labels = &statements.labels;
        let (index, suffix) = self.resolve(at, name);
        let kind = self
            .families
            .get(index)
            .map_or(MetricType::Untyped, FamilyState::kind);
        self.seen.add(self.hasher.series(name, labels));
        self.judge(at, index, kind, suffix, sample, statements);
        let Some(family) = self.families.get(index) else {
            return;
        };
        visit(ScanEvent::Sample(SampleRef {
            line: self.line,
            family: &family.name,
            kind,
            name,
            labels,
            value: sample.value,
            timestamp: sample.timestamp,
            exemplar: sample.exemplar.as_ref().map(|exemplar| ExemplarRef {
                labels: &statements.exemplar,
                value: exemplar.value,
                timestamp: exemplar.timestamp,
            }),
        }));
    }

    /// What is wrong with a sample of that family.
    fn judge(
        &mut self,
        at: usize,
        index: usize,
        kind: MetricType,
        suffix: &'static str,
        sample: &RawSample<'_>,
        statements: &Statements<'_>,
    ) {
        let name = &*sample.name;
        let bound_label = match (kind, suffix) {
            (MetricType::Histogram | MetricType::GaugeHistogram, "_bucket") => Some("le"),
            (MetricType::Summary, "") => Some("quantile"),
            _ => None,
        };
        let bound = bound_label.and_then(|label| number_of(statements, label));
        if let Some(label) = bound_label
            && bound.is_none()
        {
            let name = name.to_owned();
            self.found(at, Problem::Bound { name, label });
        }
        if bound_label == Some("quantile") && bound.is_some_and(|q| !(0.0..=1.0).contains(&q)) {
            self.found(at, Problem::Quantile(name.to_owned()));
        }
        if let Some(problem) = forbidden(kind, suffix, name, bound.is_some(), sample.value) {
            self.found(at, problem);
        }
        let state = || statements.labels.iter().any(|(label, _)| label == name);
        if kind == MetricType::StateSet && !state() {
            self.found(at, Problem::State(name.to_owned()));
        }
        if let Some(exemplar) = &sample.exemplar {
            if !may_have_exemplar(kind, suffix) {
                self.found(exemplar.at, Problem::ExemplarHere(name.to_owned()));
            }
            let characters = |text: &Cow<'_, str>| text.chars().count();
            let labels = statements.exemplar.iter();
            let length = labels.map(|(n, v)| characters(n) + characters(v)).sum();
            if length > 128 {
                self.found(exemplar.at, Problem::ExemplarTooLong(length));
            }
        }
        let left_out = match kind {
            MetricType::Histogram | MetricType::GaugeHistogram => "le",
            _ => return,
        };
        let Some(family) = self.families.get_mut(index) else {
            return;
        };
        let part = HistogramPart {
            metric: self.hasher.without("", &statements.labels, left_out),
            line: self.line,
            timestamp: sample.timestamp,
            bound,
            value: sample.value,
        };
        let (findings, name) = (&mut self.findings, &*family.name);
        let scattered_matters = self.format == Format::OpenMetrics;
        family.histograms.add(
            kind,
            name,
            suffix,
            &part,
            scattered_matters,
            &mut |line, problem| findings.add(name, problem, || (line, 1)),
        );
    }

    /// The family that a sample named `name` belongs to, and the suffix that it has there.
    fn resolve(&mut self, at: usize, name: &str) -> (usize, &'static str) {
        if let Some((last, index, suffix)) = &self.resolved
            && **last == *name
        {
            let (index, suffix) = (*index, *suffix);
            self.enter(at, index);
            return (index, suffix);
        }
        let owner = owners(name).find_map(|(family, suffix)| {
            let index = *self.index.get(family)?;
            let kind = self.families.get(index)?.kind?;
            suffixes(kind, self.format)
                .contains(&suffix)
                .then_some((index, suffix))
        });
        let (index, suffix) = owner.unwrap_or_else(|| (self.family(name), ""));
        self.enter(at, index);
        if let Some(family) = self.families.get_mut(index) {
            family.sampled = true;
            let kind = family.kind();
            if suffix.is_empty() && !stands_alone(kind, self.format) {
                let problem = Problem::SampleName {
                    family: name.to_owned(),
                    kind: kind.word(self.format).unwrap_or_default(),
                    name: name.to_owned(),
                };
                self.found(at, problem);
            }
        }
        // In the text format a counter has its suffix in its name.
        let kind = self.families.get(index).map(FamilyState::kind);
        let suffix = match (kind, self.format) {
            (Some(MetricType::Counter), Format::Text) => "_total",
            _ => suffix,
        };
        self.resolved = Some((name.into(), index, suffix));
        (index, suffix)
    }

    /// What shows only when all has been read, but for duplicates.
    fn finish(&mut self) {
        for family in &self.families {
            let (name, findings) = (&*family.name, &mut self.findings);
            let kind = family.kind();
            family.histograms.finish(kind, name, &mut |line, problem| {
                findings.add(name, problem, || (line, 1));
            });
            let [.., unit] = family.comments;
            if let (Some(line), MetricType::Info | MetricType::StateSet) = (unit, kind) {
                let problem = Problem::UnitOfType {
                    family: name.to_owned(),
                    kind: if kind == MetricType::Info {
                        "an info"
                    } else {
                        "a stateset"
                    },
                };
                findings.add(name, problem, || (line, 1));
            }
            let sample_names = suffixes(kind, self.format)
                .iter()
                .map(|suffix| format!("{name}{suffix}"));
            // A counter's name without its suffix is its name in OpenMetrics.
            let bare = (self.format == Format::Text && kind == MetricType::Counter)
                .then(|| name.strip_suffix("_total"))
                .flatten();
            for other in sample_names.chain(bare.map(str::to_owned)) {
                let other = self
                    .index
                    .get(&*other)
                    .and_then(|at| self.families.get(*at));
                if let Some(other) = other.filter(|other| other.kind.is_some()) {
                    let line = family.line.max(other.line);
                    let problem = Problem::Clash(name.to_owned(), other.name.to_string());
                    findings.add(name, problem, || (line, 1));
                }
            }
        }
    }

    /// Reads the document again where a series stands in it twice, to say where.
    fn find_duplicates(&mut self) {
        let repeated = std::mem::take(&mut self.seen).repeated();
        if repeated.is_empty() {
            return;
        }
        let mut statements = Statements::new(self.document, self.format);
        let mut points = Repeated::new(self.format);
        let (mut passed, mut line) = (0, 1);
        while let Ok(statement) = statements.next() {
            let start = statements.start;
            let skipped = self.document.get(passed..start).unwrap_or_default();
            line += memchr_iter(b'\n', skipped).count();
            passed = start;
            statements.notes.clear();
            let sample = match statement {
                Statement::End => break,
                Statement::Sample(sample) => sample,
                _ => continue,
            };
            let series = self.hasher.series(&sample.name, &statements.labels);
            if !repeated.contains(&series) {
                continue;
            }
            if let Some(problem) = points.add(series, line, sample.timestamp) {
                let column = place(self.document, start).1;
                self.findings.add(&sample.name, problem, || (line, column));
            }
        }
    }
}

/// The number that a label holds, but for NaN.
fn number_of(statements: &Statements<'_>, label: &str) -> Option<f64> {
    let (_, value) = statements.labels.iter().find(|(name, _)| name == label)?;
    value.parse().ok().filter(|number: &f64| !number.is_nan())
}

/// Line and column of a byte.
fn place(document: &[u8], at: usize) -> (usize, usize) {
    let before = document.get(..at).unwrap_or(document);
    let begin = memchr::memrchr(b'\n', before).map_or(0, |feed| feed + 1);
    let column = String::from_utf8_lossy(before.get(begin..).unwrap_or_default());
    let line = memchr_iter(b'\n', before).count() + 1;
    (line, column.chars().count() + 1)
}
