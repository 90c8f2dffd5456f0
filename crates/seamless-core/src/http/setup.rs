//! What the HTTP client is made of: options, certificate files, proxies, and two `reqwest` clients.
//!
//! Owns reading and checking certificates before anybody is contacted. It sends nothing.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use reqwest::{NoProxy, Proxy};
use tokio::time::Instant;

use super::endpoint::{Endpoint, without_userinfo};
use super::error::ResolveError;
use crate::bounds;

/// Certificate files, in PEM.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// Authorities to trust beside those of the system.
    pub ca_cert: Option<PathBuf>,
    /// The client's certificate chain and its key.
    pub client_cert: Option<(PathBuf, PathBuf)>,
}

/// How the client behaves in this run.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// The timeout of one request, from connecting to the last byte of the body.
    pub timeout: Duration,
    /// When the whole run must be over.
    pub deadline: Option<Instant>,
    /// Certificate files.
    pub tls: TlsFiles,
    /// Idle connections kept per host: at least the concurrency.
    pub idle_per_host: usize,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5),
            deadline: None,
            tls: TlsFiles::default(),
            idle_per_host: 32,
        }
    }
}

/// Which certificate file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFile {
    /// The authorities to trust.
    Authorities,
    /// The client's certificate.
    ClientCertificate,
    /// The key of the client's certificate.
    ClientKey,
}

impl fmt::Display for TlsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Authorities => "the authorities' certificates",
            Self::ClientCertificate => "the client's certificate",
            Self::ClientKey => "the client certificate's key",
        })
    }
}

/// Why no client could be made. Nothing has been contacted.
#[derive(Debug, thiserror::Error)]
pub enum HttpSetupError {
    /// A certificate or key file cannot be read.
    #[error("cannot read {file} {}: {source}", path.display())]
    Unreadable {
        /// Which one.
        file: TlsFile,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file holds no usable PEM. A client's certificate is read together with its key.
    #[error("{file} {}: no usable PEM in it", path.display())]
    NotPem {
        /// Which one.
        file: TlsFile,
        /// The file.
        path: PathBuf,
    },
    /// A proxy that the environment names is no URL.
    #[error("{variable}: {shown:?} is no URL of a proxy; write it like http://proxy:3128")]
    Proxy {
        /// The variable.
        variable: String,
        /// Its value, credentials removed.
        shown: String,
    },
    /// The TLS library refused its configuration.
    #[error(
        "cannot set up TLS; install the system's CA certificates, or name a file of authorities"
    )]
    Tls(#[source] reqwest::Error),
}

/// The `reqwest` clients of a run: one that shows the client's certificate and one that does not.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) options: HttpOptions,
    plain: reqwest::Client,
    with_identity: Option<reqwest::Client>,
}

impl Clients {
    /// Reads the certificate files and makes the clients. Where `https` is needed and nobody is trusted,
    /// that is an error.
    pub(super) fn new(options: HttpOptions, https: bool) -> Result<Self, HttpSetupError> {
        // An error means that a provider is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authorities = authorities(&options.tls)?;
        let proxies = proxies(&|name| std::env::var(name).ok())?;
        let make = |identity: Option<reqwest::Identity>| {
            let base = || {
                let builder = reqwest::Client::builder()
                    .user_agent(concat!("seamless-ops/", env!("CARGO_PKG_VERSION")))
                    .redirect(reqwest::redirect::Policy::none())
                    .retry(reqwest::retry::never())
                    .referer(false)
                    // 98 % of the timeout, so that a connect timeout is reported as such.
                    .connect_timeout(options.timeout.mul_f64(0.98))
                    .pool_max_idle_per_host(options.idle_per_host)
                    .tcp_nodelay(true)
                    .no_proxy()
                    .dns_resolver(Arc::new(Resolver));
                let builder = proxies
                    .iter()
                    .map(|(_, proxy)| proxy.clone())
                    .fold(builder, reqwest::ClientBuilder::proxy);
                identity
                    .iter()
                    .cloned()
                    .fold(builder, reqwest::ClientBuilder::identity)
            };
            // Loading the system's store takes milliseconds that a run without TLS need not spend. A proxy
            // may speak TLS where the endpoint does not.
            if !https && !proxies.iter().any(|(url, _)| url.starts_with("https:")) {
                return base()
                    .tls_certs_only([])
                    .build()
                    .map_err(|error| HttpSetupError::Tls(error.without_url()));
            }
            let built = base().tls_certs_merge(authorities.clone()).build();
            // Without a system store the given authorities alone must do, or none for plain http.
            let alone = |error| {
                if https && authorities.is_empty() {
                    return Err(error);
                }
                base().tls_certs_only(authorities.clone()).build()
            };
            built
                .or_else(alone)
                .map_err(|error| HttpSetupError::Tls(error.without_url()))
        };
        let identity = identity(&options.tls)?;
        Ok(Self {
            plain: make(None)?,
            with_identity: identity.map(|identity| make(Some(identity))).transpose()?,
            options,
        })
    }

    /// The client for an endpoint.
    pub(super) fn serving(&self, endpoint: &Endpoint) -> &reqwest::Client {
        self.with_identity
            .as_ref()
            .filter(|_| endpoint.shows_client_certificate())
            .unwrap_or(&self.plain)
    }
}

fn authorities(files: &TlsFiles) -> Result<Vec<reqwest::Certificate>, HttpSetupError> {
    let Some(path) = &files.ca_cert else {
        return Ok(Vec::new());
    };
    reqwest::Certificate::from_pem_bundle(&read(TlsFile::Authorities, path)?)
        .ok()
        .filter(|certificates| !certificates.is_empty())
        .ok_or_else(|| HttpSetupError::NotPem {
            file: TlsFile::Authorities,
            path: path.clone(),
        })
}

fn identity(files: &TlsFiles) -> Result<Option<reqwest::Identity>, HttpSetupError> {
    let Some((certificate, key)) = &files.client_cert else {
        return Ok(None);
    };
    let mut pem = read(TlsFile::ClientKey, key)?;
    pem.push(b'\n');
    pem.extend(read(TlsFile::ClientCertificate, certificate)?);
    let identity = reqwest::Identity::from_pem(&pem).map_err(|_| HttpSetupError::NotPem {
        file: TlsFile::ClientCertificate,
        path: certificate.clone(),
    })?;
    Ok(Some(identity))
}

/// The proxies that the environment names. As for Go's tools, none is for this machine's own servers.
fn proxies(
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<(String, Proxy)>, HttpSetupError> {
    let set = |name: &str| {
        [name.to_lowercase(), name.to_owned()]
            .into_iter()
            .find_map(|name| Some((environment(&name).filter(|v| !v.trim().is_empty())?, name)))
    };
    let excepted = set("NO_PROXY").map_or_else(String::new, |(hosts, _)| hosts);
    let excepted = NoProxy::from_string(&format!("localhost,127.0.0.0/8,::1,{excepted}"));
    type Make = fn(&str) -> reqwest::Result<Proxy>;
    // The first that is for a URL's scheme is taken.
    let kinds: [(&str, Make); 3] = [
        ("HTTPS_PROXY", |url| Proxy::https(url)),
        ("HTTP_PROXY", |url| Proxy::http(url)),
        ("ALL_PROXY", |url| Proxy::all(url)),
    ];
    kinds
        .into_iter()
        .filter_map(|(name, make)| Some((set(name)?, make)))
        .map(|((url, variable), make)| {
            let proxy = make(&url).map_err(|_| HttpSetupError::Proxy {
                variable,
                shown: without_userinfo(&url),
            })?;
            Ok((url, proxy.no_proxy(excepted.clone())))
        })
        .collect()
}

/// Reads a certificate or key file; the system's whole bundle of authorities is a twentieth of the bound.
fn read(file: TlsFile, path: &Path) -> Result<Vec<u8>, HttpSetupError> {
    const LARGEST: u64 = 4 << 20;
    let read = std::fs::File::open(path).and_then(|opened| bounds::read(opened, LARGEST));
    read.map_err(|source| HttpSetupError::Unreadable {
        file,
        path: path.to_owned(),
        source,
    })
}

/// Resolves names through the system, with an error that can be told apart by its type.
struct Resolver;

impl reqwest::dns::Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let addresses: Vec<SocketAddr> = found
                .map_err(|error| ResolveError(error.to_string()))?
                .collect();
            Ok(Box::new(addresses.into_iter()) as reqwest::dns::Addrs)
        })
    }
}
