//! Mail as people's programs make it: text, then signed and encrypted by `openssl`, step by step.
//!
//! A mail is written as a file: steps, a line each, that begin with `!`, then header and body. The
//! steps work on the entity, that is the `Content-` fields and the body, from top to bottom:
//!
//! ```text
//! ! sign alice
//! ! encrypt team
//! From: Alice <alice@example.org>
//! Subject: Lunch
//! Content-Type: text/plain
//!
//! At noon.
//! ```

use super::lab::{lab, openssl};

/// A finished mail, and what a reader should find in it.
#[derive(Clone, Debug)]
pub struct Made {
    /// The whole mail, as it is handed in.
    pub bytes: Vec<u8>,
    /// Recipient of the envelope.
    pub to: String,
    /// Sender of the envelope, empty for `<>`.
    pub sender: String,
    /// The entity inside all encryption, or the `Content-` fields and body of a mail that is not
    /// encrypted; byte for byte, with CRLF line ends.
    pub core: Vec<u8>,
    /// Who signed the core, outermost first.
    pub signers: Vec<String>,
    /// True when it is encrypted.
    pub encrypted: bool,
    /// A line of the body that must not show anywhere outside encryption.
    pub secret: Option<String>,
}

impl Made {
    /// Makes a mail from its file; `other` gives mails made before by their names.
    ///
    /// # Panics
    ///
    /// A step is unknown, or openssl cannot do it.
    pub fn from_text(text: &[u8], other: &dyn Fn(&str) -> Self) -> Self {
        let mut rest = text;
        let mut steps = Vec::new();
        while rest.starts_with(b"!") {
            let end = rest.iter().position(|b| *b == b'\n').unwrap();
            steps.push(String::from_utf8(rest[1..end].to_vec()).unwrap());
            rest = &rest[end + 1..];
        }
        let mail = Parsed::of(rest);
        let outer: Vec<u8> = mail.raw_fields(|name| !is_content(name)).concat();
        let mut draft = Draft {
            entity: [&mail.raw_fields(is_content).concat()[..], b"\n", mail.body].concat(),
            core: None,
            signers: Vec::new(),
            to: "team@example.org".to_owned(),
            sender: mail.value("From").map(|from| address_in(&from)),
            crlf: false,
            altered: false,
            hidden: false,
        };
        let longest = mail.body.split(|b| *b == b'\n').max_by_key(|l| l.len());
        let secret = longest
            .and_then(|line| std::str::from_utf8(line).ok())
            .map(|line| line.trim().to_owned())
            .filter(|line| line.len() > 20);
        for step in &steps {
            draft.step(step.trim(), other);
        }
        draft.finish(&outer, secret)
    }
}

/// A mail while its steps are carried out.
struct Draft {
    entity: Vec<u8>,
    core: Option<Vec<u8>>,
    signers: Vec<String>,
    to: String,
    sender: Option<String>,
    crlf: bool,
    /// True after a step that made an entity with header fields of its own.
    altered: bool,
    /// True after a step that encrypted.
    hidden: bool,
}

impl Draft {
    fn step(&mut self, step: &str, other: &dyn Fn(&str) -> Made) {
        let words: Vec<&str> = step.split_whitespace().collect();
        let rest = step.split_once(' ').map_or("", |(_, rest)| rest.trim());
        match words[0] {
            "to" => self.to = rest.to_owned(),
            "from" => self.sender = Some(rest.trim_matches(['<', '>']).to_owned()),
            "crlf" => self.crlf = true,
            "sign" => self.sign(words[1], &words[2..]),
            "encrypt" => self.encrypt(&words[1..]),
            "field" => self.entity = [rest.as_bytes(), b"\n", &self.entity[..]].concat(),
            "fill" => self.fill(rest.parse().unwrap()),
            "replace" => self.replace(words[1], words[2]),
            "footer" => self.footer(),
            "entity-of" => {
                let mail = other(rest);
                let parsed = Parsed::of(&mail.bytes);
                let fields = parsed.raw_fields(is_content).concat();
                self.entity = [&fields[..], b"\n", parsed.body].concat();
                self.core = mail.encrypted.then_some(mail.core);
                self.signers = mail.signers;
            }
            word => panic!("there is no step {word:?}: see tests/flow/README.md"),
        }
    }

    /// `sign WHO [opaque] [bare] [stream] [with OTHER] [digest NAME]`
    fn sign(&mut self, who: &str, options: &[&str]) {
        let one = lab().identity(who);
        let (certificate, key) = (one.certificate.display(), one.key.display());
        let mut line = format!("cms -sign -signer {certificate} -inkey {key}");
        if let Some(above) = lab().above(who) {
            line += &format!(" -certfile {}", above.display());
        }
        let mut options = options.iter();
        while let Some(option) = options.next() {
            line += &match *option {
                "opaque" => " -nodetach".to_owned(),
                "bare" => " -nocerts".to_owned(),
                "stream" => " -stream".to_owned(),
                "with" => {
                    let other = lab().identity(options.next().unwrap());
                    format!(" -certfile {}", other.certificate.display())
                }
                "digest" => format!(" -md {}", options.next().unwrap()),
                word => panic!("sign has no option {word:?}"),
            };
        }
        self.entity = openssl(lab().dir(), &line, &self.entity);
        self.altered = true;
        if self.core.is_none() {
            self.signers.insert(0, who.to_owned());
        }
    }

    /// `encrypt WHO... [cipher NAME] [oaep] [stream] [as-is]`
    fn encrypt(&mut self, words: &[&str]) {
        let (mut cipher, mut options, mut keys) = ("aes-256-cbc", String::new(), String::new());
        let mut as_is = false;
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match *word {
                "cipher" => cipher = words.next().unwrap(),
                "oaep" => options += " -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256",
                "stream" => options += " -stream",
                "as-is" => as_is = true,
                who => keys += &format!(" -recip {}", lab().identity(who).certificate.display()),
            }
        }
        if as_is {
            options += " -binary";
        }
        // -keyopt belongs to the -recip before it.
        let line = format!("cms -encrypt -{cipher}{keys}{options}");
        let inside = crlf(&self.entity);
        self.entity = openssl(lab().dir(), &line, &self.entity);
        self.core.get_or_insert(inside);
        self.altered = true;
        self.hidden = true;
    }

    /// Adds lines that do not repeat, so that nothing on the way gets away with a part of them.
    fn fill(&mut self, size: usize) {
        let end = self.entity.len() + size;
        let mut number = 0_u32;
        while self.entity.len() < end {
            let word = number.wrapping_mul(2_654_435_761);
            let line = format!("{number:08} {word:08x} {word:032b} of the attachment\n");
            self.entity.extend_from_slice(line.as_bytes());
            number += 1;
        }
    }

    /// Does what list programs do that put a text below every post: what was signed or encrypted
    /// as a whole is one part of it afterwards.
    fn footer(&mut self) {
        let head = "Content-Type: multipart/mixed; boundary=\"=footer\"\n\n--=footer\n";
        let foot = "\n--=footer\nContent-Type: text/plain\n\nSent by a list.\n--=footer--\n";
        self.entity = [head.as_bytes(), &self.entity, foot.as_bytes()].concat();
        self.core = None;
        self.signers.clear();
    }

    fn replace(&mut self, old: &str, new: &str) {
        let at =
            find(&self.entity, old.as_bytes()).unwrap_or_else(|| panic!("{old:?} is not there"));
        self.entity
            .splice(at..at + old.len(), new.bytes())
            .for_each(drop);
    }

    fn finish(self, outer: &[u8], secret: Option<String>) -> Made {
        let encrypted = self.core.is_some();
        // openssl writes its own MIME-Version.
        let outer = if self.altered {
            let parsed = Parsed::of(outer);
            parsed
                .raw_fields(|name| !name.eq_ignore_ascii_case("MIME-Version"))
                .concat()
        } else {
            outer.to_vec()
        };
        let whole = [&outer[..], &self.entity[..]].concat();
        Made {
            core: self.core.unwrap_or_else(|| content_of(&self.entity)),
            bytes: if self.crlf { crlf(&whole) } else { whole },
            to: self.to,
            sender: self.sender.unwrap_or_default(),
            signers: self.signers,
            encrypted,
            secret: secret.filter(|_| self.hidden),
        }
    }
}

/// A mail taken apart: raw fields with their line ends, and the body.
pub struct Parsed<'a> {
    fields: Vec<&'a [u8]>,
    pub body: &'a [u8],
}

impl<'a> Parsed<'a> {
    pub fn of(mail: &'a [u8]) -> Self {
        let mut fields: Vec<(usize, usize)> = Vec::new();
        let mut at = 0;
        while at < mail.len() {
            let end = mail[at..].iter().position(|b| *b == b'\n');
            let end = end.map_or(mail.len(), |n| at + n + 1);
            let line = &mail[at..end];
            if line == b"\n" || line == b"\r\n" {
                at = end;
                break;
            }
            match fields.last_mut() {
                Some(last) if line.starts_with(b" ") || line.starts_with(b"\t") => last.1 = end,
                _ => fields.push((at, end)),
            }
            at = end;
        }
        Self {
            fields: fields
                .into_iter()
                .map(|(from, to)| &mail[from..to])
                .collect(),
            body: &mail[at..],
        }
    }

    /// The fields whose name is chosen, as they stand there.
    pub fn raw_fields(&self, choose: impl Fn(&str) -> bool) -> Vec<&'a [u8]> {
        let fields = self.fields.iter().copied();
        fields.filter(|field| choose(&name_of(field))).collect()
    }

    /// The unfolded values of all fields of this name.
    pub fn values(&self, name: &str) -> Vec<String> {
        self.raw_fields(|one| one.eq_ignore_ascii_case(name))
            .iter()
            .map(|field| {
                let text = String::from_utf8_lossy(field);
                let (_, value) = text.split_once(':').unwrap();
                value
                    .replace(['\r', '\n'], "")
                    .replace('\t', " ")
                    .trim()
                    .to_owned()
            })
            .collect()
    }

    /// The value of the one field of this name.
    pub fn value(&self, name: &str) -> Option<String> {
        let mut values = self.values(name);
        assert!(values.len() < 2, "{name} stands there twice: {values:?}");
        values.pop()
    }
}

/// The `Content-` fields and the body, with CRLF line ends.
pub fn content_of(mail: &[u8]) -> Vec<u8> {
    let parsed = Parsed::of(mail);
    crlf(
        &[
            &parsed.raw_fields(is_content).concat()[..],
            b"\n",
            parsed.body,
        ]
        .concat(),
    )
}

/// Every line end as CRLF.
pub fn crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 40);
    let mut last = 0;
    for byte in bytes.iter().copied() {
        if byte == b'\n' && last != b'\r' {
            out.push(b'\r');
        }
        out.push(byte);
        last = byte;
    }
    out
}

/// Where `needle` begins.
pub fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len())
        .position(|window| window == needle)
}

/// The address in a field that holds one.
pub fn address_in(value: &str) -> String {
    let inner = value.rsplit_once('<').map_or(value, |(_, rest)| rest);
    inner.trim_end_matches('>').trim().to_owned()
}

fn is_content(name: &str) -> bool {
    name.to_ascii_lowercase().starts_with("content-")
}

fn name_of(field: &[u8]) -> String {
    let end = field.iter().position(|b| *b == b':').unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).trim().to_owned()
}
