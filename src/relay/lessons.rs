//! What the daemon may keep of a message's certificates, and what people are told about it.
//!
//! # Invariants
//!
//! * Only a proven author teaches, and only about his own address (contract S31).
//! * What would change the certificate in force in a doubtful way is not kept: the owners hear of
//!   it (contract S34).

use time::OffsetDateTime;

use crate::authorize::proven_author;
use crate::harvest::{Decision as Choice, Doubt, Evidence, Learned, decide, harvest};
use crate::model::Address;
use crate::model::list::Readable;
use crate::model::plan::Item;
use crate::notice::{Kind, Variable};
use crate::open::Opened;
use crate::pki::capabilities::{content_ciphers, reads_oaep};
use crate::pki::path::Work;
use crate::pki::{Certificate, Slot};
use crate::relay::{Case, Noted, Present};

/// What a message teaches about its author.
#[derive(Clone, Debug, Default)]
pub struct Lessons {
    /// Certificates that take effect.
    pub adopt: Vec<Learned>,
    /// Certificates that wait for people, and why.
    pub pending: Vec<(Learned, Doubt)>,
    /// Certificates that were in force already, or are older than those.
    pub idle: Vec<(Learned, Choice)>,
    /// What the author's mail client can read.
    pub capabilities: Option<Capabilities>,
}

/// What a mail client announced (RFC 8551 section 2.5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Whose client.
    pub address: Address,
    /// When it was signed.
    pub signed: OffsetDateTime,
    /// What it reads.
    pub reads: Readable,
}

impl Lessons {
    /// Returns what `opened` teaches.
    #[must_use]
    pub fn of(case: &Case<'_>, opened: &Opened) -> Self {
        let mut lessons = Self::default();
        let (Some(author), Some(signer)) = (proven_author(opened), opened.signer()) else {
            return lessons;
        };
        let Some(certificate) = &signer.evidence.certificate else {
            return lessons;
        };
        let evidence = Evidence {
            author,
            signer: certificate,
            enclosed: opened.enclosed(),
            preferred: signer.evidence.encryption_certificate.as_ref(),
        };
        let mut work = Work::default();
        let trusted = |one: &Certificate, purpose| {
            let pool = opened.enclosed();
            case.belief.issuers(one, pool, purpose, case.now, &mut work)
        };
        for learned in harvest(&evidence, trusted) {
            let choice = match (case.in_force)(&learned.address, learned.slot) {
                None => decide(None, &learned.certificate),
                Some(Present {
                    certificate: Some(old),
                    ..
                }) => decide(Some(&old), &learned.certificate),
                // What cannot be compared might be newer, stronger, of another authority (S34).
                Some(_) => Choice::Pending(Doubt::Unreadable),
            };
            match choice {
                Choice::Adopt => lessons.adopt.push(learned),
                Choice::Pending(doubt) => lessons.pending.push((learned, doubt)),
                choice => lessons.idle.push((learned, choice)),
            }
        }
        lessons.capabilities = capabilities(author, opened, case.now);
        lessons
    }

    /// Returns the certificate that this message puts into use for encryption.
    #[must_use]
    pub fn new_encryption(&self) -> Option<&Learned> {
        self.adopt.iter().find(|learned| learned.slot != Slot::Sign)
    }

    /// Returns the notices to `owners` about certificates that wait.
    pub(super) fn pending_notices(&self, case: &Case<'_>) -> Vec<Item> {
        self.pending
            .iter()
            .flat_map(|(learned, doubt)| {
                let mut facts = Noted::default()
                    .with(Variable::Sender, &learned.address)
                    .with(Variable::Fingerprint, learned.certificate.sha256_hex())
                    .with(Variable::Problem, doubt.text());
                if let Some(present) = (case.in_force)(&learned.address, learned.slot) {
                    facts = facts.with(Variable::Commands, format!("rm {}", present.file));
                }
                case.notices(case.speaker.owners, Kind::CertificatePending, &facts, false)
            })
            .collect()
    }

    /// Returns the answer that a certificate was stored, once for every new one (decision 6).
    pub(super) fn registered(&self, case: &Case<'_>, to: &Address, lang: &str) -> Option<Item> {
        let learned = self.new_encryption()?;
        let facts = Noted::default()
            .with(Variable::Fingerprint, learned.certificate.sha256_hex())
            .with(Variable::Expires, shown(learned.certificate.not_after()));
        Some(case.notice(to, lang, Kind::Registered, &facts, false))
    }
}

fn capabilities(author: &Address, opened: &Opened, now: OffsetDateTime) -> Option<Capabilities> {
    let evidence = &opened.signer()?.evidence;
    let announced = evidence.capabilities.as_deref()?;
    let reads = Readable {
        ciphers: content_ciphers(announced).ok()?,
        oaep: reads_oaep(announced),
    };
    Some(Capabilities {
        address: author.clone(),
        // A time in the future would outlive every later announcement.
        signed: evidence.signing_time.unwrap_or(now).min(now),
        reads,
    })
}

/// Returns a date as notices show it.
#[must_use]
pub fn shown(date: OffsetDateTime) -> String {
    let date = date.to_offset(time::UtcOffset::UTC);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02} UTC",
        date.year(),
        u8::from(date.month()),
        date.day(),
        date.hour(),
        date.minute()
    )
}
