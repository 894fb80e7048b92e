//! RSASSA-PSS with any pair of digests and any salt length.
//!
//! # Trust
//!
//! Parameters and signature are hostile; the key has been checked (contract E15). Everything here is
//! public, nothing needs constant time.
//!
//! # See also
//!
//! RFC 8017 sections 8.1.2, 9.1.2 and B.2.1; RFC 4055 section 3.1 (parameters).

use rsa::traits::PublicKeyParts as _;
use rsa::{BoxedUint, RsaPublicKey, hazmat};

use crate::asn1::oid;
use crate::asn1::reader::tag;
use crate::asn1::{Asn1Error, Reader, Tlv};
use crate::pki::digest::Digest;
use crate::pki::signature::SignatureError;

/// RSASSA-PSS-params.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameters {
    /// The digest of the message.
    pub(super) digest: Digest,
    /// The digest inside MGF1.
    mgf: Digest,
    /// Length of the salt in bytes.
    salt: usize,
}

impl Parameters {
    /// Reads the parameters of an AlgorithmIdentifier; the trailer field is 1.
    pub(super) fn parse(parameters: &Tlv<'_>) -> Result<Self, SignatureError> {
        let mut fields = parameters.children();
        let digest = match fields.optional(tag::context(0))? {
            Some(explicit) => named(&Reader::only(explicit.content, tag::SEQUENCE)?)?,
            None => Digest::Sha1,
        };
        let mgf = match fields.optional(tag::context(1))? {
            Some(explicit) => {
                let mut mgf = Reader::only(explicit.content, tag::SEQUENCE)?.children();
                if !mgf.expect(tag::OID)?.is_oid(&oid::MGF1) {
                    return Err(SignatureError::Unsupported);
                }
                let inner = named(&mgf.expect(tag::SEQUENCE)?)?;
                mgf.finish()?;
                inner
            }
            None => Digest::Sha1,
        };
        let number = |tlv: Option<Tlv<'_>>, default: u64| match tlv {
            Some(explicit) => Reader::only(explicit.content, tag::INTEGER)?.small_uint(),
            None => Ok(default),
        };
        let salt = number(fields.optional(tag::context(2))?, 20)?;
        let trailer = number(fields.optional(tag::context(3))?, 1)?;
        fields.finish()?;
        if trailer != 1 || salt > MAX_SALT {
            return Err(SignatureError::Parameters);
        }
        Ok(Self {
            digest,
            mgf,
            salt: usize::try_from(salt).unwrap_or(usize::MAX),
        })
    }

    /// True where a key that is tied to `allowed` may sign so (RFC 4055 section 3.3).
    pub(super) fn are_within(&self, allowed: &Self) -> bool {
        self.digest == allowed.digest && self.mgf == allowed.mgf && self.salt >= allowed.salt
    }

    /// Checks `signature` over `message`.
    pub(super) fn verify(
        &self,
        key: &RsaPublicKey,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        if self.holds(key, message, signature) == Some(true) {
            Ok(())
        } else {
            Err(SignatureError::Mismatch)
        }
    }

    fn holds(&self, key: &RsaPublicKey, message: &[u8], signature: &[u8]) -> Option<bool> {
        let bits = usize::try_from(key.n().bits()).ok()?.checked_sub(1)?;
        let encoded = opened(key, signature, bits.div_ceil(8))?;
        // EM = maskedDB || H || 0xbc
        let (rest, last) = encoded.split_at_checked(encoded.len().checked_sub(1)?)?;
        let (masked, hash) = rest.split_at_checked(rest.len().checked_sub(self.digest.size())?)?;
        let unused = encoded.len().checked_mul(8)?.checked_sub(bits)?;
        let used = 0xff_u8.checked_shr(u32::try_from(unused).ok()?)?;
        if last != [0xbc] || masked.first()? & !used != 0 {
            return Some(false);
        }
        let mask = mgf1(self.mgf, hash, masked.len());
        let mut data: Vec<u8> = masked.iter().zip(&mask).map(|(a, b)| a ^ b).collect();
        *data.first_mut()? &= used;
        // DB = zeros || 0x01 || salt
        let (padding, salt) = data.split_at_checked(data.len().checked_sub(self.salt)?)?;
        let (one, zeros) = padding.split_last()?;
        if *one != 1 || zeros.iter().any(|byte| *byte != 0) {
            return Some(false);
        }
        let hashed = self.digest.of(message);
        let again = self.digest.of(&[&[0; 8], &hashed[..], salt].concat());
        Some(again == hash)
    }
}

/// A digest; one that is not known is not supported rather than malformed.
fn named(algorithm: &Tlv<'_>) -> Result<Digest, SignatureError> {
    Digest::from_algorithm(algorithm).map_err(|error| match error {
        Asn1Error::Unexpected => SignatureError::Unsupported,
        _ => SignatureError::Parameters,
    })
}

/// Applies the public key; nothing for a signature that is no number below the modulus, or whose
/// result is longer than `length` bytes.
fn opened(key: &RsaPublicKey, signature: &[u8], length: usize) -> Option<Vec<u8>> {
    if signature.len() != key.size() {
        return None;
    }
    let number = BoxedUint::from_be_slice(signature, key.n_bits_precision()).ok()?;
    if number >= *key.n().as_ref() {
        return None;
    }
    let octets = hazmat::rsa_encrypt(key, &number).ok()?.to_be_bytes();
    let (zeros, encoded) = octets.split_at_checked(octets.len().checked_sub(length)?)?;
    zeros
        .iter()
        .all(|byte| *byte == 0)
        .then(|| encoded.to_vec())
}

fn mgf1(digest: Digest, seed: &[u8], length: usize) -> Vec<u8> {
    let mut mask = Vec::with_capacity(length.saturating_add(digest.size()));
    for counter in 0_u32.. {
        if mask.len() >= length {
            break;
        }
        mask.extend(digest.of(&[seed, &counter.to_be_bytes()].concat()));
    }
    mask.truncate(length);
    mask
}

/// The largest salt that fits an 8192-bit modulus.
const MAX_SALT: u64 = 1024;
