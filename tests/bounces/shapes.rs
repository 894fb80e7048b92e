//! Reports as other programs write them: Python's `email` makes some, others are put together here
//! after what mail servers are known to write.

use serde_json::{Value, json};

use super::common::lab::{lab, run};
use super::world::{Copy, GONE, World, dsn, notices};

/// Returns the status that is on record after a report, and forgets it.
fn read(world: &World, bounces: &str, mail: &[u8]) -> (Option<String>, Vec<(String, String)>) {
    let told = notices(&world.report(bounces, mail));
    let row = world.row("bob");
    let status = row["suspended"]["status"].as_str().map(str::to_owned);
    if status.is_some() {
        world.resume("bob");
    }
    (status, told)
}

/// A report of a program, about `copy`.
type Shape = fn(&Copy) -> String;

fn report(copy: &Copy, head: &str, status: &str, returned: &str) -> String {
    format!(
        "{head}To: {}\nMIME-Version: 1.0\n\n--=_b\nContent-Type: text/plain\n\nSorry.\n\n--=_b\n\
         Content-Type: message/delivery-status\n{status}\n--=_b\n{returned}\n--=_b--\n",
        copy.bounces
    )
}

const REPORT: &str =
    "Content-Type: multipart/report; report-type=delivery-status; boundary=\"=_b\"\n";

/// As a server that takes mail by LMTP into mailboxes rejects it afterwards.
fn mailbox_server(copy: &Copy) -> String {
    let head = format!(
        "From: Mail Delivery Subsystem <postmaster@box.example>\nMessage-ID: <dove-1@box.example>\n\
         Subject: Rejected: 1\nAuto-Submitted: auto-replied (rejected)\nPrecedence: bulk\n{REPORT}"
    );
    let status = "\nReporting-MTA: dns; box.example\nOriginal-Recipient: rfc822; bob@example.org\n\
        Final-Recipient: rfc822; bob@example.org\nAction: failed\nStatus: 5.2.0\n";
    let returned = format!(
        "Content-Type: message/rfc822\n\n{}",
        String::from_utf8_lossy(&copy.mail)
    );
    // One block for all: no line is empty between the fields of the report and of the recipient.
    report(copy, &head, status, &returned)
}

/// As the oldest of mail servers writes: dates, remote servers, comments, folds with tabs.
fn oldest(copy: &Copy) -> String {
    let head = format!(
        "Return-Path: <MAILER-DAEMON>\nReceived: from localhost (localhost)\n\tby old.example (8.17.1/8.17.1) id 4711;\n\
         \tSat, 21 Nov 2026 12:00:00 GMT\nFrom: Mail Delivery Subsystem <MAILER-DAEMON>\n\
         Subject: Returned mail: see transcript for details\n{}",
        REPORT
            .replace("; report", ";\n\treport")
            .replace("; bound", ";\n\tbound")
    );
    let status = "\nReporting-MTA: dns; old.example\nReceived-From-MTA: DNS; mx.example\n\
        Arrival-Date: Sat, 21 Nov 2026 12:00:00 GMT\n\nFinal-Recipient: RFC822; bob@example.org\nAction: failed\n\
        Status: 5.1.1\nRemote-MTA: DNS; in.example\nDiagnostic-Code: SMTP; 550 5.1.1 <bob@example.org>...\n\tUser unknown\n\
        Last-Attempt-Date: Sat, 21 Nov 2026 12:00:01 GMT\n";
    let returned = format!("Content-Type: text/rfc822-headers\n\n{}", copy.header());
    report(copy, &head, status, &returned)
}

/// As a groupware writes: HTML beside, private fields, a code of three digits, the whole mail.
fn groupware(copy: &Copy) -> String {
    let head = format!(
        "From: <postmaster@big.example>\nDate: Sat, 21 Nov 2026 12:00:00 +0000\nX-MS-Exchange-Message-Is-Ndr:\n\
         Content-Language: en-US\nSubject: Undeliverable: 1\nAuto-Submitted: auto-replied\n{REPORT}"
    );
    let status = "\nReporting-MTA: dns;big.example\nReceived-From-MTA: dns;mx.example\n\
        Arrival-Date: Sat, 21 Nov 2026 12:00:00 +0000\n\nFinal-Recipient: rfc822;bob@example.org\nAction: failed\n\
        Status: 5.1.10\nDiagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; not found by SMTP lookup\n\
        X-Display-Name: Bob\n";
    let returned = format!(
        "Content-Type: message/rfc822\n\n{}",
        String::from_utf8_lossy(&copy.mail)
    );
    report(copy, &head, status, &returned)
}

/// As a server that was given the ENVID writes, without anything of the mail.
fn envelope_id(copy: &Copy) -> String {
    let status = format!(
        "\nReporting-MTA: dns; mx.example\nOriginal-Envelope-Id: {}\n\nFinal-Recipient: rfc822; bob@example.org\n\
         Action: failed\nStatus: 5.4.4\n",
        copy.name
    );
    report(
        copy,
        REPORT,
        &status,
        "Content-Type: text/plain\n\nThe mail is not returned.",
    )
}

#[test]
fn reports_of_many_programs_are_understood() {
    let world = World::new(1);
    let all: [(&str, Shape, &str); 4] = [
        ("mailbox server", mailbox_server, "5.2.0"),
        ("oldest", oldest, "5.1.1"),
        ("groupware", groupware, "5.1.10"),
        ("envelope id", envelope_id, "5.4.4"),
    ];
    for (number, (name, shape, expected)) in all.into_iter().enumerate() {
        let copy = world.copy(u32::try_from(number).unwrap(), "bob");
        let text = shape(&copy).replace("\r\n", "\n");
        let text = if number % 2 == 0 {
            text.replace('\n', "\r\n")
        } else {
            text
        };
        let (status, told) = read(&world, &copy.bounces, text.as_bytes());
        assert_eq!(status.as_deref(), Some(expected), "{name}\n{text}");
        assert_eq!(told.len(), 1, "{name}");
    }
}

#[test]
fn reports_that_python_writes_are_understood_in_every_shape() {
    let world = World::new(1);
    let members: Vec<String> = (0..30).map(|n| format!("m{n}")).collect();
    let names: Vec<&str> = members.iter().map(String::as_str).collect();
    world.list("team", "bouncing_count = 1\n", &names);
    let copies = world.post("team", 1);
    let find = |member: &String| {
        let to = format!("{member}@example.org");
        &copies.iter().find(|(found, _)| *found == to).unwrap().1
    };
    let asked: Vec<Value> = members
        .iter()
        .map(find)
        .map(|copy| json!({"to": copy.bounces, "name": copy.name, "copy": base64(&copy.mail)}))
        .collect();
    let python = std::env::var("LISTSEAL_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bounces/shapes.py");
    let asked = Value::Array(asked).to_string();
    let made = run(lab().dir(), &python, &[program], asked.as_bytes()).unwrap();
    let made: Value = serde_json::from_slice(&made).unwrap();
    let made = made.as_array().unwrap();
    assert!((16..=members.len()).contains(&made.len()), "{}", made.len());
    for (member, shape) in members.iter().zip(made) {
        let mail = bytes(shape["mail"].as_str().unwrap());
        let ended = world.site.queue(&find(member).bounces, "", &mail);
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    // One notice for each who is suspended, and what is not understood as it came.
    assert_eq!(world.work().len(), made.len());
    let rows = world
        .site
        .json(&["subscriber", "ls", "team@example.org", "--json"]);
    for (row, shape) in rows.as_array().unwrap().iter().zip(made) {
        let name = &shape["name"];
        assert_eq!(row["suspended"]["status"], shape["status"], "{name}: {row}");
        let not_understood = u64::from(shape["status"].is_null());
        assert_eq!(
            row["bounces"]["not_understood"], not_understood,
            "{name}: {row}"
        );
        let text = row["bounces"]["text"].as_str().unwrap_or_default();
        assert!(text.len() <= 200, "{name}");
    }
}

#[test]
fn what_is_no_report_goes_to_the_owners_and_counts_nothing() {
    let world = World::new(1);
    let copy = world.copy(1, "bob");
    let quoted = String::from_utf8(copy.mail.clone())
        .unwrap()
        .replace("\r\n", "\n");
    let qmail = format!(
        "From: MAILER-DAEMON@q.example\nTo: {}\nSubject: failure notice\n\nHi. This is the qmail-send program at \
         q.example.\nI'm afraid I wasn't able to deliver your message to the following addresses.\nThis is a permanent \
         error; I've given up. Sorry it didn't work out.\n\n<bob@example.org>:\nSorry, no mailbox here by that name. \
         (#5.1.1)\n\n--- Below this line is a copy of the message.\n\n{quoted}",
        copy.bounces
    );
    let vacation = format!(
        "From: Bob <bob@example.org>\nTo: {}\nSubject: Away\nAuto-Submitted: auto-replied (vacation)\n\n\
         550 5.1.1 I am away.\n\n{quoted}",
        copy.bounces
    );
    let challenge = format!(
        "From: guard@example.org\nTo: {}\nSubject: Please confirm\nContent-Type: text/html\n\n<a href=x>5.1.1</a>\n",
        copy.bounces
    );
    let spam = "Subject: pills\nContent-Type: multipart/report; boundary=b\n\n--b\n\nbuy\n--b--\n"
        .to_owned();
    let broken = "no header at all\0\n".to_owned();
    let real = String::from_utf8(dsn(&copy.bounces, GONE, &copy.header())).unwrap();
    let (_, entity) = real.split_once("MIME-Version: 1.0\r\n").unwrap();
    std::fs::write(lab().dir().join("report.txt"), entity).unwrap();
    let mallory = lab().identity("mallory");
    let (key, certificate) = (mallory.key.display(), mallory.certificate.display());
    let signed = lab().openssl(&format!(
        "cms -sign -in report.txt -signer {certificate} -inkey {key} -md sha256"
    ));
    let sealed = lab().openssl(&format!(
        "cms -encrypt -aes256 -in report.txt {certificate}"
    ));
    let mails = [
        ("qmail", qmail.into_bytes()),
        ("vacation", vacation.into_bytes()),
        ("challenge", challenge.into_bytes()),
        ("spam", spam.into_bytes()),
        ("broken", broken.into_bytes()),
        ("signed", signed),
        ("sealed", sealed),
    ];
    let count = mails.len();
    for (name, mail) in mails {
        let sent = world.report(&copy.bounces, &mail);
        assert_eq!(sent.len(), 1, "{name}");
        assert_eq!(
            (sent[0].to.as_str(), sent[0].from.as_str()),
            ("olga@example.org", ""),
            "{name}"
        );
        assert_eq!(world.state("bob"), "active", "{name}");
    }
    assert_eq!(world.row("bob")["bounces"]["not_understood"], count);
    // What the list sent out itself is dropped, report or not (S38).
    let looped = [b"X-Loop: team@example.org\r\n", real.as_bytes()].concat();
    assert!(world.report(&copy.bounces, &looped).is_empty());
    assert_eq!(world.state("bob"), "active");
    assert!(
        !world.report(&copy.bounces, real.as_bytes()).is_empty(),
        "and the report itself counts"
    );
}

#[test]
fn hostile_diagnostics_steer_neither_terminals_nor_headers() {
    let world = World::new(1);
    let copy = world.copy(1, "bob");
    let hostile = "smtp; 550 5.1.1 \x1b[31mred\x07\r\n\tBcc: eve@example.org\r Subject: \u{202e}no\0 {{ list }} {% for %}";
    let fields = format!(
        "Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: {hostile}{}\r\n",
        "y".repeat(5000)
    );
    let sent = world.report(&copy.bounces, &dsn(&copy.bounces, &fields, &copy.header()));
    assert_eq!(sent.len(), 1);
    let notice = String::from_utf8_lossy(&sent[0].bytes).into_owned();
    let (header, _) = notice.split_once("\r\n\r\n").unwrap();
    assert!(
        !header.contains("Bcc") && !header.contains("eve"),
        "{header}"
    );
    let fine = |text: &str| {
        !text
            .chars()
            .any(|c| c.is_control() && c != '\n' && c != '\r' || c == '\u{202e}')
    };
    assert!(fine(&notice), "{notice}");
    assert!(
        notice.contains("{{ list }}"),
        "what is foreign is no template:\n{notice}"
    );
    let shown = world
        .site
        .command(&["subscriber", "ls", "team@example.org"], b"")
        .stdout;
    assert!(fine(&shown) && shown.lines().count() == 3, "{shown}");
    assert!(shown.lines().all(|line| line.len() < 400), "{shown}");
}

fn base64(bytes: &[u8]) -> String {
    let text = listseal::mime::write::base64_lines(bytes);
    String::from_utf8(text).unwrap().replace("\r\n", "")
}

fn bytes(text: &str) -> Vec<u8> {
    listseal::mime::encoding::decode("base64", text.as_bytes())
        .unwrap()
        .into_owned()
}
