//! A list whose members have a bounce address each, and reports about their copies.

use serde_json::Value;

use crate::common::mail::Parsed;
use crate::common::site::{Sent, Site};

pub struct World {
    pub site: Site,
    seen: std::cell::Cell<usize>,
}

/// A copy as it left.
pub struct Copy {
    /// Where reports go.
    pub bounces: String,
    /// What proves them.
    pub name: String,
    pub mail: Vec<u8>,
}

impl World {
    /// A list that suspends after so many days.
    pub fn new(count: u32) -> Self {
        let site = Site::new();
        let world = Self {
            site,
            seen: std::cell::Cell::new(0),
        };
        world.list(
            "team",
            &format!("bouncing_count = {count}\n"),
            &["alice", "bob", "carol"],
        );
        world
    }

    /// A list that takes and passes on what anybody writes.
    pub fn list(&self, name: &str, more: &str, members: &[&str]) {
        let members = members.iter().map(|one| format!("{one}@example.org\n"));
        let settings = format!("owners = [\"olga@example.org\"]\nsend = \"public\"\n{more}");
        self.site
            .list(name, &settings, &members.collect::<String>());
    }

    /// Posts, and returns the copies that leave, by member.
    pub fn post(&self, list: &str, number: u32) -> Vec<(String, Copy)> {
        let mail = format!(
            "From: Alice <alice@example.org>\nTo: {list}@example.org\nSubject: {number}\n\
             Message-ID: <{number}.{list}@example.org>\nDate: Sat, 21 Nov 2026 12:00:00 +0000\n\
             MIME-Version: 1.0\nContent-Type: text/plain\n\nPost {number}.\n"
        );
        let to = format!("{list}@example.org");
        let ended = self.site.queue(&to, "alice@example.org", mail.as_bytes());
        assert_eq!(ended.code, 0, "{ended:?}");
        self.work()
            .into_iter()
            .map(|sent| (sent.to.clone(), Copy::of(sent)))
            .collect()
    }

    /// Posts, and returns the copy of one member.
    pub fn copy(&self, number: u32, member: &str) -> Copy {
        let copies = self.post("team", number);
        let found = copies
            .into_iter()
            .find(|(to, _)| *to == format!("{member}@example.org"));
        found.unwrap_or_else(|| panic!("no copy for {member}")).1
    }

    /// Hands a mail in as a mail server does that reports.
    pub fn report(&self, to: &str, mail: &[u8]) -> Vec<Sent> {
        let ended = self.site.queue(to, "", mail);
        assert_eq!(ended.code, 0, "{ended:?}");
        self.work()
    }

    /// Lets the daemon work, and returns what went out meanwhile.
    pub fn work(&self) -> Vec<Sent> {
        let ended = self.site.run_once();
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(self.site.spool().is_empty(), "{:?}", self.site.spool());
        let audit = self.site.command(&["audit"], b"");
        assert_eq!(audit.code, 0, "{audit:?}");
        let mut all = self.site.outbox();
        let new = all.split_off(self.seen.replace(all.len()).min(all.len()));
        self.seen.set(self.site.outbox().len());
        new
    }

    /// What `subscriber ls` says of a member.
    pub fn row(&self, member: &str) -> Value {
        let rows = self
            .site
            .json(&["subscriber", "ls", "team@example.org", "--json"]);
        let address = format!("{member}@example.org");
        let mut rows = rows.as_array().unwrap().iter();
        rows.find(|row| row["address"] == address.as_str())
            .unwrap()
            .clone()
    }

    pub fn state(&self, member: &str) -> String {
        self.row(member)["state"].as_str().unwrap().to_owned()
    }

    pub fn resume(&self, member: &str) {
        let address = format!("{member}@example.org");
        let ended = self
            .site
            .command(&["subscriber", "resume", "team@example.org", &address], b"");
        assert_eq!(ended.code, 0, "{ended:?}");
    }
}

impl Copy {
    pub fn of(sent: Sent) -> Self {
        let name = Parsed::of(&sent.bytes).value("X-Listseal-Copy");
        Self {
            bounces: sent.from,
            name: name.unwrap_or_default().replace(' ', "."),
            mail: sent.bytes,
        }
    }

    /// Its header alone, the name in one piece.
    pub fn header(&self) -> String {
        let text = String::from_utf8(self.mail.clone()).unwrap();
        let (header, _) = text.split_once("\r\n\r\n").unwrap();
        let folded = self.name.replace('.', "\r\n ");
        assert!(header.contains(&folded), "{header}");
        header.replace(&folded, &self.name) + "\r\n"
    }
}

/// A report with these fields of its recipient, that brings `returned` back.
pub fn dsn(to: &str, fields: &str, returned: &str) -> Vec<u8> {
    format!(
        "From: MAILER-DAEMON@mx.example\r\nTo: {to}\r\nSubject: Undelivered\r\n\
         Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"4711/mx\"\r\n\r\n\
         This is a MIME mail.\r\n\r\n--4711/mx\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n\
         --4711/mx\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n\
         {fields}\r\n--4711/mx\r\nContent-Type: text/rfc822-headers\r\n\r\n{returned}\r\n--4711/mx--\r\n"
    )
    .into_bytes()
}

/// The fields of a mailbox that is not there.
pub const GONE: &str = "Final-Recipient: rfc822; bob@example.org\r\nAction: failed\r\nStatus: 5.1.1\r\n\
    Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n";

/// The kinds of the notices among what went out, with their readers.
pub fn notices(sent: &[Sent]) -> Vec<(String, String)> {
    let subject = |one: &Sent| Parsed::of(&one.bytes).value("Subject").unwrap_or_default();
    let all = sent.iter().filter(|one| one.from.is_empty());
    all.map(|one| (one.to.clone(), subject(one))).collect()
}
