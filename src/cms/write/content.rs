//! Encrypts content once, for everybody.
//!
//! # Invariants
//!
//! * A content key serves one content: key, IV and nonce are drawn together and never again.
//! * Tags have 16 bytes and nonces 12 (contract S15).
//!
//! # See also
//!
//! RFC 3565 section 2.3, RFC 5084 section 3.2.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeEncrypt, KeyIvInit};
use aws_lc_rs::aead;
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::WriteError;
use crate::asn1::reader::tag;
use crate::asn1::{oid, writer};
use crate::model::list::ContentCipher;

/// A content-encryption key; zeroed when dropped.
pub struct ContentKey {
    cipher: ContentCipher,
    bytes: Zeroizing<Vec<u8>>,
}

impl ContentKey {
    /// Draws a key for `cipher`.
    #[must_use]
    pub fn generate(cipher: ContentCipher, rng: &mut dyn CryptoRng) -> Self {
        let mut bytes = Zeroizing::new(vec![0; cipher.key_len()]);
        rng.fill_bytes(&mut bytes);
        Self { cipher, bytes }
    }

    /// Returns the cipher it is for.
    #[must_use]
    pub fn cipher(&self) -> ContentCipher {
        self.cipher
    }

    /// Returns the key itself.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Content that is encrypted and waits for recipients.
pub struct SharedContent {
    cipher: ContentCipher,
    /// From the content type to the header of the ciphertext.
    front: Vec<u8>,
    /// Ciphertext, and for authenticated modes the tag as OCTET STRING.
    shared: Vec<u8>,
    ciphertext: usize,
}

impl SharedContent {
    /// Returns the cipher of the content.
    #[must_use]
    pub fn cipher(&self) -> ContentCipher {
        self.cipher
    }

    /// Returns the bytes behind the prefix, the same for every recipient.
    #[must_use]
    pub fn shared(&self) -> &[u8] {
        &self.shared
    }

    /// Returns the number of bytes of ciphertext at the beginning of [`SharedContent::shared`].
    pub(super) fn ciphertext_len(&self) -> usize {
        self.ciphertext
    }

    /// Returns what stands between RecipientInfos and ciphertext, without the outer header.
    pub(super) fn front(&self) -> &[u8] {
        &self.front
    }
}

/// Encrypts `plaintext`, a MIME entity, with `key`.
///
/// # Errors
///
/// [`WriteError::Content`] when it is larger than the cipher takes (64 GiB).
pub fn encrypt_content(
    key: &ContentKey,
    plaintext: &[u8],
    rng: &mut dyn CryptoRng,
) -> Result<SharedContent, WriteError> {
    let (parameters, shared, ciphertext) = match key.cipher {
        ContentCipher::Aes128Cbc | ContentCipher::Aes256Cbc => cbc(key, plaintext, rng)?,
        ContentCipher::Aes128Gcm | ContentCipher::Aes256Gcm => gcm(key, plaintext, rng)?,
    };
    let name = match key.cipher {
        ContentCipher::Aes128Cbc => oid::AES128_CBC,
        ContentCipher::Aes256Cbc => oid::AES256_CBC,
        ContentCipher::Aes128Gcm => oid::AES128_GCM,
        ContentCipher::Aes256Gcm => oid::AES256_GCM,
    };
    let front = [
        writer::oid(&oid::DATA),
        writer::algorithm(&name, &parameters),
        writer::header(tag::context_primitive(0), ciphertext),
    ]
    .concat();
    Ok(SharedContent {
        cipher: key.cipher,
        front,
        shared,
        ciphertext,
    })
}

/// Algorithm parameters, shared bytes, length of the ciphertext among them.
type Encrypted = (Vec<u8>, Vec<u8>, usize);

fn cbc(
    key: &ContentKey,
    plaintext: &[u8],
    rng: &mut dyn CryptoRng,
) -> Result<Encrypted, WriteError> {
    let mut iv = [0; 16];
    rng.fill_bytes(&mut iv);
    let wrong = |_| WriteError::Content;
    let sealed = if key.cipher == ContentCipher::Aes128Cbc {
        cbc::Encryptor::<aes::Aes128>::new_from_slices(key.bytes(), &iv)
            .map_err(wrong)?
            .encrypt_padded_vec::<Pkcs7>(plaintext)
    } else {
        cbc::Encryptor::<aes::Aes256>::new_from_slices(key.bytes(), &iv)
            .map_err(wrong)?
            .encrypt_padded_vec::<Pkcs7>(plaintext)
    };
    let length = sealed.len();
    Ok((writer::octet_string(&iv), sealed, length))
}

fn gcm(
    key: &ContentKey,
    plaintext: &[u8],
    rng: &mut dyn CryptoRng,
) -> Result<Encrypted, WriteError> {
    let algorithm = if key.cipher == ContentCipher::Aes128Gcm {
        &aead::AES_128_GCM
    } else {
        &aead::AES_256_GCM
    };
    let mut nonce = [0; aead::NONCE_LEN];
    rng.fill_bytes(&mut nonce);
    let parameters = writer::sequence(&[
        &writer::octet_string(&nonce),
        &writer::small_uint(TAG.into()),
    ]);
    let sealing = aead::UnboundKey::new(algorithm, key.bytes())
        .map(aead::LessSafeKey::new)
        .map_err(|_| WriteError::Content)?;
    let length = plaintext.len();
    let mut shared = Vec::with_capacity(length.saturating_add(2 + usize::from(TAG)));
    shared.extend_from_slice(plaintext);
    // No authenticated attributes, so nothing else is authenticated (RFC 5083 section 2.2). The
    // nonce is new because the key is.
    let tag = sealing
        .seal_in_place_separate_tag(
            aead::Nonce::assume_unique_for_key(nonce),
            aead::Aad::empty(),
            &mut shared,
        )
        .map_err(|_| WriteError::Content)?;
    shared.extend_from_slice(&writer::octet_string(tag.as_ref()));
    Ok((parameters, shared, length))
}

/// Bytes in an authentication tag (contract S15).
const TAG: u8 = 16;
