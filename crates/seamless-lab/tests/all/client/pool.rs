//! Connections that are kept, shared, and closed by the other side.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use seamless_core::http::{HttpRequest, SHORT_BODY_LIMIT};
use seamless_lab::faults::{Faults, Reply};

use super::{client, endpoint, options};

fn read_head(stream: &mut TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() == 1 {
        head.push(byte[0]);
    }
}

/// Answers one request per connection as if to keep it, then closes it and says so.
fn closes_idle_connections(requests: usize) -> (String, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (closed, is_closed) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming().take(requests) {
            let mut stream = stream.unwrap();
            read_head(&mut stream);
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                .unwrap();
            // Long enough for the client to put it back into its pool.
            thread::sleep(Duration::from_millis(100));
            stream.shutdown(Shutdown::Both).unwrap();
            drop(stream);
            closed.send(()).unwrap();
        }
    });
    (url, is_closed)
}

#[tokio::test]
async fn a_kept_connection_that_the_server_closed_is_not_a_lost_attempt() {
    const REQUESTS: usize = 5;
    let (url, closed) = closes_idle_connections(REQUESTS);
    let endpoint = endpoint(&url);
    let client = client(options(), &endpoint);
    for repeatable in [true, false, true, false, true] {
        let url = endpoint.url(&["x"]);
        let call = HttpRequest {
            repeatable,
            ..HttpRequest::get(&endpoint, url, SHORT_BODY_LIMIT)
        };
        let answer = client.send(&call).await.unwrap();
        assert_eq!(
            (answer.status, answer.attempts, answer.earlier_attempt_lost),
            (200, 1, false)
        );
        // Blocks this thread, and with it the client: it has not noticed the close when it sends.
        closed.recv_timeout(super::SOON).unwrap();
    }
}

#[tokio::test]
async fn one_connection_serves_one_request_after_the_other() {
    let server = Faults::always(Reply::json("{}")).unwrap();
    let endpoint = endpoint(&server.url());
    let client = client(options(), &endpoint);
    for _ in 0..20 {
        let call = HttpRequest::get(&endpoint, endpoint.url(&["x"]), SHORT_BODY_LIMIT);
        client.send(&call).await.unwrap();
    }
    assert_eq!((server.received().len(), server.connections()), (20, 1));
}

#[tokio::test]
async fn ipv6_is_reached() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        panic!("no IPv6 on the loopback interface");
    };
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        read_head(&mut stream);
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
            .unwrap();
    });
    assert!(url.starts_with("http://[::1]:"));
    assert_eq!(super::get(&url).await.unwrap().status, 200);
}
