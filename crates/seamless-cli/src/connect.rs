//! From arguments, environment and configuration file to endpoints and one client.
//!
//! Owns which credential goes to which endpoint. A flag replaces what the environment or a file named, no
//! credential goes to two origins, and one that nothing takes is an error. Which endpoints there are is the
//! program's to say.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

use anyhow::Context as _;
use seamless_core::alertmanager::AlertmanagerClient;
use seamless_core::config::{self, Chosen, ConfigFile, Service};
use seamless_core::context::{self, Context, Settings};
use seamless_core::coordinator::CoordinatorClient;
use seamless_core::http::{Attempt, Endpoint, HttpClient, HttpOptions, TlsFiles};
use seamless_core::prometheus::PrometheusClient;
use secrecy::ExposeSecret;
use tokio::time::Instant;

use crate::args::HttpArgs;
use crate::exit::UsageError;
use crate::table::clean;
use crate::terminal::{Terminal, show_line};

/// An endpoint that a program has, and what its URL option gave.
#[derive(Debug, Clone, Copy)]
pub struct WantedEndpoint<'a> {
    service: Option<Service>,
    name: &'static str,
    prefix: &'static str,
    option: &'static str,
    url: Option<&'a str>,
    is_whole: bool,
    is_main: bool,
    is_used: bool,
}

impl<'a> WantedEndpoint<'a> {
    /// A service, whose URL the environment and the configuration file may give as well.
    #[must_use]
    pub const fn service(service: Service, url: Option<&'a str>) -> Self {
        let (prefix, option) = words(service);
        Self {
            service: Some(service),
            ..Self::own(service.name(), prefix, option, url)
        }
    }

    /// An endpoint of the program's own: what answers there, the prefix by which `--header` and
    /// `--bearer-token-file` name it, and the option that alone gives its base URL.
    #[must_use]
    pub const fn own(
        name: &'static str,
        prefix: &'static str,
        option: &'static str,
        url: Option<&'a str>,
    ) -> Self {
        Self {
            service: None,
            name,
            prefix,
            option,
            url,
            is_whole: false,
            is_main: false,
            is_used: true,
        }
    }

    /// The same; its URL is that of one resource, not a base.
    #[must_use]
    pub const fn whole(mut self) -> Self {
        self.is_whole = true;
        self
    }

    /// The same; credentials without a prefix are for it.
    #[must_use]
    pub const fn main(mut self) -> Self {
        self.is_main = true;
        self
    }

    /// The same; this run contacts it only `if` so. Credentials for it are no error either way.
    #[must_use]
    pub const fn used(mut self, condition: bool) -> Self {
        self.is_used = condition;
        self
    }
}

/// The prefix and the URL option of a service.
const fn words(service: Service) -> (&'static str, &'static str) {
    match service {
        Service::Coordinator => ("coordinator", "--coordinator-url"),
        Service::Prometheus => ("prometheus", "--prometheus-url"),
        Service::Alertmanager => ("alertmanager", "--alertmanager-url"),
    }
}

/// The endpoints that are configured, and the run's one client.
#[derive(Debug, Clone)]
pub struct Connections {
    /// The client.
    pub http: HttpClient,
    endpoints: Vec<(&'static str, Endpoint)>,
    chosen: Option<Chosen>,
    contradictions: Vec<String>,
    exposed_token_files: Vec<String>,
    shows_requests: bool,
}

impl Connections {
    /// Resolves every endpoint of the program. Values of `--header` and `--bearer-token-file` without a
    /// prefix, and `--client-cert`, are for the main endpoint; where that has no URL, for the only one that
    /// has. Endpoints of its origin share its credentials. Nothing is contacted.
    ///
    /// # Errors
    /// Whatever makes the configuration unusable, naming where it came from: a prefix that no endpoint
    /// has, a credential that several origins could get or that no endpoint of this run takes, two of one
    /// kind.
    pub fn resolve(
        args: &HttpArgs,
        wanted: &[WantedEndpoint<'_>],
        concurrency: usize,
    ) -> anyhow::Result<Self> {
        let file = ConfigFile::load(args.config.as_deref())?;
        let environment = |name: &str| std::env::var_os(name);
        let chosen = chosen(args, &environment)?;
        let credentials = Credentials::of(args, wanted)?;
        let mut endpoints = Vec::new();
        let mut settings = Vec::new();
        let contradictions = contradictions(wanted, &environment, chosen.as_ref())?;
        for want in wanted.iter().filter(|want| want.is_used) {
            let found = match want.service {
                Some(service) => {
                    let given = want.url.map(|url| (url, want.option));
                    for found in config::endpoints(
                        service,
                        given,
                        &environment,
                        chosen.as_ref(),
                        file.as_ref(),
                    )? {
                        endpoints.push((want, found.endpoint));
                        settings.push(found.settings);
                    }
                    continue;
                }
                None => match want.url {
                    Some(url) if want.is_whole => {
                        Some(Endpoint::parse_whole(want.name, url, want.option)?)
                    }
                    Some(url) => Some(Endpoint::parse(want.name, url, want.option)?),
                    None => None,
                },
            };
            if let Some(endpoint) = found {
                endpoints.push((want, endpoint));
                settings.push(None);
            }
        }
        let main = credentials.main(&endpoints)?;
        let mut authenticated = Vec::new();
        let mut token_files = BTreeSet::new();
        for (index, ((want, endpoint), settings)) in endpoints.iter().zip(settings).enumerate() {
            let is_main = main == Some(index);
            let mut endpoint = endpoint.clone();
            // A URL of the context goes with the context's credentials, never with the environment's.
            let token_file = if let Some(settings) = settings {
                for header in &settings.headers {
                    endpoint = endpoint.with_header(header, "headers of the context")?;
                }
                let file = settings.token_file.as_ref();
                file.map(|file| ("token_file of the context", file.display().to_string()))
            } else {
                match want.service.and_then(Service::token_file_variable) {
                    Some(name) => config::variable(&environment, name)?.map(|path| (name, path)),
                    None => None,
                }
            };
            let (endpoint, token_file) = credentials.add(want, is_main, token_file, endpoint)?;
            token_files.extend(token_file);
            authenticated.push((want.prefix, endpoint));
        }
        credentials.all_taken(wanted, &endpoints, main.is_some())?;
        if let Some((_, main)) = main.and_then(|main| authenticated.get(main)).cloned() {
            for (_, endpoint) in &mut authenticated {
                *endpoint = endpoint.clone().sharing_credentials_of(&main);
            }
        }
        let options = HttpOptions {
            timeout: args.timeout,
            deadline: args.deadline.map(|deadline| Instant::now() + deadline),
            tls: TlsFiles {
                ca_cert: args.ca_cert.clone().or_else(|| {
                    let chosen = chosen.as_ref()?;
                    chosen.context.settings.ca_cert.clone()
                }),
                client_cert: args.client_cert.clone().zip(args.client_key.clone()),
            },
            idle_per_host: concurrency,
        };
        let http = HttpClient::new(options, authenticated.iter().map(|(_, endpoint)| endpoint))?;
        if args.verbose {
            http.observe(|attempt| show_line(&attempt_line(attempt)));
        }
        Ok(Self {
            http,
            endpoints: authenticated,
            chosen,
            contradictions,
            exposed_token_files: token_files
                .into_iter()
                .filter(|file| config::is_readable_by_others(Path::new(file)))
                .collect(),
            shows_requests: args.verbose,
        })
    }

    /// Says on stderr which context the run is in and where each URL came from, and what is wrong with either.
    pub fn announce(&self, terminal: &Terminal) {
        if self.shows_requests {
            terminal.show_no_progress();
        }
        for file in &self.exposed_token_files {
            terminal.warn(&clean(&format!(
                "every user of this host may read the token in {file}; chmod 600 it"
            )));
        }
        for contradiction in &self.contradictions {
            terminal.warn(&format!("{contradiction}; the context's is used"));
        }
        if let Some(Context { name, file, .. }) = self.chosen.as_ref().map(|chosen| &chosen.context)
        {
            terminal.note(&format!("context {name} ({})", file.display()));
        }
        for (prefix, endpoint) in &self.endpoints {
            let origin = endpoint.configured_by();
            let of_context = origin.starts_with("context ");
            let origin = if of_context { "context" } else { origin };
            terminal.note(&format!("{prefix} {endpoint} ({origin})"));
        }
    }

    /// What the context says, where one is named.
    #[must_use]
    pub fn context(&self) -> Option<&Settings> {
        self.chosen.as_ref().map(|chosen| &chosen.context.settings)
    }

    /// Refuses a run whose context and environment name different URLs.
    ///
    /// # Errors
    /// [`UsageError`] with both.
    pub fn without_contradiction(self) -> Result<Self, UsageError> {
        match self.contradictions.first() {
            Some(words) => Err(UsageError(format!(
                "{words}; unset the variable, or leave out --context"
            ))),
            None => Ok(self),
        }
    }

    /// The endpoint of a service, if one is configured.
    #[must_use]
    pub fn endpoint(&self, service: Service) -> Option<&Endpoint> {
        self.own(words(service).0)
    }

    /// The endpoint with this prefix, if one is configured.
    #[must_use]
    pub fn own(&self, prefix: &str) -> Option<&Endpoint> {
        self.endpoints
            .iter()
            .find(|(of, _)| *of == prefix)
            .map(|(_, endpoint)| endpoint)
    }

    /// The coordinator's client.
    ///
    /// # Errors
    /// [`UsageError`] if no URL is configured.
    pub fn coordinator(&self) -> Result<CoordinatorClient, UsageError> {
        let endpoint = self.required(Service::Coordinator)?;
        Ok(CoordinatorClient::new(self.http.clone(), endpoint))
    }

    /// Prometheus's client.
    ///
    /// # Errors
    /// [`UsageError`] if no URL is configured.
    pub fn prometheus(&self) -> Result<PrometheusClient, UsageError> {
        let endpoint = self.required(Service::Prometheus)?;
        Ok(PrometheusClient::new(self.http.clone(), endpoint))
    }

    /// Alertmanager's client, if a URL is configured.
    #[must_use]
    pub fn alertmanager(&self) -> Option<AlertmanagerClient> {
        let endpoint = self.endpoint(Service::Alertmanager)?.clone();
        Some(AlertmanagerClient::new(self.http.clone(), endpoint))
    }

    /// The clients of all Alertmanagers that are configured.
    #[must_use]
    pub fn alertmanagers(&self) -> Vec<AlertmanagerClient> {
        let (prefix, _) = words(Service::Alertmanager);
        let of = self.endpoints.iter().filter(|(of, _)| *of == prefix);
        of.map(|(_, endpoint)| AlertmanagerClient::new(self.http.clone(), endpoint.clone()))
            .collect()
    }

    fn required(&self, service: Service) -> Result<Endpoint, UsageError> {
        self.endpoint(service)
            .cloned()
            .ok_or_else(|| missing_url(service))
    }
}

/// Where the environment names other URLs than the context that the command line names. One that this run has
/// no use for counts as well: the person's environment is that of another deployment.
fn contradictions(
    wanted: &[WantedEndpoint<'_>],
    environment: &dyn Fn(&str) -> Option<OsString>,
    chosen: Option<&Chosen>,
) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let Some(chosen) = chosen else {
        return Ok(found);
    };
    for service in [
        Service::Coordinator,
        Service::Prometheus,
        Service::Alertmanager,
    ] {
        let mut wants = wanted.iter().filter(|want| want.service == Some(service));
        // A URL on the command line goes before both.
        if !wants.any(|want| want.url.is_some()) {
            found.extend(config::contradiction(service, environment, chosen)?);
        }
    }
    Ok(found)
}

/// The context that the command line or the environment names.
fn chosen(
    args: &HttpArgs,
    environment: &dyn Fn(&str) -> Option<OsString>,
) -> anyhow::Result<Option<Chosen>> {
    const VARIABLE: &str = "SEAMLESS_CONTEXT";
    let by_option = args.context.is_some();
    let (name, origin) = match &args.context {
        Some(name) => (name.clone(), "--context"),
        None => match config::variable(environment, VARIABLE)? {
            Some(name) => (name, VARIABLE),
            None => return Ok(None),
        },
    };
    let files = context::files(&|name| environment(name)?.into_string().ok());
    let context = context::load(&name, origin, &files)?;
    Ok(Some(Chosen { context, by_option }))
}

/// `GET http://host/path: HTTP 200, attempt 1, 12 ms`.
fn attempt_line(attempt: &Attempt<'_>) -> String {
    let outcome = match attempt.outcome {
        Ok(status) => format!("HTTP {status}"),
        Err(error) => error.to_string(),
    };
    format!(
        "{} {}: {outcome}, attempt {}, {} ms",
        attempt.method,
        clean(&attempt.url),
        attempt.number,
        attempt.took.as_millis()
    )
}

fn missing_url(service: Service) -> UsageError {
    let (_, option) = words(service);
    let key = service.key();
    UsageError(format!(
        "no URL for the {}: give {option}, or set {}{}, or name a --context",
        service.name(),
        service.variable(),
        key.map(|key| format!(", or {key} in qmtl.yml"))
            .unwrap_or_default()
    ))
}

/// What the command line gives for endpoints, and for which.
struct Credentials<'a> {
    args: &'a HttpArgs,
    headers: Vec<EndpointValue<'a>>,
    token_files: Vec<EndpointValue<'a>>,
}

/// A value with the prefix of its endpoint; none for the main one.
struct EndpointValue<'a> {
    option: &'static str,
    prefix: Option<&'static str>,
    text: &'a str,
}

impl EndpointValue<'_> {
    fn is_for(&self, want: &WantedEndpoint<'_>, is_main: bool) -> bool {
        self.prefix.map_or(is_main, |prefix| prefix == want.prefix)
    }

    fn is_authorization(&self) -> bool {
        let name = self.text.split_once(':').map(|(name, _)| name.trim());
        name.is_some_and(|name| name.eq_ignore_ascii_case("authorization"))
    }
}

impl<'a> Credentials<'a> {
    fn of(args: &'a HttpArgs, wanted: &[WantedEndpoint<'_>]) -> Result<Self, UsageError> {
        let read = |option, texts: &'a [String]| {
            texts
                .iter()
                .map(|text| {
                    let (prefix, text) = prefixed(option, text, wanted)?;
                    Ok(EndpointValue {
                        option,
                        prefix,
                        text,
                    })
                })
                .collect::<Result<Vec<_>, UsageError>>()
        };
        Ok(Self {
            args,
            headers: read("--header", &args.header)?,
            token_files: read("--bearer-token-file", &args.bearer_token_file)?,
        })
    }

    fn values(&self) -> impl Iterator<Item = &EndpointValue<'a>> {
        self.headers.iter().chain(&self.token_files)
    }

    /// The place among `endpoints` of the one that credentials without a prefix are for.
    fn main(
        &self,
        endpoints: &[(&WantedEndpoint<'_>, Endpoint)],
    ) -> Result<Option<usize>, UsageError> {
        if let Some(main) = endpoints.iter().position(|(want, _)| want.is_main) {
            return Ok(Some(main));
        }
        if let [_] = endpoints {
            return Ok(Some(0));
        }
        let unprefixed = self.values().find(|value| value.prefix.is_none());
        let option = unprefixed
            .map(|value| value.option)
            .or_else(|| self.args.client_cert.as_ref().map(|_| "--client-cert"));
        match (option, endpoints) {
            (Some(option), [_, _, ..]) => {
                let names: Vec<String> = endpoints
                    .iter()
                    .map(|(want, _)| format!("{}=", want.prefix))
                    .collect();
                Err(UsageError(format!(
                    "{option}: a credential goes to one endpoint, and this run has several; say which: {}",
                    names.join(" or ")
                )))
            }
            _ => Ok(None),
        }
    }

    /// The endpoint with what authenticates at it, and the token file that was read for it.
    fn add<'s>(
        &'s self,
        want: &WantedEndpoint<'_>,
        is_main: bool,
        token_file: Option<(&'static str, String)>,
        mut endpoint: Endpoint,
    ) -> anyhow::Result<(Endpoint, Option<String>)> {
        let mine = |values: &'s [EndpointValue<'a>]| -> Vec<&'s EndpointValue<'a>> {
            let mine = values.iter().filter(|value| value.is_for(want, is_main));
            mine.collect()
        };
        let (files, headers) = (mine(&self.token_files), mine(&self.headers));
        // What says on the command line how to authenticate. Either replaces what the URL holds.
        let authorizations = headers.iter().filter(|value| value.is_authorization());
        let named: Vec<&str> = files
            .iter()
            .map(|_| "--bearer-token-file")
            .chain(authorizations.map(|_| "--header 'Authorization: …'"))
            .collect();
        if let [first, second, ..] = named[..] {
            return Err(UsageError(format!(
                "{first} and {second} both say how to authenticate at the {}; give one",
                want.name
            ))
            .into());
        }
        // A flag's URL replaces what the environment named, too.
        let by_url = want.url.is_some() && endpoint.has_userinfo();
        let from_environment = token_file.filter(|_| named.is_empty() && !by_url);
        let file = files.first().map(|value| (value.option, value.text));
        let file = file.or(from_environment
            .as_ref()
            .map(|(name, path)| (*name, &**path)));
        if let Some((origin, path)) = file {
            let token = config::bearer_token(Path::new(path)).context(origin)?;
            endpoint = endpoint.with_bearer(token.expose_secret(), origin)?;
        }
        for header in headers {
            endpoint = endpoint.with_header(header.text, header.option)?;
        }
        if is_main && self.args.client_cert.is_some() {
            endpoint = endpoint.with_client_certificate();
        }
        Ok((endpoint, file.map(|(_, path)| path.to_owned())))
    }

    /// Whether each value found an endpoint that this run contacts, or one that it need not contact.
    fn all_taken(
        &self,
        wanted: &[WantedEndpoint<'_>],
        endpoints: &[(&WantedEndpoint<'_>, Endpoint)],
        has_main: bool,
    ) -> Result<(), UsageError> {
        for value in self.values() {
            let Some(prefix) = value.prefix else {
                if has_main || wanted.iter().any(|want| !want.is_used) {
                    continue;
                }
                let options: Vec<&str> = wanted.iter().map(|want| want.option).collect();
                return Err(UsageError(format!(
                    "{}: there is no endpoint that it is for; give {}",
                    value.option,
                    options.join(" or ")
                )));
            };
            let unused = |want: &&WantedEndpoint<'_>| want.prefix == prefix && !want.is_used;
            let is_taken = endpoints.iter().any(|(want, _)| want.prefix == prefix);
            if !is_taken && !wanted.iter().any(|want| unused(&want)) {
                let want = wanted.iter().find(|want| want.prefix == prefix);
                return Err(UsageError(format!(
                    "{} {prefix}=…: no URL is configured for it; give {}",
                    value.option,
                    want.map_or("one", |want| want.option)
                )));
            }
        }
        Ok(())
    }
}

/// Splits a value into the prefix of an endpoint and the rest.
fn prefixed<'v>(
    option: &str,
    value: &'v str,
    wanted: &[WantedEndpoint<'_>],
) -> Result<(Option<&'static str>, &'v str), UsageError> {
    let is_name = |text: &str| {
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        !text.is_empty() && text.chars().all(word)
    };
    let Some((prefix, rest)) = value.split_once('=').filter(|(name, _)| is_name(name)) else {
        return Ok((None, value));
    };
    let known = wanted.iter().find(|want| want.prefix == prefix);
    if let Some(want) = known {
        return Ok((Some(want.prefix), rest));
    }
    let names: Vec<String> = wanted
        .iter()
        .map(|want| format!("{}=", want.prefix))
        .collect();
    Err(UsageError(format!(
        "{option} {prefix}=…: this program has no such endpoint; it has {}",
        names.join(", ")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: [WantedEndpoint<'static>; 2] = [
        WantedEndpoint::service(Service::Prometheus, Some("http://127.0.0.1:1")).main(),
        WantedEndpoint::own("Pushgateway", "push-gateway", "--push-gateway", None),
    ];

    #[test]
    fn a_prefix_names_an_endpoint_of_the_program() {
        let read = |value| prefixed("--header", value, &WANTED);
        assert_eq!(read("X-A: b=c").unwrap(), (None, "X-A: b=c"));
        let named = (Some("push-gateway"), "X-A: b");
        assert_eq!(read("push-gateway=X-A: b").unwrap(), named);
        assert_eq!(read("./a=b").unwrap(), (None, "./a=b"));
        let error = read("remote-write=X-A: b").unwrap_err().to_string();
        for part in ["remote-write=", "prometheus=", "push-gateway="] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_missing_url_names_every_way_to_give_it() {
        let text = missing_url(Service::Prometheus).to_string();
        for way in [
            "--prometheus-url",
            "QMTL_PROMETHEUS_URL",
            "telemetry.prometheus_url",
        ] {
            assert!(text.contains(way), "{text}");
        }
    }
}
