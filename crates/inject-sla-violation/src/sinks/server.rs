//! A temporary HTTP server that shows the newest snapshot.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use seamless_cli::UsageError;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::file_sd::FileSd;
use super::negotiation::negotiate;
use super::{SinkError, Snapshot, protobuf};
use crate::document;
use crate::request::{Histograms, Request, Serve};
use crate::series::SeriesFamily;

/// How long scrapes under way may take to end when the drill is over.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a client may take to say what it wants.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait for others to close something when no connection can be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

const ONLY_NATIVE: &str = "this drill has native histograms only, which need protobuf: set scrape_native_histograms: \
    true in the scrape configuration (Prometheus 3), or give --histograms both\n";
const LANDING_PAGE: &str = "<!doctype html>\n<html lang=\"en\"><head><title>inject-sla-violation</title></head>\n\
    <body><h1>inject-sla-violation</h1><p>Synthetic series of a drill: <a href=\"/metrics\">/metrics</a></p></body></html>\n";

/// The server, and its entry in a service discovery file.
pub(crate) struct ServerSink {
    /// What scrapers reach it by.
    address: String,
    snapshots: watch::Sender<Snapshot>,
    scrapes: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    file_sd: Option<FileSd>,
}

#[derive(Clone)]
struct ServerState {
    snapshots: watch::Receiver<Snapshot>,
    scrapes: Arc<AtomicU64>,
    request: Arc<Request>,
}

impl ServerSink {
    /// Listens, serves `first`, and announces itself if asked to.
    pub(super) async fn open(
        serve: &Serve,
        request: &Request,
        first: Snapshot,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((serve.host.as_str(), serve.port))
            .await
            .map_err(|error| refused(serve, &error))?;
        let bound = listener.local_addr().context("cannot listen")?;
        let address = match &serve.advertise {
            Some(advertise) => advertise.with_port(bound.port()),
            None => reachable(bound),
        };
        let (snapshots, newest) = watch::channel(first);
        let scrapes = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = oneshot::channel();
        let router = Router::new()
            .route("/", get(async || Html(LANDING_PAGE)))
            .route("/metrics", get(metrics))
            .with_state(ServerState {
                snapshots: newest,
                scrapes: Arc::clone(&scrapes),
                request: Arc::new(request.clone()),
            });
        let task = tokio::spawn(accept(listener, router, stopped));
        let file_sd = serve
            .file_sd
            .as_ref()
            .map(|path| FileSd::write(path, &address, &request.drill_id))
            .transpose()?;
        Ok(Self {
            address,
            snapshots,
            scrapes,
            stop: Some(stop),
            task,
            file_sd,
        })
    }

    pub(super) fn target(&self) -> String {
        format!("http://{}/metrics", self.address)
    }

    pub(super) fn scrapes(&self) -> u64 {
        self.scrapes.load(Ordering::Relaxed)
    }

    pub(super) fn show(&self, snapshot: &Snapshot) {
        self.snapshots.send_replace(snapshot.clone());
    }

    pub(super) async fn close(&mut self) -> Result<(), SinkError> {
        let removed = match self.file_sd.take() {
            Some(file_sd) => file_sd.remove().map_err(|error| SinkError {
                doing: "cannot remove the drill's target from",
                target: error.path.display().to_string(),
                problem: error.source.to_string(),
                lasting: true,
            }),
            None => Ok(()),
        };
        drop(self.stop.take());
        if tokio::time::timeout(PATIENCE, &mut self.task)
            .await
            .is_err()
        {
            self.task.abort();
        }
        removed
    }
}

/// Checks that the address can be listened on, and the service discovery file written.
pub(super) fn check(serve: &Serve, drill_id: &str) -> anyhow::Result<()> {
    if let Some(path) = &serve.file_sd {
        FileSd::check(path, drill_id)?;
    }
    std::net::TcpListener::bind((serve.host.as_str(), serve.port))
        .map(drop)
        .map_err(|error| refused(serve, &error).into())
}

/// Accepts connections until the drill is over, then lets those that are at work end.
async fn accept(listener: TcpListener, router: Router, mut stopped: oneshot::Receiver<()>) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT);
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            // The sender is gone when the drill is.
            _ = &mut stopped => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_AGAIN).await;
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = http.serve_connection(TokioIo::new(stream), service);
        // What a client does wrong ends its connection and nothing else.
        tokio::spawn(connections.watch(connection));
    }
    drop(listener);
    connections.shutdown().await;
}

/// An address that listens everywhere cannot be scraped; this machine's own can.
fn reachable(address: SocketAddr) -> String {
    let mut address = address;
    if address.ip().is_unspecified() {
        let loopback: std::net::IpAddr = if address.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        };
        address.set_ip(loopback);
    }
    address.to_string()
}

fn refused(serve: &Serve, error: &io::Error) -> UsageError {
    let Serve { host, port, .. } = serve;
    let what = match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("the port is in use; give another, or --serve {host}:0 for a free one")
        }
        io::ErrorKind::PermissionDenied => "this user may not open that port".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        _ => error.to_string(),
    };
    UsageError(format!("cannot listen on {host}:{port}: {what}"))
}

async fn metrics(State(shown): State<ServerState>, method: Method, headers: HeaderMap) -> Response {
    let text = |name| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let histograms = shown.request.histograms;
    let negotiated = negotiate(&text(ACCEPT), histograms != Histograms::Classic);
    if negotiated.format.is_some() && histograms == Histograms::Native {
        return (StatusCode::NOT_ACCEPTABLE, ONLY_NATIVE).into_response();
    }
    let gzip = accepts_gzip(&text(ACCEPT_ENCODING));
    let body = if method == Method::GET {
        shown.scrapes.fetch_add(1, Ordering::Relaxed);
        let Snapshot {
            series_set, values, ..
        } = shown.snapshots.borrow().clone();
        match negotiated.format {
            Some(format) => body(document::pieces(series_set, values, format), gzip),
            None => {
                let request = Arc::clone(&shown.request);
                let labels = move |family: &SeriesFamily, group: usize, copy| {
                    let pairs = family.groups[group].pairs(&request, copy).into_iter();
                    pairs
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect()
                };
                body(
                    protobuf::pieces(series_set, values, labels, histograms),
                    gzip,
                )
            }
        }
    } else {
        Body::empty()
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    if let Ok(content_type) = HeaderValue::from_str(&negotiated.content_type) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    if gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

fn body(pieces: impl Iterator<Item = Vec<u8>> + Send + 'static, gzip: bool) -> Body {
    let pieces = pieces.map(Ok::<_, io::Error>);
    if gzip {
        Body::from_stream(stream::iter(
            packed(pieces).map(|piece| piece.map(Bytes::from)),
        ))
    } else {
        Body::from_stream(stream::iter(pieces.map(|piece| piece.map(Bytes::from))))
    }
}

/// Whether an `Accept-Encoding` header asks for gzip.
fn accepts_gzip(header: &str) -> bool {
    header.split(',').any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named = matches!(parts.next(), Some("gzip" | "x-gzip"));
        let refused = parts.any(|part| {
            let quality = part.strip_prefix("q=").map(str::parse::<f64>);
            matches!(quality, Some(Ok(0.0)))
        });
        named && !refused
    })
}

/// The pieces, packed one by one: a document of any size needs no more memory than one piece.
fn packed(
    pieces: impl Iterator<Item = io::Result<Vec<u8>>>,
) -> impl Iterator<Item = io::Result<Vec<u8>>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut pieces = pieces.fuse();
    let mut over = false;
    std::iter::from_fn(move || {
        while !over {
            let written = match pieces.next() {
                Some(piece) => piece.and_then(|piece| encoder.write_all(&piece)),
                None => {
                    over = true;
                    encoder.try_finish()
                }
            };
            if let Err(error) = written {
                over = true;
                return Some(Err(error));
            }
            if !encoder.get_ref().is_empty() {
                return Some(Ok(std::mem::take(encoder.get_mut())));
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_used_where_it_is_wanted() {
        for (header, wanted) in [
            ("gzip", true),
            ("deflate, gzip;q=0.5", true),
            ("x-gzip", true),
            ("gzip;q=0", false),
            ("identity", false),
            ("", false),
        ] {
            assert_eq!(accepts_gzip(header), wanted, "{header}");
        }
    }
}
