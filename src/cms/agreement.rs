//! Reads KeyAgreeRecipientInfo and unwraps with a key that both sides agree on.
//!
//! # Invariants
//!
//! * The peer's point is checked against the curve of our own key. What a sender says about the
//!   curve has to name this one; parameters spelt out are refused, right or wrong (contract S47).
//!
//! # See also
//!
//! RFC 5652 section 6.2.2, RFC 5753 section 3.1, RFC 8418, RFC 3394 (AES key wrap), RFC 3217
//! section 3.2 (Triple DES key wrap).

use aes::cipher::block_padding::NoPadding;
use aes::cipher::{BlockModeDecrypt as _, KeyIvInit as _};
use aes_kw::{AesKw, KeyInit};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::CmsError;
use super::algorithms::AlgorithmId;
use super::certificate_id::CertificateId;
use super::kdf::Kdf;
use crate::asn1::reader::tag;
use crate::asn1::{Reader, Tlv, oid, writer};
use crate::model::Reason;
use crate::model::list::Legacy;
use crate::pki::certificate::Certificate;
use crate::pki::key::KeyPair;
use crate::pki::public_key::{Curve, PublicKey};
use crate::pki::signature::Digest;

/// KeyAgreeRecipientInfo, cut to one RecipientEncryptedKey.
pub struct Agreement<'a> {
    id: CertificateId<'a>,
    originator: Originator<'a>,
    ukm: Option<&'a [u8]>,
    algorithm: AlgorithmId<'a>,
    encrypted_key: &'a [u8],
}

/// Whose key the sender agrees with.
#[derive(Clone, Copy)]
enum Originator<'a> {
    /// The key of a certificate: the sender's static key.
    Certificate(CertificateId<'a>),
    /// This public key, made for the message: its algorithm and the point.
    Key(AlgorithmId<'a>, &'a [u8]),
}

/// Reads the content of `[1] KeyAgreeRecipientInfo`.
///
/// # Errors
///
/// [`CmsError::Asn1`] when it is another structure.
pub fn each<'a>(tlv: &Tlv<'a>) -> Result<Vec<Agreement<'a>>, CmsError> {
    let mut parts = tlv.children();
    parts.expect(tag::INTEGER)?;
    let originator = Originator::parse(&parts.expect(tag::context(0))?)?;
    let ukm = match parts.optional(tag::context(1))? {
        Some(explicit) => Some(Reader::only(explicit.content, tag::OCTET_STRING)?.content),
        None => None,
    };
    let algorithm = AlgorithmId::parse(&parts.read()?)?;
    let mut keys = parts.expect(tag::SEQUENCE)?.children();
    parts.finish()?;
    let mut found = Vec::new();
    while !keys.is_empty() {
        let mut key = keys.expect(tag::SEQUENCE)?.children();
        let id = key.read()?;
        let id = if id.tag == tag::context(0) {
            // RecipientKeyIdentifier: the identifier, then optional parts that say nothing to us.
            CertificateId::KeyId(id.children().expect(tag::OCTET_STRING)?.content)
        } else {
            CertificateId::issuer_and_serial(&Reader::only(id.raw, tag::SEQUENCE)?)?
        };
        let encrypted_key = key.expect(tag::OCTET_STRING)?.content;
        found.push(Agreement {
            id,
            originator,
            ukm,
            algorithm,
            encrypted_key,
        });
    }
    Ok(found)
}

impl<'a> Originator<'a> {
    /// Reads the choice of OriginatorIdentifierOrKey.
    fn parse(explicit: &Tlv<'a>) -> Result<Self, CmsError> {
        let mut choice = explicit.children();
        let Some(key) = choice.optional(tag::context(1))? else {
            return Ok(Self::Certificate(CertificateId::parse(&choice.read()?)?));
        };
        let mut parts = key.children();
        let algorithm = AlgorithmId::parse(&parts.read()?)?;
        let point = parts.expect(tag::BIT_STRING)?.bit_octets()?;
        parts.finish()?;
        Ok(Self::Key(algorithm, point))
    }

    /// Returns the public point, if it is for the curve of `own`; of a static key only where its
    /// certificate is at hand.
    fn point(&self, own: &PublicKey, certificates: &[Certificate]) -> Result<Vec<u8>, Reason> {
        match self {
            Self::Key(algorithm, point) => {
                is_on_curve_of(own, algorithm)?;
                Ok(point.to_vec())
            }
            Self::Certificate(id) => {
                let named = certificates.iter().find(|c| id.names(c));
                let key = named.and_then(|c| c.public_key().ok());
                let key = key.ok_or(Reason::UnsupportedAlgorithm)?;
                if is_same_curve(own, &key) {
                    Ok(key.octets())
                } else {
                    Err(Reason::BadParameters)
                }
            }
        }
    }
}

/// Checks the algorithm of a key made for the message against the key it is to agree with: no
/// parameters, NULL or the name of the curve (RFC 5753 section 3.1.1); none for X25519 (RFC 8410).
fn is_on_curve_of(own: &PublicKey, algorithm: &AlgorithmId<'_>) -> Result<(), Reason> {
    let (kind, curve) = match own {
        PublicKey::Ec { curve, .. } => (&oid::EC_PUBLIC_KEY, Some(*curve)),
        _ => (&oid::X25519, None),
    };
    if !algorithm.is(kind) {
        return Err(Reason::UnsupportedAlgorithm);
    }
    let named = algorithm.parameters.and_then(|p| Curve::from_oid(&p));
    if algorithm.is_bare() || (named.is_some() && named == curve) {
        Ok(())
    } else {
        Err(Reason::BadParameters)
    }
}

fn is_same_curve(own: &PublicKey, other: &PublicKey) -> bool {
    match (own, other) {
        (PublicKey::Ec { curve, .. }, PublicKey::Ec { curve: other, .. }) => curve == other,
        (PublicKey::X25519(_), PublicKey::X25519(_)) => true,
        _ => false,
    }
}

impl<'a> Agreement<'a> {
    /// Returns how the recipient's certificate is named.
    #[must_use]
    pub fn id(&self) -> &CertificateId<'a> {
        &self.id
    }

    /// Returns the content key that the private key of `pair` unwraps, or nothing; `certificates`
    /// are those a static key of the sender may be in.
    ///
    /// # Errors
    ///
    /// [`Reason::UnsupportedAlgorithm`], [`Reason::WeakCipher`] (Triple DES, decision 10) or
    /// [`Reason::BadParameters`], from public data alone and before the private key is used.
    pub fn unwrap(
        &self,
        pair: &KeyPair,
        certificates: &[Certificate],
        legacy: Legacy,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Reason> {
        let kdf = Kdf::of(&self.algorithm.oid).ok_or(Reason::UnsupportedAlgorithm)?;
        let wrap = self.algorithm.parameters.ok_or(Reason::BadParameters)?;
        let wrap = AlgorithmId::parse(&wrap).map_err(|_| Reason::BadParameters)?;
        let length = [
            (oid::AES128_WRAP, 16),
            (oid::AES192_WRAP, 24),
            (oid::AES256_WRAP, 32),
            (oid::TRIPLE_DES_WRAP, 24),
        ]
        .into_iter()
        .find(|(known, _)| wrap.is(known))
        .map(|(_, length)| length)
        .ok_or(Reason::UnsupportedAlgorithm)?;
        let is_triple = wrap.is(&oid::TRIPLE_DES_WRAP);
        if is_triple && !legacy.admits(Legacy::TRIPLE_DES) {
            return Err(Reason::WeakCipher);
        }
        if !wrap.is_bare() {
            return Err(Reason::BadParameters);
        }
        let point = self.originator.point(pair.key.public_key(), certificates)?;
        let Some(secret) = pair.key.agree(&point) else {
            return Ok(None);
        };
        // The name of the key wrap enters the derivation. Senders disagree whether it bears NULL
        // there (RFC 5753 section 7.2 against RFC 3565 section 2.3.2), whatever they send.
        let oid = wrap.oid.raw;
        let other = match wrap.parameters {
            Some(_) => writer::sequence(&[oid]),
            None => writer::sequence(&[oid, &writer::null()]),
        };
        Ok([wrap.whole.raw, &other].into_iter().find_map(|name| {
            let key = kdf.derive(&secret, name, self.ukm, length);
            if is_triple {
                triple_des_unwrap(&key, self.encrypted_key)
            } else {
                aes_unwrap(&key, self.encrypted_key)
            }
        }))
    }
}

/// Unwraps with AES key wrap (RFC 3394), by the length of `key`; `None` where it does not fit, and for
/// keys shorter than two semiblocks.
#[must_use]
pub fn aes_unwrap(key: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(vec![0; wrapped.len()]);
    let length = match key.len() {
        16 => unwrap_with::<aes::Aes128>(key, wrapped, &mut out),
        24 => unwrap_with::<aes::Aes192>(key, wrapped, &mut out),
        _ => unwrap_with::<aes::Aes256>(key, wrapped, &mut out),
    }?;
    out.truncate(length);
    Some(out)
}

/// Two layers of Triple DES around the key, its checksum and a vector.
fn triple_des_unwrap(key: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if wrapped.len() != 40 {
        return None;
    }
    let mut out = Zeroizing::new(wrapped.to_vec());
    triple_des(key, &OUTER_IV, &mut out)?;
    out.reverse();
    let (iv, inner) = out.split_at_mut_checked(8)?;
    triple_des(key, iv, inner)?;
    let (cek, checksum) = inner.split_at_checked(24)?;
    let expected = Digest::Sha1.of(cek);
    let holds = bool::from(expected.get(..8)?.ct_eq(checksum));
    holds.then(|| Zeroizing::new(cek.to_vec()))
}

fn triple_des(key: &[u8], iv: &[u8], text: &mut [u8]) -> Option<()> {
    let cipher = cbc::Decryptor::<des::TdesEde3>::new_from_slices(key, iv).ok()?;
    cipher.decrypt_padded::<NoPadding>(text).ok().map(drop)
}

const OUTER_IV: [u8; 8] = [0x4a, 0xdd, 0xa2, 0x2c, 0x79, 0xe8, 0x21, 0x05];

fn unwrap_with<C>(key: &[u8], wrapped: &[u8], out: &mut [u8]) -> Option<usize>
where
    C: KeyInit + aes::cipher::BlockCipherDecrypt<BlockSize = aes::cipher::consts::U16>,
{
    // One semiblock is no key; the crate would take it.
    if wrapped.len() < 24 {
        return None;
    }
    let unwrapping = AesKw::<C>::new_from_slice(key).ok()?;
    unwrapping.unwrap_key(wrapped, out).ok().map(<[u8]>::len)
}
