//! Builds the site of a case, does what its steps say and compares what is there with what it
//! expects.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use crate::common::foreign::Reader;
use crate::common::lab::{Identity, lab};
use crate::common::mail::{Made, Parsed};
use crate::common::site::{Sent, Site, list_directory};
use crate::expect;
use crate::script::{self, Step};
use crate::state;

/// A case while it is played.
pub struct Play<'a> {
    folder: &'a Path,
    pub site: Site,
    pub reader: Reader,
    made: HashMap<String, Made>,
    /// File of the message posted last.
    last: Option<String>,
    /// Whose certificate lies under which name in the certificate directory.
    stored: HashMap<String, String>,
    /// Mail that went out and is not yet expected by a line.
    pub unexpected: Vec<Sent>,
    seen: u64,
    /// True from `run` to the first line about what it sent.
    silent: bool,
    /// True when a line spoke about the spool since the last thing that happened.
    spool_stated: bool,
}

/// Plays the case in `folder`; the error says what is not as expected.
///
/// A case with a file `fails` must fail with the words in it: that is how this harness is tested.
pub fn play(folder: &Path) -> Result<(), String> {
    let Ok(words) = std::fs::read_to_string(folder.join("fails")) else {
        return play_through(folder);
    };
    match play_through(folder) {
        Err(error) if error.contains(words.trim()) => Ok(()),
        Err(error) => Err(format!("it failed without {words:?}: {error}")),
        Ok(()) => Err("it passed, and should not".to_owned()),
    }
}

fn play_through(folder: &Path) -> Result<(), String> {
    let steps = script::read(&folder.join("case"))?;
    let mut play = Play {
        folder,
        site: Site::new(),
        reader: Reader::new(),
        made: HashMap::new(),
        last: None,
        stored: HashMap::new(),
        unexpected: Vec::new(),
        seen: 0,
        silent: false,
        spool_stated: false,
    };
    play.lists();
    let told = |play: &Play<'_>, step: &str, error: &str| {
        let log = play.site.log();
        let from = log.len().saturating_sub(3000);
        let from = (from..log.len()).find(|at| log.is_char_boundary(*at));
        let log = from.map_or("", |from| &log[from..]);
        format!("{step}\n{error}\n{}\nlog:\n{log}", play.left_over())
    };
    for step in &steps {
        let done = play.step(step);
        done.map_err(|error| told(&play, &step.text(), &error))?;
    }
    let ended = play.end();
    ended.map_err(|error| told(&play, "at the end", &error))
}

impl Play<'_> {
    /// Makes the lists of `lists/`, with defaults for what is not there.
    fn lists(&mut self) {
        let folder = self.folder.join("lists");
        let mut names: Vec<String> = std::fs::read_dir(&folder)
            .map(|entries| {
                let names = entries.map(|entry| entry.unwrap().file_name());
                names.map(|name| name.into_string().unwrap()).collect()
            })
            .unwrap_or_default();
        if names.is_empty() {
            names.push("team".to_owned());
        }
        for name in names {
            self.site.list(&name, SETTINGS, SUBSCRIBERS);
            copy_tree(&self.site, &folder.join(&name), &list_directory(&name));
        }
    }

    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step.verb.as_str() {
            "certificate" => self.certificate(step),
            "key" => {
                let directory = list_directory(step.word(0)?);
                let suffix = step.words.get(2).map_or("", String::as_str);
                self.site.key(&directory, suffix, step.word(1)?);
                Ok(())
            }
            "put" => {
                let from = self.folder.join(step.word(0)?);
                let mode = match step.words.get(2).map(String::as_str) {
                    None => 0o644,
                    Some("private") => 0o600,
                    Some("executable") => 0o755,
                    Some(word) => return Err(format!("a file is not {word:?}")),
                };
                self.site.copy(&from, step.word(1)?, mode);
                Ok(())
            }
            "remove" => {
                std::fs::remove_file(self.site.path(step.word(0)?)).map_err(|e| e.to_string())
            }
            "hide" | "show" => {
                // A link to itself shuts root out, too, as a mode would shut out anybody else.
                let place = self.site.path(step.word(0)?);
                let aside = place.with_extension("hidden");
                if step.verb == "hide" {
                    std::fs::rename(&place, &aside).unwrap();
                    std::os::unix::fs::symlink(&place, &place).unwrap();
                } else {
                    std::fs::remove_file(&place).unwrap();
                    std::fs::rename(&aside, &place).unwrap();
                }
                Ok(())
            }
            "transport" => {
                let url = match step.word(0)? {
                    "program" => {
                        let program = self.site.path(step.word(1)?);
                        format!("sendmail://{}", program.display())
                    }
                    url => url.to_owned(),
                };
                self.site.configure(&url, "");
                Ok(())
            }
            "wait" => {
                let seconds = step.word(0)?.parse().map_err(|e| format!("{e}"))?;
                std::thread::sleep(Duration::from_secs_f64(seconds));
                Ok(())
            }
            "make" => {
                self.made(step.word(0)?);
                Ok(())
            }
            "authority" => {
                let from = lab().dir().join(format!("{}.pem", step.word(0)?));
                self.site.copy(&from, step.word(1)?, 0o644);
                Ok(())
            }
            "command" => {
                let words: Vec<&str> = step.words.iter().map(String::as_str).collect();
                let ended = self.site.command(&words, b"");
                match ended.code {
                    0 => Ok(()),
                    code => Err(format!("exit {code}: {ended:?}")),
                }
            }
            "revoke" => {
                self.site.revoke(&step.words);
                Ok(())
            }
            "post" => self.post(step),
            "run" => self.run(),
            "release" | "retry" => self.decide(&step.verb, &[]),
            "discard" => self.decide("discard", &["--force"]),
            "spool" => {
                self.spool_stated = true;
                state::spool(&self.site, step)
            }
            "stored" => {
                let (file, name) = (step.word(0)?, step.word(1)?);
                self.stored.insert(file.to_owned(), name.to_owned());
                state::stored(&self.site, file, name)
            }
            "not-stored" => match self.site.path("certificates").join(step.word(0)?).exists() {
                true => Err("the file is there".to_owned()),
                false => Ok(()),
            },
            "counts" => state::counts(&self.site, step),
            "log" => {
                let has = self.site.log().contains(&step.words[1..].join(" "));
                match step.word(0)? {
                    "has" if has => Ok(()),
                    "lacks" if !has => Ok(()),
                    _ => Err("the log says otherwise".to_owned()),
                }
            }
            _ => {
                self.silent = false;
                expect::mail(self, step)
            }
        }
    }

    fn certificate(&mut self, step: &Step) -> Result<(), String> {
        if step.words.get(1).is_some_and(|word| word == "as") {
            let (name, file) = (step.word(0)?, step.word(2)?);
            self.site.certificate(name, Some(file));
            self.stored.insert(file.to_owned(), name.to_owned());
            return Ok(());
        }
        for name in &step.words {
            self.site.certificate(name, None);
            let address = lab().identity(name).address;
            self.stored.insert(address, name.clone());
        }
        Ok(())
    }

    fn post(&mut self, step: &Step) -> Result<(), String> {
        self.settled()?;
        let file = step.word(0)?.to_owned();
        let mail = self.made(&file);
        let ended = self.site.queue(&mail.to, &mail.sender, &mail.bytes);
        let wanted = match step.words.get(1).map(String::as_str) {
            Some("exit") => step.word(2)?.parse().map_err(|e| format!("{e}"))?,
            _ => 0,
        };
        if ended.code != wanted {
            return Err(format!(
                "exit {} instead of {wanted}: {ended:?}",
                ended.code
            ));
        }
        self.last = Some(file);
        self.spool_stated = false;
        Ok(())
    }

    fn run(&mut self) -> Result<(), String> {
        self.settled()?;
        let ended = self.site.run_once();
        if ended.code != 0 {
            return Err(format!("exit {}: {ended:?}", ended.code));
        }
        let seen = self.seen;
        self.unexpected = self.site.outbox();
        self.unexpected.retain(|mail| mail.number > seen);
        self.seen = self.unexpected.last().map_or(seen, |mail| mail.number);
        self.silent = true;
        self.spool_stated = false;
        Ok(())
    }

    /// Fails when the last run sent what no line expects, or no line says what it sent.
    fn settled(&mut self) -> Result<(), String> {
        if !self.unexpected.is_empty() {
            return Err("mail went out that no line expects".to_owned());
        }
        if std::mem::take(&mut self.silent) {
            return Err("no line says what the run sent, or that it sent nothing".to_owned());
        }
        Ok(())
    }

    /// Decides on the one message that is held or bad.
    fn decide(&mut self, verb: &str, more: &[&str]) -> Result<(), String> {
        self.settled()?;
        let waiting = self.site.spool();
        let [one] = &waiting[..] else {
            return Err(format!("not one message is there, but {waiting:?}"));
        };
        let words = [&["spool", verb, one.id.as_str()], more].concat();
        let ended = self.site.command(&words, b"");
        self.spool_stated = false;
        match ended.code {
            0 => Ok(()),
            code => Err(format!("exit {code}: {ended:?}")),
        }
    }

    fn end(&mut self) -> Result<(), String> {
        self.settled()?;
        if !self.spool_stated {
            let left = self.site.spool();
            if !left.is_empty() {
                return Err(format!("the spool is not empty: {left:?}"));
            }
        }
        let audit = self.site.command(&["audit"], b"");
        if audit.code != 0 {
            return Err(format!("listseal audit: {audit:?}"));
        }
        state::nothing_leaked(&self.site, &self.made)
    }

    /// The message in a file of the case, made at its first use.
    pub fn made(&mut self, file: &str) -> Made {
        if let Some(made) = self.made.get(file) {
            return made.clone();
        }
        let text = |file: &str| {
            let path = self.folder.join(file);
            std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
        };
        let other = |file: &str| {
            let known = self.made.get(file).cloned();
            known.unwrap_or_else(|| panic!("{file} was not posted before"))
        };
        let made = Made::from_text(&text(file), &other);
        self.made.insert(file.to_owned(), made.clone());
        made
    }

    /// The message that a line is about.
    pub fn message(&mut self, step: &Step) -> Result<Made, String> {
        let file = step.detail("of").map(str::to_owned).or(self.last.clone());
        Ok(self.made(&file.ok_or("nothing was posted yet")?))
    }

    /// Who can read what is sealed to `address`: whose certificate is stored, else whose address it is.
    pub fn reader_of(&self, address: &str, step: &Step) -> Identity {
        let enc = format!("{address}@enc");
        let stored = self.stored.get(&enc).or_else(|| self.stored.get(address));
        let local = address.split('@').next().unwrap();
        let name = step.detail("key").or(stored.map(String::as_str));
        lab().identity(name.unwrap_or(local))
    }

    /// The mail that nothing expects, shortly.
    fn left_over(&self) -> String {
        let mut out = String::new();
        for mail in &self.unexpected {
            let parsed = Parsed::of(&mail.bytes);
            let header =
                String::from_utf8_lossy(&parsed.raw_fields(|_| true).concat()).into_owned();
            let body: String = String::from_utf8_lossy(parsed.body)
                .chars()
                .take(1500)
                .collect();
            out += &format!(
                "not expected: {} from <{}> to <{}>\n{header}\n{body}\n",
                mail.number, mail.from, mail.to
            );
        }
        out
    }
}

fn copy_tree(site: &Site, from: &Path, to: &str) {
    let Ok(entries) = std::fs::read_dir(from) else {
        return;
    };
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = format!("{to}/{}", path.file_name().unwrap().to_str().unwrap());
        if path.is_dir() {
            copy_tree(site, &path, &name);
        } else {
            site.copy(&path, &name, 0o644);
        }
    }
}

const SETTINGS: &str = "owners = [\"olga@example.org\"]\n";
const SUBSCRIBERS: &str = "alice@example.org\nbob@example.org\n";
