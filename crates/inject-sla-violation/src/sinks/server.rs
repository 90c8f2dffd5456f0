//! A temporary HTTP server that shows the newest snapshot.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use seamless_cli::UsageError;
use seamless_core::exposition::Format;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use super::file_sd::FileSd;
use super::{SinkError, Snapshot};
use crate::document;
use crate::request::{Request, Serve};

/// How long scrapes under way may take to end when the drill is over.
const PATIENCE: Duration = Duration::from_secs(2);

/// The server, and its file_sd.
pub(crate) struct Server {
    address: SocketAddr,
    snapshots: watch::Sender<Snapshot>,
    scrapes: Arc<AtomicU64>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
    file_sd: Option<FileSd>,
}

#[derive(Clone)]
struct Shown {
    snapshots: watch::Receiver<Snapshot>,
    scrapes: Arc<AtomicU64>,
}

impl Server {
    /// Listens, serves `first`, and announces itself if asked to.
    pub(super) async fn open(
        serve: &Serve,
        request: &Request,
        first: Snapshot,
    ) -> anyhow::Result<Self> {
        if let Some(path) = &serve.file_sd {
            FileSd::check(path)?;
        }
        let listener = TcpListener::bind((serve.host.as_str(), serve.port))
            .await
            .map_err(|error| refused(serve, &error))?;
        let address = listener.local_addr().context("cannot listen")?;
        let (snapshots, newest) = watch::channel(first);
        let scrapes = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = oneshot::channel();
        let router = Router::new()
            .route("/metrics", get(metrics))
            .with_state(Shown {
                snapshots: newest,
                scrapes: Arc::clone(&scrapes),
            });
        let task = tokio::spawn(async move {
            let over = async {
                // The sender is gone when the drill is.
                let _ = stopped.await;
            };
            // Accepting never fails for good; the result carries nothing.
            let _ = axum::serve(listener, router)
                .with_graceful_shutdown(over)
                .await;
        });
        let file_sd = serve
            .file_sd
            .as_ref()
            .map(|path| FileSd::write(path, &reachable(address), &request.drill_id))
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
        format!("http://{}/metrics", reachable(self.address))
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
                doing: "cannot remove",
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

async fn metrics(State(shown): State<Shown>, headers: HeaderMap) -> Response {
    let accept = headers
        .get(ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let format = Format::from_accept(accept);
    let snapshot = shown.snapshots.borrow().clone();
    shown.scrapes.fetch_add(1, Ordering::Relaxed);
    let pieces = document::pieces(snapshot.series_set, snapshot.values, format)
        .map(|piece| Ok::<_, io::Error>(Bytes::from(piece)));
    let mut response = Body::from_stream(stream::iter(pieces)).into_response();
    let content_type = HeaderValue::from_static(format.content_type());
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
