//! A notice as it leaves: header by the program, text by the template.
//!
//! # Place in the flow
//!
//! templates → **rendered** → seal (where it is to be signed or sealed) → deliver.
//!
//! # Invariants
//!
//! * The envelope sender is null, `Auto-Submitted` and `X-Loop` are set (contract S38).
//! * The header holds nothing of the message that is answered but its Message-ID.
//! * Decrypted content has no way into [`Rendered::bytes`]: [`Rendered::entity_with_post`] hands it
//!   out for sealing and keeps nothing (contract S39, S40). Copies of it are wiped, and none outgrows
//!   its room, which would leave an earlier one behind (S44).
//!
//! # See also
//!
//! RFC 3834 section 3.1, RFC 5322, RFC 2046 section 5.2.1.

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::mime::canon::Wiped;
use crate::mime::write::{Header, WriteError, append_base64, base64_lines, base64_size, multipart};
use crate::model::Address;
use crate::model::list::ContentCipher;
use crate::notice::facts::clean;
use crate::notice::kind::Kind;
use crate::notice::templates::{Letter, TemplateError, Text};
use crate::seal::{Recipient, SealError, Sealed, seal_entity};

/// A finished notice.
#[derive(Clone)]
pub struct Rendered {
    kind: Kind,
    to: Address,
    header: Header,
    parts: Vec<Zeroizing<Vec<u8>>>,
    token: String,
    protected: Option<Zeroizing<Vec<u8>>>,
    problem: Option<TemplateError>,
}

/// A file that goes with a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment<'a> {
    /// File name, ASCII.
    pub name: &'a str,
    /// Content type, as `application/pkcs7-mime; smime-type=certs-only`.
    pub content_type: &'a str,
    /// Content.
    pub bytes: &'a [u8],
}

impl fmt::Debug for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rendered")
            .field("kind", &self.kind)
            .field("to", &self.to)
            .finish_non_exhaustive()
    }
}

impl Rendered {
    pub(super) fn new(
        kind: Kind,
        letter: &Letter<'_>,
        text: &Text,
        problem: Option<TemplateError>,
    ) -> Result<Self, WriteError> {
        let token: String = letter
            .token
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
            .collect();
        Ok(Self {
            kind,
            to: letter.to.clone(),
            header: header(kind, letter, &clean(&text.subject), &token)?,
            parts: vec![text_part(&text.body).into()],
            token,
            protected: None,
            problem,
        })
    }

    /// Returns which notice it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns who gets it; the envelope sender is always null (RFC 3834 section 3.3).
    #[must_use]
    pub fn to(&self) -> &Address {
        &self.to
    }

    /// Returns what was wrong with the administrator's template, where the built-in one had to do.
    #[must_use]
    pub fn problem(&self) -> Option<&TemplateError> {
        self.problem.as_ref()
    }

    /// Adds a file.
    ///
    /// # Errors
    ///
    /// [`WriteError`] where name or type cannot stand in a header.
    pub fn attach(mut self, file: &Attachment<'_>) -> Result<Self, WriteError> {
        let plain =
            |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'@' | b'+');
        if !file.name.bytes().all(plain) {
            return Err(WriteError::Name(file.name.to_owned()));
        }
        let mut header = Header::new();
        header.push_value(
            "Content-Type",
            &format!("{}; name=\"{}\"", file.content_type, file.name),
        )?;
        header.push_value("Content-Transfer-Encoding", "base64")?;
        header.push_value(
            "Content-Disposition",
            &format!("attachment; filename=\"{}\"", file.name),
        )?;
        let part = header.with_body(&base64_lines(file.bytes));
        self.parts.push(part.into());
        Ok(self)
    }

    /// Encloses a message exactly as it was received: what came encrypted stays so.
    #[must_use]
    pub fn enclose_received(mut self, message: &[u8]) -> Self {
        self.parts.push(enclosed(message));
        self
    }

    /// Returns the MIME entity of the notice, `Content-*` fields and body, to be signed or sealed.
    #[must_use]
    pub fn entity(&self) -> Zeroizing<Vec<u8>> {
        entity(&self.parts(), &self.token)
    }

    /// Returns the entity with an opened post enclosed, which must be sealed before it goes anywhere.
    #[must_use]
    pub fn entity_with_post(&self, post: &[u8]) -> Zeroizing<Vec<u8>> {
        let part = enclosed(post);
        let mut parts = self.parts();
        parts.push(&part);
        entity(&parts, &self.token)
    }

    fn parts(&self) -> Vec<&[u8]> {
        self.parts.iter().map(|part| part.as_slice()).collect()
    }

    /// Returns the notice with `entity` in place of its own: the same one signed, sealed or both.
    #[must_use]
    pub fn protected(mut self, entity: Zeroizing<Vec<u8>>) -> Self {
        self.protected = Some(entity);
        self
    }

    /// Returns the notice with `entity`, its own one or more, sealed to its reader.
    ///
    /// # Errors
    ///
    /// The key of the reader does not work.
    pub fn seal(
        &self,
        entity: &[u8],
        recipient: &Recipient,
        cipher: ContentCipher,
        rng: &mut dyn CryptoRng,
    ) -> Result<Sealed, SealError> {
        seal_entity(entity, &self.header, recipient, cipher, rng)
    }

    /// Returns the whole mail with CRLF line ends.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = self.header.as_bytes().to_vec();
        out.extend_from_slice(b"MIME-Version: 1.0\r\n");
        match &self.protected {
            Some(entity) => out.extend_from_slice(entity),
            None => out.extend_from_slice(&self.entity()),
        }
        out
    }
}

fn header(
    kind: Kind,
    letter: &Letter<'_>,
    subject: &str,
    token: &str,
) -> Result<Header, WriteError> {
    let from = letter.from;
    let mut header = Header::new();
    header.push_mailbox("From", &clean(from.local()), from)?;
    header.push_addresses("To", std::slice::from_ref(letter.to))?;
    // From must be the address of the list's certificate; answers belong to people.
    if let Ok(owner) = from.with_suffix("-owner")
        && !from
            .local()
            .eq_ignore_ascii_case(crate::model::route::SITE_NAME)
    {
        header.push_addresses("Reply-To", &[owner])?;
    }
    header.push("Subject", subject)?;
    header.push_date(letter.now)?;
    let id = format!("<{token}.{}@{}>", kind.name(), from.domain());
    header.push_value("Message-ID", &id)?;
    if let Some(id) = letter.in_reply_to.filter(|id| is_message_id(id)) {
        header.push_value("In-Reply-To", id)?;
        header.push_value("References", id)?;
    }
    header.push_value("Auto-Submitted", kind.auto_submitted())?;
    header.push_value("Precedence", "bulk")?;
    header.push_value("X-Auto-Response-Suppress", "All")?;
    header.push_value("X-Loop", &from.to_string())?;
    Ok(header)
}

/// True for one Message-ID and nothing beside it: what is not, is no reference but a message.
fn is_message_id(text: &str) -> bool {
    let inner = text.strip_prefix('<').and_then(|t| t.strip_suffix('>'));
    inner.is_some_and(|id| {
        id.len() <= 250
            && id.matches('@').count() == 1
            && id
                .bytes()
                .all(|b| b.is_ascii_graphic() && !matches!(b, b'<' | b'>' | b'(' | b')' | b','))
    })
}

/// Returns `text/plain` that survives signing and every mail server: 7-bit, short lines.
fn text_part(body: &str) -> Vec<u8> {
    let mut header = b"Content-Type: text/plain; charset=utf-8\r\n".to_vec();
    let plain = body.is_ascii()
        && body.lines().all(|line| {
            line.len() <= MAX_LINE && !line.ends_with([' ', '\t']) && !line.starts_with("From ")
        });
    if plain {
        header.extend_from_slice(b"Content-Transfer-Encoding: 7bit\r\n\r\n");
        for line in body.lines() {
            header.extend_from_slice(line.as_bytes());
            header.extend_from_slice(b"\r\n");
        }
    } else {
        header.extend_from_slice(b"Content-Transfer-Encoding: quoted-printable\r\n\r\n");
        for line in body.lines() {
            quoted_printable(line, &mut header);
        }
    }
    header
}

/// Writes one line (RFC 2045 section 6.7), broken softly at 76 characters.
fn quoted_printable(line: &str, out: &mut Vec<u8>) {
    let mut column = 0_usize;
    let mut bytes = line.bytes().peekable();
    let mut first = true;
    while let Some(byte) = bytes.next() {
        let at_end = bytes.peek().is_none();
        let literal = match byte {
            b' ' | b'\t' => !at_end,
            b'=' => false,
            // A mail server may put > before a From at the begin of a line.
            b'F' => !first,
            other => other.is_ascii_graphic(),
        };
        let piece = if literal {
            char::from(byte).to_string()
        } else {
            format!("={byte:02X}")
        };
        if column.saturating_add(piece.len()) > 75 {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        column = column.saturating_add(piece.len());
        out.extend_from_slice(piece.as_bytes());
        first = false;
    }
    out.extend_from_slice(b"\r\n");
}

/// Returns a message as a part: as message/rfc822 where mail can carry it, else as a file.
fn enclosed(message: &[u8]) -> Zeroizing<Vec<u8>> {
    let message = Wiped::crlf(message);
    let carried = !message.contains(&0)
        && message.split(|b| *b == b'\n').all(|line| {
            line.len() <= MAX_LINE && !line.strip_suffix(b"\r").unwrap_or(line).contains(&b'\r')
        });
    let (kind, encoding) = match (carried, message.is_ascii()) {
        (false, _) => ("application/octet-stream; name=\"message.eml\"", "base64"),
        (true, true) => ("message/rfc822", "7bit"),
        (true, false) => ("message/rfc822", "8bit"),
    };
    let head = format!(
        "Content-Type: {kind}\r\nContent-Transfer-Encoding: {encoding}\r\n\
         Content-Disposition: attachment; filename=\"message.eml\"\r\n\r\n"
    );
    let size = if carried {
        message.len()
    } else {
        base64_size(message.len())
    };
    let mut part = Zeroizing::new(Vec::with_capacity(head.len().saturating_add(size)));
    part.extend_from_slice(head.as_bytes());
    if carried {
        part.extend_from_slice(&message);
    } else {
        append_base64(&mut part, &message);
    }
    part
}

/// Returns a single part as it is, several as multipart/mixed.
fn entity(parts: &[&[u8]], token: &str) -> Zeroizing<Vec<u8>> {
    if let [part] = parts {
        return part.to_vec().into();
    }
    let boundary = boundary(parts, token);
    let head = format!("Content-Type: multipart/mixed; boundary=\"{boundary}\"\r\n\r\n");
    multipart(head.as_bytes(), &boundary, parts)
}

/// Returns a boundary that occurs in no part; the token makes it the same after a restart.
fn boundary(parts: &[&[u8]], token: &str) -> String {
    let token: String = token.chars().take(48).collect();
    let mut counter = 0_u64;
    loop {
        let candidate = format!("=_{token}_{counter}");
        let taken = |part: &&[u8]| memchr::memmem::find(part, candidate.as_bytes()).is_some();
        if !parts.iter().any(taken) {
            return candidate;
        }
        counter = counter.wrapping_add(1);
    }
}

/// RFC 5322 section 2.1.1, without CRLF.
const MAX_LINE: usize = 998;

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use time::macros::datetime;

    use super::*;
    use crate::model::Reason;
    use crate::notice::{Facts, Templates, Variable};

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn notice(kind: Kind, lang: &str, facts: &Facts, in_reply_to: Option<&str>) -> Rendered {
        let list = address("team@example.org");
        let letter = Letter {
            from: &list,
            to: &address("alice@example.org"),
            lang,
            facts,
            now: datetime!(2026-11-20 10:00 UTC),
            token: "0123.7",
            in_reply_to,
        };
        Templates::builtin().render(kind, &letter).unwrap()
    }

    fn facts() -> Facts {
        Facts::for_list(&address("team@example.org"), "The team").reason(Reason::NotSigned)
    }

    /// What Python's email package reads in a mail, as one JSON object.
    fn read_by_python(mail: &[u8]) -> serde_json::Value {
        const SCRIPT: &str = "
import email, email.policy, json, sys
m = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
def part(p):
    if p.get_content_type() == 'message/rfc822':
        inner = p.get_payload(0)
        return {'type': 'message/rfc822', 'name': p.get_filename(), 'text': inner.get('Subject', '')}
    data = p.get_payload(decode=True)
    return {'type': p.get_content_type(), 'name': p.get_filename(),
            'text': data.decode(p.get_content_charset() or 'latin-1')}
parts = [m] if not m.is_multipart() else list(m.iter_parts())
defects = [str(d) for p in m.walk() for d in p.defects]
print(json.dumps({'fields': [[k, str(v)] for k, v in m.items()], 'defects': defects,
                  'parts': [part(p) for p in parts]}))
";
        let mut child = Command::new("python3")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is needed by this test");
        child.stdin.take().unwrap().write_all(mail).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(mail));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn field(read: &serde_json::Value, name: &str) -> Vec<String> {
        read["fields"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|f| f[0].as_str().unwrap().eq_ignore_ascii_case(name))
            .map(|f| f[1].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn s44_enclosed_posts_never_outgrow_their_room() {
        let notice = notice(Kind::Held, "en", &facts(), None);
        let long = [b'x'; 100_000];
        for post in [&b"Subject: x\n\ncaf\xc3\xa9\n"[..], b"a\0b", &long] {
            for made in [enclosed(post), notice.entity_with_post(post)] {
                assert_eq!(made.capacity(), made.len(), "{post:.20?}");
            }
        }
    }

    #[test]
    fn every_notice_in_every_language_is_read_without_defect_by_python() {
        for kind in Kind::ALL {
            for lang in ["en", "de", "fr"] {
                let mail = notice(*kind, lang, &facts(), Some("<x.1@example.com>")).bytes();
                assert!(
                    !mail.windows(2).any(|w| w[1] == b'\n' && w[0] != b'\r'),
                    "{kind:?}"
                );
                assert!(mail.is_ascii());
                let read = read_by_python(&mail);
                assert_eq!(read["defects"].as_array().unwrap().len(), 0, "{read}");
                for (name, value) in [
                    ("From", "team <team@example.org>"),
                    ("To", "alice@example.org"),
                    ("Reply-To", "team-owner@example.org"),
                    ("Date", "Fri, 20 Nov 2026 10:00:00 +0000"),
                    ("In-Reply-To", "<x.1@example.com>"),
                    ("Precedence", "bulk"),
                    ("X-Loop", "team@example.org"),
                    ("MIME-Version", "1.0"),
                ] {
                    assert_eq!(field(&read, name), [value], "{kind:?} {name}");
                }
                assert!(
                    field(&read, "Auto-Submitted")[0].starts_with("auto-"),
                    "S38"
                );
                assert!(field(&read, "Subject")[0].starts_with("[team] "), "{read}");
                let id = format!("<0123.7.{}@example.org>", kind.name());
                assert_eq!(field(&read, "Message-ID"), [id]);
            }
        }
    }

    #[test]
    fn umlauts_of_subject_and_text_arrive() {
        let read = read_by_python(&notice(Kind::BadSignature, "de", &facts(), None).bytes());
        assert!(field(&read, "Subject")[0].ends_with("Die Signatur ist ungültig"));
        let text = read["parts"][0]["text"].as_str().unwrap();
        assert!(text.contains("angehängte Fußzeilen"), "{text}");
        assert_eq!(field(&read, "In-Reply-To").len(), 0);
    }

    #[test]
    fn s39_hostile_values_add_no_header_field_and_no_mime_part() {
        let bodies = [
            "\r\nBcc: victim@example.com",
            "\nBcc: victim@example.com",
            "\rBcc: victim@example.com",
            "\r\n\r\n<script>",
            "a\0b",
            "\u{2028}Bcc: victim@example.com",
            "\u{85}Bcc: x@y.z",
            "=?utf-8?q?=0D=0ABcc:_victim@example.com?=",
            "\u{b}Bcc: x@y.z",
            "\u{c}x",
            "{{ list }}{% for x in commands %}",
            "\r\n--=_0123.7_0\r\n",
            "\r\n.\r\nMAIL FROM:<x>",
        ];
        let long = "\u{20ac}".repeat(10_000);
        for value in bodies.into_iter().chain([long.as_str()]) {
            for variable in Variable::ALL {
                let facts = facts().with(*variable, value);
                let mail = notice(Kind::Held, "en", &facts, Some(value)).bytes();
                let entity = crate::mime::Entity::parse(&mail).unwrap();
                let names: Vec<_> = entity.fields().iter().map(|f| f.name()).collect();
                assert_eq!(
                    names,
                    [
                        "From",
                        "To",
                        "Reply-To",
                        "Subject",
                        "Date",
                        "Message-ID",
                        "Auto-Submitted",
                        "Precedence",
                        "X-Auto-Response-Suppress",
                        "X-Loop",
                        "MIME-Version",
                        "Content-Type",
                        "Content-Transfer-Encoding",
                    ],
                    "{value:?}"
                );
                assert!(mail.split(|b| *b == b'\n').all(|line| line.len() <= 998));
            }
        }
    }

    #[test]
    fn s39_subject_and_body_of_the_answered_mail_never_appear() {
        // The only way in for anything of the message is Facts and the Message-ID.
        let canary = "CANARY-7f3a";
        let noted = [
            ("subject", canary),
            ("body", canary),
            ("text", canary),
            ("Subject", canary),
        ];
        let noted = noted.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let facts = facts().with_all(&noted);
        for kind in Kind::ALL {
            for id in [
                Some("CANARY-7f3a"),
                Some("<CANARY-7f3a>"),
                Some("<a@b> CANARY-7f3a"),
                Some("<CANARY-7f3a (x)@b>"),
            ] {
                let mail = notice(*kind, "en", &facts, id).bytes();
                let text = String::from_utf8(mail).unwrap();
                assert!(!text.contains(canary), "{kind:?} {id:?}");
            }
        }
        let shown = facts.with(Variable::Sender, canary);
        let mail = notice(Kind::Held, "en", &shown, None).bytes();
        assert!(
            String::from_utf8(mail).unwrap().contains(canary),
            "the test can see it"
        );
    }

    #[test]
    fn files_and_received_message_arrive_unchanged() {
        let received = "Subject: gr\u{fc}n\nFrom: a@x.org\n\nText\n--=_0123.7_0\n".as_bytes();
        let mail = notice(Kind::ListCertificate, "fr", &facts(), None)
            .attach(&Attachment {
                name: "team@example.org.pem",
                content_type: "application/x-pem-file",
                bytes: b"-----BEGIN CERTIFICATE-----\n",
            })
            .unwrap()
            .enclose_received(received)
            .bytes();
        let read = read_by_python(&mail);
        assert_eq!(read["defects"].as_array().unwrap().len(), 0, "{read}");
        let kinds: Vec<_> = read["parts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|p| p["type"].as_str().unwrap())
            .collect();
        assert_eq!(
            kinds,
            ["text/plain", "application/x-pem-file", "message/rfc822"]
        );
        assert_eq!(read["parts"][1]["name"], "team@example.org.pem");
        assert_eq!(read["parts"][1]["text"], "-----BEGIN CERTIFICATE-----\n");
        let canonical = crate::mime::canon::crlf(received);
        assert!(memchr::memmem::find(&mail, &canonical).is_some());
        assert!(
            mail.ends_with(b"--=_0123.7_1--\r\n"),
            "a boundary of the content is avoided"
        );
    }

    #[test]
    fn message_that_mail_cannot_carry_is_enclosed_as_a_file() {
        for bad in [
            b"A: b\r\n\r\nx\0y".to_vec(),
            b"A: b\r\n\r\nx\ry".to_vec(),
            vec![b'x'; 2000],
        ] {
            let mail = notice(Kind::Held, "en", &facts(), None)
                .enclose_received(&bad)
                .bytes();
            let read = read_by_python(&mail);
            assert_eq!(read["parts"][1]["type"], "application/octet-stream");
            let text: String = bad.iter().map(|b| char::from(*b)).collect();
            assert_eq!(read["parts"][1]["text"], text);
        }
    }

    #[test]
    fn opened_post_is_handed_out_for_sealing_and_not_kept() {
        let notice = notice(Kind::Held, "en", &facts(), None);
        let entity = notice.entity_with_post(b"Subject: CANARY\r\n\r\ntext\r\n");
        assert!(memchr::memmem::find(&entity, b"CANARY").is_some());
        assert!(memchr::memmem::find(&notice.bytes(), b"CANARY").is_none());
        assert!(!format!("{notice:?}").contains("waits"));
        let sealed = notice.protected(
            b"Content-Type: application/pkcs7-mime\r\n\r\nMIIB\r\n"
                .to_vec()
                .into(),
        );
        let read = read_by_python(&sealed.bytes());
        assert_eq!(read["parts"][0]["type"], "application/pkcs7-mime");
        assert_eq!(field(&read, "Auto-Submitted"), ["auto-generated"]);
    }

    #[test]
    fn attachment_names_cannot_leave_their_parameter() {
        for name in ["a\"b", "a\r\nb", "a/b", "a b", "\u{e4}"] {
            let file = Attachment {
                name,
                content_type: "text/plain",
                bytes: b"",
            };
            assert!(
                notice(Kind::Waiting, "en", &facts(), None)
                    .attach(&file)
                    .is_err(),
                "{name}"
            );
        }
    }

    #[test]
    fn quoted_printable_lines_stay_short_and_read_back_in_python() {
        let body = format!(
            "From me \u{e4} \nFrom you\ntrailing \t\n=\n\n{}\n.\n",
            "\u{20ac}x ".repeat(100)
        );
        let part = text_part(&body);
        assert!(part.split(|b| *b == b'\n').all(|line| line.len() <= 77));
        let read = read_by_python(&[b"MIME-Version: 1.0\r\n".as_slice(), &part].concat());
        assert_eq!(
            read["parts"][0]["text"]
                .as_str()
                .unwrap()
                .replace("\r\n", "\n"),
            body
        );
        assert!(!String::from_utf8(part).unwrap().contains("\nFrom "));
    }

    #[test]
    fn site_address_is_answered_by_itself() {
        let site = address("listseal@example.org");
        let facts = Facts::for_site(&site).reason(Reason::NotSigned);
        let letter = Letter {
            from: &site,
            to: &address("a@x.org"),
            lang: "en",
            facts: &facts,
            now: datetime!(2026-11-20 10:00 UTC),
            token: "1",
            in_reply_to: None,
        };
        let mail = Templates::builtin()
            .render(Kind::RegistrationFailed, &letter)
            .unwrap()
            .bytes();
        let read = read_by_python(&mail);
        assert_eq!(field(&read, "From"), ["listseal <listseal@example.org>"]);
        assert_eq!(field(&read, "Reply-To").len(), 0);
    }
}
