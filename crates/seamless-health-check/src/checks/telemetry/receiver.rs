//! Whether the OTLP receiver takes an export.

use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::site::Site;
use crate::telemetry;
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

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    let ask = telemetry::receiver(site.request.telemetry.spans.as_ref());
    Ok(CheckOutcome::pass(site.answer(ask).await?))
}
