//! Every certificate that should be refused is, by every adapter, and says why; nothing is sent.

use super::testing::{VERSION, answer, read_request, serve_once, spec};
use super::*;
use crate::domain::HostName;
use crate::domain::check::Failure;
use crate::domain::server::DbTls;
use probe::{CheckSettings, check_server};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    Expired,
    NotYetValid,
    WrongName,
    SelfSigned,
    UnknownRoot,
    NotForServers,
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

fn authority() -> Authority {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    Authority {
        issuer: Issuer::new(params, key),
        pem,
    }
}

fn acceptor(fault: Fault, ours: &Authority) -> TlsAcceptor {
    let name = match fault {
        Fault::WrongName => "elsewhere.example",
        _ => "127.0.0.1",
    };
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    match fault {
        Fault::Expired => params.not_after = date_time_ymd(2020, 1, 1),
        Fault::NotYetValid => params.not_before = date_time_ymd(2999, 1, 1),
        Fault::NotForServers => params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth],
        _ => {}
    }
    let certificate = match fault {
        Fault::SelfSigned => params.self_signed(&key),
        Fault::UnknownRoot => params.signed_by(&key, &authority().issuer),
        _ => params.signed_by(&key, &ours.issuer),
    };
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.unwrap().der().clone()],
            rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A server that answers Odoo's version over TLS; how many requests reached it.
async fn odoo_over_tls(acceptor: TlsAcceptor) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, count) = (acceptor.clone(), Arc::clone(&count));
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve_once(stream, |_| {
                        count.fetch_add(1, Ordering::Relaxed);
                        answer("200 OK", "application/json", "", VERSION)
                    })
                    .await;
                }
            });
        }
    });
    (address, asked)
}

/// A server that begins as PostgreSQL does and then speaks TLS; how many handshakes were completed.
async fn postgres_over_tls(acceptor: TlsAcceptor) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let reached = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reached);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (acceptor, count) = (acceptor.clone(), Arc::clone(&count));
            tokio::spawn(async move {
                let mut request = [0_u8; 8];
                stream.read_exact(&mut request).await.unwrap();
                stream.write_all(b"S").await.unwrap();
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    // The name and password would come next.
                    let mut byte = [0_u8; 1];
                    if stream.read(&mut byte).await.is_ok_and(|n| n > 0) {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    (address, reached)
}

fn trusting(ours: &Authority) -> (Remote, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &ours.pem).unwrap();
    let remote = Remote::new(Keyring::new(folder.path()), Limits::default(), Some(ca)).unwrap();
    (remote, folder)
}

#[tokio::test]
async fn bad_certificates_are_refused_and_named() {
    let ours = authority();
    let (remote, _folder) = trusting(&ours);
    for (fault, wanted) in [
        (Fault::None, ""),
        (Fault::Expired, "the certificate has expired"),
        (Fault::NotYetValid, "the certificate is not valid yet"),
        (Fault::WrongName, "the certificate is for another name"),
        (Fault::SelfSigned, "signed by nobody this machine trusts"),
        (Fault::UnknownRoot, "signed by nobody this machine trusts"),
        (Fault::NotForServers, "certificate had invalid extensions"),
    ] {
        let (address, asked) = odoo_over_tls(acceptor(fault, &ours)).await;
        let spec = spec(&format!("https://{address}"));
        let version = remote.odoo(&spec).version().await;
        let report = check_server(&remote, &spec, &CheckSettings::default()).await;
        if fault == Fault::None {
            assert!(version.is_ok(), "{version:?}");
            assert_eq!(report.failure, None);
            let tls = report.layers.iter().find(|l| l.name == "tls").unwrap();
            assert_eq!(tls.passed, Some(true));
            continue;
        }
        let error = version.unwrap_err();
        assert!(error.to_string().contains(wanted), "{fault:?}: {error}");
        assert!(!error.is_transient(), "{fault:?}");
        let Some(Failure::Tls { what }) = &report.failure else {
            panic!("{fault:?}: {:?}", report.failure)
        };
        assert!(what.as_str().contains(wanted), "{fault:?}: {what}");
        assert_eq!(
            report.layers.last().map(|l| (l.name.as_str(), l.passed)),
            Some(("tls", Some(false)))
        );
        assert_eq!(asked.load(Ordering::Relaxed), 0, "{fault:?}: a request was sent");
    }
}

#[tokio::test]
async fn postgresql_is_held_to_the_same_rule() {
    let ours = authority();
    let (remote, _folder) = trusting(&ours);
    for (fault, wanted) in [
        (Fault::None, ""),
        (Fault::Expired, "has expired"),
        (Fault::WrongName, "for another name"),
        (Fault::SelfSigned, "signed by nobody"),
        (Fault::UnknownRoot, "signed by nobody"),
        (Fault::NotForServers, "certificate had invalid extensions"),
    ] {
        let (address, reached) = postgres_over_tls(acceptor(fault, &ours)).await;
        let mut spec = spec("http://127.0.0.1:1");
        spec.db_host = Some(HostName::parse("127.0.0.1").unwrap());
        spec.db_port = address.port();
        spec.db_tls = DbTls::VerifyFull;
        let error = remote.postgres(&spec, "x").await.err().unwrap();
        if fault == Fault::None {
            assert_eq!(reached.load(Ordering::Relaxed), 1, "{error}");
            continue;
        }
        assert!(error.to_string().contains(wanted), "{fault:?}: {error}");
        assert_eq!(reached.load(Ordering::Relaxed), 0, "{fault:?}: something was sent");
    }
}

#[tokio::test]
async fn plain_text_where_tls_is_asked_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut hello = [0_u8; 16];
                let _ = stream.read(&mut hello).await;
                let _ = stream
                    .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                    .await;
                // Kept open: a reset would hide what was said.
                read_request(&mut stream).await;
            });
        }
    });
    let (remote, _folder) = trusting(&authority());
    let spec = spec(&format!("https://{address}"));
    let report = check_server(&remote, &spec, &CheckSettings::default()).await;
    let Some(Failure::Tls { what }) = &report.failure else {
        panic!("{:?}", report.failure)
    };
    assert!(what.as_str().contains("speaks plain text"), "{what}");
    let error = remote.odoo(&spec).version().await.unwrap_err();
    assert!(error.to_string().contains("speaks plain text"), "{error}");
}

#[test]
fn a_file_without_certificates_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    for content in ["", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
        std::fs::write(&file, content).unwrap();
        assert!(tls::Tls::load(Some(&file)).is_err(), "{content:?}");
    }
    assert!(tls::Tls::load(Some(&folder.path().join("absent"))).is_err());
    assert!(tls::Tls::load(None).is_ok());
}
