//! A whole site in a scratch directory, and the program run on it as an MTA and people run it.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use serde_json::Value;

use super::lab::{DOMAIN, lab};

/// A site for example.org: no lists yet, outgoing mail lands in files.
pub struct Site {
    dir: tempfile::TempDir,
    log: Mutex<String>,
    program: PathBuf,
    /// Another user than that of the tests, and its group.
    user: Option<(u32, u32)>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// One outgoing mail with its envelope.
#[derive(Clone, Debug)]
pub struct Sent {
    /// Counted from 1 in the order of sending.
    pub number: u64,
    /// Envelope sender, empty for the null sender.
    pub from: String,
    pub to: String,
    pub bytes: Vec<u8>,
}

/// One message in the spool.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub id: String,
    /// `waiting`, `delivering`, `held`, `bad`.
    pub state: String,
    pub reason: Option<String>,
}

/// The transport that writes files.
pub const OUTBOX: &str = "dir";

impl Site {
    /// A site that trusts both authorities of the lab and has a key pair of its own.
    pub fn new() -> Self {
        Self::below(&std::env::temp_dir())
    }

    /// As [`Site::new`], in a directory of its own below `place`.
    pub fn below(place: &Path) -> Self {
        let site = Self {
            dir: tempfile::Builder::new()
                .prefix("site")
                .tempdir_in(place)
                .unwrap(),
            log: Mutex::default(),
            program: PathBuf::from(env!("CARGO_BIN_EXE_listseal")),
            user: None,
        };
        site.configure(OUTBOX, "");
        std::fs::create_dir(site.path("tmp")).unwrap();
        site.revoke(&[]);
        site.copy(&lab().trusted(), "ca.pem", 0o644);
        site.key(&format!("lists/{DOMAIN}/_site"), "", "listseal");
        site
    }

    /// Gives the whole site, with a copy of the program, to another user, which needs root.
    /// Commands run as that user from now on.
    pub fn give_to(&mut self, user: &str) {
        let id = |option: &str| {
            let said = Command::new("id").args([option, user]).output().unwrap();
            let text = String::from_utf8(said.stdout).unwrap();
            text.trim()
                .parse()
                .unwrap_or_else(|_| panic!("there is no user {user}: {:?}", said.stderr))
        };
        self.user = Some((id("-u"), id("-g")));
        // The tree of the tests may lie where nobody else can look.
        self.copy(&self.program, "listseal", 0o755);
        self.program = self.path("listseal");
        self.own("");
    }

    /// Gives what lies at `name` to the user of the site.
    pub fn own(&self, name: &str) {
        let (uid, gid) = self.user.unwrap();
        let mut open = vec![self.path(name)];
        while let Some(path) = open.pop() {
            std::os::unix::fs::lchown(&path, Some(uid), Some(gid)).unwrap();
            if path.is_dir() && !path.is_symlink() {
                open.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
            }
        }
    }

    /// The program of this site.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Writes `listseal.toml`: where mail goes ([`OUTBOX`] or an URL), and `more` at its end.
    pub fn configure(&self, transport: &str, more: &str) {
        let url = if transport == OUTBOX {
            format!("dir://{}", self.path("outbox").display())
        } else {
            transport.to_owned()
        };
        self.write(
            "listseal.toml",
            format!(
                "[paths]\nlists = \"lists\"\nspool = \"spool\"\ncertificates = \"certificates\"\n\
                 templates = \"templates\"\nstate = \"state\"\n[trust]\ncafile = \"ca.pem\"\ncrls = \"crls\"\n\
                 [delivery]\ntransport = \"{url}\"\nretry_first = \"1 s\"\nretry_max = \"1 s\"\n{more}"
            ),
        );
    }

    /// Makes the list `name@example.org` with the key pair of that name.
    pub fn list(&self, name: &str, settings: &str, subscribers: &str) {
        let directory = list_directory(name);
        self.write(&format!("{directory}/list.toml"), settings);
        self.write(&format!("{directory}/subscribers"), subscribers);
        self.key(&directory, "", name);
    }

    /// Puts the pair of an identity there as `cert.pem<suffix>` and `private_key<suffix>`.
    pub fn key(&self, directory: &str, suffix: &str, identity: &str) {
        let one = lab().identity(identity);
        let file = |name: &str| format!("{directory}/{name}{suffix}");
        self.copy(&one.certificate, &file("cert.pem"), 0o644);
        self.copy(&one.key, &file("private_key"), 0o600);
    }

    /// Puts the certificate of an identity into the certificate directory, under its address or
    /// the `name` given.
    pub fn certificate(&self, identity: &str, name: Option<&str>) {
        let one = lab().identity(identity);
        let name = name.unwrap_or(&one.address);
        self.copy(&one.certificate, &format!("certificates/{name}"), 0o644);
    }

    /// Puts lists of these certificates, issued by the first authority or the one below it, where
    /// the site looks for revoked ones.
    pub fn revoke(&self, identities: &[String]) {
        self.write("crls/authority.pem", lab().revocations(identities));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        self.write_with_mode(name, text, 0o644);
    }

    /// Writes a file, open to others or not.
    pub fn write_with_mode(&self, name: &str, text: impl AsRef<[u8]>, mode: u32) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        self.chmod(name, mode);
    }

    pub fn chmod(&self, name: &str, mode: u32) {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.path(name), mode).unwrap();
    }

    /// Removes a file, or a directory with all that is in it.
    pub fn remove(&self, name: &str) {
        let path = self.path(name);
        if path.is_dir() && !path.is_symlink() {
            std::fs::remove_dir_all(&path).unwrap();
        } else {
            std::fs::remove_file(&path).unwrap();
        }
    }

    pub fn copy(&self, from: &Path, to: &str, mode: u32) {
        self.write_with_mode(to, std::fs::read(from).unwrap(), mode);
    }

    /// Hands a message in as the MTA does; `sender` is the envelope sender, empty for `<>`.
    pub fn queue(&self, address: &str, sender: &str, mail: &[u8]) -> Ended {
        self.command(&["queue", address, "--sender", sender], mail)
    }

    /// Lets the daemon try everything that is due, once.
    pub fn run_once(&self) -> Ended {
        self.command(&["run", "--once"], b"")
    }

    /// Runs a command of the program on this site; one that hangs is ended after two minutes.
    pub fn command(&self, words: &[&str], input: &[u8]) -> Ended {
        let mut child = self
            .prepared(&["timeout", "120"], words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let output = std::thread::scope(|scope| {
            // A program that does not want it all says so by its exit code.
            scope.spawn(move || std::io::Write::write_all(&mut stdin, input).ok());
            child.wait_with_output().unwrap()
        });
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ended = Ended {
            code: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        };
        self.log.lock().unwrap().push_str(&ended.stderr);
        ended
    }

    /// A command of the program on this site, run by another program that takes a command. What
    /// it may want to put into temporary files goes to `tmp/`.
    pub fn prepared(&self, runner: &[&str], words: &[&str]) -> Command {
        let mut command = Command::new(runner[0]);
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
            .args(&runner[1..])
            .arg(&self.program)
            .arg("--config")
            .arg(self.path("listseal.toml"))
            .args(words)
            .env("TMPDIR", self.path("tmp"))
            .env_remove("LISTSEAL_CONFIG")
            .env_remove("CREDENTIALS_DIRECTORY")
            .env_remove("SENDER")
            .current_dir(self.dir.path());
        command
    }

    /// Everything the program said on standard error so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Every mail that went out so far.
    pub fn outbox(&self) -> Vec<Sent> {
        let Ok(entries) = std::fs::read_dir(self.path("outbox")) else {
            return Vec::new();
        };
        let mut mails: Vec<Sent> = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|end| end == "eml"))
            .map(|path| {
                let envelope = std::fs::read(path.with_extension("json")).unwrap();
                let envelope: Value = serde_json::from_slice(&envelope).unwrap();
                let to = envelope["to"].as_array().unwrap();
                assert_eq!(to.len(), 1, "one recipient a mail: {envelope}");
                let stem = path.file_stem().unwrap().to_str().unwrap();
                Sent {
                    number: stem.parse().unwrap(),
                    from: envelope["from"].as_str().unwrap().to_owned(),
                    to: to[0].as_str().unwrap().to_owned(),
                    bytes: std::fs::read(&path).unwrap(),
                }
            })
            .collect();
        mails.sort_by_key(|mail| mail.number);
        mails
    }

    /// What `listseal spool ls` knows.
    pub fn spool(&self) -> Vec<Waiting> {
        let rows = self.json(&["spool", "ls", "--json"]);
        let rows = rows.as_array().unwrap().iter();
        rows.map(|row| Waiting {
            id: row["id"].as_str().unwrap().to_owned(),
            state: row["state"].as_str().unwrap().to_owned(),
            reason: row["reason"].as_str().map(str::to_owned),
        })
        .collect()
    }

    /// Runs a command that must succeed and prints JSON.
    pub fn json(&self, words: &[&str]) -> Value {
        let ended = self.command(words, b"");
        assert_eq!(ended.code, 0, "{words:?}: {ended:?}");
        serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{words:?}: {e}: {ended:?}"))
    }

    /// Every file below a directory of the site, by its path there.
    pub fn files(&self, directory: &str) -> Vec<(String, Vec<u8>)> {
        let root = self.path(directory);
        let mut found = Vec::new();
        let mut open = vec![root.clone()];
        while let Some(folder) = open.pop() {
            let Ok(entries) = std::fs::read_dir(&folder) else {
                continue;
            };
            for path in entries.map(|entry| entry.unwrap().path()) {
                if path.is_dir() {
                    open.push(path);
                } else {
                    let name = path.strip_prefix(&root).unwrap().display().to_string();
                    found.push((name, std::fs::read(&path).unwrap()));
                }
            }
        }
        found.sort();
        found
    }
}

/// The directory of a list of example.org within the site.
pub fn list_directory(name: &str) -> String {
    format!("lists/{DOMAIN}/{name}")
}
