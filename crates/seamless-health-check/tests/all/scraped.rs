//! The verdict on an exposition is the scraper's: the same documents, given to a real Prometheus and to the
//! program.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::support::{JsonRun, PATIENCE, program};
use seamless_core::exposition::read::scan;
use seamless_core::exposition::{Format, Scraper};
use seamless_fuzz::{Mutations, is_accepted};
use seamless_lab::expositions::{DocumentClass, ScrapeVerdict, kinds};
use seamless_lab::faults::{Behaviour, Faults, Reply};
use seamless_lab::servers::{Generation, Prometheus};
use seamless_lab::wait_until;
use serde_json::{Value, json};

/// A document, and under which `Content-Type` it is served.
#[derive(Clone)]
struct Document {
    content_type: Option<String>,
    body: Vec<u8>,
}

/// The generation of the Prometheus that this test starts.
fn scraper() -> Scraper {
    match Generation::chosen() {
        Generation::Packaged => Scraper::Prometheus2,
        Generation::Current => Scraper::Prometheus3,
    }
}

fn serve(documents: Vec<Document>) -> Faults {
    Faults::choose(move |request, _| {
        let index = request.path.trim_start_matches('/').parse();
        let document = index.ok().and_then(|at: usize| documents.get(at));
        document.map_or_else(
            || Reply::status(404).into(),
            |document| {
                let mut reply = Reply::status(200);
                if let Some(content_type) = &document.content_type {
                    reply = reply.header("Content-Type", content_type);
                }
                Behaviour::from(reply.body(document.body.clone()))
            },
        )
    })
    .unwrap()
}

/// What a Prometheus makes of each document: whether it takes it, and its last error.
fn scrape(server: &Faults, documents: usize) -> Vec<(bool, String)> {
    let address = server.url().replace("http://", "");
    let targets: Vec<Value> = (0..documents)
        .map(|index| {
            let labels = json!({"__metrics_path__": format!("/{index}"), "at": index.to_string()});
            json!({"targets": [address], "labels": labels})
        })
        .collect();
    let prometheus = Prometheus::builder()
        .scrape_interval(Duration::from_secs(10))
        .scrape_config(json!({"job_name": "documents", "static_configs": targets}))
        .start()
        .unwrap();
    let mut found: BTreeMap<usize, (bool, String)> = BTreeMap::new();
    wait_until(PATIENCE, "a scrape of each document", || {
        let text = prometheus
            .get("/api/v1/targets", &[("state", "active")])
            .unwrap_or_default();
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        for target in answer["data"]["activeTargets"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let at = target["labels"]["at"].as_str().unwrap().parse().unwrap();
            let error = target["lastError"].as_str().unwrap_or_default();
            match target["health"].as_str() {
                Some("up") => found.insert(at, (true, String::new())),
                Some("down") => found.insert(at, (false, error.to_owned())),
                _ => None,
            };
        }
        found.len() == documents
    })
    .unwrap();
    found.into_values().collect()
}

/// What the program makes of a document.
fn judged(server: &Faults, index: usize, scraper: Scraper) -> JsonRun {
    let generation = match scraper {
        Scraper::Prometheus2 => "2",
        Scraper::Prometheus3 => "3",
    };
    let url = format!("{}/{index}", server.url());
    let arguments = [
        "--only",
        "exposition",
        "--scraper",
        generation,
        "--metrics-url",
        &url,
    ];
    JsonRun::of(program().args(arguments))
}

fn of_kind(kind: &DocumentClass, now: SystemTime) -> impl Iterator<Item = Document> {
    kind.documents(now).map(|body| Document {
        content_type: Some(kind.format().content_type().to_owned()),
        body,
    })
}

/// Fails exactly where the scrape fails, and says what is wrong with what is taken.
fn verdicts_are_the_scrapers() {
    let (kinds, now, scraper) = (kinds().unwrap(), SystemTime::now(), scraper());
    let documents: Vec<(&DocumentClass, Document)> = kinds
        .iter()
        .flat_map(|kind| of_kind(kind, now).map(move |document| (kind, document)))
        .collect();
    let server = serve(
        documents
            .iter()
            .map(|(_, document)| document.clone())
            .collect(),
    );
    let scraped = scrape(&server, documents.len());
    let mut wrong = Vec::new();
    for (index, ((kind, document), (taken, error))) in documents.iter().zip(&scraped).enumerate() {
        let run = judged(&server, index, scraper);
        let (readable, message) = run.check("exposition/readable");
        let (valid, warning) = run.check("exposition/valid");
        let says = kind.says.as_deref();
        let as_expected = *taken == (kind.verdict(scraper) == ScrapeVerdict::Takes);
        let same = *taken == (readable == "pass");
        let told = match (taken, says) {
            (false, says) => message.contains(says.unwrap_or_default()),
            (true, Some(says)) => valid == "warn" && run.document.to_string().contains(says),
            (true, None) => valid == "pass",
        };
        if !(as_expected && same && told) {
            let text = String::from_utf8_lossy(&document.body);
            wrong.push(format!(
                "{}: {text:?}: {scraper} takes it: {taken} ({error}); we: {readable} ({message}), {valid} ({warning})",
                kind.name
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}: {wrong:#?}",
        wrong.len(),
        documents.len()
    );
}

/// A `Content-Type` counts as it does for the scraper.
fn content_types_are_judged_as_the_scraper_does() {
    let types = [
        None,
        Some("text/plain"),
        Some("text/plain; version=0.0.4; charset=utf-8; escaping=underscores"),
        Some("TEXT/PLAIN;version=1.0.0;"),
        Some("text/html"),
        Some("text/html; charset=utf-8"),
        Some("application/json"),
        Some("application/octet-stream"),
        Some("text"),
        Some("text/"),
        Some("text/plain; charset"),
        Some("text/plain; charset=a; charset=b"),
        Some("text/plain, text/plain"),
        Some("application/openmetrics-text"),
        Some("application/openmetrics-text; version=9; escaping=values"),
        Some("application/openmetrics-text; version"),
    ];
    let bodies: [&[u8]; 3] = [b"# TYPE a gauge\na 1\n# EOF\n", b"a 1\n", b""];
    let documents: Vec<Document> = types
        .iter()
        .flat_map(|content_type| {
            bodies.map(|body| Document {
                content_type: content_type.map(str::to_owned),
                body: body.to_vec(),
            })
        })
        .collect();
    let server = serve(documents.clone());
    let scraped = scrape(&server, documents.len());
    for (index, (document, (taken, error))) in documents.iter().zip(&scraped).enumerate() {
        let run = judged(&server, index, scraper());
        let (readable, message) = run.check("exposition/readable");
        let body = String::from_utf8_lossy(&document.body);
        let header = &document.content_type;
        assert_eq!(
            readable == "pass",
            *taken,
            "{header:?} {body:?}: {error}; we: {message}"
        );
        if error.contains("fallback_scrape_protocol") {
            assert!(
                message.contains("fallback_scrape_protocol"),
                "{header:?}: {message}"
            );
        }
    }
}

/// Documents that nobody wrote: mutated ones, the same on every run, most of which the reader takes, and
/// those that fuzzing has kept, each in both formats.
fn unwritten() -> Vec<(Format, Vec<u8>)> {
    const TAKEN: usize = 500;
    const REFUSED: usize = 200;
    // Any fixed time: a sample that is too old is dropped, which refuses no document.
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_750_000_000);
    let written: Vec<(Format, Vec<u8>)> = kinds()
        .unwrap()
        .iter()
        .flat_map(|kind| kind.documents(time).map(|text| (kind.format(), text)))
        .filter(|(_, text)| is_accepted(text))
        .collect();
    let mut mutations = Mutations::new(27);
    let mutated = std::iter::repeat_with(|| {
        let (format, mut document) = written[mutations.below(written.len())].clone();
        mutations.mutate(&mut document);
        (format, document)
    });
    let (mut taken, mut refused) = (0, 0);
    let mut documents: Vec<(Format, Vec<u8>)> = mutated
        .filter(|(format, document)| {
            let report = scan(document, *format, |_| {});
            let (count, most) = match report.refused_by(scraper()) {
                None => (&mut taken, TAKEN),
                Some(_) => (&mut refused, REFUSED),
            };
            *count += 1;
            *count <= most
        })
        .take(TAKEN + REFUSED)
        .collect();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../seamless-fuzz/corpus/exposition");
    for entry in std::fs::read_dir(corpus).unwrap() {
        let document = std::fs::read(entry.unwrap().path()).unwrap();
        documents.push((Format::Text, document.clone()));
        documents.push((Format::OpenMetrics, document));
    }
    documents
}

/// What the reader takes, the scraper takes, and nothing else.
fn mutated_documents_are_judged_as_the_scraper_does() {
    let (documents, scraper) = (unwritten(), scraper());
    let served = documents.iter().map(|(format, body)| Document {
        content_type: Some(format.content_type().to_owned()),
        body: body.clone(),
    });
    let server = serve(served.collect());
    let scraped = scrape(&server, documents.len());
    let mut wrong = Vec::new();
    for ((format, document), (taken, error)) in documents.iter().zip(&scraped) {
        let report = scan(document, *format, |_| {});
        let refused = report.refused_by(scraper).map(ToString::to_string);
        if refused.is_none() != *taken {
            let text = String::from_utf8_lossy(document);
            wrong.push(format!(
                "{format:?} {text:?}: {scraper} takes it: {taken} ({error}); we: {refused:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}: {wrong:#?}", wrong.len());
    let taken = scraped.iter().filter(|(taken, _)| *taken).count();
    assert!(
        taken >= 500,
        "only {taken} of {} are taken",
        documents.len()
    );
}

/// Without `--scraper` the Prometheus of `--prometheus-url` decides, by what it says of itself.
fn the_prometheus_that_is_named_decides() {
    let prometheus = Prometheus::builder().start().unwrap();
    let server = serve(vec![Document {
        content_type: Some(Format::Text.content_type().to_owned()),
        body: b"{\"a.b\"} 1\n{\"a.b\",x=\"y\"} 1\n".to_vec(),
    }]);
    let metrics = format!("{}/0", server.url());
    let run = JsonRun::of(program().args([
        "--only=exposition",
        "--metrics-url",
        &metrics,
        "--prometheus-url",
        &prometheus.url(),
    ]));
    let (readable, message) = run.check("exposition/readable");
    let (verdict, says) = match scraper() {
        Scraper::Prometheus2 => ("fail", "Prometheus 2 refuses the whole scrape: line 1"),
        Scraper::Prometheus3 => ("pass", "Prometheus 3 takes 2 samples"),
    };
    assert_eq!(readable, verdict, "{message}");
    assert!(message.contains(says), "{message}");
}

seamless_lab::on_both_generations!(
    the_prometheus_that_is_named_decides,
    mutated_documents_are_judged_as_the_scraper_does,
    verdicts_are_the_scrapers,
    content_types_are_judged_as_the_scraper_does
);
