//! A site with lists in order, which a test then spoils, and good mail that must get through.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use super::common::foreign::Reader;
use super::common::lab::lab;
use super::common::mail::{Made, Parsed, find};
use super::common::site::{Ended, Site};

/// Who is on every list unless a test says otherwise, and has a certificate.
pub const MEMBERS: [&str; 2] = ["alice", "bob"];
/// The members as `subscribers` has them.
pub const SUBSCRIBERS: &str = "alice@example.org\nbob@example.org\n";
/// Olga owns every list, is on none, and has no certificate: what she gets can be read.
pub const SETTINGS: &str = "owners = [\"olga@example.org\"]\n";
/// The list that stays in order.
pub const GOOD: &str = "team";

pub struct House {
    pub site: Site,
    posts: Cell<u32>,
    /// What was in the mails of members, by their number in the outbox.
    opened: RefCell<HashMap<u64, Vec<u8>>>,
}

impl House {
    /// A site with the good list.
    pub fn new() -> Self {
        let house = Self {
            site: Site::new(),
            posts: Cell::new(0),
            opened: RefCell::default(),
        };
        for member in MEMBERS {
            house.site.certificate(member, None);
        }
        house.site.list(GOOD, SETTINGS, SUBSCRIBERS);
        house
    }

    /// Lets another user run the program where we are root, whom no mode keeps from reading.
    pub fn give_away(&mut self) {
        if rustix::process::geteuid().is_root() {
            self.site.give_to("daemon");
        }
    }

    /// Makes a list in order, with a key pair of its own.
    pub fn list(&self, name: &str) {
        self.site.list(name, SETTINGS, SUBSCRIBERS);
    }

    /// Hands in a post by Alice, signed and encrypted to the list, and returns its text.
    pub fn post(&self, list: &str) -> String {
        let text = self.text();
        let steps = ["sign alice", &format!("encrypt {list}")];
        let ended = self.hand_in(list, &made(&steps, list, &text));
        assert_eq!(ended.code, 0, "{list}: {ended:?}");
        text
    }

    /// A line that stands in no other post.
    pub fn text(&self) -> String {
        let number = self.posts.get() + 1;
        self.posts.set(number);
        format!("This is what Alice has to say for the {number}. time, and to nobody else.")
    }

    /// Hands a mail in as Alice's.
    pub fn hand_in(&self, list: &str, mail: &[u8]) -> Ended {
        let to = format!("{list}@example.org");
        self.site.queue(&to, "alice@example.org", mail)
    }

    /// Lets the daemon work until nothing is due, which succeeds whatever there was to see.
    pub fn run(&self) -> Ended {
        let ended = self.site.run_once();
        assert_eq!(ended.code, 0, "{ended:?}");
        ended
    }

    /// How many copies of the post with this text went to each member; openssl opens them.
    pub fn copies(&self, text: &str) -> Vec<usize> {
        let outbox = self.site.outbox();
        let mut opened = self.opened.borrow_mut();
        let mut count = |member: &&str| {
            let to = format!("{member}@example.org");
            let mut found = 0;
            for mail in outbox.iter().filter(|mail| mail.to == to) {
                let inside = opened.entry(mail.number);
                let inside = inside.or_insert_with(|| inside_of(&mail.bytes, member));
                found += usize::from(find(inside, text.as_bytes()).is_some());
            }
            found
        };
        MEMBERS.iter().map(&mut count).collect()
    }

    /// Asserts that every member got the post with this text once.
    pub fn delivered(&self, text: &str) {
        assert_eq!(self.copies(text), [1, 1], "{text}\n{}", self.site.log());
    }

    /// Asserts that nobody has got the post with this text yet.
    pub fn undelivered(&self, text: &str) {
        assert_eq!(self.copies(text), [0, 0], "{text}\n{}", self.site.log());
    }

    /// The mails to an address that are in clear, as text.
    pub fn letters(&self, to: &str) -> Vec<String> {
        let outbox = self.site.outbox();
        let mine = outbox.iter().filter(|mail| mail.to == to);
        mine.map(|mail| String::from_utf8_lossy(&mail.bytes).into_owned())
            .collect()
    }

    /// What `listseal check` prints, on one line a problem; it ends with `code`.
    pub fn check(&self, code: i32) -> String {
        let ended = self.site.command(&["check"], b"");
        assert_eq!(ended.code, code, "{ended:?}");
        ended.stdout + &ended.stderr
    }

    /// How many messages are in the spool and not bad or held.
    pub fn waiting(&self) -> usize {
        let rows = self.site.spool();
        let open = |state: &str| state == "waiting" || state == "delivering";
        rows.iter().filter(|row| open(&row.state)).count()
    }

    /// Asserts that nothing is lost and nothing panicked.
    pub fn adds_up(&self) {
        let ended = self.site.command(&["audit"], b"");
        assert_eq!(ended.code, 0, "{ended:?}");
        let log = self.site.log();
        assert!(!log.contains("panicked"), "{log}");
    }
}

/// A post of Alice's to a list, treated step by step as `common::mail` says.
pub fn made(steps: &[&str], list: &str, text: &str) -> Vec<u8> {
    let steps: Vec<String> = steps.iter().map(|step| format!("! {step}\n")).collect();
    let number = text.bytes().fold(7_u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    let mail = format!(
        "{}From: Alice <alice@example.org>\nTo: {list}@example.org\nSubject: Something\n\
         Message-ID: <{number}.{list}@example.org>\nDate: Sat, 21 Nov 2026 12:00:00 +0000\n\
         MIME-Version: 1.0\nContent-Type: text/plain\n\n{text}\n",
        steps.concat(),
    );
    Made::from_text(mail.as_bytes(), &|name| panic!("there is no mail {name}")).bytes
}

/// What `member` reads: the mail itself, or what openssl finds in it.
fn inside_of(mail: &[u8], member: &str) -> Vec<u8> {
    let sealed = Parsed::of(mail)
        .value("Content-Type")
        .is_some_and(|kind| kind.contains("enveloped-data"));
    if !sealed {
        return mail.to_vec();
    }
    let opened = Reader::new().open(mail, &lab().identity(member));
    opened.unwrap().inside
}

/// Asserts that one line of `said` holds all of `parts`.
pub fn one_line_says(said: &str, parts: &[&str]) {
    assert!(
        said.lines()
            .any(|line| parts.iter().all(|part| line.contains(part))),
        "no line has all of {parts:?}:\n{said}"
    );
}
