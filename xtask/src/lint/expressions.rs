//! Checks of one PromQL expression against the schema.

use std::collections::BTreeSet;
use std::time::Duration;

use promql_parser::label::{METRIC_NAME, MatchOp, Matcher};
use promql_parser::parser::{AggregateExpr, Call, Expr, LabelModifier, token};
use seamless_core::promql::{Query, SeriesSelector};
use seamless_core::rules::RuleFile;
use seamless_core::schema::{self, DRILL_LABEL, Family, Kind, MONITORING_SERIES, Phase};

use super::LintedPlace;
use crate::dashboard::RATE_INTERVAL;

/// How often Prometheus scrapes, as the provisioning examples set it.
pub(super) const SCRAPE_INTERVAL: Duration = Duration::from_secs(15);

/// Series that Prometheus itself writes about alerts.
const ALERT_SERIES: &[&str] = &["ALERTS", "ALERTS_FOR_STATE"];

/// Labels that scraping adds to every series.
const TARGET_LABELS: &[&str] = &["job", "instance"];

/// What an expression belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// An alert or recording rule.
    Rule,
    /// A panel's query, its variables filled in.
    Panel,
}

/// Finds everything wrong with `expr`.
pub(super) fn check(at: &mut LintedPlace<'_>, expr: &str, role: Role, rules: &RuleFile) {
    let query = match Query::parse(expr) {
        Ok(query) => query,
        Err(error) => return at.wrong("syntax", error.to_string()),
    };
    for selector in query.selectors() {
        names_and_labels(&selector, rules, at);
        ranges(&selector, at);
    }
    forms(&query, at);
    walk(
        query.tree(),
        &mut Vec::new(),
        &mut |expr, above| match expr {
            Expr::VectorSelector(_) | Expr::MatrixSelector(_) => {
                raw_counter(expr, above, at);
            }
            Expr::Call(call) if role == Role::Panel => rate_interval(call, at),
            Expr::Aggregate(aggregate) => aggregation(aggregate, expr, role, at),
            _ => {}
        },
    );
}

fn names_and_labels(selector: &SeriesSelector, rules: &RuleFile, at: &mut LintedPlace<'_>) {
    // A pattern makes Prometheus try it on every name there is.
    if selector
        .matchers
        .iter()
        .any(|matcher| matcher.name == METRIC_NAME && matcher.op != MatchOp::Equal)
    {
        at.wrong(
            "name-pattern",
            "a name is chosen by a pattern: write `a or b`",
        );
    }
    let families = selector.families();
    let name = selector.name().unwrap_or_default();
    if families.is_empty() {
        let known = ALERT_SERIES.contains(&name)
            || MONITORING_SERIES.contains(&name)
            || rules.recordings_named(name).next().is_some();
        if !known {
            let shown = if name.is_empty() {
                "a selector without a known name"
            } else {
                name
            };
            at.wrong("unknown-metric", format!("nothing exposes {shown}"));
        }
        return;
    }
    for matcher in selector.matchers.iter().filter(|m| m.name != METRIC_NAME) {
        for family in &families {
            label(matcher, family, name, at);
        }
    }
}

fn label(matcher: &Matcher, family: &Family, name: &str, at: &mut LintedPlace<'_>) {
    let label = matcher.name.as_str();
    let is_bucket = label == "le" && name.ends_with("_bucket");
    if !is_bucket && label != DRILL_LABEL && !family.labels.contains(&label) {
        let message = format!("{} has no label `{label}`", family.name);
        at.wrong("unknown-label", message);
    }
    match (label, family.kind) {
        ("le", Kind::Histogram(buckets)) => bucket(matcher, family, buckets, at),
        ("phase", _)
            if matcher.op == MatchOp::Equal && Phase::from_label(&matcher.value).is_none() =>
        {
            let message = format!("there is no phase `{}`", matcher.value);
            at.wrong("unknown-value", message);
        }
        ("flag_type", _)
            if matcher.op == MatchOp::Equal
                && !schema::FLAG_TYPES.contains(&matcher.value.as_str()) =>
        {
            let message = format!("there is no flag type `{}`", matcher.value);
            at.wrong("unknown-value", message);
        }
        _ => {}
    }
}

/// A bucket must exist, and be found however the client writes its edge.
fn bucket(matcher: &Matcher, family: &Family, buckets: &[f64], at: &mut LintedPlace<'_>) {
    let edges: Vec<f64> = buckets
        .iter()
        .copied()
        .filter(|edge| {
            matcher.is_match(&format!("{edge}")) || matcher.is_match(&format!("{edge:?}"))
        })
        .collect();
    if edges.is_empty() && !matcher.is_match("+Inf") {
        let message = format!(
            "{} has no bucket le{}\"{}\"",
            family.name, matcher.op, matcher.value
        );
        at.wrong("unknown-bucket", message);
    }
    for edge in edges {
        let forms = [format!("{edge}"), format!("{edge:?}")];
        if let Some(missed) = forms.iter().find(|form| !matcher.is_match(form)) {
            let message =
                format!("le=\"{missed}\" is missed: clients write the same edge in both ways");
            at.wrong("bucket-form", message);
        }
    }
}

fn ranges(selector: &SeriesSelector, at: &mut LintedPlace<'_>) {
    if let Some(range) = selector.range
        && range < SCRAPE_INTERVAL * 2
    {
        let message =
            format!("a range of {range:?} holds fewer than two scrapes of {SCRAPE_INTERVAL:?}");
        at.wrong("short-range", message);
    }
}

/// In a panel, a rate's range follows the zoom.
fn rate_interval(call: &Call, at: &mut LintedPlace<'_>) {
    let rate = matches!(call.func.name, "rate" | "irate");
    for arg in call.args.args.iter().filter(|_| rate) {
        if let Expr::MatrixSelector(selector) = &**arg
            && selector.range != RATE_INTERVAL
        {
            let message = format!(
                "{}() over another range than $__rate_interval",
                call.func.name
            );
            at.wrong("rate-interval", message);
        }
    }
}

/// Whoever asks for one exposed form of a counter or histogram must ask for the other too.
fn forms(query: &Query, at: &mut LintedPlace<'_>) {
    let selectors = query.selectors();
    let selected = |name: &str| selectors.iter().any(|selector| selector.selects_name(name));
    let families: Vec<&Family> = selectors
        .iter()
        .flat_map(SeriesSelector::families)
        .collect();
    for family in families {
        let forms = family.exposed_names();
        let missing = match family.kind {
            Kind::Gauge => continue,
            Kind::Counter => forms.iter().find(|name| !selected(name)),
            // `_sum` and `_count` come with the buckets; the native form stands alone.
            Kind::Histogram(_) => {
                let classic = forms
                    .iter()
                    .any(|name| name != family.name && selected(name));
                let native = selected(family.name);
                match (classic, native) {
                    (true, false) => forms.last(),
                    (false, true) => forms.first(),
                    _ => None,
                }
            }
        };
        if let Some(missing) = missing {
            let message = format!(
                "{} may also be exposed as {missing}, which is not asked for",
                family.name
            );
            at.wrong("one-form", message);
        }
    }
}

/// What a counter was born with, which no increase sees: `a unless a offset 15m`.
fn born(expr: &Expr) -> bool {
    let Expr::Binary(binary) = expr else {
        return false;
    };
    match (&*binary.lhs, &*binary.rhs) {
        (Expr::VectorSelector(now), Expr::VectorSelector(before)) => {
            binary.op.id() == token::T_LUNLESS && now.name == before.name && before.offset.is_some()
        }
        _ => false,
    }
}

fn raw_counter(selector: &Expr, above: &[&Expr], at: &mut LintedPlace<'_>) {
    let selectors = SeriesSelector::all_in(selector);
    let families: Vec<&Family> = selectors
        .iter()
        .flat_map(SeriesSelector::families)
        .collect();
    // A native histogram is no counter that a person reads, its buckets and count are.
    let counter = families.iter().find(|family| family.kind == Kind::Counter);
    let Some(family) = counter else { return };
    let rated = above.iter().any(|expr| {
        matches!(expr, Expr::Call(call) if matches!(call.func.name, "rate" | "irate" | "increase"))
    });
    if !rated && !above.last().is_some_and(|expr| born(expr)) {
        let message = format!(
            "{} only grows: rate, irate or increase makes a number of it",
            family.name
        );
        at.wrong("raw-counter", message);
    }
}

fn aggregation(aggregate: &AggregateExpr, whole: &Expr, role: Role, at: &mut LintedPlace<'_>) {
    let by: BTreeSet<&str> = match &aggregate.modifier {
        Some(LabelModifier::Include(labels)) => labels.labels.iter().map(String::as_str).collect(),
        Some(LabelModifier::Exclude(labels)) => {
            if labels.labels.iter().any(|label| label == DRILL_LABEL) {
                at.wrong("drill-lost", "an aggregation drops the label `drill`");
            }
            return;
        }
        None => BTreeSet::new(),
    };
    if role == Role::Rule && !by.contains(DRILL_LABEL) {
        at.wrong("drill-lost", "an aggregation drops the label `drill`");
    }
    let selectors = SeriesSelector::all_in(whole);
    let families: Vec<&Family> = selectors
        .iter()
        .flat_map(SeriesSelector::families)
        .collect();
    if families.is_empty() {
        return;
    }
    for label in by {
        let known = label == DRILL_LABEL
            || label == "le"
            || TARGET_LABELS.contains(&label)
            || families.iter().any(|family| family.labels.contains(&label));
        if !known {
            let message =
                format!("an aggregation keeps `{label}`, which no family below it carries");
            at.wrong("unknown-label", message);
        }
    }
}

/// Calls `visit` with every expression and what stands above it.
fn walk<'e>(
    expr: &'e Expr,
    above: &mut Vec<&'e Expr>,
    visit: &mut impl FnMut(&'e Expr, &[&'e Expr]),
) {
    visit(expr, above);
    above.push(expr);
    match expr {
        Expr::Aggregate(e) => walk(&e.expr, above, visit),
        Expr::Unary(e) => walk(&e.expr, above, visit),
        Expr::Binary(e) => {
            walk(&e.lhs, above, visit);
            walk(&e.rhs, above, visit);
        }
        Expr::Paren(e) => walk(&e.expr, above, visit),
        Expr::Subquery(e) => walk(&e.expr, above, visit),
        Expr::Call(e) => e.args.args.iter().for_each(|arg| walk(arg, above, visit)),
        _ => {}
    }
    above.pop();
}
