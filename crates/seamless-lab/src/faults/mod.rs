//! A server that misbehaves byte by byte.
//!
//! Owns a raw TCP listener that reads HTTP/1.1 requests, keeps them, and answers each as it was told:
//! politely, not at all, in part, too slowly, without end. A polite HTTP library cannot do these
//! things, so the bytes are written by hand.

pub mod catalogue;
mod connection;
mod matrix;
pub mod secrets;
mod subject;
mod surroundings;
mod tls;
mod trial;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

use crate::background;
use crate::received::Received;
use crate::serving::ANY_PORT;
pub use matrix::FaultMatrix;
pub use subject::{FAKETIME, Subject, clock_of};
pub use surroundings::{bare, signalled, signalled_once};
pub use tls::{Certificate, TlsServer};
pub use trial::Trial;

/// What one request gets.
#[derive(Debug, Clone, PartialEq)]
pub enum Behaviour {
    /// A whole answer; the connection stays open.
    Reply(Reply),
    /// The connection is reset before a byte of the request is read; the request is not kept. (Where
    /// the behaviour depends on the request, it is read all the same.)
    ResetBeforeReading,
    /// The request is read, then the connection is reset.
    ResetAfterReading,
    /// The request is read, then the connection is closed without an answer.
    CloseWithoutAnswer,
    /// The request is read, and nothing ever comes.
    HangBeforeHeaders,
    /// Half the headers, then nothing.
    HangWithinHeaders(Reply),
    /// The headers and half the body, then nothing.
    HangInBody(Reply),
    /// The answer, one byte at a time with that pause between.
    Dribble(Reply, Duration),
    /// Headers without a length, and a body that never ends.
    EndlessBody,
    /// The headers with the length of the body and half of it, then the connection closes.
    Truncated(Reply),
    /// Headers without a length and half the body, then the connection closes: by HTTP's rules a whole
    /// answer.
    CutOff(Reply),
    /// Bytes that are not HTTP.
    Garbage(Vec<u8>),
}

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    delay: Duration,
}

impl Reply {
    /// That status with an empty body.
    #[must_use]
    pub const fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            delay: Duration::ZERO,
        }
    }

    /// 200 with a JSON body.
    #[must_use]
    pub fn json(body: &str) -> Self {
        Self::status(200)
            .header("Content-Type", "application/json")
            .body(body)
    }

    /// What Prometheus answers when it has `data`.
    #[must_use]
    pub fn prometheus(data: &serde_json::Value) -> Self {
        Self::json(&serde_json::json!({ "status": "success", "data": data }).to_string())
    }

    /// 200 with an HTML page, as a login page or a proxy would answer.
    #[must_use]
    pub fn html() -> Self {
        Self::status(200)
            .header("Content-Type", "text/html; charset=utf-8")
            .body("<!DOCTYPE html><html><head><title>Sign in</title></head><body>Sign in</body></html>")
    }

    /// A 302 to `location`.
    #[must_use]
    pub fn redirect(location: &str) -> Self {
        Self::status(302).header("Location", location)
    }

    /// The same with a further header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The same with `Retry-After`.
    #[must_use]
    pub fn retry_after(self, seconds: u32) -> Self {
        self.header("Retry-After", &seconds.to_string())
    }

    /// The same with that body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Rewrites its body, if that is text.
    #[must_use]
    pub fn rewritten(mut self, rewrite: impl FnOnce(&str) -> String) -> Self {
        if let Ok(text) = std::str::from_utf8(&self.body) {
            self.body = rewrite(text).into_bytes();
        }
        self
    }

    /// The same, that much later.
    #[must_use]
    pub const fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

impl From<Reply> for Behaviour {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

type Chooser = dyn Fn(&Received, usize) -> Behaviour + Send + Sync;

enum ReplyPlan {
    /// The n-th request gets the n-th; the last one repeats.
    Sequence(Vec<Behaviour>),
    /// From the request and how many came before it.
    Choose(Box<Chooser>),
}

struct FaultsState {
    plan: ReplyPlan,
    requests: AtomicUsize,
    connections: AtomicUsize,
    in_flight: AtomicUsize,
    peak_in_flight: AtomicUsize,
    received: Mutex<Vec<Received>>,
}

/// A running server; gone, connections included, when dropped.
pub struct Faults {
    address: SocketAddr,
    shared: Arc<FaultsState>,
    accepting: JoinHandle<()>,
}

impl Faults {
    /// Every request gets the same.
    ///
    /// # Errors
    /// If no port is free.
    pub fn always(behaviour: impl Into<Behaviour>) -> Result<Self> {
        Self::start(ReplyPlan::Sequence(vec![behaviour.into()]))
    }

    /// The n-th request gets the n-th behaviour; the last one repeats.
    ///
    /// # Errors
    /// If no port is free.
    pub fn sequence(behaviours: impl IntoIterator<Item = Behaviour>) -> Result<Self> {
        Self::start(ReplyPlan::Sequence(behaviours.into_iter().collect()))
    }

    /// Each request gets what `choose` says of it and of how many came before it.
    ///
    /// # Errors
    /// If no port is free.
    pub fn choose(
        choose: impl Fn(&Received, usize) -> Behaviour + Send + Sync + 'static,
    ) -> Result<Self> {
        Self::start(ReplyPlan::Choose(Box::new(choose)))
    }

    /// The same, on `[::1]`.
    ///
    /// # Errors
    /// If the system has no IPv6.
    pub fn choose_over_ipv6(
        choose: impl Fn(&Received, usize) -> Behaviour + Send + Sync + 'static,
    ) -> Result<Self> {
        let address = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0);
        Self::listen(address, ReplyPlan::Choose(Box::new(choose)))
    }

    fn start(plan: ReplyPlan) -> Result<Self> {
        Self::listen(ANY_PORT, plan)
    }

    fn listen(address: SocketAddr, plan: ReplyPlan) -> Result<Self> {
        let listener =
            background::run(TcpListener::bind(address))?.context("no free port to listen on")?;
        let address = listener.local_addr().context("no local address")?;
        let shared = Arc::new(FaultsState {
            plan,
            requests: AtomicUsize::new(0),
            connections: AtomicUsize::new(0),
            in_flight: AtomicUsize::new(0),
            peak_in_flight: AtomicUsize::new(0),
            received: Mutex::default(),
        });
        let accepting = background::spawn(accept(listener, Arc::clone(&shared)))?;
        Ok(Self {
            address,
            shared,
            accepting,
        })
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request read, oldest first.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        self.shared
            .received
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// How many connections were accepted.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The most requests that were being answered at the same time.
    #[must_use]
    pub fn peak_in_flight(&self) -> usize {
        self.shared.peak_in_flight.load(Ordering::SeqCst)
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        // Connections are children of this task and end with it.
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<FaultsState>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    shared.connections.fetch_add(1, Ordering::SeqCst);
                    connections.spawn(connection::serve(stream, Arc::clone(&shared)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// A port that refuses connections for as long as this lives: bound, so that nobody else gets it, and
/// never listened on.
#[derive(Debug)]
pub struct Refusing {
    socket: TcpSocket,
}

impl Refusing {
    /// Takes a port.
    ///
    /// # Errors
    /// If no port is free.
    pub fn start() -> Result<Self> {
        let socket = background::run(async {
            let socket = TcpSocket::new_v4()?;
            socket.bind(ANY_PORT)?;
            Ok::<_, std::io::Error>(socket)
        })?
        .context("no free port")?;
        Ok(Self { socket })
    }

    /// The URL at which nothing listens.
    ///
    /// # Errors
    /// If the system does not tell the port.
    pub fn url(&self) -> Result<String> {
        Ok(format!("http://{}", self.socket.local_addr()?))
    }
}
