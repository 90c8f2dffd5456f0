//! An OTLP/HTTP receiver of spans. What can be known of one is whether it takes an export: it is sent an
//! empty one, which adds no span anywhere. What it does with spans, OTLP has no words to ask.

use std::fmt;

use seamless_core::http::{
    Body, Endpoint, HttpClient, HttpRequest, HttpResponse, SHORT_BODY_LIMIT,
};

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

    /// Sends an empty export, as JSON and, where that is not taken, as protobuf.
    pub(super) async fn ask(&self) -> Fact<ExportAnswer> {
        let json = Body::Json(br#"{"resourceSpans":[]}"#.to_vec());
        let answer = self.export("JSON", json).await?;
        if !matches!(answer.response.status, 400 | 415) {
            return Ok(answer);
        }
        // An export request without spans is a protobuf message without fields: no bytes.
        let protobuf = Body::Raw("application/x-protobuf", &[], Vec::new());
        self.export("protobuf", protobuf).await
    }

    async fn export(&self, encoding: &'static str, body: Body) -> Fact<ExportAnswer> {
        let url = self.endpoint.url(&["v1", "traces"]);
        let mut call = HttpRequest::post(&self.endpoint, url, body, SHORT_BODY_LIMIT, true);
        call.accept = "*/*";
        let response = self.http.send(&call).await.map_err(|failure| {
            Gap::failed(
                Some(&failure),
                format!("sending an empty export to {self}: {failure}"),
                &seamless_cli::remedy_words(failure.error.remedy(), self.endpoint.service()),
            )
        })?;
        Ok(ExportAnswer {
            receiver: self.to_string(),
            encoding,
            response,
        })
    }
}

/// What a receiver answered to an empty export.
#[derive(Debug)]
pub(crate) struct ExportAnswer {
    /// Its URL.
    pub(crate) receiver: String,
    /// How the export was written that it answered last.
    pub(crate) encoding: &'static str,
    pub(crate) response: HttpResponse,
}

impl fmt::Display for OtlpReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)
    }
}
