//! A site whose log says all it can, and posts full of words that stand nowhere else.

use std::path::PathBuf;

use super::common::foreign::Reader;
use super::common::lab::lab;
use super::common::mail::{Made, find};
use super::common::site::{Ended, OUTBOX, Site};
use super::scan::{Hit, Scanner};

/// Members of every list, each with a certificate; carol has none.
pub const MEMBERS: &str = "alice@example.org\nbob@example.org\n";
pub const SETTINGS: &str = "owners = [\"olga@example.org\"]\n";
pub const LOUD: &str = "[log]\nlevel = \"trace\"\n";

/// Words that stand in encrypted posts and nowhere else.
#[derive(Clone, Debug)]
pub struct Words {
    /// In a line of text.
    pub body: String,
    /// In the Subject inside the encryption.
    pub subject: String,
    /// In another protected header field.
    pub field: String,
    /// In the name of the author, inside.
    pub name: String,
    /// In an attachment, which is base64.
    pub attachment: String,
    /// The name of the attachment.
    pub file: String,
}

impl Words {
    pub fn new() -> Self {
        let word = |kind: &str| {
            let random = getrandom::u64().unwrap();
            format!("Kanarie{kind}{random:016x}")
        };
        Self {
            body: word("Body"),
            subject: word("Subject"),
            field: word("Field"),
            name: word("Name"),
            attachment: word("Attachment"),
            file: word("File"),
        }
    }

    pub fn all(&self) -> [&String; 6] {
        let Self {
            body,
            subject,
            field,
            name,
            attachment,
            file,
        } = self;
        [body, subject, field, name, attachment, file]
    }

    /// A post of Alice's to `list` that is full of them. Its last steps are the caller's; what
    /// makes it another post than the one before is `number`.
    pub fn post(&self, list: &str, number: u32, steps: &[&str]) -> Vec<u8> {
        let steps: Vec<String> = steps.iter().map(|step| format!("! {step}\n")).collect();
        let text = format!(
            "! field Keywords: {field}\n! field To: {list}@example.org\n\
             ! field From: {name} <alice@example.org>\n! field Subject: about {subject}\n{steps}\
             From: Alice <alice@example.org>\nTo: {list}@example.org\nSubject: [...]\n\
             Message-ID: <{number}.{list}@example.org>\nDate: Sat, 21 Nov 2026 12:00:00 +0000\n\
             MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"=-b\"; hp=\"cipher\"\n\n\
             --=-b\nContent-Type: text/plain; charset=utf-8\n\nThis is post {number}: {body}.\n\n\
             --=-b\nContent-Type: application/octet-stream; name=\"{file}.bin\"\n\
             Content-Disposition: attachment; filename=\"{file}.bin\"\n\
             Content-Transfer-Encoding: base64\n\n{attachment}\n\n--=-b--\n",
            steps = steps.concat(),
            field = self.field,
            name = self.name,
            subject = self.subject,
            body = self.body,
            file = self.file,
            attachment = base64_simd::STANDARD
                .encode_to_string(format!("{number} {} {number}", self.attachment)),
        );
        Made::from_text(text.as_bytes(), &|name| panic!("there is no mail {name}")).bytes
    }
}

/// A site, the words of its encrypted posts, and the eye on its files.
pub struct World {
    pub site: Site,
    pub words: Words,
    pub scanner: Scanner,
}

impl World {
    pub fn new() -> Self {
        let site = Site::new();
        site.configure(OUTBOX, LOUD);
        for member in ["alice", "bob", "mona"] {
            site.certificate(member, None);
        }
        let words = Words::new();
        let scanner = Scanner::new(words.all());
        Self {
            site,
            words,
            scanner,
        }
    }

    pub fn list(&self, name: &str, more: &str) {
        self.site.list(name, &format!("{SETTINGS}{more}"), MEMBERS);
    }

    /// Hands a mail in as Alice's.
    pub fn queue(&self, to: &str, mail: &[u8]) {
        let to = format!("{to}@example.org");
        let ended = self.site.queue(&to, "alice@example.org", mail);
        assert_eq!(ended.code, 0, "{to}: {ended:?}");
    }

    pub fn run_once(&self) -> Ended {
        let ended = self.site.run_once();
        assert_eq!(ended.code, 0, "{ended:?}");
        ended
    }

    /// Asserts that none of the words stands in any file of the site, nor in what was printed.
    pub fn is_silent(&mut self, when: &str) {
        let mut hits = self.scanner.search(&self.site.path(""));
        let said = self.site.log();
        hits.extend(
            self.scanner
                .bytes(&PathBuf::from("standard error"), said.as_bytes()),
        );
        assert_eq!(hits, Vec::<Hit>::new(), "{when}");
    }

    /// Asserts that nothing is lost.
    pub fn adds_up(&self) {
        let ended = self.site.command(&["audit"], b"");
        assert_eq!(ended.code, 0, "{ended:?}");
    }

    /// How many copies `member` got that hold all the words once openssl has opened them.
    pub fn copies(&self, member: &str, list: &str) -> usize {
        let to = format!("{member}@example.org");
        let id = format!(".{list}@example.org>");
        let who = lab().identity(member);
        let outbox = self.site.outbox();
        let mine = outbox
            .iter()
            .filter(|mail| mail.to == to && find(&mail.bytes, id.as_bytes()).is_some());
        mine.filter(|mail| {
            let Ok(opened) = Reader::new().open(&mail.bytes, &who) else {
                return false;
            };
            let inner = Scanner::new(self.words.all()).bytes(&PathBuf::new(), &opened.inside);
            let found: std::collections::BTreeSet<_> = inner.iter().map(|hit| &hit.word).collect();
            found.len() == self.words.all().len()
        })
        .count()
    }
}
