//! A scrape of many series: the injector, the Python client serving the same, and a plain copy of the
//! same bytes; and the strict reader on them. Reports series and megabytes per second, and each server's peak memory.
//!
//! Run with `cargo bench -p inject-sla-violation --bench scale [-- NODES]`. The Python client is left
//! out, and said to be, where it is not installed.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints its result, and fails by panicking"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use seamless_core::exposition::Format;
use seamless_core::exposition::read::{Event, scan};

const RUNS: usize = 5;

/// A server, killed when its value is dropped.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    /// Starts a program that says `serving URL` on stderr; none if it cannot.
    fn start(mut command: Command) -> Option<Self> {
        let mut child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        let stderr = BufReader::new(child.stderr.take()?);
        let line = stderr
            .lines()
            .map_while(Result::ok)
            .find(|line| line.starts_with("serving "));
        let Some(line) = line else {
            let _ = child.wait();
            return None;
        };
        let address = line
            .split(['/', ' '])
            .find(|part| part.contains("127.0.0.1:"));
        Some(Self {
            address: address?.to_owned(),
            child,
        })
    }

    fn scrape(&self, body: &mut Vec<u8>) -> Duration {
        body.clear();
        let start = Instant::now();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "GET /metrics HTTP/1.0\r\nAccept: text/plain\r\n\r\n"
        )
        .unwrap();
        stream.read_to_end(body).unwrap();
        start.elapsed()
    }

    /// The most memory it ever held, in MiB.
    fn peak(&self) -> f64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM"));
        let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
        kib.unwrap_or(f64::NAN) / 1024.0
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Prints one line and returns the bytes per second.
fn report(what: &str, series: usize, bytes: usize, time: Duration, peak: Option<f64>) -> f64 {
    let seconds = time.as_secs_f64();
    let rate = bytes as f64 / seconds;
    let peak = peak.map_or_else(String::new, |mib| format!("{mib:9.0} MiB peak"));
    println!(
        "{what:<14} {series:>9} series {:>7.1} MB {seconds:>8.3} s {:>7.2} M series/s {:>8.0} MB/s {peak}",
        bytes as f64 / 1e6,
        series as f64 / seconds / 1e6,
        rate / 1e6,
    );
    rate
}

fn measure(what: &str, served: &Served) -> (f64, Vec<u8>) {
    let mut body = Vec::new();
    served.scrape(&mut body);
    let times = (0..RUNS).map(|_| served.scrape(&mut body)).collect();
    let series = body
        .split(|byte| *byte == b'\n')
        .filter(|line| line.first().is_some_and(|byte| byte.is_ascii_lowercase()))
        // The head of the answer has a line or two of its own.
        .filter(|line| line.starts_with(b"seamless_"))
        .count();
    let rate = report(what, series, body.len(), median(times), Some(served.peak()));
    (rate, body)
}

fn main() {
    let nodes = std::env::args()
        .skip(1)
        .find(|argument| argument.bytes().all(|byte| byte.is_ascii_digit()))
        .unwrap_or_else(|| "10000".to_owned());
    let mut injector = Command::new(env!("CARGO_BIN_EXE_inject-sla-violation"));
    injector.args([
        "n",
        "--serve=0",
        "--hold=1h",
        "--step=1h",
        "--drill-id=bench",
    ]);
    injector.args(["--nodes", &nodes]);
    let injector = Served::start(injector).unwrap();
    let (ours, body) = measure("injector", &injector);
    drop(injector);

    let document = body
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap()
        + 4;
    let document = &body[document..];
    let mut samples = 0;
    let times = (0..RUNS)
        .map(|_| {
            samples = 0;
            let start = Instant::now();
            scan(document, Format::Text, |event| {
                samples += usize::from(matches!(event, Event::Sample(_)));
            })
            .unwrap();
            start.elapsed()
        })
        .collect();
    report(
        "strict reader",
        samples,
        document.len(),
        median(times),
        None,
    );

    let mut copy = vec![0_u8; body.len()];
    let times = (0..RUNS)
        .map(|_| {
            let start = Instant::now();
            copy.copy_from_slice(std::hint::black_box(&body));
            std::hint::black_box(&copy);
            start.elapsed()
        })
        .collect();
    let copied = report("plain copy", 0, body.len(), median(times), None);
    println!("injector / plain copy: {:.2}", ours / copied);

    let mut python = Command::new("python3");
    python.arg(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/benches/peers/python_client.py"
    ));
    python.arg(&nodes);
    match Served::start(python) {
        None => {
            println!("Python client: not installed (Debian: python3-prometheus-client), left out")
        }
        Some(python) => {
            let (theirs, _) = measure("Python client", &python);
            println!("injector / Python client: {:.0}", ours / theirs);
        }
    }
}
