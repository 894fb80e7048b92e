//! The daemon as systemd and people see it: quick, quiet when idle, alone on its spool, orderly when
//! told to stop.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::disallowed_methods)]

mod common;

use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::site::Site;

/// A running daemon, killed when the test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    fn start(site: &Site, environment: &[(&str, &str)]) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_listseal"))
            .arg("--config")
            .arg(site.path("listseal.toml"))
            .arg("run")
            .env_remove("CREDENTIALS_DIRECTORY")
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        let kill = Command::new("kill").args([name, &pid]).status();
        assert!(kill.unwrap().success());
    }

    /// Waits for the end and returns the exit code.
    fn end(&mut self) -> Option<i32> {
        let deadline = Instant::now() + Duration::from_secs(120);
        while Instant::now() < deadline {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the daemon does not stop");
    }

    /// Processor time used so far.
    fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id())).unwrap();
        let behind_name = stat.rsplit_once(") ").unwrap().1;
        let fields: Vec<&str> = behind_name.split(' ').collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 10)
    }
}

fn site() -> Site {
    let site = Site::new();
    site.list(
        "team",
        "owners = [\"olga@example.org\"]\nsend = \"public\"\n",
        "bob@example.org\n",
    );
    site
}

fn mail(number: usize) -> Vec<u8> {
    format!(
        "From: alice@example.org\nTo: team@example.org\nSubject: {number}\n\
         Message-ID: <{number}.daemon@example.org>\n\nhello\n"
    )
    .into_bytes()
}

/// Waits until `done` says so and returns how long that took.
fn wait_for(what: &str, done: impl Fn() -> bool) -> Duration {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(120), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
    started.elapsed()
}

#[test]
fn mail_is_delivered_while_the_daemon_runs_and_sigterm_ends_it_in_order() {
    let site = site();
    let mut daemon = Running::start(&site, &[]);
    wait_for("no lock", || site.path("spool/lock").exists());
    for number in 1..=5 {
        assert_eq!(
            site.queue("team@example.org", "alice@example.org", &mail(number))
                .code,
            0
        );
        // The scan alone would take up to 30 seconds (contract R4): this is the watch.
        let waited = wait_for("no mail", || site.outbox().len() == number);
        assert!(waited < Duration::from_secs(25), "{waited:?}");
    }
    // R5: the second one gives up at once and harms nothing.
    let second = site.run_once();
    assert_eq!(second.code, 75, "{}", second.stderr);
    assert!(
        second.stderr.contains("another listseal"),
        "{}",
        second.stderr
    );
    daemon.signal("-TERM");
    assert_eq!(daemon.end(), Some(0));
    assert_eq!(site.command(&["audit"], b"").code, 0);
    assert_eq!(site.run_once().code, 0, "the lock is free again");
    assert_eq!(site.outbox().len(), 5);
}

#[test]
fn idle_daemon_uses_no_processor_time() {
    let site = site();
    let daemon = Running::start(&site, &[]);
    assert_eq!(
        site.queue("team@example.org", "alice@example.org", &mail(1))
            .code,
        0
    );
    wait_for("no mail", || site.outbox().len() == 1);
    wait_for("not finished", || site.spool().is_empty());
    std::thread::sleep(Duration::from_secs(1));
    let before = daemon.cpu();
    std::thread::sleep(Duration::from_secs(2));
    let used = daemon.cpu().saturating_sub(before);
    assert!(
        used <= Duration::from_millis(100),
        "{used:?} in two idle seconds"
    );
}

#[test]
fn systemd_hears_of_start_life_and_stop() {
    let site = site();
    let path = site.path("systemd");
    let systemd = UnixDatagram::bind(&path).unwrap();
    systemd
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let environment = [
        ("NOTIFY_SOCKET", path.to_str().unwrap()),
        ("WATCHDOG_USEC", "300000"),
    ];
    let mut daemon = Running::start(&site, &environment);
    let mut heard = Vec::new();
    let mut buffer = [0; 4096];
    let next = |buffer: &mut [u8]| {
        let length = systemd.recv(buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).trim().to_owned()
    };
    while heard.iter().filter(|state| *state == "WATCHDOG=1").count() < 3 {
        heard.push(next(&mut buffer));
    }
    assert_eq!(heard[0], "READY=1", "{heard:?}");
    daemon.signal("-INT");
    assert_eq!(daemon.end(), Some(0));
    let mut last = next(&mut buffer);
    while last == "WATCHDOG=1" {
        last = next(&mut buffer);
    }
    assert_eq!(last, "STOPPING=1");
}

#[test]
fn killed_daemon_leaves_a_spool_that_the_next_one_goes_on_with() {
    let site = site();
    for number in 1..=20 {
        assert_eq!(
            site.queue("team@example.org", "alice@example.org", &mail(number))
                .code,
            0
        );
    }
    let mut daemon = Running::start(&site, &[]);
    wait_for("no mail", || site.outbox().len() > 3);
    daemon.signal("-KILL");
    assert_eq!(daemon.end(), None);
    let ended = site.run_once();
    assert_eq!(ended.code, 0, "{}", ended.stderr);
    let mut subjects: Vec<usize> = site
        .outbox()
        .iter()
        .map(|mail| {
            let text = String::from_utf8_lossy(&mail.bytes).into_owned();
            let line = text.lines().find_map(|line| line.strip_prefix("Subject: "));
            line.unwrap().parse().unwrap()
        })
        .collect();
    subjects.sort_unstable();
    let sent = subjects.len();
    subjects.dedup();
    assert_eq!(subjects, (1..=20).collect::<Vec<_>>(), "nothing is lost");
    // Decision 18: at most one copy twice for each connection.
    assert!(sent <= 24, "{sent} mails for 20 copies");
    assert_eq!(site.command(&["audit"], b"").code, 0);
}

#[test]
fn released_post_waits_for_its_list_without_keeping_the_daemon_busy() {
    let site = site();
    let directory = common::site::list_directory("team");
    let settings = |send: &str| {
        let text = format!("owners = [\"olga@example.org\"]\nsend = \"{send}\"\n");
        site.write(&format!("{directory}/list.toml"), text);
    };
    settings("editorkey");
    assert_eq!(
        site.queue("team@example.org", "alice@example.org", &mail(1))
            .code,
        0
    );
    assert_eq!(site.run_once().code, 0);
    let held = site.spool();
    assert_eq!(held.len(), 1, "{held:?}");
    assert_eq!(
        site.command(&["spool", "release", &held[0].id], b"").code,
        0
    );
    site.write(&format!("{directory}/list.toml"), "owners = 1\n");
    let before = site.outbox().len();
    assert_eq!(site.run_once().code, 0, "it ends");
    settings("editorkey");
    assert_eq!(site.run_once().code, 0);
    let sent = site.outbox().split_off(before);
    let copies: Vec<&str> = sent
        .iter()
        .filter(|mail| !mail.from.is_empty())
        .map(|mail| mail.to.as_str())
        .collect();
    assert_eq!(copies, ["bob@example.org"]);
    assert_eq!(site.command(&["audit"], b"").code, 0);
}

/// A post of `from` around a CMS object.
fn enveloped(from: &str, number: usize, der: &[u8]) -> Vec<u8> {
    let body = common::lab::openssl(std::path::Path::new("/"), "base64 -e", der);
    let header = format!(
        "From: {from}@example.org\nTo: team@example.org\nSubject: {number}\n\
         Message-ID: <{number}.captured@example.org>\nMIME-Version: 1.0\n\
         Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\n\
         Content-Transfer-Encoding: base64\n\n"
    );
    [header.as_bytes(), &body].concat()
}

#[test]
fn s16_s19_changed_envelopes_of_a_distributed_post_all_end_alike() {
    for send in ["private", "private_smime"] {
        let site = site();
        site.list(
            "team",
            &format!("owners = [\"olga@example.org\"]\nsend = \"{send}\"\n"),
            "alice@example.org\nbob@example.org\n",
        );
        let lab = common::lab::lab();
        let (alice, team) = (lab.identity("alice"), lab.identity("team"));
        site.certificate("bob", None);
        let run = |line: &str, input: &[u8]| common::lab::openssl(lab.dir(), line, input);
        let signed = run(
            &format!(
                "cms -sign -signer {} -inkey {}",
                alice.certificate.display(),
                alice.key.display()
            ),
            b"Content-Type: text/plain\r\n\r\nThe cellar is shut.\r\n",
        );
        let der = run(
            &format!(
                "cms -encrypt -binary -outform DER -aes-256-cbc {}",
                team.certificate.display()
            ),
            &signed,
        );
        assert_eq!(
            site.queue(
                "team@example.org",
                "alice@example.org",
                &enveloped("alice", 0, &der)
            )
            .code,
            0
        );
        assert_eq!(site.run_once().code, 0);
        let before = site.outbox().len();
        assert!(before >= 1, "the genuine post went out");
        // The last byte of the last block but one decides over the padding: of all its values one
        // gives good padding, and nobody may see which.
        for guess in 1..=255_u8 {
            let mut changed = der.clone();
            let at = changed.len() - 17;
            changed[at] ^= guess;
            let mail = enveloped("bob", usize::from(guess), &changed);
            assert_eq!(
                site.queue("team@example.org", "bob@example.org", &mail)
                    .code,
                0
            );
        }
        assert_eq!(site.run_once().code, 0);
        let ends: Vec<_> = site
            .spool()
            .into_iter()
            .map(|one| (one.state, one.reason))
            .collect();
        assert_eq!(ends.len(), 255, "{send}");
        let withheld = ("bad".to_owned(), Some("replay".to_owned()));
        assert!(ends.iter().all(|end| *end == withheld), "{send}: {ends:?}");
        assert_eq!(site.outbox().len(), before, "{send}: nobody hears of any");
    }
}

#[test]
fn e6_what_everybody_can_write_is_not_used_until_it_is_closed() {
    use std::os::unix::fs::PermissionsExt as _;
    let site = site();
    let set = |name: &str, mode: u32| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(site.path(name), permissions).unwrap();
    };
    let list = common::site::list_directory("team");
    site.certificate("bob", None);
    let places = [
        (list.clone(), 0o777, 0o755),
        (format!("{list}/list.toml"), 0o666, 0o644),
        (format!("{list}/subscribers"), 0o666, 0o644),
        ("certificates".to_owned(), 0o777, 0o755),
    ];
    for (number, (name, open, closed)) in places.iter().enumerate() {
        let copies = || {
            site.outbox()
                .iter()
                .filter(|mail| !mail.from.is_empty())
                .count()
        };
        assert_eq!(copies(), number);
        set(name, *open);
        assert_eq!(
            site.queue("team@example.org", "alice@example.org", &mail(number))
                .code,
            0
        );
        let ended = site.run_once();
        assert_eq!(ended.code, 0);
        assert!(
            ended.stderr.contains("chmod o-w"),
            "{name}: {}",
            ended.stderr
        );
        assert_eq!(copies(), number, "{name}: nothing leaves");
        set(name, *closed);
        assert_eq!(site.run_once().code, 0);
        assert_eq!(copies(), number + 1, "{name}: it goes on");
    }
    set("spool", 0o777);
    let refused = site.queue("team@example.org", "alice@example.org", &mail(9));
    assert_eq!(refused.code, 75, "{}", refused.stderr);
    set("spool", 0o700);
    set("state", 0o777);
    let refused = site.run_once();
    assert_eq!(refused.code, 75, "{}", refused.stderr);
    assert!(refused.stderr.contains("chmod o-w"), "{}", refused.stderr);
}
