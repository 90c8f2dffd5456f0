//! The matrix: expression by exposed form, data or none.
//!
//! Owns how it is shown, which must not depend on how fast data arrived: it is compared with what is
//! committed.

use std::fmt;

/// Expressions that the injected data cannot make return anything, each with its reason.
const EXCLUSIONS: &[(&str, &str)] = &[
    (
        "SeamlessMetricsAbsent",
        "not asked: needs a family that vanished, as in its rule tests",
    ),
    (
        "SeamlessTargetDown",
        "not asked: needs a target that is down, as in its rule tests",
    ),
    (
        "SeamlessNotificationsFailing",
        "not asked: needs an Alertmanager whose receivers fail, as in its rule tests",
    ),
    (
        "SeamlessHealthCheckFailing",
        "not asked: needs the health check's textfile, as in its rule tests",
    ),
    (
        "SeamlessHealthCheckAbsent",
        "not asked: needs the health check's textfile, as in its rule tests",
    ),
    (
        "Seconds since the last list",
        "not asked: needs the coordinator's list, as in the rule tests",
    ),
    (
        "p50, p95, p99 D",
        "not asked: a mark only where a quantile stands at the highest bucket",
    ),
    (
        "Series not judged",
        "not asked: every series has the schema's buckets here",
    ),
];

/// Where an expression stands: dashboard, panel and query; or `alert`, its name and what tells its parts
/// apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place([String; 3]);

/// One expression, and whether it has returned data.
#[derive(Debug, Clone)]
pub struct CoverageRow {
    /// Where it stands.
    pub place: Place,
    /// The expression, its variables filled in.
    pub expr: String,
    /// Whether it found data where histograms are in buckets.
    pub with_buckets: bool,
    /// Whether it found data where histograms are native.
    pub with_native: bool,
}

/// All of them.
#[derive(Debug, Clone)]
pub struct Matrix(Vec<CoverageRow>);

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [group, name, part] = &self.0;
        write!(f, "{group} / {name} {part}")
    }
}

impl CoverageRow {
    /// An expression that has not been asked yet.
    #[must_use]
    pub fn new(place: [&str; 3], expr: String) -> Self {
        Self {
            place: Place(place.map(str::to_owned)),
            expr,
            with_buckets: false,
            with_native: false,
        }
    }

    fn exclusion(&self) -> Option<&'static str> {
        let [_, name, part] = &self.place.0;
        let query = format!("{name} {part}");
        EXCLUSIONS
            .iter()
            .find(|(excluded, _)| excluded == name || query.ends_with(excluded))
            .map(|(_, reason)| *reason)
    }
}

impl Matrix {
    /// Of these expressions.
    #[must_use]
    pub const fn of(rows: Vec<CoverageRow>) -> Self {
        Self(rows)
    }

    /// Those that are asked.
    pub fn rows_mut(&mut self) -> impl Iterator<Item = &mut CoverageRow> {
        self.0.iter_mut().filter(|row| row.exclusion().is_none())
    }

    /// Where data is missing, and in which form.
    #[must_use]
    pub fn empty(&self) -> Vec<String> {
        let asked = self.0.iter().filter(|row| row.exclusion().is_none());
        asked
            .flat_map(|row| {
                let missing =
                    |has_data: bool, form| (!has_data).then(|| format!("{} ({form})", row.place));
                [
                    missing(row.with_buckets, "buckets"),
                    missing(row.with_native, "native histograms"),
                ]
            })
            .flatten()
            .collect()
    }
}

impl fmt::Display for Matrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "<!-- Written by `cargo xtask coverage`; do not edit. -->\n\n\
             # Coverage\n\n\
             Which queries of the dashboards and which alerts found data on a real Prometheus that held every injected\n\
             scenario: with histograms in buckets, and with native histograms alone.\n"
        )?;
        writeln!(f, "| where | what | query or part | buckets | native |")?;
        writeln!(f, "|---|---|---|---|---|")?;
        for row in &self.0 {
            let [group, name, part] = &row.place.0;
            let shown = |has_data| match (has_data, row.exclusion()) {
                (true, _) => "data",
                (false, Some(reason)) => reason,
                (false, None) => "EMPTY",
            };
            writeln!(
                f,
                "| {group} | {name} | {part} | {} | {} |",
                shown(row.with_buckets),
                shown(row.with_native)
            )?;
        }
        writeln!(
            f,
            "\n{} expressions in two forms, {} without data.",
            self.0.len(),
            self.empty().len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_without_data_in_one_form_is_named() {
        let row = |name, with_native| CoverageRow {
            with_buckets: true,
            with_native,
            ..CoverageRow::new(["Overview", name, "A"], String::new())
        };
        let absent = CoverageRow::new(["alert", "SeamlessMetricsAbsent", ""], String::new());
        let matrix = Matrix::of(vec![row("Coverage", true), row("Burn rate", false), absent]);
        assert_eq!(
            matrix.empty(),
            ["Overview / Burn rate A (native histograms)"]
        );
        let text = matrix.to_string();
        assert!(text.contains("| Burn rate | A | data | EMPTY |"), "{text}");
        assert!(
            text.ends_with("3 expressions in two forms, 1 without data.\n"),
            "{text}"
        );
    }
}
