//! Derives a key-encryption key from an ECDH shared secret.
//!
//! # See also
//!
//! RFC 5753 section 7.1.4 and SEC 1 section 3.6.1 (X9.63); RFC 8418 section 2.2 and RFC 5869
//! (HKDF); RFC 5753 section 7.2 (ECC-CMS-SharedInfo).

use aws_lc_rs::{digest, hmac};
use zeroize::Zeroizing;

use crate::asn1::reader::tag;
use crate::asn1::{Tlv, oid, writer};

/// A key-derivation function with its digest (allow-list of contract S47).
#[derive(Clone, Copy)]
pub enum Kdf {
    /// HKDF; the user keying material is the salt.
    Hkdf(hmac::Algorithm),
    /// ANSI X9.63.
    X963(&'static digest::Algorithm),
}

impl Kdf {
    /// Returns the function that a key-agreement scheme uses, none for schemes that are not read.
    ///
    /// The cofactor schemes are read too: the cofactor of every supported curve is one.
    #[must_use]
    pub fn of(scheme: &Tlv<'_>) -> Option<Self> {
        let table = [
            (
                &oid::DH_SHA1_KDF,
                Self::X963(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            ),
            (&oid::DH_SHA224_KDF, Self::X963(&digest::SHA224)),
            (&oid::DH_SHA256_KDF, Self::X963(&digest::SHA256)),
            (&oid::DH_SHA384_KDF, Self::X963(&digest::SHA384)),
            (&oid::DH_SHA512_KDF, Self::X963(&digest::SHA512)),
            (
                &oid::DH_COFACTOR_SHA1_KDF,
                Self::X963(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            ),
            (&oid::DH_COFACTOR_SHA224_KDF, Self::X963(&digest::SHA224)),
            (&oid::DH_COFACTOR_SHA256_KDF, Self::X963(&digest::SHA256)),
            (&oid::DH_COFACTOR_SHA384_KDF, Self::X963(&digest::SHA384)),
            (&oid::DH_COFACTOR_SHA512_KDF, Self::X963(&digest::SHA512)),
            (&oid::DH_HKDF_SHA256, Self::Hkdf(hmac::HMAC_SHA256)),
            (&oid::DH_HKDF_SHA384, Self::Hkdf(hmac::HMAC_SHA384)),
            (&oid::DH_HKDF_SHA512, Self::Hkdf(hmac::HMAC_SHA512)),
        ];
        table
            .into_iter()
            .find(|(known, _)| scheme.is_oid(known))
            .map(|(_, kdf)| kdf)
    }

    /// Returns `length` bytes of key for the shared `secret`; `wrap` is the key-wrap
    /// AlgorithmIdentifier as received, `ukm` the user keying material.
    #[must_use]
    pub fn derive(
        self,
        secret: &[u8],
        wrap: &[u8],
        ukm: Option<&[u8]>,
        length: usize,
    ) -> Zeroizing<Vec<u8>> {
        let info = shared_info(wrap, ukm, length);
        self.expand(secret, ukm.unwrap_or_default(), &info, length)
    }

    /// Returns `length` bytes for `secret` and `info`, fewer where HKDF has no more than 255 blocks
    /// to give; X9.63 takes no salt.
    #[must_use]
    pub fn expand(
        self,
        secret: &[u8],
        salt: &[u8],
        info: &[u8],
        length: usize,
    ) -> Zeroizing<Vec<u8>> {
        let mut key = match self {
            Self::X963(digest) => x963(digest, secret, info, length),
            Self::Hkdf(algorithm) => hkdf(algorithm, secret, salt, info, length),
        };
        key.truncate(length);
        key
    }
}

/// Returns the DER of ECC-CMS-SharedInfo.
#[must_use]
pub fn shared_info(wrap: &[u8], ukm: Option<&[u8]>, key_length: usize) -> Vec<u8> {
    let entity = ukm.map_or_else(Vec::new, |ukm| {
        writer::element(tag::context(0), &[&writer::octet_string(ukm)])
    });
    // The length counts bits, in four octets.
    let bits = u32::try_from(key_length.saturating_mul(8)).unwrap_or(u32::MAX);
    let public = writer::element(
        tag::context(2),
        &[&writer::octet_string(&bits.to_be_bytes())],
    );
    writer::sequence(&[wrap, &entity, &public])
}

fn x963(
    algorithm: &'static digest::Algorithm,
    secret: &[u8],
    info: &[u8],
    length: usize,
) -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(Vec::with_capacity(
        length.saturating_add(algorithm.output_len()),
    ));
    for counter in 1_u32.. {
        let mut context = digest::Context::new(algorithm);
        context.update(secret);
        context.update(&counter.to_be_bytes());
        context.update(info);
        key.extend_from_slice(context.finish().as_ref());
        if key.len() >= length {
            break;
        }
    }
    key
}

fn hkdf(
    algorithm: hmac::Algorithm,
    secret: &[u8],
    salt: &[u8],
    info: &[u8],
    length: usize,
) -> Zeroizing<Vec<u8>> {
    // An empty HMAC key is the same as the HashLen zeros that RFC 5869 names.
    let extracted = hmac::sign(&hmac::Key::new(algorithm, salt), secret);
    let expanding = hmac::Key::new(algorithm, extracted.as_ref());
    let mut key = Zeroizing::new(Vec::with_capacity(length.saturating_add(64)));
    let mut block: Zeroizing<Vec<u8>> = Zeroizing::default();
    for counter in 1..=u8::MAX {
        let mut context = hmac::Context::with_key(&expanding);
        context.update(&block);
        context.update(info);
        context.update(&[counter]);
        block = Zeroizing::new(context.sign().as_ref().to_vec());
        key.extend_from_slice(&block);
        if key.len() >= length {
            break;
        }
    }
    key
}
