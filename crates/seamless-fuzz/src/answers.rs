//! What the coordinator, Prometheus and Alertmanager answer, or something in their place.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use seamless_core::alertmanager::{AlertmanagerClient, AlertmanagerStatus, HeldAlert};
use seamless_core::coordinator::{ReleaseVerdict, read_page, read_verdict};
use seamless_core::http::{Endpoint, HttpClient, HttpOptions, HttpResponse};
use seamless_core::prometheus::{
    Alertmanagers, FiringAlert, Labels, LoadedGroup, MetricMetadata, PrometheusClient, QueryValue,
    Target,
};

/// The first byte chooses the status and the content type, the rest is the body.
fn answer(bytes: &[u8]) -> HttpResponse {
    const STATUSES: [u16; 8] = [200, 200, 200, 204, 302, 404, 409, 500];
    const TYPES: [&str; 4] = ["application/json", "text/plain", "", "text/html"];
    let (choice, body) = bytes.split_first().unwrap_or((&0, &[]));
    let status = STATUSES[usize::from(choice & 7)];
    let content_type = TYPES[usize::from(choice >> 3 & 3)];
    HttpResponse::stored(status, content_type, body)
}

/// A page of leases, and the same bytes as the answer to a release. Only 2xx with JSON or nothing
/// releases; a page that is read has keys on it.
pub(crate) fn inspect_page(bytes: &[u8]) {
    let answer = answer(bytes);
    match read_page(&answer) {
        Ok(page) => {
            assert!(answer.is_success() && !answer.looks_like_html());
            assert!(
                page.leases
                    .iter()
                    .all(|lease| !lease.key.as_str().trim().is_empty())
            );
            assert!(page.next.is_none_or(|cursor| !cursor.is_empty()));
        }
        Err(problem) => crate::assert_presentable(&problem.to_string()),
    }
    let (verdict, is_proof) = read_verdict(&answer);
    assert!(
        !is_proof
            || matches!(
                verdict,
                ReleaseVerdict::Released { .. } | ReleaseVerdict::Conflict { .. }
            )
    );
    match verdict {
        ReleaseVerdict::Released { completion_ratio } => {
            assert!(answer.is_success() && !answer.looks_like_html());
            assert!(completion_ratio.is_some());
        }
        ReleaseVerdict::AlreadyReleased => panic!("without a proof"),
        ReleaseVerdict::Conflict { answer: words } => {
            assert_eq!(answer.status, 409);
            crate::assert_presentable(&words);
        }
        ReleaseVerdict::Unproven(unproven) => {
            assert!(answer.is_success() || answer.status == 404);
            crate::assert_presentable(&unproven.answer.to_string());
        }
        ReleaseVerdict::Failed(problem) | ReleaseVerdict::Unknown(problem) => {
            crate::assert_presentable(&problem.to_string());
        }
    }
}

fn clients() -> &'static (PrometheusClient, AlertmanagerClient) {
    static CLIENTS: OnceLock<(PrometheusClient, AlertmanagerClient)> = OnceLock::new();
    CLIENTS.get_or_init(|| {
        let endpoint = Endpoint::parse("server", "http://127.0.0.1:1", "the target");
        let client = endpoint.map(|endpoint| {
            let http = HttpClient::new(HttpOptions::default(), []);
            http.map(|http| {
                let prometheus = PrometheusClient::new(http.clone(), endpoint.clone());
                (prometheus, AlertmanagerClient::new(http, endpoint))
            })
        });
        match client {
            Ok(Ok(clients)) => clients,
            other => panic!("no client: {other:?}"),
        }
    })
}

/// An answer of Prometheus's API, as each of the types that are asked for. Errors are presentable, and
/// nothing but 2xx is data.
pub(crate) fn prometheus_answer(bytes: &[u8]) {
    let answer = answer(bytes);
    let prometheus = &clients().0;
    macro_rules! read {
        ($($kind:ty),+) => {$(
            match prometheus.read::<$kind>("reading", &answer) {
                Ok(reply) => {
                    assert!(answer.is_success());
                    reply.warnings.iter().for_each(|warning| crate::assert_presentable(warning));
                    let _ = format!("{:?}", reply.data);
                }
                Err(error) => crate::assert_presentable(&error.to_string()),
            }
        )+};
    }
    read!(
        QueryValue,
        Vec<Labels>,
        Vec<LoadedGroup>,
        Vec<FiringAlert>,
        Vec<Target>,
        BTreeMap<String, Vec<MetricMetadata>>,
        Alertmanagers
    );
    for labels in prometheus
        .read::<Vec<Labels>>("reading", &answer)
        .map(|reply| reply.data)
        .unwrap_or_default()
    {
        // Names come from the server as they are; values are always quoted.
        assert!(labels.to_string().ends_with('}'));
    }
}

/// An answer of Alertmanager's API. Errors are presentable, and nothing but 2xx is data.
pub(crate) fn alertmanager_answer(bytes: &[u8]) {
    let answer = answer(bytes);
    let alertmanager = &clients().1;
    match alertmanager.read::<Vec<HeldAlert>>("reading", &answer) {
        Ok(_) => assert!(answer.is_success()),
        Err(error) => crate::assert_presentable(&error.to_string()),
    }
    match alertmanager.read::<AlertmanagerStatus>("reading", &answer) {
        Ok(_) => assert!(answer.is_success()),
        Err(error) => crate::assert_presentable(&error.to_string()),
    }
}
