//! Whether a copy may be sealed to a certificate, and with which cipher.
//!
//! # See also
//!
//! Contract S23 (floor), S35 (validity), section 5.7; RFC 8551 section 2.7.

use time::OffsetDateTime;

use super::{KeyTransport, Recipient};
use crate::model::Reason;
use crate::model::list::{CipherChoice, ContentCipher, ListPolicy, Readable, TransportChoice};
use crate::pki::Certificate;

/// Makes a certificate ready to seal to, if it may be used at `now`; `transport` is for RSA keys.
///
/// Trust and revocation are not looked at.
///
/// # Errors
///
/// [`Reason::Expired`], [`Reason::NotYetValid`] (S35), [`Reason::UsageEmail`],
/// [`Reason::UsageEncrypt`], [`Reason::BelowFloor`] for RSA under 2048 bits (S23), or what
/// [`Recipient::new`] finds.
pub fn recipient(
    certificate: &Certificate,
    transport: KeyTransport,
    now: OffsetDateTime,
) -> Result<Recipient, Reason> {
    usable(certificate, now)?;
    Recipient::new(certificate, transport)
}

/// Checks dates and usage of a certificate.
///
/// # Errors
///
/// As [`recipient`], without the questions about the key itself.
pub fn usable(certificate: &Certificate, now: OffsetDateTime) -> Result<(), Reason> {
    if now < certificate.not_before() {
        return Err(Reason::NotYetValid);
    }
    if now > certificate.not_after() {
        return Err(Reason::Expired);
    }
    if !matches!(certificate.is_for_email(), Ok(true)) {
        return Err(Reason::UsageEmail);
    }
    // A key of a kind that is not known has no usage either; say that it is the kind.
    if certificate.public_key().is_err() {
        return Err(Reason::UnsupportedAlgorithm);
    }
    if !certificate.usage().encrypt {
        return Err(Reason::UsageEncrypt);
    }
    Ok(())
}

/// Returns the content cipher for a subscriber; `capabilities` are those he announced, if he did.
///
/// A fixed cipher below the floor is lifted to the floor. Without known capabilities
/// AES-256-CBC is taken, which every client reads (decision 9).
///
/// # Errors
///
/// [`Reason::BelowFloor`] when he reads nothing that is strong enough (S23).
pub fn cipher_for(
    policy: &ListPolicy,
    capabilities: Option<&[ContentCipher]>,
) -> Result<ContentCipher, Reason> {
    if let CipherChoice::Fixed(cipher) = policy.content_cipher {
        return Ok(cipher.max(policy.floor));
    }
    let announced = capabilities.and_then(|known| known.iter().max().copied());
    let best = announced.unwrap_or(ContentCipher::Aes256Cbc);
    if best < policy.floor {
        return Err(Reason::BelowFloor);
    }
    Ok(best)
}

/// Returns how the content key travels to a subscriber's RSA key; `reads` is what he announced, if
/// he did. gpgsm and older mailers read no OAEP, so nobody gets it unasked (contract section 5.7).
#[must_use]
pub fn transport_for(policy: &ListPolicy, reads: Option<&Readable>) -> KeyTransport {
    match policy.key_transport {
        TransportChoice::Fixed(transport) => transport,
        TransportChoice::Auto if reads.is_some_and(|reads| reads.oaep) => KeyTransport::Oaep,
        TransportChoice::Auto => KeyTransport::Pkcs1v15,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Address;
    use crate::model::list::*;

    #[test]
    fn oaep_goes_to_those_who_announced_it_or_where_the_list_says_so() {
        use KeyTransport::{Oaep, Pkcs1v15};
        let reads = |oaep| Readable {
            ciphers: Vec::new(),
            oaep,
        };
        for (choice, known, expected) in [
            (TransportChoice::Auto, None, Pkcs1v15),
            (TransportChoice::Auto, Some(reads(false)), Pkcs1v15),
            (TransportChoice::Auto, Some(reads(true)), Oaep),
            (
                TransportChoice::Fixed(Pkcs1v15),
                Some(reads(true)),
                Pkcs1v15,
            ),
            (TransportChoice::Fixed(Oaep), None, Oaep),
        ] {
            let policy = ListPolicy {
                key_transport: choice,
                ..ListPolicy::new(Address::parse("team@example.org").unwrap())
            };
            assert_eq!(transport_for(&policy, known.as_ref()), expected);
        }
    }

    #[test]
    fn s23_cipher_follows_setting_capabilities_and_floor() {
        use ContentCipher::{Aes128Cbc, Aes128Gcm, Aes256Cbc, Aes256Gcm};
        let below = Err(Reason::BelowFloor);
        for (choice, floor, known, expected) in [
            (CipherChoice::Auto, Aes128Cbc, None, Ok(Aes256Cbc)),
            (CipherChoice::Auto, Aes128Cbc, Some(&[][..]), Ok(Aes256Cbc)),
            (
                CipherChoice::Auto,
                Aes128Cbc,
                Some(&[Aes128Cbc]),
                Ok(Aes128Cbc),
            ),
            (CipherChoice::Auto, Aes256Cbc, Some(&[Aes128Cbc]), below),
            (
                CipherChoice::Auto,
                Aes256Cbc,
                Some(&[Aes256Cbc, Aes256Gcm, Aes128Gcm]),
                Ok(Aes256Gcm),
            ),
            (CipherChoice::Auto, Aes128Gcm, None, below),
            (
                CipherChoice::Fixed(Aes128Cbc),
                Aes256Cbc,
                None,
                Ok(Aes256Cbc),
            ),
            (
                CipherChoice::Fixed(Aes256Gcm),
                Aes128Cbc,
                None,
                Ok(Aes256Gcm),
            ),
        ] {
            let policy = ListPolicy {
                content_cipher: choice,
                floor,
                ..ListPolicy::new(Address::parse("team@example.org").unwrap())
            };
            assert_eq!(
                cipher_for(&policy, known),
                expected,
                "{choice:?} {floor:?} {known:?}"
            );
        }
    }
}
