//! Looks into a notice: header, text, what is attached, and who can read it.

use mail_parser::{MessageParser, MimeHeaders as _};

use crate::common::lab::{lab, openssl};
use crate::common::mail::{Parsed, crlf, find};
use crate::common::site::Sent;
use crate::expect::{fields, lines_are_whole, same, take};
use crate::play::Play;
use crate::script::Step;

/// Checks `notice KIND TO` with its details.
pub fn check(play: &mut Play<'_>, step: &Step) -> Result<(), String> {
    step.knows(DETAILS)?;
    let sent = take(play, step.word(1)?, Some(step.word(0)?), None)?;
    let checked = look(play, step, &sent);
    checked.inspect_err(|_| play.unexpected.push(sent))
}

fn look(play: &mut Play<'_>, step: &Step, sent: &Sent) -> Result<(), String> {
    let parsed = Parsed::of(&sent.bytes);
    same("envelope sender", sent.from.as_str(), "")?;
    lines_are_whole(&sent.bytes)?;
    fields(step, &parsed)?;
    let automatic = parsed.value("Auto-Submitted").unwrap_or_default();
    if !automatic.starts_with("auto-") || parsed.values("X-Loop").is_empty() {
        return Err("it is not marked as automatic mail".to_owned());
    }
    let (entity, clear) = entity(play, step, sent, &parsed)?;
    let header = parsed.raw_fields(|name| !name.to_lowercase().starts_with("content-"));
    let whole = [&header.concat()[..], &entity].concat();
    let message = MessageParser::default().parse(&whole).ok_or("no mail")?;
    // The texts of the notice itself: what is enclosed is not its text.
    let mut text = format!("{}\n", message.subject().unwrap_or_default());
    for part in message.text_bodies() {
        text += part.text_contents().unwrap_or_default();
    }
    for wanted in step.details("has") {
        if !text.contains(wanted) {
            return Err(format!("{wanted:?} is not in the text:\n{text}"));
        }
    }
    let shown = String::from_utf8_lossy(&whole).into_owned() + &text;
    for unwanted in step.details("lacks") {
        if shown.contains(unwanted) {
            return Err(format!("{unwanted:?} is there:\n{shown}"));
        }
    }
    for file in step.details("encloses") {
        let made = play.made(file);
        if find(&entity, &crlf(&made.bytes)).is_none() {
            return Err(format!("{file} is not enclosed as it came:\n{shown}"));
        }
    }
    for file in step.details("shows") {
        let made = play.made(file);
        if find(&entity, &made.core).is_none() {
            return Err(format!("what is in {file} is not enclosed:\n{shown}"));
        }
        if made.encrypted && clear {
            return Err(format!("{file} came encrypted and is shown in clear"));
        }
    }
    match step.detail("certificate") {
        Some(names) => certificates(&message, names),
        None => Ok(()),
    }
}

/// The entity of the notice with all protection off, and whether it stood there in clear.
fn entity(
    play: &Play<'_>,
    step: &Step,
    sent: &Sent,
    parsed: &Parsed<'_>,
) -> Result<(Vec<u8>, bool), String> {
    let kind = parsed.value("Content-Type").unwrap_or_default();
    let encrypted = kind.contains("pkcs7-mime");
    let mut entity = crate::common::mail::content_of(&sent.bytes);
    match step.detail("sealed") {
        None if encrypted => return Err("it is encrypted".to_owned()),
        Some(_) if !encrypted => return Err("it is not encrypted".to_owned()),
        None => {}
        Some(name) => {
            let who = match name {
                "" => play.reader_of(&sent.to, step),
                name => lab().identity(name),
            };
            let opened = play.reader.open(&sent.bytes, &who)?;
            same("number of recipients", opened.recipients, 1)?;
            entity = opened.inside;
        }
    }
    if let Some(name) = step.detail("signed") {
        entity = play.reader.verify(&entity, &lab().identity(name))?;
    } else if find(&entity, b"application/pkcs7-signature").is_some()
        && step.detail("encloses").or(step.detail("shows")).is_none()
    {
        return Err("it is signed".to_owned());
    }
    Ok((entity, !encrypted))
}

/// The first certificate is attached as PEM; all are in the .p7c.
fn certificates(message: &mail_parser::Message<'_>, names: &str) -> Result<(), String> {
    let attached = |end: &str| {
        let mut parts = message.attachments();
        let part = parts.find(|part| {
            let name = part.attachment_name().unwrap_or_default();
            name.ends_with(end)
        });
        part.map(|part| part.contents().to_vec())
            .ok_or_else(|| format!("no {end} is attached"))
    };
    let pem = |name: &str| -> Vec<u8> {
        let file = match name {
            "authority" => lab().authority(),
            name => lab().identity(name).certificate,
        };
        openssl(lab().dir(), &format!("x509 -in {}", file.display()), b"")
    };
    let bag = openssl(
        lab().dir(),
        "pkcs7 -inform DER -print_certs",
        &attached(".p7c")?,
    );
    for (index, name) in names.split_whitespace().enumerate() {
        if find(&bag, &pem(name)).is_none() {
            return Err(format!("{name} is not in the .p7c"));
        }
        if index == 0 && openssl(lab().dir(), "x509", &attached(".pem")?) != pem(name) {
            return Err(format!("{name} is not the .pem"));
        }
    }
    Ok(())
}

const DETAILS: &[&str] = &[
    "key",
    "has",
    "lacks",
    "sealed",
    "signed",
    "encloses",
    "shows",
    "certificate",
    "field",
    "no-field",
];
