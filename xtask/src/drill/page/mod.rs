//! The drill as one self-contained HTML page: what fired when, the metrics around it, the stages, the
//! notices.
//!
//! It loads nothing from anywhere; plots are SVG.

mod svg;

use std::fmt::Write as _;

use super::report::DrillReport;
use super::samples::{Samples, seconds};
use super::timeline::{StageVerdict, clock};

const STYLE: &str = include_str!("style.css");

/// The page.
pub(super) fn render(report: &DrillReport, samples: &Samples) -> String {
    let mut html = String::new();
    // Writing to a String cannot fail.
    let _ = write!(
        html,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>Seamless drill</title>\n<style>{STYLE}</style>\n<body>\n<h1>Seamless drill</h1>\n"
    );
    let _ = write!(
        html,
        "<p class=\"{}\">{}</p>\n<p>{}</p>\n",
        if report.first_missed().is_none() {
            "good"
        } else {
            "bad"
        },
        escaped(&report.verdict()),
        escaped(&report.about())
    );
    let marks = marks(report, samples);
    let _ = write!(html, "<h2>Alerts</h2>\n{}", svg::alerts(samples, &marks));
    html.push_str(
        "<p class=\"key\"><i class=\"pending\"></i> pending <i class=\"firing\"></i> firing \
         <i class=\"drill\"></i> firing, synthetic</p>\n<h2>Metrics</h2>\n<div class=\"plots\">\n",
    );
    for plot in &samples.plots {
        let _ = writeln!(
            html,
            "<figure><figcaption>{} ({})</figcaption>{}</figure>",
            escaped(plot.title),
            escaped(plot.unit),
            svg::plot(plot, samples, &marks)
        );
    }
    html.push_str("</div>\n<h2>Stages</h2>\n<table>\n<tr><th>stage<th>at<th>verdict<th>seen\n");
    for stage in report.stages() {
        let (class, at, word, seen) = match &stage.verdict {
            StageVerdict::Reached { after, seen, .. } => {
                ("good", clock(*after), "reached", seen.as_str())
            }
            StageVerdict::Missed { after, why } => ("bad", clock(*after), "missed", why.as_str()),
            StageVerdict::Interrupted => ("bad", String::new(), "stopped", ""),
            StageVerdict::NotTried => ("", String::new(), "not tried", ""),
        };
        let _ = writeln!(
            html,
            "<tr><td>{}<td>{at}<td class=\"{class}\">{word}<td>{}",
            escaped(&stage.name),
            escaped(seen)
        );
    }
    html.push_str("</table>\n<h2>Notices</h2>\n");
    for notice in report.notices() {
        let after = (seconds(notice.at) - samples.from).max(0.0);
        let _ = writeln!(
            html,
            "<details><summary>{} {} {}</summary><pre>{}</pre></details>",
            clock(std::time::Duration::from_secs_f64(after)),
            notice.service.name(),
            escaped(&notice.title()),
            escaped(&format!("{:#}", notice.payload))
        );
    }
    html.push_str("</body>\n</html>\n");
    html
}

/// A moment worth a line in every plot: seconds since the epoch, and what happened.
type Mark = (f64, String);

/// What the drill did: causes and remedies.
fn marks(report: &DrillReport, samples: &Samples) -> Vec<Mark> {
    report
        .stages()
        .iter()
        .filter(|stage| {
            ["violation", "worker dead", "stuck lease recovered", "cause"]
                .iter()
                .any(|start| stage.name.starts_with(start))
        })
        .filter_map(|stage| match &stage.verdict {
            StageVerdict::Reached { after, .. } => {
                Some((samples.from + after.as_secs_f64(), stage.name.clone()))
            }
            _ => None,
        })
        .collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
