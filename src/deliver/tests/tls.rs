//! Encryption on the way out, with certificates of openssl and its server (contract S48).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::sink::{At, Sink};
use super::*;

/// Gives a sink a certificate of its own and returns where it is, for `delivery.cafile`.
pub(super) fn with_certificate(sink: &Sink, dir: &Path) -> PathBuf {
    certificate(dir, SAN, &[]);
    let chain = vec![CertificateDer::from_pem_file(dir.join("cert.pem")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(dir.join("key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    *sink.tls.lock().unwrap() = Some(TlsAcceptor::from(Arc::new(config)));
    dir.join("cert.pem")
}

const SAN: &str = "subjectAltName=IP:127.0.0.1,DNS:localhost";

/// Makes a certificate in `dir`, self-signed or by the `issuer`'s, which must be there too.
fn certificate(dir: &Path, names: &str, issuer: &[&str]) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args(["ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=sink"])
        .args(["-keyout", "key.pem", "-out", "cert.pem", "-days", "2"])
        .args(["-addext", names])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(issuer)
        .current_dir(dir)
        .output()
        .expect("openssl is needed for this test");
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{said}");
}

/// Makes an authority in `dir`.
fn authority(dir: &Path) {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
        .args([
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-subj",
            "/CN=authority",
        ])
        .args(["-keyout", "ca.key", "-out", "ca.pem", "-days", "2"])
        .current_dir(dir)
        .output()
        .expect("openssl is needed for this test");
    assert!(made.status.success());
}

const BY_AUTHORITY: [&str; 4] = ["-CA", "ca.pem", "-CAkey", "ca.key"];

/// A TLS server of openssl that hands the plain conversation to `sink`.
struct Server {
    port: u16,
    child: tokio::process::Child,
}

async fn serve(dir: &Path, sink: &Sink) -> Server {
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        free.local_addr().unwrap().port()
    };
    let child = tokio::process::Command::new("openssl")
        .args([
            "s_server",
            "-quiet",
            "-accept",
            &format!("127.0.0.1:{port}"),
        ])
        .args(["-cert", "cert.pem", "-key", "key.pem", "-naccept", "1"])
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("openssl is needed for this test");
    let mut server = Server { port, child };
    let mut stream = tokio::io::join(
        server.child.stdout.take().unwrap(),
        server.child.stdin.take().unwrap(),
    );
    let plain_port = sink.port;
    tokio::spawn(async move {
        let mut plain = TcpStream::connect(("127.0.0.1", plain_port)).await.unwrap();
        let _ = copy_bidirectional(&mut stream, &mut plain).await;
    });
    for _ in 0..600 {
        // Asking the kernel does not use up the one connection the server accepts.
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        if table.contains(&format!("0100007F:{port:04X} 00000000:0000 0A")) {
            return server;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("openssl s_server did not start");
}

/// A courier to a port with TLS that is judged by `cafile`.
fn courier(scheme: &str, host: &str, port: u16, cafile: PathBuf) -> Courier {
    let mut settings = settings(&format!("{scheme}://{host}:{port}"));
    settings.cafile = Some(cafile);
    Courier::with(&settings, patient()).unwrap()
}

#[tokio::test]
async fn s48_certificate_must_lead_to_an_authority_and_name_the_host_or_be_pinned() {
    let here = "127.0.0.1";
    let elsewhere = "subjectAltName=DNS:elsewhere.example";
    for (what, names, issuer, trusted, host, delivered) in [
        ("authority", SAN, &BY_AUTHORITY[..], "ca.pem", here, true),
        (
            "authority by name",
            SAN,
            &BY_AUTHORITY[..],
            "ca.pem",
            "localhost",
            true,
        ),
        (
            "another name",
            elsewhere,
            &BY_AUTHORITY[..],
            "ca.pem",
            here,
            false,
        ),
        ("self-signed", SAN, &[], "cert.pem", here, true),
        (
            "pinned under another name",
            elsewhere,
            &[],
            "cert.pem",
            here,
            true,
        ),
        ("unknown self-signed", SAN, &[], "ca.pem", here, false),
        (
            "unknown authority",
            SAN,
            &BY_AUTHORITY[..],
            "other.pem",
            here,
            false,
        ),
    ] {
        let dir = tempfile::tempdir().unwrap();
        authority(dir.path());
        std::fs::rename(dir.path().join("ca.pem"), dir.path().join("other.pem")).unwrap();
        authority(dir.path());
        certificate(dir.path(), names, issuer);
        let sink = Sink::start().await;
        let mut server = serve(dir.path(), &sink).await;
        let courier = courier("smtps", host, server.port, dir.path().join(trusted));
        let outcome = courier.deliver(&parcel(MAIL)).await;
        let sent = matches!(outcome, Outcome::Sent(_));
        assert_eq!(sent, delivered, "{what}: {outcome:?}");
        if delivered {
            assert_eq!(sink.mails()[0].data, MAIL, "{what}");
        } else {
            assert!(
                matches!(outcome, Outcome::Deferred { .. }),
                "{what}: {outcome:?}"
            );
            assert!(sink.commands.lock().unwrap().is_empty(), "{what}");
        }
        server.child.kill().await.unwrap();
    }
}

#[tokio::test]
async fn s48_what_the_server_said_before_tls_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Sink::start().await;
    let cafile = with_certificate(&sink, dir.path());
    sink.offer(&["STARTTLS"]);
    sink.say(
        At::Hello,
        "250-sink\r\n250-SMTPUTF8\r\n250-8BITMIME\r\n250 STARTTLS",
    );
    let courier = courier("smtp", "127.0.0.1", sink.port, cafile);
    let watch = sink.clone();
    let change = tokio::spawn(async move {
        while !watch
            .commands
            .lock()
            .unwrap()
            .contains(&"STARTTLS".to_owned())
        {
            tokio::task::yield_now().await;
        }
        watch.behave();
    });
    let outcome = courier.deliver(&parcel("gr\u{fc}\u{df}e".as_bytes())).await;
    change.await.unwrap();
    let unsupported = Kind::Failed(Reason::AddressUnsupported, 0);
    assert_eq!(kind(&outcome), unsupported, "{outcome:?}");
    sink.behave();
    assert_eq!(kind(&courier.deliver(&parcel(MAIL)).await), Kind::Sent);
    let commands = sink.commands.lock().unwrap().clone();
    let hellos = commands
        .iter()
        .filter(|one| one.starts_with("EHLO"))
        .count();
    assert_eq!(hellos, 2, "{commands:?}");
}

#[tokio::test]
async fn s48_answer_to_starttls_that_brings_more_with_it_gets_no_mail() {
    for ahead in [
        "220 go\r\n250 injected\r\n",
        "220 go\r\n250-8BITMIME\r\n250 injected\r\n",
        "220 go\r\n2",
        "220 go\r\n\r\n",
        "220 go\r\n220 again\r\n",
        "220-go\r\n220 go\r\n\0",
        "250 go\r\n",
        "454 4.7.0 not now\r\n",
        "554 5.7.0 never\r\n",
        "334 \r\n",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let sink = Sink::start().await;
        let cafile = with_certificate(&sink, dir.path());
        sink.offer(&["STARTTLS"]);
        sink.at(At::StartTls, sink::Act::Raw(ahead.as_bytes().to_vec()));
        let courier = courier("smtp", "127.0.0.1", sink.port, cafile);
        let outcome = courier.deliver(&parcel(MAIL)).await;
        assert!(
            matches!(outcome, Outcome::Deferred { .. }),
            "{ahead:?}: {outcome:?}"
        );
        assert_eq!(sink.mails(), [], "{ahead:?}");
        let commands = sink.commands.lock().unwrap().clone();
        assert_eq!(
            commands,
            ["EHLO relay.example.org", "STARTTLS"],
            "{ahead:?}"
        );
    }
}

#[tokio::test]
async fn s48_server_without_starttls_gets_no_mail_where_tls_is_due() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Sink::start().await;
    let cafile = with_certificate(&sink, dir.path());
    let courier = courier("smtp", "127.0.0.1", sink.port, cafile);
    let outcome = courier.deliver(&parcel(MAIL)).await;
    assert!(
        matches!(&outcome, Outcome::Deferred { text, .. } if text.contains("does not offer STARTTLS")),
        "{outcome:?}"
    );
    let commands = sink.commands.lock().unwrap().clone();
    assert_eq!(commands, ["EHLO relay.example.org"]);
}

#[test]
fn certificates_that_cannot_be_used_are_named_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ca.pem");
    let mut settings = settings("smtp://127.0.0.1:25");
    settings.cafile = Some(path.clone());
    for text in [None, Some(""), Some("-----BEGIN CERTIFICATE-----\n")] {
        if let Some(text) = text {
            std::fs::write(&path, text).unwrap();
        }
        let error = Courier::new(&settings).unwrap_err().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
}
