//! The positive control: the same search finds words in mail that is not encrypted.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use super::posts::{MEMBERS, SETTINGS, Words, World};
use super::scan::Scanner;

#[test]
fn search_finds_the_words_of_clear_mail_in_every_encoding() {
    let world = World::new();
    world
        .site
        .list("open", &format!("{SETTINGS}send = \"public\"\n"), MEMBERS);
    let word = Words::new().body;
    let pad = |count| "x".repeat(count);
    let base64 = |count: usize| {
        let text = format!("{}{word} and more", pad(count));
        let line = base64_simd::STANDARD.encode_to_string(text);
        // As mail has it, in lines; the word goes over the end of one.
        let lines: Vec<&str> = line
            .as_bytes()
            .chunks(20)
            .map(|c| str::from_utf8(c).unwrap())
            .collect();
        ("base64", lines.join("\r\n"))
    };
    let hex = word.bytes().fold(String::new(), |mut out, byte| {
        write!(out, "={byte:02X}").unwrap();
        out
    });
    let (first, second) = word.split_at(9);
    let bodies = [
        ("plain", ("7bit", word.clone())),
        ("base64, first alignment", base64(3)),
        ("base64, second alignment", base64(4)),
        ("base64, third alignment", base64(5)),
        ("quoted-printable", ("quoted-printable", hex)),
        (
            "plain",
            ("quoted-printable", format!("{first}=\r\n{second}")),
        ),
    ];
    for (encoding, (transfer, body)) in bodies {
        let mut scanner = Scanner::new([&word]);
        let before = world.site.outbox().len();
        let found = |scanner: &mut Scanner, place: &str| -> BTreeSet<&str> {
            let hits = scanner.search(&world.site.path(place));
            hits.iter().map(|hit| hit.encoding).collect()
        };
        let number = getrandom::u64().unwrap();
        let mail = format!(
            "From: eve@elsewhere.example\r\nTo: open@example.org\r\nSubject: x\r\n\
             Message-ID: <{number}@elsewhere.example>\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain\r\nContent-Transfer-Encoding: {transfer}\r\n\r\n{body}\r\n"
        );
        world.queue("open", mail.as_bytes());
        assert_eq!(
            found(&mut scanner, "spool"),
            BTreeSet::from([encoding]),
            "{mail}"
        );
        world.run_once();
        assert_eq!(
            found(&mut scanner, "outbox"),
            BTreeSet::from([encoding]),
            "{mail}"
        );
        assert!(found(&mut scanner, "spool").is_empty(), "{mail}");
        for sent in &world.site.outbox()[before..] {
            let hits = scanner.bytes(Path::new(""), &sent.bytes);
            assert_eq!(hits.len(), 1, "{hits:?}");
        }
        assert_eq!(world.site.outbox().len(), before + 2);
        world.site.remove("outbox");
    }
    world.adds_up();
}

#[test]
fn search_finds_a_deleted_file_that_is_still_open() {
    let word = Words::new().body;
    let file = tempfile::tempfile().unwrap();
    std::io::Write::write_all(&mut &file, format!("... {word} ...").as_bytes()).unwrap();
    let hits = Scanner::new([&word]).descriptors(std::process::id());
    assert_eq!(hits.len(), 1, "{hits:?}");
    assert!(
        hits[0].file.to_string_lossy().contains("(deleted)"),
        "{hits:?}"
    );
}
