//! TLS to the database: verified, always; by the system's certificates, or by those of one file.

use super::address::{Address, SslMode};
use rustls::ClientConfig;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use tokio_postgres_rustls::MakeRustlsConnect;

/// The way to encrypt connections of this address; the second trusts any name.
///
/// # Errors
/// When certificates can't be read.
pub(super) fn connectors(
    address: &Address,
    extra_ca: Option<&Path>,
) -> Result<(MakeRustlsConnect, MakeRustlsConnect), String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let inner: Arc<dyn ServerCertVerifier> = match &address.root_cert {
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|e| format!("{}: {e}", path.display()))?;
            }
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(|e| format!("{}: {e}", path.display()))?
        }
        None => {
            let extra = extra_ca.map(certificates).transpose()?.unwrap_or_default();
            let verifier = Verifier::new_with_extra_roots(extra, provider.clone()).map_err(|e| {
                format!(
                    "the system has no certificates to verify with ({e}): install ca-certificates, or set sslrootcert"
                )
            })?;
            Arc::new(verifier)
        }
    };
    let make = |verifier: Arc<dyn ServerCertVerifier>| -> Result<MakeRustlsConnect, String> {
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|e| format!("no TLS: {e}"))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let config = match &address.client_cert {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder
                .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
                .map_err(|e| format!("the client's certificate {}: {e}", certificate.display()))?,
        };
        Ok(MakeRustlsConnect::new(config))
    };
    let by_authority: Arc<dyn ServerCertVerifier> = Arc::new(AnyName(inner.clone()));
    Ok((make(inner)?, make(by_authority)?))
}

/// Which of the two a mode takes.
pub(super) struct Which {
    /// The one that looks at the name too.
    pub(super) by_name: bool,
}

/// How a mode verifies; `None`: without TLS.
pub(super) fn choose(mode: SslMode) -> Option<Which> {
    match mode {
        SslMode::Disable => None,
        SslMode::VerifyFull => Some(Which { by_name: true }),
        SslMode::VerifyCa => Some(Which { by_name: false }),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("the certificate file {} can't be used: {why}", path.display());
    let read = CertificateDer::pem_file_iter(path).map_err(|e| wrong(&e))?;
    let found = read.collect::<Result<Vec<_>, _>>().map_err(|e| wrong(&e))?;
    if found.is_empty() {
        return Err(wrong(&"it holds no certificate"));
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("the key file {} can't be used: {why}", path.display());
    let mode = std::fs::metadata(path).map_err(|e| wrong(&e))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(wrong(&format!("others may read it (mode {mode:04o}): chmod 600 it")));
    }
    PrivateKeyDer::from_pem_file(path).map_err(|e| wrong(&e))
}

/// Verifies all but the name.
#[derive(Debug)]
struct AnyName(Arc<dyn ServerCertVerifier>);

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.0.verify_server_cert(certificate, chain, name, ocsp, now) {
            // The name is looked at last: all else held.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
