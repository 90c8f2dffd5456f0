//! Every fault there is a name for, to be laid over the answers of any service.
//!
//! Owns the list and how each fault turns a polite answer into what is sent instead. What a program
//! should conclude is not its business: that is in the program's own fault matrix.

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::tls::{Certificate, TlsServer};
use super::{Behaviour, Faults, Refusing, Reply};
use crate::received::Received;

/// One way of misbehaving.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// What it is called in tables.
    pub name: &'static str,
    kind: FaultKind,
}

#[derive(Debug, Clone, Copy)]
enum FaultKind {
    /// What the n-th request gets instead of the polite answer.
    Answers(fn(Reply, usize) -> Behaviour),
    Refuses,
    HasNoName,
    Shows(Certificate),
}

/// Faults that a client gets over, or that are none to it.
const HARMLESS: [&str; 5] = [
    "reset once, then fine",
    "HTTP/1.0",
    "100 Continue first",
    "429 with Retry-After, then fine",
    "503 once, then fine",
];
const BOMB: &str = "gzip bomb";
const BYTE_EVERY: Duration = Duration::from_millis(250);

const fn answers(name: &'static str, change: fn(Reply, usize) -> Behaviour) -> Fault {
    Fault {
        name,
        kind: FaultKind::Answers(change),
    }
}

const fn of(name: &'static str, kind: FaultKind) -> Fault {
    Fault { name, kind }
}

fn status(status: u16) -> Behaviour {
    Reply::status(status).into()
}

fn with_body(polite: &Reply, body: impl Into<Vec<u8>>) -> Behaviour {
    polite.clone().body(body).into()
}

fn raw(head: &str, polite: &Reply) -> Behaviour {
    let mut bytes = head.as_bytes().to_vec();
    bytes.extend(&polite.body);
    Behaviour::Garbage(bytes)
}

/// The polite body inside of more arrays than any parser goes into.
fn nested(polite: &Reply) -> Behaviour {
    let depth = 100_000;
    let body = ["[".repeat(depth), "1".to_owned(), "]".repeat(depth)].concat();
    with_body(polite, body)
}

/// The polite body with every member twice, the second one `null`.
fn doubled(polite: &Reply) -> Behaviour {
    let text = String::from_utf8_lossy(&polite.body);
    let members = text.trim().strip_prefix('{').unwrap_or_default();
    let names = text.split('"').nth(1).unwrap_or("x");
    with_body(polite, format!("{{\"{names}\":null,{members}"))
}

/// Blanks that unpack to a thousand times what was sent. Packing them takes seconds, so it is done once.
fn bomb(polite: &Reply) -> Behaviour {
    static PACKED: OnceLock<Vec<u8>> = OnceLock::new();
    let packed = PACKED.get_or_init(|| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        let blanks = [b' '; 1024 * 1024];
        // Writing to memory does not fail.
        let written = (0..96).try_for_each(|_| encoder.write_all(&blanks));
        written.and_then(|()| encoder.finish()).unwrap_or_default()
    });
    polite
        .clone()
        .header("Content-Encoding", "gzip")
        .body(packed.clone())
        .into()
}

/// Every fault.
pub const CATALOGUE: [Fault; 44] = [
    of("connection refused", FaultKind::Refuses),
    of("the name does not resolve", FaultKind::HasNoName),
    of(
        "TLS: certificate for another name",
        FaultKind::Shows(Certificate::OtherName),
    ),
    of(
        "TLS: certificate expired",
        FaultKind::Shows(Certificate::Expired),
    ),
    of(
        "TLS: unknown authority",
        FaultKind::Shows(Certificate::UnknownAuthority),
    ),
    answers("reset", |_, _| Behaviour::ResetAfterReading),
    answers("reset once, then fine", |polite, number| match number {
        0 => Behaviour::ResetAfterReading,
        _ => polite.into(),
    }),
    answers("closed without an answer", |_, _| {
        Behaviour::CloseWithoutAnswer
    }),
    answers("hangs before the headers", |_, _| {
        Behaviour::HangBeforeHeaders
    }),
    answers("hangs within the headers", |polite, _| {
        Behaviour::HangWithinHeaders(polite)
    }),
    answers("hangs within the body", |polite, _| {
        // An empty body has no within.
        Behaviour::HangInBody(if polite.body.is_empty() {
            polite.body("{}")
        } else {
            polite
        })
    }),
    answers("a byte every quarter of a second", |polite, _| {
        Behaviour::Dribble(polite, BYTE_EVERY)
    }),
    answers("endless body", |_, _| Behaviour::EndlessBody),
    answers(BOMB, |polite, _| bomb(&polite)),
    answers("cut off before the announced end", |polite, _| {
        Behaviour::Truncated(if polite.body.is_empty() {
            polite.body("{}")
        } else {
            polite
        })
    }),
    answers("cut off, the connection being the end", |polite, _| {
        Behaviour::CutOff(if polite.body.is_empty() {
            polite.body("{}")
        } else {
            polite
        })
    }),
    answers("not HTTP", |_, _| {
        Behaviour::Garbage(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec())
    }),
    answers("HTTP/2 only", |_, _| {
        Behaviour::Garbage(b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64".to_vec())
    }),
    answers("HTTP/1.0", |polite, _| {
        raw(
            "HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n",
            &polite,
        )
    }),
    answers("100 Continue first", |polite, _| {
        raw(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n",
            &polite,
        )
    }),
    answers("101 Switching Protocols", |_, _| status(101)),
    answers("302 to a login page", |_, _| {
        Reply::redirect("https://login.example/?next=secret").into()
    }),
    answers("400", |_, _| status(400)),
    answers("401", |_, _| status(401)),
    answers("403 with an HTML page", |_, _| {
        Reply::status(403)
            .header("Content-Type", "text/html")
            .body("<html>Forbidden</html>")
            .into()
    }),
    answers("404", |_, _| status(404)),
    answers("404 with an HTML page", |_, _| {
        Reply::status(404)
            .header("Content-Type", "text/html")
            .body("<h1>nginx</h1>")
            .into()
    }),
    answers("409", |_, _| status(409)),
    answers("429", |_, _| status(429)),
    answers(
        "429 with Retry-After, then fine",
        |polite, number| match number {
            0 => Reply::status(429).retry_after(1).into(),
            _ => polite.into(),
        },
    ),
    answers("500", |_, _| status(500)),
    answers("500 with words that move the cursor", |_, _| {
        Reply::status(500)
            .header("Content-Type", "application/json")
            .body(r#"{"error":"\u001b[2J\u001b]0;gone\u0007\nboom"}"#)
            .into()
    }),
    answers("503", |_, _| status(503)),
    answers("503 once, then fine", |polite, number| match number {
        0 => status(503),
        _ => polite.into(),
    }),
    answers("200 with an HTML page", |_, _| Reply::html().into()),
    answers("200 with an empty body", |_, _| status(200)),
    answers("200 with plain text", |_, _| {
        Reply::status(200)
            .header("Content-Type", "text/plain")
            .body("fine, thanks")
            .into()
    }),
    answers("200 with half of the JSON", |polite, _| {
        with_body(&polite, &polite.body[..polite.body.len() / 2])
    }),
    answers("200 with another program's JSON", |polite, _| {
        with_body(&polite, r#"{"a":[1]}"#)
    }),
    answers("200 with deeply nested JSON", |polite, _| nested(&polite)),
    answers("200 with a member twice", |polite, _| doubled(&polite)),
    answers("200 with bytes that are not UTF-8", |polite, _| {
        with_body(&polite, b"{\"a\":\"\xff\xfe\"".to_vec())
    }),
    answers("200 with NaN and huge numbers", |polite, _| {
        with_body(&polite, r#"{"status":"success","data":NaN,"leases":1e999}"#)
    }),
    answers("200 with two thousand headers", |polite, _| {
        (0..2000)
            .fold(polite, |reply, n| reply.header(&format!("X-{n}"), "y"))
            .into()
    }),
];

/// A server with a fault, gone when dropped.
pub struct Faulty {
    url: String,
    arguments: Vec<String>,
    running: Running,
}

enum Running {
    Faults(Faults),
    Refusing(#[expect(dead_code, reason = "holds the port")] Refusing),
    Tls(#[expect(dead_code, reason = "holds the port and the file")] TlsServer),
    Nothing,
}

impl Fault {
    /// Whether a client gets over it, or it is none to a client.
    #[must_use]
    pub fn is_harmless(self) -> bool {
        HARMLESS.contains(&self.name)
    }

    /// The fault called `name`.
    ///
    /// # Errors
    /// If there is none.
    pub fn named(name: &str) -> Result<Self> {
        CATALOGUE
            .iter()
            .find(|fault| fault.name == name)
            .copied()
            .ok_or_else(|| anyhow!("no fault is called {name:?}"))
    }

    /// What the `number`-th request gets instead of the polite answer; `None` where no connection is made.
    #[must_use]
    pub fn behaviour(self, polite: Reply, number: usize) -> Option<Behaviour> {
        match self.kind {
            FaultKind::Answers(change) => Some(change(polite, number)),
            FaultKind::Refuses | FaultKind::HasNoName | FaultKind::Shows(_) => None,
        }
    }

    /// Starts a server that would answer each request with what `polite` says, had it not this fault.
    ///
    /// # Errors
    /// If no port is free.
    pub fn start(
        self,
        polite: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Result<Faulty> {
        self.start_at(|_| true, polite)
    }

    /// Starts a server that has this fault where `at` says so, and is well elsewhere. What keeps a
    /// connection from being made is everywhere.
    ///
    /// # Errors
    /// If no port is free.
    pub fn start_at(
        self,
        at: impl Fn(&Received) -> bool + Send + Sync + 'static,
        polite: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Result<Faulty> {
        let faulty = |url: String, arguments: Vec<String>, running| Faulty {
            url,
            arguments,
            running,
        };
        Ok(match self.kind {
            FaultKind::Answers(change) => {
                if self.name == BOMB {
                    bomb(&Reply::status(200));
                }
                let so_far = AtomicUsize::new(0);
                let faults = Faults::choose(move |request, _| {
                    let reply = polite(request);
                    if at(request) {
                        change(reply, so_far.fetch_add(1, Ordering::SeqCst))
                    } else {
                        reply.into()
                    }
                })?;
                faulty(faults.url(), Vec::new(), Running::Faults(faults))
            }
            FaultKind::Refuses => {
                let refusing = Refusing::start()?;
                faulty(refusing.url()?, Vec::new(), Running::Refusing(refusing))
            }
            FaultKind::HasNoName => {
                // Never resolves (RFC 6761).
                faulty(
                    "http://nothing.invalid".to_owned(),
                    Vec::new(),
                    Running::Nothing,
                )
            }
            FaultKind::Shows(certificate) => {
                let server = TlsServer::start(certificate)?;
                let authority = server.authority_file().display().to_string();
                let arguments = vec!["--ca-cert".to_owned(), authority];
                faulty(server.url(), arguments, Running::Tls(server))
            }
        })
    }
}

impl Faulty {
    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Further arguments that the program under test needs to get as far as the fault.
    #[must_use]
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// Every request that was read, oldest first.
    #[must_use]
    pub fn received(&self) -> Vec<Received> {
        match &self.running {
            Running::Faults(faults) => faults.received(),
            Running::Refusing(_) | Running::Tls(_) | Running::Nothing => Vec::new(),
        }
    }
}
