//! A Postfix of its own: configuration, queue and port in a scratch directory, members' mailboxes
//! as maildirs.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The domain of the members' mailboxes.
pub const MEMBERS: &str = "elsewhere.example";

/// A running Postfix, stopped when it goes out of scope.
pub struct Postfix {
    dir: tempfile::TempDir,
    port: u16,
}

impl Postfix {
    /// Makes one with mailboxes for `members`; it does not run yet.
    ///
    /// # Panics
    ///
    /// What is needed is missing: the message says what.
    pub fn new(members: &[&str]) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "these tests need root: Postfix changes users. Run tests/run as root, as CI does"
        );
        assert!(
            Path::new("/usr/sbin/postfix").exists(),
            "these tests need Postfix: apt-get install postfix (tests/run does it)"
        );
        let dir = tempfile::Builder::new().prefix("mx").tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        let postfix = Self { dir, port };
        shell("chmod 755", &postfix.path(""));
        for (name, owner) in [("queue", "root"), ("data", "postfix"), ("mail", "nobody")] {
            std::fs::create_dir(postfix.path(name)).unwrap();
            shell(&format!("chown {owner}"), &postfix.path(name));
        }
        std::fs::create_dir(postfix.path("conf")).unwrap();
        let mut mailboxes = String::new();
        for member in members {
            write!(mailboxes, " {member}@{MEMBERS}={member}/").unwrap();
        }
        let here = postfix.path("").display().to_string();
        let here = here.trim_end_matches('/');
        postfix.write(
            "conf/main.cf",
            &MAIN
                .replace("HERE", here)
                .replace("MAILBOXES", &mailboxes)
                .replace("MEMBERS", MEMBERS),
        );
        postfix.write("conf/master.cf", &MASTER.replace("PORT", &port.to_string()));
        postfix
    }

    /// Sets the parameters of a piece of `main.cf`.
    pub fn set(&self, lines: &str) {
        let real = |line: &&str| !line.is_empty() && !line.starts_with('#');
        for line in lines.lines().filter(real) {
            let output = self.tool("postconf", &["-e", line]);
            assert!(output.status.success(), "{line}: {output:?}");
        }
    }

    /// Appends to `master.cf`.
    pub fn add_service(&self, lines: &str) {
        let before = std::fs::read_to_string(self.path("conf/master.cf")).unwrap();
        self.write("conf/master.cf", &format!("{before}{lines}"));
    }

    pub fn start(&self) {
        let output = self.postfix("start");
        assert!(output.status.success(), "{output:?}\n{}", self.log());
    }

    /// Where Listseal sends its copies.
    pub fn transport(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Hands a mail in with Postfix's own `sendmail`.
    pub fn sendmail(&self, sender: &str, to: &str, mail: &[u8]) {
        self.sendmail_to(sender, &[to], mail);
    }

    /// The same, for several at once.
    pub fn sendmail_to(&self, sender: &str, to: &[&str], mail: &[u8]) {
        let conf = self.path("conf");
        let words = ["-i", "-C", conf.to_str().unwrap(), "-f", sender, "--"];
        // It tries for ever where the queue cannot be written.
        let words = [&["20", "sendmail"][..], &words, to].concat();
        let dir = self.dir.path();
        let sent = super::common::lab::run(dir, "timeout", &words, mail);
        sent.unwrap_or_else(|said| panic!("sendmail: {said}\n{}", self.log()));
    }

    /// Hands mails of Alice's in with Postfix's test program, over SMTP and some sessions at once.
    pub fn source(&self, count: usize, sessions: usize, to: &str) {
        let sender = format!("alice@{MEMBERS}");
        let output = Command::new("smtp-source")
            .args(["-s", &sessions.to_string(), "-m", &count.to_string()])
            .args(["-l", "4000", "-f", &sender, "-t", to])
            .arg(format!("127.0.0.1:{}", self.port))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}\n{}", self.log());
    }

    /// The mails in the mailbox of a member, once there are `count`.
    pub fn mailbox(&self, member: &str, count: usize) -> Vec<Vec<u8>> {
        let read = || {
            let entries = std::fs::read_dir(self.path(&format!("mail/{member}/new")));
            let mut files: Vec<PathBuf> = entries
                .map(|all| all.map(|one| one.unwrap().path()).collect())
                .unwrap_or_default();
            files.sort();
            files
        };
        self.until(&format!("{count} mails for {member}"), || {
            read().len() >= count
        });
        let mails = read();
        assert_eq!(mails.len(), count, "{member}\n{}", self.log());
        mails
            .iter()
            .map(|file| std::fs::read(file).unwrap())
            .collect()
    }

    /// What waits in Postfix's queue, as `postqueue -j` shows it.
    pub fn queue(&self) -> Vec<Value> {
        let output = self.tool("postqueue", &["-j"]);
        let text = String::from_utf8(output.stdout).unwrap();
        let rows = text.lines().map(|line| serde_json::from_str(line).unwrap());
        rows.collect()
    }

    /// Waits until Postfix has nothing left to do.
    pub fn settle(&self) {
        self.until("an empty queue", || self.queue().is_empty());
    }

    /// Makes Postfix try what waits.
    pub fn flush(&self) {
        let output = self.tool("postqueue", &["-f"]);
        assert!(output.status.success(), "{output:?}");
    }

    /// Waits for what Postfix does in its own time.
    pub fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let begin = Instant::now();
        while !is_so() {
            assert!(
                begin.elapsed() < Duration::from_secs(120),
                "waited for {what}; Postfix says:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Postfix's log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("mail.log")).unwrap_or_default()
    }

    pub fn tool(&self, program: &str, words: &[&str]) -> Output {
        Command::new(program)
            .arg("-c")
            .arg(self.path("conf"))
            .args(words)
            .output()
            .unwrap()
    }

    fn postfix(&self, action: &str) -> Output {
        // Its children keep what they inherit.
        let mut command = Command::new("postfix");
        command.arg("-c").arg(self.path("conf")).arg(action);
        let quiet = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let status = quiet.status().unwrap();
        Output {
            status,
            stdout: Vec::new(),
            stderr: Vec::new(),
        }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if self.path("queue/pid/master.pid").exists() {
            self.postfix("stop");
        }
    }
}

/// Runs a command on a path.
pub fn shell(line: &str, path: &Path) {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    let status = command.args(words).arg(path).status().unwrap();
    assert!(status.success(), "{line} {}", path.display());
}

const MAIN: &str = "\
compatibility_level = 3.6
queue_directory = HERE/queue
data_directory = HERE/data
maillog_file = HERE/mail.log
maillog_file_prefixes = HERE
myhostname = mx.example
myorigin = MEMBERS
mydestination =
alias_maps =
local_recipient_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = MEMBERS
virtual_mailbox_base = HERE/mail
virtual_mailbox_maps = inline:{MAILBOXES }
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
minimal_backoff_time = 1s
queue_run_delay = 1s
";

const MASTER: &str = "\
127.0.0.1:PORT inet n - n - - smtpd
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
local unix - n n - - local
virtual unix - n n - - virtual
proxymap unix - - n - - proxymap
flush unix n - n 1000? 0 flush
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
";
