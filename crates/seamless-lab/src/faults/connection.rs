//! One connection: requests read, behaviours carried out.

use std::future;
use std::io::{self, ErrorKind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::{Behaviour, FaultsState, Reply, ReplyPlan};
use crate::received::Received;

const MOST_HEADERS: usize = 64;
const LONGEST_HEAD: usize = 64 * 1024;

/// Whether the connection is to be read from again.
#[derive(PartialEq)]
enum Then {
    KeepAlive,
    Close,
}

pub(super) async fn serve(mut stream: TcpStream, shared: Arc<FaultsState>) {
    let mut buffer = Vec::new();
    // An error means that the client went away, which is its right.
    while let Ok(Then::KeepAlive) = one_request(&mut stream, &mut buffer, &shared).await {}
}

async fn one_request(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    shared: &FaultsState,
) -> io::Result<Then> {
    if buffer.is_empty() && stream.peek(&mut [0]).await? == 0 {
        return Ok(Then::Close);
    }
    let number = shared.requests.fetch_add(1, Ordering::SeqCst);
    let counted = InFlight::enter(shared);
    let behaviour = match &shared.plan {
        ReplyPlan::Sequence(behaviours) => {
            let behaviour = behaviours.get(number).or(behaviours.last()).cloned();
            if behaviour == Some(Behaviour::ResetBeforeReading) {
                return reset(stream);
            }
            let request = read_request(stream, buffer).await?;
            keep(shared, request);
            behaviour.unwrap_or(Behaviour::CloseWithoutAnswer)
        }
        ReplyPlan::Choose(choose) => {
            let request = read_request(stream, buffer).await?;
            let behaviour = choose(&request, number);
            if behaviour == Behaviour::ResetBeforeReading {
                return reset(stream);
            }
            keep(shared, request);
            behaviour
        }
    };
    carry_out(stream, behaviour, counted).await
}

fn keep(shared: &FaultsState, request: Received) {
    shared
        .received
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(request);
}

/// Counts a request for as long as it is being answered.
struct InFlight<'s>(&'s FaultsState);

impl<'s> InFlight<'s> {
    fn enter(shared: &'s FaultsState) -> Self {
        let now = shared.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        shared.peak_in_flight.fetch_max(now, Ordering::SeqCst);
        Self(shared)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Reads one request with its `Content-Length` body; what follows it stays in `buffer`.
async fn read_request(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<Received> {
    loop {
        if let Some((mut request, head, length)) = parse_head(buffer)? {
            while buffer.len() < head + length {
                fill(stream, buffer).await?;
            }
            request.body = buffer[head..head + length].to_vec();
            buffer.drain(..head + length);
            return Ok(request);
        }
        if buffer.len() > LONGEST_HEAD {
            return Err(ErrorKind::InvalidData.into());
        }
        fill(stream, buffer).await?;
    }
}

async fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
    match stream.read_buf(buffer).await? {
        0 => Err(ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// The request without its body, the length of its head, and the length of its body.
fn parse_head(bytes: &[u8]) -> io::Result<Option<(Received, usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let head = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(io::Error::new(ErrorKind::InvalidData, error)),
    };
    let target = origin_form(parsed.path.unwrap_or_default());
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    let request = Received {
        method: parsed.method.unwrap_or_default().to_owned(),
        path: path.to_owned(),
        query,
        headers: parsed
            .headers
            .iter()
            .map(|header| {
                let value = String::from_utf8_lossy(header.value).into_owned();
                (header.name.to_lowercase(), value)
            })
            .collect(),
        body: Vec::new(),
    };
    let length = request
        .header("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    Ok(Some((request, head, length)))
}

/// The path and query alone: a proxy is sent the whole URL (RFC 9112, 3.2.2).
fn origin_form(target: &str) -> &str {
    match target.split_once("://") {
        Some((_, rest)) if !target.starts_with('/') => {
            rest.find('/').map_or("/", |path| &rest[path..])
        }
        _ => target,
    }
}

async fn carry_out(
    stream: &mut TcpStream,
    behaviour: Behaviour,
    counted: InFlight<'_>,
) -> io::Result<Then> {
    match behaviour {
        Behaviour::Reply(reply) => {
            sleep(reply.delay).await;
            // Once it is out, the client may have sent the next one already.
            drop(counted);
            stream.write_all(&whole(&reply)).await?;
            return Ok(Then::KeepAlive);
        }
        Behaviour::ResetBeforeReading | Behaviour::ResetAfterReading => return reset(stream),
        Behaviour::CloseWithoutAnswer => {}
        Behaviour::HangBeforeHeaders => hang(stream).await?,
        Behaviour::HangWithinHeaders(reply) => {
            let head = head(&reply, Some(reply.body.len()));
            stream.write_all(&head[..head.len() / 2]).await?;
            hang(stream).await?;
        }
        Behaviour::HangInBody(reply) => {
            stream
                .write_all(&head(&reply, Some(reply.body.len())))
                .await?;
            stream.write_all(half(&reply.body)).await?;
            hang(stream).await?;
        }
        Behaviour::Dribble(reply, pause) => {
            for byte in whole(&reply) {
                stream.write_all(&[byte]).await?;
                sleep(pause).await;
            }
        }
        Behaviour::EndlessBody => {
            let reply = Reply::status(200).header("Content-Type", "application/json");
            stream.write_all(&head(&reply, None)).await?;
            // Ends when the client has had enough and closes.
            loop {
                stream.write_all(&[b' '; 16 * 1024]).await?;
            }
        }
        Behaviour::Truncated(reply) => {
            stream
                .write_all(&head(&reply, Some(reply.body.len())))
                .await?;
            stream.write_all(half(&reply.body)).await?;
        }
        Behaviour::CutOff(reply) => {
            stream.write_all(&head(&reply, None)).await?;
            stream.write_all(half(&reply.body)).await?;
        }
        Behaviour::Garbage(bytes) => stream.write_all(&bytes).await?,
    }
    stream.shutdown().await?;
    Ok(Then::Close)
}

/// Until the client gives up.
async fn hang(stream: &mut TcpStream) -> io::Result<()> {
    while stream.read(&mut [0; 1024]).await? > 0 {}
    // Half-closed clients still wait for an answer.
    future::pending().await
}

fn reset(stream: &TcpStream) -> io::Result<Then> {
    stream.set_zero_linger()?;
    Ok(Then::Close)
}

fn half(body: &[u8]) -> &[u8] {
    &body[..body.len() / 2]
}

/// The status line and headers; without a length the connection's end is the body's.
fn head(reply: &Reply, length: Option<usize>) -> Vec<u8> {
    let mut lines = vec![format!(
        "HTTP/1.1 {} {}",
        reply.status,
        reason(reply.status)
    )];
    lines.extend(
        reply
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}")),
    );
    lines.push(match length {
        Some(length) => format!("Content-Length: {length}"),
        None => "Connection: close".to_owned(),
    });
    (lines.join("\r\n") + "\r\n\r\n").into_bytes()
}

fn whole(reply: &Reply) -> Vec<u8> {
    let mut bytes = head(reply, Some(reply.body.len()));
    bytes.extend(&reply.body);
    bytes
}

fn reason(status: u16) -> String {
    axum::http::StatusCode::from_u16(status)
        .ok()
        .and_then(|status| status.canonical_reason())
        .unwrap_or("Unknown")
        .to_owned()
}
