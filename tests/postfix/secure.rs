//! A next hop that wants TLS and a login: Postfix with Dovecot's SASL, and Dovecot's own LMTP.
//!
//! Needs root and Debian's `postfix`, `dovecot-core` and `dovecot-lmtpd`.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::common::foreign::Reader;
use super::common::lab::{self, lab};
use super::common::mail::Parsed;
use super::common::site::Site;
use super::instance::{MEMBERS, Postfix, shell};
use super::{LUNCH, member, post};

/// A Dovecot of its own, stopped when it goes out of scope.
struct Dovecot {
    dir: tempfile::TempDir,
    child: Child,
}

impl Dovecot {
    /// With the mailboxes of these people, and `listseal` who may log in.
    fn start(people: &[&str]) -> Self {
        assert!(
            PathBuf::from("/usr/sbin/dovecot").exists(),
            "these tests need Dovecot: apt-get install dovecot-core dovecot-lmtpd (tests/run does it)"
        );
        let dir = tempfile::Builder::new().prefix("dc").tempdir().unwrap();
        let here = dir.path().display().to_string();
        let mut users = "listseal:{PLAIN}open sesame::::::\n".to_owned();
        for name in people {
            let home = format!("{here}/home/{name}");
            users += &format!("{name}@{MEMBERS}:{{PLAIN}}-:65534:65534::{home}::\n");
        }
        std::fs::create_dir(dir.path().join("home")).unwrap();
        shell("chmod 755", dir.path());
        shell("chown nobody:nogroup", &dir.path().join("home"));
        std::fs::write(dir.path().join("users"), users).unwrap();
        std::fs::write(dir.path().join("conf"), DOVECOT.replace("HERE", &here)).unwrap();
        let mut command = Command::new("/usr/sbin/dovecot");
        command.args(["-F", "-c"]).arg(dir.path().join("conf"));
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = quiet.stderr(Stdio::null()).spawn().unwrap();
        let dovecot = Self { dir, child };
        for name in ["run/auth-client", "run/lmtp"] {
            let begin = Instant::now();
            while !dovecot.path(name).exists() {
                let said = std::fs::read_to_string(dovecot.path("log")).unwrap_or_default();
                assert!(begin.elapsed() < Duration::from_secs(60), "{said}");
                std::thread::sleep(Duration::from_millis(50));
            }
        }
        dovecot
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The mails of one of the people.
    fn mailbox(&self, name: &str) -> Vec<Vec<u8>> {
        let new = std::fs::read_dir(self.path(&format!("home/{name}/mail/new")));
        let files = new.into_iter().flatten();
        files
            .map(|file| std::fs::read(file.unwrap().path()).unwrap())
            .collect()
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").arg(pid).status();
        let _ = self.child.wait();
    }
}

/// A list with these members, whose copies go to `transport`; `more` belongs to `[delivery]`.
fn site(transport: &str, more: &str, members: &[&str]) -> Site {
    let site = Site::new();
    site.configure(transport, more);
    let lines: String = members
        .iter()
        .map(|one| format!("{one}@{MEMBERS}\n"))
        .collect();
    let settings = format!("owners = [\"olga@{MEMBERS}\"]\n");
    site.list("team", &settings, &lines);
    for name in members {
        site.certificate(&format!("{name}-elsewhere"), None);
    }
    site
}

/// Hands a post in and lets the daemon work.
fn distribute(site: &Site, text: &str) {
    let mail = post(&["sign alice-elsewhere", "encrypt team"], text);
    let ended = site.queue("team@example.org", &member("alice"), &mail);
    assert_eq!(ended.code, 0, "{ended:?}");
    let ended = site.run_once();
    assert_eq!(ended.code, 0, "{ended:?}");
}

fn nothing_lost(site: &Site) {
    let ended = site.command(&["audit"], b"");
    assert_eq!(ended.code, 0, "{ended:?}");
}

#[test]
fn postfix_that_wants_tls_and_a_login_gets_both() {
    let dovecot = Dovecot::start(&[]);
    let postfix = Postfix::new(&["alice", "bob"]);
    let conf = postfix.path("conf");
    let words = "req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 \
                 -subj /CN=mx -addext subjectAltName=IP:127.0.0.1";
    let words: Vec<&str> = words.split_whitespace().collect();
    lab::run(&conf, "openssl", &words, b"").unwrap();
    let here = conf.display();
    let socket = dovecot.path("run/auth-client");
    postfix.set(&format!(
        "smtpd_tls_security_level = encrypt\nsmtpd_tls_cert_file = {here}/cert.pem\n\
         smtpd_tls_key_file = {here}/key.pem\nsmtpd_sasl_auth_enable = yes\n\
         smtpd_sasl_type = dovecot\nsmtpd_sasl_path = {}\nsmtpd_tls_auth_only = yes\n\
         smtpd_tls_loglevel = 1\nsmtpd_relay_restrictions = permit_sasl_authenticated, reject\n",
        socket.display()
    ));
    postfix.add_service("tlsmgr unix - - n 1000? 1 tlsmgr\n");
    postfix.start();
    let login = "cafile = \"relay.pem\"\nuser = \"listseal\"\npasswd_file = \"passwd\"\n";
    let site = site(&postfix.transport(), login, &["alice", "bob"]);
    let certificate = std::fs::read(conf.join("cert.pem")).unwrap();
    site.write("relay.pem", certificate);
    site.write_with_mode("passwd", "open sesame\n", 0o600);
    distribute(&site, LUNCH);
    postfix.settle();
    for name in ["alice", "bob"] {
        let mail = postfix.mailbox(name, 1).remove(0);
        let who = lab().identity(&format!("{name}-elsewhere"));
        let opened = Reader::new().open(&mail, &who).unwrap();
        assert_eq!(opened.recipients, 1);
        assert!(String::from_utf8_lossy(&opened.inside).contains(LUNCH));
        let received = Parsed::of(&mail).value("Received").unwrap();
        assert!(received.contains("ESMTPSA"), "{received}");
    }
    let log = postfix.log();
    assert!(log.contains("TLS connection established"), "{log}");
    let plain = "sasl_method=PLAIN, sasl_username=listseal";
    assert!(log.contains(plain), "{log}");
    nothing_lost(&site);

    // A wrong passphrase keeps the mail here, and says so.
    site.write_with_mode("passwd", "guessed\n", 0o600);
    distribute(&site, "wrong passphrase");
    assert!(
        site.log().contains("535 does not let delivery.user in"),
        "{}",
        site.log()
    );
    nothing_lost(&site);
    // The certificate of another server, too.
    site.write_with_mode("passwd", "open sesame\n", 0o600);
    lab::run(&conf, "openssl", &words, b"").unwrap();
    std::fs::copy(conf.join("cert.pem"), site.path("relay.pem")).unwrap();
    distribute(&site, "wrong certificate");
    assert!(site.log().contains("TLS: "), "{}", site.log());
    nothing_lost(&site);
    assert_eq!(postfix.mailbox("bob", 1).len(), 1);
}

#[test]
fn dovecot_takes_copies_by_lmtp_and_refuses_whom_it_does_not_know() {
    let dovecot = Dovecot::start(&["alice", "bob"]);
    let transport = format!("lmtp+unix://{}", dovecot.path("run/lmtp").display());
    let site = site(&transport, "", &["alice", "bob", "gone"]);
    for text in [LUNCH, "And again.", "And again, more."] {
        distribute(&site, text);
    }
    for name in ["alice", "bob"] {
        let mails = dovecot.mailbox(name);
        let log = std::fs::read_to_string(dovecot.path("log")).unwrap();
        assert_eq!(mails.len(), 3, "{name}: {log}\n{}", site.log());
        for mail in mails {
            let who = lab().identity(&format!("{name}-elsewhere"));
            assert_eq!(Reader::new().open(&mail, &who).unwrap().recipients, 1);
            let verp = format!("<team-bounces+{name}={MEMBERS}@example.org>");
            assert_eq!(Parsed::of(&mail).value("Return-Path").unwrap(), verp);
        }
    }
    let refused = "reason=\"recipient-refused\" code=550";
    assert!(site.log().contains(refused), "{}", site.log());
    nothing_lost(&site);
}

const DOVECOT: &str = "\
base_dir = HERE/run
state_dir = HERE/state
log_path = HERE/log
protocols = lmtp
listen = 127.0.0.1
ssl = no
auth_mechanisms = plain login
mail_location = maildir:~/mail
first_valid_uid = 1
passdb {
  driver = passwd-file
  args = HERE/users
}
userdb {
  driver = passwd-file
  args = HERE/users
}
service auth {
  unix_listener auth-client {
    mode = 0666
  }
}
service lmtp {
  unix_listener lmtp {
    mode = 0666
  }
}
service anvil {
  chroot =
}
";
