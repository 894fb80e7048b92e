//! The findings for people.

use std::fmt::Write as _;

use time::OffsetDateTime;
use time::macros::format_description;

use crate::model::Reason;
use crate::open::{EncryptedLayer, Layer, Opened, SignedLayer, Signer, Verdict};
use crate::pki::certificate::Certificate;
use crate::pki::path::ChainVerdict;

/// Returns the report as lines of text.
pub(super) fn report(opened: &Opened) -> String {
    let mut out = String::new();
    for (index, layer) in opened.layers().iter().enumerate() {
        line(
            &mut out,
            0,
            &format!("Layer {}: {}", index + 1, layer.kind()),
        );
        match layer {
            Layer::CertsOnly { certificates } => {
                for certificate in certificates {
                    describe(&mut out, 2, certificate);
                }
            }
            Layer::Compressed { .. } => problem(&mut out, layer.reason()),
            Layer::Encrypted(encrypted) => encryption(&mut out, encrypted),
            Layer::Signed(signed) => signature(&mut out, signed),
        }
    }
    let encrypted = match opened.decrypted() {
        None => "no",
        Some(true) => "yes, and decrypted",
        Some(false) => "yes, and not decrypted",
    };
    let verdict = match opened.signature() {
        Verdict::Invalid => "invalid",
        Verdict::None => "none",
        Verdict::Valid if opened.signature_covers_plaintext() => "valid",
        Verdict::Valid => "valid, but made around the encryption",
    };
    line(&mut out, 0, &format!("Encrypted:  {encrypted}"));
    line(&mut out, 0, &format!("Signature:  {verdict}"));
    if let Some(chain) = opened.chain() {
        line(&mut out, 0, &format!("Chain:      {}", chain.name()));
    }
    let author = match (opened.author(), opened.from()) {
        (Some(author), _) => format!("{author}, proven"),
        (None, Ok(from)) => format!("not proven (From says {from})"),
        (None, Err(reason)) => format!("not proven ({reason})"),
    };
    line(&mut out, 0, &format!("Author:     {author}"));
    if let Some(kind) = opened.content_type() {
        line(&mut out, 0, &format!("Content:    {kind}"));
    }
    if let Some(reason) = opened.reason() {
        line(&mut out, 0, &format!("Problem:    {}", words(reason)));
    }
    out
}

fn encryption(out: &mut String, layer: &EncryptedLayer) {
    let mut facts = Vec::new();
    facts.extend(layer.content_algorithm.clone());
    facts.extend(layer.key_algorithm.clone());
    if layer.content_algorithm.is_some() {
        facts.push(match layer.recipients {
            1 => "1 recipient".to_owned(),
            n => format!("{n} recipients"),
        });
    }
    if !facts.is_empty() {
        line(out, 2, &facts.join(", "));
    }
    problem(out, layer.problem);
}

fn signature(out: &mut String, layer: &SignedLayer) {
    line(out, 2, layer.form.name());
    problem(out, layer.problem);
    for signer in &layer.signers {
        person(out, signer);
    }
}

fn person(out: &mut String, signer: &Signer) {
    let evidence = &signer.evidence;
    let verdict = match evidence.result {
        Ok(()) => "valid".to_owned(),
        Err(reason) => format!("invalid: {}", words(reason)),
    };
    let time = evidence
        .signing_time
        .map_or_else(String::new, |at| format!(", signed {}", instant(at)));
    line(
        out,
        2,
        &format!(
            "signer: {verdict} ({}, {}{time})",
            evidence.signature, evidence.digest
        ),
    );
    if let Some(certificate) = &evidence.certificate {
        describe(out, 4, certificate);
    }
    if let Some(chain) = &signer.chain {
        let why = match chain.reason {
            Some(reason) if chain.verdict != ChainVerdict::Trusted => {
                let open = if reason.leaves_open() {
                    "could not tell: "
                } else {
                    ""
                };
                format!(": {open}{}", words(reason))
            }
            _ => String::new(),
        };
        line(out, 4, &format!("chain {}{why}", chain.verdict.name()));
    }
}

fn describe(out: &mut String, indent: usize, certificate: &Certificate) {
    let addresses: Vec<String> = certificate
        .addresses()
        .iter()
        .map(ToString::to_string)
        .collect();
    let usage = certificate.usage();
    let usage = match (usage.sign, usage.encrypt) {
        (true, true) => "signs and encrypts",
        (true, false) => "signs only",
        (false, true) => "encrypts only",
        (false, false) => "neither signs nor encrypts mail",
    };
    line(
        out,
        indent,
        &format!("{} <{}>", certificate.subject(), addresses.join(", ")),
    );
    line(
        out,
        indent,
        &format!(
            "serial {} from {}, {} to {}, {usage}",
            certificate.serial_hex(),
            certificate.issuer(),
            instant(certificate.not_before()),
            instant(certificate.not_after())
        ),
    );
    line(
        out,
        indent,
        &format!("SHA-256 {}", certificate.sha256_hex()),
    );
}

fn problem(out: &mut String, reason: Option<Reason>) {
    if let Some(reason) = reason {
        line(out, 2, &format!("problem: {}", words(reason)));
    }
}

fn words(reason: Reason) -> String {
    format!("{} ({})", reason.text(), reason.code())
}

fn instant(at: OffsetDateTime) -> String {
    at.format(format_description!("[year]-[month]-[day] [hour]:[minute]Z"))
        .unwrap_or_default()
}

/// Appends one line; what the sender put into it cannot move the cursor or change colours.
fn line(out: &mut String, indent: usize, text: &str) {
    let safe: String = text
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{:indent$}{safe}", "");
}
