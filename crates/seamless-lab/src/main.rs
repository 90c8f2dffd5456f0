//! `seamless-lab`: everything that an incident happens in, in the foreground, to be broken and healed.

mod args;
mod up;

use std::process::ExitCode;

use anyhow::Result;
use seamless_cli::{ExitStatus, Terminal};
use seamless_core::http::{Body, Endpoint, HttpClient, HttpOptions, HttpRequest, SHORT_BODY_LIMIT};

use args::{Args, Command};

fn main() -> ExitCode {
    seamless_cli::run::<Args>(
        |args| args.terminal,
        |_, _| None,
        async |args, terminal, stop| match args.command {
            Command::Up(args) => up::run(args, &terminal, &stop).await,
            Command::Break { way, lab } => tell(&terminal, &lab.lab, &["break", way.name()]).await,
            Command::Heal { lab } => tell(&terminal, &lab.lab, &["heal"]).await,
        },
    )
}

/// Posts to the console of a running lab and says how it misbehaves now.
async fn tell(terminal: &Terminal, lab: &str, path: &[&str]) -> Result<ExitStatus> {
    let endpoint = Endpoint::parse("lab", lab, "--lab")?;
    let http = HttpClient::new(HttpOptions::default(), [&endpoint])?;
    let url = endpoint.url(path);
    let call = HttpRequest::post(&endpoint, url, Body::Empty, SHORT_BODY_LIMIT, true);
    let state: Option<serde_json::Value> = match http.send(&call).await {
        Ok(answer) if answer.is_success() => serde_json::from_slice(&answer.body).ok(),
        Ok(_) => None,
        Err(failure) => {
            terminal.error(&format!(
                "no lab at {lab} ({failure}); start one with `seamless-lab up`"
            ));
            return Ok(ExitStatus::Negative);
        }
    };
    let Some(state) = state else {
        terminal.error(&format!("{lab} is not the console of a lab"));
        return Ok(ExitStatus::Negative);
    };
    let ways: Vec<&str> = state["misbehaves"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(serde_json::Value::as_str)
        .collect();
    let mut told = match ways.as_slice() {
        [] => "nothing misbehaves any more\n".to_owned(),
        ways => format!("broken: {}\n", ways.join(", ")),
    };
    if let (true, Some(key)) = (ways.is_empty(), state["left_behind"].as_str()) {
        told += &format!(
            "still held, though its worker was killed: {key}\n\
             release it with the command of its page; it is listed by: lease-recover --list --key '{key}'\n"
        );
    }
    terminal.result(ExitStatus::Done, &told)?;
    Ok(ExitStatus::Done)
}
