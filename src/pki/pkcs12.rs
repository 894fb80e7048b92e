//! The certificates of the authorities in a PKCS#12 file.
//!
//! # Trust
//!
//! The file is the administrator's. Its MAC is not checked: it protects against nobody who could
//! replace the file, and a wrong passphrase shows when the content is opened.
//!
//! # Invariants
//!
//! * Private keys in the file are not opened, and the certificate that belongs to one is nobody's
//!   authority.
//!
//! # See also
//!
//! RFC 7292 sections 4 and 5.

use zeroize::Zeroizing;

use crate::asn1::oid::Oid;
use crate::asn1::reader::tag;
use crate::asn1::{Asn1Error, Reader, Tlv, ber, oid, writer};
use crate::pki::certificate::{Certificate, CertificateError};
use crate::pki::key::{KeyError, Passphrase};
use crate::pki::key_file;

/// True where `bytes` begin as a PKCS#12 file does.
#[must_use]
pub fn is_one(bytes: &[u8]) -> bool {
    ber::to_der(bytes).is_ok_and(|der| auth_safe(&der).is_ok())
}

/// Returns the certificates of the file that belong to no private key in it, each or what is wrong
/// with it.
///
/// # Errors
///
/// [`KeyError`]: the structure is broken, or the passphrase is wrong. Without one the empty
/// passphrase is tried.
pub fn authorities(
    bytes: &[u8],
    passphrase: Option<&Passphrase>,
) -> Result<Vec<Result<Certificate, CertificateError>>, KeyError> {
    let nobody = Passphrase::new(Zeroizing::new(Vec::new()));
    let der = ber::to_der(bytes)?;
    let mut found = Found::default();
    let safe = ber::to_der(auth_safe(&der)?)?;
    let mut parts = Reader::only(&safe, tag::SEQUENCE)?.children();
    while !parts.is_empty() {
        let mut info = parts.expect(tag::SEQUENCE)?.children();
        let kind = info.expect(tag::OID)?;
        let Some(explicit) = info.optional(tag::context(0))? else {
            continue;
        };
        if kind.is_oid(&oid::DATA) {
            let octets = Reader::only(explicit.content, tag::OCTET_STRING)?;
            found.bags(octets.content)?;
        } else if kind.is_oid(&ENCRYPTED_DATA) {
            let opened = decrypt(&explicit, passphrase.unwrap_or(&nobody));
            // One wrong key in 256 leaves a padding that looks right, and nonsense before it.
            let read = opened.and_then(|content| {
                let bags = found.bags(&content);
                bags.map_err(|_| KeyError::WrongPassphrase)
            });
            read.map_err(|e| match (e, passphrase) {
                (KeyError::WrongPassphrase, None) => KeyError::NeedsPassphrase,
                (e, _) => e,
            })?;
        }
        // Enveloped for somebody's key: not for us.
    }
    let has_key = found.has_key;
    let all = found.certificates.into_iter();
    Ok(all
        .filter(|(is_marked, _)| !(has_key && *is_marked))
        .map(|(_, der)| Certificate::from_der(&der))
        .collect())
}

/// Returns the AuthenticatedSafe of a PFX.
fn auth_safe(der: &[u8]) -> Result<&[u8], Asn1Error> {
    let mut pfx = Reader::only(der, tag::SEQUENCE)?.children();
    if pfx.expect(tag::INTEGER)?.small_uint()? != 3 {
        return Err(Asn1Error::Value);
    }
    let mut info = pfx.expect(tag::SEQUENCE)?.children();
    if !info.expect(tag::OID)?.is_oid(&oid::DATA) {
        return Err(Asn1Error::Unexpected);
    }
    let explicit = info.expect(tag::context(0))?;
    Ok(Reader::only(explicit.content, tag::OCTET_STRING)?.content)
}

/// Opens an EncryptedData (RFC 5652 section 8).
fn decrypt(explicit: &Tlv<'_>, passphrase: &Passphrase) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let mut fields = Reader::only(explicit.content, tag::SEQUENCE)?.children();
    fields.expect(tag::INTEGER)?;
    let mut content = fields.expect(tag::SEQUENCE)?.children();
    content.expect(tag::OID)?;
    let algorithm = content.expect(tag::SEQUENCE)?;
    let sealed = content.read()?;
    let octets = match sealed.tag {
        tag if tag == tag::context_primitive(0) => sealed.content.to_vec(),
        // In pieces, as programs write it that stream.
        _ => {
            let mut pieces = sealed.children();
            let mut whole = Vec::new();
            while !pieces.is_empty() {
                whole.extend_from_slice(pieces.expect(tag::OCTET_STRING)?.content);
            }
            whole
        }
    };
    // Keys are sealed by the same algorithms, in a structure of the same parts.
    let info = writer::sequence(&[algorithm.raw, &writer::octet_string(&octets)]);
    key_file::decrypt_pkcs8(&info, passphrase)
}

#[derive(Default)]
struct Found {
    has_key: bool,
    /// With whether a localKeyId ties it to a key.
    certificates: Vec<(bool, Vec<u8>)>,
}

impl Found {
    /// Reads a SafeContents.
    fn bags(&mut self, der: &[u8]) -> Result<(), Asn1Error> {
        let der = ber::to_der(der)?;
        let mut bags = Reader::only(&der, tag::SEQUENCE)?.children();
        while !bags.is_empty() {
            let mut bag = bags.expect(tag::SEQUENCE)?.children();
            let kind = bag.expect(tag::OID)?;
            let value = bag.expect(tag::context(0))?;
            if kind.is_oid(&KEY_BAG) || kind.is_oid(&SHROUDED_KEY_BAG) {
                self.has_key = true;
            } else if kind.is_oid(&CERT_BAG) {
                let is_marked = has_local_key(bag.optional(tag::SET)?)?;
                let mut fields = Reader::only(value.content, tag::SEQUENCE)?.children();
                if fields.expect(tag::OID)?.is_oid(&X509_CERTIFICATE) {
                    let explicit = fields.expect(tag::context(0))?;
                    let octets = Reader::only(explicit.content, tag::OCTET_STRING)?;
                    self.certificates.push((is_marked, octets.content.to_vec()));
                }
            }
        }
        Ok(())
    }
}

fn has_local_key(attributes: Option<Tlv<'_>>) -> Result<bool, Asn1Error> {
    let Some(set) = attributes else {
        return Ok(false);
    };
    let mut list = set.children();
    while !list.is_empty() {
        let kind = list.expect(tag::SEQUENCE)?.children().expect(tag::OID)?;
        if kind.is_oid(&LOCAL_KEY_ID) {
            return Ok(true);
        }
    }
    Ok(false)
}

const ENCRYPTED_DATA: Oid = Oid::new_unwrap("1.2.840.113549.1.7.6");
const KEY_BAG: Oid = Oid::new_unwrap("1.2.840.113549.1.12.10.1.1");
const SHROUDED_KEY_BAG: Oid = Oid::new_unwrap("1.2.840.113549.1.12.10.1.2");
const CERT_BAG: Oid = Oid::new_unwrap("1.2.840.113549.1.12.10.1.3");
const X509_CERTIFICATE: Oid = Oid::new_unwrap("1.2.840.113549.1.9.22.1");
const LOCAL_KEY_ID: Oid = Oid::new_unwrap("1.2.840.113549.1.9.21");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::testing::{CA, LEAF, Pki};

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(Zeroizing::new(text.as_bytes().to_vec()))
    }

    fn found(bytes: &[u8], word: Option<&str>) -> Result<Vec<Certificate>, KeyError> {
        let word = word.map(passphrase);
        let all = authorities(bytes, word.as_ref())?;
        Ok(all.into_iter().map(Result::unwrap).collect())
    }

    #[test]
    fn authorities_beside_a_key_are_found_under_every_cipher_of_openssl() {
        let pki = Pki::new();
        pki.issue("mid", "root", CA);
        pki.issue("leaf", "mid", LEAF);
        let scratch = &pki.0;
        let both = [scratch.read("mid.pem"), scratch.read("root.pem")].concat();
        scratch.write("both.pem", both);
        let export = "pkcs12 -export -in leaf.pem -inkey leaf.key -certfile both.pem -out a.p12";
        for options in [
            "",
            "-certpbe AES-128-CBC",
            "-certpbe PBE-SHA1-3DES",
            "-certpbe PBE-SHA1-RC2-40 -legacy",
            "-certpbe PBE-SHA1-RC2-128 -legacy",
            "-certpbe NONE",
        ] {
            scratch.openssl(&format!("{export} -passout pass:secret {options}"));
            let bytes = scratch.read("a.p12");
            assert!(is_one(&bytes), "{options}");
            let right = found(&bytes, Some("secret")).unwrap();
            assert_eq!(right, pki.all(&["mid", "root"]), "{options}");
            if options.ends_with("NONE") {
                assert_eq!(found(&bytes, None).unwrap(), right);
            } else {
                let wrong = found(&bytes, Some("guess")).unwrap_err();
                assert_eq!(wrong, KeyError::WrongPassphrase, "{options}");
                let none = found(&bytes, None).unwrap_err();
                assert_eq!(none, KeyError::NeedsPassphrase, "{options}");
            }
        }
    }

    #[test]
    fn file_without_key_is_a_bundle_and_an_empty_passphrase_is_none() {
        let pki = Pki::new();
        let scratch = &pki.0;
        scratch.openssl("pkcs12 -export -nokeys -in root.pem -passout pass: -out a.p12");
        let bytes = scratch.read("a.p12");
        assert_eq!(found(&bytes, None).unwrap(), pki.all(&["root"]));
        for end in 0..bytes.len() {
            assert!(found(&bytes[..end], None).is_err(), "{end}");
        }
        assert!(!is_one(&scratch.read("root.pem")));
        assert!(!is_one(pki.get("root").der()));
    }
}
