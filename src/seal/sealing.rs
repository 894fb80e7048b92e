//! One message sealed for many: encrypted once, joined to a head for each subscriber.
//!
//! # Invariants
//!
//! * The shared base64 begins where a head ends on a multiple of three bytes; up to two bytes of
//!   ciphertext move into the head for that, so there are three alignments, made when first needed.
//! * A [`Sealing`] holds no plaintext: it is gone when [`Sealing::new`] returns.
//!
//! # See also
//!
//! RFC 8551 sections 3.3 and 3.4.2, RFC 2045 section 6.8.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use rand_core::CryptoRng;

use super::headers::HIDDEN;
use super::{Outer, Recipient, SealError};
use crate::cms::write::{ContentKey, SharedContent, encrypt_content, prefix};
use crate::mime::Entity;
use crate::mime::canon::Wiped;
use crate::mime::write::{Header, append_base64, base64_lines, base64_size};
use crate::model::list::{ContentCipher, SubjectPolicy};

/// A post that is encrypted and waits for its subscribers.
pub struct Sealing {
    ciphers: Vec<Encrypted>,
}

/// The content under one cipher.
struct Encrypted {
    key: ContentKey,
    content: SharedContent,
    /// Everything up to the empty line, the same for every copy.
    header: Vec<u8>,
    /// Base64 of the shared bytes from byte 0, 1 and 2 on.
    base64: [OnceLock<Arc<Vec<u8>>>; 3],
}

/// One mail for one recipient. Clones share the large part.
#[derive(Clone)]
pub struct Sealed {
    head: Vec<u8>,
    shared: Arc<Vec<u8>>,
    eight_bit: bool,
}

impl Sealing {
    /// Encrypts `entity` once under each of `ciphers` and prepares the header of the copies.
    ///
    /// `entity` is what the author made, as `Opened::sealing_entity` returns it. It goes inside as
    /// it is; only a header in bare line feeds shows that it never went through SMTP, and then it
    /// is brought into canonical form (RFC 8551 section 3.1.1).
    ///
    /// # Errors
    ///
    /// [`SealError::Cms`] for content beyond the ciphers, [`SealError::Header`] when the list's
    /// settings do not make a header.
    pub fn new(
        entity: &[u8],
        outer: &Outer,
        ciphers: &[ContentCipher],
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, SealError> {
        let header = outer.sealed()?;
        let inside = with_subject(canonical(entity), outer);
        let mut sorted = ciphers.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let ciphers = sorted
            .into_iter()
            .map(|cipher| Encrypted::new(&inside, &header, cipher, rng))
            .collect::<Result<_, _>>()?;
        Ok(Self { ciphers })
    }

    /// Returns the copy for one subscriber.
    ///
    /// # Errors
    ///
    /// [`SealError::Cipher`] for a cipher that was not among those of [`Sealing::new`],
    /// [`SealError::Cms`] when the public key does not work.
    pub fn copy_for(
        &self,
        recipient: &Recipient,
        cipher: ContentCipher,
    ) -> Result<Sealed, SealError> {
        self.ciphers
            .iter()
            .find(|encrypted| encrypted.key.cipher() == cipher)
            .ok_or(SealError::Cipher)?
            .copy_for(recipient)
    }
}

/// Seals one entity to one recipient: notices, answers, copies for moderators.
///
/// `header` has every field of the mail but MIME-Version and the Content fields.
///
/// # Errors
///
/// As [`Sealing::new`] and [`Sealing::copy_for`].
pub fn seal_entity(
    entity: &[u8],
    header: &Header,
    recipient: &Recipient,
    cipher: ContentCipher,
    rng: &mut dyn CryptoRng,
) -> Result<Sealed, SealError> {
    let mut header = header.clone();
    header.push_value("MIME-Version", "1.0")?;
    let inside = canonical(entity);
    Encrypted::new(&inside, &header, cipher, rng)?.copy_for(recipient)
}

impl Encrypted {
    fn new(
        entity: &[u8],
        header: &Header,
        cipher: ContentCipher,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, SealError> {
        let mut header = header.clone();
        let kind = if cipher.is_authenticated() {
            "authEnveloped-data"
        } else {
            "enveloped-data"
        };
        header
            .push_value(
                "Content-Type",
                &format!("application/pkcs7-mime; smime-type={kind}; name=\"smime.p7m\""),
            )?
            .push_value("Content-Transfer-Encoding", "base64")?
            .push_value("Content-Disposition", "attachment; filename=\"smime.p7m\"")?;
        let key = ContentKey::generate(cipher, rng);
        let content = encrypt_content(&key, entity, rng)?;
        Ok(Self {
            key,
            content,
            header: header.with_body(b""),
            base64: Default::default(),
        })
    }

    fn copy_for(&self, recipient: &Recipient) -> Result<Sealed, SealError> {
        let info = recipient.info(&self.key)?;
        let mut der = prefix(&info, &self.content);
        // 0, 1 or 2 bytes complete the last group of three.
        let moved = der.len().next_multiple_of(3).saturating_sub(der.len());
        let shared = self.content.shared();
        der.extend_from_slice(shared.get(..moved).unwrap_or(shared));
        let base64 = self.base64.get(moved).ok_or(SealError::Cipher)?;
        let shared =
            base64.get_or_init(|| Arc::new(base64_lines(shared.get(moved..).unwrap_or_default())));
        let size = self.header.len().saturating_add(base64_size(der.len()));
        let mut head = Vec::with_capacity(size);
        head.extend_from_slice(&self.header);
        append_base64(&mut head, &der);
        Ok(Sealed {
            eight_bit: !self.header.is_ascii(),
            head,
            shared: Arc::clone(shared),
        })
    }
}

impl Sealed {
    /// Returns the mail in pieces, to be written one after the other.
    #[must_use]
    pub fn chunks(&self) -> [&[u8]; 2] {
        [&self.head, &self.shared]
    }

    /// Returns its size in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.head.len().saturating_add(self.shared.len())
    }

    /// True when its header has bytes beyond ASCII, so that the mail server has to offer 8BITMIME.
    #[must_use]
    pub fn needs_8bit(&self) -> bool {
        self.eight_bit
    }
}

/// Brings an entity whose header ends its lines in bare LF into canonical form.
fn canonical(entity: &[u8]) -> Wiped<'_> {
    let end = memchr::memchr(b'\n', entity);
    let before = end
        .and_then(|at| at.checked_sub(1))
        .and_then(|at| entity.get(at));
    if end.is_none() || before == Some(&b'\r') {
        Wiped::new(Cow::Borrowed(entity))
    } else {
        Wiped::crlf(entity)
    }
}

/// True where the header inside, or the signed part in it, has a Subject (RFC 9788).
fn has_subject(inside: &Entity) -> bool {
    let signed = inside.signed_parts().ok();
    let signed = signed.and_then(|(part, _)| Entity::parse(part).ok());
    inside.first("Subject").is_some() || signed.is_some_and(|part| part.first("Subject").is_some())
}

/// Puts a Subject that is hidden outside into the header inside, unless the author put one there.
fn with_subject<'a>(entity: Wiped<'a>, outer: &Outer) -> Wiped<'a> {
    let subject = outer.fields.iter().find(|field| field.is("Subject"));
    let missing = outer.policy.subject == SubjectPolicy::Hide
        && outer.protected_subject.is_none()
        && Entity::parse(&entity).is_ok_and(|inside| !has_subject(&inside));
    match subject {
        Some(subject) if missing && subject.value() != HIDDEN => {
            let line = Header::new().push_received(subject).as_bytes().to_vec();
            Wiped::new(Cow::Owned([&line[..], &entity].concat()))
        }
        _ => entity,
    }
}
