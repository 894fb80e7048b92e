//! Codes that need a clock or a mail server: a site, posts, and what the daemon logs.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::sleep;
use std::time::Duration;

use time::OffsetDateTime;
use time::macros::format_description;

use crate::Provoke;
use crate::common::lab::{lab, openssl};
use crate::common::site::Site;

pub fn cases() -> Vec<(&'static str, Provoke)> {
    vec![
        ("signing-time", Box::new(signing_time)),
        ("delivery-expired", Box::new(delivery_expired)),
        ("address-unsupported", Box::new(address_unsupported)),
    ]
}

const SETTINGS: &str = "owners = [\"olga@example.org\"]\nsend = \"public\"\n";

/// A post that was signed a month ago waits for a person (S21).
fn signing_time(code: &str) -> Result<(), String> {
    let site = Site::new();
    site.list("team", SETTINGS, "alice@example.org\n");
    site.queue("team@example.org", "alice@example.org", &signed_long_ago());
    site.run_once();
    logged(&site, code)?;
    let waiting = site.spool();
    let held = waiting
        .iter()
        .any(|one| one.reason.as_deref() == Some(code));
    held.then_some(()).ok_or_else(|| format!("{waiting:?}"))
}

/// Mail signed by alice with another time put in and signed again by openssl.
fn signed_long_ago() -> Vec<u8> {
    let alice = lab().identity("alice");
    let line = format!(
        "cms -sign -nodetach -nosmimecap -outform DER -signer {} -inkey {}",
        alice.certificate.display(),
        alice.key.display()
    );
    let entity = b"Content-Type: text/plain\n\nAt noon.\n";
    let mut der = openssl(lab().dir(), &line, entity);
    // [0] with the content type first; the signature value stands last.
    let content_type = [
        0x30, 0x18, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 3,
    ];
    let at = der
        .windows(13)
        .rposition(|window| window == content_type)
        .unwrap();
    assert_eq!(der[at - 2], 0xa0);
    let end = at + usize::from(der[at - 1]);
    let name = [
        6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 5, 0x31, 15, 0x17, 13,
    ];
    let time = der.windows(15).rposition(|window| window == name).unwrap() + 15;
    let then = OffsetDateTime::now_utc() - time::Duration::days(30);
    let form = format_description!("[year repr:last_two][month][day][hour][minute][second]Z");
    der[time..time + 13].copy_from_slice(then.format(&form).unwrap().as_bytes());
    let attributes = [&[0x31, der[at - 1]], &der[at..end]].concat();
    let line = format!("dgst -sha256 -sign {}", alice.key.display());
    let value = openssl(lab().dir(), &line, &attributes);
    let tail = der.len() - value.len();
    der[tail..].copy_from_slice(&value);
    let head = "From: Alice <alice@example.org>\nTo: team@example.org\nMessage-ID: <long.1@example.org>\n\
                Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\n\
                Content-Transfer-Encoding: base64\n\n";
    [head.as_bytes(), &openssl(lab().dir(), "base64 -e", &der)].concat()
}

/// Nobody listens where mail goes, and ten attempts are over in as many seconds.
fn delivery_expired(code: &str) -> Result<(), String> {
    let site = Site::new();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    site.configure(&format!("smtp://127.0.0.1:{port}"), "expire = \"1 s\"\n");
    site.list("team", SETTINGS, "alice@example.org\n");
    post(&site);
    for _ in 0..60 {
        site.run_once();
        if logged(&site, code).is_ok() {
            return Ok(());
        }
        sleep(Duration::from_millis(500));
    }
    logged(&site, code)
}

/// A mail server without SMTPUTF8, and a member whose address needs it.
fn address_unsupported(code: &str) -> Result<(), String> {
    let site = Site::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            serve(&stream.unwrap()).ok();
        }
    });
    site.configure(&format!("smtp://127.0.0.1:{port}"), "");
    site.list("team", SETTINGS, "jürgen@example.org\n");
    post(&site);
    site.run_once();
    logged(&site, code)
}

/// Says yes to everything and offers nothing (RFC 5321).
fn serve(mut stream: &TcpStream) -> std::io::Result<()> {
    stream.write_all(b"220 old.example.org\r\n")?;
    let mut text = false;
    for line in BufReader::new(stream).lines() {
        let line = line?;
        let answer: &[u8] = match line.get(..4).unwrap_or(&line) {
            "." if text => {
                text = false;
                b"250 taken\r\n"
            }
            _ if text => continue,
            "DATA" => {
                text = true;
                b"354 go on\r\n"
            }
            "QUIT" => b"221 bye\r\n",
            _ => b"250 old.example.org\r\n",
        };
        stream.write_all(answer)?;
    }
    Ok(())
}

/// A signed post in clear.
fn post(site: &Site) {
    let mail = crate::inspected::made(&["sign alice"]);
    let mail = [b"Message-ID: <any.1@example.org>\n", &mail[..]].concat();
    let ended = site.queue("team@example.org", "alice@example.org", &mail);
    assert_eq!(ended.code, 0, "{ended:?}");
}

fn logged(site: &Site, code: &str) -> Result<(), String> {
    let log = site.log();
    let found = log.contains(&format!("reason=\"{code}\""));
    found
        .then_some(())
        .ok_or_else(|| format!("{code} is not in the log:\n{log}"))
}
