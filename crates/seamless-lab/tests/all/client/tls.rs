//! Certificates that must not be accepted, and handshakes that fail.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use seamless_core::http::{
    HttpOptions, HttpResponse, RequestStage, SendError, TlsFiles, TransportError,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::{get_with, options};

/// An authority, and its certificate in a file.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { issuer, folder }
    }

    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A server's certificate for `name`.
    pub(super) fn server(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }

    /// The same for 127.0.0.1, asking for a client certificate of this authority.
    fn server_that_asks(&self) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
            .build()
            .unwrap();
        ServerConfig::builder()
            .with_client_cert_verifier(verifier)
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }

    async fn get(&self, address: SocketAddr) -> Result<HttpResponse, SendError> {
        let tls = TlsFiles {
            ca_cert: Some(self.file()),
            client_cert: None,
        };
        get_with(
            HttpOptions { tls, ..patient() },
            &format!("https://{address}"),
        )
        .await
    }
}

/// A handshake in a debug build on a busy machine takes its time.
fn patient() -> HttpOptions {
    HttpOptions {
        timeout: Duration::from_secs(10),
        ..options()
    }
}

/// What a server does with an open connection after the handshake.
#[derive(Clone, Copy)]
pub(super) enum After {
    Response,
    /// Ends without saying so, as a killed server does.
    Vanish,
}

pub(super) async fn serve(config: ServerConfig, after: After) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let read = stream.read(&mut [0; 4096]).await;
            if let (After::Response, Ok(1..)) = (after, read) {
                let _ = stream
                    .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                    .await;
                let _ = stream.shutdown().await;
            }
        }
    });
    address
}

#[tokio::test]
async fn a_certificate_of_a_given_authority_is_accepted() {
    let authority = Authority::new();
    let address = serve(authority.server("127.0.0.1", |_| {}), After::Response).await;
    assert_eq!(authority.get(address).await.unwrap().status, 200);
}

#[tokio::test]
async fn no_other_certificate_is() {
    let authority = Authority::new();
    let other = Authority::new();
    let expired = |params: &mut CertificateParams| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    };
    let not_yet = |params: &mut CertificateParams| params.not_before = date_time_ymd(2199, 1, 1);
    for (name, config, says) in [
        (
            "wrong name",
            authority.server("coordinator.example", |_| {}),
            "not valid for name",
        ),
        ("expired", authority.server("127.0.0.1", expired), "expired"),
        (
            "not valid yet",
            authority.server("127.0.0.1", not_yet),
            "not valid yet",
        ),
        (
            "unknown authority",
            other.server("127.0.0.1", |_| {}),
            "invalid peer certificate",
        ),
        (
            "asks for a client's",
            authority.server_that_asks(),
            "ertificate",
        ),
    ] {
        let address = serve(config, After::Response).await;
        let failure = authority.get(address).await.expect_err(name);
        let TransportError::Tls(text) = &failure.error else {
            panic!("{name}: {failure:?}");
        };
        assert!(text.contains(says) && text.len() < 1000, "{name}: {text}");
        // A wrong certificate does not mend itself.
        assert_eq!(failure.attempts, 1, "{name}");
        assert!(!failure.may_have_been_processed, "{name}");
    }
}

#[tokio::test]
async fn the_systems_authorities_do_not_vouch_for_a_private_one() {
    let authority = Authority::new();
    let address = serve(authority.server("127.0.0.1", |_| {}), After::Response).await;
    let unrelated = Authority::new();
    assert!(matches!(
        unrelated.get(address).await.unwrap_err().error,
        TransportError::Tls(_)
    ));
}

#[tokio::test]
async fn a_server_of_http_2_only_is_refused_in_the_handshake() {
    let authority = Authority::new();
    let mut config = authority.server("127.0.0.1", |_| {});
    config.alpn_protocols = vec![b"h2".to_vec()];
    let address = serve(config, After::Vanish).await;
    let failure = authority.get(address).await.unwrap_err();
    let named = matches!(
        failure.error,
        TransportError::Tls(_) | TransportError::Interrupted | TransportError::NotHttp(_)
    );
    assert!(named, "{failure:?}");
}

#[tokio::test]
async fn a_connection_that_ends_after_the_handshake_may_have_carried_the_request() {
    let authority = Authority::new();
    let address = serve(authority.server("127.0.0.1", |_| {}), After::Vanish).await;
    let failure = authority.get(address).await.unwrap_err();
    assert_eq!(
        (&failure.error, failure.attempts),
        (&TransportError::Interrupted, 4)
    );
    assert!(failure.may_have_been_processed);
}

#[tokio::test]
async fn plain_and_tls_mixed_up_is_told() {
    let authority = Authority::new();
    let address = serve(authority.server("127.0.0.1", |_| {}), After::Response).await;
    let failure = get_with(patient(), &format!("http://{address}"))
        .await
        .unwrap_err();
    assert!(
        matches!(
            failure.error,
            TransportError::NotHttp(_) | TransportError::Interrupted
        ),
        "{failure:?}"
    );

    let plain = seamless_lab::faults::Faults::always(seamless_lab::faults::Behaviour::Garbage(
        b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
    ))
    .unwrap();
    let address = plain.url().trim_start_matches("http://").parse().unwrap();
    let failure = authority.get(address).await.unwrap_err();
    assert!(!failure.may_have_been_processed, "{failure:?}");
}

#[tokio::test]
async fn a_handshake_that_hangs_is_a_connection_that_never_opened() {
    let authority = Authority::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let tls = TlsFiles {
        ca_cert: Some(authority.file()),
        client_cert: None,
    };
    let failure = get_with(HttpOptions { tls, ..options() }, &url)
        .await
        .unwrap_err();
    let stage = RequestStage::Connecting;
    assert_eq!(
        failure.error,
        TransportError::TimedOut {
            after: super::TIMEOUT,
            stage
        }
    );
    assert!(!failure.may_have_been_processed);
}
