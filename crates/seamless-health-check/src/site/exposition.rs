//! Reading an exposition as a scrape would, from a URL, a file or stdin.

use seamless_core::exposition::{ContentType, Scraper};
use seamless_core::http::{self, QUERY_BODY_LIMIT};

use crate::gap::{Fact, Gap};
use crate::request::{Metrics, Request};
use crate::survey::Survey;

/// An exposition and how it came.
#[derive(Debug, Clone)]
pub(crate) struct Exposed {
    pub(crate) survey: Survey,
    /// What was said of it; `None` for a file.
    pub(crate) content_type: Option<ContentType>,
    /// Whose verdict counts.
    pub(crate) scraper: Scraper,
}

impl Exposed {
    /// Why that scraper refuses the whole document: what and where.
    pub(crate) fn refused_by(&self, scraper: Scraper) -> Option<String> {
        let empty = self.survey.empty;
        if scraper == Scraper::Prometheus3
            && !empty
            && let Some(reason) = self
                .content_type
                .as_ref()
                .and_then(ContentType::refused_by_3)
        {
            return Some(format!(
                "it came with {reason}, which Prometheus 3 refuses without fallback_scrape_protocol"
            ));
        }
        self.survey
            .report
            .refused_by(scraper)
            .map(ToString::to_string)
    }
}

/// Whose verdict counts: what was given, or what the Prometheus says of itself, or today's.
async fn scraper(request: &Request) -> Scraper {
    if let Some(given) = request.scraper {
        return given;
    }
    let Some(client) = &request.prometheus else {
        return Scraper::default();
    };
    // Servers that only speak the same API have no revision; they scrape as they like.
    let told = client.build_info().await.ok().map(|reply| reply.data);
    told.filter(|told| !told.revision.is_empty())
        .and_then(|told| Scraper::of_version(&told.version))
        .unwrap_or_default()
}

/// Reads the exposition that was given.
pub(super) async fn read(request: &Request, now: f64) -> Fact<Exposed> {
    match &request.exposition {
        None => Err(Gap::NotConfigured(
            "no exposition is given (--metrics-url or --metrics-file)".to_owned(),
        )),
        Some(Metrics::Input(input)) => {
            let (bytes, scraper) = tokio::join!(input.read(request.deadline), scraper(request));
            Ok(Exposed {
                survey: Survey::of(&bytes?, None, now),
                content_type: None,
                scraper,
            })
        }
        Some(Metrics::Url(source)) => {
            let (client, endpoint) = source.as_ref();
            let scraper = scraper(request).await;
            let mut call = http::HttpRequest::get(endpoint, endpoint.whole_url(), QUERY_BODY_LIMIT);
            call.accept = scraper.accept();
            let failed = |message: String, hint: &str| Gap::Failed {
                message: format!("GET {endpoint}: {message}"),
                hint: hint.to_owned(),
            };
            let answer = client.send(&call).await.map_err(|error| {
                let remedy = error.error.remedy();
                let hint = seamless_cli::remedy_words(remedy, endpoint.service());
                failed(error.to_string(), &hint)
            })?;
            // A scrape takes nothing else for an answer.
            if answer.status != 200 {
                let (what, hint) = match answer.location {
                    Some(_) => (
                        answer.described(),
                        "give --metrics-url that URL: Prometheus follows redirects, this check does not",
                    ),
                    None => (
                        format!("{} is no exposition", answer.described()),
                        "check that the URL leads to the runtime's /metrics",
                    ),
                };
                return Err(failed(what, hint));
            }
            let content_type = ContentType::new(answer.content_type_header.as_deref());
            if content_type.is_protobuf() {
                return Err(Gap::NotOffered(
                    "it came as protobuf, which was not asked for and is not read here".to_owned(),
                ));
            }
            Ok(Exposed {
                survey: Survey::of(&answer.body, Some(content_type.format()), now),
                content_type: Some(content_type),
                scraper,
            })
        }
    }
}
