//! Peels layer after layer off a message until its content, a limit or a failure is reached.
//!
//! # Invariants
//!
//! * A loop, not a recursion; each turn adds a layer or ends.
//! * A layer that fails ends the peeling, except a wrong signature: its content can be read all the
//!   same, it only is nobody's word.
//! * Every buffer that decrypted content passes through is wiped, that of a transfer encoding or of
//!   an inner object's DER too (contract S44).

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::content::Content;
use super::layer::{EncryptedLayer, Form, Layer, SignedLayer};
use super::object::with_object;
use super::opened;
use super::signer::signers;
use super::wrapping::{Label, Wrapping, is_signature_part};
use super::{Context, MAX_LAYERS};
use crate::asn1::Tlv;
use crate::cms::CmsError;
use crate::cms::compressed::inflate;
use crate::cms::content_info::ContentKind;
use crate::cms::enveloped::{Enveloped, PrivateOperations};
use crate::cms::signed::Signed;
use crate::mime::canon::Wiped;
use crate::mime::{Entity, MimeError, sender};
use crate::model::{Address, Reason};
use crate::pki::certificate::Certificate;
use crate::pki::path::Work;

/// Everything that peeling has found.
pub(super) struct Peeled {
    /// Outermost first.
    pub(super) layers: Vec<Layer>,
    /// What is left: the innermost entity, or the one that could not be opened.
    pub(super) innermost: Content,
    /// What the last encryption gave, and whether a signed layer came after it.
    pub(super) decrypted: Option<Content>,
    /// Kind of the innermost entity, none when it is no MIME entity.
    pub(super) content_type: Option<String>,
    /// Why peeling ended early, where no layer says so itself.
    pub(super) problem: Option<Reason>,
    /// From addresses of entities inside layers (RFC 9788, RFC 8551 section 3.1).
    pub(super) protected: Vec<Result<Address, Reason>>,
    /// The header that the innermost entity protects, empty where it protects none.
    pub(super) protected_header: Zeroizing<Vec<u8>>,
    pub(super) content_keys: Vec<Zeroizing<Vec<u8>>>,
    pub(super) private_operations: usize,
    pub(super) enclosed: Vec<Certificate>,
}

/// Peels `message` with what `context` has.
pub(super) fn peel(message: &[u8], context: &Context<'_>, rng: &mut dyn CryptoRng) -> Peeled {
    let mut peeling = Peeling {
        message,
        context,
        rng,
        operations: PrivateOperations::default(),
        inflated: false,
        work: Work::default(),
        found: Peeled {
            layers: Vec::new(),
            innermost: Content::Received(0..message.len()),
            decrypted: None,
            content_type: None,
            problem: None,
            protected: Vec::new(),
            protected_header: Zeroizing::default(),
            content_keys: Vec::new(),
            private_operations: 0,
            enclosed: Vec::new(),
        },
    };
    while let Some(inner) = peeling.turn() {
        peeling.found.innermost = inner;
    }
    Peeled {
        private_operations: peeling.operations.used(),
        content_keys: peeling.operations.into_content_keys(),
        ..peeling.found
    }
}

struct Peeling<'a> {
    message: &'a [u8],
    context: &'a Context<'a>,
    rng: &'a mut dyn CryptoRng,
    operations: PrivateOperations,
    inflated: bool,
    /// What is left of it is left for the layers inside.
    work: Work,
    found: Peeled,
}

impl Peeling<'_> {
    /// Takes one layer off; none when there is nothing more to take off.
    fn turn(&mut self) -> Option<Content> {
        let current = self.found.innermost.clone();
        let bytes = current.bytes(self.message);
        let below = !self.found.layers.is_empty();
        // Compression protects nothing.
        let protects = |layer: &Layer| layer.encrypted().is_some() || layer.signed().is_some();
        let inside = self.found.layers.iter().any(protects);
        let entity = match Entity::parse(bytes) {
            Ok(entity) => entity,
            Err(error) => {
                self.found.content_type = None;
                self.found.problem.get_or_insert(match error {
                    MimeError::Limit => Reason::LimitExceeded,
                    _ if below => Reason::NotMime,
                    _ => error.reason(),
                });
                return None;
            }
        };
        self.found.content_type = Some(entity.content_type().kind.clone());
        if inside && entity.first("From").is_some() {
            self.found.protected.push(sender::author(&entity));
        }
        let wrapping = Wrapping::of(&entity);
        if wrapping != Wrapping::None && self.found.layers.len() >= MAX_LAYERS {
            self.found.problem = Some(Reason::TooManyLayers);
            return None;
        }
        match wrapping {
            Wrapping::None => {
                if inside {
                    self.protected_header(&entity);
                }
                None
            }
            Wrapping::MultipartSigned => self.multipart_signed(&current, &entity),
            Wrapping::Cms(label) => self.cms(&entity, label),
        }
    }

    /// Notes the header fields that stand inside for their own sake: those of an entity that says
    /// so (RFC 9788 section 2.1, and the drafts before it), or of a message that is wrapped whole.
    fn protected_header(&mut self, entity: &Entity<'_>) {
        let content_type = entity.content_type();
        let says = |name| content_type.parameter(name).map(str::to_ascii_lowercase);
        let marked = matches!(says("hp").as_deref(), Some("clear" | "cipher"))
            || says("protected-headers").is_some_and(|version| version.starts_with('v'));
        if marked {
            self.keep_header(entity);
        }
        let is_message = matches!(&*content_type.kind, "message/rfc822" | "message/global");
        if !is_message || says("forwarded").as_deref() == Some("yes") {
            return;
        }
        // Marked or not: readers of the older form show the author of the message inside (S30).
        let author = entity.decoded_body().map(Wiped::new).and_then(|body| {
            let inner = Entity::parse(&body)?;
            if !marked {
                self.keep_header(&inner);
            }
            Ok(inner.first("From").map(|_| sender::author(&inner)))
        });
        match author {
            Ok(None) => {}
            Ok(Some(author)) => self.found.protected.push(author),
            Err(_) => self.found.protected.push(Err(Reason::FromMalformed)),
        }
    }

    fn keep_header(&mut self, entity: &Entity<'_>) {
        self.found.protected_header = Zeroizing::new(opened::header(entity));
    }

    fn multipart_signed(&mut self, current: &Content, entity: &Entity<'_>) -> Option<Content> {
        let fail = |found: &mut Peeled, problem| {
            found.layers.push(Layer::Signed(SignedLayer {
                form: Form::Detached,
                problem: Some(problem),
                signers: Vec::new(),
            }));
        };
        let (part, signature) = match entity.signed_parts() {
            Ok((part, signature)) if is_signature_part(&signature) => (part, signature),
            Ok(_) => {
                fail(&mut self.found, Reason::SignedStructure);
                return None;
            }
            Err(error) => {
                let problem = match error {
                    MimeError::Limit => Reason::LimitExceeded,
                    _ => Reason::SignedStructure,
                };
                fail(&mut self.found, problem);
                return None;
            }
        };
        // What is signed is the canonical form; mail at rest often has bare line feeds.
        let content = Wiped::crlf(part);
        let outcome = with_object(&signature, |info| {
            if info.kind != ContentKind::Signed {
                return Err(Reason::SignedStructure);
            }
            let signed = Signed::parse(info.content).map_err(CmsError::reason)?;
            // S26: two contents, and each reader would choose his own.
            if signed.content().is_some() {
                return Err(Reason::BothContents);
            }
            let as_received = (*content != *part).then_some(part);
            let work = &mut self.work;
            let signers = signers(&signed, &content, as_received, self.context, work);
            Ok((signed.certificates().to_vec(), signers))
        });
        match outcome {
            Ok((certificates, signers)) => {
                let problem = signers.is_empty().then_some(Reason::NoSigner);
                self.found.enclosed.extend(certificates);
                self.found.layers.push(Layer::Signed(SignedLayer {
                    form: Form::Detached,
                    problem,
                    signers,
                }));
            }
            Err(problem) => fail(&mut self.found, problem),
        }
        Some(current.narrowed(self.message, part))
    }

    fn cms(&mut self, entity: &Entity<'_>, label: Label) -> Option<Content> {
        let outcome = with_object(entity, |info| match info.kind {
            ContentKind::Signed => Ok(self.opaque(info.content)),
            ContentKind::Enveloped | ContentKind::AuthEnveloped => {
                Ok(self.encrypted(info.content, info.kind))
            }
            ContentKind::Compressed => Ok(self.compressed(&info.content)),
            ContentKind::Data | ContentKind::Other => Err(Reason::UnsupportedContent),
        });
        outcome.unwrap_or_else(|problem| {
            self.found.layers.push(unreadable(label, problem));
            None
        })
    }

    fn opaque(&mut self, content: Tlv<'_>) -> Option<Content> {
        let signed = match Signed::parse(content) {
            Ok(signed) => signed,
            Err(error) => {
                self.found
                    .layers
                    .push(unreadable(Label::Signed, error.reason()));
                return None;
            }
        };
        self.found
            .enclosed
            .extend(signed.certificates().iter().cloned());
        // NSS encloses no bytes where others enclose nothing.
        let bag = |content: &&[u8]| !(content.is_empty() && signed.signers() == 0);
        let Some(content) = signed.content().filter(bag) else {
            self.found.layers.push(if signed.signers() == 0 {
                Layer::CertsOnly {
                    certificates: signed.certificates().to_vec(),
                }
            } else {
                // A detached signature whose content is nowhere.
                unreadable(Label::Signed, Reason::SignedStructure)
            });
            return None;
        };
        let signers = signers(&signed, content, None, self.context, &mut self.work);
        let plain = signed.content_kind() == ContentKind::Data;
        let problem = if signers.is_empty() {
            Some(Reason::NoSigner)
        } else if plain {
            None
        } else {
            Some(Reason::UnsupportedContent)
        };
        self.found.layers.push(Layer::Signed(SignedLayer {
            form: Form::Opaque,
            problem,
            signers,
        }));
        plain.then(|| Content::made(Zeroizing::new(content.to_vec())))
    }

    fn encrypted(&mut self, content: Tlv<'_>, kind: ContentKind) -> Option<Content> {
        let mut layer = EncryptedLayer {
            kind,
            problem: None,
            content_algorithm: None,
            key_algorithm: None,
            recipients: 0,
        };
        let keys = self.context.keys;
        let outcome = Enveloped::parse(content, kind)
            .map_err(CmsError::reason)
            .and_then(|enveloped| {
                layer.content_algorithm = Some(enveloped.content_algorithm_name());
                layer.key_algorithm = enveloped.key_algorithm_name(keys);
                layer.recipients = enveloped.recipients();
                let known = [self.context.known, self.context.untrusted].concat();
                let (legacy, operations) = (self.context.legacy, &mut self.operations);
                let decrypted = enveloped.open(keys, &known, legacy, operations, self.rng)?;
                Ok((decrypted, enveloped.inner()))
            });
        let inner = match outcome {
            Ok((decrypted, inner)) => {
                let plaintext = Content::made(decrypted.plaintext);
                self.found.decrypted = Some(plaintext.clone());
                if inner != ContentKind::Data {
                    self.found.problem = Some(Reason::UnsupportedContent);
                }
                Some(plaintext)
            }
            Err(problem) => {
                layer.problem = Some(problem);
                None
            }
        };
        self.found.layers.push(Layer::Encrypted(layer));
        inner
    }

    fn compressed(&mut self, content: &Tlv<'_>) -> Option<Content> {
        // E11: compression inside compression is how bombs are built.
        let outcome = if self.inflated {
            Err(Reason::LimitExceeded)
        } else {
            inflate(content, self.context.max_inflated)
        };
        self.inflated = true;
        self.found.layers.push(Layer::Compressed {
            problem: outcome.as_ref().err().copied(),
        });
        outcome.ok().map(Content::made)
    }
}

/// Returns the layer that an object of this name counts as: signed where it says so, else
/// encrypted, because what cannot be read may be secret.
fn unreadable(label: Label, problem: Reason) -> Layer {
    let problem = Some(problem);
    match label {
        Label::Signed => Layer::Signed(SignedLayer {
            form: Form::Opaque,
            problem,
            signers: Vec::new(),
        }),
        Label::Other => Layer::Encrypted(EncryptedLayer {
            kind: ContentKind::Enveloped,
            problem,
            content_algorithm: None,
            key_algorithm: None,
            recipients: 0,
        }),
    }
}
