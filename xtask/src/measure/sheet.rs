//! The table of a measurement: figures, each with the bound it is held to.

use std::fmt::Display;
use std::process::ExitCode;

use seamless_cli::ExitStatus;
use serde::Serialize;

/// What became of a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum BoundVerdict {
    Held,
    Missed,
    NotMeasured,
    /// Nothing is asked of it.
    NoBound,
}

/// One line of the table.
#[derive(Debug, Serialize)]
struct SheetLine {
    job: String,
    figure: String,
    seen: String,
    /// The figure itself, in seconds or MiB or by count.
    value: Option<f64>,
    bound: String,
    verdict: BoundVerdict,
}

/// Every figure so far.
#[derive(Debug, Default)]
pub(crate) struct Sheet(Vec<SheetLine>);

impl Sheet {
    /// A figure that is shown and held to nothing.
    pub(crate) fn note(&mut self, job: &str, figure: &str, seen: impl Display) {
        self.add(
            job,
            figure,
            &seen,
            None,
            String::new(),
            BoundVerdict::NoBound,
        );
    }

    /// A figure in `s`, `MiB`, `×` or nothing that may be this much at the most.
    pub(crate) fn at_most(&mut self, job: &str, figure: &str, seen: f64, most: f64, unit: &str) {
        let verdict = BoundVerdict::of(seen <= most);
        let bound = format!("≤ {}", shown(most, unit));
        let text = shown(seen, unit);
        self.add(job, figure, &text, Some(seen), bound, verdict);
    }

    /// A figure with a bound that could not be had, and why.
    pub(crate) fn not_measured(&mut self, job: &str, figure: &str, why: &str) {
        let verdict = BoundVerdict::NotMeasured;
        self.add(job, figure, &why, None, String::new(), verdict);
    }

    fn add(
        &mut self,
        job: &str,
        figure: &str,
        seen: &dyn Display,
        value: Option<f64>,
        bound: String,
        verdict: BoundVerdict,
    ) {
        let word = verdict.word();
        crate::say(format!("  {figure}: {seen} {bound} {word}").trim_end());
        self.0.push(SheetLine {
            job: job.to_owned(),
            figure: figure.to_owned(),
            seen: seen.to_string(),
            value,
            bound,
            verdict,
        });
    }

    /// 1 if a bound does not hold, 3 if none was missed and one could not be measured.
    pub(crate) fn exit_code(&self) -> ExitCode {
        let any = |verdict| self.0.iter().any(|line| line.verdict == verdict);
        if any(BoundVerdict::Missed) {
            ExitStatus::Negative.into()
        } else if any(BoundVerdict::NotMeasured) {
            ExitStatus::Undetermined.into()
        } else {
            ExitCode::SUCCESS
        }
    }

    pub(crate) fn text(&self) -> String {
        let rows = self.0.iter().map(|line| {
            [
                line.job.clone(),
                line.figure.clone(),
                line.seen.clone(),
                line.bound.clone(),
                line.verdict.word().to_owned(),
            ]
        });
        let header = ["job", "figure", "seen", "bound", "verdict"];
        seamless_cli::table(&header, rows, None) + "\n"
    }

    pub(crate) fn json(&self) -> serde_json::Result<String> {
        let document = serde_json::json!({"schema_version": 2, "figures": self.0});
        Ok(serde_json::to_string_pretty(&document)? + "\n")
    }
}

impl BoundVerdict {
    const fn of(holds: bool) -> Self {
        if holds { Self::Held } else { Self::Missed }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Missed => "MISSED",
            Self::NotMeasured => "not measured",
            Self::NoBound => "",
        }
    }
}

/// A number in its unit; seconds in the one that suits them.
pub(crate) fn shown(value: f64, unit: &str) -> String {
    match unit {
        "s" if value < 1.0 => format!("{:.2} ms", value * 1e3),
        "s" => format!("{value:.2} s"),
        "" => format!("{value:.2}"),
        "×" => format!("{value:.3} ×"),
        unit => format!("{value:.1} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_missed_bound_is_enough() {
        let mut sheet = Sheet::default();
        sheet.note("a", "b", "c");
        sheet.at_most("a", "memory", 9.0, 9.0, "MiB");
        assert_eq!(sheet.exit_code(), ExitCode::SUCCESS);
        sheet.not_measured("a", "time", "no python3");
        assert_eq!(sheet.exit_code(), ExitStatus::Undetermined.into());
        sheet.at_most("a", "time", 0.25, 0.2, "s");
        assert_eq!(sheet.exit_code(), ExitStatus::Negative.into());
        assert!(
            sheet.text().contains("≤ 200.00 ms  MISSED"),
            "{}",
            sheet.text()
        );
    }
}
