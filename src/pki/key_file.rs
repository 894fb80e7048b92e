//! The forms in which private keys lie in files, opened down to their numbers.
//!
//! # Trust
//!
//! The file is the administrator's, so errors may say what is wrong with it. What was decrypted is
//! wiped on every path.
//!
//! # See also
//!
//! RFC 5958 (PKCS#8), RFC 8018 (PBES1, PBES2), RFC 7292 appendix B (PKCS#12 KDF), RFC 8017
//! appendix A.1.2 (PKCS#1), RFC 5915 (SEC1), RFC 1421 section 4.6 (`Proc-Type`).

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, InnerIvInit, KeyInit, KeyIvInit};
use der::Decode;
use pkcs8::EncryptedPrivateKeyInfoRef;
use zeroize::Zeroizing;

use crate::asn1::oid::{self, Oid};
use crate::asn1::reader::tag;
use crate::asn1::{Asn1Error, Reader, Tlv};
use crate::pki::Digest;
use crate::pki::key::{KeyError, Passphrase};
use crate::pki::key_cost;
use crate::pki::pem::{self, Block, PemError};
use crate::pki::public_key::Curve;

/// A private key as numbers.
pub enum RawKey {
    /// The DER of an RSAPrivateKey.
    Rsa(Zeroizing<Vec<u8>>),
    /// A scalar as long as the field of its curve.
    Ec(Curve, Zeroizing<Vec<u8>>),
    /// The seed of an Ed25519 key.
    Ed25519(Zeroizing<Vec<u8>>),
    /// An X25519 scalar.
    X25519(Zeroizing<Vec<u8>>),
}

/// Returns the first private key of a PEM text.
///
/// # Errors
///
/// [`KeyError`].
pub fn read(text: &[u8], passphrase: Option<&Passphrase>) -> Result<RawKey, KeyError> {
    let blocks = pem::blocks(text).map_err(|error| match error {
        PemError::Empty => KeyError::Empty,
        PemError::NotPem => KeyError::NotPem,
        other => KeyError::Pem(other),
    })?;
    if let Some(block) = blocks.iter().find(|b| b.label.ends_with("PRIVATE KEY")) {
        return read_block(block, passphrase);
    }
    if blocks.iter().any(|b| pem::is_certificate(&b.label)) {
        return Err(KeyError::CertificateInstead);
    }
    let labels: Vec<&str> = blocks.iter().map(|b| b.label.as_str()).collect();
    Err(KeyError::NoKey(labels.join(", ")))
}

fn read_block(block: &Block, passphrase: Option<&Passphrase>) -> Result<RawKey, KeyError> {
    let label = block.label.as_str();
    if label == "ENCRYPTED PRIVATE KEY" {
        let passphrase = passphrase.ok_or(KeyError::NeedsPassphrase)?;
        let plain = decrypt_pkcs8(&block.body, passphrase)?;
        // A wrong passphrase passes the padding check once in 256 times; the garbage shows here.
        return pkcs8(&plain).map_err(wrong_unless_unsupported);
    }
    let parse = match label {
        "PRIVATE KEY" => pkcs8,
        "RSA PRIVATE KEY" => pkcs1,
        "EC PRIVATE KEY" => sec1_alone,
        other => return Err(KeyError::Unsupported(other.to_owned())),
    };
    let header = |name: &str| {
        let found = block.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    };
    match header("Proc-Type") {
        Some(kind) if kind.ends_with("ENCRYPTED") => {
            let passphrase = passphrase.ok_or(KeyError::NeedsPassphrase)?;
            let info = header("DEK-Info").ok_or(KeyError::Malformed)?;
            let plain = decrypt_old(&block.body, info, passphrase)?;
            parse(&plain).map_err(wrong_unless_unsupported)
        }
        _ => parse(&block.body),
    }
}

fn wrong_unless_unsupported(error: KeyError) -> KeyError {
    match error {
        KeyError::Unsupported(what) => KeyError::Unsupported(what),
        _ => KeyError::WrongPassphrase,
    }
}

impl From<Asn1Error> for KeyError {
    fn from(_: Asn1Error) -> Self {
        Self::Malformed
    }
}

fn secret(bytes: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(bytes.to_vec())
}

/// Returns the key of a PrivateKeyInfo.
///
/// # Errors
///
/// [`KeyError::Malformed`] and [`KeyError::Unsupported`].
pub fn pkcs8(der: &[u8]) -> Result<RawKey, KeyError> {
    let mut fields = Reader::only(der, tag::SEQUENCE)?.children();
    fields.expect(tag::INTEGER)?;
    let mut algorithm = fields.expect(tag::SEQUENCE)?.children();
    let key = fields.expect(tag::OCTET_STRING)?.content;
    let kind = algorithm.expect(tag::OID)?;
    if kind.is_oid(&oid::RSA_ENCRYPTION) {
        return pkcs1(key);
    }
    if kind.is_oid(&oid::EC_PUBLIC_KEY) {
        let curve = curve(&algorithm.read()?)?;
        return sec1(key, Some(curve));
    }
    let seed = || Reader::only(key, tag::OCTET_STRING).map(|octets| secret(octets.content));
    if kind.is_oid(&oid::ED25519) {
        return Ok(RawKey::Ed25519(seed()?));
    }
    if kind.is_oid(&oid::X25519) {
        return Ok(RawKey::X25519(seed()?));
    }
    Err(KeyError::Unsupported(dotted(&kind)))
}

fn pkcs1(der: &[u8]) -> Result<RawKey, KeyError> {
    Reader::only(der, tag::SEQUENCE)?;
    Ok(RawKey::Rsa(secret(der)))
}

fn sec1_alone(der: &[u8]) -> Result<RawKey, KeyError> {
    sec1(der, None)
}

fn sec1(der: &[u8], outer: Option<Curve>) -> Result<RawKey, KeyError> {
    let mut fields = Reader::only(der, tag::SEQUENCE)?.children();
    fields.expect(tag::INTEGER)?;
    let scalar = fields.expect(tag::OCTET_STRING)?.content;
    let inner = match fields.optional(tag::context(0))? {
        Some(explicit) => Some(curve(&Reader::new(explicit.content).read()?)?),
        None => None,
    };
    let curve = outer.or(inner).ok_or(KeyError::Malformed)?;
    // Some writers drop leading zeros, others add one.
    let digits: &[u8] = match scalar.iter().position(|b| *b != 0) {
        Some(start) => scalar.get(start..).unwrap_or_default(),
        None => &[],
    };
    let missing = curve
        .field_len()
        .checked_sub(digits.len())
        .ok_or(KeyError::Malformed)?;
    let mut padded = Zeroizing::new(Vec::with_capacity(curve.field_len()));
    padded.resize(missing, 0);
    padded.extend_from_slice(digits);
    Ok(RawKey::Ec(curve, padded))
}

fn curve(parameters: &Tlv<'_>) -> Result<Curve, KeyError> {
    Curve::from_oid(parameters).ok_or_else(|| KeyError::Unsupported(dotted(parameters)))
}

fn dotted(tlv: &Tlv<'_>) -> String {
    Oid::from_bytes(tlv.content)
        .map_or_else(|_| "parameters spelt out".to_owned(), |oid| oid.to_string())
}

/// Opens an EncryptedPrivateKeyInfo, whatever is inside.
pub(super) fn decrypt_pkcs8(
    der: &[u8],
    passphrase: &Passphrase,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let mut fields = Reader::only(der, tag::SEQUENCE)?.children();
    let mut algorithm = fields.expect(tag::SEQUENCE)?.children();
    let kind = algorithm.expect(tag::OID)?;
    if let Some((_, scheme)) = PBES1.iter().find(|(oid, _)| kind.is_oid(oid)) {
        let mut parameters = algorithm.expect(tag::SEQUENCE)?.children();
        let salt = parameters.expect(tag::OCTET_STRING)?.content;
        let rounds = parameters.expect(tag::INTEGER)?.small_uint()?;
        key_cost::check_rounds(rounds)?;
        let body = fields.expect(tag::OCTET_STRING)?.content;
        return scheme.decrypt(passphrase, salt, rounds, body);
    }
    let info = EncryptedPrivateKeyInfoRef::from_der(der)
        .map_err(|_| KeyError::Unsupported(format!("encryption {}", dotted(&kind))))?;
    key_cost::check(&info.encryption_algorithm)?;
    match info.decrypt(passphrase.as_bytes()) {
        Ok(plain) => Ok(secret(plain.as_bytes())),
        Err(pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::UnsupportedAlgorithm {
            oid,
        })) => Err(KeyError::Unsupported(format!("encryption {oid}"))),
        Err(_) => Err(KeyError::WrongPassphrase),
    }
}

/// The schemes of PKCS#5 1.5 and PKCS#12 that old tools used.
#[derive(Clone, Copy)]
enum Pbes1 {
    /// PKCS#12 KDF, three-key triple DES.
    Sha1TripleDes,
    /// PKCS#12 KDF, two-key triple DES.
    Sha1TwoKeyTripleDes,
    /// PKCS#12 KDF, RC2 with so many bits.
    Sha1Rc2(usize),
    /// PBKDF1, single DES.
    Des(Digest),
}

const PBES1: [(Oid, Pbes1); 6] = [
    (
        Oid::new_unwrap("1.2.840.113549.1.12.1.3"),
        Pbes1::Sha1TripleDes,
    ),
    (
        Oid::new_unwrap("1.2.840.113549.1.12.1.4"),
        Pbes1::Sha1TwoKeyTripleDes,
    ),
    (
        Oid::new_unwrap("1.2.840.113549.1.12.1.5"),
        Pbes1::Sha1Rc2(128),
    ),
    (
        Oid::new_unwrap("1.2.840.113549.1.12.1.6"),
        Pbes1::Sha1Rc2(40),
    ),
    (
        Oid::new_unwrap("1.2.840.113549.1.5.3"),
        Pbes1::Des(Digest::Md5),
    ),
    (
        Oid::new_unwrap("1.2.840.113549.1.5.10"),
        Pbes1::Des(Digest::Sha1),
    ),
];

impl Pbes1 {
    fn decrypt(
        self,
        passphrase: &Passphrase,
        salt: &[u8],
        rounds: u64,
        body: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        match self {
            Self::Sha1TripleDes => {
                let key = pkcs12_kdf(passphrase, salt, 1, rounds, 24);
                let iv = pkcs12_kdf(passphrase, salt, 2, rounds, 8);
                cbc_decrypt::<des::TdesEde3>(&key, &iv, body)
            }
            Self::Sha1TwoKeyTripleDes => {
                let key = pkcs12_kdf(passphrase, salt, 1, rounds, 16);
                let iv = pkcs12_kdf(passphrase, salt, 2, rounds, 8);
                cbc_decrypt::<des::TdesEde2>(&key, &iv, body)
            }
            Self::Sha1Rc2(bits) => {
                let key = pkcs12_kdf(passphrase, salt, 1, rounds, bits / 8);
                let iv = pkcs12_kdf(passphrase, salt, 2, rounds, 8);
                let cipher = rc2::Rc2::new_with_eff_key_len(&key, bits);
                let cipher = cbc::Decryptor::inner_iv_slice_init(cipher, &iv);
                unpadded(cipher.map_err(|_| KeyError::Malformed)?, body)
            }
            Self::Des(digest) => {
                let mut start = secret(passphrase.as_bytes());
                start.extend_from_slice(salt);
                let mut state = Zeroizing::new(digest.of(&start));
                for _ in 1..rounds {
                    state = Zeroizing::new(digest.of(&state));
                }
                let (key, rest) = state.split_at(8);
                let (iv, _) = rest.split_at(8);
                cbc_decrypt::<des::Des>(key, iv, body)
            }
        }
    }
}

/// RFC 7292 appendix B.2 with SHA-1.
fn pkcs12_kdf(
    passphrase: &Passphrase,
    salt: &[u8],
    purpose: u8,
    rounds: u64,
    length: usize,
) -> Zeroizing<Vec<u8>> {
    const BLOCK: usize = 64;
    let text = String::from_utf8_lossy(passphrase.as_bytes());
    let password: Zeroizing<Vec<u8>> = Zeroizing::new(
        text.encode_utf16()
            .chain([0])
            .flat_map(u16::to_be_bytes)
            .collect(),
    );
    let filled = |source: &[u8]| -> Vec<u8> {
        let size = source.len().div_ceil(BLOCK).saturating_mul(BLOCK);
        source.iter().copied().cycle().take(size).collect()
    };
    let mut state = Zeroizing::new(filled(salt));
    state.extend(filled(&password));
    let mut out = Zeroizing::new(Vec::new());
    loop {
        let mut input = Zeroizing::new(vec![purpose; BLOCK]);
        input.extend_from_slice(&state);
        let mut hash = Zeroizing::new(Digest::Sha1.of(&input));
        for _ in 1..rounds {
            hash = Zeroizing::new(Digest::Sha1.of(&hash));
        }
        out.extend_from_slice(&hash);
        if out.len() >= length {
            out.truncate(length);
            return out;
        }
        let addend: Vec<u8> = hash.iter().copied().cycle().take(BLOCK).collect();
        for block in state.chunks_mut(BLOCK) {
            let mut carry = 1_u16;
            for (digit, other) in block.iter_mut().zip(&addend).rev() {
                let sum = u16::from(*digit) + u16::from(*other) + carry;
                *digit = sum.to_be_bytes()[1];
                carry = sum >> 8;
            }
        }
    }
}

/// Opens the body of a `Proc-Type: 4,ENCRYPTED` block, as OpenSSL has written it since SSLeay.
fn decrypt_old(
    body: &[u8],
    dek_info: &str,
    passphrase: &Passphrase,
) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let (cipher, iv) = dek_info.split_once(',').ok_or(KeyError::Malformed)?;
    let iv = unhex(iv.trim()).ok_or(KeyError::Malformed)?;
    let key = |length| bytes_to_key(passphrase, &iv, length);
    match cipher.trim() {
        "DES-EDE3-CBC" => cbc_decrypt::<des::TdesEde3>(&key(24), &iv, body),
        "DES-CBC" => cbc_decrypt::<des::Des>(&key(8), &iv, body),
        "AES-128-CBC" => cbc_decrypt::<aes::Aes128>(&key(16), &iv, body),
        "AES-192-CBC" => cbc_decrypt::<aes::Aes192>(&key(24), &iv, body),
        "AES-256-CBC" => cbc_decrypt::<aes::Aes256>(&key(32), &iv, body),
        other => Err(KeyError::Unsupported(format!("encryption {other}"))),
    }
}

/// EVP_BytesToKey with MD5 and one round; the first eight octets of the IV are the salt.
fn bytes_to_key(passphrase: &Passphrase, iv: &[u8], length: usize) -> Zeroizing<Vec<u8>> {
    let salt = iv.get(..8).unwrap_or(iv);
    let mut out = Zeroizing::new(Vec::new());
    let mut last = Zeroizing::new(Vec::new());
    while out.len() < length {
        let mut input = secret(&last);
        input.extend_from_slice(passphrase.as_bytes());
        input.extend_from_slice(salt);
        last = Zeroizing::new(Digest::Md5.of(&input));
        out.extend_from_slice(&last);
    }
    out.truncate(length);
    out
}

fn cbc_decrypt<C>(key: &[u8], iv: &[u8], body: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError>
where
    C: aes::cipher::BlockCipherDecrypt + KeyInit,
    cbc::Decryptor<C>: KeyIvInit + InnerIvInit + BlockModeDecrypt,
{
    let cipher = cbc::Decryptor::<C>::new_from_slices(key, iv).map_err(|_| KeyError::Malformed)?;
    unpadded(cipher, body)
}

fn unpadded(cipher: impl BlockModeDecrypt, body: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    cipher
        .decrypt_padded_vec::<Pkcs7>(body)
        .map(Zeroizing::new)
        .map_err(|_| KeyError::WrongPassphrase)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |c: u8| {
        char::from(c)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    text.as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}
