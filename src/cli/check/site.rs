//! What all lists share: directories, trust, the next hop, the site's own templates.

use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::Examination;
use crate::config::permission::{RelayUser, Use, directory, edited_file, quoted, writable};
use crate::config::units::show_size;
use crate::config::{Listen, Problem, Transport};
use crate::deliver::Courier;
use crate::lmtp::unfit;
use crate::spool::{Layout, SpoolError, check_room};
use crate::store::directory::ListDirectory;
use crate::store::lists::TrustPaths;
use crate::store::{passphrase, templates};

impl Examination {
    /// Looks at everything, or at `only` and what it shares with the others.
    pub(super) fn site(&mut self, only: Option<&ListDirectory>) {
        self.directories();
        self.transport();
        self.lmtp();
        let settings = self.lists.settings();
        let (file, source) = (settings.file.clone(), settings.passphrase.clone());
        let site_templates = settings.paths.templates.clone();
        self.found.extend(edited_file(&file, self.user));
        self.found.extend(templates::problems(&site_templates));
        if let Err(problem) = passphrase::read(source.as_ref(), self.user) {
            self.found.push(problem);
        }
        let (all, odd) = self.lists.all();
        if only.is_none() {
            self.found.extend(odd);
            if all.is_empty() {
                let root = &self.lists.settings().paths.lists;
                self.found.push(Problem::warning(
                    root,
                    "holds no list",
                    "listseal list create ADDRESS --owner OWNER",
                ));
            }
        }
        for domain in self.lists.domains() {
            if only.is_none_or(|list| list.address.domain() == domain) {
                self.domain(&domain);
            }
        }
        for list in all {
            if only.is_none_or(|only| only.address == list.address) {
                self.list(&list);
            }
        }
        if only.is_none() {
            self.certificate_files();
        }
    }

    fn directories(&mut self) {
        let paths = self.lists.settings().paths.clone();
        for (path, purpose) in [
            (&paths.lists, Use::Readable),
            // Its shelves are closed, it need not be: see spool().
            (&paths.spool, Use::Readable),
            (&paths.state, Use::Private),
            (&paths.certificates, Use::Readable),
            (&paths.templates, Use::Readable),
        ] {
            self.found.extend(directory(path, purpose, self.user));
        }
        for path in [&paths.spool, &paths.state, &paths.certificates] {
            self.found.extend(writable(path, self.user));
        }
        self.spool(&paths.spool);
    }

    /// Looks at the spool as the daemon does; another user cannot look into it.
    fn spool(&mut self, path: &Path) {
        let settings = self.lists.settings();
        let (limit, allowed) = (settings.intake.max_size, settings.spool.allow_network_fs);
        let file = settings.file.clone();
        if let Ok(directory) = std::fs::File::open(path)
            && let Err(SpoolError::NoRoom {
                free,
                inodes,
                needed,
                ..
            }) = check_room(directory.as_fd(), path, limit)
        {
            self.found.push(Problem::error(
                path,
                format!(
                    "has no room, so no mail is taken in: {} and {inodes} inodes are free, {} are needed",
                    show_size(free),
                    show_size(needed)
                ),
                format!("df -h {0} && df -i {0}, and make room", quoted(path)),
            ));
        }
        if self.user != RelayUser::current() || !path.is_dir() {
            return;
        }
        match Layout::visit(path) {
            Ok(layout) if layout.is_on_network() && !allowed => self.found.push(Problem::error(
                file,
                format!(
                    "paths.spool: {} is on a network file system, where a crash can lose mail",
                    path.display()
                ),
                "move it to a local disk, or set spool.allow_network_fs = true",
            )),
            Err(SpoolError::Unsafe {
                place,
                problem,
                remedy,
            }) => {
                self.found.push(Problem::error(place, problem, remedy));
            }
            // What is missing is made when the daemon starts.
            Ok(_) | Err(_) => {}
        }
    }

    fn transport(&mut self) {
        let settings = self.lists.settings();
        let transport = settings.delivery.transport.clone();
        let file = settings.file.clone();
        let problem = match &transport {
            Transport::Dir(path) => writable(path, self.user),
            Transport::Sendmail(program) => not_a_program(program),
            Transport::LmtpUnix(socket) if !socket.exists() => Some(Problem::warning(
                &file,
                format!(
                    "delivery.transport: there is no socket {}",
                    socket.display()
                ),
                "start the server, or correct the path",
            )),
            Transport::Lmtp(hop) if !hop.is_loopback() => Some(Problem::warning(
                &file,
                format!("delivery.transport: lmtp to {hop} crosses a network without TLS"),
                "use smtp, which insists on STARTTLS there, or a server on this machine",
            )),
            Transport::Smtp(_) | Transport::Smtps(_) => Courier::new(&settings.delivery)
                .err()
                .map(|e| Problem::error(&file, e.to_string(), "correct [delivery]")),
            Transport::LmtpUnix(_) | Transport::Lmtp(_) => None,
        };
        let delivery = &settings.delivery;
        let is_smtp = matches!(transport, Transport::Smtp(_) | Transport::Smtps(_));
        let is_lmtp = matches!(transport, Transport::Lmtp(_) | Transport::LmtpUnix(_));
        let useless = [
            (
                "user: this transport logs in nowhere",
                delivery.login.is_some() && !is_smtp && !is_lmtp,
            ),
            (
                "cafile: this transport speaks no TLS",
                delivery.cafile.is_some() && !is_smtp,
            ),
        ]
        .map(|(what, is_so)| {
            let text = format!("delivery.{what}");
            is_so.then(|| Problem::warning(&file, text, "delete the line"))
        });
        let login = delivery.login.as_ref();
        let unusable = login.and_then(|login| login.secret(self.user).err());
        let found = problem.into_iter().chain(unusable);
        self.found
            .extend(found.chain(useless.into_iter().flatten()));
    }

    /// Looks at the place to listen at, which the daemon opens when it starts.
    fn lmtp(&mut self) {
        let settings = self.lists.settings();
        let (file, keys) = (&settings.file, &settings.lmtp);
        let warn = |problem: String, remedy: &str| {
            let problem = Problem::warning(file, format!("lmtp.{problem}"), remedy);
            match keys.line {
                Some(line) => problem.at(line),
                None => problem,
            }
        };
        let found = match &keys.listen {
            None => Vec::new(),
            Some(place @ Listen::Tcp(_)) if !place.is_local() => vec![warn(
                format!("listen: everybody who reaches {place} can hand in mail with any sender"),
                "let a firewall admit the MTA alone, or listen at a path or 127.0.0.1",
            )],
            Some(Listen::Tcp(_)) => Vec::new(),
            Some(Listen::Unix(path)) => {
                let directory = path.parent().unwrap_or(Path::new("/"));
                let found = unfit(path).or_else(|| writable(directory, self.user));
                let by_all = (keys.mode & 0o002 != 0).then(|| {
                    warn(
                        "mode: everybody on this machine can hand in mail with any sender"
                            .to_owned(),
                        "delete the line, and see etc/postfix/README.md",
                    )
                });
                found.into_iter().chain(by_all).collect()
            }
        };
        self.found.extend(found);
    }

    fn domain(&mut self, domain: &str) {
        let path = self.lists.domain_directory(domain);
        self.found
            .extend(directory(&path, Use::Readable, self.user));
        self.found
            .extend(edited_file(&path.join("domain.toml"), self.user));
        self.found
            .extend(templates::problems(&path.join("templates")));
        match self.lists.read_site(domain) {
            Ok(config) => {
                self.trust(&config.trust);
                self.site_keys(domain, config.passphrase.as_ref());
            }
            Err(problems) => self.found.extend(problems.0),
        }
    }

    /// Looks at trust anchors; the same ones of several lists are reported once.
    pub(super) fn trust(&mut self, paths: &TrustPaths) {
        let trust = self.trust.current(paths);
        let named = !paths.cafile.is_empty() || !paths.capath.is_empty();
        if !named && trust.anchors.is_empty() {
            let file = &self.lists.settings().file;
            self.found.push(Problem::warning(
                file,
                "trust: no trust anchors are set, so no signature is believed",
                "listseal trust add FILE, or write cafile = \"ca.pem\" under [trust]",
            ));
        }
        self.found.extend(trust.problems.iter().cloned());
        let kept = paths.kept.iter().filter(|kept| kept.exists());
        for path in paths.sources().chain(kept) {
            if path.is_dir() {
                self.found.extend(directory(path, Use::Readable, self.user));
            } else {
                self.found.extend(edited_file(path, self.user));
            }
        }
        for anchor in trust.anchors.certificates() {
            if anchor.not_after() < self.now {
                let file = trust.source(anchor);
                self.found.push(Problem::warning(
                    file.unwrap_or(&self.lists.settings().file),
                    format!(
                        "the authority {} expired on {}",
                        anchor.subject(),
                        date(anchor.not_after())
                    ),
                    format!("listseal trust remove {}", anchor.sha256_hex()),
                ));
            }
        }
    }
}

fn not_a_program(program: &Path) -> Option<Problem> {
    match std::fs::metadata(program) {
        Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => None,
        Ok(_) => Some(Problem::error(
            program,
            "is no program",
            format!(
                "chmod a+x {}, or correct delivery.transport",
                quoted(program)
            ),
        )),
        Err(e) => Some(Problem::error(
            program,
            format!("cannot be run: {e}"),
            "install it, or correct delivery.transport",
        )),
    }
}

/// The day, as people compare it with a calendar.
pub(super) fn date(time: time::OffsetDateTime) -> String {
    time.to_offset(time::UtcOffset::UTC).date().to_string()
}
