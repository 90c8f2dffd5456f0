//! An OTLP/HTTP receiver of spans. What can be known of one is whether it takes an export: it is sent an
//! empty one, which adds no span anywhere. What it does with spans, OTLP has no words to ask.

use std::fmt;

use seamless_core::http::{Body, Endpoint, HttpClient, HttpRequest, SHORT_BODY_LIMIT};
use serde_json::Value;

use crate::gap::{Fact, Gap};

/// A receiver, by its base URL.
#[derive(Debug, Clone)]
pub(crate) struct OtlpReceiver {
    http: HttpClient,
    endpoint: Endpoint,
}

impl OtlpReceiver {
    pub(crate) const fn new(http: HttpClient, endpoint: Endpoint) -> Self {
        Self { http, endpoint }
    }

    /// Sends an empty export, as JSON and, where that is not taken, as protobuf. Says what was taken.
    pub(super) async fn ask(&self) -> Fact<String> {
        let json = Body::Json(br#"{"resourceSpans":[]}"#.to_vec());
        // An export request without spans is a protobuf message without fields: no bytes.
        let protobuf = || Body::Raw("application/x-protobuf", &[], Vec::new());
        match self.export(json, "JSON").await? {
            ExportAnswer::Taken(how) => Ok(how),
            ExportAnswer::NotThisEncoding(_) => match self.export(protobuf(), "protobuf").await? {
                ExportAnswer::Taken(how) => Ok(how),
                ExportAnswer::NotThisEncoding(gap) => Err(gap),
            },
        }
    }

    async fn export(&self, body: Body, encoding: &str) -> Result<ExportAnswer, Gap> {
        let url = self.endpoint.url(&["v1", "traces"]);
        let failed = |message: String, hint: &str| Gap::Failed {
            message: format!("sending an empty export to {self}: {message}"),
            hint: hint.to_owned(),
        };
        let mut call = HttpRequest::post(&self.endpoint, url, body, SHORT_BODY_LIMIT, true);
        call.accept = "*/*";
        let answer = self.http.send(&call).await.map_err(|failure| {
            Gap::failed(
                Some(&failure),
                format!("sending an empty export to {self}: {failure}"),
                &seamless_cli::remedy_words(failure.error.remedy(), self.endpoint.service()),
            )
        })?;
        let hint = "check that the URL leads to an OTLP/HTTP receiver (port 4318, not gRPC's 4317)";
        if matches!(answer.status, 415 | 400) {
            let message = format!("{} to {encoding}", answer.described());
            return Ok(ExportAnswer::NotThisEncoding(failed(message, hint)));
        }
        if matches!(answer.status, 401 | 403) {
            let hint = "give its credentials: --bearer-token-file traces=FILE, or --header 'traces=NAME: VALUE'";
            return Err(failed(answer.described(), hint));
        }
        if answer.status != 200 || answer.looks_like_html() {
            return Err(failed(answer.described(), hint));
        }
        if let Some(complaint) = complaint(&answer.body) {
            let message = format!("answered 200 and says {}", answer.quoted(&complaint));
            return Err(failed(message, "look at the receiver's log"));
        }
        Ok(ExportAnswer::Taken(format!(
            "{self} takes an empty export ({encoding}); what it does with spans cannot be seen from here"
        )))
    }
}

enum ExportAnswer {
    Taken(String),
    NotThisEncoding(Gap),
}

/// What a receiver that answers in JSON did not take.
fn complaint(body: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let partial = answer.get("partialSuccess")?;
    let message = partial.get("errorMessage").and_then(Value::as_str);
    message.filter(|text| !text.is_empty()).map(str::to_owned)
}

impl fmt::Display for OtlpReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)
    }
}
