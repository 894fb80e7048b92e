//! What a mail client says it can read: SMIMECapabilities, as far as sealing asks.
//!
//! # Trust
//!
//! Only the capabilities in the signed attributes of a valid signature may be given here: whoever
//! could write them would choose how weakly a subscriber's mail is sealed (contract S23).
//!
//! # See also
//!
//! RFC 8551 section 2.5.2.

use crate::asn1::oid::{self, Oid};
use crate::asn1::reader::tag;
use crate::asn1::{Asn1Error, Reader};
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

const CIPHERS: [(Oid, ContentCipher); 4] = [
    (oid::AES256_GCM, ContentCipher::Aes256Gcm),
    (oid::AES128_GCM, ContentCipher::Aes128Gcm),
    (oid::AES256_CBC, ContentCipher::Aes256Cbc),
    (oid::AES128_CBC, ContentCipher::Aes128Cbc),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::writer;

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
