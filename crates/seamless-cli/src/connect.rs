//! From arguments, environment and configuration file to endpoints and one client.

use anyhow::Context;
use seamless_core::alertmanager::Alertmanager;
use seamless_core::config::{self, ConfigError, ConfigFile, Service};
use seamless_core::coordinator::Coordinator;
use seamless_core::http::{Endpoint, HttpClient, HttpOptions, TlsFiles};
use seamless_core::prometheus::Prometheus;
use secrecy::ExposeSecret;
use tokio::time::Instant;

use crate::args::HttpArgs;
use crate::exit::UsageError;

/// An endpoint that a program can use, and what its flag gave.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Which service.
    pub service: Service,
    /// The value of its URL flag.
    pub flag: Option<&'a str>,
}

/// The endpoints that are configured, and the run's one client.
#[derive(Debug, Clone)]
pub struct Connections {
    /// The client.
    pub http: HttpClient,
    endpoints: Vec<(Service, Endpoint)>,
}

impl Connections {
    /// Resolves `wanted`. The first of them is the program's main endpoint: it is the one that
    /// `--header`, `--bearer-token-file` and `--client-cert` are for, unless a prefix names another.
    /// Endpoints of the same origin share credentials. Nothing is contacted.
    ///
    /// # Errors
    /// Whatever makes the configuration unusable, naming where it came from.
    pub fn resolve(
        args: &HttpArgs,
        wanted: &[Wanted<'_>],
        concurrency: usize,
    ) -> anyhow::Result<Self> {
        let file = ConfigFile::load(args.config.as_deref())?;
        let environment = |name: &str| std::env::var(name).ok();
        let mut endpoints = Vec::new();
        for want in wanted {
            if let Some(endpoint) =
                config::endpoint(want.service, want.flag, &environment, file.as_ref())?
            {
                endpoints.push((want.service, endpoint));
            }
        }
        let main = wanted.first().map(|want| want.service);
        let mut endpoints = endpoints
            .into_iter()
            .map(|(service, endpoint)| {
                Ok((
                    service,
                    with_credentials(args, service, main == Some(service), endpoint)?,
                ))
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        if let Some(main) = endpoints
            .iter()
            .find(|(service, _)| Some(*service) == main)
            .cloned()
        {
            for (_, endpoint) in &mut endpoints {
                *endpoint = endpoint.clone().sharing_credentials_of(&main.1);
            }
        }
        let options = HttpOptions {
            timeout: args.timeout,
            deadline: args.deadline.map(|deadline| Instant::now() + deadline),
            tls: TlsFiles {
                ca_cert: args.ca_cert.clone(),
                client_cert: args.client_cert.clone().zip(args.client_key.clone()),
            },
            idle_per_host: concurrency,
        };
        let http = HttpClient::new(options, endpoints.iter().map(|(_, endpoint)| endpoint))?;
        Ok(Self { http, endpoints })
    }

    /// The endpoint of a service, if one is configured.
    #[must_use]
    pub fn endpoint(&self, service: Service) -> Option<&Endpoint> {
        self.endpoints
            .iter()
            .find(|(of, _)| *of == service)
            .map(|(_, endpoint)| endpoint)
    }

    /// The coordinator's client.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] if no URL is configured.
    pub fn coordinator(&self) -> Result<Coordinator, ConfigError> {
        let endpoint = self.required(Service::Coordinator)?;
        Ok(Coordinator::new(self.http.clone(), endpoint))
    }

    /// Prometheus's client.
    ///
    /// # Errors
    /// [`ConfigError::Missing`] if no URL is configured.
    pub fn prometheus(&self) -> Result<Prometheus, ConfigError> {
        let endpoint = self.required(Service::Prometheus)?;
        Ok(Prometheus::new(self.http.clone(), endpoint))
    }

    /// Alertmanager's client, if a URL is configured.
    #[must_use]
    pub fn alertmanager(&self) -> Option<Alertmanager> {
        let endpoint = self.endpoint(Service::Alertmanager)?.clone();
        Some(Alertmanager::new(self.http.clone(), endpoint))
    }

    fn required(&self, service: Service) -> Result<Endpoint, ConfigError> {
        self.endpoint(service)
            .cloned()
            .ok_or(ConfigError::Missing { service })
    }
}

fn with_credentials(
    args: &HttpArgs,
    service: Service,
    is_main: bool,
    endpoint: Endpoint,
) -> anyhow::Result<Endpoint> {
    let from_environment = service.token_file_variable().and_then(|name| {
        std::env::var(name)
            .ok()
            .filter(|path| !path.is_empty())
            .map(|path| (name, path))
    });
    let prefix = match service {
        Service::Coordinator => "coordinator",
        Service::Prometheus => "prometheus",
        Service::Alertmanager => "alertmanager",
    };
    authenticated(args, prefix, is_main, from_environment, endpoint)
}

/// Gives an endpoint that a flag of the program's own names what `--header`, `--bearer-token-file` and
/// `--client-cert` hold for it: values with its `prefix` (`remote-write=…`), and those without one if it
/// is the main endpoint.
///
/// # Errors
/// A header or token file that cannot be used.
pub fn with_credentials_of(
    args: &HttpArgs,
    prefix: &str,
    is_main: bool,
    endpoint: Endpoint,
) -> anyhow::Result<Endpoint> {
    authenticated(args, prefix, is_main, None, endpoint)
}

fn authenticated(
    args: &HttpArgs,
    prefix: &str,
    is_main: bool,
    from_environment: Option<(&'static str, String)>,
    endpoint: Endpoint,
) -> anyhow::Result<Endpoint> {
    let mut endpoint = endpoint;
    let mine = |value: &'_ str| -> Option<String> {
        match prefixed(value) {
            Some((named, rest)) => (named == prefix).then(|| rest.to_owned()),
            None => is_main.then(|| value.to_owned()),
        }
    };
    let files: Vec<String> = args
        .bearer_token_file
        .iter()
        .filter_map(|value| mine(value))
        .collect();
    if files.len() > 1 {
        return Err(UsageError(format!(
            "--bearer-token-file is given twice for the {}",
            endpoint.service()
        ))
        .into());
    }
    let file = files
        .into_iter()
        .next()
        .map(|path| ("--bearer-token-file", path))
        .or(from_environment);
    if let Some((origin, path)) = file {
        let token = config::bearer_token(path.as_ref()).context(origin)?;
        endpoint = endpoint.with_bearer(token.expose_secret(), origin)?;
    }
    for line in args.header.iter().filter_map(|value| mine(value)) {
        endpoint = endpoint.with_header(&line, "--header")?;
    }
    if is_main && args.client_cert.is_some() {
        endpoint = endpoint.with_client_certificate();
    }
    Ok(endpoint)
}

/// The prefixes by which a value names its endpoint.
const PREFIXES: [&str; 5] = [
    "coordinator",
    "prometheus",
    "alertmanager",
    "push-gateway",
    "remote-write",
];

fn prefixed(value: &str) -> Option<(&str, &str)> {
    value
        .split_once('=')
        .filter(|(prefix, _)| PREFIXES.contains(prefix))
}
