//! A daemon that listens for LMTP, and a client that speaks it line by line.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::site::Site;

/// What a site's configuration ends with, so that its daemon listens at `run/lmtp` there.
pub fn listen(site: &Site, more: &str) -> String {
    let path = socket(site).display().to_string();
    std::fs::create_dir_all(site.path("run")).unwrap();
    format!("[lmtp]\nlisten = \"{path}\"\n{more}")
}

pub fn socket(site: &Site) -> PathBuf {
    site.path("run/lmtp")
}

/// A running daemon, killed when it goes out of scope.
pub struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    /// Starts it and waits until it listens.
    pub fn start(site: &Site) -> Self {
        Self::start_with(site, &[])
    }

    /// The same, with more in its environment.
    pub fn start_with(site: &Site, environment: &[(&str, &str)]) -> Self {
        let log = site.path("daemon.log");
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&log);
        let mut command = site.prepared(&["env"], &["run"]);
        command
            .env_remove("FAIL")
            .env_remove("FAULT")
            .env_remove("NOTIFY_SOCKET");
        for (name, value) in environment {
            command.env(name, value);
        }
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = quiet.stderr(file.unwrap()).spawn().unwrap();
        until("a daemon that listens", || {
            if let Some(ended) = child.try_wait().unwrap() {
                panic!("{ended}: {}", std::fs::read_to_string(&log).unwrap());
            }
            UnixStream::connect(socket(site)).is_ok()
        });
        Self { child, log }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits for its end by its own doing or a crash.
    pub fn wait(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// SIGTERM; it must end in order.
    pub fn stop(mut self) -> String {
        self.term();
        assert_eq!(self.wait(), Some(0), "{}", self.log());
        self.log()
    }

    pub fn term(&self) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::TERM).unwrap();
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Bytes of memory that it has held at most.
    pub fn peak_memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        let kib = line.split_whitespace().nth(1).unwrap();
        kib.parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for what happens in its own time.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(
            begin.elapsed() < Duration::from_secs(120),
            "waited for {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A client.
pub struct Client {
    out: UnixStream,
    answers: BufReader<UnixStream>,
}

impl Client {
    /// Connects; what the server says first comes with it.
    pub fn connect(place: &Path) -> std::io::Result<(Self, String)> {
        let out = UnixStream::connect(place)?;
        out.set_read_timeout(Some(Duration::from_secs(60)))?;
        let answers = BufReader::new(out.try_clone()?);
        let mut client = Self { out, answers };
        let greeting = client.hear()?;
        Ok((client, greeting))
    }

    /// Connects and says LHLO.
    pub fn new(place: &Path) -> Self {
        let (mut client, greeting) = Self::connect(place).unwrap();
        assert!(greeting.starts_with("220 "), "{greeting}");
        assert!(
            client
                .ask("LHLO client.example\r\n")
                .unwrap()
                .starts_with("250 ")
        );
        client
    }

    pub fn say(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.out.write_all(bytes.as_ref())
    }

    /// Returns the last line of the next reply.
    pub fn hear(&mut self) -> std::io::Result<String> {
        loop {
            let mut line = String::new();
            if self.answers.read_line(&mut line)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            assert!(line.ends_with("\r\n"), "{line:?}");
            if line.as_bytes()[3] == b' ' {
                return Ok(line.trim_end().to_owned());
            }
        }
    }

    pub fn ask(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<String> {
        self.say(bytes)?;
        self.hear()
    }

    /// Hands a mail in, its lines in CRLF, for everybody in `to`; returns the reply for each that
    /// was accepted.
    pub fn send(&mut self, from: &str, to: &[&str], mail: &[u8]) -> std::io::Result<Vec<String>> {
        let accepted = self.begin(from, to)?;
        self.say(stuffed(mail))?;
        (0..accepted).map(|_| self.hear()).collect()
    }

    /// Goes as far as 354; returns how many recipients were accepted.
    pub fn begin(&mut self, from: &str, to: &[&str]) -> std::io::Result<usize> {
        let mut commands = format!("MAIL FROM:<{from}>\r\n");
        for one in to {
            commands += &format!("RCPT TO:<{one}>\r\n");
        }
        let mail = self.ask(commands + "DATA\r\n")?;
        assert!(mail.starts_with("250 "), "{mail}");
        let mut accepted = 0;
        for _ in to {
            accepted += usize::from(self.hear()?.starts_with("250 "));
        }
        let data = self.hear()?;
        if !data.starts_with("354 ") {
            return Err(std::io::Error::other(data));
        }
        Ok(accepted)
    }

    /// Everything else that the server says.
    pub fn rest(mut self) -> String {
        let mut rest = String::new();
        let _ = self.answers.read_to_string(&mut rest);
        rest
    }
}

/// A mail as it goes over the wire, with its end.
pub fn stuffed(mail: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(mail.len() + 5);
    for byte in mail {
        if *byte == b'.' && (out.is_empty() || out.ends_with(b"\r\n")) {
            out.push(b'.');
        }
        out.push(*byte);
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}
