//! What is trusted: the system's certificates, and those of one extra file. There is no switch to
//! skip verification.

use super::error::{RemoteError, Result};
use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use rustls_platform_verifier::Verifier;
use std::path::Path;
use std::sync::Arc;

/// TLS as every adapter here speaks it: rustls with ring, 1.2 or 1.3, certificate and name verified.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ClientConfig>,
}

impl Tls {
    /// Reads the system's certificates, and `extra_ca` (PEM).
    ///
    /// # Errors
    /// When `extra_ca` can't be read or holds no certificate.
    pub fn load(extra_ca: Option<&Path>) -> Result<Self> {
        let bad = |path: &Path, why: &dyn std::fmt::Display| RemoteError::NotConfigured {
            what: format!("the certificate file {} can't be used: {why}", path.display()),
            hint: "give a PEM file with the certificate of the authority that signed the servers' certificates",
        };
        let mut extra = Vec::new();
        if let Some(path) = extra_ca {
            let read = CertificateDer::pem_file_iter(path).map_err(|e| bad(path, &e))?;
            for certificate in read {
                extra.push(certificate.map_err(|e| bad(path, &e))?);
            }
            if extra.is_empty() {
                return Err(bad(path, &"it holds no certificate"));
            }
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match Verifier::new_with_extra_roots(extra, provider.clone()) {
            Ok(verifier) => Arc::new(verifier),
            // A machine without ca-certificates still watches servers by plain HTTP.
            Err(why) => Arc::new(NoRoots {
                provider: provider.clone(),
                why: why.to_string(),
            }),
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|e| RemoteError::NotConfigured {
                what: format!("no TLS: {e}"),
                hint: "this is a fault of the build",
            })?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(Self {
            config: Arc::new(config),
        })
    }

    /// The configuration, for a client that takes rustls'.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }
}

/// Refuses every certificate, saying that there is nothing to verify it with.
#[derive(Debug)]
struct NoRoots {
    provider: Arc<CryptoProvider>,
    why: String,
}

impl ServerCertVerifier for NoRoots {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Err(rustls::Error::General(format!(
            "{} (install ca-certificates, or set an extra CA file)",
            self.why
        )))
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What is wrong with a handshake, in an operator's words.
pub fn explain(error: &rustls::Error) -> String {
    use rustls::{CertificateError as C, Error as E};
    match error {
        E::InvalidCertificate(C::Expired | C::ExpiredContext { .. }) => "the certificate has expired".to_owned(),
        E::InvalidCertificate(C::NotValidYet | C::NotValidYetContext { .. }) => {
            "the certificate is not valid yet (is this machine's clock right?)".to_owned()
        }
        E::InvalidCertificate(C::NotValidForName | C::NotValidForNameContext { .. }) => {
            "the certificate is for another name".to_owned()
        }
        // The latter: an authority of the same name with another key.
        E::InvalidCertificate(C::UnknownIssuer | C::BadSignature) => {
            "the certificate is signed by nobody this machine trusts (self-signed, or a chain that is not complete)"
                .to_owned()
        }
        E::InvalidCertificate(C::Revoked) => "the certificate is revoked".to_owned(),
        E::InvalidCertificate(C::InvalidPurpose | C::InvalidPurposeContext { .. }) => {
            "the certificate is not one for a server".to_owned()
        }
        E::InvalidCertificate(C::Other(other)) => format!("the certificate is refused: {other}"),
        E::InvalidCertificate(other) => format!("the certificate is refused: {other:?}"),
        E::InvalidMessage(_) => "the answer is not TLS: the server speaks plain text on this port".to_owned(),
        E::PeerIncompatible(_) => "the server offers no TLS version or cipher that is still safe".to_owned(),
        E::AlertReceived(alert) => format!("the server broke off the handshake: {alert:?}"),
        other => other.to_string(),
    }
}

/// The handshake's error inside an IO error or any chain of errors, if there is one.
pub fn find<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut at = Some(error);
    while let Some(e) = at {
        if let Some(tls) = e.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        if let Some(io) = e.downcast_ref::<std::io::Error>()
            && let Some(inner) = io.get_ref()
            && let Some(tls) = find(inner as &(dyn std::error::Error + 'static))
        {
            return Some(tls);
        }
        at = e.source();
    }
    None
}
