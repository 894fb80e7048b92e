//! The words that keys of a list take, and what they stand for.
//!
//! # Trust
//!
//! A scenario name and a language become parts of file names: neither can hold a `/` or begin with
//! a dot.

use crate::model::list::{
    CipherChoice, ContentCipher, Encrypt, KeyTransport, Legacy, MissingCertificate,
    OnUndecryptable, Revocation, SubjectPolicy, TransportChoice,
};

pub(super) fn title(text: &str) -> Result<String, &'static str> {
    if text.chars().any(char::is_control) {
        Err("has a control character or line break")
    } else if text.len() > 200 {
        Err("is longer than 200 bytes")
    } else {
        Ok(text.trim().to_owned())
    }
}

/// A name that becomes part of a file name, and so cannot lead out of its directory.
pub(super) fn scenario_name(text: &str) -> Result<String, &'static str> {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
    if text.is_empty() || text.starts_with('.') || text.len() > 100 || !text.bytes().all(fine) {
        Err("is no scenario name (letters, digits, _, - and .)")
    } else {
        Ok(text.to_owned())
    }
}

/// RFC 5646 in outline; it becomes part of a file name too.
pub(super) fn language(text: &str) -> Result<String, &'static str> {
    let mut parts = text.split('-');
    let first = parts.next().unwrap_or_default();
    let main = (2..=8).contains(&first.len()) && first.bytes().all(|b| b.is_ascii_alphabetic());
    let rest = parts.all(|part| {
        (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric())
    });
    if main && rest && text.len() <= 35 {
        Ok(text.to_owned())
    } else {
        Err("is no language tag")
    }
}

pub(super) fn legacy(name: &str) -> Result<Legacy, String> {
    Legacy::from_name(name).ok_or_else(|| {
        let known: Vec<_> = Legacy::names().collect();
        format!("is unknown ({})", known.join(", "))
    })
}

pub(super) const ENCRYPT: [(&str, Encrypt); 3] = [
    ("mirror", Encrypt::Mirror),
    ("always", Encrypt::Always),
    ("never", Encrypt::Never),
];
pub(super) const ON_UNDECRYPTABLE: [(&str, OnUndecryptable); 3] = [
    ("forward", OnUndecryptable::Forward),
    ("reject", OnUndecryptable::Reject),
    ("hold", OnUndecryptable::Hold),
];
pub(super) const MISSING: [(&str, MissingCertificate); 2] = [
    ("notice", MissingCertificate::Notice),
    ("nothing", MissingCertificate::Nothing),
];
pub(super) const CIPHERS: [(&str, CipherChoice); 5] = [
    ("auto", CipherChoice::Auto),
    ("aes-256-gcm", CipherChoice::Fixed(ContentCipher::Aes256Gcm)),
    ("aes-128-gcm", CipherChoice::Fixed(ContentCipher::Aes128Gcm)),
    ("aes-256-cbc", CipherChoice::Fixed(ContentCipher::Aes256Cbc)),
    ("aes-128-cbc", CipherChoice::Fixed(ContentCipher::Aes128Cbc)),
];
pub(super) const TRANSPORTS: [(&str, TransportChoice); 3] = [
    ("auto", TransportChoice::Auto),
    ("oaep", TransportChoice::Fixed(KeyTransport::Oaep)),
    ("pkcs1-v1_5", TransportChoice::Fixed(KeyTransport::Pkcs1v15)),
];
pub(super) const FLOORS: [(&str, ContentCipher); 4] = [
    ("aes-128-cbc", ContentCipher::Aes128Cbc),
    ("aes-256-cbc", ContentCipher::Aes256Cbc),
    ("aes-128-gcm", ContentCipher::Aes128Gcm),
    ("aes-256-gcm", ContentCipher::Aes256Gcm),
];
pub(super) const SUBJECT: [(&str, SubjectPolicy); 2] = [
    ("as-is", SubjectPolicy::AsIs),
    ("hide", SubjectPolicy::Hide),
];
pub(super) const REVOCATION: [(&str, Revocation); 3] = [
    ("soft", Revocation::Soft),
    ("hard", Revocation::Hard),
    ("off", Revocation::Off),
];
