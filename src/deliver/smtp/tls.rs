//! TLS to the next hop: whom it believes and how it begins.
//!
//! # Trust
//!
//! The server's certificate must name it and lead to an authority that the system believes, or to
//! one of `delivery.cafile`, or be itself in that file: a pin (contract S48). The certificates that
//! S/MIME is judged by have no say here.
//!
//! # See also
//!
//! RFC 3207, RFC 8314, RFC 9525.

use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use super::connection::Stream;
use crate::deliver::CourierError;

/// Begins TLS with one server.
pub(super) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// Prepares for a server called `host`; `cafile` stands in for the system's authorities.
    pub(super) fn new(host: &str, cafile: Option<&Path>) -> Result<Self, CourierError> {
        let failed = |problem: &dyn std::fmt::Display| CourierError::Tls(problem.to_string());
        let name = ServerName::try_from(host.to_owned()).map_err(|e| failed(&e))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = match cafile {
            Some(file) => verifier(&own(file)?, true, provider.clone()),
            None => verifier(&system()?, false, provider.clone()),
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| failed(&e))?
            .dangerous() // That is what rustls calls any verifier but its own; see `Pinned`.
            .with_custom_certificate_verifier(verifier?)
            .with_no_client_auth();
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            name,
        })
    }

    /// Shakes hands.
    pub(super) async fn encrypt(
        &self,
        stream: Box<dyn Stream>,
    ) -> std::io::Result<TlsStream<Box<dyn Stream>>> {
        self.connector.connect(self.name.clone(), stream).await
    }
}

fn system() -> Result<Vec<CertificateDer<'static>>, CourierError> {
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.first().map(ToString::to_string);
        let why = why.unwrap_or_else(|| "the system has no trust anchors".to_owned());
        return Err(CourierError::Tls(why));
    }
    Ok(found.certs)
}

fn own(file: &Path) -> Result<Vec<CertificateDer<'static>>, CourierError> {
    let failed = |problem: String| CourierError::Anchors {
        place: file.to_owned(),
        problem,
    };
    let text = std::fs::read(file).map_err(|e| failed(format!("cannot be read: {e}")))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|e| failed(format!("is no PEM file: {e}")))?;
    if found.is_empty() {
        return Err(failed("has no certificate".to_owned()));
    }
    Ok(found)
}

fn verifier(
    certificates: &[CertificateDer<'static>],
    pin: bool,
    provider: Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>, CourierError> {
    let mut roots = RootCertStore::empty();
    let (good, _) = roots.add_parsable_certificates(certificates.iter().cloned());
    if good == 0 {
        let problem = "none of the trust anchors can be read".to_owned();
        return Err(CourierError::Tls(problem));
    }
    let paths = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|e| CourierError::Tls(e.to_string()))?;
    let pins = if pin {
        certificates.to_vec()
    } else {
        Vec::new()
    };
    Ok(Arc::new(Pinned { pins, paths }))
}

/// A path to an authority, or the very certificate that the operator named: many relays have a
/// self-signed one, whose names and dates say nothing that the file does not say better.
#[derive(Debug)]
struct Pinned {
    pins: Vec<CertificateDer<'static>>,
    paths: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.pins.iter().any(|pin| pin == certificate) {
            return Ok(ServerCertVerified::assertion());
        }
        let paths = &self.paths;
        paths.verify_server_cert(certificate, others, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.paths
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.paths
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.paths.supported_verify_schemes()
    }
}
