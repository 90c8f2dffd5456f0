//! One module per format; each renders a finished report to text. Owns where they go.

mod explain;
mod github;
pub(crate) mod json;
mod junit;
mod nagios;
mod paths;
mod plot;
mod short;
pub(crate) mod text;
mod textfile;

use anyhow::Context as _;
use seamless_cli::{ExitStatus, Palette, Refusal, Terminal};

use crate::output::OutputFormat;
use crate::report::Report;
use crate::request::Request;

/// How a text for people may look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TextStyle {
    pub(crate) palette: Palette,
    pub(crate) width: Option<usize>,
    /// Lines of the terminal, where it is one.
    pub(crate) height: Option<usize>,
}

fn render(format: OutputFormat, report: &Report, look: TextStyle) -> anyhow::Result<String> {
    Ok(match format {
        OutputFormat::Text => text::render(report, look),
        OutputFormat::Short => short::render(report, look),
        OutputFormat::Paths => paths::render(report, look),
        OutputFormat::Json => json::render(report)?,
        OutputFormat::Junit => junit::render(report)?,
        OutputFormat::Nagios => nagios::render(report),
        OutputFormat::Prometheus => textfile::render(report),
        OutputFormat::Github => github::render(report),
    })
}

/// What stands on stdout when nothing was checked, for the formats that programs read there.
pub(crate) fn refusal(outputs: &[String], error: &str) -> Option<Refusal> {
    let mut formats = outputs
        .iter()
        .filter_map(|name| OutputFormat::from_name(name));
    formats.find_map(|format| match format {
        OutputFormat::Json => Some(Refusal {
            document: json::refusal(error),
            status: ExitStatus::Usage,
        }),
        OutputFormat::Nagios => Some(Refusal {
            document: nagios::refusal(error),
            status: ExitStatus::Undetermined,
        }),
        _ => None,
    })
}

/// Writes the report in every format that was asked for and returns the exit status.
pub(crate) fn write(
    request: &Request,
    report: &Report,
    terminal: &Terminal,
) -> anyhow::Result<ExitStatus> {
    let mut status = report.status();
    for output in request
        .outputs
        .iter()
        .filter(|output| output.path.is_some())
    {
        let look = TextStyle {
            palette: Palette::plain(),
            width: None,
            height: None,
        };
        let text = render(output.format, report, look)?;
        let Some(path) = &output.path else { continue };
        let written = seamless_cli::write_atomically(path, |file| file.write_all(text.as_bytes()));
        if let Err(error) = written {
            terminal.error(&error.to_string());
            // The verdict stands, but not all of the result could be handed over.
            if status == ExitStatus::Done {
                status = ExitStatus::Negative;
            }
        }
    }
    for output in request
        .outputs
        .iter()
        .filter(|output| output.path.is_none())
    {
        let look = TextStyle {
            palette: terminal.palette(),
            width: terminal.width(),
            height: terminal.height(),
        };
        let text = match &request.explain {
            Some(alert) => explain::render(report, alert, look),
            None => render(output.format, report, look).context("rendering the result")?,
        };
        terminal.result(status, &text)?;
        if output.format == OutputFormat::Nagios && !matches!(status, ExitStatus::Stopped(_)) {
            status = nagios::exit_status(report);
        }
    }
    Ok(status)
}
