//! What the HTTP client is made of: options, certificate files, and a `reqwest` client per kind of origin.
//!
//! Owns reading and checking certificates before anybody is contacted. It sends nothing.

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
use tokio::time::Instant;

use super::endpoint::Endpoint;
use super::error::ResolveError;

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

/// Why no client could be made. Nothing has been contacted.
#[derive(Debug, thiserror::Error)]
pub enum HttpSetupError {
    /// A certificate or key file cannot be read.
    #[error("cannot read {what} {}: {source}", path.display())]
    Unreadable {
        /// Which flag it belongs to.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file holds no usable PEM.
    #[error("{what} {} holds no usable PEM", path.display())]
    NotPem {
        /// Which flag it belongs to.
        what: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The TLS library refused its configuration.
    #[error("cannot set up TLS; install the system's CA certificates or give --ca-cert")]
    Tls(#[source] reqwest::Error),
}

/// The `reqwest` clients of a run, each made when it is first needed.
#[derive(Debug)]
pub(super) struct Clients {
    pub(super) options: HttpOptions,
    authorities: Vec<reqwest::Certificate>,
    identity: Option<reqwest::Identity>,
    // By (https, client certificate, loopback): each serves its own set of origins.
    variants: [OnceLock<reqwest::Client>; 8],
}

impl Clients {
    /// Reads the certificate files.
    pub(super) fn new(options: HttpOptions) -> Result<Self, HttpSetupError> {
        // An error means that a provider is installed already, which serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authorities = match &options.tls.ca_cert {
            None => Vec::new(),
            Some(path) => {
                let what = "--ca-cert";
                reqwest::Certificate::from_pem_bundle(&read(what, path)?)
                    .ok()
                    .filter(|certificates| !certificates.is_empty())
                    .ok_or_else(|| HttpSetupError::NotPem {
                        what,
                        path: path.clone(),
                    })?
            }
        };
        let identity = match &options.tls.client_cert {
            None => None,
            Some((certificate, key)) => {
                let mut pem = read("--client-key", key)?;
                pem.push(b'\n');
                pem.extend(read("--client-cert", certificate)?);
                Some(
                    reqwest::Identity::from_pem(&pem).map_err(|_| HttpSetupError::NotPem {
                        what: "--client-cert/--client-key",
                        path: certificate.clone(),
                    })?,
                )
            }
        };
        Ok(Self {
            options,
            authorities,
            identity,
            variants: Default::default(),
        })
    }

    /// The client for an endpoint's kind of origin.
    pub(super) fn serving(&self, endpoint: &Endpoint) -> Result<&reqwest::Client, HttpSetupError> {
        let (https, loopback) = (endpoint.is_https(), endpoint.is_loopback());
        let identity = self
            .identity
            .as_ref()
            .filter(|_| endpoint.shows_client_certificate());
        let index =
            usize::from(https) | usize::from(identity.is_some()) << 1 | usize::from(loopback) << 2;
        let slot = &self.variants[index];
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let base = || {
            let mut builder = reqwest::Client::builder()
                .user_agent(concat!("seamless-ops/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                // Slightly less than the whole, so that it is the connecting that is named.
                .connect_timeout(self.options.timeout.mul_f64(0.98))
                .pool_max_idle_per_host(self.options.idle_per_host)
                .tcp_nodelay(true)
                .dns_resolver(Arc::new(Resolver));
            // As Go's tools do: a proxy from the environment is not for this machine's own servers.
            // Nor is there anything to save by packing what does not leave it.
            if loopback {
                let unpacked = HeaderValue::from_static("identity");
                builder = builder
                    .no_proxy()
                    .default_headers(HeaderMap::from_iter([(ACCEPT_ENCODING, unpacked)]));
            }
            if let Some(identity) = identity {
                builder = builder.identity(identity.clone());
            }
            builder
        };
        let built = if https && self.authorities.is_empty() {
            base().build()
        } else if https {
            // Without a system store the given authorities alone must do.
            base()
                .tls_certs_merge(self.authorities.clone())
                .build()
                .or_else(|_| base().tls_certs_only(self.authorities.clone()).build())
        } else {
            // Loading the system's store takes milliseconds that plain http need not spend.
            base().tls_certs_only([]).build()
        };
        let built = built.map_err(|error| HttpSetupError::Tls(error.without_url()))?;
        Ok(slot.get_or_init(|| built))
    }
}

/// Reads a certificate or key file; the system's whole bundle of authorities is a twentieth of the bound.
fn read(what: &'static str, path: &Path) -> Result<Vec<u8>, HttpSetupError> {
    const LARGEST: u64 = 4 * 1024 * 1024;
    let mut bytes = Vec::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes));
    let read = match read {
        Ok(length) if length as u64 > LARGEST => Err(std::io::ErrorKind::FileTooLarge.into()),
        other => other,
    };
    read.map(|_| bytes)
        .map_err(|source| HttpSetupError::Unreadable {
            what,
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
