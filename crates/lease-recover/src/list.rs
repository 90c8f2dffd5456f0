//! `--list`: the coordinator's leases, stuck ones first, for people, programs and Prometheus. Changes
//! nothing.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use seamless_cli::{
    Connections, ExitStatus, Signal, Stop, Terminal, check_writable, clean, write_atomically,
};
use seamless_core::coordinator::{CoordinatorClient, Inspection};
use seamless_core::exposition::Format;
use seamless_core::http::{Body, Endpoint, HttpRequest, SHORT_BODY_LIMIT};
use seamless_core::lease::LeaseSpec;
use seamless_core::stuck::Stuckness;
use tokio::time::sleep;

use crate::args::Output;
use crate::listing::{
    self, Judged, NoList, cannot_tell, cannot_tell_warning, judged, why_not_stuck,
};
use crate::render::{list, prometheus, specs, table};
use crate::report::RunError;
use crate::request::{PUSH_GATEWAY, Request};

/// The job under which the list is pushed.
const JOB: &str = "seamless-leases";

struct ListRun<'r> {
    request: &'r Request,
    only_stuck: bool,
    coordinator: CoordinatorClient,
    connections: Connections,
    terminal: &'r Terminal,
    stop: &'r Stop,
}

/// Runs `--list`.
pub(crate) async fn run(
    request: &Request,
    only_stuck: bool,
    watch: Option<Duration>,
    terminal: &Terminal,
    stop: &Stop,
) -> anyhow::Result<ExitStatus> {
    let connections = request.connections()?;
    connections.announce(terminal);
    let run = ListRun {
        request,
        only_stuck,
        coordinator: connections.coordinator()?.with_stop(stop.flag()),
        connections,
        terminal,
        stop,
    };
    if let Output::Prometheus(file) = &request.output {
        return run.export(file.as_deref()).await;
    }
    let Some(every) = watch else {
        return run.show().await;
    };
    loop {
        if terminal.is_watched() {
            // Clears the screen and goes to its top (ECMA-48: ED, CUP).
            terminal.bytes(b"\x1b[2J\x1b[H")?;
        }
        run.show().await?;
        tokio::select! {
            biased;
            signal = stop.wait() => return Ok(ExitStatus::Stopped(signal)),
            () = sleep(every) => {}
        }
    }
}

impl ListRun<'_> {
    async fn show(&self) -> anyhow::Result<ExitStatus> {
        match listing::read(&self.coordinator, self.terminal, self.stop).await {
            Ok(listed) => self.show_listed(listed),
            Err(none) => self.show_nothing(none),
        }
    }

    fn show_listed(&self, listed: Inspection) -> anyhow::Result<ExitStatus> {
        let filter = &self.request.filter;
        let now_ms = listed.now_ms();
        let is_whole = listed.malformed.is_empty();
        let none = filter.explain_none(&listed.leases);
        let all = listed.leases.len();
        let meant = listed
            .leases
            .into_iter()
            .filter(|record| filter.admits(record));
        let mut leases = judged(meant, self.request.thresholds, now_ms);
        let mut status = if is_whole {
            ExitStatus::Done
        } else {
            ExitStatus::Undetermined
        };
        if self.only_stuck {
            let unclear = cannot_tell(&leases);
            if filter.names_keys() {
                let limits = self.request.thresholds;
                for Judged { record, .. } in leases
                    .iter()
                    .filter(|judged| judged.stuckness == Stuckness::Alive)
                {
                    let why = why_not_stuck(record, limits, now_ms);
                    let key = clean(record.key.as_str());
                    self.terminal
                        .note(&format!("{key} is listed, but not stuck: {why}"));
                }
            }
            leases.retain(|judged| judged.stuckness.is_stuck());
            if unclear > 0 {
                self.terminal.warn(&cannot_tell_warning(unclear));
                if leases.is_empty() {
                    status = ExitStatus::Undetermined;
                }
            }
        }
        if leases.is_empty() {
            let nothing = if self.only_stuck {
                "no stuck leases"
            } else {
                "no leases"
            };
            let why = none.unwrap_or_else(|| format!("{all} listed"));
            self.terminal.note(&format!("{nothing} ({why})"));
            if self.request.fail_if_none && status == ExitStatus::Done {
                status = ExitStatus::Negative;
            }
        }
        let text = self.rendered(&leases, now_ms, status);
        self.terminal.result(status, &text)?;
        Ok(status)
    }

    fn rendered(&self, leases: &[Judged], now_ms: i64, status: ExitStatus) -> String {
        match self.request.output {
            Output::Json => list::document(
                &self.coordinator.endpoint().to_string(),
                leases,
                now_ms,
                self.request.show_tokens,
                None,
                status.code(),
            ),
            Output::Specs => {
                let mut out = String::new();
                for judged in leases {
                    specs::line(&mut out, &LeaseSpec::from(judged.record.clone()));
                }
                out
            }
            Output::Text | Output::Prometheus(_) => {
                let stuck = leases.iter().filter(|j| j.stuckness.is_stuck()).count();
                let summary = format!("leases={} stuck={stuck}\n", leases.len());
                if leases.is_empty() {
                    return summary;
                }
                let (width, palette) = (self.terminal.width(), self.terminal.palette());
                format!(
                    "{}\n{summary}",
                    table::leases(leases, now_ms, width, palette)
                )
            }
        }
    }

    /// The document of a list that was not read, for those who read documents.
    fn show_nothing(&self, none: NoList) -> anyhow::Result<ExitStatus> {
        let (status, error) = self.explained(none);
        if self.request.output == Output::Json {
            let now_ms = jiff::Timestamp::now().as_millisecond();
            let endpoint = self.coordinator.endpoint().to_string();
            let text = list::document(
                &endpoint,
                &[],
                now_ms,
                false,
                error.as_deref(),
                status.code(),
            );
            self.terminal.result(status, &text)?;
        }
        Ok(status)
    }

    fn explained(&self, none: NoList) -> (ExitStatus, Option<String>) {
        match none {
            NoList::Stopped(signal) => (stopped(signal), None),
            NoList::Failed(error) => {
                let error = RunError::from(error);
                self.terminal.error(error.text());
                (ExitStatus::Undetermined, Some(error.text().to_owned()))
            }
        }
    }

    /// Exports the list. What is not whole, or not the coordinator's, leaves what was exported before.
    async fn export(&self, file: Option<&Path>) -> anyhow::Result<ExitStatus> {
        if let Some(file) = file {
            check_writable(file)?;
        }
        let listed = match listing::read(&self.coordinator, self.terminal, self.stop).await {
            Ok(listed) => listed,
            Err(none) => return Ok(self.explained(none).0),
        };
        if !listed.malformed.is_empty() {
            self.terminal.error("not exported: the list is incomplete");
            return Ok(ExitStatus::Undetermined);
        }
        if !self.coordinator.is_proven() {
            self.terminal.error(
                "not exported: nothing in the answer shows that it is a coordinator's list of leases",
            );
            return Ok(ExitStatus::Undetermined);
        }
        let now_ms = listed.now_ms();
        let listed_at = jiff::Timestamp::now().as_millisecond() as f64 / 1000.0;
        let leases = judged(listed.leases, self.request.thresholds, now_ms);
        let coordinator = self.coordinator.id().unwrap_or_default();
        let text = prometheus::exposition(&coordinator, &leases, now_ms, listed_at)?;
        match (file, self.connections.own(PUSH_GATEWAY)) {
            (Some(file), _) => {
                if let Err(error) = write_atomically(file, |out| out.write_all(&text)) {
                    self.terminal.error(&error.to_string());
                    return Ok(ExitStatus::Undetermined);
                }
            }
            (None, Some(gateway)) => return self.push(gateway, &coordinator, text).await,
            (None, None) => self.terminal.bytes(&text)?,
        }
        Ok(ExitStatus::Done)
    }

    /// Replaces the coordinator's group at the Pushgateway.
    async fn push(
        &self,
        gateway: &Endpoint,
        coordinator: &str,
        text: Vec<u8>,
    ) -> anyhow::Result<ExitStatus> {
        let url = gateway.url(&["metrics", "job", JOB, "coordinator", coordinator]);
        let body = Body::Raw(Format::Text.content_type(), &[], text);
        let post = HttpRequest::post(gateway, url.clone(), body, SHORT_BODY_LIMIT, true);
        let request = HttpRequest {
            method: "PUT".parse().context("PUT")?,
            ..post
        };
        let sent = tokio::select! {
            biased;
            signal = self.stop.wait() => return Ok(stopped(signal)),
            sent = self.connections.http.send(&request) => sent,
        };
        let problem = match sent {
            Ok(answer) if answer.is_success() => return Ok(ExitStatus::Done),
            Ok(answer) => {
                let detail = answer.detail().map(|detail| format!(": {detail}"));
                format!("{}{}", answer.described(), detail.unwrap_or_default())
            }
            Err(error) => error.to_string(),
        };
        self.terminal
            .error(&format!("cannot push to {url}: {problem}"));
        Ok(ExitStatus::Undetermined)
    }
}

const fn stopped(signal: Signal) -> ExitStatus {
    ExitStatus::Stopped(signal)
}
