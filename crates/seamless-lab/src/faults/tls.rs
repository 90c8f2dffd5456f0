//! A server of TLS that shows a certificate which nobody should accept.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::background;
use crate::serving::ANY_PORT;

/// What is wrong with the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// It names another host.
    OtherName,
    /// It was valid once.
    Expired,
    /// Its authority is none that the file names.
    UnknownAuthority,
}

/// A running server; gone when dropped.
pub struct TlsServer {
    address: SocketAddr,
    folder: TempDir,
    accepting: JoinHandle<()>,
}

fn authority(name: &str) -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

impl TlsServer {
    /// Starts a server that shows `certificate`.
    ///
    /// # Errors
    /// If no port is free.
    pub fn start(certificate: Certificate) -> Result<Self> {
        let trusted = authority("the trusted authority")?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("ca.pem"), trusted.pem())?;
        let issuer = match certificate {
            Certificate::UnknownAuthority => authority("somebody")?,
            Certificate::OtherName | Certificate::Expired => trusted,
        };
        let name = match certificate {
            Certificate::OtherName => "another.example",
            Certificate::Expired | Certificate::UnknownAuthority => "127.0.0.1",
        };
        let mut params = CertificateParams::new([name.to_owned()])?;
        if certificate == Certificate::Expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate()?;
        let shown = params.signed_by(&key, &issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![shown.der().clone()], key)?;
        let listener =
            background::run(TcpListener::bind(ANY_PORT))?.context("no free port to listen on")?;
        let address = listener.local_addr().context("no local address")?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let accepting = background::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Whoever accepts the certificate gets no answer.
                tokio::spawn(acceptor.accept(stream));
            }
        })?;
        Ok(Self {
            address,
            folder,
            accepting,
        })
    }

    /// Its base URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The certificate, in PEM, of the authority that is trusted.
    #[must_use]
    pub fn authority_file(&self) -> PathBuf {
        let folder: &Path = self.folder.path();
        folder.join("ca.pem")
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
