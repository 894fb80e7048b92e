//! The product of `open`: a message with every verdict about it.
//!
//! # Invariants
//!
//! * Private fields, no constructor outside this room, no `Serialize`, a silent `Debug`: plaintext
//!   has no way out but the accessors that name it.

use std::fmt;

use zeroize::Zeroizing;

use super::content::Content;
use super::hidden::hidden;
use super::layer::{EncryptedLayer, Layer, SignedLayer};
use super::peel::Peeled;
use super::signer::Signer;
use crate::mime::{Entity, Field, canon, sender};
use crate::model::{Address, Reason};
use crate::pki::certificate::Certificate;
use crate::pki::path::ChainVerdict;

/// What became of the signature that speaks for the author.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// There is one, and it does not hold.
    Invalid,
    /// There is none.
    None,
    /// It holds, whoever made it.
    Valid,
}

impl Verdict {
    /// Returns the word used in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::None => "none",
            Self::Valid => "valid",
        }
    }
}

/// A message opened as far as it goes.
pub struct Opened {
    layers: Vec<Layer>,
    /// The outer fields and the empty line after them; empty when they cannot be read.
    header: Vec<u8>,
    from: Result<Address, Reason>,
    /// A From inside the protection that is not the outer one.
    protected_mismatch: bool,
    /// Like `header`, for the fields that the protection covers.
    protected_header: Zeroizing<Vec<u8>>,
    message_id: Option<String>,
    content_type: Option<String>,
    problem: Option<Reason>,
    innermost: Content,
    sealing: Sealing,
    content_keys: Vec<Zeroizing<Vec<u8>>>,
    private_operations: usize,
    enclosed: Vec<Certificate>,
}

/// Where the entity for the members is.
enum Sealing {
    Decrypted(Content),
    Own(Zeroizing<Vec<u8>>),
}

impl Opened {
    /// Judges what peeling has found.
    pub(super) fn new(message: &[u8], found: Peeled) -> Self {
        let root = Entity::parse(message);
        let from = root
            .as_ref()
            .map_err(|error| error.reason())
            .and_then(sender::author);
        let protected_mismatch = found
            .protected
            .iter()
            .any(|inner| inner.is_err() || *inner != from);
        let sealing = match found.decrypted {
            Some(content) => Sealing::Decrypted(content),
            None => Sealing::Own(Zeroizing::new(
                root.as_ref().map(content_entity).unwrap_or_default(),
            )),
        };
        Self {
            layers: found.layers,
            header: root.as_ref().map(header).unwrap_or_default(),
            from,
            protected_mismatch,
            protected_header: found.protected_header,
            message_id: root.as_ref().ok().and_then(message_id),
            content_type: found.content_type,
            problem: found.problem,
            innermost: found.innermost,
            sealing,
            content_keys: found.content_keys,
            private_operations: found.private_operations,
            enclosed: found.enclosed,
        }
    }

    /// Returns every layer, outermost first.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// True when at least one layer is encrypted.
    #[must_use]
    pub fn encrypted(&self) -> bool {
        self.encryption().next().is_some()
    }

    /// Returns whether every encrypted layer was decrypted; none when nothing was encrypted.
    #[must_use]
    pub fn decrypted(&self) -> Option<bool> {
        self.encrypted()
            .then(|| self.encryption().all(|layer| layer.problem.is_none()))
    }

    /// True when every layer is off, every signature holds and a MIME entity is left: the content
    /// can be distributed. False is what contract S10 calls unprocessable.
    #[must_use]
    pub fn is_processable(&self) -> bool {
        self.problem.is_none() && self.layers.iter().all(|layer| layer.reason().is_none())
    }

    /// True when reading ended early for a reason that no layer gives: too many layers, a limit, a
    /// root that is no mail. Content that is no MIME entity was read to its end.
    #[must_use]
    pub fn was_cut_short(&self) -> bool {
        self.problem
            .is_some_and(|problem| problem != Reason::NotMime)
    }

    /// Returns the verdict on the innermost signature, which speaks for the author (contract S30).
    #[must_use]
    pub fn signature(&self) -> Verdict {
        match self.speaking() {
            None => Verdict::None,
            Some(layer) if layer.is_valid() => Verdict::Valid,
            Some(_) => Verdict::Invalid,
        }
    }

    /// True when the innermost signature was made over the plaintext: it stands inside all
    /// encryption. A signature around ciphertext alone could be anybody's who saw it (S16).
    #[must_use]
    pub fn signature_covers_plaintext(&self) -> bool {
        let last = |is: fn(&Layer) -> bool| self.layers.iter().rposition(is);
        let signed = last(|layer| layer.signed().is_some());
        signed.is_some() && signed > last(|layer| layer.encrypted().is_some())
    }

    /// Returns the signer who speaks for the author: the one whose certificate names From, a
    /// trusted one first; else the first.
    #[must_use]
    pub fn signer(&self) -> Option<&Signer> {
        let signers = &self.speaking()?.signers;
        let from = self.from.as_ref().ok();
        let names = |signer: &&Signer| from.is_some_and(|from| signer.names(from));
        signers
            .iter()
            .find(|signer| names(signer) && signer.is_trusted())
            .or_else(|| signers.iter().find(names))
            .or_else(|| signers.first())
    }

    /// Returns the verdict on that signer's chain.
    #[must_use]
    pub fn chain(&self) -> Option<ChainVerdict> {
        Some(self.signer()?.chain.as_ref()?.verdict)
    }

    /// Returns the authenticated author: the signature is valid, the chain trusted, the certificate
    /// names the From address, and no From inside the protection says otherwise.
    #[must_use]
    pub fn author(&self) -> Option<&Address> {
        let from = self.from.as_ref().ok()?;
        let signer = self.signer()?;
        let proven = self.signature() == Verdict::Valid
            && signer.is_trusted()
            && signer.names(from)
            && !self.protected_mismatch;
        proven.then_some(from)
    }

    /// Returns the one address of the one outer From field.
    ///
    /// # Errors
    ///
    /// Why there is none (contract S28).
    pub fn from(&self) -> Result<&Address, Reason> {
        self.from.as_ref().map_err(|reason| *reason)
    }

    /// Returns the first thing that is wrong: with reading, with the signature that speaks for the
    /// author, with its chain, with the author's address. None for an unsigned message that could
    /// be read.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        let unread = self
            .layers
            .iter()
            .filter(|layer| layer.signed().is_none())
            .find_map(Layer::reason);
        let speaking = self.speaking();
        unread
            .or_else(|| speaking.and_then(SignedLayer::reason))
            .or(self.problem)
            .or_else(|| self.chain_reason())
            .or_else(|| self.identity_reason())
    }

    /// Returns the kind of the innermost entity.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// Returns every certificate that was enclosed in any layer; nothing vouches for them.
    #[must_use]
    pub fn enclosed(&self) -> &[Certificate] {
        &self.enclosed
    }

    /// Returns the outer header fields as received, in order.
    #[must_use]
    pub fn fields(&self) -> Vec<Field<'_>> {
        fields(&self.header)
    }

    /// Returns the header fields that the protection covers (RFC 9788, or a message wrapped whole);
    /// none without them, and where anything about the message does not hold.
    ///
    /// They are what the author wrote, whatever stands outside (contract S30). Plaintext, where the
    /// message was encrypted.
    #[must_use]
    pub fn protected_fields(&self) -> Option<Vec<Field<'_>>> {
        let any = !self.protected_header.is_empty() && self.is_processable();
        any.then(|| fields(&self.protected_header))
    }

    /// Returns the protected fields that the author kept from the world: of an encrypted mail, those
    /// that he says he did not show (RFC 9788). Plaintext: they have no place outside a seal (S42).
    #[must_use]
    pub fn hidden_fields(&self) -> Vec<Field<'_>> {
        if self.encrypted() && self.is_processable() {
            hidden(&self.protected_header)
        } else {
            Vec::new()
        }
    }

    /// Returns the outer Message-ID as written.
    #[must_use]
    pub fn message_id(&self) -> Option<&str> {
        self.message_id.as_deref()
    }

    /// Returns the entity that the author made: what is inside all encryption, signatures unbroken.
    ///
    /// Of a message that was not encrypted it is the root with its Content-* fields alone, line
    /// ends in CRLF. Plaintext: only ciphertext of it may leave the process when
    /// [`Opened::encrypted`].
    #[must_use]
    pub fn sealing_entity(&self) -> &[u8] {
        match &self.sealing {
            Sealing::Decrypted(content) => content.bytes(&[]),
            Sealing::Own(entity) => entity,
        }
    }

    /// Returns the innermost entity, header included; `message` is what was opened. Plaintext: for
    /// `inspect --plaintext` only.
    #[must_use]
    pub fn innermost<'a>(&'a self, message: &'a [u8]) -> &'a [u8] {
        self.innermost.bytes(message)
    }

    /// Returns every content key that a private key of the list gave, for the replay store: also of a
    /// layer that did not open with it (contract S19).
    #[must_use]
    pub fn content_keys(&self) -> &[Zeroizing<Vec<u8>>] {
        &self.content_keys
    }

    /// Returns how often a private key was used, two times at most (contract S13, E13).
    #[must_use]
    pub fn private_operations(&self) -> usize {
        self.private_operations
    }

    fn encryption(&self) -> impl Iterator<Item = &EncryptedLayer> {
        self.layers.iter().filter_map(Layer::encrypted)
    }

    fn speaking(&self) -> Option<&SignedLayer> {
        self.layers.iter().rev().find_map(Layer::signed)
    }

    fn chain_reason(&self) -> Option<Reason> {
        let chain = self.signer()?.chain.as_ref()?;
        if chain.verdict == ChainVerdict::Trusted {
            None
        } else {
            chain.reason.or(Some(Reason::UnknownIssuer))
        }
    }

    fn identity_reason(&self) -> Option<Reason> {
        let signer = self.signer()?;
        match &self.from {
            Err(reason) => Some(*reason),
            Ok(from) if !signer.names(from) || self.protected_mismatch => {
                Some(Reason::FromMismatch)
            }
            Ok(_) => None,
        }
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened").finish_non_exhaustive()
    }
}

fn fields(header: &[u8]) -> Vec<Field<'_>> {
    Entity::parse(header)
        .map(|entity| entity.fields().to_vec())
        .unwrap_or_default()
}

/// Returns the fields with the empty line after them, for reading them again.
pub(super) fn header(root: &Entity<'_>) -> Vec<u8> {
    // In one piece: a vector that grows leaves its old content behind unwiped (contract S44).
    [root.header_bytes(), &b"\r\n"[..]].concat()
}

fn message_id(root: &Entity<'_>) -> Option<String> {
    root.first("Message-ID")
        .map(Field::value)
        .filter(|id| !id.is_empty())
}

/// Returns the root without the fields of the mail: what was signed, or could be sealed.
///
/// Canonical line ends, because the MTA's pipe has taken them away; a binary body keeps its bytes.
fn content_entity(root: &Entity<'_>) -> Vec<u8> {
    let binary = root
        .first("Content-Transfer-Encoding")
        .is_some_and(|field| field.value().eq_ignore_ascii_case("binary"));
    let body = root.body();
    let size = if binary {
        body.len()
    } else {
        canon::crlf_size(body)
    };
    let mut entity = Vec::with_capacity(size.saturating_add(512));
    for field in root.fields() {
        let name = field.name().as_bytes();
        let is_content = name
            .get(..CONTENT.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(CONTENT));
        if is_content {
            canon::append(&mut entity, field.raw());
            if !entity.ends_with(b"\n") {
                entity.extend_from_slice(b"\r\n");
            }
        }
    }
    entity.extend_from_slice(b"\r\n");
    if binary {
        entity.extend_from_slice(body);
    } else {
        canon::append(&mut entity, body);
    }
    entity
}

const CONTENT: &[u8] = b"Content-";
