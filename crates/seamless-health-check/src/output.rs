//! In which formats the result is written, and where to.

use std::path::PathBuf;

use seamless_cli::UsageError;

/// A format of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputFormat {
    Text,
    Short,
    Paths,
    Json,
    Junit,
    Nagios,
    Prometheus,
    Github,
}

impl OutputFormat {
    pub(crate) const ALL: [Self; 8] = [
        Self::Text,
        Self::Short,
        Self::Paths,
        Self::Json,
        Self::Junit,
        Self::Nagios,
        Self::Prometheus,
        Self::Github,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Short => "short",
            Self::Paths => "paths",
            Self::Json => "json",
            Self::Junit => "junit",
            Self::Nagios => "nagios",
            Self::Prometheus => "prometheus",
            Self::Github => "github",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// A format and, unless it goes to stdout, its file.
#[derive(Debug, Clone)]
pub(crate) struct OutputTarget {
    pub(crate) format: OutputFormat,
    pub(crate) path: Option<PathBuf>,
}

/// The outputs that `--output` names; text to stdout where it names none for it.
pub(crate) fn outputs(named: &[String]) -> anyhow::Result<Vec<OutputTarget>> {
    let mut outputs = Vec::new();
    for text in named {
        let (name, path) = match text.split_once('=') {
            Some((name, path)) => (name, Some(PathBuf::from(path))),
            None => (text.as_str(), None),
        };
        let format = OutputFormat::from_name(name).ok_or_else(|| {
            let known = OutputFormat::ALL.map(OutputFormat::name).join(", ");
            UsageError(format!(
                "--output {text}: no such format; there are {known}"
            ))
        })?;
        if let Some(path) = &path {
            seamless_cli::check_writable(path)?;
        }
        outputs.push(OutputTarget { format, path });
    }
    match outputs
        .iter()
        .filter(|output| output.path.is_none())
        .count()
    {
        0 => outputs.insert(
            0,
            OutputTarget {
                format: OutputFormat::Text,
                path: None,
            },
        ),
        1 => {}
        _ => {
            let message =
                "--output: only one format can go to stdout; write FORMAT=PATH for the others";
            return Err(UsageError(message.to_owned()).into());
        }
    }
    Ok(outputs)
}
