//! What is wrong with a document, and where.

/// Why a document is no exposition, with the place where reading stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {}", bounded(problem))]
pub struct ReadError {
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// A problem in a text of bounded length: names out of the document can be of any.
fn bounded(problem: &Problem) -> String {
    const LONGEST: usize = 300;
    let text = problem.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// What can be wrong at one place of a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// A byte that belongs to no UTF-8 character.
    #[error("not UTF-8")]
    NotUtf8,
    /// A line that neither comments nor starts with a metric name.
    #[error("expected a metric name, found {0}")]
    MetricName(Found),
    /// Something else where a label name belongs.
    #[error("expected a label name, found {0}")]
    LabelName(Found),
    /// A label name that has a meaning of its own.
    #[error("the label name {0:?} is reserved")]
    ReservedLabel(String),
    /// The same label twice in one series.
    #[error("the label {0:?} stands twice in one series")]
    DuplicateLabel(String),
    /// Something else where one character belongs.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What belongs there.
        expected: &'static str,
        /// What stands there.
        found: Found,
    },
    /// A label value without its closing quote.
    #[error("a label value has no closing quote")]
    OpenQuote,
    /// A backslash with something that it cannot escape.
    #[error("the escape sequence \\{} does not exist; escape with \\\\, \\n or \\\"", .0.escape_debug())]
    Escape(char),
    /// A value that is no number.
    #[error("expected a value, found {0}")]
    Value(Found),
    /// A timestamp that is none.
    #[error("expected a timestamp in {unit}, found {found}")]
    Timestamp {
        /// The unit of this format's timestamps.
        unit: &'static str,
        /// What stands there.
        found: Found,
    },
    /// Text after a complete line.
    #[error("expected the end of the line, found {0}")]
    Trailing(Found),
    /// The last line does not end.
    #[error("the last line has no line feed; the document may have been cut off")]
    CutOff,
    /// `OpenMetrics` without its last line.
    #[error("the document does not end in # EOF; it may have been cut off")]
    NoEof,
    /// Something after the last line of an `OpenMetrics` document.
    #[error("text after # EOF")]
    AfterEof,
    /// A blank line, or a comment that is none of the four, in `OpenMetrics`.
    #[error("OpenMetrics has no {0}")]
    NotInOpenMetrics(&'static str),
    /// A word after `# TYPE` that names no type of this format.
    #[error("{0:?} is no type of this format")]
    Type(String),
    /// The same comment twice for one family.
    #[error("a second {what} line for {family}; the first is on line {first}")]
    SecondComment {
        /// HELP, TYPE or UNIT.
        what: &'static str,
        /// The family.
        family: String,
        /// Where the first one stands.
        first: usize,
    },
    /// A comment that comes after the family's samples.
    #[error("a {what} line for {family} after its first sample")]
    LateComment {
        /// HELP, TYPE or UNIT.
        what: &'static str,
        /// The family.
        family: String,
    },
    /// A unit that is not the end of its family's name.
    #[error("the name {family} does not end in its unit _{}", unit.escape_debug())]
    Unit {
        /// The family.
        family: String,
        /// The unit.
        unit: String,
    },
    /// A family whose lines do not stand together.
    #[error("the lines of {0} do not stand together")]
    Interleaved(String),
    /// A sample whose name its family's type does not allow.
    #[error("{family} is a {kind}, which has no sample named {name}")]
    SampleName {
        /// The family.
        family: String,
        /// The family's type.
        kind: &'static str,
        /// The sample's name.
        name: String,
    },
    /// A bucket or quantile that does not say which.
    #[error("{name} lacks the label {label}, or its value is no number")]
    Bound {
        /// The sample's name.
        name: String,
        /// `le` or `quantile`.
        label: &'static str,
    },
    /// An exemplar on a sample that can have none.
    #[error("only buckets and counters can have an exemplar")]
    ExemplarHere,
    /// An exemplar whose labels are too long.
    #[error("the exemplar's labels hold {0} characters; 128 are allowed")]
    ExemplarTooLong(usize),
    /// The same series twice.
    #[error("this series stands already on line {first}")]
    DuplicateSeries {
        /// The line of the first sample.
        first: usize,
    },
}

/// What stood at the place, short enough for one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found(String);

impl Found {
    pub(super) fn new(rest: &str) -> Self {
        let shown: String = rest
            .chars()
            .take_while(|c| !matches!(c, ' ' | '\t' | '\n'))
            .take(40)
            .collect();
        Self(if shown.is_empty() {
            rest.chars().take(1).collect()
        } else {
            shown
        })
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.as_str() {
            "" | "\n" => f.write_str("the end of the line"),
            " " | "\t" => f.write_str("a blank"),
            other => write!(f, "{other:?}"),
        }
    }
}
