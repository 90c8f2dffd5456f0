//! A finished run, written out. Rendering decides nothing and prints nothing itself.

pub(crate) mod list;
pub(crate) mod prometheus;
pub(crate) mod specs;
pub(crate) mod table;
mod text;

use seamless_cli::Palette;
use serde::Serialize;

use crate::args::Output;
use crate::report::Report;

/// A report in the format that was asked for; text breaks its lines at blanks to fit `width` columns.
pub(crate) fn report(
    output: &Output,
    report: &Report,
    palette: Palette,
    width: Option<usize>,
) -> String {
    match output {
        Output::Json => document(report),
        Output::Specs => specs::report(report),
        Output::Text | Output::Prometheus(_) => text::report(report, palette, width),
    }
}

/// One JSON document.
pub(crate) fn document(value: &impl Serialize) -> String {
    // Plain texts and numbers always serialize.
    let mut text = serde_json::to_string(value).unwrap_or_default();
    text.push('\n');
    text
}
