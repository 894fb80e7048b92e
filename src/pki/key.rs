//! Private keys: read, made, and used for signing, unwrapping and key agreement.
//!
//! # Trust
//!
//! The ciphertexts and points given to a key are hostile; nothing here tells a sender how a
//! decryption failed (contract S10, S12).
//!
//! # Invariants
//!
//! * Key material is wiped when the last clone goes and never printed.
//! * RSA decryption is blinded and rejects implicitly; it never branches visibly on the padding.
//! * A point is checked to lie on the curve of the key before anything is computed (contract S47).
//!
//! # See also
//!
//! RFC 8017, RFC 3218, SEC 1, RFC 7748.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::{agreement, rand, signature as aws};
use rand_core::CryptoRng;
use rsa::Pkcs1v15Encrypt;
use zeroize::Zeroizing;

use crate::asn1::oid;
use crate::asn1::writer;
use crate::model::Reason;
use crate::model::list::Legacy;
use crate::pki::certificate::Certificate;
use crate::pki::digest::Digest;
use crate::pki::key_file::{self, RawKey};
use crate::pki::key_material::{self, Kind};
pub use crate::pki::key_pair::KeyPair;
use crate::pki::pem::{self, PemError};
use crate::pki::public_key::PublicKey;

/// What unlocks a private key.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// Returns the passphrase of these bytes as they are.
    #[must_use]
    pub fn new(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Passphrase(..)")
    }
}

/// Why a private key cannot be used; the text follows the name of its file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A certificate where the key should be.
    #[error("holds a certificate where a private key is expected")]
    CertificateInstead,
    /// This kind of key does not sign, or is too small to.
    #[error("is a key that cannot sign")]
    CannotSign,
    /// Nothing at all.
    #[error("is empty")]
    Empty,
    /// The library made no key.
    #[error("could not be made")]
    Generate,
    /// The key is broken.
    #[error("is a broken private key")]
    Malformed,
    /// Encrypted, and no passphrase is known.
    #[error("is encrypted and no passphrase is set")]
    NeedsPassphrase,
    /// PEM, but other things.
    #[error("holds no private key but {0}")]
    NoKey(String),
    /// No PEM.
    #[error("is not PEM")]
    NotPem,
    /// The PEM framing is broken.
    #[error("{0}")]
    Pem(PemError),
    /// A kind of key or encryption that is not supported.
    #[error("is of an unsupported kind ({0})")]
    Unsupported(String),
    /// Too small or oddly made.
    #[error("is not used: {0}")]
    Weak(Reason),
    /// The passphrase does not open it.
    #[error("cannot be opened: the passphrase is wrong")]
    WrongPassphrase,
}

impl KeyError {
    /// Returns what to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::CertificateInstead => "swap the two files if they are exchanged",
            Self::CannotSign => "use an RSA key of 2048 bits or more, or a P-256 key",
            Self::Empty | Self::NoKey(_) => "put the private key in PEM form into it",
            Self::Generate => "try again",
            Self::Malformed | Self::Pem(_) => "copy it again from its source",
            Self::NeedsPassphrase => "set key_passwd_file, or the systemd credential key_passwd",
            Self::NotPem => "turn DER into PEM: openssl pkey -inform DER -in FILE -out FILE.pem",
            Self::Unsupported(_) => {
                "RSA, P-256, P-384, P-521, Ed25519 and X25519 keys are read; openssl pkcs8 -topk8 \
                 changes the encryption"
            }
            Self::Weak(_) => "make a new pair: RSA needs 2048 bits or more",
            Self::WrongPassphrase => {
                "correct key_passwd_file or the systemd credential key_passwd; openssl pkey -in \
                 FILE -noout asks for it as a test"
            }
        }
    }
}

/// A kind of key to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum KeyKind {
    Rsa2048,
    Rsa3072,
    Rsa4096,
    P256,
    P384,
    P521,
    Ed25519,
    X25519,
}

impl KeyKind {
    /// Returns the kind with this name: `rsa2048`, `p256` ...
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        KINDS
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, kind)| *kind)
    }

    /// Returns the names, for help texts.
    pub fn names() -> impl Iterator<Item = &'static str> {
        KINDS.iter().map(|(name, _)| *name)
    }
}

const KINDS: [(&str, KeyKind); 8] = [
    ("rsa2048", KeyKind::Rsa2048),
    ("rsa3072", KeyKind::Rsa3072),
    ("rsa4096", KeyKind::Rsa4096),
    ("p256", KeyKind::P256),
    ("p384", KeyKind::P384),
    ("p521", KeyKind::P521),
    ("ed25519", KeyKind::Ed25519),
    ("x25519", KeyKind::X25519),
];

/// The parameters of RSAES-OAEP, already judged by the reader of the message (contract S14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OaepParameters {
    /// The digest over the label.
    pub digest: Digest,
    /// The digest inside MGF1.
    pub mgf: Digest,
    /// The label, usually empty.
    pub label: Vec<u8>,
}

/// A private key. Clones share it.
#[derive(Clone)]
pub struct PrivateKey(Arc<Inner>);

struct Inner {
    public: PublicKey,
    pkcs8: Zeroizing<Vec<u8>>,
    kind: Kind,
}

impl PrivateKey {
    /// Returns the private key of a PEM text in any form an administrator may have: PKCS#8, with
    /// or without encryption, PKCS#1, SEC1, and both of these in the old encrypted form.
    ///
    /// # Errors
    ///
    /// [`KeyError`], one variant for each thing that people get wrong.
    pub fn from_pem(text: &[u8], passphrase: Option<&Passphrase>) -> Result<Self, KeyError> {
        Self::from_raw(key_file::read(text, passphrase)?)
    }

    /// Makes a new key; the library draws the randomness.
    ///
    /// # Errors
    ///
    /// [`KeyError::Generate`].
    pub fn generate(kind: KeyKind) -> Result<Self, KeyError> {
        let raw = key_material::generate(kind)?;
        Self::from_raw(raw)
    }

    fn from_raw(raw: RawKey) -> Result<Self, KeyError> {
        let (public, pkcs8, kind) = key_material::build(raw)?;
        // Old pairs for reading old mail may be small; whether they are used is for the reader.
        public.check(Legacy::RSA1024).map_err(KeyError::Weak)?;
        Ok(Self(Arc::new(Inner {
            public,
            pkcs8,
            kind,
        })))
    }

    /// Returns the key as an unencrypted PKCS#8 PEM text, for a file with mode 0600.
    #[must_use]
    pub fn to_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(pem::encode("PRIVATE KEY", &self.0.pkcs8))
    }

    /// Returns the public half.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.0.public
    }

    /// True when `certificate` is for this key.
    #[must_use]
    pub fn matches(&self, certificate: &Certificate) -> bool {
        certificate
            .public_key()
            .is_ok_and(|key| same_key(&key, &self.0.public))
    }

    /// Unwraps an RSA PKCS#1 v1.5 ciphertext.
    ///
    /// It never fails: where the padding is wrong the answer is a message that looks random, of a
    /// length that looks random (contract S12). What cannot be decrypted at all, which anybody can
    /// see from outside, gives 32 random octets.
    #[must_use]
    pub fn decrypt_pkcs1v15(
        &self,
        rng: &mut dyn CryptoRng,
        ciphertext: &[u8],
    ) -> Zeroizing<Vec<u8>> {
        let mut instead = Zeroizing::new(vec![0; 32]);
        rng.fill_bytes(&mut instead);
        let Kind::Rsa { decrypt, .. } = &self.0.kind else {
            return instead;
        };
        decrypt
            .decrypt_blinded(rng, Pkcs1v15Encrypt, ciphertext)
            .map_or(instead, Zeroizing::new)
    }

    /// Unwraps an RSA-OAEP ciphertext; `None` for whatever reason it fails.
    #[must_use]
    pub fn decrypt_oaep(
        &self,
        rng: &mut dyn CryptoRng,
        parameters: &OaepParameters,
        ciphertext: &[u8],
    ) -> Option<Zeroizing<Vec<u8>>> {
        let Kind::Rsa { decrypt, .. } = &self.0.kind else {
            return None;
        };
        key_material::decrypt_oaep(decrypt, rng, parameters, ciphertext)
    }

    /// Returns the secret shared with the holder of `peer_point` (an encoded point, or 32 octets
    /// for X25519); `None` where the point is not on the curve, or the secret of X25519 would be all
    /// zero (contract S47; on the other curves that is a point like any other).
    #[must_use]
    pub fn agree(&self, peer_point: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (key, algorithm) = match (&self.0.kind, &self.0.public) {
            (Kind::Ec { agree, .. }, PublicKey::Ec { curve, .. }) => {
                // The library would also take a SubjectPublicKeyInfo here.
                let field = curve.field_len();
                let plain = match peer_point.first()? {
                    4 => peer_point.len() == 2 * field + 1,
                    2 | 3 => peer_point.len() == field + 1,
                    _ => false,
                };
                if !plain {
                    return None;
                }
                (agree, key_material::ecdh(*curve))
            }
            (Kind::X25519(key), _) if peer_point.len() == 32 => (key, &agreement::X25519),
            _ => return None,
        };
        let peer = agreement::UnparsedPublicKey::new(algorithm, peer_point);
        let secret =
            agreement::agree(key, peer, (), |secret| Ok(Zeroizing::new(secret.to_vec()))).ok()?;
        let zero = matches!(self.0.kind, Kind::X25519(_))
            && secret.iter().fold(0, |all, byte| all | byte) == 0;
        (!zero).then_some(secret)
    }

    /// Returns the digest that [`PrivateKey::sign`] uses; `None` for keys that cannot sign.
    #[must_use]
    pub fn signing_digest(&self) -> Option<Digest> {
        match &self.0.kind {
            Kind::Rsa { sign, .. } => sign.as_ref().map(|_| Digest::Sha256),
            Kind::Ec { digest, .. } => Some(*digest),
            // RFC 8419 section 3.1.
            Kind::Ed25519(_) => Some(Digest::Sha512),
            Kind::X25519(_) => None,
        }
    }

    /// Signs `message`: RSA PKCS#1 v1.5 with SHA-256, ECDSA with the digest of the curve's size, or
    /// Ed25519 (contract decision 9). Returns the DER of the AlgorithmIdentifier, the digest and
    /// the signature value.
    ///
    /// # Errors
    ///
    /// [`KeyError::CannotSign`] for X25519 and for RSA below 2048 bits.
    pub fn sign(&self, message: &[u8]) -> Result<(Vec<u8>, Digest, Vec<u8>), KeyError> {
        let random = rand::SystemRandom::new();
        match &self.0.kind {
            Kind::Rsa { sign, .. } => {
                let pair = sign.as_ref().ok_or(KeyError::CannotSign)?;
                let mut value = vec![0; pair.public_modulus_len()];
                pair.sign(&aws::RSA_PKCS1_SHA256, &random, message, &mut value)
                    .map_err(|_| KeyError::CannotSign)?;
                let algorithm = writer::algorithm(&oid::SHA256_RSA, &writer::null());
                Ok((algorithm, Digest::Sha256, value))
            }
            Kind::Ec { sign, digest, .. } => {
                let value = sign
                    .sign(&random, message)
                    .map_err(|_| KeyError::CannotSign)?;
                let oid = match digest {
                    Digest::Sha384 => oid::ECDSA_SHA384,
                    Digest::Sha512 => oid::ECDSA_SHA512,
                    _ => oid::ECDSA_SHA256,
                };
                let algorithm = writer::algorithm(&oid, &[]);
                Ok((algorithm, *digest, value.as_ref().to_vec()))
            }
            Kind::Ed25519(pair) => {
                let value = pair.try_sign(message).map_err(|_| KeyError::CannotSign)?;
                let algorithm = writer::algorithm(&oid::ED25519, &[]);
                Ok((algorithm, Digest::Sha512, value.as_ref().to_vec()))
            }
            Kind::X25519(_) => Err(KeyError::CannotSign),
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({}, ..)", self.0.public.name())
    }
}

/// Compares two public keys without regard to point compression or a PSS label.
fn same_key(a: &PublicKey, b: &PublicKey) -> bool {
    match (a, b) {
        (
            PublicKey::Rsa {
                modulus, exponent, ..
            },
            PublicKey::Rsa {
                modulus: m,
                exponent: e,
                ..
            },
        ) => modulus == m && exponent == e,
        (PublicKey::Ec { curve, point }, PublicKey::Ec { curve: c, point: p }) => {
            let x = |point: &[u8]| point.get(1..=curve.field_len()).map(<[u8]>::to_vec);
            curve == c && (point == p || (point.len() != p.len() && x(point) == x(p)))
        }
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use getrandom::SysRng;
    use rand_core::UnwrapErr;

    use super::*;
    use crate::pki::signature::{SignatureAlgorithm, SignatureError, verify};
    use crate::pki::testing::Scratch;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(Zeroizing::new(text.as_bytes().to_vec()))
    }

    fn make(scratch: &Scratch) {
        for (name, options) in [
            ("rsa", "-algorithm RSA -pkeyopt rsa_keygen_bits:2048"),
            ("p256", "-algorithm EC -pkeyopt ec_paramgen_curve:P-256"),
            ("p384", "-algorithm EC -pkeyopt ec_paramgen_curve:P-384"),
            ("p521", "-algorithm EC -pkeyopt ec_paramgen_curve:P-521"),
            ("ed25519", "-algorithm ED25519"),
            ("x25519", "-algorithm X25519"),
        ] {
            scratch.openssl(&format!("genpkey {options} -out {name}.pem"));
            scratch.openssl(&format!("pkey -in {name}.pem -pubout -out {name}.pub"));
        }
    }

    fn public(scratch: &Scratch, name: &str) -> PublicKey {
        let blocks = pem::blocks(&scratch.read(&format!("{name}.pub"))).unwrap();
        PublicKey::from_spki(&blocks[0].body).unwrap()
    }

    #[test]
    fn every_form_that_openssl_writes_is_read() {
        let scratch = Scratch::new();
        make(&scratch);
        for (file, command) in [
            ("rsa", "pkcs8 -topk8 -passout pass:Pa\u{df}wort -in rsa.pem"),
            (
                "rsa",
                "pkcs8 -topk8 -scrypt -passout pass:Pa\u{df}wort -in rsa.pem",
            ),
            (
                "rsa",
                "pkcs8 -topk8 -v2 des3 -passout pass:Pa\u{df}wort -in rsa.pem",
            ),
            (
                "rsa",
                "pkcs8 -topk8 -v2 aes-128-cbc -v2prf hmacWithSHA1 -passout pass:Pa\u{df}wort -in rsa.pem",
            ),
            (
                "rsa",
                "pkcs8 -topk8 -v1 PBE-SHA1-3DES -passout pass:Pa\u{df}wort -in rsa.pem",
            ),
            (
                "rsa",
                "pkcs8 -topk8 -v1 PBE-SHA1-2DES -passout pass:Pa\u{df}wort -in rsa.pem",
            ),
            (
                "rsa",
                "pkcs8 -topk8 -v1 PBE-MD5-DES -provider legacy -provider default -passout pass:Pa\u{df}wort -in rsa.pem",
            ),
            ("rsa", "rsa -traditional -in rsa.pem"),
            (
                "rsa",
                "rsa -traditional -des3 -passout pass:Pa\u{df}wort -in rsa.pem",
            ),
            (
                "rsa",
                "rsa -traditional -aes128 -passout pass:Pa\u{df}wort -in rsa.pem",
            ),
            (
                "rsa",
                "rsa -traditional -aes192 -passout pass:Pa\u{df}wort -in rsa.pem",
            ),
            (
                "rsa",
                "rsa -traditional -aes256 -passout pass:Pa\u{df}wort -in rsa.pem",
            ),
            (
                "rsa",
                "rsa -traditional -des -provider legacy -provider default -passout pass:Pa\u{df}wort -in rsa.pem",
            ),
            ("p256", "ec -in p256.pem"),
            ("p256", "ec -aes256 -passout pass:Pa\u{df}wort -in p256.pem"),
            ("p256", "ec -no_public -in p256.pem"),
            (
                "p521",
                "pkcs8 -topk8 -passout pass:Pa\u{df}wort -in p521.pem",
            ),
        ] {
            scratch.openssl(&format!("{command} -out form.pem"));
            let text = scratch.read("form.pem");
            let key = PrivateKey::from_pem(&text, Some(&passphrase("Pa\u{df}wort")))
                .unwrap_or_else(|e| panic!("{command}: {e}"));
            assert_eq!(*key.public_key(), public(&scratch, file), "{command}");
            if command.contains("pass:") {
                assert_eq!(
                    PrivateKey::from_pem(&text, None).unwrap_err(),
                    KeyError::NeedsPassphrase,
                    "{command}"
                );
                for wrong in ["", "wrong", "Pa\u{df}wort "] {
                    let error = PrivateKey::from_pem(&text, Some(&passphrase(wrong)));
                    assert_eq!(error.unwrap_err(), KeyError::WrongPassphrase, "{command}");
                }
            }
        }
        // `openssl ecparam -genkey` puts the parameters before the key.
        scratch.openssl("ecparam -genkey -name secp384r1 -out form.pem");
        assert_eq!(scratch.key("form.pem").public_key().name(), "P-384");
    }

    #[test]
    fn each_wrong_file_has_its_own_error() {
        let scratch = Scratch::new();
        scratch.openssl("req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -subj /CN=x");
        scratch.openssl("genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:512 -out small.pem");
        scratch.openssl("ecparam -genkey -name secp256k1 -noout -out odd.pem");
        scratch.openssl("rsa -in k.pem -outform DER -out k.der");
        let error = |bytes: &[u8]| PrivateKey::from_pem(bytes, None).unwrap_err();
        assert_eq!(error(b"\n"), KeyError::Empty);
        assert_eq!(error(&scratch.read("k.der")), KeyError::NotPem);
        assert_eq!(error(&scratch.read("c.pem")), KeyError::CertificateInstead);
        assert_eq!(
            error(&scratch.read("small.pem")),
            KeyError::Weak(Reason::WeakKey)
        );
        assert!(matches!(
            error(&scratch.read("odd.pem")),
            KeyError::Unsupported(_)
        ));
        let text = String::from_utf8(scratch.read("k.pem")).unwrap();
        let cut = text.lines().take(10).collect::<Vec<_>>().join("\n");
        assert!(matches!(error(cut.as_bytes()), KeyError::Pem(_)));
        let gap: Vec<&str> = text
            .lines()
            .enumerate()
            .filter(|(n, _)| *n != 5)
            .map(|(_, l)| l)
            .collect();
        assert_eq!(error(gap.join("\n").as_bytes()), KeyError::Malformed);
        let mut both = scratch.read("c.pem");
        both.extend(scratch.read("k.pem"));
        let key = PrivateKey::from_pem(&both, None).unwrap();
        assert!(key.matches(&scratch.certificate("c.pem")));
    }

    #[test]
    fn keys_made_here_are_read_by_openssl_and_sign_for_it() {
        let scratch = Scratch::new();
        scratch.write("message", "signed text");
        for (name, kind) in KINDS {
            let key = PrivateKey::generate(kind).unwrap();
            scratch.write("key.pem", key.to_pem().as_bytes());
            scratch.openssl("pkey -in key.pem -check -noout");
            scratch.openssl("pkey -in key.pem -pubout -out key.pub");
            assert_eq!(public(&scratch, "key"), *key.public_key(), "{name}");
            let Ok((algorithm, digest, value)) = key.sign(b"signed text") else {
                assert_eq!(kind, KeyKind::X25519);
                continue;
            };
            assert_eq!(key.signing_digest(), Some(digest));
            scratch.write("signature", &value);
            let options = match kind {
                KeyKind::Ed25519 => "-rawin".to_owned(),
                _ => format!("-rawin -digest {}", digest.name()),
            };
            let said = scratch.openssl(&format!(
                "pkeyutl -verify -pubin -inkey key.pub -in message -sigfile signature {options}"
            ));
            assert!(said.contains("Verified Successfully"), "{name}: {said}");
            let tlv = crate::asn1::Reader::new(&algorithm).read().unwrap();
            let algorithm = SignatureAlgorithm::from_tlv(tlv).unwrap();
            let check = |text| verify(key.public_key(), &algorithm, text, &value, Legacy::NONE);
            assert_eq!(check(b"signed text"), Ok(()), "{name}");
            assert_eq!(
                check(b"Signed text"),
                Err(SignatureError::Mismatch),
                "{name}"
            );
        }
    }

    #[test]
    fn s12_wrong_padding_gives_a_message_and_never_an_error() {
        let scratch = Scratch::new();
        make(&scratch);
        let mut rng = UnwrapErr(SysRng);
        let key = scratch.key("rsa.pem");
        scratch.write("secret", [7; 24]);
        scratch.openssl("pkeyutl -encrypt -pubin -inkey rsa.pub -in secret -out wrapped");
        let wrapped = scratch.read("wrapped");
        assert_eq!(*key.decrypt_pkcs1v15(&mut rng, &wrapped), [7; 24]);
        let mut bent = wrapped.clone();
        bent[100] ^= 1;
        let first = key.decrypt_pkcs1v15(&mut rng, &bent);
        assert_ne!(*first, [7; 24]);
        // The same ciphertext gives the same message, or repetition would tell.
        assert_eq!(first, key.decrypt_pkcs1v15(&mut rng, &bent));
        for odd in [&[][..], &[0; 256], &[255; 256], &wrapped[1..]] {
            let _ = key.decrypt_pkcs1v15(&mut rng, odd);
        }
        let other = scratch.key("p256.pem");
        assert_eq!(other.decrypt_pkcs1v15(&mut rng, &wrapped).len(), 32);
    }

    #[test]
    fn oaep_of_openssl_is_opened_with_the_right_parameters_only() {
        let scratch = Scratch::new();
        make(&scratch);
        let mut rng = UnwrapErr(SysRng);
        let key = scratch.key("rsa.pem");
        scratch.write("secret", [9; 32]);
        for (digest, mgf) in [
            (Digest::Sha1, Digest::Sha1),
            (Digest::Sha256, Digest::Sha256),
            (Digest::Sha256, Digest::Sha1),
            (Digest::Sha384, Digest::Sha512),
        ] {
            scratch.openssl(&format!(
                "pkeyutl -encrypt -pubin -inkey rsa.pub -in secret -out wrapped -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:{} -pkeyopt rsa_mgf1_md:{}",
                digest.name(),
                mgf.name()
            ));
            let wrapped = scratch.read("wrapped");
            let mut parameters = OaepParameters {
                digest,
                mgf,
                label: Vec::new(),
            };
            let plain = key.decrypt_oaep(&mut rng, &parameters, &wrapped);
            assert_eq!(plain.unwrap().as_slice(), [9; 32]);
            parameters.label.push(1);
            assert_eq!(key.decrypt_oaep(&mut rng, &parameters, &wrapped), None);
        }
    }

    #[test]
    fn s47_agreement_equals_openssl_and_refuses_bad_points() {
        let scratch = Scratch::new();
        make(&scratch);
        for (name, options) in [
            ("p256", "-algorithm EC -pkeyopt ec_paramgen_curve:P-256"),
            ("p384", "-algorithm EC -pkeyopt ec_paramgen_curve:P-384"),
            ("p521", "-algorithm EC -pkeyopt ec_paramgen_curve:P-521"),
            ("x25519", "-algorithm X25519"),
        ] {
            scratch.openssl(&format!("genpkey {options} -out peer.pem"));
            scratch.openssl("pkey -in peer.pem -pubout -out peer.pub");
            scratch.openssl(&format!(
                "pkeyutl -derive -inkey {name}.pem -peerkey peer.pub -out shared"
            ));
            let key = scratch.key(&format!("{name}.pem"));
            let point = public(&scratch, "peer").octets();
            let shared = key.agree(&point).unwrap();
            assert_eq!(*shared, scratch.read("shared"), "{name}");
            let mut off_curve = point.clone();
            *off_curve.last_mut().unwrap() ^= 1;
            let mut bad = vec![Vec::new(), vec![0], vec![0; point.len()]];
            bad.push(public(&scratch, "peer").spki_der());
            if name != "x25519" {
                bad.push(off_curve);
            }
            for point in bad {
                assert_eq!(key.agree(&point), None, "{name} {point:02x?}");
            }
        }
    }
}
