//! Mail that is hardly mail: it gets an end of its own, and the good one behind it arrives.

use super::common::mail::{crlf, find};
use super::house::{GOOD, House, MEMBERS, made};

/// What is handed in as Alice's, and whether intake takes it.
fn odd() -> Vec<(&'static str, Vec<u8>, i32)> {
    let from = "From: Alice <alice@example.org>\nTo: team@example.org\n";
    let long = "x".repeat(300_000);
    let part = "--b\nContent-Type: text/plain\n\nx\n";
    let p7m = "Content-Type: application/pkcs7-mime; smime-type=enveloped-data\n";
    let mut nulls = made(&["sign alice"], GOOD, "with nulls");
    let at = find(&nulls, b"with nulls").unwrap();
    nulls.splice(at + 4..at + 5, *b"\0");
    vec![
        ("nothing", Vec::new(), 65),
        (
            "only the line of an mbox",
            b"From alice@example.org Sat Nov 21\n".to_vec(),
            65,
        ),
        ("a line end", b"\n".to_vec(), 0),
        ("a null byte", b"\0".to_vec(), 0),
        ("null bytes", vec![0; 70_000], 0),
        (
            "no header",
            b"\nHello all,\n\nI forgot the header.\n".to_vec(),
            0,
        ),
        (
            "no colon",
            b"Hello all, no header and no empty line\n".to_vec(),
            0,
        ),
        ("no body", from.as_bytes().to_vec(), 0),
        ("no line end", from.trim_end().as_bytes().to_vec(), 0),
        ("every byte", (0..=255).cycle().take(4096).collect(), 0),
        (
            "null in the header",
            b"From: Alice <alice@example.org>\nSubject: a\0b\n\nx\n".to_vec(),
            0,
        ),
        (
            "null in From",
            b"From: alice@example.org\0\nSubject: a\n\nx\n".to_vec(),
            0,
        ),
        ("null in what is signed", nulls, 0),
        (
            "two authors",
            format!("From: bob@example.org\n{from}\nx\n").into_bytes(),
            0,
        ),
        ("bare returns", from.replace('\n', "\r").into_bytes(), 0),
        (
            "a long line",
            format!("{from}Subject: {long}\n\nx\n").into_bytes(),
            0,
        ),
        (
            "many fields",
            format!("{from}{}\nx\n", "X-A: b\n".repeat(20_000)).into_bytes(),
            0,
        ),
        (
            "deep parts",
            format!(
                "{from}{}",
                "Content-Type: multipart/mixed; boundary=b\n\n--b\n".repeat(5_000)
            )
            .into_bytes(),
            0,
        ),
        (
            "many parts",
            format!(
                "{from}Content-Type: multipart/mixed; boundary=b\n\n{}--b--\n",
                part.repeat(5_000)
            )
            .into_bytes(),
            0,
        ),
        (
            "empty CMS",
            format!("{from}{p7m}Content-Transfer-Encoding: base64\n\n").into_bytes(),
            0,
        ),
        (
            "no base64",
            format!("{from}{p7m}Content-Transfer-Encoding: base64\n\n!!!!\n").into_bytes(),
            0,
        ),
        (
            "no CMS",
            format!("{from}{p7m}Content-Transfer-Encoding: base64\n\nSGVsbG8=\n").into_bytes(),
            0,
        ),
        (
            "endless CMS",
            [
                format!("{from}{p7m}Content-Transfer-Encoding: binary\n\n").as_bytes(),
                &[0x30, 0x80].repeat(40_000),
            ]
            .concat(),
            0,
        ),
        (
            "CMS that claims more than there is",
            [
                format!("{from}{p7m}Content-Transfer-Encoding: binary\n\n").as_bytes(),
                &[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff, 6],
            ]
            .concat(),
            0,
        ),
    ]
}

#[test]
fn odd_mail_has_an_end_and_the_good_one_behind_it_arrives() {
    let house = House::new();
    for (what, mail, code) in odd() {
        let ended = house.hand_in(GOOD, &mail);
        assert_eq!(ended.code, code, "{what}: {ended:?}");
        assert_eq!(ended.stderr.is_empty(), code == 0, "{what}: {ended:?}");
        // What is odd on a list is no less odd on its other addresses.
        for role in [
            "team-request",
            "team-owner",
            "team-register",
            "team-sendkey",
            "team-bounces+bob=example.org",
            "listseal",
        ] {
            let ended = house.hand_in(role, &mail);
            assert_eq!(ended.code, code, "{role}, {what}: {ended:?}");
        }
    }
    let good = house.post(GOOD);
    house.run();
    house.delivered(&good);
    assert_eq!(house.waiting(), 0, "{}", house.site.log());
    // Members have the good post; answers went to Alice alone, and owners hear from -owner.
    let outbox = house.site.outbox();
    let bob = outbox
        .iter()
        .filter(|mail| mail.to == "bob@example.org")
        .count();
    assert_eq!(bob, 1, "{outbox:?}");
    let known = |to: &str| to.starts_with("olga@") || MEMBERS.iter().any(|one| to.starts_with(one));
    assert!(outbox.iter().all(|mail| known(&mail.to)), "{outbox:?}");
    house.adds_up();
}

#[test]
fn null_bytes_of_a_signed_post_arrive_or_the_post_is_refused() {
    let house = House::new();
    let body = b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\nbefore\0behind\0\0\r\nend\r\n";
    let dir = super::common::lab::lab().dir();
    let alice = super::common::lab::lab().identity("alice");
    let signed = super::common::lab::openssl(
        dir,
        &format!(
            "cms -sign -binary -nodetach -signer {} -inkey {}",
            alice.certificate.display(),
            alice.key.display()
        ),
        body,
    );
    let head =
        b"From: alice@example.org\r\nTo: team@example.org\r\nMessage-ID: <nulls@example.org>\r\n";
    let mail = [&head[..], &crlf(&signed)].concat();
    assert_eq!(house.hand_in(GOOD, &mail).code, 0);
    let good = house.post(GOOD);
    house.run();
    house.delivered(&good);
    let outbox = house.site.outbox();
    let passed: Vec<_> = outbox
        .iter()
        .filter(|one| {
            find(&one.bytes, b"<nulls@example.org>").is_some() && one.to == "bob@example.org"
        })
        .collect();
    for one in &passed {
        let file = house.site.path("passed.eml");
        std::fs::write(&file, &one.bytes).unwrap();
        let ca = super::common::lab::lab().authority();
        let line = format!(
            "cms -verify -binary -in {} -CAfile {}",
            file.display(),
            ca.display()
        );
        let inside = super::common::lab::openssl(dir, &line, b"");
        assert!(
            find(&inside, b"before\0behind\0\0").is_some(),
            "cut at a null byte"
        );
    }
    let refused = house.letters("alice@example.org").len();
    assert_eq!(passed.len() + usize::from(refused > 2), 1, "{outbox:?}");
    house.adds_up();
}
