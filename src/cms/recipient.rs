//! Reads RecipientInfos: for whom content is encrypted, and how its key is wrapped.
//!
//! # Invariants
//!
//! * [`Recipient::unwrap`] gives no sign whether the key was right (S12): what is wrong with public
//!   parameters is an error, what is wrong with the wrapped key is nothing.
//!
//! # See also
//!
//! RFC 5652 section 6.2, RFC 5753 section 3.1, RFC 8418, RFC 4055 section 4.1 (OAEP).

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::CmsError;
use super::agreement::{self, Agreement};
use super::algorithms::{AlgorithmId, dotted};
use super::certificate_id::CertificateId;
use crate::asn1::reader::tag;
use crate::asn1::{Asn1Error, Reader, Tlv, oid};
use crate::model::Reason;
use crate::model::list::Legacy;
use crate::pki::certificate::Certificate;
use crate::pki::key::{KeyPair, OaepParameters};
use crate::pki::public_key::PublicKey;
use crate::pki::signature::Digest;

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

impl<'a> Recipient<'a> {
    /// Reads one RecipientInfo, which may hold several wrapped keys; an unreadable one is
    /// [`Recipient::Other`], because it may be meant for somebody with newer software.
    #[must_use]
    pub fn parse(tlv: &Tlv<'a>) -> Vec<Self> {
        match tlv.tag {
            tag::SEQUENCE => vec![transport(tlv).map_or(Self::Other, Self::Transport)],
            KEY_AGREEMENT => agreement::each(tlv).map_or_else(
                |_| vec![Self::Other],
                |all| all.into_iter().map(Self::Agreement).collect(),
            ),
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
        self.id().is_some_and(|id| id.names(&pair.certificate)) && self.fits(pair)
    }

    /// True when this may be meant for `pair` under a key identifier that senders made up
    /// themselves, which the certificate does not carry.
    #[must_use]
    pub fn may_be_for(&self, pair: &KeyPair) -> bool {
        // Of another size, it surely is somebody else's.
        let size = match (self, pair.key.public_key()) {
            (Self::Transport(t), PublicKey::Rsa { modulus, .. }) => {
                t.encrypted_key.len() == modulus.len()
            }
            _ => true,
        };
        size && matches!(self.id(), Some(CertificateId::KeyId(_))) && self.fits(pair)
    }

    fn id(&self) -> Option<&CertificateId<'a>> {
        match self {
            Self::Agreement(a) => Some(a.id()),
            Self::Transport(t) => Some(&t.id),
            Self::Other | Self::Password => None,
        }
    }

    /// True when a key of this kind could have been used.
    fn fits(&self, pair: &KeyPair) -> bool {
        matches!(
            (self, pair.key.public_key()),
            (Self::Transport(_), PublicKey::Rsa { .. })
                | (
                    Self::Agreement(_),
                    PublicKey::Ec { .. } | PublicKey::X25519(..)
                )
        )
    }

    /// Returns what the private key of `pair` makes of the wrapped key: the content key, or some
    /// bytes, or nothing. `originators` are certificates of senders who agree with a key of their own.
    ///
    /// # Errors
    ///
    /// [`Reason::UnsupportedAlgorithm`], [`Reason::WeakCipher`] or [`Reason::BadParameters`], from
    /// public data alone and before the private key is used.
    pub fn unwrap(
        &self,
        pair: &KeyPair,
        originators: &[Certificate],
        legacy: Legacy,
        rng: &mut dyn CryptoRng,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, Reason> {
        match self {
            Self::Transport(t) => t.unwrap(pair, rng),
            Self::Agreement(a) => a.unwrap(pair, originators, legacy),
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
        // Some writers leave out leading zeros (RFC 8017 section 7.1.2 wants the full length).
        let full = match pair.key.public_key() {
            PublicKey::Rsa { modulus, .. } => modulus.len(),
            _ => 0,
        };
        let mut wrapped = vec![0; full.saturating_sub(self.encrypted_key.len())];
        wrapped.extend_from_slice(self.encrypted_key);
        if self.algorithm.is(&oid::RSA_ENCRYPTION) {
            if !self.algorithm.is_bare() {
                return Err(Reason::BadParameters);
            }
            return Ok(Some(pair.key.decrypt_pkcs1v15(rng, &wrapped)));
        }
        if self.algorithm.is(&oid::RSA_OAEP) {
            let parameters = oaep(self.algorithm.parameters)?;
            return Ok(pair.key.decrypt_oaep(rng, &parameters, &wrapped));
        }
        Err(Reason::UnsupportedAlgorithm)
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

/// Returns checked OAEP parameters (contract S14): SHA-1 or SHA-2, MGF1, any label.
fn oaep(parameters: Option<Tlv<'_>>) -> Result<OaepParameters, Reason> {
    let broken = |_| Reason::BadParameters;
    let parameters = parameters.ok_or(Reason::BadParameters)?;
    let parameters = Reader::only(parameters.raw, tag::SEQUENCE).map_err(broken)?;
    let mut parts = parameters.children();
    let mut part = |number| parts.optional(tag::context(number)).map_err(broken);
    let (digest, mgf, label) = (part(0)?, part(1)?, part(2)?);
    parts.finish().map_err(broken)?;
    Ok(OaepParameters {
        digest: digest.map_or(Ok(Digest::Sha1), |explicit| digest_of(&only(&explicit)?))?,
        mgf: mgf.map_or(Ok(Digest::Sha1), |explicit| mask(&only(&explicit)?))?,
        label: label.map_or(Ok(Vec::new()), |explicit| source(&only(&explicit)?))?,
    })
}

fn mask(algorithm: &Tlv<'_>) -> Result<Digest, Reason> {
    let mgf = AlgorithmId::parse(algorithm).map_err(|_| Reason::BadParameters)?;
    if !mgf.is(&oid::MGF1) {
        return Err(Reason::UnsupportedAlgorithm);
    }
    digest_of(&mgf.parameters.ok_or(Reason::BadParameters)?)
}

fn source(algorithm: &Tlv<'_>) -> Result<Vec<u8>, Reason> {
    let source = AlgorithmId::parse(algorithm).map_err(|_| Reason::BadParameters)?;
    if !source.is(&oid::P_SPECIFIED) {
        return Err(Reason::UnsupportedAlgorithm);
    }
    match source.parameters {
        Some(label) if label.tag == tag::OCTET_STRING => Ok(label.content.to_vec()),
        _ => Err(Reason::BadParameters),
    }
}

fn only<'a>(explicit: &Tlv<'a>) -> Result<Tlv<'a>, Reason> {
    Reader::only(explicit.content, tag::SEQUENCE).map_err(|_| Reason::BadParameters)
}

/// A digest; one that is not known is not supported rather than malformed.
fn digest_of(algorithm: &Tlv<'_>) -> Result<Digest, Reason> {
    match Digest::from_algorithm(algorithm) {
        Ok(digest) if (Digest::Sha1..=Digest::Sha512).contains(&digest) => Ok(digest),
        Ok(_) | Err(Asn1Error::Unexpected) => Err(Reason::UnsupportedAlgorithm),
        Err(_) => Err(Reason::BadParameters),
    }
}

const KEY_AGREEMENT: u8 = tag::context(1);
const KEY_ENCRYPTION_KEY: u8 = tag::context(2);
const PASSWORD: u8 = tag::context(3);
