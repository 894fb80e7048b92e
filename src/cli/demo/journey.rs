//! The way of the mails: handed in, relayed by the daemon, looked at where they arrived.
//!
//! # Invariants
//!
//! * What is told was observed: the events of the daemon, the files it wrote, and whether each mail
//!   opens with the key of its reader. Nothing is told because it ought to be so.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use getrandom::SysRng;
use rand_core::UnwrapErr;
use time::OffsetDateTime;

use super::complaint;
use super::directory::Directory;
use super::posts::Post;
use super::world::{LIST, Person, SETTINGS, World};
use crate::cli::console::Complaint;
use crate::cli::exit;
use crate::config::Settings;
use crate::daemon::{Daemon, DaemonError, Event, Observer, Pace};
use crate::deliver::Outcome;
use crate::intake;
use crate::model::list::{Legacy, Revocation};
use crate::model::plan::{Item, Plan, What};
use crate::model::{Address, SpoolId};
use crate::open::{Context, Opened, open};
use crate::pki::{Anchors, Crls};
use crate::store::lists::Lists;

/// What became of one mail.
pub(super) struct Told {
    pub(super) post: Post,
    /// The mail as it was handed in.
    pub(super) file: PathBuf,
    pub(super) id: SpoolId,
    /// What the daemon decided.
    pub(super) plan: Plan,
    /// What it sent because of it.
    pub(super) mails: Vec<Mail>,
    /// Whose certificate it learned from the mail, and where it lies.
    pub(super) learned: Vec<(Address, PathBuf)>,
}

/// One mail that left, or should have.
pub(super) struct Mail {
    pub(super) item: Item,
    /// The file, or why there is none.
    pub(super) arrived: Result<PathBuf, String>,
    pub(super) seen: Seen,
}

/// What the reader of a mail sees who has his key alone.
#[derive(Default)]
pub(super) struct Seen {
    /// Content and key algorithm where it is encrypted.
    pub(super) sealed: Option<(String, String)>,
    /// Whether his key opens it; also true where nothing is encrypted.
    pub(super) opens: bool,
    /// Who is proven to have written it.
    pub(super) author: Option<Address>,
}

impl Told {
    /// True when everything that was planned arrived, sealed where it should be, and can be read.
    pub(super) fn went_well(&self) -> bool {
        self.plan.items.iter().all(|item| {
            let mail = self.mails.iter().find(|mail| mail.item == *item);
            match (&item.what, mail) {
                (What::Withheld { notice: false, .. }, _) => true,
                (What::Sealed, Some(mail)) => mail.seen.opens && mail.seen.sealed.is_some(),
                (_, mail) => mail.is_some_and(|mail| mail.arrived.is_ok() && mail.seen.opens),
            }
        })
    }
}

/// Hands the mails in, one after the other, and lets the daemon work until nothing is due.
pub(super) fn travel(
    directory: &Directory,
    world: &World,
    posts: Vec<Post>,
    step: &dyn Fn(),
) -> Result<Vec<Told>, Complaint> {
    let settings = Settings::load(&directory.join(SETTINGS))
        .map_err(|problems| complaint(exit::CONFIG, problems))?;
    let settings = Arc::new(settings);
    let lists = Lists::new(Arc::clone(&settings));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| complaint(exit::TEMPORARY, e))?;
    let broken = |e: DaemonError| complaint(e.exit_code(), e);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&heard);
    let observer: Observer = Arc::new(move |event: &Event| {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push(event.clone());
    });
    let daemon = {
        let _runtime = runtime.enter();
        Daemon::start(settings, observer).map_err(broken)?
    };
    // Nobody asks the daemon to stop: it ends when nothing is due.
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    let mut told = Vec::with_capacity(posts.len());
    for (index, post) in posts.into_iter().enumerate() {
        let file = format!("posts/{}-{}.eml", index.saturating_add(1), post.name);
        directory.write(&file, &post.bytes)?;
        let known = on_file(world)?;
        let id = intake::accept(&lists, LIST, Some(&post.sender), &mut post.bytes.as_slice())
            .map_err(|e| complaint(e.exit_code(), e))?;
        runtime
            .block_on(daemon.run(Pace::Once, stopped.clone()))
            .map_err(broken)?;
        let events = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
        let outbox = directory.join("outbox");
        told.push(gather(
            world,
            &outbox,
            post,
            directory.join(&file),
            id,
            events,
            &known,
        )?);
        step();
    }
    Ok(told)
}

fn gather(
    world: &World,
    outbox: &Path,
    post: Post,
    file: PathBuf,
    id: SpoolId,
    events: Vec<Event>,
    known: &[PathBuf],
) -> Result<Told, Complaint> {
    let mut decided = None;
    let mut ends = Vec::new();
    for event in events {
        match event {
            Event::Decided { id: about, plan } if about == id => decided = Some(plan),
            Event::Ended {
                id: about,
                item,
                outcome,
            } if about == id => ends.push((item, outcome)),
            Event::Decided { .. } | Event::Ended { .. } => {}
        }
    }
    let Some(plan) = decided else {
        let text = format!("the daemon decided nothing on {id}: listseal spool show tells more");
        return Err(complaint(exit::FAILED, text));
    };
    let mut mails = Vec::with_capacity(ends.len());
    for (item, outcome) in ends {
        let arrived = match outcome {
            Outcome::Sent(name) => Ok(outbox.join(name)),
            Outcome::Deferred { text, .. } => Err(format!("put off: {text}")),
            Outcome::Failed { reason, text, .. } => Err(format!("{reason}: {text}")),
            Outcome::Untried => Err("was not tried".to_owned()),
        };
        let seen = match &arrived {
            Ok(file) => read(world, file, &item.to)?,
            Err(_) => Seen::default(),
        };
        mails.push(Mail {
            item,
            arrived,
            seen,
        });
    }
    let place = |mail: &Mail| plan.items.iter().position(|item| *item == mail.item);
    mails.sort_by_key(place);
    let learned = world.people.iter().filter_map(|person| {
        let stored = world.store.encryption(&person.address).ok()??;
        (!known.contains(&stored.path)).then(|| (person.address.clone(), stored.path))
    });
    let learned = learned.collect();
    Ok(Told {
        post,
        file,
        id,
        plan,
        mails,
        learned,
    })
}

/// Opens a mail as its reader would.
fn read(world: &World, file: &Path, reader: &Address) -> Result<Seen, Complaint> {
    let unread = |e: &dyn std::fmt::Display| {
        complaint(
            exit::FAILED,
            format!("{} cannot be read: {e}", file.display()),
        )
    };
    let mail = std::fs::read(file).map_err(|e| unread(&e))?;
    let person: Option<&Person> = world.people.iter().find(|one| one.address == *reader);
    let keys: Vec<_> = person
        .and_then(|one| one.pair.clone())
        .into_iter()
        .collect();
    let context = Context {
        now: OffsetDateTime::now_utc(),
        keys: &keys,
        known: &[],
        untrusted: &[],
        anchors: &Anchors::new(vec![world.anchor.clone()]),
        crls: &Crls::new(Vec::new()),
        legacy: Legacy::NONE,
        revocation: Revocation::Soft,
        max_inflated: 1 << 20,
    };
    let opened = open(&mail, &context, &mut UnwrapErr(SysRng));
    Ok(Seen {
        sealed: sealed(&opened),
        opens: opened.decrypted() != Some(false),
        author: opened.author().cloned(),
    })
}

fn sealed(opened: &Opened) -> Option<(String, String)> {
    let layer = opened.layers().iter().find_map(|layer| layer.encrypted())?;
    let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "unknown".to_owned());
    Some((name(&layer.content_algorithm), name(&layer.key_algorithm)))
}

/// The files in the certificate directory that mail is encrypted with.
fn on_file(world: &World) -> Result<Vec<PathBuf>, Complaint> {
    let entries = world.store.entries();
    let entries = entries.map_err(|problem| complaint(exit::FAILED, problem.text()))?;
    Ok(entries
        .into_iter()
        .flatten()
        .map(|stored| stored.path)
        .collect())
}
