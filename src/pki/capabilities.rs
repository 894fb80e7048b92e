//! What mail clients say they can read: SMIMECapabilities, as far as sealing asks, and the list's own.
//!
//! # Trust
//!
//! Only the capabilities in the signed attributes of a valid signature may be given here: whoever
//! could write them would choose how weakly a subscriber's mail is sealed (contract S23).
//!
//! # See also
//!
//! RFC 8551 section 2.5.2, RFC 3560 section 5, RFC 4055 section 4.1.

use crate::asn1::oid::{self, Oid};
use crate::asn1::reader::tag;
use crate::asn1::{Asn1Error, Reader, writer};
use crate::model::list::ContentCipher;

/// Returns the content ciphers that a SMIMECapabilities value announces, in its order, each once.
/// Others in it are passed over.
///
/// # Errors
///
/// [`Asn1Error`] where it is malformed.
pub fn content_ciphers(der: &[u8]) -> Result<Vec<ContentCipher>, Asn1Error> {
    let mut list = Reader::only(der, tag::SEQUENCE)?.children();
    let mut out = Vec::new();
    while !list.is_empty() {
        let kind = list.expect(tag::SEQUENCE)?.children().expect(tag::OID)?;
        let known = CIPHERS.iter().find(|(oid, _)| kind.is_oid(oid));
        if let Some((_, cipher)) = known
            && !out.contains(cipher)
        {
            out.push(*cipher);
        }
    }
    Ok(out)
}

/// True where a SMIMECapabilities value announces RSAES-OAEP as [`oaep_algorithm`] writes it, or
/// without any limit. Malformed values announce nothing.
#[must_use]
pub fn reads_oaep(der: &[u8]) -> bool {
    let Ok(list) = Reader::only(der, tag::SEQUENCE) else {
        return false;
    };
    let digest = writer::algorithm(&oid::SHA256, &writer::null());
    let mask = writer::algorithm(&oid::MGF1, &digest);
    // The octets that RFC 3560 section 5 prints lack the tags of its own parameters.
    let printed = writer::algorithm(&oid::RSA_OAEP, &writer::sequence(&[&digest, &mask]));
    let known = [
        oaep_algorithm(),
        printed,
        writer::algorithm(&oid::RSA_OAEP, &[]),
    ];
    let mut list = list.children();
    while let Ok(one) = list.read() {
        if known.iter().any(|known| known == one.raw) {
            return true;
        }
    }
    false
}

/// RSAES-OAEP with SHA-256 for digest and mask (RFC 4055 section 4.1; the label is empty).
#[must_use]
pub fn oaep_algorithm() -> Vec<u8> {
    let digest = writer::algorithm(&oid::SHA256, &writer::null());
    let mask = writer::algorithm(&oid::MGF1, &digest);
    let parameters = writer::sequence(&[
        &writer::element(tag::context(0), &[&digest]),
        &writer::element(tag::context(1), &[&mask]),
    ]);
    writer::algorithm(&oid::RSA_OAEP, &parameters)
}

const CIPHERS: [(Oid, ContentCipher); 4] = [
    (oid::AES256_GCM, ContentCipher::Aes256Gcm),
    (oid::AES128_GCM, ContentCipher::Aes128Gcm),
    (oid::AES256_CBC, ContentCipher::Aes256Cbc),
    (oid::AES128_CBC, ContentCipher::Aes128Cbc),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oaep_is_announced_with_sha256_or_without_limit_alone() {
        let list = |one: &[u8]| writer::sequence(&[&writer::algorithm(&oid::AES256_CBC, &[]), one]);
        assert!(reads_oaep(&list(&oaep_algorithm())));
        assert!(reads_oaep(&list(&writer::algorithm(&oid::RSA_OAEP, &[]))));
        // RFC 3560 section 5, as printed.
        let printed = "303806092a864886f70d010107302b300d06096086480165030402010500\
                       301a06092a864886f70d010108300d06096086480165030402010500";
        let printed: Vec<u8> = (0..printed.len() / 2)
            .map(|i| u8::from_str_radix(&printed[2 * i..2 * i + 2], 16).unwrap())
            .collect();
        assert!(reads_oaep(&list(&printed)));
        let sha1 = writer::algorithm(&oid::RSA_OAEP, &writer::sequence(&[]));
        assert!(!reads_oaep(&list(&sha1)));
        assert!(!reads_oaep(&list(&[])));
        assert!(!reads_oaep(b"x"));
    }

    #[test]
    fn known_ciphers_are_found_among_others() {
        let one = |oid: &Oid, parameters: &[u8]| writer::sequence(&[&writer::oid(oid), parameters]);
        let der = writer::sequence(&[
            &one(&oid::AES256_CBC, &[]),
            &one(&oid::DES_EDE3_CBC, &[]),
            &one(
                &Oid::new_unwrap("1.2.840.113549.3.2"),
                &writer::small_uint(128),
            ),
            &one(&oid::AES128_GCM, &[]),
            &one(&oid::AES256_CBC, &[]),
        ]);
        use ContentCipher::{Aes128Gcm, Aes256Cbc};
        assert_eq!(content_ciphers(&der), Ok(vec![Aes256Cbc, Aes128Gcm]));
        assert_eq!(content_ciphers(&writer::sequence(&[])), Ok(Vec::new()));
        assert!(content_ciphers(&der[..der.len() - 1]).is_err());
        assert!(content_ciphers(&writer::sequence(&[&writer::null()])).is_err());
    }
}
