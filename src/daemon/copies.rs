//! What the items of a plan look like on the wire: sealed copies, passed mail, notices.
//!
//! # Place in the flow
//!
//! plan, the opened message → **copies** → deliver. Blocking: encryption and files.
//!
//! # Trust
//!
//! The plan was decided on and frozen; the message is opened again after a restart for its content
//! alone (contract decision 15).
//!
//! # Invariants
//!
//! * Content is encrypted once for all subscribers; nothing decrypted is kept once it is sealed,
//!   but what moderators are shown (contract S40).
//! * A subscriber whose certificate has become unusable since the plan gets the notice, never the
//!   post in clear (contract S23, S35).

use std::collections::BTreeSet;
use std::sync::Arc;

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use time::OffsetDateTime;
use tracing::{debug, warn};
use zeroize::Zeroizing;

use super::end::Pause;
use super::judge::open_message;
use super::letters::{Letters, mail_of};
use super::site::Site;
use super::world::{Unsealable, World};
use crate::authorize::{Admitted, readmit};
use crate::config::Problem;
use crate::deliver::{Cargo, Parcel};
use crate::mime::{Entity, Field};
use crate::model::list::{ContentCipher, MissingCertificate};
use crate::model::plan::{Disposition, Item, Plan, What};
use crate::model::route::verp;
use crate::model::{Reason, SpoolId};
use crate::open::Opened;
use crate::pki::KeyPair;
use crate::relay::Content;
use crate::seal::{Cover, Outer, Passed, SealError, Sealing, list_signed};
use crate::spool::{Message, Slot, Spool, SpoolError};

/// Makes the mails of one plan.
pub(super) struct Copies {
    site: Arc<Site>,
    world: World,
    plan: Arc<Plan>,
    message: Message,
    sealing: Option<Sealing>,
    passed: Option<Passed>,
    /// The opened post for those who decide on it.
    enclosure: Option<Zeroizing<Vec<u8>>>,
}

/// One mail, or why there is none for this item.
pub(super) enum Made {
    /// Send it; then the item has this end, where it is not simply sent.
    Parcel(Box<Parcel>, Option<Reason>),
    /// Not now: it has to be prepared anew.
    Later(String),
    /// Nothing is to be sent.
    Never(Slot),
}

/// Which of the sources a plan still needs.
#[derive(Default)]
struct Needs {
    sealed: bool,
    clear: bool,
    intact: bool,
    enclosed: bool,
}

impl Needs {
    fn of(plan: &Plan, states: &[Slot]) -> Self {
        let mut needs = Self::default();
        for (item, state) in plan.items.iter().zip(states) {
            match &item.what {
                _ if state.is_final() => {}
                What::Copy => needs.clear = true,
                What::Intact => needs.intact = true,
                What::Notice { enclose, .. } => needs.enclosed |= *enclose && plan.encrypted,
                What::Sealed => needs.sealed = true,
                What::Withheld { .. } => {}
            }
        }
        needs
    }
}

impl Copies {
    /// Prepares what all items share. `content` is at hand when the message was just judged; after a
    /// restart it is opened again.
    pub fn prepare(
        site: &Arc<Site>,
        spool: &Spool,
        id: SpoolId,
        plan: &Arc<Plan>,
        states: &[Slot],
        content: Content,
    ) -> Result<Self, Pause> {
        let now = site.clock.wall();
        let message = spool.read(id)?;
        let world = site.world(message.envelope.recipient())?;
        let needs = Needs::of(plan, states);
        let mut copies = Self {
            site: site.clone(),
            plan: plan.clone(),
            sealing: None,
            passed: None,
            enclosure: None,
            world,
            message,
        };
        if needs.intact {
            copies.passed = Some(copies.intact().map_err(|error| copies.unmade(&error))?);
        }
        if needs.sealed || needs.clear {
            let admitted = match content {
                Content::Admitted(admitted) => admitted,
                _ => copies.readmit(now)?,
            };
            copies.fill(&needs, &admitted, states)?;
        } else if needs.enclosed {
            let held;
            let again;
            let opened = if let Content::Held(content) = content {
                held = content;
                held.opened()
            } else {
                again = copies.reopen(now)?;
                &again
            };
            let whole = (opened.decrypted() == Some(true)).then(|| mail_of(opened));
            copies.enclosure = whole;
        }
        Ok(copies)
    }

    fn fill(&mut self, needs: &Needs, admitted: &Admitted, states: &[Slot]) -> Result<(), Pause> {
        if needs.sealed {
            if let Some(problem) = self.site.certificates.trouble() {
                return Err(self.world.certificates(problem).into());
            }
            let sealing = self.seal(admitted.opened(), &self.ciphers(states));
            self.sealing = Some(sealing.map_err(|error| self.unmade(&error))?);
        }
        if needs.clear {
            let passed = self.clear(admitted.opened());
            self.passed = Some(passed.map_err(|error| self.unmade(&error))?);
        }
        Ok(())
    }

    /// Opens an admitted post again; the verdict of the plan holds (contract decision 15).
    fn readmit(&self, now: OffsetDateTime) -> Result<Admitted, Pause> {
        readmit(self.reopen(now)?, &self.plan).ok_or_else(|| {
            Pause::Spool(SpoolError::Corrupt {
                place: format!("{}.plan", self.message.id).into(),
                problem: "the plan does not fit what the message holds".to_owned(),
            })
        })
    }

    /// Opens the message again.
    fn reopen(&self, now: OffsetDateTime) -> Result<Opened, Pause> {
        let keys = self.world.ring.pairs();
        let opened = open_message(&self.site, &self.world, &self.message.data, keys, now)?;
        if opened.decrypted() == Some(false) && self.world.ring.is_incomplete() {
            return Err(self.world.keyless().into());
        }
        Ok(opened)
    }

    /// Returns what the content has to be encrypted with. Keys are read as each copy is made: of
    /// many members they would fill the memory, and keep the first copy waiting (contract E16).
    fn ciphers(&self, states: &[Slot]) -> Vec<ContentCipher> {
        let open = self.plan.items.iter().zip(states);
        let open = open.filter(|(item, state)| item.what == What::Sealed && !state.is_final());
        let ciphers = open.filter_map(|(item, _)| self.site.cipher(&self.world, &item.to).ok());
        ciphers.collect::<BTreeSet<_>>().into_iter().collect()
    }

    fn seal(&self, opened: &Opened, ciphers: &[ContentCipher]) -> Result<Sealing, SealError> {
        let fields = opened.fields();
        let is_subject = |field: &Field<'_>| field.is("Subject");
        let hidden = opened.hidden_fields();
        let outer = Outer {
            protected_subject: opened
                .protected_fields()
                .and_then(|fields| fields.into_iter().find(is_subject)),
            subject_is_hidden: hidden.iter().any(is_subject),
            ..self.outer(&fields)
        };
        let rng = &mut UnwrapErr(SysRng);
        match self.signing_pair() {
            Some(pair) => {
                let signed =
                    list_signed(opened.sealing_entity(), &outer, Cover::Sealed, pair, rng)?;
                Sealing::new(&signed, &outer, ciphers, rng)
            }
            None => Sealing::new(opened.sealing_entity(), &outer, ciphers, rng),
        }
    }

    fn clear(&self, opened: &Opened) -> Result<Passed, SealError> {
        let fields = opened.fields();
        let outer = self.outer(&fields);
        match self.signing_pair() {
            Some(pair) => {
                let rng = &mut UnwrapErr(SysRng);
                let signed = list_signed(opened.sealing_entity(), &outer, Cover::Clear, pair, rng)?;
                Passed::signed(&signed, &outer)
            }
            None => match Entity::parse(&self.message.data) {
                Ok(mail) => Passed::new(&mail, &outer),
                Err(_) => Passed::signed(opened.sealing_entity(), &outer),
            },
        }
    }

    /// The message as it came, to subscribers or to the people behind the list.
    fn intact(&self) -> Result<Passed, SealError> {
        let mail = Entity::parse(&self.message.data);
        let fields = mail.as_ref().map_or(&[][..], |mail| mail.fields());
        let outer = Outer {
            via: None,
            ..self.outer(fields)
        };
        match &mail {
            Ok(mail) if self.plan.disposition == Disposition::Forward => {
                Passed::forwarded(mail, &outer)
            }
            Ok(mail) => Passed::new(mail, &outer),
            // What is no mail goes on as the body of one.
            Err(_) => Passed::signed(&[b"\r\n", &self.message.data[..]].concat(), &outer),
        }
    }

    fn outer<'a>(&'a self, fields: &'a [Field<'a>]) -> Outer<'a> {
        Outer {
            fields,
            protected_subject: None,
            subject_is_hidden: false,
            policy: self.world.policy(),
            sequence: self.plan.sequence,
            via: self
                .plan
                .sender
                .as_ref()
                .filter(|_| self.world.policy().sign),
        }
    }

    fn signing_pair(&self) -> Option<&KeyPair> {
        self.world
            .ring
            .signing()
            .filter(|_| self.world.policy().sign)
    }

    /// Returns the mail for item `index`.
    pub fn make(&self, index: usize) -> Made {
        let Some(item) = self.plan.items.get(index) else {
            return Made::Never(lost(Reason::MessageRefused));
        };
        match &item.what {
            What::Copy | What::Intact => match &self.passed {
                Some(passed) => self.copy(item, passed.clone().into()),
                None => Made::Never(lost(Reason::MimeMalformed)),
            },
            What::Notice { .. } => self.notice(item, index, None),
            What::Sealed => self.sealed(item, index),
            What::Withheld { reason, .. } => self.notice(item, index, Some(*reason)),
        }
    }

    fn sealed(&self, item: &Item, index: usize) -> Made {
        let Some(sealing) = &self.sealing else {
            return Made::Never(lost(Reason::MimeMalformed));
        };
        let now = self.site.clock.wall();
        let (recipient, cipher) = match self.site.recipient(&self.world, &item.to, now) {
            Ok(reader) => reader,
            // It was good when the plan was made.
            Err(Unsealable::Reader(reason)) => return self.withheld(item, index, reason),
            Err(Unsealable::Trouble(obstacle)) => {
                let problem = obstacle.problems.first();
                return Made::Later(problem.map(Problem::text).unwrap_or_default());
            }
        };
        match sealing.copy_for(&recipient, cipher) {
            Ok(sealed) => self.copy(item, sealed.into()),
            Err(SealError::Cipher) => {
                Made::Later("the reader's program was replaced meanwhile".to_owned())
            }
            Err(error) => {
                warn!(spool = %self.message.id, seal = %error, item = index);
                self.withheld(item, index, Reason::CertificateUnusable)
            }
        }
    }

    fn withheld(&self, item: &Item, index: usize, reason: Reason) -> Made {
        match self.world.policy().missing_certificate {
            MissingCertificate::Notice => self.notice(item, index, Some(reason)),
            MissingCertificate::Nothing => Made::Never(Slot::Withheld { reason }),
        }
    }

    fn copy(&self, item: &Item, cargo: Cargo) -> Made {
        let list = &self.world.policy().address;
        // What goes to people behind the list must not come back as a bounce to them (RFC 3834).
        let is_post = self.plan.disposition == Disposition::Distribute;
        let reverse_path = is_post.then(|| verp(list, &item.to).ok()).flatten();
        let name = || self.site.names.name(list, self.message.id, &item.to);
        Made::Parcel(
            Box::new(Parcel {
                reverse_path,
                to: item.to.clone(),
                cargo,
                name: is_post.then(name),
            }),
            None,
        )
    }

    fn notice(&self, item: &Item, index: usize, withheld: Option<Reason>) -> Made {
        let letters = Letters {
            site: &self.site,
            world: &self.world,
            now: self.site.clock.wall(),
        };
        let enclosure = self.enclosure.as_deref().map(Vec::as_slice);
        let cargo = letters.cargo(&self.plan, &self.message, item, index, withheld, enclosure);
        match cargo {
            Ok(cargo) => Made::Parcel(
                Box::new(Parcel {
                    reverse_path: None, // RFC 3834 section 3.3
                    to: item.to.clone(),
                    cargo,
                    name: None,
                }),
                withheld,
            ),
            Err(error) => {
                warn!(spool = %self.message.id, notice = %error, item = index);
                Made::Never(withheld.map_or_else(
                    || lost(Reason::MessageRefused),
                    |reason| Slot::Withheld { reason },
                ))
            }
        }
    }

    /// A list whose settings or key make no mail is that list's trouble: its messages wait.
    fn unmade(&self, error: &SealError) -> Pause {
        debug!(spool = %self.message.id, seal = %error);
        let mut obstacle = self.world.keyless();
        obstacle.problems.push(Problem::error(
            self.world.config.directory.list_toml(),
            format!("no copy can be made: {error}"),
            format!("listseal check {}", self.world.policy().address),
        ));
        obstacle.into()
    }
}

/// The end of a copy that no mail server was asked about.
pub(super) fn lost(reason: Reason) -> Slot {
    Slot::Failed {
        reason,
        code: 0,
        status: None,
    }
}
