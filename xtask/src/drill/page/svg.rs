//! Plots as SVG.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::super::samples::{Curve, Plot, Samples};
use super::super::timeline::clock;
use super::{Mark, escaped};

const COLOURS: [&str; 8] = [
    "#3b7dd8", "#d8603b", "#2e9e6b", "#a45cc8", "#c89a1e", "#2aa5b5", "#c84a7e", "#7a8794",
];
/// Points that are further apart than this many seconds are not joined.
const GAP: f64 = 30.0;

/// Maps a time to a column.
struct Columns {
    from: f64,
    to: f64,
    left: f64,
    width: f64,
}

impl Columns {
    fn of(&self, at: f64) -> f64 {
        let share = (at - self.from) / (self.to - self.from).max(1.0);
        self.left + self.width * share.clamp(0.0, 1.0)
    }

    /// A line for each mark and a label for some moments.
    fn axis(&self, svg: &mut String, marks: &[Mark], bottom: f64) {
        for (at, what) in marks {
            let x = self.of(*at);
            let _ = write!(
                svg,
                "<line class=\"mark\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"0\" y2=\"{bottom}\"><title>{}</title></line>",
                escaped(what)
            );
        }
        for part in 0..=4 {
            let after = (self.to - self.from) * f64::from(part) / 4.0;
            let x = self.of(self.from + after);
            let anchor = match part {
                0 => "start",
                4 => "end",
                _ => "middle",
            };
            let _ = write!(
                svg,
                "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{}</text>",
                bottom + 14.0,
                clock(Duration::from_secs_f64(after))
            );
        }
    }
}

/// One row per alert, with bars where it was pending or firing.
pub(super) fn alerts(samples: &Samples, marks: &[Mark]) -> String {
    const ROW: f64 = 20.0;
    let mut rows: BTreeMap<&str, Vec<(&str, &Curve)>> = BTreeMap::new();
    for line in &samples.alerts {
        let label = |name: &str| line.labels.get(name).map_or("", String::as_str);
        let class = match (label("alertstate"), label("drill")) {
            ("pending", _) => "pending",
            (_, "") => "firing",
            _ => "drill",
        };
        rows.entry(label("alertname"))
            .or_default()
            .push((class, line));
    }
    for bars in rows.values_mut() {
        // Firing is drawn over pending: of several alerts of a name some may be either.
        bars.sort_by_key(|(class, _)| *class != "pending");
    }
    let columns = Columns {
        from: samples.from,
        to: samples.to,
        left: 240.0,
        width: 750.0,
    };
    let bottom = ROW * rows.len() as f64;
    let mut svg = format!("<svg viewBox=\"0 0 1000 {}\">", bottom + 18.0);
    columns.axis(&mut svg, marks, bottom);
    for (row, (name, bars)) in rows.iter().enumerate() {
        let top = ROW * row as f64;
        let _ = write!(
            svg,
            "<text x=\"0\" y=\"{}\">{}</text>",
            top + 14.0,
            escaped(name)
        );
        for (class, line) in bars {
            for stretch in stretches(&line.points) {
                let (Some(first), Some(last)) = (stretch.first(), stretch.last()) else {
                    continue;
                };
                let (x, end) = (columns.of(first.0), columns.of(last.0));
                // A synthetic alert is drawn below a real one of the same name.
                let (y, height) = if *class == "drill" {
                    (12.0, 5.0)
                } else {
                    (3.0, 8.0)
                };
                let _ = write!(
                    svg,
                    "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{}\" width=\"{:.1}\" height=\"{height}\"/>",
                    top + y,
                    (end - x).max(2.0)
                );
            }
        }
    }
    svg + "</svg>\n"
}

/// One plot: a line per series, the threshold, and a legend.
pub(super) fn plot(plot: &Plot, samples: &Samples, marks: &[Mark]) -> String {
    const BOTTOM: f64 = 150.0;
    let columns = Columns {
        from: samples.from,
        to: samples.to,
        left: 44.0,
        width: 450.0,
    };
    let values = plot.lines.iter().flat_map(|line| &line.points);
    let top = values
        .map(|(_, value)| *value)
        .chain(plot.threshold)
        .fold(0.0_f64, f64::max)
        * 1.1;
    let top = if top > 0.0 { top } else { 1.0 };
    let y = |value: f64| BOTTOM - BOTTOM * (value / top).clamp(0.0, 1.0);
    let shown = plot.lines.iter().zip(COLOURS);
    let legend = BOTTOM + 34.0;
    let height = legend + 16.0 * shown.clone().count() as f64;
    let mut svg = format!("<svg viewBox=\"0 0 500 {height}\">");
    for part in 0..=2 {
        let value = top * f64::from(part) / 2.0;
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"44\" x2=\"494\" y1=\"{0:.1}\" y2=\"{0:.1}\"/>\
             <text x=\"40\" y=\"{1:.1}\" text-anchor=\"end\">{2}</text>",
            y(value),
            y(value) + 4.0,
            number(value)
        );
    }
    columns.axis(&mut svg, marks, BOTTOM);
    if let Some(limit) = plot.threshold {
        let _ = write!(
            svg,
            "<line class=\"limit\" x1=\"44\" x2=\"494\" y1=\"{0:.1}\" y2=\"{0:.1}\"><title>threshold {1}</title></line>",
            y(limit),
            number(limit)
        );
    }
    for (row, (line, colour)) in shown.enumerate() {
        for stretch in stretches(&line.points) {
            let points: Vec<String> = stretch
                .iter()
                .map(|(at, value)| format!("{:.1},{:.1}", columns.of(*at), y(*value)))
                .collect();
            let _ = write!(
                svg,
                "<polyline stroke=\"{colour}\" points=\"{}\"/>",
                points.join(" ")
            );
        }
        let name = match line.labels.get(plot.by).map(String::as_str) {
            None | Some("") if plot.by == "drill" => "real",
            None | Some("") => plot.title,
            Some(name) => name,
        };
        let at = legend + 16.0 * row as f64;
        let _ = write!(
            svg,
            "<rect x=\"44\" y=\"{:.1}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>\
             <text x=\"60\" y=\"{at:.1}\">{}</text>",
            at - 9.0,
            escaped(name)
        );
    }
    svg + "</svg>"
}

/// The points, parted where there was nothing for a while.
fn stretches(points: &[(f64, f64)]) -> impl Iterator<Item = &[(f64, f64)]> {
    points.chunk_by(|a, b| b.0 - a.0 < GAP)
}

fn number(value: f64) -> String {
    match value {
        _ if value >= 1000.0 => format!("{:.0}k", value / 1000.0),
        _ if value >= 10.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}
