//! `listseal demo` as somebody runs it who sees Listseal for the first time: what the page says is
//! true, and every command on it works.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
// Tests read files and run programs.
#![allow(clippy::disallowed_methods)]

#[path = "demo/page.rs"]
mod page;
#[path = "demo/run.rs"]
mod run;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use page::Page;
use run::{Scratch, base64_forms, demo, files, shell};
use serde_json::Value;

/// Verdict and, for each person who gets something, the begin of what he gets and why.
type Told<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str, &'a str)]);

const TOLD: [Told<'_>; 6] = [
    (
        "plain",
        "Refused: the message is not signed (not-signed)",
        &[("dave", "notice rejected", "wrote it")],
    ),
    (
        "signed",
        "Distributed: bob's signature holds",
        &[
            ("alice", "copy, signature whole", "came in clear"),
            ("bob", "copy, signature whole", "came in clear"),
            ("carol", "copy, signature whole", "came in clear"),
            ("dave", "copy, signature whole", "came in clear"),
            ("bob", "sealed notice registered", "certificate learned"),
        ],
    ),
    (
        "encrypted",
        "Distributed: opened with the list's key, alice's signature inside holds",
        &[
            (
                "alice",
                "sealed: RSA 2048, aes-256-gcm",
                "certificate on file",
            ),
            (
                "bob",
                "sealed: P-256, aes-256-gcm",
                "certificate from mail 2",
            ),
            ("carol", "notice x509-user-cert-missing", "expired on "),
            ("dave", "notice x509-user-cert-missing", "no certificate"),
        ],
    ),
    (
        "forged",
        "Refused: the certificate is for another address (from-mismatch)",
        &[("alice", "notice rejected", "is named in From")],
    ),
    (
        "undecryptable",
        "Refused: the message cannot be processed (undecryptable)",
        &[("bob", "sealed notice undecryptable", "wrote it")],
    ),
    (
        "replayed",
        "Kept back: the encrypted content was already distributed (replay)",
        &[],
    ),
];

#[test]
fn every_mail_and_every_member_is_on_the_page_with_what_became_of_it() {
    let scratch = Scratch::new();
    let (page, dir) = page_of(&scratch);
    assert_eq!(page.mails.len(), TOLD.len());
    for (mail, (name, verdict, got)) in page.mails.iter().zip(TOLD) {
        assert_eq!(mail.name, name);
        assert!(
            mail.verdict.starts_with(verdict),
            "{name}: {}",
            mail.verdict
        );
        assert_eq!(mail.id.len(), 48, "{name}: {}", mail.id);
        let names: Vec<_> = mail.got.iter().map(|row| row.to.as_str()).collect();
        let expected: Vec<_> = got.iter().map(|(to, _, _)| *to).collect();
        assert_eq!(names, expected, "{name}");
        for (row, (to, what, why)) in mail.got.iter().zip(got) {
            assert_eq!(row.got, *what, "{name}, {to}");
            assert!(row.why.starts_with(why), "{name}, {to}: {}", row.why);
            let envelope = dir.join(&row.file).with_extension("json");
            let envelope: Value =
                serde_json::from_slice(&std::fs::read(envelope).unwrap()).unwrap();
            assert_eq!(
                envelope["to"],
                serde_json::json!([format!("{to}@example.org")])
            );
        }
        for person in ["alice", "bob", "carol", "dave"] {
            let nothing = mail.nothing.iter().any(|name| name == person);
            assert_eq!(nothing, !names.contains(&person), "{name}, {person}");
        }
    }
    assert_eq!(page.mails[1].learned, ["certificates/bob@example.org"]);
    let all: usize = page.mails.iter().map(|mail| mail.got.len()).sum();
    let sent = std::fs::read_dir(dir.join("outbox")).unwrap().count();
    assert_eq!(sent, 2 * all, "each mail with its envelope, and no other");
    for one in page.text.lines() {
        let path = one.contains(run::PROGRAM) || one.contains(dir.to_str().unwrap());
        assert!(path || one.chars().count() <= 80, "too wide: {one}");
    }
}

#[test]
fn every_command_on_the_page_does_what_is_said() {
    let scratch = Scratch::new();
    let (page, dir) = page_of(&scratch);
    let commands: BTreeMap<_, _> = page
        .commands
        .iter()
        .map(|(what, command)| (what.as_str(), shell(&page.enter, command)))
        .collect();
    let said = |what: &str| {
        let ended = &commands[what];
        assert!(ended.ok, "{what} {ended:?}");
        ended.out.replace("\r\n", "\n")
    };
    let letter = said("Mail 3 as alice gets it, opened with her key:");
    assert!(
        letter.starts_with("Content-Type: multipart/signed;"),
        "{letter}"
    );
    assert!(
        letter.contains("\nThe code of the safe is 27-14-93.\n"),
        "{letter}"
    );
    let what = "The same, and the signature inside checked:";
    let text = said(what);
    assert!(
        text.ends_with("\n\nThe code of the safe is 27-14-93.\n"),
        "{text}"
    );
    assert!(
        commands[what].err.contains("Verification successful"),
        "{:?}",
        commands[what]
    );
    let notice = said("What carol gets instead of mail 3:");
    assert!(notice.contains("the certificate has expired"), "{notice}");
    let forged = said("Why mail 4 was not believed:");
    assert!(forged.contains("From says alice@example.org"), "{forged}");
    assert!(forged.contains("<mallory@example.net>"), "{forged}");
    let kept = said("What was kept back:");
    assert_eq!(kept.lines().count(), 1, "{kept}");
    assert!(
        kept.starts_with(&page.mails[5].id) && kept.contains("replay"),
        "{kept}"
    );
    let audit = said("That nothing was lost:");
    let messages = "accepted 6 = distributed 2 + answered 0 + forwarded 0 + refused 3 + discarded 0 \
        + reported 0 + held 0 + bad 1 + open 0: adds up";
    assert!(audit.contains(messages), "{audit}");
    assert!(
        audit.contains("planned 8 = sent 6 + failed 0 + withheld 2 + open 0: adds up"),
        "{audit}"
    );
    let check = said("What a site like this should mend:");
    assert!(
        check.contains("carol@example.org") && check.contains("dave@example.org"),
        "{check}"
    );
    assert!(
        check.contains("0 errors, 2 warnings; 1 list, 4 subscribers"),
        "{check}"
    );
    assert_eq!(commands.len(), 7);
    assert!(shell("true", &page.removal).ok);
    assert!(!dir.exists());
}

#[test]
fn openssl_opens_every_sealed_mail_with_the_key_of_its_reader_alone() {
    let scratch = Scratch::new();
    let (page, _) = page_of(&scratch);
    let sealed = page.mails.iter().flat_map(|mail| &mail.got);
    let sealed: Vec<_> = sealed.filter(|row| row.got.starts_with("sealed")).collect();
    assert_eq!(sealed.len(), 4);
    for row in sealed {
        for person in ["alice", "bob", "carol", "mallory"] {
            let open = format!(
                "openssl cms -decrypt -in {} -recip members/{person}.pem -inkey members/{person}.key",
                row.file
            );
            let ended = shell(&page.enter, &open);
            assert_eq!(ended.ok, person == row.to, "{person} {row:?} {ended:?}");
        }
    }
}

#[test]
fn s40_plaintext_of_the_encrypted_post_is_in_no_file() {
    let scratch = Scratch::new();
    let (_, dir) = page_of(&scratch);
    let all = files(&dir);
    let anywhere = |text: &str| {
        let forms = base64_forms(text.as_bytes());
        all.iter().any(|(_, bytes)| {
            // Base64 stands in lines.
            let joined: Vec<u8> = bytes
                .iter()
                .copied()
                .filter(|b| !b"\r\n".contains(b))
                .collect();
            let found = |hay: &[u8], needle: &[u8]| hay.windows(needle.len()).any(|w| w == needle);
            found(bytes, text.as_bytes()) || forms.iter().any(|form| found(&joined, form))
        })
    };
    // What went in clear is found: the search works.
    assert!(anywhere("Shall we meet on Friday?"));
    assert!(anywhere("Please pay the invoice today."));
    assert!(!anywhere("The code of the safe"));
    assert!(!anywhere("first in my address book"));
}

#[test]
fn s43_keys_and_spool_are_closed_whatever_the_umask() {
    for umask in ["000", "077"] {
        let scratch = Scratch::new();
        let dir = scratch.path("d");
        let command = format!(
            "umask {umask}; {} demo --dir {}",
            run::PROGRAM,
            dir.display()
        );
        let ended = shell("true", &command);
        assert!(ended.ok, "{ended:?}");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        for private in ["", "spool", "spool/new", "state", "members"] {
            assert_eq!(mode(&dir.join(private)), 0o700, "{umask} {private}");
        }
        let keys: Vec<_> = files(&dir)
            .into_iter()
            .filter(|(_, bytes)| String::from_utf8_lossy(bytes).contains("PRIVATE KEY-----"))
            .collect();
        assert_eq!(keys.len(), 6, "list, site, alice, bob, carol, mallory");
        for (path, _) in keys {
            assert_eq!(mode(&path), 0o600, "{umask} {}", path.display());
        }
    }
}

#[test]
fn json_tells_the_same_as_the_page() {
    let scratch = Scratch::new();
    let dir = scratch.path("d");
    let ended = demo(&["--json", "--dir", dir.to_str().unwrap()]);
    assert!(ended.ok && ended.err.is_empty(), "{ended:?}");
    let rows: Vec<Value> = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(rows[0]["kind"], "site");
    assert_eq!(rows[0]["directory"], dir.to_str().unwrap());
    assert_eq!(rows[0]["people"].as_array().unwrap().len(), 5);
    let mails: Vec<_> = rows.iter().filter(|row| row["kind"] == "mail").collect();
    assert_eq!(mails.len(), TOLD.len());
    for (mail, (name, _, got)) in mails.iter().zip(TOLD) {
        assert_eq!(mail["name"], name);
        assert_eq!(mail["id"].as_str().unwrap().len(), 48);
        assert!(dir.join(mail["file"].as_str().unwrap()).is_file());
        let told: Vec<_> = mail["got"].as_array().unwrap().iter().collect();
        let some = told.iter().filter(|row| row["got"] != "nothing");
        for (row, (to, what, why)) in some.clone().zip(got) {
            assert_eq!(row["to"], format!("{to}@example.org"));
            assert!(row["why"].as_str().unwrap().starts_with(why), "{row}");
            assert!(dir.join(row["file"].as_str().unwrap()).is_file());
            assert_eq!(row["key"].is_string(), what.starts_with("sealed"), "{row}");
        }
        assert_eq!(some.count(), got.len(), "{name}");
        assert!(told.len() >= 4, "{name}");
    }
    let dispositions: Vec<_> = mails
        .iter()
        .map(|mail| mail["disposition"].as_str().unwrap())
        .collect();
    assert_eq!(
        dispositions,
        [
            "refuse",
            "distribute",
            "distribute",
            "refuse",
            "refuse",
            "withhold"
        ]
    );
    for row in rows.iter().filter(|row| row["kind"] == "command") {
        let enter = format!("cd {}", dir.display());
        let ended = shell(&enter, row["command"].as_str().unwrap());
        assert!(ended.ok, "{row} {ended:?}");
    }
}

#[test]
fn directory_in_use_is_refused_and_left_alone() {
    let scratch = Scratch::new();
    std::fs::write(scratch.path("mine"), "kept").unwrap();
    for (dir, complaint) in [
        (scratch.path(""), "it is not empty"),
        (scratch.path("mine"), "Not a directory"),
        (scratch.path("mine/below"), "Not a directory"),
        (scratch.path("what?"), "choose one without"),
    ] {
        let ended = demo(&["--dir", dir.to_str().unwrap()]);
        assert_eq!(ended.code, 73, "{ended:?}");
        assert!(
            ended.err.contains(complaint) && ended.err.contains("--dir"),
            "{ended:?}"
        );
        assert_eq!(ended.out, "");
    }
    assert_eq!(files(scratch.dir.path()).len(), 1);
    let (first, _) = page_of(&scratch);
    let again = demo(&["--dir", scratch.path("d").to_str().unwrap()]);
    assert_eq!(again.code, 73, "{again:?}");
    let other = demo(&["--dir", scratch.path("other/deep").to_str().unwrap()]);
    assert!(other.ok, "{other:?}");
    assert_ne!(Page::read(&other.out).mails[0].id, first.mails[0].id);
}

#[test]
fn empty_directory_with_an_odd_name_will_do() {
    let scratch = Scratch::new();
    let dir = scratch.path("it's \"odd\" \\ here");
    std::fs::create_dir(&dir).unwrap();
    let ended = demo(&["--dir", dir.to_str().unwrap()]);
    assert!(ended.ok, "{ended:?}");
    let page = Page::read(&ended.out);
    for (what, command) in &page.commands {
        let ended = shell(&page.enter, command);
        assert!(ended.ok, "{what} {ended:?}");
    }
}

#[test]
fn without_a_directory_a_new_one_is_made_for_temporary_files() {
    let scratch = Scratch::new();
    let command = format!(
        "TMPDIR={} {} demo",
        scratch.dir.path().display(),
        run::PROGRAM
    );
    let pages = [shell("true", &command), shell("true", &command)].map(|ended| {
        assert!(ended.ok, "{ended:?}");
        Page::read(&ended.out)
    });
    let made = std::fs::read_dir(scratch.dir.path()).unwrap();
    let made: Vec<_> = made.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(made.len(), 2);
    for page in pages {
        let enter = page.enter.strip_prefix("cd ").unwrap();
        assert!(
            made.iter().any(|path| path.to_str() == Some(enter)),
            "{enter}"
        );
    }
}

#[test]
fn colour_is_for_terminals_and_can_be_refused() {
    let scratch = Scratch::new();
    let dir = |name: &str| scratch.path(name).display().to_string();
    let piped = demo(&["--dir", &dir("piped")]);
    assert!(
        piped.ok && !piped.out.contains('\x1b') && piped.err.is_empty(),
        "{piped:?}"
    );
    let script = |set: &str, name: &str| {
        let command = format!("{} demo --dir {}", run::PROGRAM, dir(name));
        // Standard output is the terminal that script(1) makes; the progress bar is not looked at.
        let ended = shell(
            "true",
            &format!("{set} script -qec '{command} 2>/dev/null' /dev/null"),
        );
        assert!(ended.ok, "{ended:?}");
        ended.out
    };
    let coloured = script("env -u NO_COLOR TERM=xterm", "coloured");
    assert!(coloured.contains("\x1b[31mRefused\x1b[0m"), "{coloured}");
    assert!(!script("NO_COLOR=1 TERM=xterm", "refused").contains('\x1b'));
}

fn page_of(scratch: &Scratch) -> (Page, std::path::PathBuf) {
    let dir = scratch.path("d");
    let ended = demo(&["--dir", dir.to_str().unwrap()]);
    assert!(ended.ok, "{ended:?}");
    assert_eq!(ended.err, "");
    (Page::read(&ended.out), dir)
}
