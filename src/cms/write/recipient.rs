//! Seals a content key to one certificate.
//!
//! # Invariants
//!
//! * A certificate is decoded once, in [`Recipient::new`]; [`Recipient::info`] is one public-key
//!   operation and a few copies.
//! * Key agreement uses a fresh ephemeral key for every recipient and message (contract S47).
//!
//! # See also
//!
//! RFC 5652 section 6.2, RFC 3370 section 4.2.1, RFC 3560 (OAEP), RFC 5753, RFC 8418.

use aes::cipher::KeyInit;
use aes_kw::{KwAes128, KwAes256};
use aws_lc_rs::rsa::{
    OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, Pkcs1PublicEncryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::{agreement, digest, hmac, rand};
use zeroize::Zeroizing;

use super::{ContentKey, WriteError};
use crate::asn1::oid::{self, Oid};
use crate::asn1::reader::tag;
use crate::asn1::writer;
use crate::cms::kdf::Kdf;
use crate::model::Reason;
pub use crate::model::list::KeyTransport;
use crate::model::list::Legacy;
use crate::pki::capabilities::oaep_algorithm;
use crate::pki::{Certificate, CertificateError, Curve, PublicKey};

/// A certificate made ready to encrypt to; public, cheap to use, worth keeping.
pub struct Recipient {
    /// IssuerAndSerialNumber.
    name: Vec<u8>,
    key: Key,
}

enum Key {
    Agreement(Agreement),
    Oaep(OaepPublicEncryptingKey),
    /// With everything of the RecipientInfo that stands in front of the encrypted key.
    Pkcs1(Pkcs1PublicEncryptingKey, Vec<u8>),
}

/// An ECDH or X25519 recipient.
struct Agreement {
    algorithm: &'static agreement::Algorithm,
    point: Vec<u8>,
    /// AlgorithmIdentifier of the ephemeral key.
    originator: Vec<u8>,
    scheme: Oid,
    kdf: Kdf,
}

impl Recipient {
    /// Makes `certificate` ready.
    ///
    /// # Errors
    ///
    /// [`Reason::BelowFloor`] for an RSA key under 2048 bits (contract S23), [`Reason::WeakKey`] for
    /// one over 8192, [`Reason::BadParameters`] for a broken key, [`Reason::UsageEncrypt`] for one
    /// that only signs, [`Reason::UnsupportedAlgorithm`] for kinds that are not supported.
    pub fn new(certificate: &Certificate, transport: KeyTransport) -> Result<Self, Reason> {
        let public = certificate.public_key().map_err(|error| match error {
            CertificateError::Key(_) => Reason::UnsupportedAlgorithm,
            _ => Reason::CertificateMalformed,
        })?;
        // Before any arithmetic (contract E15).
        match public.check(Legacy::NONE) {
            Err(Reason::WeakKey) if public.bits() < SMALLEST_RSA => return Err(Reason::BelowFloor),
            result => result?,
        }
        let name = writer::sequence(&[
            certificate.issuer_der(),
            &writer::element(tag::INTEGER, &[certificate.serial()]),
        ]);
        let key = match &public {
            PublicKey::Rsa { pss_only: true, .. } | PublicKey::Ed25519(_) => {
                return Err(Reason::UsageEncrypt);
            }
            PublicKey::Rsa { .. } => rsa(&public, transport, &name)?,
            PublicKey::Ec { curve, point } => Key::Agreement(Agreement::ec(*curve, point)),
            PublicKey::X25519(point) => Key::Agreement(Agreement::x25519(point)),
        };
        Ok(Self { name, key })
    }

    /// Returns the RecipientInfo that holds `key` for this recipient.
    ///
    /// # Errors
    ///
    /// [`WriteError::Key`] when the public key does not work.
    pub fn info(&self, key: &ContentKey) -> Result<Vec<u8>, WriteError> {
        match &self.key {
            Key::Agreement(agreement) => agreement.info(&self.name, key),
            Key::Oaep(public) => {
                let mut sealed = vec![0; public.ciphertext_size()];
                public
                    .encrypt(&OAEP_SHA256_MGF1SHA256, key.bytes(), &mut sealed, None)
                    .map_err(|_| WriteError::Key)?;
                let mut info = transport_front(&self.name, &oaep_algorithm(), sealed.len());
                info.extend_from_slice(&sealed);
                Ok(info)
            }
            Key::Pkcs1(public, front) => {
                let size = front.len().saturating_add(public.ciphertext_size());
                let mut info = front.clone();
                info.resize(size, 0);
                let sealed = info.get_mut(front.len()..).ok_or(WriteError::Key)?;
                public
                    .encrypt(key.bytes(), sealed)
                    .map_err(|_| WriteError::Key)?;
                Ok(info)
            }
        }
    }
}

fn rsa(public: &PublicKey, transport: KeyTransport, name: &[u8]) -> Result<Key, Reason> {
    // Written anew: certificates exist whose AlgorithmIdentifier lacks the NULL.
    let spki = public.spki_der();
    let broken = |_| Reason::BadParameters;
    let usable = PublicEncryptingKey::from_der(&spki).map_err(|_| Reason::BadParameters)?;
    Ok(match transport {
        KeyTransport::Oaep => Key::Oaep(OaepPublicEncryptingKey::new(usable).map_err(broken)?),
        KeyTransport::Pkcs1v15 => {
            let usable = Pkcs1PublicEncryptingKey::new(usable).map_err(broken)?;
            let algorithm = writer::algorithm(&oid::RSA_ENCRYPTION, &writer::null());
            let front = transport_front(name, &algorithm, usable.ciphertext_size());
            Key::Pkcs1(usable, front)
        }
    })
}

/// KeyTransRecipientInfo up to the encrypted key of `length` bytes.
fn transport_front(name: &[u8], algorithm: &[u8], length: usize) -> Vec<u8> {
    let version = writer::small_uint(0);
    let key = writer::header(tag::OCTET_STRING, length);
    let fields = [&version[..], name, algorithm, &key].concat();
    let mut front = writer::header(tag::SEQUENCE, fields.len().saturating_add(length));
    front.extend_from_slice(&fields);
    front
}

impl Agreement {
    fn ec(curve: Curve, point: &[u8]) -> Self {
        // RFC 5753 section 7.1.4: the digest grows with the curve.
        let (algorithm, scheme, hash) = match curve {
            Curve::P256 => (&agreement::ECDH_P256, oid::DH_SHA256_KDF, &digest::SHA256),
            Curve::P384 => (&agreement::ECDH_P384, oid::DH_SHA384_KDF, &digest::SHA384),
            Curve::P521 => (&agreement::ECDH_P521, oid::DH_SHA512_KDF, &digest::SHA512),
        };
        Self {
            algorithm,
            point: point.to_vec(),
            originator: writer::algorithm(&oid::EC_PUBLIC_KEY, &[]),
            scheme,
            kdf: Kdf::X963(hash),
        }
    }

    fn x25519(point: &[u8; 32]) -> Self {
        Self {
            algorithm: &agreement::X25519,
            point: point.to_vec(),
            originator: writer::algorithm(&oid::X25519, &[]),
            scheme: oid::DH_HKDF_SHA256,
            kdf: Kdf::Hkdf(hmac::HMAC_SHA256),
        }
    }

    /// KeyAgreeRecipientInfo with a fresh ephemeral key.
    fn info(&self, name: &[u8], key: &ContentKey) -> Result<Vec<u8>, WriteError> {
        // The wrap is as strong as the key in it (RFC 5753 section 8).
        let long = key.bytes().len() > 16;
        let wrap = writer::algorithm(
            if long {
                &oid::AES256_WRAP
            } else {
                &oid::AES128_WRAP
            },
            &[],
        );
        let ephemeral =
            agreement::EphemeralPrivateKey::generate(self.algorithm, &rand::SystemRandom::new())
                .map_err(|_| WriteError::Key)?;
        let public = ephemeral
            .compute_public_key()
            .map_err(|_| WriteError::Key)?;
        let peer = agreement::UnparsedPublicKey::new(self.algorithm, &self.point);
        // The agreement checks the point and refuses an all-zero result (contract S47).
        let kek = agreement::agree_ephemeral(ephemeral, peer, WriteError::Key, |secret| {
            Ok(self.kdf.derive(secret, &wrap, None, key.bytes().len()))
        })?;
        let wrapped = wrap_key(&kek, key.bytes())?;
        let originator = writer::element(
            tag::context(1),
            &[&self.originator, &writer::bit_string(public.as_ref())],
        );
        let encrypted = writer::sequence(&[name, &writer::octet_string(&wrapped)]);
        Ok(writer::element(
            tag::context(1),
            &[
                &writer::small_uint(3),
                &writer::element(tag::context(0), &[&originator]),
                &writer::algorithm(&self.scheme, &wrap),
                &writer::sequence(&[&encrypted]),
            ],
        ))
    }
}

/// AES key wrap (RFC 3394) with a key-encryption key as long as the key.
fn wrap_key(kek: &Zeroizing<Vec<u8>>, key: &[u8]) -> Result<Vec<u8>, WriteError> {
    let mut wrapped = vec![0; key.len().saturating_add(8)];
    let done = if kek.len() > 16 {
        KwAes256::new_from_slice(kek)
            .ok()
            .and_then(|kw| kw.wrap_key(key, &mut wrapped).ok().map(<[u8]>::len))
    } else {
        KwAes128::new_from_slice(kek)
            .ok()
            .and_then(|kw| kw.wrap_key(key, &mut wrapped).ok().map(<[u8]>::len))
    };
    if done == Some(wrapped.len()) {
        Ok(wrapped)
    } else {
        Err(WriteError::Key)
    }
}

/// Contract S23, E15.
const SMALLEST_RSA: usize = 2048;
