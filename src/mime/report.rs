//! Reads delivery status notifications (RFC 3464, RFC 6533): what became of a mail, for whom, and
//! what came back of it.
//!
//! # Trust
//!
//! Anybody can write one. What is read here is a claim; only what the returned mail proves counts
//! (`relay::bounces`). Texts are fit to be shown: one line, bounded, nothing that steers.
//!
//! # Invariants
//!
//! * The whole mail is within contract E8 and E9, and so is the status part by itself.
//! * Lines that are no fields are passed over: what mail servers write is often not quite RFC 3464.
//!
//! # Does not
//!
//! Open anything: a report that is encrypted or signed is no report here. Guess what formats without
//! a machine-readable part mean (qmail's QSBMF, say).
//!
//! # See also
//!
//! RFC 3464 section 2, RFC 6522 (multipart/report), RFC 3461 section 6.3 (what is returned).

use super::field::decode_words;
use super::{Entity, MimeError};
use crate::model::bounce::Status;
use crate::model::text::one_line;

/// A delivery status notification.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notification {
    /// The ENVID that was given with the mail, still in xtext (RFC 3461 section 4).
    pub envelope_id: Option<String>,
    /// What became of it, recipient by recipient, in the order of the report.
    pub recipients: Vec<Recipient>,
    /// Header of the mail that came back, where one did.
    returned: Vec<u8>,
}

/// What became of a mail for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// What the reporting server did.
    pub action: Action,
    /// The status, where there is one; else what the diagnostic says.
    pub status: Option<Status>,
    /// What the last mail server said.
    pub diagnostic: String,
    /// The address that it was delivered to, without its type.
    pub final_recipient: String,
    /// The address that it was sent to, without its type.
    pub original_recipient: String,
}

/// `Action`, RFC 3464 section 2.3.3; the worse the later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It reached the mailbox.
    Delivered,
    /// It went to several addresses in place of this one.
    Expanded,
    /// It went to a server that sends no reports.
    Relayed,
    /// It is tried again.
    Delayed,
    /// It was given up.
    Failed,
}

impl Notification {
    /// Returns the report for the recipient that fared worst.
    #[must_use]
    pub fn worst(&self) -> Option<&Recipient> {
        // The first of those that fared alike.
        self.recipients.iter().rev().max_by_key(|one| one.action)
    }

    /// Returns the values of a field of the mail that came back.
    #[must_use]
    pub fn returned(&self, name: &str) -> Vec<String> {
        let mut values = Vec::new();
        each_field(&self.returned, |found, value| {
            if found.eq_ignore_ascii_case(name) {
                values.push(decode_words(&value));
            }
        });
        values
    }
}

/// Reads a mail as a report; `None` where it is none that is understood.
///
/// # Errors
///
/// It is no mail, or more than is processed (contract E8, E9).
pub fn read(message: &[u8]) -> Result<Option<Notification>, MimeError> {
    let root = Entity::parse(message)?;
    let kind = root.content_type();
    let is_status = kind
        .parameter("report-type")
        .is_none_or(|kind| kind.eq_ignore_ascii_case("delivery-status"));
    if kind.kind != "multipart/report" || !is_status {
        return Ok(None);
    }
    let mut found = Notification::default();
    let mut has_status = false;
    for part in root.parts()? {
        // One odd part takes nothing from the others.
        let Ok(part) = Entity::parse(part) else {
            continue;
        };
        match part.content_type().kind.as_str() {
            "message/delivery-status" | "message/global-delivery-status" if !has_status => {
                let body = part.decoded_body()?;
                if body.len() > MAX_PART {
                    return Err(MimeError::Limit);
                }
                has_status = true;
                found.status(&body);
            }
            "message/rfc822"
            | "message/global"
            | "message/global-headers"
            | "text/rfc822-headers"
                if found.returned.is_empty() =>
            {
                let body = part.decoded_body()?;
                let block = blocks(&body).next().unwrap_or_default();
                found.returned = block.get(..MAX_PART).unwrap_or(block).to_vec();
            }
            _ => {}
        }
    }
    Ok(Some(found).filter(|found| !found.recipients.is_empty()))
}

impl Notification {
    /// Reads the fields of the status part: those of the message, then those of each recipient.
    fn status(&mut self, body: &[u8]) {
        for block in blocks(body) {
            let (mut action, mut status) = (None, None);
            let [mut diagnostic, mut last, mut first, mut envelope_id] = [const { None }; 4];
            each_field(block, |name, value| {
                let keep = |place: &mut Option<String>| {
                    place.get_or_insert(value.clone());
                };
                match name.to_ascii_lowercase().as_str() {
                    "action" => keep(&mut action),
                    "diagnostic-code" => keep(&mut diagnostic),
                    "final-recipient" => keep(&mut last),
                    "original-envelope-id" => keep(&mut envelope_id),
                    "original-recipient" => keep(&mut first),
                    "status" => keep(&mut status),
                    _ => {}
                }
            });
            // Who folds anew may encode what was never encoded.
            let envelope_id = envelope_id.as_deref().map(decode_words);
            self.envelope_id = self.envelope_id.take().or(envelope_id);
            let Some(action) = action.as_deref().and_then(Action::parse) else {
                continue;
            };
            if self.recipients.len() == MAX_RECIPIENTS {
                return;
            }
            let diagnostic = diagnostic.unwrap_or_default();
            let status = status.as_deref().and_then(Status::parse);
            self.recipients.push(Recipient {
                action,
                status: status.or_else(|| Status::of_reply(typed(&diagnostic))),
                diagnostic: one_line(typed(&diagnostic), MAX_TEXT),
                final_recipient: one_line(typed(&last.unwrap_or_default()), MAX_TEXT),
                original_recipient: one_line(typed(&first.unwrap_or_default()), MAX_TEXT),
            });
        }
    }
}

impl Action {
    /// Reads the first word of a value, in any case.
    fn parse(value: &str) -> Option<Self> {
        let end = value.find(|c: char| !c.is_ascii_alphabetic());
        let word = value.get(..end.unwrap_or(value.len()))?;
        match word.to_ascii_lowercase().as_str() {
            "delayed" => Some(Self::Delayed),
            "delivered" => Some(Self::Delivered),
            "expanded" => Some(Self::Expanded),
            "failed" => Some(Self::Failed),
            "relayed" => Some(Self::Relayed),
            _ => None,
        }
    }
}

/// Returns a value without the type in front: `rfc822; bob@example.org`.
fn typed(value: &str) -> &str {
    match value.split_once(';') {
        Some((kind, rest)) if is_name(kind.trim().as_bytes()) => rest.trim(),
        _ => value.trim(),
    }
}

/// Returns the runs of lines between empty ones.
fn blocks(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let mut begin = None;
        let mut at = 0_usize;
        loop {
            let line = super::field::first_line(rest.get(at..)?);
            let is_empty = line.trim_ascii().is_empty();
            if line.is_empty() || (is_empty && begin.is_some()) {
                let block = rest.get(begin?..at)?;
                rest = rest.get(at.saturating_add(line.len())..)?;
                return Some(block);
            }
            if !is_empty && begin.is_none() {
                begin = Some(at);
            }
            at = at.saturating_add(line.len());
        }
    })
}

/// Calls `each` with the name and the value of every field of a block, folds undone.
fn each_field(block: &[u8], mut each: impl FnMut(&str, String)) {
    let mut open: Option<(&str, Vec<u8>)> = None;
    let mut end = |field: Option<(&str, Vec<u8>)>| {
        if let Some((name, value)) = field {
            each(name, String::from_utf8_lossy(&value).trim().to_owned());
        }
    };
    for line in block.split(|b| *b == b'\n') {
        if line.starts_with(b" ") || line.starts_with(b"\t") {
            if let Some((_, value)) = &mut open {
                value.extend_from_slice(line.trim_ascii_end());
            }
            continue;
        }
        end(open.take());
        let Some(colon) = memchr::memchr(b':', line) else {
            continue;
        };
        let name = line.get(..colon).unwrap_or_default().trim_ascii_end();
        let value = line.get(colon.saturating_add(1)..).unwrap_or_default();
        if let (true, Ok(name)) = (is_name(name), std::str::from_utf8(name)) {
            open = Some((name, value.trim_ascii().to_vec()));
        }
    }
    end(open);
}

/// True for what can be the name of a field or a type.
fn is_name(text: &[u8]) -> bool {
    (1..=MAX_NAME).contains(&text.len()) && text.iter().all(|b| b.is_ascii_graphic() && *b != b';')
}

/// Bytes of the status part, and of the header that came back (contract E9).
const MAX_PART: usize = 256 * 1024;
/// A copy has one; a mailbox that passes mail on may have some.
const MAX_RECIPIENTS: usize = 100;
const MAX_NAME: usize = 100;
/// Bytes of a text that is shown.
const MAX_TEXT: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    /// A report with these fields of one recipient and this returned part.
    fn report(recipient: &str, returned: &str) -> String {
        format!(
            "From: MAILER-DAEMON@mx.example\r\nTo: team-bounces+bob=example.org@example.org\r\n\
             Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\r\n\r\n\
             --b\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
             Reporting-MTA: dns; mx.example\r\nOriginal-Envelope-Id: abc.def\r\n\r\n\
             {recipient}\r\n--b\r\n{returned}\r\n--b--\r\n"
        )
    }

    const FAILED: &str = "Final-Recipient: rfc822; bob@inner.example\r\nOriginal-Recipient: rfc822;bob@example.org\r\n\
        Action: failed (for good)\r\nStatus: 5.1.1 (no mailbox)\r\nDiagnostic-Code: smtp; 550 5.1.1\r\n <bob@inner.example>: no such\ruser\r\n";
    const HEADERS: &str = "Content-Type: text/rfc822-headers\r\n\r\nReceived: by x\r\nx-listseal-copy: one\r\n two\r\nnonsense\r\nX-Listseal-Copy:three\r\n";

    fn only(text: &str) -> Recipient {
        let found = read(text.as_bytes()).unwrap().unwrap();
        assert_eq!(found.recipients.len(), 1, "{text}");
        found.recipients[0].clone()
    }

    #[test]
    fn report_tells_action_status_addresses_and_what_came_back() {
        let found = read(report(FAILED, HEADERS).as_bytes()).unwrap().unwrap();
        assert_eq!(found.envelope_id.as_deref(), Some("abc.def"));
        let one = found.worst().unwrap();
        assert_eq!(one.action, Action::Failed);
        assert_eq!(one.status.unwrap().to_string(), "5.1.1");
        assert_eq!(one.final_recipient, "bob@inner.example");
        assert_eq!(one.original_recipient, "bob@example.org");
        assert_eq!(
            one.diagnostic,
            "550 5.1.1 <bob@inner.example>: no such user"
        );
        assert_eq!(found.returned("X-Listseal-Copy"), ["one two", "three"]);
        assert_eq!(found.returned("Subject"), Vec::<String>::new());
    }

    #[test]
    fn other_line_ends_encodings_and_international_types_are_read() {
        let lf = report(FAILED, HEADERS).replace("\r\n", "\n");
        assert_eq!(only(&lf), only(&report(FAILED, HEADERS)));
        let global = report(FAILED, HEADERS)
            .replace("message/delivery-status", "message/global-delivery-status")
            .replace("text/rfc822-headers", "message/global-headers")
            .replace(
                "bob@example.org\r\nAction",
                "b\u{f6}b@example.org\r\nAction",
            );
        assert_eq!(only(&global).original_recipient, "b\u{f6}b@example.org");
        // RFC 6533 section 4 allows an encoding where RFC 3464 does not.
        let encoded = report("", "Content-Type: text/plain\r\n\r\nx").replace(
            "message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\nOriginal-Envelope-Id: abc.def\r\n\r\n",
            "message/global-delivery-status\r\nContent-Transfer-Encoding: base64\r\n\r\n\
             QWN0aW9uOiBmYWlsZWQKU3RhdHVzOiA1LjEuMQo=\r\n",
        );
        assert_eq!(only(&encoded).status.unwrap().to_string(), "5.1.1");
    }

    #[test]
    fn worst_recipient_speaks_and_the_first_of_those_alike() {
        let each = |action: &str, who: &str| {
            format!("Final-Recipient: rfc822;{who}\r\nAction: {action}\r\nStatus: 4.0.0\r\n\r\n")
        };
        let many = [
            each("delivered", "a"),
            each("Failed", "b"),
            each("failed", "c"),
            each("delayed", "d"),
            each("vanished", "e"),
        ];
        let found = read(report(&many.concat(), HEADERS).as_bytes())
            .unwrap()
            .unwrap();
        assert_eq!(found.recipients.len(), 4);
        assert_eq!(found.worst().unwrap().final_recipient, "b");
        let bomb = read(report(&each("failed", "x").repeat(3000), HEADERS).as_bytes());
        assert_eq!(bomb.unwrap().unwrap().recipients.len(), MAX_RECIPIENTS);
    }

    #[test]
    fn status_that_is_missing_is_taken_from_what_the_server_said() {
        for (line, expected) in [
            ("Diagnostic-Code: smtp; 550-5.2.1 closed", Some("5.2.1")),
            ("Diagnostic-Code: SMTP;550 #5.1.0 unknown", Some("5.1.0")),
            (
                "Diagnostic-Code: smtp; 554 delivery error: dd",
                Some("5.0.0"),
            ),
            ("Diagnostic-Code: smtp; 450 4.2.2 full", Some("4.2.2")),
            ("Diagnostic-Code: smtp; 550 4.2.2 odd", Some("5.0.0")),
            ("Diagnostic-Code: X-Postfix; unknown user", None),
            ("Diagnostic-Code: smtp; 250 2.0.0 fine", None),
            ("Diagnostic-Code: smtp; 55", None),
            ("Status: nonsense", None),
            ("Status: 5.4.4\r\nStatus: 4.0.0", Some("5.4.4")),
        ] {
            let text = report(&format!("Action: failed\r\n{line}\r\n"), HEADERS);
            let status = only(&text).status.map(|one| one.to_string());
            assert_eq!(status.as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn what_is_no_status_report_is_not_understood() {
        let good = report(FAILED, HEADERS);
        for (old, new) in [
            (
                "report-type=delivery-status",
                "report-type=disposition-notification",
            ),
            ("report-type=delivery-status", "report-type=feedback-report"),
            ("multipart/report", "multipart/mixed"),
            ("message/delivery-status", "text/plain"),
            ("Action: failed", "Action: pondered"),
            ("Action: failed", "Act: failed"),
        ] {
            let text = good.replace(old, new);
            assert_eq!(read(text.as_bytes()).unwrap(), None, "{new}");
        }
        let signed = format!(
            "Content-Type: multipart/signed; boundary=s\r\n\r\n--s\r\n{good}\r\n--s\r\n\
             Content-Type: application/pkcs7-signature\r\n\r\nx\r\n--s--\r\n"
        );
        let sealed = "Content-Type: application/pkcs7-mime; smime-type=enveloped-data\r\n\r\nAAAA";
        let vacation = "Auto-Submitted: auto-replied\r\n\r\nI am away until Monday.\r\n";
        for text in [signed.as_str(), sealed, vacation] {
            assert_eq!(read(text.as_bytes()).unwrap(), None, "{text}");
        }
        // No report-type is a slip.
        assert!(
            read(good.replace("report-type=delivery-status; ", "").as_bytes())
                .unwrap()
                .is_some()
        );
    }

    #[test]
    fn e8_e9_bombs_are_refused() {
        let long = format!(
            "Action: failed\r\nDiagnostic-Code: x; {}\r\n",
            "y".repeat(300_000)
        );
        assert_eq!(
            read(report(&long, HEADERS).as_bytes()),
            Err(MimeError::Limit)
        );
        let folds = format!(
            "Action: failed\r\nDiagnostic-Code: x\r\n{}",
            " y\r\n".repeat(60_000)
        );
        assert!(only(&report(&folds, HEADERS)).diagnostic.len() <= MAX_TEXT);
        let parts = report(FAILED, &format!("{HEADERS}\r\n--b\r\n\r\nx").repeat(1100));
        assert_eq!(read(parts.as_bytes()), Err(MimeError::Limit));
        let returned = format!(
            "Content-Type: message/rfc822\r\n\r\n{}",
            "A: b\r\n".repeat(100_000)
        );
        // A returned mail that is beyond the limits makes the whole beyond them.
        assert_eq!(
            read(report(FAILED, &returned).as_bytes()),
            Err(MimeError::Limit)
        );
    }

    #[test]
    fn blocks_are_told_apart_by_empty_lines_however_many() {
        let found: Vec<&[u8]> = blocks(b"\r\n \r\na: 1\r\n b\r\n\t\r\n\r\nc: 2\n\n").collect();
        assert_eq!(found, [&b"a: 1\r\n b\r\n"[..], b"c: 2\n"]);
        assert_eq!(blocks(b"").count() + blocks(b"\n\n").count(), 0);
        assert_eq!(blocks(b"a: 1").count(), 1);
    }
}
