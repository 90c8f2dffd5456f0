//! The labels that an alert will have when it reaches Alertmanager, as far as they are known before it
//! fires, and the cases that routing tells apart.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use promql_parser::label::MatchOp as SelectorOp;
use promql_parser::parser::token::{T_LAND, T_LOR, T_LUNLESS};
use promql_parser::parser::{BinaryExpr, Call, Expr, LabelModifier, VectorMatchCardinality};

use super::relabel::Sending;
use super::{Configuration, LabelSet, MatchOp, Matcher, Route};
use crate::rules::{Rule, RuleFile};
use crate::schema::DRILL_LABEL;

/// How many cases are looked at.
pub(super) const MOST_CASES: usize = 4096;
/// How far recording rules are followed.
const DEEPEST: usize = 8;

/// Whether it pages must be looked at, whatever the routes ask.
static CRITICAL: LazyLock<Option<Matcher>> =
    LazyLock::new(|| Matcher::new("severity", MatchOp::Equal, "critical").ok());

/// The labels that series may bring to an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpenLabels {
    /// These at most.
    Only(BTreeSet<String>),
    /// Whatever the series have.
    Any,
}

impl OpenLabels {
    fn none() -> Self {
        Self::Only(BTreeSet::new())
    }

    fn holds(&self, label: &str) -> bool {
        match self {
            Self::Only(labels) => labels.contains(label),
            Self::Any => true,
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Only(mut labels), Self::Only(more)) => {
                labels.extend(more);
                Self::Only(labels)
            }
            _ => Self::Any,
        }
    }

    fn kept(self, keep: impl Fn(&str) -> bool) -> Self {
        match self {
            Self::Only(labels) => {
                Self::Only(labels.into_iter().filter(|label| keep(label)).collect())
            }
            Self::Any => Self::Any,
        }
    }
}

/// An alert before it fires.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertShape {
    /// Its name.
    pub name: String,
    /// The labels that it always has: its name, and what rule and group add.
    pub fixed: LabelSet,
    /// The labels that its series may bring.
    pub open: OpenLabels,
}

impl AlertShape {
    /// The shape of an alert of `file`, whose recording rules it may read.
    #[must_use]
    pub fn of(rule: &Rule, file: &RuleFile) -> Self {
        let is_template = |value: &String| value.contains("{{");
        let mut fixed: LabelSet = rule.labels.clone();
        fixed.retain(|_, value| !is_template(value));
        fixed.insert("alertname".to_owned(), rule.name.clone());
        let templates = rule.labels.iter().filter(|(_, value)| is_template(value));
        let templates = OpenLabels::Only(templates.map(|(name, _)| name.clone()).collect());
        let open = rule.expr.query().map_or(OpenLabels::Any, |query| {
            open_labels(query.tree(), file, DEEPEST)
        });
        Self {
            name: rule.name.clone(),
            fixed,
            open: open.and(templates),
        }
    }

    /// The cases that `config` may route in different ways, of real alerts (no drill's).
    #[must_use]
    pub fn cases(&self, config: &Configuration, sending: &Sending) -> Cases {
        let mut matchers = Vec::new();
        self.collect(&config.route, sending, &mut matchers);
        matchers.extend(sending.matchers());
        if self.decides_severity() {
            matchers.extend(CRITICAL.as_ref());
        }
        self.cases_of(&matchers, sending)
    }

    /// Whether its severity is known only when it fires: a template says it, or its series.
    #[must_use]
    pub fn decides_severity(&self) -> bool {
        matches!(&self.open, OpenLabels::Only(labels) if labels.contains("severity"))
            && !self.fixed.contains_key("severity")
    }

    /// The matchers of the routes that the alert may reach.
    fn collect<'c>(&self, route: &'c Route, sending: &Sending, found: &mut Vec<&'c Matcher>) {
        let misses = |matcher: &Matcher| match self.value(&matcher.name, sending) {
            // What relabelling makes of a label is seen in each case.
            _ if !sending.relabel.is_empty() => false,
            LabelValue::Known(value) => !matcher.is_match(&value),
            LabelValue::Open { .. } | LabelValue::Unknown => false,
        };
        if route.matchers.iter().any(misses) {
            return;
        }
        found.extend(&route.matchers);
        for child in &route.routes {
            self.collect(child, sending, found);
        }
    }

    /// The cases that `matchers` tell apart.
    pub(super) fn cases_of(&self, matchers: &[&Matcher], sending: &Sending) -> Cases {
        let mut labels = self.fixed.clone();
        if let Some(external) = &sending.external {
            for (name, value) in external {
                labels.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        let mut cases = vec![LabelCase {
            labels: Some(labels),
            varying: LabelSet::new(),
            unknown: LabelSet::new(),
        }];
        let mut cut = None;
        let names: BTreeSet<&str> = matchers
            .iter()
            .map(|matcher| matcher.name.as_str())
            .collect();
        for name in names {
            let (is_unknown, default) = match self.value(name, sending) {
                LabelValue::Known(_) => continue,
                LabelValue::Open { default } => (false, default),
                LabelValue::Unknown => (true, String::new()),
            };
            let of_label: Vec<&Matcher> = matchers
                .iter()
                .copied()
                .filter(|matcher| matcher.name == name)
                .collect();
            let mut values = distinguished(&of_label, &default);
            if cases.len() * values.len() > MOST_CASES {
                cut = cut.or_else(|| of_label.first().map(ToString::to_string));
                values.truncate(1);
            }
            cases = cases
                .iter()
                .flat_map(|case| {
                    values
                        .iter()
                        .map(|value| case.with(name, value, is_unknown))
                })
                .collect();
        }
        for case in &mut cases {
            case.labels = case
                .labels
                .take()
                .and_then(|labels| sending.relabelled(labels));
        }
        Cases { cases, cut }
    }

    /// The cases in which every label that the alert's expression names has `value`.
    pub(super) fn strangers(
        &self,
        matchers: &[&Matcher],
        sending: &Sending,
        value: &str,
    ) -> Vec<LabelCase> {
        let OpenLabels::Only(open) = &self.open else {
            return Vec::new();
        };
        let brought = open.iter().filter(|label| *label != DRILL_LABEL);
        let brought = brought.map(|label| (label.clone(), value.to_owned()));
        let mut stranger = Self {
            open: OpenLabels::none(),
            ..self.clone()
        };
        for (label, value) in brought {
            stranger.fixed.entry(label).or_insert(value);
        }
        stranger.cases_of(matchers, sending).cases
    }

    fn value(&self, label: &str, sending: &Sending) -> LabelValue {
        if let Some(fixed) = self.fixed.get(label) {
            return LabelValue::Known(fixed.clone());
        }
        let external = sending.external.as_ref();
        let added = external.and_then(|external| external.get(label));
        if label == DRILL_LABEL {
            return LabelValue::Known(added.cloned().unwrap_or_default());
        }
        match (&self.open, added) {
            // Rarely do series that keep all their labels have one that is also external.
            (OpenLabels::Any, Some(added)) => LabelValue::Known(added.clone()),
            (open, _) if open.holds(label) => LabelValue::Open {
                default: added.cloned().unwrap_or_default(),
            },
            (_, Some(added)) => LabelValue::Known(added.clone()),
            (_, None) if external.is_none() => LabelValue::Unknown,
            (_, None) => LabelValue::Known(String::new()),
        }
    }
}

enum LabelValue {
    Known(String),
    /// The series decide; without the label it has this value.
    Open {
        default: String,
    },
    /// It may be an external label, and nobody said which there are.
    Unknown,
}

/// One value for each answer that the matchers of a label may give, that of the default first.
fn distinguished(matchers: &[&Matcher], default: &str) -> Vec<String> {
    let named = matchers.iter().flat_map(|matcher| matcher.values());
    let mut other = "other".to_owned();
    while matchers
        .iter()
        .any(|matcher| matcher.values().contains(&other))
    {
        other.push('-');
    }
    let mut values: Vec<String> = Vec::new();
    let mut answers = Vec::new();
    for value in [default.to_owned(), other].into_iter().chain(named) {
        let answer: Vec<bool> = matchers
            .iter()
            .map(|matcher| matcher.is_match(&value))
            .collect();
        if !answers.contains(&answer) {
            answers.push(answer);
            values.push(value);
        }
    }
    values
}

/// The cases of an alert.
#[derive(Debug, Clone, PartialEq)]
pub struct Cases {
    /// Each with its labels.
    pub cases: Vec<LabelCase>,
    /// A matcher whose label was looked at in one value only: there were too many cases.
    pub cut: Option<String>,
}

/// One set of labels that an alert may have.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelCase {
    /// Its labels as Alertmanager gets them; None if relabelling drops it.
    pub labels: Option<LabelSet>,
    /// The values that were assumed of labels that series bring.
    pub varying: LabelSet,
    /// The values that were assumed of labels that may be external ones.
    pub unknown: LabelSet,
}

impl LabelCase {
    fn with(&self, name: &str, value: &str, is_unknown: bool) -> Self {
        let mut case = self.clone();
        if let Some(labels) = &mut case.labels {
            if value.is_empty() {
                labels.remove(name);
            } else {
                labels.insert(name.to_owned(), value.to_owned());
            }
        }
        let assumed = if is_unknown {
            &mut case.unknown
        } else {
            &mut case.varying
        };
        assumed.insert(name.to_owned(), value.to_owned());
        case
    }
}

/// The labels that the series which `expr` returns may have.
fn open_labels(expr: &Expr, file: &RuleFile, depth: usize) -> OpenLabels {
    let of = |expr: &Expr| open_labels(expr, file, depth);
    match expr {
        Expr::Paren(paren) => of(&paren.expr),
        Expr::Unary(unary) => of(&unary.expr),
        Expr::Subquery(subquery) => of(&subquery.expr),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) => OpenLabels::none(),
        Expr::Aggregate(aggregate) => {
            let inner = of(&aggregate.expr);
            // These pick series, which keep their labels.
            let picks = ["topk", "bottomk", "limitk", "limit_ratio"];
            let op = aggregate.op.to_string();
            let mut kept = match &aggregate.modifier {
                _ if picks.contains(&op.as_str()) => inner,
                Some(LabelModifier::Include(by)) => {
                    let by = OpenLabels::Only(by.labels.iter().cloned().collect());
                    by.kept(|label| inner.holds(label))
                }
                Some(LabelModifier::Exclude(without)) => {
                    inner.kept(|label| !without.labels.iter().any(|name| name == label))
                }
                None => OpenLabels::none(),
            };
            if let Some(Expr::StringLiteral(label)) = aggregate.param.as_deref() {
                kept = kept.and(OpenLabels::Only([label.val.clone()].into()));
            }
            kept
        }
        Expr::Binary(binary) => of_binary(binary, of),
        Expr::Call(call) => of_call(call, of),
        Expr::VectorSelector(selector) => match selector.name.as_deref() {
            Some(name) if depth > 0 => of_recording(name, file, depth - 1),
            _ => OpenLabels::Any,
        },
        Expr::MatrixSelector(selector) => match selector.vs.name.as_deref() {
            Some(name) if depth > 0 => of_recording(name, file, depth - 1),
            _ => OpenLabels::Any,
        },
        Expr::Extension(_) => OpenLabels::Any,
    }
}

fn of_recording(name: &str, file: &RuleFile, depth: usize) -> OpenLabels {
    let recordings = file.recordings_named(name);
    recordings
        .map(|rule| {
            let own = OpenLabels::Only(rule.labels.keys().cloned().collect());
            let query = rule.expr.query();
            query.map_or(OpenLabels::Any, |query| {
                open_labels(query.tree(), file, depth).and(own)
            })
        })
        .reduce(OpenLabels::and)
        .unwrap_or(OpenLabels::Any)
}

fn of_binary(binary: &BinaryExpr, of: impl Fn(&Expr) -> OpenLabels) -> OpenLabels {
    let (left, right) = (of(&binary.lhs), of(&binary.rhs));
    let is_number = |expr: &Expr| {
        matches!(
            expr.value_type(),
            promql_parser::parser::value::ValueType::Scalar
        )
    };
    match binary.op.id() {
        T_LOR => return left.and(right),
        T_LAND | T_LUNLESS => return left,
        _ if is_number(&binary.rhs) => return left,
        _ if is_number(&binary.lhs) => return right,
        _ => {}
    }
    let Some(modifier) = &binary.modifier else {
        return left;
    };
    let included = |labels: &promql_parser::label::Labels| {
        OpenLabels::Only(labels.labels.iter().cloned().collect())
    };
    match (&modifier.card, &modifier.matching) {
        (VectorMatchCardinality::ManyToOne(more), _) => left.and(included(more)),
        (VectorMatchCardinality::OneToMany(more), _) => right.and(included(more)),
        (_, Some(LabelModifier::Include(on))) => included(on).kept(|label| left.holds(label)),
        (_, Some(LabelModifier::Exclude(without))) => {
            left.kept(|label| !without.labels.iter().any(|name| name == label))
        }
        (_, None) => left,
    }
}

fn of_call(call: &Call, of: impl Fn(&Expr) -> OpenLabels) -> OpenLabels {
    let args = &call.args.args;
    let text = |at: usize| match args.get(at).map(|arg| &**arg) {
        Some(Expr::StringLiteral(text)) => OpenLabels::Only([text.val.clone()].into()),
        _ => OpenLabels::Any,
    };
    match call.func.name {
        "vector" | "time" | "scalar" | "pi" => OpenLabels::none(),
        "absent" | "absent_over_time" => {
            let matchers = match args.first().map(|arg| &**arg) {
                Some(Expr::VectorSelector(selector)) => &selector.matchers.matchers,
                Some(Expr::MatrixSelector(selector)) => &selector.vs.matchers.matchers,
                _ => return OpenLabels::none(),
            };
            let equal = matchers
                .iter()
                .filter(|matcher| matcher.op == SelectorOp::Equal);
            OpenLabels::Only(equal.map(|matcher| matcher.name.clone()).collect())
        }
        "label_replace" | "label_join" => args
            .first()
            .map_or(OpenLabels::Any, |arg| of(arg))
            .and(text(1)),
        "info" => OpenLabels::Any,
        name => {
            // The last vector among the arguments is the one whose series are returned.
            let series = args.iter().map(|arg| of(arg)).reduce(OpenLabels::and);
            let series = series.unwrap_or_else(OpenLabels::none);
            let is_bucketed = name.starts_with("histogram_");
            series.kept(|label| !(is_bucketed && label == "le"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(expr: &str) -> AlertShape {
        let rules = format!(
            "groups:\n- name: g\n  rules:\n  - {{record: 'r:x', expr: 'sum by (phase, drill) (x)'}}\n  - alert: A\n    expr: |\n      {expr}\n    labels: {{severity: critical, node: '{{{{ $labels.node_id }}}}'}}\n"
        );
        let file = RuleFile::parse(&rules).unwrap();
        let alert = file.alerts().next().unwrap();
        AlertShape::of(alert, &file)
    }

    #[test]
    fn an_alert_has_the_labels_that_its_expression_keeps() {
        for (expr, expected) in [
            (
                "sum by (phase, le) (rate(x[5m])) > 1",
                Some("le node phase"),
            ),
            (
                "histogram_quantile(0.9, sum by (phase, le) (x)) > 1",
                Some("node phase"),
            ),
            ("sum(x) > 1", Some("node")),
            ("r:x > 1", Some("drill node phase")),
            ("sum without (a) (x)", None),
            (
                "sum by (a) (x) / on (a) group_left (b) sum by (a) (y)",
                Some("a b node"),
            ),
            ("sum by (a, b) (x) > on (a) sum by (a) (y)", Some("a node")),
            ("sum by (a) (x) or sum by (b) (y)", Some("a b node")),
            ("sum by (a) (x) unless sum by (a, b) (y)", Some("a node")),
            ("absent(x{job='seamless', a=~'b'})", Some("job node")),
            ("vector(1)", Some("node")),
            (
                "label_replace(sum by (a) (x), 'b', '$1', 'a', '(.*)')",
                Some("a b node"),
            ),
            ("topk(3, x)", None),
            ("up == 0", None),
        ] {
            let labels = match shape(expr).open {
                OpenLabels::Any => None,
                OpenLabels::Only(labels) => Some(labels.into_iter().collect::<Vec<_>>().join(" ")),
            };
            assert_eq!(labels.as_deref(), expected, "{expr}");
        }
    }

    const TREE: &str = "
route:
  receiver: default
  routes:
  - {receiver: eu, matchers: ['cluster=\"eu\"']}
  - {receiver: pager, matchers: [severity=\"critical\", 'phase=~\"total|storage_wait\"']}
receivers: [{name: default}, {name: eu}, {name: pager}]
";

    #[test]
    fn cases_are_those_that_routing_tells_apart() {
        let config = Configuration::parse(TREE).unwrap();
        let shape = shape("sum by (phase) (x) > 1");
        let values = |sending: &Sending, name: &str| {
            let cases = shape.cases(&config, sending);
            assert_eq!(cases.cut, None);
            let value = |case: &LabelCase| {
                case.labels
                    .as_ref()
                    .unwrap()
                    .get(name)
                    .cloned()
                    .unwrap_or_default()
            };
            cases.cases.iter().map(value).collect::<Vec<_>>()
        };
        // External labels are known: only the phase is open, and total stands for storage_wait too.
        let known = Sending::of([("cluster", "us")]);
        assert_eq!(values(&known, "phase"), ["", "storage_wait"]);
        assert_eq!(values(&known, "cluster"), ["us", "us"]);
        // They are not: a cluster may be eu.
        assert_eq!(values(&Sending::default(), "cluster"), ["", "", "eu", "eu"]);
    }

    #[test]
    fn too_many_cases_are_cut_and_the_matcher_is_named() {
        let routes: Vec<String> = (0..14)
            .map(|at| format!("  - {{receiver: default, matchers: ['l{at:02}=\"x\"']}}\n"))
            .collect();
        let text = format!(
            "route:\n  receiver: default\n  routes:\n{}receivers: [{{name: default}}]\n",
            routes.concat()
        );
        let config = Configuration::parse(&text).unwrap();
        let cases = shape("up == 0").cases(&config, &Sending::of([]));
        assert_eq!(cases.cases.len(), MOST_CASES);
        assert_eq!(cases.cut.as_deref(), Some("l12=\"x\""));
    }
}
