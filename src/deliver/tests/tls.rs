//! Encryption on the way out, against openssl's server (contract S48).

use std::path::Path;
use std::process::{Command, Stdio};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

use super::sink::{Act, At, Sink};
use super::*;

/// Makes a self-signed certificate for 127.0.0.1 and localhost.
fn certificate(dir: &Path) -> Vec<u8> {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args([
            "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", "-subj", "/CN=sink",
        ])
        .args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .current_dir(dir)
        .output()
        .expect("openssl is needed for this test");
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    std::fs::read(dir.join("cert.pem")).unwrap()
}

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

#[tokio::test]
async fn s48_smtps_delivers_to_a_server_that_proves_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let anchor = certificate(dir.path());
    let sink = Sink::start().await;
    let mut server = serve(dir.path(), &sink).await;
    let url = format!("smtps://127.0.0.1:{}", server.port);
    let courier = Courier::with(&settings(&url), patient(), Some(&anchor)).unwrap();
    let outcome = courier.deliver(&parcel(MAIL)).await;
    assert!(matches!(outcome, Outcome::Sent(_)), "{outcome:?}");
    assert_eq!(sink.mails()[0].data, MAIL);
    server.child.kill().await.unwrap();
}

#[tokio::test]
async fn s48_server_with_an_unknown_certificate_gets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    certificate(dir.path());
    let other = tempfile::tempdir().unwrap();
    let stranger = certificate(other.path());
    let sink = Sink::start().await;
    let mut server = serve(dir.path(), &sink).await;
    let url = format!("smtps://127.0.0.1:{}", server.port);
    let courier = Courier::with(&settings(&url), patient(), Some(&stranger)).unwrap();
    let outcome = courier.deliver(&parcel(MAIL)).await;
    assert!(matches!(outcome, Outcome::Deferred { .. }), "{outcome:?}");
    assert!(sink.commands.lock().unwrap().is_empty());
    server.child.kill().await.unwrap();
}

/// A server that speaks STARTTLS in clear and then hands the stream to openssl's server. What it
/// says beyond its reply to STARTTLS is `ahead`.
async fn starttls_front(tls_port: u16, ahead: &'static [u8]) -> u16 {
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        stream.write_all(b"220 front\r\n").await.unwrap();
        stream.read_line(&mut line).await.unwrap();
        stream
            .write_all(b"250-front\r\n250 STARTTLS\r\n")
            .await
            .unwrap();
        line.clear();
        stream.read_line(&mut line).await.unwrap();
        assert_eq!(line, "STARTTLS\r\n");
        stream
            .write_all(&[b"220 go\r\n", ahead].concat())
            .await
            .unwrap();
        let mut tls = TcpStream::connect(("127.0.0.1", tls_port)).await.unwrap();
        let mut plain = stream.into_inner();
        let _ = copy_bidirectional(&mut plain, &mut tls).await;
    });
    port
}

#[tokio::test]
async fn s48_starttls_delivers_and_what_was_said_before_it_is_not_believed() {
    for (ahead, delivered) in [
        (&b""[..], true),
        (b"250-8BITMIME\r\n250 injected\r\n", false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let anchor = certificate(dir.path());
        let sink = Sink::start().await;
        // Behind TLS the conversation goes on without a greeting (RFC 3207 section 4.2).
        sink.at(At::Greeting, Act::Skip);
        let mut server = serve(dir.path(), &sink).await;
        let port = starttls_front(server.port, ahead).await;
        let url = format!("smtp://127.0.0.1:{port}");
        let courier = Courier::with(&settings(&url), patient(), Some(&anchor)).unwrap();
        let outcome = courier.deliver(&parcel(MAIL)).await;
        assert_eq!(
            matches!(outcome, Outcome::Sent(_)),
            delivered,
            "{outcome:?}"
        );
        assert_eq!(sink.mails().len(), usize::from(delivered));
        server.child.kill().await.unwrap();
    }
}

#[tokio::test]
async fn s48_server_without_starttls_gets_no_mail_where_tls_is_due() {
    let dir = tempfile::tempdir().unwrap();
    let anchor = certificate(dir.path());
    let sink = Sink::start().await;
    let courier = Courier::with(&settings(&sink.url()), patient(), Some(&anchor)).unwrap();
    let outcome = courier.deliver(&parcel(MAIL)).await;
    assert!(
        matches!(&outcome, Outcome::Deferred { text, .. } if text.contains("does not offer STARTTLS")),
        "{outcome:?}"
    );
    assert!(
        !sink
            .commands
            .lock()
            .unwrap()
            .iter()
            .any(|c| c.starts_with("MAIL"))
    );
}
