//! The `Content-Type` of a scrape's answer, as Go's `mime.ParseMediaType` reads it, since Prometheus
//! judges by that.

use super::Format;

/// What a `Content-Type` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentType {
    header: Option<String>,
    /// The media type and its parameters; `None` where the header is none or cannot be read.
    media: Option<(String, Vec<(String, String)>)>,
}

impl ContentType {
    /// Reads the header's value.
    #[must_use]
    pub fn new(header: Option<&str>) -> Self {
        Self {
            header: header.map(str::to_owned),
            media: header.and_then(media_type),
        }
    }

    /// The format in which a scraper that takes the answer reads it. Prometheus 2 reads everything
    /// that does not say `OpenMetrics` as the text format.
    #[must_use]
    pub fn format(&self) -> Format {
        match &self.media {
            Some((media, _)) if media == "application/openmetrics-text" => Format::OpenMetrics,
            _ => Format::Text,
        }
    }

    /// Whether this is Prometheus's binary format.
    #[must_use]
    pub fn is_protobuf(&self) -> bool {
        self.media
            .as_ref()
            .is_some_and(|(media, _)| media == "application/vnd.google.protobuf")
    }

    /// Why Prometheus 3 refuses the answer, unless its configuration sets `fallback_scrape_protocol`.
    /// It takes an empty document whatever is said of it.
    #[must_use]
    pub fn refused_by_3(&self) -> Option<String> {
        let shown = |header: &str| header.chars().take(80).collect::<String>();
        match (&self.header, &self.media) {
            (None, _) => Some("no Content-Type".to_owned()),
            (Some(header), None) if header.is_empty() => Some("an empty Content-Type".to_owned()),
            (Some(header), None) => Some(format!(
                "a Content-Type that cannot be read ({:?})",
                shown(header)
            )),
            (_, Some((media, _))) => match media.as_str() {
                "text/plain"
                | "application/openmetrics-text"
                | "application/vnd.google.protobuf" => None,
                other => Some(format!("the Content-Type {:?}", shown(other))),
            },
        }
    }

    /// How names are escaped: the parameter `escaping`.
    #[must_use]
    pub fn escaping(&self) -> Option<&str> {
        let (_, parameters) = self.media.as_ref()?;
        let (_, value) = parameters.iter().find(|(name, _)| name == "escaping")?;
        Some(value)
    }
}

fn media_type(header: &str) -> Option<(String, Vec<(String, String)>)> {
    let (media, mut rest) = match header.find(';') {
        Some(at) => header.split_at(at),
        None => (header, ""),
    };
    let media = media.trim().to_ascii_lowercase();
    let whole = match media.split_once('/') {
        Some((kind, sub)) => is_token(kind) && is_token(sub),
        None => is_token(&media),
    };
    if !whole {
        return None;
    }
    let mut parameters: Vec<(String, String)> = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some((media, parameters));
        }
        let Some((name, value, after)) = parameter(rest) else {
            // A last semicolon with nothing behind it is let pass.
            return (rest.trim() == ";").then_some((media, parameters));
        };
        if parameters.iter().any(|(n, v)| *n == name && *v != value) {
            return None;
        }
        parameters.push((name, value));
        rest = after;
    }
}

/// `; name=value` at the start of `text`, and what follows.
fn parameter(text: &str) -> Option<(String, String, &str)> {
    let (name, rest) = token(text.strip_prefix(';')?.trim_start());
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let (value, rest) = match rest.strip_prefix('"') {
        Some(quoted) => quoted_value(quoted)?,
        None => {
            let (value, rest) = token(rest);
            (value.to_owned(), rest)
        }
    };
    let nothing = name.is_empty() || value.is_empty() && !rest.starts_with(';');
    (!nothing).then(|| (name.to_ascii_lowercase(), value, rest))
}

fn quoted_value(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => value.push(characters.next()?.1),
            '\r' | '\n' => return None,
            other => value.push(other),
        }
    }
    None
}

fn token(text: &str) -> (&str, &str) {
    let end = text.find(|c| !is_token_character(c)).unwrap_or(text.len());
    text.split_at(end)
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(is_token_character)
}

fn is_token_character(c: char) -> bool {
    c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?=".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_prometheus_3_refuses_is_told_with_the_reason() {
        for (header, format, refused) in [
            (
                Some("text/plain; version=0.0.4; charset=utf-8"),
                Format::Text,
                None,
            ),
            (Some("TEXT/Plain ; charset=\"utf-8\";"), Format::Text, None),
            (
                Some("application/openmetrics-text; version=1.0.0; escaping=dots"),
                Format::OpenMetrics,
                None,
            ),
            (None, Format::Text, Some("no Content-Type")),
            (Some(""), Format::Text, Some("an empty Content-Type")),
            (Some("text/html"), Format::Text, Some("\"text/html\"")),
            (
                Some("application/json"),
                Format::Text,
                Some("application/json"),
            ),
            (Some("text"), Format::Text, Some("\"text\"")),
            (
                Some("text/plain; charset"),
                Format::Text,
                Some("cannot be read"),
            ),
            (Some("text/"), Format::Text, Some("cannot be read")),
            (
                Some("text/plain, text/html"),
                Format::Text,
                Some("cannot be read"),
            ),
            (
                Some("application/openmetrics-text; version=1; version=2"),
                Format::Text,
                Some("cannot be read"),
            ),
        ] {
            let read = ContentType::new(header);
            assert_eq!(read.format(), format, "{header:?}");
            let reason = read.refused_by_3();
            match (&reason, refused) {
                (None, None) => {}
                (Some(reason), Some(refused)) => assert!(reason.contains(refused), "{reason}"),
                _ => panic!("{header:?}: {reason:?}"),
            }
        }
        let dots = ContentType::new(Some("text/plain; version=1.0.0; escaping=\"dots\""));
        assert_eq!(dots.escaping(), Some("dots"));
    }
}
