//! Whether Prometheus sends to an Alertmanager.

use seamless_core::prometheus::Alertmanagers;

use crate::check::{Check, Explained, Group, Korean, Need, Severity};
use crate::gap::Fact;
use crate::site::Site;
use crate::verdict::CheckOutcome;

pub(super) const CHECK: Check = Check {
    name: "alertmanager-known",
    group: Group::Alerting,
    title: "Prometheus has an Alertmanager",
    needs: &[Need::Prometheus],
    requires: &["prometheus/queries"],
    severity: Severity::Fail,
    hint: "add it under `alerting: alertmanagers:` in prometheus.yml",
    anchor: "check-alerting",
    explained: Explained {
        means: "Prometheus has no Alertmanager to send to, or its relabelling drops every one: alerts fire, and nobody is told.",
        remedy: "Add it under `alerting: alertmanagers:` in prometheus.yml and reload Prometheus.",
        example: "fail  Prometheus has no Alertmanager; alerts go nowhere",
        korean: Korean {
            title: "Prometheus에 Alertmanager가 있다",
            means: "Prometheus가 보낼 Alertmanager가 없거나 리레이블링이 모두 제외한다. 경보가 울려도 아무도 받지 못한다.",
            remedy: "prometheus.yml의 `alerting: alertmanagers:`에 추가하고 Prometheus를 다시 읽힌다.",
        },
    },
    run: |site| Box::pin(run(site)),
};

async fn run(site: &Site<'_>) -> Fact<CheckOutcome> {
    Ok(judge(site.alertmanagers().await?))
}

fn judge(known: &Alertmanagers) -> CheckOutcome {
    match known.active.first() {
        Some(first) => CheckOutcome::pass(match known.active.len() {
            1 => first.url.clone(),
            many => format!("{many} Alertmanagers, {} first", first.url),
        }),
        None if known.dropped.is_empty() => {
            CheckOutcome::fail("Prometheus has no Alertmanager; alerts go nowhere")
        }
        None => CheckOutcome::fail(
            "relabelling drops every Alertmanager of Prometheus; alerts go nowhere",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_relabelling_drops_is_none() {
        let url = serde_json::json!([{ "url": "http://a:9093/api/v2/alerts" }]);
        for (active, dropped, word) in [
            (true, false, "pass"),
            (false, true, "fail"),
            (false, false, "fail"),
        ] {
            let of = |is_there: bool| {
                if is_there {
                    url.clone()
                } else {
                    serde_json::json!([])
                }
            };
            let known = serde_json::json!({
                "activeAlertmanagers": of(active), "droppedAlertmanagers": of(dropped),
            });
            let outcome = judge(&serde_json::from_value(known).unwrap());
            assert_eq!(outcome.verdict.word(), word, "{outcome:?}");
        }
    }
}
