//! Postfix's own test server, over SMTP and LMTP, over TCP and a unix socket.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::*;

/// `smtp-sink` with these words, stopped when it goes out of scope.
struct SmtpSink {
    child: Child,
    dir: tempfile::TempDir,
}

impl SmtpSink {
    /// Keeps each mail in a file of `dir`; `place` is its `[inet:]host:port` or `unix:path`.
    async fn start(words: &[&str], place: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("smtp-sink");
        if !Path::new("/usr/sbin/smtp-sink").exists() {
            panic!("smtp-sink is needed for this test: apt-get install postfix");
        }
        if rustix::process::geteuid().is_root() {
            command.args(["-u", "root"]);
        }
        command.current_dir(dir.path()).args(["-d", "mail."]);
        let path = std::env::var("PATH").unwrap_or_default();
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = quiet.env("PATH", format!("{path}:/usr/sbin"));
        let child = child.args(words).args([place, "100"]).spawn().unwrap();
        Self { child, dir }
    }

    /// What it kept: its own header lines, then the mail in Unix lines.
    fn mails(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.dir.path()).unwrap();
        let read = |file: std::io::Result<std::fs::DirEntry>| {
            String::from_utf8(std::fs::read(file.unwrap().path()).unwrap()).unwrap()
        };
        files.map(read).collect()
    }
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

async fn free_port() -> u16 {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    free.local_addr().unwrap().port()
}

/// Delivers once the server is up.
async fn until_sent(courier: &Courier, mail: &[u8]) {
    for _ in 0..600 {
        match courier.deliver(&parcel(mail)).await {
            Outcome::Sent(_) => return,
            outcome => assert_eq!(kind(&outcome), Kind::Deferred(0), "{outcome:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("smtp-sink did not start");
}

#[tokio::test]
async fn smtp_sink_of_postfix_keeps_what_was_sent_with_and_without_pipelining() {
    for words in [
        &["-4"][..],
        &["-4", "-p"],
        &["-4", "-8"],
        &["-4", "-L"],
        &["-4", "-L", "-p"],
    ] {
        let port = free_port().await;
        let server = SmtpSink::start(words, &format!("127.0.0.1:{port}")).await;
        let scheme = if words.contains(&"-L") {
            "lmtp"
        } else {
            "smtp"
        };
        let url = format!("{scheme}://127.0.0.1:{port}");
        let courier = Courier::with(&settings(&url), patient()).unwrap();
        until_sent(&courier, MAIL).await;
        for _ in 0..9 {
            assert_eq!(kind(&courier.deliver(&parcel(MAIL)).await), Kind::Sent);
        }
        let mut large = b"Subject: large\r\n\r\n".to_vec();
        large.extend(b".0123456789\r\n".repeat(100_000));
        assert_eq!(kind(&courier.deliver(&parcel(&large)).await), Kind::Sent);
        courier.close().await;
        let mails = server.mails();
        assert_eq!(mails.len(), 11, "{words:?}");
        let small = String::from_utf8(MAIL.to_vec())
            .unwrap()
            .replace("\r\n", "\n");
        let large = String::from_utf8(large).unwrap().replace("\r\n", "\n");
        for mail in mails {
            let envelope = "X-Mail-Args: <team-bounces@example.org>";
            assert!(mail.contains(envelope), "{words:?}: {mail}");
            let whole = mail.contains(&small) || mail.contains(&large);
            assert!(whole, "{words:?}: {} bytes", mail.len());
        }
    }
}

#[tokio::test]
async fn lmtp_of_postfix_over_a_unix_socket() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("lmtp");
    let place = format!("unix:{}", socket.display());
    let server = SmtpSink::start(&["-L"], &place).await;
    let url = format!("lmtp+unix://{}", socket.display());
    let courier = Courier::with(&settings(&url), patient()).unwrap();
    until_sent(&courier, MAIL).await;
    courier.close().await;
    assert_eq!(server.mails().len(), 1);
}

#[tokio::test]
async fn smtp_sink_that_refuses_or_hangs_up_is_read_as_r14_says() {
    let refused = Reason::RecipientRefused;
    for (words, expected) in [
        (&["-f", "rcpt"][..], Kind::Failed(refused, 500)),
        (&["-r", "rcpt"], Kind::Deferred(450)),
        (&["-f", "."], Kind::Failed(Reason::MessageRefused, 500)),
        (&["-r", "."], Kind::Deferred(450)),
        (&["-q", "data"], Kind::Deferred(0)),
        (&["-Q", "mail"], Kind::Deferred(421)),
        (&["-f", "connect"], Kind::Deferred(500)),
    ] {
        let port = free_port().await;
        let _server =
            SmtpSink::start(&[&["-4"], words].concat(), &format!("127.0.0.1:{port}")).await;
        for _ in 0..600 {
            if tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .is_ok()
            {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let url = format!("smtp://127.0.0.1:{port}");
        let courier = Courier::with(&settings(&url), patient()).unwrap();
        let outcome = courier.deliver(&parcel(MAIL)).await;
        let (found, wanted) = (kind(&outcome), expected);
        let same = match (&found, &wanted) {
            // Which code it says is Postfix's to choose.
            (Kind::Failed(a, x), Kind::Failed(b, y)) => a == b && x / 100 == y / 100,
            (Kind::Deferred(x), Kind::Deferred(y)) => x / 100 == y / 100,
            _ => false,
        };
        assert!(same, "{words:?}: {outcome:?}");
    }
}
