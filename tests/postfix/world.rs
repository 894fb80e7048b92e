//! A list whose members have mailboxes at a Postfix, which hands mail in as `etc/postfix/` says.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;

use super::common::lmtp::{Daemon, listen, socket};
use super::common::mail::Made;
use super::common::site::Site;
use super::instance::{MEMBERS, Postfix, shell};

/// The user that the spool belongs to; nobody would be what Postfix runs strangers' commands as.
const RELAY: &str = "daemon";

pub struct World {
    pub site: Site,
    pub postfix: Postfix,
}

impl World {
    /// The list behind a pipe transport; all members but carol have certificates.
    pub fn pipe(more: &str, members: &[&str]) -> Self {
        let world = Self::new(more, members);
        let conf = world.postfix.path("conf").display().to_string();
        for name in ["transport.regexp", "recipients.regexp"] {
            let file = world.postfix.path("conf").join(match name {
                "transport.regexp" => "listseal",
                _ => "listseal_recipients",
            });
            std::fs::write(file, snippet(name)).unwrap();
        }
        let main = replace(&snippet("main.cf.pipe"), "/etc/postfix", &conf);
        world.with_gone(&main);
        let master = world.ours(&snippet("master.cf.pipe"));
        let master = replace(&master, "user=listseal", &format!("user={RELAY}"));
        world.postfix.add_service(&master);
        world.postfix.start();
        world
    }

    /// The list behind LMTP, with a daemon that listens as README.md says; `more` is for
    /// `listseal.toml`.
    pub fn lmtp(more: &str, members: &[&str]) -> (Self, Daemon) {
        let world = Self::new("", members);
        let site = &world.site;
        // The name that Postfix gives itself: it must not take this for a loop.
        let keys = format!("hostname = \"mx.example\"\n{more}{}", listen(site, ""));
        site.configure(&world.postfix.transport(), &keys);
        site.own("listseal.toml");
        shell("chmod 711", &site.path(""));
        let run = site.path("run");
        let install = format!("install -d -m 2750 -o {RELAY} -g postfix");
        let documented = snippet("README.md");
        let command = "install -d -m 2750 -o listseal -g postfix /run/listseal";
        assert!(documented.contains(command), "{command}");
        std::fs::remove_dir(&run).unwrap();
        shell(&install, &run);

        let conf = world.postfix.path("conf");
        let socket = socket(site).display().to_string();
        let table = replace(
            &snippet("transport.lmtp.regexp"),
            "/run/listseal/lmtp",
            &socket,
        );
        std::fs::write(conf.join("listseal"), table).unwrap();
        let table = snippet("recipients.regexp");
        std::fs::write(conf.join("listseal_recipients"), table).unwrap();
        let conf = conf.display().to_string();
        world.with_gone(&replace(&snippet("main.cf.lmtp"), "/etc/postfix", &conf));
        world.postfix.add_service(&snippet("master.cf.lmtp"));
        world.postfix.start();
        let daemon = Daemon::start(site);
        (world, daemon)
    }

    /// Sets these lines; mail for one member is taken and then comes back.
    fn with_gone(&self, main: &str) {
        let gone = format!("transport_maps = inline:{{ gone@{MEMBERS}=gone }}, regexp:");
        self.postfix
            .set(&replace(main, "transport_maps = regexp:", &gone));
        let service = "gone unix - n n - - pipe user=nobody argv=/bin/false\n";
        self.postfix.add_service(service);
    }

    /// The list behind aliases.
    pub fn aliases(members: &[&str]) -> Self {
        let world = Self::new("", members);
        // The steps of README.md, with the directory of the site for /etc/listseal.
        world.site.write("aliases", world.ours(&snippet("aliases")));
        world.site.own("aliases");
        let file = world.site.path("aliases").display().to_string();
        let main = replace(
            &snippet("main.cf.aliases"),
            "/etc/listseal/postfix/aliases",
            &file,
        );
        let main = replace(&main, "hash:/etc/aliases, ", "");
        world.postfix.set(&main);
        world.postfix.set("mydestination = example.org");
        let output = world.postfix.tool("postalias", &[&file]);
        assert!(output.status.success(), "{output:?}");
        world.postfix.start();
        world
    }

    fn new(more: &str, members: &[&str]) -> Self {
        let postfix = Postfix::new(&[members, &["olga"]].concat());
        let mut site = Site::new();
        site.configure(&postfix.transport(), more);
        let lines: Vec<String> = members
            .iter()
            .map(|one| format!("{one}@{MEMBERS}\n"))
            .collect();
        let settings = format!("owners = [\"olga@{MEMBERS}\"]\n");
        site.list("team", &settings, &lines.concat());
        for member in members
            .iter()
            .filter(|one| !["carol", "gone"].contains(*one))
        {
            site.certificate(&format!("{member}-elsewhere"), None);
        }
        site.give_to(RELAY);
        let config = site.path("listseal.toml");
        postfix.set(&format!(
            "export_environment = TZ MAIL_CONFIG LANG LISTSEAL_CONFIG={}",
            config.display()
        ));
        // As in life the daemon has been there before the first mail.
        assert_eq!(site.run_once().code, 0, "{}", site.log());
        Self { site, postfix }
    }

    /// A snippet that runs the program of this site.
    fn ours(&self, snippet: &str) -> String {
        let program = self.site.program().display().to_string();
        replace(snippet, "/usr/bin/listseal", &program)
    }

    /// Waits until Postfix has handed over what it has, and `count` mails wait in the spool.
    pub fn taken(&self, count: usize) {
        self.postfix.settle();
        let waiting = self.site.spool();
        assert_eq!(waiting.len(), count, "{waiting:?}\n{}", self.postfix.log());
    }

    /// Lets the daemon work, and Postfix deliver what it sent.
    pub fn work(&self) {
        let ended = self.site.run_once();
        assert_eq!(ended.code, 0, "{ended:?}");
        self.postfix.settle();
    }

    pub fn nothing_lost(&self) {
        let ended = self.site.command(&["audit"], b"");
        assert_eq!(ended.code, 0, "{ended:?}");
    }

    /// Speaks SMTP line by line and returns the greeting and the last line of each answer.
    pub fn say(&self, lines: &[&str]) -> Vec<String> {
        let mut out = TcpStream::connect(("127.0.0.1", self.postfix.port())).unwrap();
        let mut answers = BufReader::new(out.try_clone().unwrap()).lines();
        let mut answer = move || {
            let mut last = answers.by_ref().map(Result::unwrap);
            last.find(|line| line.as_bytes().get(3) != Some(&b'-'))
                .unwrap()
        };
        let mut said = vec![answer()];
        for line in lines {
            write!(out, "{line}\r\n").unwrap();
            said.push(answer());
        }
        said
    }
}

/// A post of Alice's, treated step by step as `common::mail` says.
pub fn post(steps: &[&str], text: &str) -> Vec<u8> {
    let steps: Vec<String> = steps.iter().map(|step| format!("! {step}\n")).collect();
    let mail = format!(
        "{}From: Alice <alice@{MEMBERS}>\nTo: team@example.org\nSubject: Lunch\n\
         Message-ID: <{}@{MEMBERS}>\nDate: Sat, 21 Nov 2026 12:00:00 +0000\n\
         MIME-Version: 1.0\nContent-Type: text/plain\n\n{text}\n",
        steps.concat(),
        text.len(),
    );
    let made = Made::from_text(mail.as_bytes(), &|name| panic!("there is no mail {name}"));
    made.bytes
}

fn snippet(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("etc/postfix")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

/// Replaces what must be there.
fn replace(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "{old:?} is not in {text}");
    text.replace(old, new)
}
