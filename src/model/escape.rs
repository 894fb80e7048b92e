//! File names for addresses, in both of Sympa's schemes.
//!
//! # Invariants
//!
//! * [`underscore`] is injective; its result is ASCII of `A-Za-z0-9+-.@_` alone.
//! * [`file_name`] is at most 200 bytes (contract E17) and never begins with a dot.
//!
//! # See also
//!
//! `research`: the two schemes were observed on Sympa 6.2.70 for all 256 bytes.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use super::figures::hex;

/// Escapes `text` as Sympa does since 6.2.63b.1: bytes outside `A-Za-z0-9+-.@` become `_xx`.
#[must_use]
pub fn underscore(text: &str) -> String {
    escape(
        text,
        |b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.' | b'@'),
        '_',
    )
}

/// Escapes `text` as Sympa did before 6.2.63b.1, including its odd `/` as `%a5`.
#[must_use]
pub fn percent(text: &str) -> String {
    let kept = |b: u8| !matches!(b, 0x20..=0x2c | 0x2f | 0x3a..=0x3f | 0x5b | 0x5d | 0x80..=0xff);
    escape(text, kept, '%').replace("%2f", "%a5")
}

/// Returns the name under which the certificate of `address_key` is written.
///
/// Names over 200 bytes are cut after 120 and closed with `~` and the SHA-256 of the address.
#[must_use]
pub fn file_name(address_key: &str) -> String {
    let name = undotted(underscore(address_key));
    shortened(name, address_key)
}

/// Returns the names under which an older Sympa may have stored `address_key`, without
/// [`file_name`] itself and without any that could leave the directory.
#[must_use]
pub fn older_names(address_key: &str) -> Vec<String> {
    let name = percent(address_key);
    let usable = name != file_name(address_key)
        && name.len() <= MAX_NAME
        && !name.starts_with('.')
        && !name.contains(['/', '\0']);
    if usable { vec![name] } else { Vec::new() }
}

fn escape(text: &str, kept: impl Fn(u8) -> bool, mark: char) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if kept(byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "{mark}{byte:02x}");
        }
    }
    out
}

fn undotted(name: String) -> String {
    match name.strip_prefix('.') {
        Some(rest) => format!("_2e{rest}"),
        None => name,
    }
}

fn shortened(name: String, address_key: &str) -> String {
    if name.len() <= MAX_NAME {
        return name;
    }
    let mut short: String = name.chars().take(KEPT).collect();
    short.push('~');
    short += &hex(&Sha256::digest(address_key.as_bytes()));
    short
}

const MAX_NAME: usize = 200;
const KEPT: usize = 120;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn underscore_scheme_matches_sympa() {
        assert_eq!(underscore("o'brien+tag@ex.org"), "o_27brien+tag@ex.org");
        assert_eq!(underscore("a_b@ex.org"), "a_5fb@ex.org");
        assert_eq!(underscore("a/b@x"), "a_2fb@x");
        assert_eq!(underscore("\u{e9}@x"), "_c3_a9@x");
    }

    #[test]
    fn percent_scheme_matches_older_sympa() {
        assert_eq!(percent("user+tag@x"), "user%2btag@x");
        assert_eq!(percent("a=b@x"), "a%3db@x");
        assert_eq!(percent("a_b@x"), "a_b@x");
        assert_eq!(percent("a/b@x"), "a%a5b@x");
        assert_eq!(percent("a%b@x"), "a%25b@x");
    }

    #[test]
    fn e17_long_names_are_cut_and_hashed() {
        let long = format!("{}@{}.example", "\u{e9}".repeat(32), "d".repeat(60));
        let name = file_name(&long);
        assert_eq!(name.len(), 120 + 1 + 64);
        assert_ne!(name, file_name(&long.replace("dd.", "de.")));
        assert!(file_name(".a@x").starts_with("_2ea"));
    }

    proptest! {
        #[test]
        fn e17_names_are_safe_and_injective(a in "\\PC{1,64}", b in "\\PC{1,64}") {
            let (x, y) = (file_name(&a), file_name(&b));
            prop_assert!(x.len() <= 200 && x.is_ascii() && !x.starts_with('.') && !x.contains('/'));
            prop_assert_eq!(a == b, x == y);
        }
    }
}
