//! One pass over a document, line by line, handing each thing it states to a visitor.
//!
//! Owns what lines mean together: which family a sample belongs to, what may stand once, what must
//! stand first, where the document ends. It keeps families, and one number per series to find
//! duplicates; samples go to the visitor and are forgotten.

use std::collections::HashMap;

use super::error::{Problem, ReadError};
use super::event::{Event, ExemplarRef, SampleRef};
use super::line::{At, Cursor, Label};
use super::membership::{check_bound, may_have_exemplar, stands_alone, suffix_belongs};
use super::series::SeenSeries;
use crate::exposition::{Format, MetricType};

/// Reads `document`, strictly, and hands what it states to `visit`, in order.
///
/// # Errors
/// [`ReadError`] at the first place that is wrong; what came before it has been visited.
pub fn scan<'a>(
    document: &'a [u8],
    format: Format,
    mut visit: impl FnMut(Event<'a, '_>),
) -> Result<(), ReadError> {
    let text = as_text(document)?;
    let mut scan = Scan::new(format);
    for (index, line) in text.split_inclusive('\n').enumerate() {
        scan.line = index + 1;
        let (line, ended) = match line.strip_suffix('\n') {
            Some(line) => (line, true),
            None => (line, false),
        };
        scan.line(line, &mut visit)
            .and_then(|()| scan.line_end(line, ended))
            .map_err(|(at, problem)| place(line, index + 1, at, problem))?;
    }
    if format == Format::OpenMetrics && !scan.ended {
        return Err(place("", scan.line + 1, 0, Problem::NoEof));
    }
    Ok(())
}

/// The document as text.
///
/// # Errors
/// [`Problem::NotUtf8`] with its place.
pub(super) fn as_text(document: &[u8]) -> Result<&str, ReadError> {
    std::str::from_utf8(document).map_err(|error| {
        let good = document.get(..error.valid_up_to()).unwrap_or_default();
        let good = String::from_utf8_lossy(good);
        let line = good.matches('\n').count() + 1;
        let last = good.rsplit('\n').next().unwrap_or_default();
        place(last, line, last.len(), Problem::NotUtf8)
    })
}

fn place(line: &str, number: usize, at: usize, problem: Problem) -> ReadError {
    ReadError {
        line: number,
        column: line.get(..at).unwrap_or(line).chars().count() + 1,
        problem,
    }
}

/// What is known of a family so far.
#[derive(Debug, Default)]
struct Family {
    kind: Option<MetricType>,
    help_line: Option<usize>,
    type_line: Option<usize>,
    unit_line: Option<usize>,
    sampled: bool,
}

impl Family {
    fn kind(&self) -> MetricType {
        self.kind.unwrap_or(MetricType::Untyped)
    }
}

struct Scan<'a> {
    format: Format,
    line: usize,
    ended: bool,
    families: HashMap<&'a str, Family>,
    /// The family of the lines just read.
    current: Option<&'a str>,
    /// The last sample's name and where it belongs, so that a run of them is resolved once.
    resolved: Option<(&'a str, &'a str, MetricType)>,
    series: SeenSeries,
    labels: Vec<Label<'a>>,
    exemplar: Vec<Label<'a>>,
}

impl<'a> Scan<'a> {
    fn new(format: Format) -> Self {
        Self {
            format,
            line: 0,
            ended: false,
            families: HashMap::new(),
            current: None,
            resolved: None,
            series: SeenSeries::new(format),
            labels: Vec::new(),
            exemplar: Vec::new(),
        }
    }

    fn line(&mut self, line: &'a str, visit: &mut impl FnMut(Event<'a, '_>)) -> At<()> {
        if self.ended {
            return Err((0, Problem::AfterEof));
        }
        let mut cursor = Cursor::new(line, self.format);
        cursor.blanks();
        if cursor.rest().is_empty() {
            return match self.format {
                Format::Text => Ok(()),
                Format::OpenMetrics => Err((0, Problem::NotInOpenMetrics("blank lines"))),
            };
        }
        if cursor.eat(b'#') {
            self.comment(line, cursor, visit)
        } else {
            self.sample(cursor, visit)
        }
    }

    fn line_end(&self, line: &str, ended: bool) -> At<()> {
        if ended || self.ended {
            Ok(())
        } else {
            Err((line.len(), Problem::CutOff))
        }
    }

    fn comment(
        &mut self,
        line: &'a str,
        mut cursor: Cursor<'a>,
        visit: &mut impl FnMut(Event<'a, '_>),
    ) -> At<()> {
        if self.format == Format::OpenMetrics {
            if line == "# EOF" {
                self.ended = true;
                return Ok(());
            }
            cursor.separator()?;
        }
        cursor.blanks();
        let keyword_at = cursor.at();
        match cursor.token() {
            "HELP" => {
                let family = self.family_of_comment(&mut cursor, "HELP", |f| &mut f.help_line)?;
                // The text format lets the prose be missing.
                if !(self.format == Format::Text && cursor.rest().is_empty()) {
                    cursor.separator()?;
                }
                let text = cursor.prose()?;
                visit(Event::Help { family, text });
                Ok(())
            }
            "TYPE" => {
                let family = self.family_of_comment(&mut cursor, "TYPE", |f| &mut f.type_line)?;
                cursor.separator()?;
                let at = cursor.at();
                let word = cursor.token();
                let kind = MetricType::from_word(word, self.format)
                    .ok_or_else(|| (at, Problem::Type(word.to_owned())))?;
                cursor.end()?;
                self.families.entry(family).or_default().kind = Some(kind);
                self.resolved = None;
                visit(Event::Type { family, kind });
                Ok(())
            }
            "UNIT" if self.format == Format::OpenMetrics => {
                let family = self.family_of_comment(&mut cursor, "UNIT", |f| &mut f.unit_line)?;
                cursor.separator()?;
                let at = cursor.at();
                let unit = cursor.token();
                cursor.end()?;
                let named = family
                    .strip_suffix(unit)
                    .is_some_and(|base| base.ends_with('_'));
                if !unit.is_empty() && !named {
                    let (family, unit) = (family.to_owned(), unit.to_owned());
                    return Err((at, Problem::Unit { family, unit }));
                }
                visit(Event::Unit { family, unit });
                Ok(())
            }
            _ if self.format == Format::OpenMetrics => {
                let what = "comments other than HELP, TYPE, UNIT and EOF";
                Err((keyword_at, Problem::NotInOpenMetrics(what)))
            }
            _ => Ok(()),
        }
    }

    fn family_of_comment(
        &mut self,
        cursor: &mut Cursor<'a>,
        what: &'static str,
        slot: impl Fn(&mut Family) -> &mut Option<usize>,
    ) -> At<&'a str> {
        cursor.separator()?;
        let at = cursor.at();
        let name = cursor.metric_name()?;
        let line = self.line;
        let family = self.enter(name).map_err(|problem| (at, problem))?;
        if let Some(first) = *slot(family) {
            let family = name.to_owned();
            let second = Problem::SecondComment {
                what,
                family,
                first,
            };
            return Err((at, second));
        }
        // The text format lets HELP come late; a late TYPE would leave samples untyped.
        if family.sampled && (what != "HELP" || self.format == Format::OpenMetrics) {
            let family = name.to_owned();
            return Err((at, Problem::LateComment { what, family }));
        }
        let family = self.families.entry(name).or_default();
        *slot(family) = Some(line);
        Ok(name)
    }

    /// Makes `name` the family that lines belong to; in `OpenMetrics` a family cannot be left and
    /// entered again.
    fn enter(&mut self, name: &'a str) -> Result<&mut Family, Problem> {
        if self.current != Some(name) {
            if self.format == Format::OpenMetrics && self.families.contains_key(name) {
                return Err(Problem::Interleaved(name.to_owned()));
            }
            self.current = Some(name);
        }
        Ok(self.families.entry(name).or_default())
    }

    fn sample(&mut self, mut cursor: Cursor<'a>, visit: &mut impl FnMut(Event<'a, '_>)) -> At<()> {
        let start = cursor.at();
        let name = cursor.metric_name()?;
        let (family, kind) = self.resolve(name).map_err(|problem| (start, problem))?;
        cursor.blanks();
        let mut labels = std::mem::take(&mut self.labels);
        cursor.labels(&mut labels)?;
        check_bound(family, kind, name, &labels).map_err(|problem| (start, problem))?;
        if self.format == Format::OpenMetrics || !cursor.rest().is_empty() {
            // After `}` or a name, the text format needs no blank; a name runs up to one anyway.
            match self.format {
                Format::Text => cursor.blanks(),
                Format::OpenMetrics => cursor.separator()?,
            }
        }
        let value = cursor.value()?;
        let mut timestamp = None;
        let mut exemplar_at = None;
        match self.format {
            Format::Text => {
                cursor.blanks();
                if !cursor.rest().is_empty() {
                    timestamp = Some(cursor.timestamp()?);
                }
            }
            Format::OpenMetrics => {
                if !cursor.rest().is_empty() && !cursor.rest().starts_with(" #") {
                    cursor.separator()?;
                    timestamp = Some(cursor.timestamp()?);
                }
                if cursor.rest().starts_with(" #") {
                    exemplar_at = Some(cursor.at() + 1);
                }
            }
        }
        let mut exemplar_labels = std::mem::take(&mut self.exemplar);
        let exemplar = match exemplar_at {
            None => None,
            Some(at) => {
                if !may_have_exemplar(kind, name) {
                    return Err((at, Problem::ExemplarHere));
                }
                Some(exemplar(&mut cursor, &mut exemplar_labels)?)
            }
        };
        cursor.end()?;
        self.series
            .add(name, &labels, timestamp, self.line)
            .map_err(|first| (start, Problem::DuplicateSeries { first }))?;
        visit(Event::Sample(SampleRef {
            line: self.line,
            family,
            kind,
            name,
            labels: &labels,
            value,
            timestamp,
            exemplar: exemplar.map(|(value, timestamp)| ExemplarRef {
                labels: &exemplar_labels,
                value,
                timestamp,
            }),
        }));
        self.labels = labels;
        self.exemplar = exemplar_labels;
        Ok(())
    }

    /// The family that a sample named `name` belongs to.
    fn resolve(&mut self, name: &'a str) -> Result<(&'a str, MetricType), Problem> {
        if let Some((last, family, kind)) = self.resolved
            && last == name
        {
            return Ok((family, kind));
        }
        let owner = self.family_with_suffix(name).unwrap_or((
            name,
            self.families
                .get(name)
                .map_or(MetricType::Untyped, Family::kind),
        ));
        let (family, kind) = owner;
        if family == name && !stands_alone(kind, self.format) {
            return Err(Problem::SampleName {
                family: family.to_owned(),
                kind: kind.word(self.format).unwrap_or_default(),
                name: name.to_owned(),
            });
        }
        self.enter(family)?.sampled = true;
        self.resolved = Some((name, family, kind));
        Ok(owner)
    }

    fn family_with_suffix(&self, name: &'a str) -> Option<(&'a str, MetricType)> {
        const SUFFIXES: [&str; 8] = [
            "_bucket", "_sum", "_count", "_total", "_created", "_info", "_gsum", "_gcount",
        ];
        SUFFIXES.into_iter().find_map(|suffix| {
            let family = name.strip_suffix(suffix)?;
            let kind = self.families.get(family)?.kind?;
            suffix_belongs(kind, suffix, self.format).then_some((family, kind))
        })
    }
}

/// Reads ` # {labels} value [timestamp]`.
fn exemplar<'a>(cursor: &mut Cursor<'a>, labels: &mut Vec<Label<'a>>) -> At<(f64, Option<i64>)> {
    cursor.separator()?;
    cursor.expect(b'#', "'#'")?;
    cursor.separator()?;
    let at = cursor.at();
    if !cursor.rest().starts_with('{') {
        cursor.expect(b'{', "'{'")?;
    }
    cursor.labels(labels)?;
    let length = labels
        .iter()
        .map(|(name, value)| name.chars().count() + value.chars().count())
        .sum();
    if length > 128 {
        return Err((at, Problem::ExemplarTooLong(length)));
    }
    cursor.separator()?;
    let value = cursor.value()?;
    if cursor.rest().is_empty() {
        return Ok((value, None));
    }
    cursor.separator()?;
    Ok((value, Some(cursor.timestamp()?)))
}
