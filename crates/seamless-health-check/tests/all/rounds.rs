//! What the run's time consists of, counted instead of measured: how many requests a Prometheus gets,
//! and in how many rounds of which one waits for the other. That a round at 100 ms takes 100 ms is for
//! the benchmark to show.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use seamless_lab::wait_until;
use serde_json::json;

use crate::support::{Deployment, JsonRun, PATIENCE, quick_rules};

/// When nothing has arrived for so long, all that can be asked without an answer has been asked.
const QUIET: Duration = Duration::from_secs(3);

/// A proxy that lets no answer through before everything that can be asked without it has been asked.
#[derive(Clone)]
struct Rounds {
    state: Arc<(Mutex<State>, Condvar)>,
    upstream: String,
}

struct State {
    /// The round that requests arriving now belong to.
    round: usize,
    /// How many requests each round had.
    requests: Vec<usize>,
    last: Instant,
}

impl Rounds {
    /// Starts one in front of `upstream`; its URL.
    fn start(upstream: String) -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = State {
            round: 0,
            requests: vec![0],
            last: Instant::now(),
        };
        let rounds = Self {
            state: Arc::new((Mutex::new(state), Condvar::new())),
            upstream,
        };
        let shared = rounds.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let rounds = shared.clone();
                // A client that goes away ends its thread only.
                thread::spawn(move || rounds.pass(client));
            }
        });
        let shared = rounds.clone();
        thread::spawn(move || shared.conduct());
        (rounds, url)
    }

    /// Passes one request on when its round is over, and its answer back.
    fn pass(&self, mut client: TcpStream) -> Option<()> {
        let request = whole_request(&mut client)?;
        let (state, ended) = &*self.state;
        {
            let mut state = state.lock().unwrap();
            let mine = state.round;
            state.requests[mine] += 1;
            state.last = Instant::now();
            drop(
                ended
                    .wait_while(state, |state| state.round == mine)
                    .unwrap(),
            );
        }
        let mut server = TcpStream::connect(&self.upstream).ok()?;
        server.write_all(&request).ok()?;
        let mut answer = Vec::new();
        server.read_to_end(&mut answer).ok()?;
        client.write_all(&answer).ok()
    }

    /// Ends a round when nothing more arrives.
    fn conduct(&self) {
        let (state, ended) = &*self.state;
        loop {
            thread::sleep(Duration::from_millis(50));
            let mut state = state.lock().unwrap();
            let round = state.round;
            if state.requests[round] > 0 && state.last.elapsed() > QUIET {
                state.round += 1;
                state.requests.push(0);
                ended.notify_all();
            }
        }
    }

    /// The number of requests in each round since the last call.
    fn taken(&self) -> Vec<usize> {
        let mut state = self.state.0.lock().unwrap();
        let requests = std::mem::replace(&mut state.requests, vec![0]);
        state.round = 0;
        requests.into_iter().filter(|count| *count > 0).collect()
    }
}

/// Reads a request, and has the connection closed after its answer.
fn whole_request(client: &mut TcpStream) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&read[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse::<usize>().ok())?
            });
            if read.len() >= end + 4 + length.unwrap_or(0) {
                let mut request = format!("{head}\r\nConnection: close").into_bytes();
                request.extend(&read[end..]);
                return Some(request);
            }
        }
        match client.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(count) => read.extend(&buffer[..count]),
        }
    }
}

/// Waits until the rules have recorded what the checks read.
fn recorded(deployment: &Deployment) {
    wait_until(PATIENCE, "what the rules record", || {
        let recorded = "seamless:sla_bucket:rate5m and on () seamless:sla_error:ratio_rate30d";
        let found = deployment.prometheus.query(recorded);
        found.is_ok_and(|found| !found.is_empty())
    })
    .unwrap();
}

#[test]
fn requests_and_rounds_do_not_grow_with_the_metrics() {
    let deployment = Deployment::start(|builder| builder.rules(quick_rules()));
    recorded(&deployment);
    let (rounds, url) = Rounds::start(deployment.prometheus.address());
    let mut asked = Vec::new();
    for count in [1, 20, 200] {
        let mut command = deployment.command();
        // A round lasts as long as nothing arrives.
        command.args(["--prometheus-url", &url, "--timeout", "60s"]);
        for index in 0..count {
            // None is there, so that all are looked back for: the longest chain.
            command.args(["--prometheus-metric", &format!("no_such_metric_{index}")]);
        }
        let run = JsonRun::of(&mut command);
        assert_eq!(run.check("prometheus/present").0, "fail");
        asked.push(rounds.taken());
    }
    let one = &asked[0];
    assert!(one.len() <= 2, "{one:?}");
    assert!(asked.iter().all(|rounds| rounds == one), "{asked:?}");

    // And without a chain where nothing is missing but the range of the rules.
    let mut command = deployment.command();
    let run = JsonRun::of(command.args(["--prometheus-url", &url, "--timeout", "60s"]));
    assert_eq!(run.check("prometheus/present").0, "pass");
    let healthy = rounds.taken();
    assert!(healthy.len() <= 2, "{healthy:?}");
    // What several checks need is asked once: fewer requests than checks, and a new check may bring one.
    let checks = run.document["checks"].as_array().unwrap().iter();
    let asking = checks.filter(|check| {
        let id = check["id"].as_str().unwrap();
        let groups = ["prometheus/", "alerting/", "sla/"];
        check["verdict"] != "skip" && groups.iter().any(|group| id.starts_with(group))
    });
    let asking = asking.count();
    let total: usize = healthy.iter().sum();
    assert!(total <= asking, "{healthy:?}, {asking} checks");
}

#[test]
fn what_the_rules_record_is_read_in_the_place_of_the_histograms() {
    let deployment = Deployment::start(|builder| builder.rules(quick_rules()));
    let prometheus = &deployment.prometheus;
    recorded(&deployment);
    let log = prometheus.dir().join("queries.log");
    prometheus
        .change_config(|config| config["global"]["query_log_file"] = json!(log))
        .unwrap();
    // A budget of one's own is not what the rules record.
    for (budget, reads_buckets) in [("total=60", false), ("total=45", true)] {
        std::fs::write(&log, "").unwrap();
        let mut command = deployment.command();
        let run = JsonRun::of(command.args(["--only", "sla", "--budget", budget]));
        assert_eq!(run.check("sla/p99").0, "pass", "{:?}", run.document);
        assert_eq!(run.check("sla/error-budget").0, "pass");
        let asked = std::fs::read_to_string(&log).unwrap();
        let asked: Vec<&str> = asked
            .lines()
            .filter(|line| !line.contains("ruleGroup"))
            .collect();
        let reads = asked.iter().any(|line| line.contains("_bucket{"));
        assert_eq!(reads, reads_buckets, "{budget}: {asked:#?}");
    }
}
