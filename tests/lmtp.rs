//! The daemon as LMTP server: Python's `smtplib` and Postfix's `smtp-source` hand mail in, clients
//! misbehave, the daemon is killed and stopped under them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::disallowed_methods)]

mod common;

use std::path::Path;
use std::process::Command;

use common::lmtp::{Client, Daemon, listen, socket, stuffed, until};
use common::site::{OUTBOX, Site};
use listseal::spool::message;

const OPEN: &str = "owners = [\"olga@example.org\"]\nsend = \"public\"\nencrypt = \"always\"\n";
/// Nobody is on it and its mail waits for people: it stays in the spool.
const HELD: &str = "owners = [\"olga@example.org\"]\nmoderators = []\nsend = \"closed\"\n";

/// A site whose daemon listens, with the list `team`, and the empty list `quiet`.
fn site(intake: &str, more: &str) -> Site {
    let site = Site::new();
    site.configure(OUTBOX, &format!("{intake}{}", listen(&site, more)));
    site.list("team", OPEN, "alice@example.org\n");
    site.list("quiet", HELD, "");
    site.certificate("alice", None);
    site
}

fn post(number: u64) -> Vec<u8> {
    format!(
        "From: Alice <alice@example.org>\r\nTo: team@example.org\r\nSubject: {number}\r\n\
         Message-ID: <{number}.lmtp@example.org>\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nPost {number}.\r\n"
    )
    .into_bytes()
}

/// Who is named in the envelopes of what waits in `new/`, and what came: only where no daemon is.
fn waiting(site: &Site) -> Vec<(String, String, Vec<u8>)> {
    let read = |(name, _): (String, Vec<u8>)| {
        let path = site.path("spool/new").join(&name);
        let id = Path::new(&name)
            .file_stem()
            .unwrap()
            .to_str()
            .unwrap()
            .parse();
        let mut file = std::fs::File::open(path).unwrap();
        let message = message::read(id.unwrap(), &mut file).unwrap();
        let envelope = message.envelope;
        (
            envelope.sender_text().to_owned(),
            envelope.recipient().to_string(),
            message.data,
        )
    };
    let mut all: Vec<_> = site.files("spool/new").into_iter().map(read).collect();
    all.sort();
    all
}

fn nothing_lost(site: &Site) -> serde_json::Value {
    let ended = site.command(&["audit", "--json"], b"");
    assert_eq!(ended.code, 0, "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

/// Says what its first argument, a socket, answers; prints JSON.
const SMTPLIB: &str = r#"
import json, smtplib, sys
box = smtplib.LMTP(sys.argv[1])
said = {"features": {}, "refused": []}
code, text = box.ehlo()
said["ehlo"] = code
said["features"] = {name: box.esmtp_features[name] for name in box.esmtp_features}

def send(sender, to, mail, options=()):
    try:
        refused = box.sendmail(sender, to, mail, mail_options=options)
        said["refused"].append({who: [code, text.decode()] for who, (code, text) in refused.items()})
    except smtplib.SMTPRecipientsRefused as error:
        said["refused"].append({who: [code, text.decode()] for who, (code, text) in error.recipients.items()})
    except smtplib.SMTPResponseException as error:
        said["refused"].append([error.smtp_code, error.smtp_error.decode()])

mail = b"Subject: dots\r\n\r\n.\r\n..\r\n.a\r\nb.\r\n\xc3\xa9\x00\r\n"
send("alice@example.org", ["quiet@example.org"], mail)
send("", ["quiet-owner@example.org", "nobody@example.org"], mail)
send("alice@example.org", ["nobody@example.org"], mail)
send("j\u00fcrgen@example.org", ["quiet@example.org"], mail, ["SMTPUTF8"])
send("alice@example.org", ["quiet@example.org"], b"x" * 70000)
code, text = box.docmd("MAIL", "FROM:<a@example.org> SIZE=70000")
said["size"] = [code, text.decode()]
said["vrfy"] = box.verify("quiet@example.org")[0]
said["noop"] = box.noop()[0]
said["rset"] = box.rset()[0]
said["quit"] = box.quit()[0]
print(json.dumps(said))
"#;

#[test]
fn smtplib_of_python_hands_mail_in() {
    let site = site("[intake]\nmax_size = \"64 KiB\"\n", "");
    // The list's roster cannot be read: what comes in waits for it, and stays as it came.
    site.remove("lists/example.org/quiet/subscribers");
    std::fs::create_dir(site.path("lists/example.org/quiet/subscribers")).unwrap();
    let daemon = Daemon::start(&site);
    let python = std::env::var("LISTSEAL_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let said = Command::new(python)
        .args(["-c", SMTPLIB])
        .arg(socket(&site))
        .output()
        .unwrap();
    assert!(said.status.success(), "{said:?}");
    let said: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(said["ehlo"], 250);
    let features = said["features"].as_object().unwrap();
    let names: Vec<&str> = features.keys().map(String::as_str).collect();
    for name in [
        "pipelining",
        "size",
        "8bitmime",
        "smtputf8",
        "enhancedstatuscodes",
    ] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert_eq!(features["size"], "65536");
    let refused = said["refused"].as_array().unwrap();
    let unknown = "5.1.1 there is no list with the address nobody@example.org";
    let unknown = serde_json::json!({"nobody@example.org": [550, unknown]});
    assert_eq!(refused[0], serde_json::json!({}));
    assert_eq!(refused[1], unknown);
    assert_eq!(refused[2], unknown);
    assert_eq!(refused[3], serde_json::json!({}));
    let large = "5.3.4 the message is larger than the 65536 bytes that are accepted here";
    // smtplib announces the size, so MAIL is refused.
    assert_eq!(refused[4], serde_json::json!([552, large]), "{said}");
    assert_eq!(said["size"], serde_json::json!([552, large]));
    for (name, code) in [("vrfy", 252), ("noop", 250), ("rset", 250), ("quit", 221)] {
        assert_eq!(said[name], code, "{name}");
    }
    daemon.stop();
    let audit = nothing_lost(&site);
    assert_eq!(audit[0]["accepted"], 3, "{audit}");
    // What was for the owner may have gone on meanwhile.
    let mail = b"Subject: dots\r\n\r\n.\r\n..\r\n.a\r\nb.\r\n\xc3\xa9\0\r\n";
    let expected = [
        ("alice@example.org", "quiet@example.org"),
        ("j\u{fc}rgen@example.org", "quiet@example.org"),
    ]
    .map(|(sender, to)| (sender.to_owned(), to.to_owned(), mail.to_vec()));
    let mut waiting = waiting(&site);
    waiting.retain(|(_, to, _)| to == "quiet@example.org");
    assert_eq!(waiting, expected);
}

#[test]
fn what_was_handed_in_is_in_the_spool_byte_for_byte_for_each_recipient() {
    let site = site("", "");
    // Without a daemon behind it what came in stays: the list's roster cannot be read.
    site.remove("lists/example.org/quiet/subscribers");
    std::fs::create_dir(site.path("lists/example.org/quiet/subscribers")).unwrap();
    let daemon = Daemon::start(&site);
    let mut client = Client::new(&socket(&site));
    let mail = b"Subject: \0 x\r\n\r\n.\r\n..\r\na\rb\nc\n.\n\r\n\xff\r\n";
    let to = [
        "quiet@example.org",
        "nobody@example.org",
        "QUIET@example.org",
    ];
    let replies = client.send("a@x.org", &to, mail).unwrap();
    assert_eq!(replies.len(), 2);
    assert_eq!(replies[0], replies[1], "one message, told twice");
    assert!(replies[0].starts_with("250 2.0.0 "), "{replies:?}");
    daemon.stop();
    let waiting = waiting(&site);
    let expected = (
        "a@x.org".to_owned(),
        "quiet@example.org".to_owned(),
        mail.to_vec(),
    );
    assert_eq!(waiting, [expected]);
    assert!(site.files("spool/tmp").is_empty());
    nothing_lost(&site);
}

#[test]
fn smtp_source_of_postfix_hands_200_mails_in_over_8_sessions_and_each_is_delivered_once() {
    let site = site("", "connections = 10\n");
    let daemon = Daemon::start(&site);
    let path = std::env::var("PATH").unwrap_or_default();
    let source = Command::new("smtp-source")
        .env("PATH", format!("{path}:/usr/sbin"))
        .args([
            "-L",
            "-s",
            "8",
            "-m",
            "200",
            "-l",
            "7000",
            "-M",
            "client.example",
        ])
        .args(["-f", "alice@example.org", "-t", "team@example.org"])
        .arg(format!("unix:{}", socket(&site).display()))
        .output()
        .expect("smtp-source is needed for this test: apt-get install postfix");
    assert!(source.status.success(), "{source:?}\n{}", daemon.log());
    let new = site.path("spool/new");
    until("an empty spool", || {
        std::fs::read_dir(&new).unwrap().count() == 0
    });
    daemon.stop();
    let audit = nothing_lost(&site);
    assert_eq!(audit[0]["accepted"], 200, "{audit}");
    assert_eq!(audit[1]["sent"], 200, "{audit}");
    let sent = site.outbox();
    assert_eq!(sent.len(), 200);
    assert!(sent.iter().all(|mail| mail.to == "alice@example.org"));
}

#[test]
fn one_client_too_many_is_asked_to_come_again() {
    let site = site("", "connections = 2\n");
    let daemon = Daemon::start(&site);
    let place = socket(&site);
    // The one that saw the daemon start may still be leaving.
    until("two free places", || {
        let (first, second) = (Client::connect(&place), Client::connect(&place));
        first.is_ok_and(|one| one.1.starts_with("220 "))
            && second.is_ok_and(|one| one.1.starts_with("220 "))
    });
    until("a client that is turned away", || {
        let Ok((_first, greeting)) = Client::connect(&place) else {
            return false;
        };
        let Ok((_second, other)) = Client::connect(&place) else {
            return false;
        };
        if !(greeting.starts_with("220 ") && other.starts_with("220 ")) {
            return false;
        }
        let (client, third) = Client::connect(&place).unwrap();
        assert!(
            third.starts_with("421 4.3.2 too many connections"),
            "{third}"
        );
        assert_eq!(client.rest(), "");
        true
    });
    until("a place that is free again", || {
        Client::connect(&place).is_ok_and(|(_, greeting)| greeting.starts_with("220 "))
    });
    daemon.stop();
}

#[test]
fn r16_stop_lets_a_message_end_and_takes_no_other() {
    let site = site("", "");
    let daemon = Daemon::start(&site);
    let place = socket(&site);
    let (mut idle, mut busy) = (Client::new(&place), Client::new(&place));
    assert_eq!(busy.begin("a@x.org", &["team@example.org"]).unwrap(), 1);
    let mail = stuffed(&post(1));
    let (first, second) = mail.split_at(100);
    busy.say(first).unwrap();
    daemon.term();
    let last = idle.hear().unwrap();
    assert!(last.starts_with("421 4.3.2 shutting down"), "{last}");
    until("a closed door", || !place.exists());
    let reply = busy.ask(second).unwrap();
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    assert!(busy.rest().starts_with("421 4.3.2 shutting down"));
    let mut daemon = daemon;
    assert_eq!(daemon.wait(), Some(0), "{}", daemon.log());
    assert_eq!(site.run_once().code, 0);
    assert_eq!(site.outbox().len(), 1);
    nothing_lost(&site);
}

#[test]
fn kill_in_the_middle_of_a_message_leaves_nothing_and_the_socket_is_used_again() {
    let site = site("", "");
    for size in [100, 300_000] {
        let mut daemon = Daemon::start(&site);
        let mut client = Client::new(&socket(&site));
        client
            .begin("a@x.org", &["team@example.org", "quiet@example.org"])
            .unwrap();
        client.say(vec![b'x'; size]).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(100));
        daemon.kill();
        assert!(socket(&site).exists(), "a killed daemon leaves its socket");
        assert_eq!(waiting(&site), []);
        nothing_lost(&site);
    }
    let daemon = Daemon::start(&site);
    let replies = Client::new(&socket(&site))
        .send("a@x.org", &["team@example.org"], &post(1))
        .unwrap();
    assert!(replies[0].starts_with("250 "), "{replies:?}");
    until("a delivered mail", || site.outbox().len() == 1);
    daemon.stop();
    assert!(!socket(&site).exists());
}

#[test]
fn second_daemon_leaves_the_first_ones_socket_alone() {
    let site = site("", "");
    let daemon = Daemon::start(&site);
    assert_eq!(site.command(&["run"], b"").code, 75);
    // Another spool and the same socket.
    let other = Site::new();
    let path = socket(&site).display().to_string();
    other.configure(OUTBOX, &format!("[lmtp]\nlisten = \"{path}\"\n"));
    let ended = other.command(&["run"], b"");
    assert_eq!(ended.code, 75, "{ended:?}");
    assert!(
        ended.stderr.contains("another program listens here"),
        "{ended:?}"
    );
    drop(Client::new(&socket(&site)));
    daemon.stop();
}

#[test]
fn e7_large_messages_for_many_are_not_held_in_memory() {
    const SIZE: usize = 20 << 20;
    let site = site("", "");
    // What is taken in waits: opening it is not what is measured here.
    site.remove("lists/example.org/quiet/subscribers");
    std::fs::create_dir(site.path("lists/example.org/quiet/subscribers")).unwrap();
    let daemon = Daemon::start(&site);
    let before = daemon.peak_memory();
    let line = [&[b'x'; 998][..], b"\r\n"].concat();
    let mail = stuffed(&line.repeat(SIZE / 1000));
    let place = socket(&site);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = Client::new(&place);
                let to = ["nobody@example.org", "x@example.org"];
                assert!(client.begin("a@x.org", &to).is_err());
                // Cut off before the end: nothing of it is kept.
                let mut client = Client::new(&place);
                client
                    .begin("a@x.org", &["team@example.org", "quiet@example.org"])
                    .unwrap();
                client.say(&mail[..mail.len() - 3]).unwrap();
            });
        }
    });
    let after = daemon.peak_memory();
    assert!(
        after < before + (24 << 20),
        "{before} bytes before, {after} with four messages of {SIZE}"
    );
    daemon.stop();
    assert_eq!(waiting(&site), []);
}

#[test]
fn once_listens_nowhere() {
    let site = site("", "");
    assert_eq!(site.run_once().code, 0);
    assert!(!socket(&site).exists());
    let said = site.log();
    assert!(!said.contains("listening"), "{said}");
}
