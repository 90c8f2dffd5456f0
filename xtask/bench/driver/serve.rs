//! Servers that must not be the bottleneck: fixed answers, and a delay in front of a real server.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

const RELEASED: &[u8] = br#"{"completion_ratio":0.5}"#;

fn run<F: Future<Output = Result<()>>>(future: F) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, future)
}

async fn listen() -> Result<TcpListener> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    Ok(listener)
}

/// Answers every request alike until it is killed.
pub(crate) fn answers(latency: Duration, body: Option<Vec<u8>>) -> Result<()> {
    let body = body.unwrap_or_else(|| RELEASED.to_vec());
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let answer: Rc<[u8]> = [head.into_bytes(), body].concat().into();
    run(async move {
        let listener = listen().await?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            // An error means that the client went away, which is its right.
            tokio::task::spawn_local(answer_all(stream, latency, Rc::clone(&answer)));
        }
    })
}

async fn answer_all(mut stream: TcpStream, latency: Duration, answer: Rc<[u8]>) -> Result<()> {
    let mut buffer = Vec::with_capacity(16 * 1024);
    while stream.read_buf(&mut buffer).await? > 0 {
        while let Some(length) = request_length(&buffer) {
            buffer.drain(..length);
            after(latency).await;
            stream.write_all(&answer).await?;
        }
    }
    Ok(())
}

/// Waits for so long and hardly longer. The runtime's timers round up to whole milliseconds, twice: with
/// them alone an answer after 20 ms takes up to 22.
async fn after(latency: Duration) {
    const ROUNDED: Duration = Duration::from_millis(2);
    let due = Instant::now() + latency;
    if latency > ROUNDED {
        tokio::time::sleep(latency - ROUNDED).await;
    }
    while Instant::now() < due {
        tokio::task::yield_now().await;
    }
}

/// The length of the first request in the buffer, if it is whole.
fn request_length(buffer: &[u8]) -> Option<usize> {
    let head = buffer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let body = buffer[..head]
        .split(|byte| *byte == b'\n')
        .find_map(|line| {
            let (name, value) = line.split_at_checked(15)?;
            let is_length = name.eq_ignore_ascii_case(b"content-length:");
            let value = std::str::from_utf8(value).ok()?;
            is_length.then(|| value.trim().parse::<usize>().ok())?
        })
        .unwrap_or(0);
    (buffer.len() >= head + body).then_some(head + body)
}

/// Passes bytes on; each burst from a client waits, what the server says does not.
pub(crate) fn delayed(upstream: &str, latency: Duration) -> Result<()> {
    let upstream = upstream.to_owned();
    run(async move {
        let listener = listen().await?;
        loop {
            let (client, _) = listener.accept().await?;
            client.set_nodelay(true)?;
            let server = TcpStream::connect(&upstream).await?;
            server.set_nodelay(true)?;
            tokio::task::spawn_local(pass_on(client, server, latency));
        }
    })
}

async fn pass_on(client: TcpStream, server: TcpStream, latency: Duration) -> Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let back =
        tokio::task::spawn_local(
            async move { tokio::io::copy(&mut from_server, &mut to_client).await },
        );
    let mut burst = Vec::with_capacity(64 * 1024);
    while from_client.read_buf(&mut burst).await? > 0 {
        after(latency).await;
        // What arrived meanwhile is of the same request.
        while matches!(from_client.try_read_buf(&mut burst), Ok(read) if read > 0) {}
        to_server.write_all(&burst).await?;
        burst.clear();
    }
    back.abort();
    Ok(())
}
