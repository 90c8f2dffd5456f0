//! An embedded axum server: bound to a free port of 127.0.0.1, stopped on drop.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::background;

/// A running server. Dropping it closes the port and lets requests in flight finish.
#[derive(Debug)]
pub(crate) struct Serving {
    address: SocketAddr,
    // Dropping the sender is the signal to stop.
    _stop: oneshot::Sender<()>,
}

impl Serving {
    /// Serves `router` on `address`; port 0 takes a free one.
    pub(crate) fn start(address: SocketAddr, router: Router) -> Result<Self> {
        let listener = background::run(TcpListener::bind(address))?
            .with_context(|| format!("cannot listen on {address}"))?;
        let address = listener.local_addr().context("no local address")?;
        let (stop, stopped) = oneshot::channel::<()>();
        background::spawn(async move {
            let server = axum::serve(listener, router).with_graceful_shutdown(async move {
                let _ = stopped.await;
            });
            // The server ends only by that signal; accept errors are retried inside.
            let _ = server.await;
        })?;
        Ok(Self {
            address,
            _stop: stop,
        })
    }

    /// Where it listens.
    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// A free port of 127.0.0.1.
pub(crate) const ANY_PORT: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);
