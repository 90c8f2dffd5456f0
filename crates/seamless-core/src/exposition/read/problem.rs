//! What is wrong with a document, where, and what a scraper makes of it.

/// One thing that is wrong with a document, at its first place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {}", crate::bounds::shortened(&problem.to_string()))]
pub struct Finding {
    /// The line, counted from 1.
    pub line: usize,
    /// The column in characters, counted from 1.
    pub column: usize,
    /// What is wrong there.
    pub problem: Problem,
    /// In how many more places of the same family the same is wrong.
    pub further: usize,
}

/// What can be wrong at one place of a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    // What no scraper can read.
    /// A byte that belongs to no UTF-8 character.
    #[error("not UTF-8")]
    NotUtf8,
    /// A line that neither comments nor starts with a metric name.
    #[error("expected a metric name, found {0}")]
    MetricName(Found),
    /// Something else where a label name belongs.
    #[error("expected a label name, found {0}")]
    LabelName(Found),
    /// Something else where one character belongs.
    #[error("expected {expected}, found {found}")]
    Expected {
        /// What belongs there.
        expected: &'static str,
        /// What stands there.
        found: Found,
    },
    /// A quoted text without its closing quote.
    #[error("no closing quote")]
    OpenQuote,
    /// A value that is no number.
    #[error("expected a value, found {0}")]
    Value(Found),
    /// A number beyond what 64 bits hold.
    #[error("{0} is out of range")]
    Range(Found),
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
    /// A unit that is not the end of its family's name.
    #[error("the name {family} does not end in its unit _{}", unit.escape_debug())]
    Unit {
        /// The family.
        family: String,
        /// The unit.
        unit: String,
    },
    /// The same label twice in one series.
    #[error("duplicate label {0:?} in one series")]
    DuplicateLabel(String),
    /// Quotes around several metric names of one series.
    #[error("a second metric name in one series")]
    SecondName,
    /// A series that has labels and no name.
    #[error("a series without a metric name")]
    NoName,
    /// A label whose name is empty.
    #[error("a label with an empty name")]
    EmptyLabelName,

    // What Prometheus 2 alone refuses.
    /// A name in quotes.
    #[error("a name in quotes (UTF-8 names; Prometheus 3 knows them)")]
    Quoted,
    /// Blanks before a metric name.
    #[error("blanks before the metric name")]
    LeadingBlank,
    /// An exemplar on a sample that can have none.
    #[error("{0} has an exemplar; only _total of counters and _bucket can have one")]
    ExemplarHere(String),
    /// A comma behind the last label.
    #[error("a comma behind the last label")]
    TrailingComma,
    /// An `OpenMetrics` document without a byte.
    #[error("the document is empty, without even # EOF")]
    Empty,

    // What is read and yet wrong.
    /// No sample at all.
    #[error("it holds no sample")]
    NoSample,
    /// The last line does not end.
    #[error("the last line has no line feed; the document may have been cut off")]
    CutOff,
    /// A zero byte where a line begins.
    #[error("a zero byte where a line begins")]
    RestIgnored,
    /// A backslash with something that it cannot escape.
    #[error("the escape sequence \\{} does not exist; escape with \\\\, \\n or \\\"", .0.escape_debug())]
    Escape(char),
    /// A line feed inside of quotes.
    #[error("a line feed within quotes, which is written \\n")]
    RawLineFeed,
    /// Labels that no comma separates.
    #[error("no comma between two labels")]
    NoComma,
    /// Something but a blank between a family's name and its type.
    #[error("no blank between {0} and what is said of it")]
    NoBlank(String),
    /// A label several times, one of them empty, or one that the scraper sets itself.
    #[error("duplicate label {0:?} in one series")]
    DroppedLabel(String),
    /// A label name that has a meaning of its own.
    #[error("the label name {0:?} is reserved")]
    ReservedLabel(String),
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
    /// A family whose lines are interleaved with another's.
    #[error("family {0} is interleaved with another")]
    Interleaved(String),
    /// A metric whose samples are interleaved with another's of its family.
    #[error("the samples of one metric of {0} are interleaved with another's")]
    Scattered(String),
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
    /// Names of two families that give samples of the same name.
    #[error("the names {0} and {1} clash")]
    Clash(String, String),
    /// A unit for a type that has none.
    #[error("{family} is {kind}, which has no unit")]
    UnitOfType {
        /// The family.
        family: String,
        /// Its type.
        kind: &'static str,
    },
    /// A bucket or quantile that does not say which.
    #[error("{name} lacks the label {label}, or its value is no number")]
    Bound {
        /// The sample's name.
        name: String,
        /// `le` or `quantile`.
        label: &'static str,
    },
    /// A state without the label that says which.
    #[error("{0} is a stateset, whose samples have a label {0}")]
    State(String),
    /// A quantile beyond 0 to 1.
    #[error("the quantile of {0} is not within 0 to 1")]
    Quantile(String),
    /// A value that a sample of its type cannot have.
    #[error("{name} is {value}; {rule}")]
    Forbidden {
        /// The sample's name.
        name: String,
        /// Its value.
        value: String,
        /// What its type allows.
        rule: &'static str,
    },
    /// Buckets that do not stand in the order of `le`.
    #[error("the buckets of {0} are not in the order of le")]
    BucketOrder(String),
    /// Two buckets with the same bound.
    #[error("two buckets of {0} have the same le")]
    SameBucket(String),
    /// A bucket that counts less than a lower one.
    #[error("a bucket of {0} counts less than a lower one")]
    BucketFalls(String),
    /// A histogram that lacks its last bucket.
    #[error("a histogram of {0} has no bucket +Inf")]
    NoInf(String),
    /// A count that is not that of the last bucket.
    #[error("{0} differs from the bucket +Inf")]
    CountUnlikeInf(String),
    /// One of sum and count without the other.
    #[error("a histogram of {family} has {has} and no {lacks}")]
    Lacks {
        /// The family.
        family: String,
        /// The suffix that is there.
        has: &'static str,
        /// The suffix that is not.
        lacks: &'static str,
    },
    /// A sum beside buckets for negative values.
    #[error("a histogram of {0} has buckets below 0 and a sum, which can then fall")]
    SumBesideNegative(String),
    /// An exemplar whose labels are too long.
    #[error("the exemplar's labels hold {0} characters; 128 are allowed")]
    ExemplarTooLong(usize),
    /// The same series twice.
    #[error("duplicate series; first on line {first}")]
    DuplicateSeries {
        /// The line of the first sample.
        first: usize,
    },
    /// A point of a series that is not later than the one before.
    #[error("duplicate series; the point before, on line {before}, is not older")]
    NotLater {
        /// The line of the point before.
        before: usize,
    },
    /// A series with several points in the text format.
    #[error("duplicate series; the first point is on line {first}")]
    SecondPoint {
        /// The line of the point before.
        first: usize,
    },
}

impl Problem {
    /// What Prometheus makes of it where it takes the document.
    #[must_use]
    pub const fn effect(&self) -> &'static str {
        match self {
            Self::CutOff | Self::NoBlank(_) | Self::NoComma | Self::TrailingComma => {
                "Prometheus takes it; other readers refuse it"
            }
            Self::NoSample | Self::Empty => "Prometheus takes it, with up = 1 and no series",
            Self::RestIgnored => "Prometheus ignores the rest of the document without a word",
            Self::LeadingBlank => "Prometheus 3 takes the blanks into the name",
            Self::Escape(_) => "Prometheus keeps the backslash",
            Self::RawLineFeed => "Prometheus takes it as it stands; line by line readers fail",
            Self::DroppedLabel(_) => "Prometheus drops both, or sets its own in their place",
            Self::SecondComment { .. } => "Prometheus keeps the last one",
            Self::LateComment { .. } => "Prometheus takes it; OpenMetrics readers refuse it",
            Self::ExemplarHere(_) => "Prometheus 3 takes it",
            Self::ExemplarTooLong(_) => "Prometheus drops the exemplar without a word",
            Self::DuplicateSeries { .. } | Self::SameBucket(_) | Self::NotLater { .. } => {
                "Prometheus keeps the first and drops this one"
            }
            Self::SecondPoint { .. } => {
                "Prometheus keeps later points; the text format leaves it open"
            }
            Self::Bound { .. } => "Prometheus takes it; it tells no quantile",
            Self::NoInf(_) => "Prometheus takes it; histogram_quantile() gives nothing",
            Self::BucketFalls(_) => "Prometheus takes it; quantiles of it are wrong",
            Self::Forbidden { .. } => "Prometheus takes it; rates and sums of it are wrong",
            Self::NotUtf8 => "Prometheus takes it in a comment",
            _ => "Prometheus takes it; the specification forbids it",
        }
    }
}

/// What stood at the place, short enough for one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found(String);

impl Found {
    pub(super) fn new(rest: &[u8]) -> Self {
        let rest = rest.get(..160).unwrap_or(rest);
        let end = rest
            .iter()
            .position(|byte| matches!(byte, b' ' | b'\t' | b'\n'))
            .unwrap_or(rest.len());
        let shown = rest.get(..end.max(1)).unwrap_or_default();
        let shown = String::from_utf8_lossy(shown);
        Self(shown.chars().take(40).collect())
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
