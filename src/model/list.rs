//! What a list's owner decided, read from `list.toml` and typed.
//!
//! # See also
//!
//! `etc/listseal/lists/example.org/team/list.toml` explains every key.

use serde::{Deserialize, Serialize};

use crate::model::Address;
use crate::model::bounce::BounceRule;

/// The typed content of one `list.toml`, with the site's defaults filled in.
#[derive(Clone, Debug)]
pub struct ListPolicy {
    /// The list's own address.
    pub address: Address,
    /// One line that says what the list is for; part of `List-Id`.
    pub title: String,
    /// Who owns the list and hears of its troubles.
    pub owners: Vec<Address>,
    /// Who decides on held posts; the owners where empty.
    pub moderators: Vec<Address>,
    /// Site administrators, for the scenario condition `is_listmaster`.
    pub listmasters: Vec<Address>,
    /// Name of the `send` scenario.
    pub send: String,
    /// Which posts leave sealed.
    pub encrypt: Encrypt,
    /// What becomes of a post that cannot be decrypted but passes the scenario.
    pub on_undecryptable: OnUndecryptable,
    /// What a subscriber without usable certificate gets instead of a sealed copy.
    pub missing_certificate: MissingCertificate,
    /// Content cipher of sealed copies.
    pub content_cipher: CipherChoice,
    /// How content keys travel to RSA keys.
    pub key_transport: TransportChoice,
    /// Nobody gets a copy weaker than this (contract S23).
    pub floor: ContentCipher,
    /// Whether the list signs what it distributes.
    pub sign: bool,
    /// What becomes of the outer Subject of sealed copies.
    pub subject: SubjectPolicy,
    /// Largest message in bytes, as received.
    pub max_size: u64,
    /// Language of notices, an RFC 5646 tag.
    pub lang: String,
    /// Old algorithms admitted for reading.
    pub legacy: Legacy,
    /// How strictly certificates without valid CRL are judged.
    pub revocation: Revocation,
    /// When members whose mail comes back are suspended.
    pub bounces: BounceRule,
}

impl ListPolicy {
    /// Returns what an empty `list.toml` means for the list `address`, apart from its owners.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self {
            title: address.local().to_owned(),
            address,
            owners: Vec::new(),
            moderators: Vec::new(),
            listmasters: Vec::new(),
            send: "private_smime".to_owned(),
            encrypt: Encrypt::default(),
            on_undecryptable: OnUndecryptable::default(),
            missing_certificate: MissingCertificate::default(),
            content_cipher: CipherChoice::default(),
            key_transport: TransportChoice::default(),
            floor: ContentCipher::Aes128Cbc,
            sign: false,
            subject: SubjectPolicy::default(),
            max_size: 50 << 20, // contract decision 20
            lang: "en".to_owned(),
            legacy: Legacy::NONE,
            revocation: Revocation::default(),
            bounces: BounceRule::default(),
        }
    }

    /// Returns those who decide on held posts: the moderators, else the owners.
    #[must_use]
    pub fn deciders(&self) -> &[Address] {
        if self.moderators.is_empty() {
            &self.owners
        } else {
            &self.moderators
        }
    }

    /// Returns the list's local part.
    #[must_use]
    pub fn name(&self) -> &str {
        self.address.local()
    }
}

/// `encrypt =`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Encrypt {
    /// Plain posts are sealed too.
    Always,
    /// A post leaves as it came (Sympa).
    #[default]
    Mirror,
    /// Nothing is sealed; a post that came encrypted is refused, never opened up.
    Never,
}

/// `on_undecryptable =`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnUndecryptable {
    /// Forward the ciphertext intact where the scenario lets it pass (Sympa).
    #[default]
    Forward,
    /// Keep it for the moderators.
    Hold,
    /// Refuse it.
    Reject,
}

/// `missing_certificate =`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MissingCertificate {
    /// Nothing at all; the copy counts as withheld.
    Nothing,
    /// The template `x509-user-cert-missing`.
    #[default]
    Notice,
}

/// `subject =`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubjectPolicy {
    /// The outer Subject as received.
    #[default]
    AsIs,
    /// `[...]` outside (RFC 9788).
    Hide,
}

/// A content-encryption algorithm that copies are sealed with, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ContentCipher {
    /// AES-128 in CBC mode, EnvelopedData.
    #[serde(rename = "aes-128-cbc")]
    Aes128Cbc,
    /// AES-256 in CBC mode, EnvelopedData.
    #[serde(rename = "aes-256-cbc")]
    Aes256Cbc,
    /// AES-128 in Galois/Counter mode, AuthEnvelopedData.
    #[serde(rename = "aes-128-gcm")]
    Aes128Gcm,
    /// AES-256 in Galois/Counter mode, AuthEnvelopedData.
    #[serde(rename = "aes-256-gcm")]
    Aes256Gcm,
}

impl ContentCipher {
    /// Returns the name used in `list.toml` and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Aes128Cbc => "aes-128-cbc",
            Self::Aes256Cbc => "aes-256-cbc",
            Self::Aes128Gcm => "aes-128-gcm",
            Self::Aes256Gcm => "aes-256-gcm",
        }
    }

    /// Returns the length of its key in bytes.
    #[must_use]
    pub fn key_len(self) -> usize {
        match self {
            Self::Aes128Cbc | Self::Aes128Gcm => 16,
            Self::Aes256Cbc | Self::Aes256Gcm => 32,
        }
    }

    /// True for the modes that detect any change of the ciphertext.
    #[must_use]
    pub fn is_authenticated(self) -> bool {
        matches!(self, Self::Aes128Gcm | Self::Aes256Gcm)
    }
}

/// `content_cipher =`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CipherChoice {
    /// By the subscriber's capabilities where known, else AES-256-CBC.
    #[default]
    Auto,
    /// Always this one.
    Fixed(ContentCipher),
}

/// How a content key is encrypted to an RSA key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyTransport {
    /// RSAES-OAEP with SHA-256; gpgsm and older mailers cannot read it.
    Oaep,
    /// RSAES-PKCS1-v1_5, which every mailer reads (RFC 8551 section 2.3).
    #[default]
    Pkcs1v15,
}

/// `key_transport =`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TransportChoice {
    /// OAEP to subscribers whose program announced it, else PKCS#1 v1.5 (contract section 5.7).
    #[default]
    Auto,
    /// Always this one.
    Fixed(KeyTransport),
}

impl TransportChoice {
    /// Returns the word used in `list.toml` and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Fixed(KeyTransport::Oaep) => "oaep",
            Self::Fixed(KeyTransport::Pkcs1v15) => "pkcs1-v1_5",
        }
    }
}

/// What a subscriber's mail program announced that it reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Readable {
    /// Content ciphers.
    pub ciphers: Vec<ContentCipher>,
    /// RSAES-OAEP with SHA-256.
    #[serde(default)]
    pub oaep: bool,
}

/// `revocation =`: what a certificate without a valid CRL is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Revocation {
    /// Nothing is accepted without a valid CRL.
    Hard,
    /// CRLs are not looked at.
    Off,
    /// A certificate that no valid CRL covers is accepted.
    #[default]
    Soft,
}

/// `legacy = [...]`: old algorithms admitted for reading (contract decision 10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Legacy(u8);

impl Legacy {
    /// Nothing old is read.
    pub const NONE: Self = Self(0);
    /// Triple DES content.
    pub const TRIPLE_DES: Self = Self(1);
    /// RC2 content.
    pub const RC2: Self = Self(2);
    /// Single DES content.
    pub const DES: Self = Self(4);
    /// Camellia content.
    pub const CAMELLIA: Self = Self(8);
    /// SHA-1 in signatures.
    pub const SHA1: Self = Self(16);
    /// MD5 in signatures.
    pub const MD5: Self = Self(32);
    /// RSA keys from 1024 bits.
    pub const RSA1024: Self = Self(64);
    /// Signatures without signed attributes.
    pub const NO_SIGNED_ATTRIBUTES: Self = Self(128);
    /// Every one of them.
    pub const ALL: Self = Self(255);

    /// True when everything in `what` is admitted.
    #[must_use]
    pub fn admits(self, what: Self) -> bool {
        self.0 & what.0 == what.0
    }

    /// Returns both sets together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns the set that one name of `legacy = [...]` stands for.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        NAMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, set)| *set)
    }

    /// Returns the names that `legacy = [...]` understands.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }
}

const NAMES: [(&str, Legacy); 9] = [
    ("all", Legacy::ALL),
    ("3des", Legacy::TRIPLE_DES),
    ("rc2", Legacy::RC2),
    ("des", Legacy::DES),
    ("camellia", Legacy::CAMELLIA),
    ("sha1", Legacy::SHA1),
    ("md5", Legacy::MD5),
    ("rsa1024", Legacy::RSA1024),
    ("no-signed-attributes", Legacy::NO_SIGNED_ATTRIBUTES),
];
