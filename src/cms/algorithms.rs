//! Names algorithms and decrypts content with those that are admitted.
//!
//! # Invariants
//!
//! * An authentication tag is exactly 16 bytes long, in its parameters and in fact, and a nonce 12
//!   (contract S15).
//! * Ciphers that are broken or old are read only where `legacy` admits them (decision 10).
//!
//! # See also
//!
//! RFC 3565 (AES-CBC), RFC 5084 (AES-CCM, AES-GCM), RFC 8103 (ChaCha20-Poly1305), RFC 3370 (Triple DES).

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, InnerIvInit, KeyIvInit};
use aws_lc_rs::aead;
use ccm::aead::AeadInOut as _;
use ccm::consts::{U12, U16};
use ccm::{Ccm, KeyInit as _};
use der::asn1::ObjectIdentifier;
use zeroize::Zeroizing;

use super::CmsError;
use super::content_info::ContentKind;
use crate::asn1::oid::{self, Oid};
use crate::asn1::reader::tag;
use crate::asn1::{Reader, Tlv};
use crate::model::Reason;
use crate::model::list::Legacy;

/// An AlgorithmIdentifier cut into its two parts.
#[derive(Clone, Copy)]
pub struct AlgorithmId<'a> {
    /// The OBJECT IDENTIFIER.
    pub oid: Tlv<'a>,
    /// Its parameters, where there are any.
    pub parameters: Option<Tlv<'a>>,
    /// The whole element as received.
    pub whole: Tlv<'a>,
}

impl<'a> AlgorithmId<'a> {
    /// Cuts an AlgorithmIdentifier.
    ///
    /// # Errors
    ///
    /// [`CmsError::Asn1`] when `tlv` is none.
    pub fn parse(tlv: &Tlv<'a>) -> Result<Self, CmsError> {
        let mut parts = Reader::only(tlv.raw, tag::SEQUENCE)?.children();
        let oid = parts.expect(tag::OID)?;
        let parameters = if parts.is_empty() {
            None
        } else {
            Some(parts.read()?)
        };
        parts.finish()?;
        Ok(Self {
            oid,
            parameters,
            whole: *tlv,
        })
    }

    /// True for this algorithm.
    #[must_use]
    pub fn is(&self, oid: &Oid) -> bool {
        self.oid.is_oid(oid)
    }

    /// True when there are no parameters, or NULL ones.
    #[must_use]
    pub fn is_bare(&self) -> bool {
        self.parameters
            .is_none_or(|p| p.tag == tag::NULL && p.content.is_empty())
    }

    /// Returns the name from `table`, else the dotted number.
    #[must_use]
    pub fn name(&self, table: &[(Oid, &'static str)]) -> String {
        table
            .iter()
            .find(|(known, _)| self.is(known))
            .map_or_else(|| dotted(&self.oid), |(_, name)| (*name).to_owned())
    }
}

/// Returns an OBJECT IDENTIFIER in dotted form, or `unknown` for one that cannot be read.
#[must_use]
pub fn dotted(oid: &Tlv<'_>) -> String {
    ObjectIdentifier::from_bytes(oid.content)
        .map_or_else(|_| "unknown".to_owned(), |oid| oid.to_string())
}

/// Names of content-encryption algorithms.
pub const CONTENT_NAMES: &[(Oid, &str)] = &[
    (oid::AES128_CBC, "aes-128-cbc"),
    (oid::AES192_CBC, "aes-192-cbc"),
    (oid::AES256_CBC, "aes-256-cbc"),
    (oid::AES128_GCM, "aes-128-gcm"),
    (oid::AES192_GCM, "aes-192-gcm"),
    (oid::AES256_GCM, "aes-256-gcm"),
    (oid::AES128_CCM, "aes-128-ccm"),
    (oid::AES192_CCM, "aes-192-ccm"),
    (oid::AES256_CCM, "aes-256-ccm"),
    (oid::CHACHA20_POLY1305, "chacha20-poly1305"),
    (oid::DES_EDE3_CBC, "des-ede3-cbc"),
    (oid::DES_CBC, "des-cbc"),
    (oid::RC2_CBC, "rc2-cbc"),
    (oid::CAMELLIA128_CBC, "camellia-128-cbc"),
    (oid::CAMELLIA192_CBC, "camellia-192-cbc"),
    (oid::CAMELLIA256_CBC, "camellia-256-cbc"),
];

/// Names of signature algorithms, without their digests, read or not.
pub const SIGNATURE_NAMES: &[(Oid, &str)] = &[
    (oid::RSA_ENCRYPTION, "rsassa-pkcs1-v1_5"),
    (oid::MD5_RSA, "rsassa-pkcs1-v1_5"),
    (oid::SHA1_RSA, "rsassa-pkcs1-v1_5"),
    (oid::SHA224_RSA, "rsassa-pkcs1-v1_5"),
    (oid::SHA256_RSA, "rsassa-pkcs1-v1_5"),
    (oid::SHA384_RSA, "rsassa-pkcs1-v1_5"),
    (oid::SHA512_RSA, "rsassa-pkcs1-v1_5"),
    (oid::RSA_PSS, "rsassa-pss"),
    (oid::EC_PUBLIC_KEY, "ecdsa"),
    (oid::ECDSA_SHA1, "ecdsa"),
    (oid::ECDSA_SHA224, "ecdsa"),
    (oid::ECDSA_SHA256, "ecdsa"),
    (oid::ECDSA_SHA384, "ecdsa"),
    (oid::ECDSA_SHA512, "ecdsa"),
    (oid::SHA3_256_RSA, "rsassa-pkcs1-v1_5"),
    (oid::SHA3_384_RSA, "rsassa-pkcs1-v1_5"),
    (oid::SHA3_512_RSA, "rsassa-pkcs1-v1_5"),
    (oid::ECDSA_SHA3_256, "ecdsa"),
    (oid::ECDSA_SHA3_384, "ecdsa"),
    (oid::ECDSA_SHA3_512, "ecdsa"),
    (oid::ED25519, "ed25519"),
];

/// A content-encryption algorithm with checked parameters.
pub struct ContentAlgorithm<'a> {
    cipher: Cipher,
    /// Initialization vector or nonce.
    iv: &'a [u8],
}

#[derive(Clone, Copy)]
enum Cipher {
    Aes128Cbc,
    Aes192Cbc,
    Aes256Cbc,
    Aead(&'static aead::Algorithm),
    Aes128Ccm,
    Aes192Ccm,
    Aes256Ccm,
    Camellia128Cbc,
    Camellia192Cbc,
    Camellia256Cbc,
    Des,
    /// With its effective key length in bits.
    Rc2(usize),
    TripleDes,
}

impl<'a> ContentAlgorithm<'a> {
    /// Returns the algorithm that `id` names, if it may be read inside `kind`.
    ///
    /// # Errors
    ///
    /// [`Reason::WeakCipher`] for an old cipher that `legacy` does not admit,
    /// [`Reason::UnsupportedAlgorithm`] for an unknown one or one of the wrong structure,
    /// [`Reason::BadParameters`] for parameters outside contract S15.
    pub fn new(id: &AlgorithmId<'a>, kind: ContentKind, legacy: Legacy) -> Result<Self, Reason> {
        let authenticated = kind == ContentKind::AuthEnveloped;
        let mut cipher = Cipher::of(id, legacy)?;
        // GCM under EnvelopedData has no place for its tag; CBC under AuthEnvelopedData would pass
        // for authenticated.
        if authenticated != cipher.is_authenticated() {
            return Err(Reason::UnsupportedAlgorithm);
        }
        let parameters = id.parameters.ok_or(Reason::BadParameters)?;
        let iv = match parameters.tag {
            tag::SEQUENCE if authenticated => aead_nonce(&parameters),
            tag::SEQUENCE if matches!(cipher, Cipher::Rc2(_)) => {
                let (bits, iv) = rc2_parameters(&parameters).ok_or(Reason::BadParameters)?;
                cipher = Cipher::Rc2(bits);
                Some(iv)
            }
            tag::OCTET_STRING => Some(parameters.content),
            _ => None,
        };
        let iv = iv
            .filter(|iv| iv.len() == cipher.iv_len())
            .ok_or(Reason::BadParameters)?;
        let bare = id.is(&oid::CHACHA20_POLY1305);
        if authenticated && bare == (parameters.tag == tag::SEQUENCE) {
            return Err(Reason::BadParameters);
        }
        Ok(Self { cipher, iv })
    }

    /// Returns the length of the key in bytes.
    #[must_use]
    pub fn key_len(&self) -> usize {
        match self.cipher {
            Cipher::Aes128Cbc | Cipher::Aes128Ccm | Cipher::Camellia128Cbc => 16,
            Cipher::Aes192Cbc | Cipher::Aes192Ccm | Cipher::Camellia192Cbc | Cipher::TripleDes => {
                24
            }
            Cipher::Aes256Cbc | Cipher::Aes256Ccm | Cipher::Camellia256Cbc => 32,
            Cipher::Des => 8,
            Cipher::Rc2(bits) => bits / 8,
            Cipher::Aead(algorithm) => algorithm.key_len(),
        }
    }

    /// True for an algorithm that carries an authentication tag.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.cipher.is_authenticated()
    }

    /// Returns the plaintext, or nothing when key, ciphertext, tag or `aad` do not fit.
    #[must_use]
    pub fn decrypt(
        &self,
        key: &[u8],
        ciphertext: &[u8],
        aad: &[u8],
        tag: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let mut text = Zeroizing::new(ciphertext.to_vec());
        let length = match self.cipher {
            Cipher::Aes128Cbc => cbc::<aes::Aes128>(key, self.iv, &mut text),
            Cipher::Aes192Cbc => cbc::<aes::Aes192>(key, self.iv, &mut text),
            Cipher::Aes256Cbc => cbc::<aes::Aes256>(key, self.iv, &mut text),
            Cipher::Camellia128Cbc => cbc::<camellia::Camellia128>(key, self.iv, &mut text),
            Cipher::Camellia192Cbc => cbc::<camellia::Camellia192>(key, self.iv, &mut text),
            Cipher::Camellia256Cbc => cbc::<camellia::Camellia256>(key, self.iv, &mut text),
            Cipher::Rc2(bits) => rc2_cbc(key, bits, self.iv, &mut text),
            Cipher::Des => cbc::<des::Des>(key, self.iv, &mut text),
            Cipher::TripleDes => cbc::<des::TdesEde3>(key, self.iv, &mut text),
            Cipher::Aead(algorithm) => open(algorithm, key, self.iv, aad, tag, &mut text),
            Cipher::Aes128Ccm => ccm::<aes::Aes128>(key, self.iv, aad, tag, &mut text),
            Cipher::Aes192Ccm => ccm::<aes::Aes192>(key, self.iv, aad, tag, &mut text),
            Cipher::Aes256Ccm => ccm::<aes::Aes256>(key, self.iv, aad, tag, &mut text),
        }?;
        text.truncate(length);
        Some(text)
    }
}

impl Cipher {
    fn of(id: &AlgorithmId<'_>, legacy: Legacy) -> Result<Self, Reason> {
        let modern = [
            (oid::AES128_CBC, Self::Aes128Cbc),
            (oid::AES192_CBC, Self::Aes192Cbc),
            (oid::AES256_CBC, Self::Aes256Cbc),
            (oid::AES128_GCM, Self::Aead(&aead::AES_128_GCM)),
            (oid::AES192_GCM, Self::Aead(&aead::AES_192_GCM)),
            (oid::AES256_GCM, Self::Aead(&aead::AES_256_GCM)),
            (oid::AES128_CCM, Self::Aes128Ccm),
            (oid::AES192_CCM, Self::Aes192Ccm),
            (oid::AES256_CCM, Self::Aes256Ccm),
            (oid::CHACHA20_POLY1305, Self::Aead(&aead::CHACHA20_POLY1305)),
        ];
        if let Some((_, cipher)) = modern.into_iter().find(|(known, _)| id.is(known)) {
            return Ok(cipher);
        }
        let old = [
            (oid::DES_EDE3_CBC, Legacy::TRIPLE_DES, Self::TripleDes),
            (oid::DES_CBC, Legacy::DES, Self::Des),
            // The parameters say how long the key is.
            (oid::RC2_CBC, Legacy::RC2, Self::Rc2(0)),
            (oid::CAMELLIA128_CBC, Legacy::CAMELLIA, Self::Camellia128Cbc),
            (oid::CAMELLIA192_CBC, Legacy::CAMELLIA, Self::Camellia192Cbc),
            (oid::CAMELLIA256_CBC, Legacy::CAMELLIA, Self::Camellia256Cbc),
        ];
        match old.into_iter().find(|(known, _, _)| id.is(known)) {
            Some((_, name, _)) if !legacy.admits(name) => Err(Reason::WeakCipher),
            Some((_, _, cipher)) => Ok(cipher),
            None => Err(Reason::UnsupportedAlgorithm),
        }
    }

    fn is_authenticated(self) -> bool {
        matches!(
            self,
            Self::Aead(_) | Self::Aes128Ccm | Self::Aes192Ccm | Self::Aes256Ccm
        )
    }

    fn iv_len(self) -> usize {
        match self {
            Self::Des | Self::Rc2(_) | Self::TripleDes => 8,
            _ if self.is_authenticated() => NONCE_LEN,
            _ => 16,
        }
    }
}

/// Returns the nonce of GCMParameters or CCMParameters whose tag length is 16 (contract S15).
fn aead_nonce<'a>(parameters: &Tlv<'a>) -> Option<&'a [u8]> {
    let mut parts = parameters.children();
    let nonce = parts.expect(tag::OCTET_STRING).ok()?;
    // An absent length means 12 by default, which is too short here.
    let length = parts.read().ok()?.small_uint().ok()?;
    parts.finish().ok()?;
    (length == TAG_LEN as u64).then_some(nonce.content)
}

/// Returns effective key bits and initialization vector of RC2CBCParameter (RFC 3370 section 5.2).
fn rc2_parameters<'a>(parameters: &Tlv<'a>) -> Option<(usize, &'a [u8])> {
    let mut parts = parameters.children();
    let bits = match parts.read().ok()?.small_uint().ok()? {
        160 => 40,
        120 => 64,
        58 => 128,
        _ => return None,
    };
    let iv = parts.expect(tag::OCTET_STRING).ok()?.content;
    parts.finish().ok()?;
    Some((bits, iv))
}

fn rc2_cbc(key: &[u8], bits: usize, iv: &[u8], text: &mut [u8]) -> Option<usize> {
    // The caller has made the key as long as the parameters say.
    let cipher = rc2::Rc2::new_with_eff_key_len(key, bits);
    let cipher = cbc::Decryptor::inner_iv_slice_init(cipher, iv).ok()?;
    cipher.decrypt_padded::<Pkcs7>(text).ok().map(<[u8]>::len)
}

fn cbc<C>(key: &[u8], iv: &[u8], text: &mut [u8]) -> Option<usize>
where
    C: aes::cipher::BlockCipherDecrypt + aes::cipher::KeyInit,
    cbc::Decryptor<C>: KeyIvInit + BlockModeDecrypt,
{
    let cipher = cbc::Decryptor::<C>::new_from_slices(key, iv).ok()?;
    cipher.decrypt_padded::<Pkcs7>(text).ok().map(<[u8]>::len)
}

fn open(
    algorithm: &'static aead::Algorithm,
    key: &[u8],
    nonce: &[u8],
    aad: &[u8],
    tag: &[u8],
    text: &mut [u8],
) -> Option<usize> {
    if tag.len() != TAG_LEN {
        return None;
    }
    let key = aead::LessSafeKey::new(aead::UnboundKey::new(algorithm, key).ok()?);
    let nonce = aead::Nonce::try_assume_unique_for_key(nonce).ok()?;
    key.open_in_place_separate_tag(nonce, aead::Aad::from(aad), tag, text)
        .ok()
        .map(|plain| plain.len())
}

fn ccm<C>(key: &[u8], nonce: &[u8], aad: &[u8], tag: &[u8], text: &mut [u8]) -> Option<usize>
where
    C: aes::cipher::BlockCipherEncrypt
        + aes::cipher::BlockSizeUser<BlockSize = U16>
        + aes::cipher::KeyInit,
{
    let cipher = Ccm::<C, U16, U12>::new_from_slice(key).ok()?;
    let (nonce, tag) = (nonce.try_into().ok()?, tag.try_into().ok()?);
    let opened = cipher.decrypt_inout_detached(nonce, aad, (&mut *text).into(), tag);
    opened.ok().map(|()| text.len())
}

/// Length of an authentication tag in bytes (contract S15).
pub const TAG_LEN: usize = 16;
const NONCE_LEN: usize = 12;
