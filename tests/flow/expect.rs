//! Takes the mail that a line expects from what went out and looks into it.

use crate::common::lab::{DOMAIN, lab};
use crate::common::mail::{Made, Parsed, address_in, content_of, find};
use crate::common::site::Sent;
use crate::notices;
use crate::play::Play;
use crate::script::Step;

/// Checks one line about what a run sent.
pub fn mail(play: &mut Play<'_>, step: &Step) -> Result<(), String> {
    match step.verb.as_str() {
        "nothing" => match play.unexpected.is_empty() {
            true => Ok(()),
            false => Err("mail went out".to_owned()),
        },
        "notice" => notices::check(play, step),
        "sealed" | "clear" | "intact" | "forwarded" => {
            let message = play.message(step)?;
            let sent = take(play, step.word(0)?, None, Some(&message))?;
            let checked = copy(play, step, &message, &sent);
            checked.inspect_err(|_| play.unexpected.push(sent))
        }
        verb => Err(format!(
            "there is no step {verb:?}: see tests/flow/README.md"
        )),
    }
}

/// Takes the mail to `to` out of what is not yet expected: the notice of this kind, or the copy of
/// this message.
pub fn take(
    play: &mut Play<'_>,
    to: &str,
    kind: Option<&str>,
    message: Option<&Made>,
) -> Result<Sent, String> {
    let to = full(to);
    let wanted = message.and_then(|made| Parsed::of(&made.bytes).value("Message-ID"));
    let list = message.map(|made| list_of(&made.to));
    let fits = |sent: &Sent| {
        let parsed = Parsed::of(&sent.bytes);
        // The same post to two lists has one Message-ID.
        if let (Some(list), false) = (&list, sent.from.is_empty()) {
            let (local, _) = list.split_once('@').unwrap();
            if !sent.from.starts_with(&format!("{local}-bounces")) {
                return false;
            }
        }
        let id = parsed.value("Message-ID").unwrap_or_default();
        let same = match kind {
            Some(kind) => id.contains(&format!(".{kind}@")),
            None => wanted.is_none() || Some(id) == wanted,
        };
        sent.to == to && same
    };
    match play.unexpected.iter().position(fits) {
        Some(at) => Ok(play.unexpected.remove(at)),
        None => Err(format!("no such mail to {to}")),
    }
}

fn copy(play: &Play<'_>, step: &Step, made: &Made, sent: &Sent) -> Result<(), String> {
    step.knows(COPY_DETAILS)?;
    let parsed = Parsed::of(&sent.bytes);
    fields(step, &parsed)?;
    lines_are_whole(&sent.bytes)?;
    let kind = parsed.value("Content-Type").unwrap_or_default();
    let encrypted = kind.to_lowercase().contains("pkcs7-mime") && !kind.contains("signed-data");
    let list = list_of(&made.to);
    if step.verb == "forwarded" {
        same("envelope sender", sent.from.as_str(), "")?;
        return same_content(&content_of(&sent.bytes), &content_of(&made.bytes));
    }
    let verp = format!("-bounces+{}@{DOMAIN}", sent.to.replace('@', "="));
    same(
        "envelope sender",
        &sent.from,
        &list.replace(&format!("@{DOMAIN}"), &verp),
    )?;
    if !parsed.values("X-Loop").contains(&list) {
        return Err(format!("no X-Loop {list}: {:?}", parsed.values("X-Loop")));
    }
    match step.verb.as_str() {
        "intact" if !encrypted => Err("it is not encrypted".to_owned()),
        "intact" => same_content(&content_of(&sent.bytes), &content_of(&made.bytes)),
        "clear" if encrypted => Err("it is encrypted".to_owned()),
        "clear" => inside(play, step, made, &content_of(&sent.bytes)),
        _ if !encrypted => Err(format!("it is not encrypted: {kind}")),
        _ => {
            let who = play.reader_of(&sent.to, step);
            let opened = play.reader.open(&sent.bytes, &who)?;
            same("number of recipients", opened.recipients, 1)?;
            for (detail, found) in [
                ("cipher", opened.cipher.as_str()),
                ("transport", opened.transport),
            ] {
                if let Some(wanted) = step.detail(detail) {
                    same(detail, found, wanted)?;
                }
            }
            for program in step.details("also") {
                let again = match program {
                    "gpgsm" => play.reader.open_with_gpgsm(&sent.bytes, &who)?,
                    "python" => play.reader.open_with_python(&sent.bytes, &who)?,
                    other => return Err(format!("there is no reader {other:?}")),
                };
                same_content(&again, &opened.inside)?;
            }
            inside(play, step, made, &opened.inside)
        }
    }
}

/// The entity of a copy: the author's, alone or signed around by the list; his signature holds.
fn inside(play: &Play<'_>, step: &Step, made: &Made, entity: &[u8]) -> Result<(), String> {
    if let Some(list) = step.detail("list-signed") {
        let signed = play.reader.verify(entity, &lab().identity(list))?;
        if find(&signed, &made.core).is_none() {
            return Err("the author's part is not in what the list has signed".to_owned());
        }
    } else {
        // A hidden subject goes inside, above what is signed.
        let subject = step.detail("subject-inside");
        let subject = subject.map_or(String::new(), |text| format!("Subject: {text}\r\n"));
        same_content(entity, &[subject.as_bytes(), &made.core].concat())?;
    }
    let mut layer = made.core.clone();
    for signer in &made.signers {
        let verified = play.reader.verify(&layer, &lab().identity(signer));
        match (step.detail("signature"), verified) {
            (Some("broken"), Err(_)) => return Ok(()),
            (Some("broken"), Ok(_)) => return Err("the signature holds".to_owned()),
            (Some(word), _) => return Err(format!("signature {word:?}: write broken")),
            (None, verified) => layer = verified?,
        }
    }
    Ok(())
}

/// Fields of the header that a line asks for.
pub fn fields(step: &Step, parsed: &Parsed<'_>) -> Result<(), String> {
    for wanted in step.details("field") {
        let (name, value) = wanted.split_once(':').ok_or("write field NAME: VALUE")?;
        let found = parsed.values(name);
        if found != [value.trim()] {
            return Err(format!("{name} is {found:?} instead of {:?}", value.trim()));
        }
    }
    for name in step.details("no-field") {
        let found = parsed.values(name);
        if !found.is_empty() {
            return Err(format!("{name} is there: {found:?}"));
        }
    }
    Ok(())
}

/// Every line of outgoing mail ends in CRLF (contract E23).
pub fn lines_are_whole(mail: &[u8]) -> Result<(), String> {
    for line in mail.split_inclusive(|b| *b == b'\n') {
        let bare = line.iter().filter(|b| **b == b'\r').count() > 1;
        if !line.ends_with(b"\r\n") || bare || line.len() > 1000 {
            return Err(format!("a bad line: {:?}", String::from_utf8_lossy(line)));
        }
    }
    Ok(())
}

pub fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> Result<(), String> {
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{what} is {found:?} instead of {wanted:?}"))
    }
}

fn same_content(found: &[u8], wanted: &[u8]) -> Result<(), String> {
    if found == wanted {
        return Ok(());
    }
    let at = found.iter().zip(wanted).take_while(|(a, b)| a == b).count();
    let show = |bytes: &[u8]| {
        let end = bytes.len().min(at + 200);
        String::from_utf8_lossy(&bytes[at.min(end)..end]).into_owned()
    };
    Err(format!(
        "the content differs from byte {at} on ({} and {} bytes):\nfound  {:?}\nwanted {:?}",
        found.len(),
        wanted.len(),
        show(found),
        show(wanted)
    ))
}

/// The list that an address of it belongs to.
pub fn list_of(address: &str) -> String {
    let address = address_in(address).to_lowercase();
    let (local, domain) = address.split_once('@').unwrap();
    let roles = ["-owner", "-request", "-editor", "-register", "-sendkey"];
    let name = roles.iter().find_map(|role| local.strip_suffix(role));
    format!("{}@{domain}", name.unwrap_or(local))
}

/// The address a short name stands for.
pub fn full(name: &str) -> String {
    if name.contains('@') {
        name.to_owned()
    } else {
        format!("{name}@{DOMAIN}")
    }
}

const COPY_DETAILS: &[&str] = &[
    "of",
    "key",
    "cipher",
    "transport",
    "list-signed",
    "signature",
    "subject-inside",
    "also",
    "field",
    "no-field",
];
