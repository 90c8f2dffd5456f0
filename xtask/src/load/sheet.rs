//! The table of a load run: figures, each with the bound it is held to.

use std::fmt::Display;

/// One line of the table.
struct Figure {
    load: &'static str,
    what: String,
    seen: String,
    bound: String,
    /// `None` where nothing is asked of it.
    holds: Option<bool>,
}

/// Every figure so far.
#[derive(Default)]
pub(super) struct Sheet(Vec<Figure>);

impl Sheet {
    /// A figure that is shown and held to nothing.
    pub(super) fn note(&mut self, load: &'static str, what: &str, seen: impl Display) {
        self.add(load, what, &seen, String::new(), None);
    }

    /// A figure that must be this one.
    pub(super) fn exactly<T: PartialEq + Display>(
        &mut self,
        load: &'static str,
        what: &str,
        seen: T,
        expected: T,
    ) {
        let holds = seen == expected;
        self.add(load, what, &seen, expected.to_string(), Some(holds));
    }

    /// A figure that may be this much at the most.
    pub(super) fn at_most(
        &mut self,
        load: &'static str,
        what: &str,
        seen: f64,
        most: f64,
        unit: &str,
    ) {
        let shown = format!("{seen:.1} {unit}");
        let bound = format!("≤ {most:.0} {unit}");
        self.add(load, what, &shown, bound, Some(seen <= most));
    }

    /// A figure that must be this much at the least.
    pub(super) fn at_least(&mut self, load: &'static str, what: &str, seen: u64, least: u64) {
        let bound = format!("≥ {least}");
        self.add(load, what, &seen, bound, Some(seen >= least));
    }

    fn add(
        &mut self,
        load: &'static str,
        what: &str,
        seen: &dyn Display,
        bound: String,
        holds: Option<bool>,
    ) {
        let figure = Figure {
            load,
            what: what.to_owned(),
            seen: seen.to_string(),
            bound,
            holds,
        };
        crate::say(&format!("  {}: {}", figure.what, figure.seen));
        self.0.push(figure);
    }

    /// Whether every bound holds.
    pub(super) fn holds(&self) -> bool {
        self.0.iter().all(|figure| figure.holds != Some(false))
    }

    pub(super) fn text(&self) -> String {
        let rows = self.0.iter().map(|figure| {
            let verdict = match figure.holds {
                Some(true) => "held",
                Some(false) => "MISSED",
                None => "",
            };
            [
                figure.load.to_owned(),
                figure.what.clone(),
                figure.seen.clone(),
                figure.bound.clone(),
                verdict.to_owned(),
            ]
        });
        let header = ["load", "figure", "seen", "bound", "verdict"];
        seamless_cli::table(&header, rows, None) + "\n"
    }
}

/// KiB as MiB.
pub(super) fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::Sheet;

    #[test]
    fn one_missed_bound_is_enough() {
        let mut sheet = Sheet::default();
        sheet.note("a", "b", "c");
        sheet.exactly("a", "count", 3, 3);
        sheet.at_most("a", "memory", 9.0, 9.0, "MiB");
        sheet.at_least("a", "bodies", 1, 1);
        assert!(sheet.holds());
        sheet.exactly("a", "count", 3, 4);
        assert!(!sheet.holds());
        assert!(sheet.text().contains("MISSED"));
    }
}
