//! The commands of LMTP and their syntax. Pure.
//!
//! # Trust
//!
//! A command is one line of ASCII, of UTF-8 where it carries an address, without control
//! characters. What is not understood to its last octet is refused, not guessed at: of a parameter
//! that was passed over we could not keep what it promises.
//!
//! # See also
//!
//! RFC 2033 section 4, RFC 5321 section 4.1.2, RFC 1870 (SIZE), RFC 6152 (BODY), RFC 6531
//! (SMTPUTF8).

use super::reply::Reply;
use crate::model::Address;

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Data,
    Lhlo,
    Mail(Mail),
    Noop,
    Quit,
    Rcpt(Rcpt),
    Rset,
    Vrfy,
}

/// `MAIL FROM`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Mail {
    /// What stood between the angle brackets, unquoted where that makes it an address of ours.
    pub(super) sender: String,
    /// How large the client says the message is.
    pub(super) size: Option<u64>,
    /// Addresses may hold more than ASCII.
    pub(super) utf8: bool,
}

/// `RCPT TO`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rcpt {
    /// The address, or why it is none of ours.
    pub(super) address: Result<Address, Reply>,
    pub(super) is_ascii: bool,
}

/// Reads a line without its CRLF.
///
/// # Errors
///
/// The reply that refuses it.
pub(super) fn parse(line: &[u8]) -> Result<Command, Reply> {
    let text = std::str::from_utf8(line).map_err(|_| NOT_UTF8)?;
    if text.chars().any(char::is_control) {
        return Err(CONTROL);
    }
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    let bare = |command| {
        if rest.trim_matches(' ').is_empty() {
            Ok(command)
        } else {
            Err(NO_ARGUMENTS)
        }
    };
    match verb.to_ascii_uppercase().as_str() {
        "DATA" => bare(Command::Data),
        // RFC 2033 section 4.1: these must not be answered as if this were SMTP.
        "HELO" | "EHLO" => Err(LHLO_ONLY),
        "LHLO" if rest.trim_matches(' ').is_empty() => Err(NAME_YOURSELF),
        "LHLO" => Ok(Command::Lhlo),
        "MAIL" => mail(rest),
        // RFC 5321 section 4.1.1.9: an argument is allowed and ignored.
        "NOOP" => Ok(Command::Noop),
        "QUIT" => bare(Command::Quit),
        "RCPT" => rcpt(rest),
        "RSET" => bare(Command::Rset),
        "VRFY" => Ok(Command::Vrfy),
        "BDAT" | "EXPN" | "HELP" | "STARTTLS" | "AUTH" => Err(NOT_HERE),
        _ => Err(UNKNOWN),
    }
}

fn mail(rest: &str) -> Result<Command, Reply> {
    let (path, parameters) = path_after("FROM:", rest).ok_or(MAIL_SYNTAX)?;
    if path.len() > MAX_SENDER {
        return Err(SENDER_TOO_LONG);
    }
    let mut mail = Mail {
        sender: mailbox(path).map_or_else(|| path.to_owned(), |address| address.to_string()),
        ..Mail::default()
    };
    let mut seen = Vec::new();
    for parameter in parameters.split(' ').filter(|one| !one.is_empty()) {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (parameter, None),
        };
        let name = name.to_ascii_uppercase();
        match (name.as_str(), value) {
            ("SIZE", Some(digits)) => mail.size = Some(size(digits).ok_or(BAD_VALUE)?),
            ("BODY", Some(body)) => {
                if !["7BIT", "8BITMIME"].contains(&body.to_ascii_uppercase().as_str()) {
                    return Err(BAD_VALUE);
                }
            }
            ("SMTPUTF8", None) => mail.utf8 = true,
            ("SIZE" | "BODY" | "SMTPUTF8", _) => return Err(BAD_VALUE),
            _ => return Err(UNKNOWN_PARAMETER),
        }
        if seen.contains(&name) {
            return Err(BAD_VALUE);
        }
        seen.push(name);
    }
    if !mail.utf8 && !path.is_ascii() {
        return Err(NEEDS_UTF8);
    }
    Ok(Command::Mail(mail))
}

fn rcpt(rest: &str) -> Result<Command, Reply> {
    let (path, parameters) = path_after("TO:", rest).ok_or(RCPT_SYNTAX)?;
    if !parameters.trim_matches(' ').is_empty() {
        return Err(UNKNOWN_PARAMETER);
    }
    let address = mailbox(path).ok_or_else(|| {
        let text = format!("5.1.3 <{path}> is no address of a list");
        Reply::new(550, text)
    });
    Ok(Command::Rcpt(Rcpt {
        address,
        is_ascii: path.is_ascii(),
    }))
}

/// Returns what stands in the angle brackets behind `keyword`, without a source route, and what
/// follows them.
fn path_after<'a>(keyword: &str, rest: &'a str) -> Option<(&'a str, &'a str)> {
    let (word, rest) = rest
        .trim_start_matches(' ')
        .split_at_checked(keyword.len())?;
    if !word.eq_ignore_ascii_case(keyword) {
        return None;
    }
    // The blank that RFC 5321 section 3.3 forbids is common.
    let inside = rest.trim_start_matches(' ').strip_prefix('<')?;
    let end = unquoted(inside, |c| matches!(c, '>' | '<' | ' '))?;
    let (path, behind) = inside.split_at_checked(end)?;
    let behind = behind.strip_prefix('>')?;
    if !(behind.is_empty() || behind.starts_with(' ')) {
        return None;
    }
    // RFC 5321 section 4.1.1.3: a source route is accepted and passed over.
    let path = match path.strip_prefix('@') {
        Some(_) => path.split_at_checked(unquoted(path, |c| c == ':')? + 1)?.1,
        None => path,
    };
    Some((path, behind))
}

/// Finds the first character outside quotes that `wanted` names.
fn unquoted(text: &str, wanted: impl Fn(char) -> bool) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if !quoted && wanted(c) => return Some(at),
            _ => {}
        }
    }
    None
}

/// Returns the address that a path names. Quotes around a local part that needs none mean nothing
/// (RFC 5321 section 4.1.2); one that needs them is no address of ours.
fn mailbox(path: &str) -> Option<Address> {
    let Some(quoted) = path.strip_prefix('"') else {
        return Address::parse(path).ok();
    };
    let mut local = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => break,
            '\\' => local.push(characters.next()?),
            c => local.push(c),
        }
    }
    let domain = characters.as_str().strip_prefix('@')?;
    if local.contains('@') {
        return None;
    }
    Address::parse(&format!("{local}@{domain}")).ok()
}

/// RFC 1870 section 4: up to twenty digits; what is larger than any number is too large.
fn size(digits: &str) -> Option<u64> {
    let fits = (1..=20).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// As much as an envelope keeps of a sender.
const MAX_SENDER: usize = 512;

const NOT_UTF8: Reply = Reply::fixed(500, "5.5.2 a command is UTF-8");
const CONTROL: Reply = Reply::fixed(500, "5.5.2 a command has no control characters");
const NO_ARGUMENTS: Reply = Reply::fixed(501, "5.5.4 this command takes no arguments");
const LHLO_ONLY: Reply = Reply::fixed(500, "5.5.1 this is LMTP: say LHLO");
const NAME_YOURSELF: Reply = Reply::fixed(501, "5.5.4 LHLO and your name");
const NOT_HERE: Reply = Reply::fixed(502, "5.5.1 not offered here");
const UNKNOWN: Reply = Reply::fixed(500, "5.5.2 unknown command");
const MAIL_SYNTAX: Reply = Reply::fixed(501, "5.5.4 MAIL FROM:<address> and parameters");
const RCPT_SYNTAX: Reply = Reply::fixed(501, "5.5.4 RCPT TO:<address>");
const SENDER_TOO_LONG: Reply = Reply::fixed(501, "5.1.7 the sender is too long");
const BAD_VALUE: Reply = Reply::fixed(501, "5.5.4 a parameter has a wrong value, or comes twice");
const UNKNOWN_PARAMETER: Reply = Reply::fixed(555, "5.5.4 unknown parameter");
/// RFC 6531 section 3.5.
pub(super) const NEEDS_UTF8: Reply =
    Reply::fixed(553, "5.6.7 an address beyond ASCII needs SMTPUTF8 in MAIL");

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> u16 {
        parse(line.as_bytes()).expect_err(line).code()
    }

    fn sender(line: &str) -> Mail {
        match parse(line.as_bytes()) {
            Ok(Command::Mail(mail)) => mail,
            other => panic!("{line}: {other:?}"),
        }
    }

    fn recipient(line: &str) -> Result<Address, u16> {
        match parse(line.as_bytes()) {
            Ok(Command::Rcpt(rcpt)) => rcpt.address.map_err(|reply| reply.code()),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn verbs_are_known_in_any_case_and_with_blanks_behind() {
        for (line, command) in [
            ("data", Command::Data),
            ("DATA  ", Command::Data),
            ("lhlo x", Command::Lhlo),
            ("NOOP whatever this says", Command::Noop),
            ("Quit", Command::Quit),
            ("RSET ", Command::Rset),
            ("VRFY team", Command::Vrfy),
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(command), "{line}");
        }
    }

    #[test]
    fn what_is_no_command_of_lmtp_is_refused() {
        for (line, code) in [
            ("HELO x", 500),
            ("EHLO x", 500),
            ("LHLO", 501),
            ("LHLO  ", 501),
            ("DATA now", 501),
            ("RSET x", 501),
            ("BDAT 3 LAST", 502),
            ("EXPN team", 502),
            ("STARTTLS", 502),
            ("", 500),
            (" DATA", 500),
            ("DAT", 500),
            ("NOOP\t", 500),
            ("NOOP a\0b", 500),
            ("NOOP a\nQUIT", 500),
            ("NOOP a\rQUIT", 500),
        ] {
            assert_eq!(refused(line), code, "{line:?}");
        }
        assert!(parse(b"NOOP \xff").is_err());
    }

    #[test]
    fn senders_come_as_they_stand_in_the_brackets() {
        for (line, expected) in [
            ("MAIL FROM:<>", ""),
            ("mail from: <a@x.org>", "a@x.org"),
            ("MAIL FROM:<@relay.example,@b.example:a@x.org>", "a@x.org"),
            ("MAIL FROM:<\"a\"@x.org>", "a@x.org"),
            ("MAIL FROM:<\"a>b c\"@x.org>", "\"a>b c\"@x.org"),
            ("MAIL FROM:<\"a\\\" <\"@x.org>", "\"a\\\" <\"@x.org"),
            // Odd, and no reason to bounce.
            ("MAIL FROM:<root>", "root"),
        ] {
            assert_eq!(sender(line).sender, expected, "{line}");
        }
    }

    #[test]
    fn parameters_of_mail_are_understood_or_refused() {
        let mail = sender("MAIL FROM:<a@x.org> size=12 BODY=8bitmime SMTPUTF8 ");
        assert_eq!((mail.size, mail.utf8), (Some(12), true));
        let huge = sender("MAIL FROM:<> SIZE=99999999999999999999");
        assert_eq!(huge.size, Some(u64::MAX));
        for (rest, code) in [
            ("SIZE", 501),
            ("SIZE=", 501),
            ("SIZE=-1", 501),
            ("SIZE=1x", 501),
            ("SIZE=000000000000000000001", 501),
            ("SIZE=1 size=2", 501),
            ("BODY=BINARYMIME", 501),
            ("SMTPUTF8=yes", 501),
            ("RET=FULL", 555),
            ("AUTH=<>", 555),
            ("=", 555),
        ] {
            assert_eq!(
                refused(&format!("MAIL FROM:<a@x.org> {rest}")),
                code,
                "{rest}"
            );
        }
        assert_eq!(refused("RCPT TO:<a@x.org> NOTIFY=NEVER"), 555);
    }

    #[test]
    fn paths_without_clear_bounds_are_refused() {
        for line in [
            "MAIL",
            "MAIL a@x.org",
            "MAIL FROM:a@x.org",
            "MAIL FROM:<a@x.org",
            "MAIL FROM:<a@x.org>SIZE=1",
            "MAIL FROM:<a b@x.org>",
            "MAIL FROM:<<a@x.org>>",
            "MAIL FROM:<\"a@x.org>",
            "MAIL FROM:<@relay.example>",
            "MAIL TO:<a@x.org>",
            "RCPT TO:",
            "RCPT FROM:<a@x.org>",
        ] {
            assert_eq!(refused(line), 501, "{line}");
        }
        let long = "x".repeat(MAX_SENDER);
        assert_eq!(refused(&format!("MAIL FROM:<{long}@x.org>")), 501);
    }

    #[test]
    fn recipients_are_addresses_of_ours_or_refused_for_good() {
        let team = Address::parse("team@example.org").unwrap();
        for line in [
            "RCPT TO:<team@example.org>",
            "rcpt to: <TEAM@EXAMPLE.ORG>",
            "RCPT TO:<\"team\"@example.org>",
            "RCPT TO:<\"te\\am\"@example.org>",
            "RCPT TO:<@relay.example:team@example.org>",
        ] {
            assert_eq!(recipient(line).as_ref(), Ok(&team), "{line}");
        }
        for line in [
            "RCPT TO:<>",
            "RCPT TO:<team>",
            "RCPT TO:<postmaster>",
            "RCPT TO:<\"te am\"@example.org>",
            "RCPT TO:<\"team@example.org\"@example.org>",
            "RCPT TO:<\"team\">",
        ] {
            assert_eq!(recipient(line), Err(550), "{line}");
        }
    }

    #[test]
    fn addresses_beyond_ascii_need_smtputf8() {
        let line = "MAIL FROM:<b\u{fc}ro@x.org>";
        assert_eq!(refused(line), 553);
        assert_eq!(
            sender(&format!("{line} SMTPUTF8")).sender,
            "b\u{fc}ro@x.org"
        );
        let rcpt = parse("RCPT TO:<b\u{fc}ro@x.org>".as_bytes());
        assert!(matches!(rcpt, Ok(Command::Rcpt(rcpt)) if !rcpt.is_ascii));
    }
}
