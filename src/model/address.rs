//! One mail address, as it is compared, shown and written.
//!
//! # Invariants
//!
//! * The domain is lower-case A-label form (RFC 5890); the local part keeps its spelling.
//! * Equality, order and hash ignore the ASCII case of the local part and compare every other byte
//!   (contract E18): no NFKC, no dotless-i folding. A local part that is not NFC is refused.
//! * No control character, space, `<`, `>` or NUL is ever part of an address (contract S48).
//!
//! # See also
//!
//! RFC 5321 section 4.1.2, RFC 6531 section 3.3.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use unicode_normalization::is_nfc;

/// A mailbox address `local@domain` with a canonical domain.
#[derive(Clone)]
pub struct Address {
    local: String,
    domain: String,
    /// Lower-cased local part, `@`, domain: what is compared.
    key: String,
}

/// Why a text is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// A control character, space, angle bracket, comma or similar.
    #[error("has a character that no address may have")]
    Character,
    /// The part after the last `@` is no domain name.
    #[error("has no valid domain after the @")]
    Domain,
    /// Longer than 64 octets before or 253 after the `@`.
    #[error("is too long (64 octets before the @, 253 after it)")]
    Length,
    /// Nothing before the `@`, or a misplaced dot there.
    #[error("has no valid name before the @")]
    Local,
    /// No `@`.
    #[error("has no @")]
    NoAt,
    /// The local part is not in Unicode normalization form C.
    #[error("is not in Unicode normal form C")]
    NotNfc,
}

impl Address {
    /// Returns the address that `text` spells, without display name or angle brackets.
    ///
    /// # Errors
    ///
    /// [`AddressError`] names the first rule that `text` breaks.
    ///
    /// # Examples
    ///
    /// ```
    /// use listseal::model::Address;
    ///
    /// let olga = Address::parse("Olga@EXAMPLE.org")?;
    /// assert_eq!(olga, Address::parse("olga@example.org")?);
    /// assert_eq!(olga.to_string(), "Olga@example.org");
    /// # Ok::<(), listseal::model::address::AddressError>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let (local, domain) = text.rsplit_once('@').ok_or(AddressError::NoAt)?;
        if local.len() > MAX_LOCAL || domain.len() > MAX_DOMAIN {
            return Err(AddressError::Length);
        }
        check_local(local)?;
        let domain = canonical_domain(domain)?;
        let key = format!("{}@{domain}", local.to_ascii_lowercase());
        Ok(Self {
            local: local.to_owned(),
            domain,
            key,
        })
    }

    /// Returns the part before the `@`, as written.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// Returns the lower-case A-label domain.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Returns the lower-cased form that comparison and file names use.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the address with `suffix` appended to its local part.
    ///
    /// # Errors
    ///
    /// As [`Address::parse`], when the result is too long.
    pub fn with_suffix(&self, suffix: &str) -> Result<Self, AddressError> {
        Self::parse(&format!("{}{suffix}@{}", self.local, self.domain))
    }
}

/// Returns the lower-case A-label form of a domain or address literal.
///
/// # Errors
///
/// [`AddressError::Domain`] where it is neither.
pub fn canonical_domain(domain: &str) -> Result<String, AddressError> {
    if let Some(literal) = domain
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
    {
        let fine = !literal.is_empty()
            && literal
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b':' | b'-'));
        return if fine {
            Ok(domain.to_ascii_lowercase())
        } else {
            Err(AddressError::Domain)
        };
    }
    let ascii = idna::domain_to_ascii_strict(domain).map_err(|_| AddressError::Domain)?;
    if ascii.is_empty() || ascii.len() > MAX_DOMAIN || ascii.ends_with('.') {
        return Err(AddressError::Domain);
    }
    Ok(ascii)
}

fn check_local(local: &str) -> Result<(), AddressError> {
    if local.is_empty() {
        return Err(AddressError::Local);
    }
    if !is_nfc(local) {
        return Err(AddressError::NotNfc);
    }
    // A quoted local part would need quoting again in every header and command that carries it;
    // no subscriber's provider hands one out, and smuggling lives there (contract E22, S28).
    let allowed = |c: char| {
        c.is_ascii_alphanumeric()
            || ATEXT.contains(c)
            || c == '.'
            || (c >= '\u{a1}' && !c.is_control() && !c.is_whitespace())
    };
    if !local.chars().all(allowed) {
        return Err(AddressError::Character);
    }
    if local.starts_with('.') || local.ends_with('.') || local.contains("..") {
        return Err(AddressError::Local);
    }
    Ok(())
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Address {}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key.cmp(&other.key)
    }
}

impl Hash for Address {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(|e| serde::de::Error::custom(format!("{text:?} {e}")))
    }
}

/// RFC 5321 section 4.5.3.1.1.
const MAX_LOCAL: usize = 64;
/// RFC 1035 section 2.3.4, without the root dot.
const MAX_DOMAIN: usize = 253;
/// RFC 5322 section 3.2.3, the marks among `atext`.
const ATEXT: &str = "!#$%&'*+-/=?^_`{|}~";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_of_local_part_and_domain_does_not_matter() {
        let a = Address::parse("Alice@Example.ORG").unwrap();
        assert_eq!(a, Address::parse("alice@example.org").unwrap());
        assert_eq!(a.local(), "Alice");
        assert_eq!(a.key(), "alice@example.org");
    }

    #[test]
    fn unicode_domain_becomes_a_label() {
        let a = Address::parse("a@B\u{fc}cher.example").unwrap();
        assert_eq!(a.domain(), "xn--bcher-kva.example");
    }

    #[test]
    fn e18_confusable_local_parts_stay_different() {
        let ligature = Address::parse("\u{fb01}x@example.org").unwrap();
        assert_ne!(ligature, Address::parse("fix@example.org").unwrap());
        let dotless = Address::parse("\u{131}@example.org").unwrap();
        assert_ne!(dotless, Address::parse("i@example.org").unwrap());
        assert_eq!(
            Address::parse("e\u{301}@example.org"),
            Err(AddressError::NotNfc)
        );
    }

    #[test]
    fn s48_characters_of_commands_and_headers_are_refused() {
        for bad in [
            "a b@x.org",
            "a\r\n@x.org",
            "a\0@x.org",
            "<a@x.org",
            "a@x.org>",
            "a,b@x.org",
            "\"a\"@x.org",
            "a@x_y .org",
            "a@",
            "@x.org",
            "a",
            ".a@x.org",
            "a..b@x.org",
            "a@x..org",
        ] {
            assert!(Address::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
