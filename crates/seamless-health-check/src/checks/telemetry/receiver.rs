//! Whether the OTLP receiver takes an export.

use serde_json::Value;

use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::site::Site;
use crate::telemetry::{self, ExportAnswer};
use crate::verdict::CheckOutcome;

pub(super) const CHECK: Check = Check {
    name: "receiver",
    group: Group::Telemetry,
    title: "the OTLP receiver takes an export",
    needs: &[Need::Receiver],
    requires: &[],
    severity: Severity::Fail,
    hint: "look at the receiver's log",
    anchor: "check-telemetry",
    explained: Explained {
        means: "The OTLP receiver does not take an empty export. What it does with spans cannot be asked.",
        remedy: "Check that the URL is that of OTLP/HTTP (port 4318, not gRPC's 4317), then the receiver's log.",
        example: "fail  sending an empty export to http://collector:4317: the answer is not HTTP",
        korean: Korean {
            title: "OTLP 수신기가 내보내기를 받는다",
            means: "OTLP 수신기가 빈 내보내기를 받지 않는다. 스팬을 어떻게 처리하는지는 물을 수 없다.",
            remedy: "URL이 OTLP/HTTP(포트 4318, gRPC의 4317이 아님)인지 확인하고 수신기의 로그를 본다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

const NO_RECEIVER: &str =
    "check that the URL leads to an OTLP/HTTP receiver (port 4318, not gRPC's 4317)";
const CREDENTIALS: &str =
    "give its credentials: --bearer-token-file traces=FILE, or --header 'traces=NAME: VALUE'";

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    let ask = telemetry::receiver(site.request.telemetry.spans.as_ref());
    Ok(judge(&site.answer(ask).await?))
}

fn judge(answer: &ExportAnswer) -> CheckOutcome {
    let ExportAnswer {
        receiver,
        encoding,
        response,
    } = answer;
    let failed = |why: String, hint: &str| {
        CheckOutcome::fail(format!("sending an empty export to {receiver}: {why}")).hint(hint)
    };
    let described = response.described();
    match response.status {
        400 | 415 => failed(format!("{described} to {encoding}"), NO_RECEIVER),
        401 | 403 => failed(described, CREDENTIALS),
        200 if !response.looks_like_html() => match complaint(&response.body) {
            Some(said) => {
                let why = format!("answered 200 and says {}", response.quoted(&said));
                failed(why, CHECK.hint)
            }
            None => CheckOutcome::pass(format!(
                "{receiver} takes an empty export ({encoding}); what it does with spans cannot be seen from here"
            )),
        },
        _ => failed(described, NO_RECEIVER),
    }
}

/// What a receiver that answers in JSON did not take.
fn complaint(body: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let message = answer.get("partialSuccess")?.get("errorMessage")?;
    let message = message.as_str().filter(|text| !text.is_empty());
    message.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use seamless_core::http::HttpResponse;

    use super::*;

    #[test]
    fn an_export_is_taken_or_it_is_said_why_not() {
        let refused = r#"{"partialSuccess": {"errorMessage": "quota"}}"#;
        for (status, kind, body, expected, says, hint) in [
            (
                200,
                "application/json",
                "{}",
                "pass",
                "takes an empty export (JSON)",
                "",
            ),
            (200, "", "", "pass", "takes an empty export (JSON)", ""),
            (
                200,
                "application/json",
                refused,
                "fail",
                "answered 200 and says quota",
                CHECK.hint,
            ),
            (
                200,
                "text/html",
                "<html>",
                "fail",
                "HTTP 200 OK with an HTML page",
                NO_RECEIVER,
            ),
            (204, "", "", "fail", "HTTP 204 No Content", NO_RECEIVER),
            (404, "", "", "fail", "HTTP 404 Not Found", NO_RECEIVER),
            (
                415,
                "",
                "",
                "fail",
                "HTTP 415 Unsupported Media Type to JSON",
                NO_RECEIVER,
            ),
            (401, "", "", "fail", "HTTP 401 Unauthorized", CREDENTIALS),
        ] {
            let outcome = judge(&ExportAnswer {
                receiver: "http://c:4318".to_owned(),
                encoding: "JSON",
                response: HttpResponse::stored(status, kind, body),
            });
            assert_eq!(outcome.verdict.word(), expected, "{outcome:?}");
            assert!(outcome.message.contains(says), "{outcome:?}");
            assert_eq!(outcome.hint.as_deref().unwrap_or_default(), hint);
        }
    }
}
