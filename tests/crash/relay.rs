//! The real program on a site, as an MTA and people run it, and the judge of what came of the posts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Mutex;

use super::common::lab::{lab, run};
use super::common::mail::{Parsed, content_of, crlf};
use super::common::site::{Sent, Site};
use super::figures::Figures;

pub const MEMBERS: [&str; 2] = ["alice", "bob"];

/// A site whose spool, state and certificates lie in a directory of their own, and whose outgoing
/// mail lies beside it: the receivers' disks do not fail.
pub struct Relay {
    pub site: Site,
    pub connections: u64,
    /// Posts that are not [`Relay::post`], by their Message-ID.
    others: Mutex<BTreeMap<String, Vec<u8>>>,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Code(i32),
    Killed,
}

impl Relay {
    pub fn new(connections: u64) -> Self {
        Self::on(Site::new(), connections)
    }

    /// A relay in memory, where a sync costs nothing: for what is not about the disk's own ways.
    pub fn in_memory(connections: u64) -> Self {
        let memory = Path::new("/dev/shm");
        let site = if memory.is_dir() {
            Site::below(memory)
        } else {
            Site::new()
        };
        Self::on(site, connections)
    }

    fn on(site: Site, connections: u64) -> Self {
        let url = format!("dir://{}", site.path("outbox").display());
        let relay = Self {
            site,
            connections,
            others: Mutex::default(),
        };
        relay.send_to(&url);
        std::fs::create_dir(relay.site.path("disk")).unwrap();
        relay.furnish();
        relay
    }

    /// Sets where copies go.
    pub fn send_to(&self, url: &str) {
        self.site.write(
            "listseal.toml",
            format!(
                "[paths]\nlists = \"lists\"\nspool = \"disk/spool\"\ncertificates = \"disk/certificates\"\n\
                 state = \"disk/state\"\n[intake]\nmax_size = \"512 KiB\"\n[trust]\ncafile = \"ca.pem\"\n\
                 [delivery]\ntransport = \"{url}\"\nconnections = {}\nretry_first = \"1 s\"\nretry_max = \"1 s\"\n",
                self.connections
            ),
        );
    }

    /// Lists and certificates; `team` takes what anybody writes and seals it, `closed` refuses what
    /// is not signed.
    pub fn furnish(&self) {
        let members: String = MEMBERS
            .iter()
            .map(|name| format!("{name}@example.org\n"))
            .collect();
        let open = "owners = [\"olga@example.org\"]\nsend = \"public\"\nencrypt = \"always\"\n";
        self.site.list("team", open, &members);
        self.site
            .list("closed", "owners = [\"olga@example.org\"]\n", &members);
        for name in MEMBERS {
            self.site.certificate(
                name,
                Some(&format!("../disk/certificates/{name}@example.org")),
            );
        }
    }

    /// From now on the next hop is a program that refuses one more member, and suspends him.
    pub fn refuse(&self, member: &str) {
        let outbox = self.site.path("outbox");
        std::fs::create_dir_all(&outbox).unwrap();
        let script = format!(
            "#!/bin/sh\nwhile [ $# -gt 1 ]; do\n[ \"$1\" = -f ] && from=${{2#<>}}\nshift\ndone\n\
             case $1 in {member}@*) exit 67 ;; esac\nname={}/$(date +%s%N)\n\
             sed 's/$/\\r/' >\"$name.eml.new\"\n\
             printf '{{\"from\": \"%s\", \"to\": [\"%s\"]}}' \"$from\" \"$1\" >\"$name.json\"\n\
             mv \"$name.eml.new\" \"$name.eml\"\n",
            outbox.display()
        );
        self.site.write_with_mode("sendmail", script, 0o755);
        self.send_to(&format!(
            "sendmail://{}",
            self.site.path("sendmail").display()
        ));
        let members = MEMBERS.iter().chain([&member]);
        let members: String = members
            .map(|name| format!("{name}@example.org\n"))
            .collect();
        let settings = "owners = [\"olga@example.org\"]\nsend = \"public\"\nencrypt = \"always\"\n\
            bouncing_count = 1\n";
        self.site.list("team", settings, &members);
        let file = format!("../disk/certificates/{member}@example.org");
        self.site.certificate(member, Some(&file));
    }

    /// Damages the message that waits, as a disk does that failed.
    pub fn cut_short(&self) {
        let entry = std::fs::read_dir(self.spool().join("new")).unwrap().next();
        let path = entry.unwrap().unwrap().path();
        let length = std::fs::metadata(&path).unwrap().len();
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_len(length - 1).unwrap();
    }

    /// A post, which no other is like.
    pub fn post(&self, number: u64) -> Vec<u8> {
        format!(
            "From: Alice <alice@example.org>\r\nTo: team@example.org\r\nSubject: {number}\r\n\
             Message-ID: <{number}.crash@example.org>\r\nDate: Sat, 21 Nov 2026 12:00:00 +0000\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nPost {number}.\r\n"
        )
        .into_bytes()
    }

    /// Begins a command; `fail` names a crash point or a fault and is for the environment.
    pub fn begin(&self, words: &[&str], fail: &[(&str, &str)]) -> Child {
        let mut command = self.site.prepared(&["env"], words);
        command.env_remove("FAIL").env_remove("FAULT");
        for (name, value) in fail {
            command.env(name, value);
        }
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Runs a command to its end; what it said comes with it.
    pub fn run(&self, words: &[&str], input: &[u8], fail: &[(&str, &str)]) -> (End, String) {
        let mut child = self.begin(words, fail);
        // One that ends early does not read it all.
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input);
        let output = child.wait_with_output().unwrap();
        let end = output.status.code().map_or(End::Killed, End::Code);
        (end, String::from_utf8_lossy(&output.stderr).into_owned())
    }

    pub fn queue(&self, list: &str, post: &[u8], fail: &[(&str, &str)]) -> (End, String) {
        let id = Parsed::of(post).value("Message-ID").unwrap();
        self.others.lock().unwrap().insert(id, post.to_vec());
        let to = format!("{list}@example.org");
        self.run(&["queue", &to, "--sender", "alice@example.org"], post, fail)
    }

    pub fn daemon(&self, fail: &[(&str, &str)]) -> (End, String) {
        self.run(&["run", "--once"], b"", fail)
    }

    /// Lets the daemon work until nothing is left; people try again what was set aside.
    pub fn finish(&self) {
        for _ in 0..10 {
            let (end, said) = self.daemon(&[]);
            assert_eq!(end, End::Code(0), "{said}");
            let rows = self.site.spool();
            if rows.is_empty() {
                return;
            }
            for row in rows.iter().filter(|row| row.state == "bad") {
                let ended = self.site.command(&["spool", "retry", &row.id], b"");
                assert_eq!(ended.code, 0, "{ended:?}");
            }
            // What was put off waits for a second.
            std::thread::sleep(std::time::Duration::from_millis(250));
        }
        panic!(
            "the spool does not become empty: {:?}\n{}",
            self.site.spool(),
            self.site.log()
        );
    }

    /// How many files wait in `new/`.
    pub fn waiting(&self) -> usize {
        std::fs::read_dir(self.site.path("disk/spool/new")).map_or(0, Iterator::count)
    }

    /// Copies that went out, by reader and Message-ID; notices under their reader alone.
    pub fn copies(&self) -> BTreeMap<(String, String), u64> {
        let mut copies = BTreeMap::new();
        for mail in self.site.outbox() {
            let id = if mail.from.is_empty() {
                String::new()
            } else {
                Parsed::of(&mail.bytes)
                    .value("Message-ID")
                    .unwrap_or_default()
            };
            *copies.entry((mail.to, id)).or_default() += 1;
        }
        copies
    }

    /// How many notices went out whose Subject has these words.
    pub fn notices(&self, words: &str) -> u64 {
        let mails = self.site.outbox();
        let fitting = mails.iter().filter(|mail| {
            let subject = Parsed::of(&mail.bytes).value("Subject");
            mail.from.is_empty() && subject.is_some_and(|text| text.contains(words))
        });
        fitting.count() as u64
    }

    /// Holds what came out against the posts that were accepted, each for every member; `accepted`
    /// has the numbers of the posts.
    pub fn judge(&self, accepted: &[u64]) -> Figures {
        let audit = self.site.command(&["audit", "--json"], b"");
        assert_eq!(audit.code, 0, "{audit:?}");
        let sides: serde_json::Value = serde_json::from_str(&audit.stdout).unwrap();
        let count = |side: usize, name: &str| sides[side][name].as_u64().unwrap();
        let mut figures = Figures {
            accepted: accepted.len() as u64,
            sent: count(1, "sent"),
            failed: count(1, "failed"),
            withheld: count(1, "withheld"),
            open: count(1, "open"),
            ..Figures::default()
        };
        let copies = self.copies();
        for number in accepted {
            for member in MEMBERS {
                let key = (
                    format!("{member}@example.org"),
                    format!("<{number}.crash@example.org>"),
                );
                match copies.get(&key) {
                    None => figures.lost += 1,
                    Some(times) => figures.duplicated += times - 1,
                }
            }
        }
        let mut copies = self.site.outbox();
        copies.retain(|mail| !mail.from.is_empty());
        let (one, other) = copies.split_at(copies.len() / 2);
        let torn = |copies: &[Sent]| copies.iter().filter(|mail| !self.is_whole(mail)).count();
        figures.torn = std::thread::scope(|scope| {
            let one = scope.spawn(|| torn(one));
            torn(other) + one.join().unwrap()
        }) as u64;
        figures
    }

    /// True where openssl opens the copy with its reader's key and finds what was handed in.
    fn is_whole(&self, copy: &Sent) -> bool {
        let id = Parsed::of(&copy.bytes)
            .value("Message-ID")
            .unwrap_or_default();
        let other = self.others.lock().unwrap().get(&id).cloned();
        let numbered = || {
            let number = id.strip_prefix('<')?.strip_suffix(".crash@example.org>")?;
            Some(self.post(number.parse().ok()?))
        };
        let (Some(post), Some((name, _))) = (other.or_else(numbered), copy.to.split_once('@'))
        else {
            return false;
        };
        let reader = lab().identity(name);
        let [certificate, key] =
            [&reader.certificate, &reader.key].map(|one| one.to_str().unwrap());
        let words = [
            "cms",
            "-decrypt",
            "-binary",
            "-recip",
            certificate,
            "-inkey",
            key,
        ];
        let opened = run(lab().dir(), "openssl", &words, &copy.bytes);
        opened.is_ok_and(|inside| content_of(&inside) == content_of(&crlf(&post)))
    }

    pub fn spool(&self) -> PathBuf {
        self.site.path("disk/spool")
    }
}

#[test]
fn copy_that_lost_a_line_is_counted_as_torn() {
    let relay = Relay::new(1);
    assert_eq!(relay.queue("team", &relay.post(1), &[]).0, End::Code(0));
    relay.finish();
    assert_eq!(relay.judge(&[1]).torn, 0);
    let path = relay.site.path("outbox/1.eml");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    lines.remove(lines.len() - 3);
    std::fs::write(&path, lines.concat()).unwrap();
    assert_eq!(relay.judge(&[1]).torn, 1);
}
