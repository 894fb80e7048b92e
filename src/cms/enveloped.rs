//! Opens EnvelopedData and AuthEnvelopedData with the keys at hand.
//!
//! # Place in the flow
//!
//! `open` calls it for each encrypted layer.
//!
//! # Trust
//!
//! The sender is an adversary who sees our reactions (contract 5.2). Success is not authenticity.
//!
//! # Invariants
//!
//! * A private key is used for a recipient that names its certificate, and where there is none, once
//!   for one under an identifier that nobody knows (S13).
//! * At most [`MAX_PRIVATE_OPERATIONS`] private-key operations per message (S13).
//! * A content key is drawn at random before each of them and takes the place of one that cannot be
//!   unwrapped or has the wrong length; all such failures are [`Reason::DecryptFailed`] (S12).
//! * No plaintext leaves before an authentication tag has been checked (S15).
//!
//! # See also
//!
//! RFC 5652 section 6, RFC 5083, RFC 3218.

use rand_core::CryptoRng;
use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};
use zeroize::Zeroizing;

use super::CmsError;
use super::algorithms::{AlgorithmId, CONTENT_NAMES, ContentAlgorithm};
use super::attributes::{self, Attributes};
use super::content_info::ContentKind;
use super::recipient::Recipient;
use crate::asn1::reader::tag;
use crate::asn1::{Tlv, writer};
use crate::model::Reason;
use crate::model::list::Legacy;
use crate::pki::certificate::Certificate;
use crate::pki::key::KeyPair;

/// Private-key operations that one message may cause (contract S13).
pub const MAX_PRIVATE_OPERATIONS: usize = 2;

/// RecipientInfos that are looked at (contract E13).
pub const MAX_RECIPIENTS: usize = 10_000;

/// The private-key operations that one message has caused, and the content keys they gave.
#[derive(Default)]
pub struct PrivateOperations {
    used: usize,
    content_keys: Vec<Zeroizing<Vec<u8>>>,
}

impl PrivateOperations {
    /// Takes one; false when none is left (contract S13).
    fn take(&mut self) -> bool {
        if self.used >= MAX_PRIVATE_OPERATIONS {
            return false;
        }
        self.used = self.used.saturating_add(1);
        true
    }

    /// Returns how many were used.
    #[must_use]
    pub fn used(&self) -> usize {
        self.used
    }

    /// Returns every content key that came out, whether the content then opened or not.
    ///
    /// What was distributed once has to be recognised in any envelope: otherwise the answer to a
    /// changed one would tell whether its padding is right (contract S16, S19).
    #[must_use]
    pub fn into_content_keys(self) -> Vec<Zeroizing<Vec<u8>>> {
        self.content_keys
    }
}

/// An encrypted object cut into its parts.
pub struct Enveloped<'a> {
    kind: ContentKind,
    /// Enclosed by senders who agree with a key of their own.
    originators: Vec<Certificate>,
    recipients: Vec<Recipient<'a>>,
    infos: usize,
    inner: ContentKind,
    algorithm: AlgorithmId<'a>,
    ciphertext: &'a [u8],
    /// The authenticated attributes under the SET tag, in every encoding that may have entered the
    /// tag; one that is empty without.
    aad: Vec<Vec<u8>>,
    mac: &'a [u8],
}

/// What opening gives.
pub struct Decrypted {
    /// The content.
    pub plaintext: Zeroizing<Vec<u8>>,
    /// Index of the key pair that opened it.
    pub key: usize,
}

impl<'a> Enveloped<'a> {
    /// Cuts the content of a ContentInfo of this kind.
    ///
    /// # Errors
    ///
    /// [`CmsError::Asn1`] when the structure is another, [`CmsError::Limit`] above
    /// [`MAX_RECIPIENTS`].
    pub fn parse(content: Tlv<'a>, kind: ContentKind) -> Result<Self, CmsError> {
        let mut parts = content.children();
        parts.expect(tag::INTEGER)?;
        let originators = match parts.optional(tag::context(0))? {
            Some(info) => originators(&info)?,
            None => Vec::new(),
        };
        let mut infos = parts.expect(tag::SET)?.children();
        let mut recipients = Vec::new();
        let mut count = 0_usize;
        while !infos.is_empty() {
            recipients.extend(Recipient::parse(&infos.read()?));
            count = count.saturating_add(1);
            if count > MAX_RECIPIENTS || recipients.len() > MAX_RECIPIENTS {
                return Err(CmsError::Limit);
            }
        }
        let mut encrypted = parts.expect(tag::SEQUENCE)?.children();
        let inner = ContentKind::of(&encrypted.expect(tag::OID)?);
        let algorithm = AlgorithmId::parse(&encrypted.read()?)?;
        let ciphertext = encrypted.expect(tag::context_primitive(0))?.content;
        encrypted.finish()?;
        let (aad, mac) = if kind == ContentKind::AuthEnveloped {
            let aad = match parts.optional(tag::context(1))? {
                Some(received) => Attributes::parse(&received, &attributes::der(&received))
                    .map(|attributes| attributes.encodings())
                    .unwrap_or_else(|_| vec![writer::element(tag::SET, &[received.content])]),
                None => vec![Vec::new()],
            };
            (aad, parts.expect(tag::OCTET_STRING)?.content)
        } else {
            (vec![Vec::new()], &[][..])
        };
        // What may follow is unprotected attributes, which nobody should believe.
        Ok(Self {
            kind,
            originators,
            recipients,
            infos: count,
            inner,
            algorithm,
            ciphertext,
            aad,
            mac,
        })
    }

    /// Returns the number of RecipientInfos.
    #[must_use]
    pub fn recipients(&self) -> usize {
        self.infos
    }

    /// Returns what the content says it is; S/MIME wants [`ContentKind::Data`].
    #[must_use]
    pub fn inner(&self) -> ContentKind {
        self.inner
    }

    /// Returns the name of the content-encryption algorithm.
    #[must_use]
    pub fn content_algorithm_name(&self) -> String {
        self.algorithm.name(CONTENT_NAMES)
    }

    /// Returns the name of the key-encryption algorithm of the recipient that one of `keys` is,
    /// else of the first one.
    #[must_use]
    pub fn key_algorithm_name(&self, keys: &[KeyPair]) -> Option<String> {
        let ours = self
            .recipients
            .iter()
            .find(|r| keys.iter().any(|k| r.is_for(k)));
        ours.or_else(|| self.recipients.first())
            .map(Recipient::algorithm_name)
    }

    /// Decrypts with the first of `keys` that the object is encrypted to; `known` are certificates
    /// in which a static key of the sender may be.
    ///
    /// Where none is named but somebody is by a key identifier, one key is tried all the same:
    /// senders make up identifiers for certificates that carry none.
    ///
    /// # Errors
    ///
    /// From public data: [`Reason::WeakCipher`], [`Reason::UnsupportedAlgorithm`],
    /// [`Reason::BadParameters`], [`Reason::NoKey`], [`Reason::NoRecipient`],
    /// [`Reason::PasswordRecipient`]. Whatever depends on a private key: [`Reason::DecryptFailed`].
    pub fn open(
        &self,
        keys: &[KeyPair],
        known: &[Certificate],
        legacy: Legacy,
        operations: &mut PrivateOperations,
        rng: &mut dyn CryptoRng,
    ) -> Result<Decrypted, Reason> {
        let algorithm = ContentAlgorithm::new(&self.algorithm, self.kind, legacy)?;
        // S15: a shortened tag is refused before any key is touched.
        if algorithm.is_authenticated() && self.mac.len() != super::algorithms::TAG_LEN {
            return Err(Reason::BadParameters);
        }
        if keys.is_empty() {
            // Where a password alone opens it, no private key is missing.
            let mut others = self.recipients.iter();
            let password_alone =
                !self.recipients.is_empty() && others.all(|r| matches!(r, Recipient::Password));
            return Err(if password_alone {
                Reason::PasswordRecipient
            } else {
                Reason::NoKey
            });
        }
        let originators = [&self.originators, known].concat();
        let mut outcome = Err(self.unmatched());
        let mut tried = false;
        for (recipient, index, pair) in self.matching(keys) {
            if !operations.take() {
                // Layers inside layers: the budget is the message's, not the layer's (E10).
                return if tried {
                    outcome
                } else {
                    Err(Reason::LimitExceeded)
                };
            }
            tried = true;
            let found = (recipient, index, pair);
            match self.open_with(&algorithm, found, &originators, legacy, operations, rng) {
                Ok(decrypted) => return Ok(decrypted),
                Err(reason) => outcome = Err(reason),
            }
        }
        if !tried
            && let Some((recipient, index, pair)) = self.guessed(keys)
            && operations.take()
            && let Ok(decrypted) = self.open_with(
                &algorithm,
                (recipient, index, pair),
                &originators,
                legacy,
                operations,
                rng,
            )
            // A wrong key gives garbage with fitting padding now and then.
            && decrypted.plaintext.iter().take(16).all(is_text)
        {
            return Ok(decrypted);
        }
        outcome
    }

    fn open_with(
        &self,
        algorithm: &ContentAlgorithm<'_>,
        (recipient, index, pair): (&Recipient<'a>, usize, &KeyPair),
        originators: &[Certificate],
        legacy: Legacy,
        operations: &mut PrivateOperations,
        rng: &mut dyn CryptoRng,
    ) -> Result<Decrypted, Reason> {
        let mut substitute = Zeroizing::new(vec![0; algorithm.key_len()]);
        rng.fill_bytes(&mut substitute);
        let candidate = recipient.unwrap(pair, originators, legacy, rng)?;
        let cek = selected(&candidate.unwrap_or_default(), &substitute);
        operations.content_keys.push(cek.clone());
        self.aad
            .iter()
            .find_map(|aad| algorithm.decrypt(&cek, self.ciphertext, aad, self.mac))
            .map(|plaintext| Decrypted {
                plaintext,
                key: index,
            })
            .ok_or(Reason::DecryptFailed)
    }

    /// Returns the first recipient that may be one of `keys` under an unknown identifier.
    fn guessed<'k>(&self, keys: &'k [KeyPair]) -> Option<(&Recipient<'a>, usize, &'k KeyPair)> {
        self.recipients.iter().find_map(|recipient| {
            keys.iter()
                .enumerate()
                .find(|(_, pair)| recipient.may_be_for(pair))
                .map(|(index, pair)| (recipient, index, pair))
        })
    }

    /// Returns the first few recipients that name one of our certificates (S13).
    fn matching<'k>(
        &self,
        keys: &'k [KeyPair],
    ) -> impl Iterator<Item = (&Recipient<'a>, usize, &'k KeyPair)> {
        self.recipients
            .iter()
            .filter_map(|recipient| {
                keys.iter()
                    .enumerate()
                    .find(|(_, pair)| recipient.is_for(pair))
                    .map(|(index, pair)| (recipient, index, pair))
            })
            .take(MAX_PRIVATE_OPERATIONS)
    }

    fn unmatched(&self) -> Reason {
        if self
            .recipients
            .iter()
            .any(|r| matches!(r, Recipient::Password))
        {
            Reason::PasswordRecipient
        } else {
            Reason::NoRecipient
        }
    }
}

/// Returns the readable certificates of OriginatorInfo.
fn originators(info: &Tlv<'_>) -> Result<Vec<Certificate>, CmsError> {
    let Some(bag) = info.children().optional(tag::context(0))? else {
        return Ok(Vec::new());
    };
    let mut rest = bag.children();
    let mut found = Vec::new();
    while !rest.is_empty() {
        if found.len() == MAX_ORIGINATORS {
            return Err(CmsError::Limit);
        }
        found.extend(Certificate::from_der(rest.read()?.raw).ok());
    }
    Ok(found)
}

/// True for bytes that an entity begins with.
fn is_text(byte: &u8) -> bool {
    matches!(byte, b'\t' | b'\r' | b'\n' | b' '..=b'~')
}

/// Certificates of senders that are read (contract E13).
const MAX_ORIGINATORS: usize = 32;

/// Returns `candidate` if it is as long as `substitute`, else `substitute`, without a branch that
/// depends on which (S12).
fn selected(candidate: &[u8], substitute: &[u8]) -> Zeroizing<Vec<u8>> {
    let fits: Choice = candidate.len().ct_eq(&substitute.len());
    Zeroizing::new(
        substitute
            .iter()
            .enumerate()
            .map(|(i, random)| {
                let ours = candidate.get(i).copied().unwrap_or_default();
                u8::conditional_select(random, &ours, fits)
            })
            .collect(),
    )
}
