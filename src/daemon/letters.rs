//! Writes the notices of a plan: text, attachments, signature, encryption.
//!
//! # Invariants
//!
//! * A notice about an encrypted post is sealed where the reader's certificate is known, and says
//!   nothing of its content where it is not (contract S39).
//! * A held post that came encrypted leaves sealed to each of those who decide, or as it came.

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use time::OffsetDateTime;
use tracing::warn;
use zeroize::Zeroizing;

use super::site::Site;
use super::world::World;
use crate::deliver::Cargo;
use crate::mime::write::Header;
use crate::mime::{Entity, Field, sender};
use crate::model::plan::{Item, Plan, What};
use crate::model::{Address, Reason};
use crate::notice::{Attachment, Facts, Kind, Letter, RenderError, Rendered, Variable};
use crate::open::Opened;
use crate::pki::{Certificate, pem};
use crate::relay::lessons::shown;
use crate::seal::{SealError, multipart_signed};
use crate::spool::Message;

/// Writes notices for one list at one instant.
pub(super) struct Letters<'a> {
    pub site: &'a Site,
    pub world: &'a World,
    pub now: OffsetDateTime,
}

/// Why a notice cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum LetterError {
    #[error(transparent)]
    Render(#[from] RenderError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("there is no notice of this name")]
    Unknown,
}

impl Letters<'_> {
    /// Returns the notice for item `index` of a plan. `withheld` is set where it stands for a copy;
    /// `enclosure` is the opened post for those who decide on it.
    pub fn cargo(
        &self,
        plan: &Plan,
        message: &Message,
        item: &Item,
        index: usize,
        withheld: Option<Reason>,
        enclosure: Option<&[u8]>,
    ) -> Result<Cargo, LetterError> {
        let mut facts = self.facts(&item.to);
        let (kind, enclose) = match (&item.what, withheld) {
            (_, Some(reason)) => {
                facts = facts.reason(reason);
                (Kind::CertMissing, false)
            }
            (
                What::Notice {
                    kind,
                    facts: noted,
                    enclose,
                },
                None,
            ) => {
                facts = facts.with_all(noted);
                let kind = Kind::from_name(kind).ok_or(LetterError::Unknown)?;
                (kind, *enclose)
            }
            _ => return Err(LetterError::Unknown),
        };
        if let Some(sender) = &plan.sender {
            facts = facts.with(Variable::Sender, &sender.to_string());
        }
        if kind == Kind::ListCertificate
            && let Some(pair) = self.world.ring.encryption()
        {
            facts = facts.with(Variable::Expires, &shown(pair.certificate.not_after()));
        }
        facts = facts.with(Variable::MessageRef, &message.id.to_string());
        if plan.encrypted {
            facts = facts.with(Variable::Encrypted, "yes");
        }
        let answered = Entity::parse(&message.data)
            .ok()
            .and_then(|root| root.first("Message-ID").map(|field| field.value()))
            .filter(|_| is_answer(kind));
        let rendered = self.render(
            kind,
            &item.to,
            &item.lang,
            &facts,
            &format!("{}.{index}", message.id),
            answered.as_deref(),
        )?;
        // S39: what was said in secret is answered in secret; a registration proves its key so.
        let secret = plan.encrypted || kind == Kind::Registered;
        self.finish(
            rendered,
            enclose.then_some(&message.data),
            enclosure,
            secret,
        )
    }

    /// Returns a notice that no message caused, in clear.
    pub fn plain(
        &self,
        kind: Kind,
        to: &Address,
        facts: &Facts,
        token: &str,
    ) -> Result<Cargo, LetterError> {
        let lang = &self.world.policy().lang;
        let rendered = self.render(kind, to, lang, facts, token, None)?;
        Ok(Cargo::from(&rendered))
    }

    /// Returns what every notice of this list may say.
    pub fn facts(&self, to: &Address) -> Facts {
        let policy = self.world.policy();
        let facts = if self.world.is_site {
            Facts::for_site(&policy.address)
        } else {
            Facts::for_list(&policy.address, &policy.title)
        };
        let mut facts = facts
            .with(Variable::Date, &shown(self.now))
            .with(Variable::To, &to.to_string());
        if let Some(pair) = self.world.ring.encryption() {
            let fingerprint = pair.certificate.sha256_hex();
            facts = facts.with(Variable::ListFingerprint, &fingerprint);
        }
        facts
    }

    fn render(
        &self,
        kind: Kind,
        to: &Address,
        lang: &str,
        facts: &Facts,
        token: &str,
        answered: Option<&str>,
    ) -> Result<Rendered, LetterError> {
        let mut rendered = self.site.templates.render(
            kind,
            &Letter {
                from: &self.world.policy().address,
                to,
                lang,
                facts,
                now: self.now,
                token,
                in_reply_to: answered,
            },
        )?;
        if let Some(problem) = rendered.problem() {
            warn!(notice = kind.name(), "{problem}; the built-in text is sent");
        }
        if matches!(kind, Kind::ListCertificate | Kind::Registered)
            && let Some(pair) = self.world.ring.encryption()
        {
            let issuers = self.world.issuers(pair, self.now);
            rendered = self.with_certificate(rendered, &pair.certificate, &issuers)?;
        }
        Ok(rendered)
    }

    /// Encloses the certificate that mail to this list is encrypted with, twice: for mail programs
    /// and for people.
    fn with_certificate(
        &self,
        rendered: Rendered,
        certificate: &Certificate,
        chain: &[Certificate],
    ) -> Result<Rendered, LetterError> {
        let all: Vec<Certificate> = std::iter::once(certificate).chain(chain).cloned().collect();
        let text: String = all
            .iter()
            .map(|one| pem::encode("CERTIFICATE", one.der()))
            .collect();
        let bag = crate::cms::sign::certs_only(&all).map_err(SealError::from)?;
        let rendered = rendered
            .attach(&Attachment {
                name: "certificate.p7c",
                content_type: "application/pkcs7-mime; smime-type=certs-only",
                bytes: &bag,
            })
            .map_err(RenderError::from)?;
        let rendered = rendered
            .attach(&Attachment {
                name: "certificate.pem",
                content_type: "application/x-pem-file",
                bytes: text.as_bytes(),
            })
            .map_err(RenderError::from)?;
        Ok(rendered)
    }

    fn finish(
        &self,
        rendered: Rendered,
        received: Option<&Vec<u8>>,
        enclosure: Option<&[u8]>,
        secret: bool,
    ) -> Result<Cargo, LetterError> {
        let rng = &mut UnwrapErr(SysRng);
        let reader = if secret {
            self.site
                .recipient(self.world, rendered.to(), self.now)
                .ok()
        } else {
            None
        };
        let rendered = match (received, enclosure, &reader) {
            (Some(_), Some(post), Some((recipient, cipher))) => {
                let entity = rendered.entity_with_post(post);
                return Ok(rendered.seal(&entity, recipient, *cipher, rng)?.into());
            }
            (Some(message), ..) => rendered.enclose_received(message),
            (None, ..) => rendered,
        };
        let mut entity = rendered.entity();
        if matches!(
            rendered.kind(),
            Kind::ListCertificate | Kind::Registered | Kind::RegistrationFailed
        ) && let Some(pair) = self.world.ring.signing()
        {
            entity = multipart_signed(&entity, pair, &[], Some(self.now), rng)?;
        }
        match reader {
            Some((recipient, cipher)) => {
                Ok(rendered.seal(&entity, &recipient, cipher, rng)?.into())
            }
            None => Ok(Cargo::from(&rendered.protected(entity))),
        }
    }
}

/// True for what answers the author of the message, and so refers to it.
fn is_answer(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::CertMissing
            | Kind::NewPost
            | Kind::OwnerReport
            | Kind::ScenarioError
            | Kind::Suspended
    )
}

/// Returns the opened post as a mail of its own, for people to read: who wrote it and when, and
/// what is inside.
pub(super) fn mail_of(opened: &Opened) -> Zeroizing<Vec<u8>> {
    let mut header = Header::new();
    let inner = Entity::parse(opened.sealing_entity()).ok();
    // What the author protected stands inside; a mail has one of each (RFC 5322 section 3.6).
    let repeats = |field: &Field<'_>| {
        inner.as_ref().is_some_and(|inner| {
            let one = inner.first(field.name()).is_some();
            one && (!field.is("From") || sender::author(inner).ok().as_ref() == opened.from().ok())
        })
    };
    for field in opened.fields() {
        if SHOWN.iter().any(|name| field.is(name)) && !repeats(&field) {
            header.push_received(&field);
        }
    }
    let mut mail = Zeroizing::new(header.as_bytes().to_vec());
    mail.extend_from_slice(b"MIME-Version: 1.0\r\n");
    mail.extend_from_slice(opened.sealing_entity());
    mail
}

/// The fields of a held post that moderators see.
const SHOWN: [&str; 7] = [
    "From",
    "To",
    "Cc",
    "Date",
    "Subject",
    "Message-ID",
    "Reply-To",
];
