//! Documents of every kind that a scrape can bring, and what both generations of Prometheus make of them.
//!
//! Each is scraped by a real Prometheus of either generation and judged by the health check: the table in
//! `docs/reference/expositions.md` is what came of it. It starts no server itself.

use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use seamless_core::exposition::{Format, Scraper};
use serde::Deserialize;

/// What a scrape comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScrapeVerdict {
    /// The target is up.
    Takes,
    /// The target is down, and no sample of the document is stored.
    Refuses,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum FormatWord {
    Text,
    OpenMetrics,
}

/// Documents that have one thing in common.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentClass {
    /// What they have in common.
    #[serde(rename = "kind")]
    pub name: String,
    format: FormatWord,
    prometheus_2: ScrapeVerdict,
    prometheus_3: ScrapeVerdict,
    /// What the health check says of them, in part; `None` where there is nothing to say.
    pub says: Option<String>,
    documents: Vec<String>,
}

impl DocumentClass {
    /// The format they are in.
    #[must_use]
    pub const fn format(&self) -> Format {
        match self.format {
            FormatWord::Text => Format::Text,
            FormatWord::OpenMetrics => Format::OpenMetrics,
        }
    }

    /// What a Prometheus of that generation makes of them.
    #[must_use]
    pub const fn verdict(&self, scraper: Scraper) -> ScrapeVerdict {
        match scraper {
            Scraper::Prometheus2 => self.prometheus_2,
            Scraper::Prometheus3 => self.prometheus_3,
        }
    }

    /// The documents, with timestamps of now. In the file `@T` stands for one, `@U` for one a second
    /// later, U+E000 for a byte that belongs to no character.
    pub fn documents(&self, now: SystemTime) -> impl Iterator<Item = Vec<u8>> {
        let since = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let time = |since: Duration| match self.format {
            FormatWord::Text => since.as_millis().to_string(),
            FormatWord::OpenMetrics => since.as_secs().to_string(),
        };
        let (now, later) = (time(since), time(since + Duration::from_secs(1)));
        self.documents.iter().map(move |text| {
            let text = text.replace("@T", &now).replace("@U", &later);
            let parts: Vec<&[u8]> = text.split('\u{e000}').map(str::as_bytes).collect();
            parts.join(&0xff)
        })
    }

    /// How many documents there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.documents.len()
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }
}

/// Every kind.
///
/// # Errors
/// If the file of documents is not what it should be.
pub fn kinds() -> Result<Vec<DocumentClass>> {
    serde_json::from_str(include_str!("expositions.json")).context("expositions.json")
}
