//! Reads RecipientInfos: for whom content is encrypted, and how its key is wrapped.
//!
//! # Invariants
//!
//! * A private key is used only for a RecipientInfo that names its certificate (contract S13).
//! * [`Recipient::unwrap`] gives no sign whether the key was right (S12): what is wrong with public
//!   parameters is an error, what is wrong with the wrapped key is nothing.
//!
//! # See also
//!
//! RFC 5652 section 6.2, RFC 5753 section 3.1, RFC 8418, RFC 4055 section 4.1 (OAEP).

use aes_kw::{AesKw, KeyInit};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::CmsError;
use super::algorithms::{AlgorithmId, dotted};
use super::kdf::Kdf;
use crate::asn1::reader::tag;
use crate::asn1::{Reader, Tlv, oid};
use crate::model::Reason;
use crate::pki::certificate::Certificate;
use crate::pki::key::{KeyPair, OaepParameters};
use crate::pki::public_key::PublicKey;
use crate::pki::signature::Digest;

/// How a certificate is named.
#[derive(Clone, Copy)]
pub enum CertificateId<'a> {
    /// By issuer name and serial number, as encoded.
    IssuerSerial {
        /// The whole Name.
        issuer: &'a [u8],
        /// Content octets of the INTEGER.
        serial: &'a [u8],
    },
    /// By subject key identifier.
    KeyId(&'a [u8]),
}

impl<'a> CertificateId<'a> {
    /// Reads an IssuerAndSerialNumber.
    ///
    /// # Errors
    ///
    /// [`CmsError::Asn1`] when `tlv` is none.
    pub fn issuer_and_serial(tlv: &Tlv<'a>) -> Result<Self, CmsError> {
        let mut parts = tlv.children();
        let issuer = parts.expect(tag::SEQUENCE)?.raw;
        let serial = parts.expect(tag::INTEGER)?.content;
        parts.finish()?;
        Ok(Self::IssuerSerial { issuer, serial })
    }

    /// Reads a choice of IssuerAndSerialNumber and `[0] IMPLICIT` SubjectKeyIdentifier.
    ///
    /// # Errors
    ///
    /// [`CmsError::Asn1`] when `tlv` is neither.
    pub fn parse(tlv: &Tlv<'a>) -> Result<Self, CmsError> {
        if tlv.tag == tag::context_primitive(0) {
            Ok(Self::KeyId(tlv.content))
        } else {
            Self::issuer_and_serial(&Reader::only(tlv.raw, tag::SEQUENCE)?)
        }
    }

    /// True when `certificate` is the one that is named.
    #[must_use]
    pub fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::IssuerSerial { issuer, serial } => {
                certificate.serial() == *serial && certificate.issuer_der() == *issuer
            }
            Self::KeyId(id) => certificate.subject_key_id() == Some(*id),
        }
    }
}

/// One way to the content key.
pub enum Recipient<'a> {
    /// An agreed key, for one of the recipients that share it.
    Agreement(Agreement<'a>),
    /// A kind that is not read.
    Other,
    /// A password or a key that both sides hold.
    Password,
    /// The content key under a public key.
    Transport(Transport<'a>),
}

/// KeyTransRecipientInfo.
pub struct Transport<'a> {
    id: CertificateId<'a>,
    algorithm: AlgorithmId<'a>,
    encrypted_key: &'a [u8],
}

/// KeyAgreeRecipientInfo, cut to one RecipientEncryptedKey.
pub struct Agreement<'a> {
    id: CertificateId<'a>,
    /// Ephemeral public key of the sender; none for a static one.
    originator: Option<&'a [u8]>,
    ukm: Option<&'a [u8]>,
    algorithm: AlgorithmId<'a>,
    encrypted_key: &'a [u8],
}

impl<'a> Recipient<'a> {
    /// Reads one RecipientInfo, which may hold several wrapped keys; an unreadable one is
    /// [`Recipient::Other`], because it may be meant for somebody with newer software.
    #[must_use]
    pub fn parse(tlv: &Tlv<'a>) -> Vec<Self> {
        match tlv.tag {
            tag::SEQUENCE => vec![transport(tlv).map_or(Self::Other, Self::Transport)],
            KEY_AGREEMENT => agreements(tlv).unwrap_or_else(|_| vec![Self::Other]),
            KEY_ENCRYPTION_KEY | PASSWORD => vec![Self::Password],
            _ => vec![Self::Other],
        }
    }

    /// Returns the name of the key-encryption algorithm.
    #[must_use]
    pub fn algorithm_name(&self) -> String {
        match self {
            Self::Agreement(_) => "ecdh-es".to_owned(),
            Self::Other => "unknown".to_owned(),
            Self::Password => "password".to_owned(),
            Self::Transport(t) if t.algorithm.is(&oid::RSA_ENCRYPTION) => {
                "rsaes-pkcs1-v1_5".to_owned()
            }
            Self::Transport(t) if t.algorithm.is(&oid::RSA_OAEP) => "rsaes-oaep".to_owned(),
            Self::Transport(t) => dotted(&t.algorithm.oid),
        }
    }

    /// True when this names the certificate of `pair` and fits the kind of its key.
    #[must_use]
    pub fn is_for(&self, pair: &KeyPair) -> bool {
        match self {
            Self::Transport(t) => {
                t.id.names(&pair.certificate)
                    && matches!(pair.key.public_key(), PublicKey::Rsa { .. })
            }
            Self::Agreement(a) => {
                a.id.names(&pair.certificate)
                    && matches!(
                        pair.key.public_key(),
                        PublicKey::Ec { .. } | PublicKey::X25519(..)
                    )
            }
            Self::Other | Self::Password => false,
        }
    }

    /// Returns what the private key of `pair` makes of the wrapped key: the content key, or some
    /// bytes, or nothing.
    ///
    /// # Errors
    ///
    /// [`Reason::UnsupportedAlgorithm`] or [`Reason::BadParameters`], from public data alone and
    /// before the private key is used.
    pub fn unwrap(
        &self,
        pair: &KeyPair,
        rng: &mut dyn CryptoRng,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Reason> {
        match self {
            Self::Transport(t) => t.unwrap(pair, rng),
            Self::Agreement(a) => a.unwrap(pair),
            Self::Other | Self::Password => Err(Reason::UnsupportedAlgorithm),
        }
    }
}

impl Transport<'_> {
    fn unwrap(
        &self,
        pair: &KeyPair,
        rng: &mut dyn CryptoRng,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Reason> {
        if self.algorithm.is(&oid::RSA_ENCRYPTION) {
            if !self.algorithm.is_bare() {
                return Err(Reason::BadParameters);
            }
            return Ok(Some(pair.key.decrypt_pkcs1v15(rng, self.encrypted_key)));
        }
        if self.algorithm.is(&oid::RSA_OAEP) {
            let parameters = oaep(self.algorithm.parameters)?;
            return Ok(pair.key.decrypt_oaep(rng, &parameters, self.encrypted_key));
        }
        Err(Reason::UnsupportedAlgorithm)
    }
}

impl Agreement<'_> {
    fn unwrap(&self, pair: &KeyPair) -> Result<Option<Zeroizing<Vec<u8>>>, Reason> {
        let kdf = Kdf::of(&self.algorithm.oid).ok_or(Reason::UnsupportedAlgorithm)?;
        let wrap = self.algorithm.parameters.ok_or(Reason::BadParameters)?;
        let wrap = AlgorithmId::parse(&wrap).map_err(|_| Reason::BadParameters)?;
        let length = [
            (oid::AES128_WRAP, 16),
            (oid::AES192_WRAP, 24),
            (oid::AES256_WRAP, 32),
        ]
        .into_iter()
        .find(|(known, _)| wrap.is(known))
        .map(|(_, length)| length)
        .ok_or(Reason::UnsupportedAlgorithm)?;
        // A static sender key would need the sender's certificate; nobody writes such mail.
        let point = self.originator.ok_or(Reason::UnsupportedAlgorithm)?;
        let Some(secret) = pair.key.agree(point) else {
            return Ok(None);
        };
        let key = kdf.derive(&secret, wrap.whole.raw, self.ukm, length);
        Ok(aes_unwrap(&key, self.encrypted_key))
    }
}

fn transport<'a>(tlv: &Tlv<'a>) -> Result<Transport<'a>, CmsError> {
    let mut parts = tlv.children();
    parts.expect(tag::INTEGER)?;
    let id = CertificateId::parse(&parts.read()?)?;
    let algorithm = AlgorithmId::parse(&parts.read()?)?;
    let encrypted_key = parts.expect(tag::OCTET_STRING)?.content;
    parts.finish()?;
    Ok(Transport {
        id,
        algorithm,
        encrypted_key,
    })
}

fn agreements<'a>(tlv: &Tlv<'a>) -> Result<Vec<Recipient<'a>>, CmsError> {
    let mut parts = tlv.children();
    parts.expect(tag::INTEGER)?;
    let originator = originator_key(&parts.expect(tag::context(0))?)?;
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
        found.push(Recipient::Agreement(Agreement {
            id,
            originator,
            ukm,
            algorithm,
            encrypted_key,
        }));
    }
    Ok(found)
}

/// Returns the public key of `[1] OriginatorPublicKey`, none for the other two choices.
fn originator_key<'a>(explicit: &Tlv<'a>) -> Result<Option<&'a [u8]>, CmsError> {
    let mut choice = explicit.children();
    let Some(key) = choice.optional(tag::context(1))? else {
        return Ok(None);
    };
    let mut parts = key.children();
    // The curve is the one of our own key; a point that is not on it fails there (S47).
    parts.expect(tag::SEQUENCE)?;
    Ok(Some(parts.expect(tag::BIT_STRING)?.bit_octets()?))
}

fn aes_unwrap(key: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(vec![0; wrapped.len()]);
    let length = match key.len() {
        16 => unwrap_with::<aes::Aes128>(key, wrapped, &mut out),
        24 => unwrap_with::<aes::Aes192>(key, wrapped, &mut out),
        _ => unwrap_with::<aes::Aes256>(key, wrapped, &mut out),
    }?;
    out.truncate(length);
    Some(out)
}

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

/// Returns checked OAEP parameters (contract S14): SHA-1 or SHA-2, MGF1, no label.
fn oaep(parameters: Option<Tlv<'_>>) -> Result<OaepParameters, Reason> {
    oaep_parts(parameters).ok_or(Reason::BadParameters)
}

fn oaep_parts(parameters: Option<Tlv<'_>>) -> Option<OaepParameters> {
    let mut parts = Reader::only(parameters?.raw, tag::SEQUENCE)
        .ok()?
        .children();
    let digest = match parts.optional(tag::context(0)).ok()? {
        Some(explicit) => oaep_digest(&explicit)?,
        None => Digest::Sha1,
    };
    let mgf = match parts.optional(tag::context(1)).ok()? {
        Some(explicit) => {
            let mgf = AlgorithmId::parse(&only(&explicit)?).ok()?;
            if !mgf.is(&oid::MGF1) {
                return None;
            }
            digest_of(&mgf.parameters?)?
        }
        None => Digest::Sha1,
    };
    if let Some(explicit) = parts.optional(tag::context(2)).ok()? {
        let source = AlgorithmId::parse(&only(&explicit)?).ok()?;
        let label = source.parameters?;
        if !source.is(&oid::P_SPECIFIED)
            || label.tag != tag::OCTET_STRING
            || !label.content.is_empty()
        {
            return None;
        }
    }
    parts.finish().ok()?;
    Some(OaepParameters {
        digest,
        mgf,
        label: Vec::new(),
    })
}

fn oaep_digest(explicit: &Tlv<'_>) -> Option<Digest> {
    digest_of(&only(explicit)?)
}

fn only<'a>(explicit: &Tlv<'a>) -> Option<Tlv<'a>> {
    let mut inside = explicit.children();
    let tlv = inside.read().ok()?;
    inside.is_empty().then_some(tlv)
}

fn digest_of(algorithm: &Tlv<'_>) -> Option<Digest> {
    Digest::from_algorithm(algorithm)
        .ok()
        .filter(|digest| *digest != Digest::Md5)
}

const KEY_AGREEMENT: u8 = tag::context(1);
const KEY_ENCRYPTION_KEY: u8 = tag::context(2);
const PASSWORD: u8 = tag::context(3);
