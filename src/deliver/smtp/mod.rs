//! ESMTP and LMTP: a few connections to the next hop, reused while they are warm.
//!
//! # Place in the flow
//!
//! [`transaction`], [`reply`] and [`offers`] are the protocol, without a socket; [`dial`],
//! [`connection`] and [`tls`] carry it out; [`hops`] knows the places behind one name.
//!
//! # Invariants
//!
//! * At most `connections` transactions are in flight: the published bound of duplicates after a
//!   crash (contract 2.1, decision 18).
//! * A kept connection that turns out to be dead costs nothing: before any byte of the mail was sent
//!   the parcel is tried once more on a new one.
//! * Once stopped, nothing is begun any more; what is under way comes to its end (contract R16).

mod connection;
mod dial;
mod hops;
mod offers;
pub mod rehearsal;
mod reply;
mod tls;
mod transaction;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::Instant;

use self::connection::Connection;
use self::dial::{Dialer, Line};
use self::hops::Seat;
use self::transaction::{After, Ending, Envelope, Next, Step, Transaction};
use super::wire::Mail;
use super::{CourierError, Outcome, Patience};
use crate::config::Delivery;
use crate::disk;
use crate::model::Address;

/// Connections of the SMTP family.
#[derive(Debug)]
pub(super) struct Pool {
    dialer: Dialer,
    permits: Semaphore,
    stopped: watch::Sender<bool>,
    idle: Mutex<Vec<Idle>>,
    /// Connections with a transaction under way, and word of each that ends.
    at_work: AtomicUsize,
    ended: Notify,
    /// The server offers CHUNKING and does not understand BDAT.
    knows_no_chunks: AtomicBool,
}

/// A transaction under way, however it ends.
struct AtWork<'a>(&'a Pool);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.at_work.fetch_sub(1, Ordering::SeqCst);
        self.0.ended.notify_waiters();
    }
}

/// A connection that nobody uses.
struct Idle {
    connection: Connection,
    at: Option<std::net::SocketAddr>,
    since: Instant,
    carried: u32,
}

impl std::fmt::Debug for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Idle").finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(settings: &Delivery, patience: Patience) -> Result<Self, CourierError> {
        Ok(Self {
            dialer: Dialer::new(settings, patience)?,
            permits: Semaphore::new(settings.connections.max(1)),
            stopped: watch::Sender::new(false),
            idle: Mutex::default(),
            at_work: AtomicUsize::new(0),
            ended: Notify::new(),
            knows_no_chunks: AtomicBool::new(false),
        })
    }

    /// Carries one mail to `to` in one transaction; `None` once stopped.
    pub(super) async fn deliver(
        &self,
        from: Option<&Address>,
        to: &[Address],
        mail: &Mail<'_>,
    ) -> Option<Vec<Outcome>> {
        let _permit = self.permits.acquire().await.ok()?;
        let envelope = Envelope {
            from,
            to,
            size: mail.size(),
            needs_8bit: mail.needs_8bit,
            name: mail.name,
        };
        loop {
            // Taken before anything is looked at: an end in between is not missed.
            let ended = self.ended.notified();
            if let Some((warm, seat)) = self.take_warm() {
                let ending = self.send(warm, seat, &envelope, mail).await;
                let decided = |one: &Outcome| !matches!(one, Outcome::Deferred { .. });
                let is_stale = ending.after == After::Broken && !ending.data_sent;
                if !is_stale || ending.outcomes.iter().any(decided) {
                    return Some(ending.outcomes);
                }
            }
            // A conversation in which no transaction has begun is left at once (R16).
            let mut stopped = self.stopped.subscribe();
            let dialed = tokio::select! {
                biased;
                _ = stopped.wait_for(|stopped| *stopped) => return None,
                dialed = self.dialer.dial() => dialed,
            };
            match dialed {
                Ok(Line { connection, seat }) => {
                    let fresh = Idle {
                        connection,
                        at: seat.as_ref().map(|seat| seat.at),
                        since: Instant::now(),
                        carried: 0,
                    };
                    return Some(self.send(fresh, seat, &envelope, mail).await.outcomes);
                }
                // One connection more than the server likes is no reason to put mail off: one of
                // those that work becomes free.
                Err(_) if self.at_work.load(Ordering::SeqCst) > 0 => tokio::select! {
                    biased;
                    _ = stopped.wait_for(|stopped| *stopped) => return None,
                    () = ended => {}
                },
                Err((code, text)) => return Some(vec![Outcome::Deferred { code, text }; to.len()]),
            }
        }
    }

    /// Sends over one connection and keeps it if it can be kept.
    async fn send(
        &self,
        mut one: Idle,
        seat: Option<Seat>,
        envelope: &Envelope<'_>,
        mail: &Mail<'_>,
    ) -> Ending {
        if self.knows_no_chunks.load(Ordering::Relaxed) {
            one.connection.offers.chunking = false;
        }
        self.at_work.fetch_add(1, Ordering::SeqCst);
        let _work = AtWork(self);
        let ending = self.transact(&mut one.connection, envelope, mail).await;
        if ending.knows_no_chunks {
            self.knows_no_chunks.store(true, Ordering::Relaxed);
        }
        one.carried += 1;
        let keep = match ending.after {
            After::Broken => false,
            After::Ready => true,
            After::Reset => said(&mut one.connection, b"RSET\r\n").await,
        };
        drop(seat);
        if keep && one.carried < MAX_CARRIED && !self.permits.is_closed() {
            one.since = Instant::now();
            self.lock().push(one);
        } else if keep {
            part(one.connection).await;
        }
        ending
    }

    /// Speaks one transaction, each step within its time (contract R15).
    async fn transact(
        &self,
        connection: &mut Connection,
        envelope: &Envelope<'_>,
        mail: &Mail<'_>,
    ) -> Ending {
        let patience = &self.dialer.patience;
        let deadline = Instant::now() + patience.transaction;
        let mut transaction = Transaction::new(envelope, connection.offers, self.dialer.lmtp);
        loop {
            let done = match transaction.next() {
                Next::End => return transaction.end(),
                Next::Write(commands) => {
                    connection.say(commands.as_bytes(), patience.command).await
                }
                Next::Mail(Some(command)) => {
                    let pieces = std::iter::once(command.as_bytes()).chain(mail.pieces());
                    let sent = connection.send(pieces, patience, deadline).await;
                    interrupted(connection, sent).await
                }
                Next::Mail(None) => {
                    let pieces = mail.stuffed().chain(std::iter::once(&b".\r\n"[..]));
                    let sent = connection.send(pieces, patience, deadline).await;
                    interrupted(connection, sent).await
                }
                Next::Read(step) => {
                    // The dot has its time whatever was used up before it: to give up there may
                    // mean to send twice.
                    let limit = match step {
                        Step::Message(_) | Step::Emptied => {
                            disk::point("D7");
                            patience.dot
                        }
                        Step::Data => patience.data,
                        Step::Mail | Step::Rcpt(_) => patience.command,
                    };
                    let reply = connection.reply(limit).await;
                    reply
                        .map(|reply| transaction.take(&reply))
                        .map_err(|problem| format!("{problem} after {}", step.name()))
                }
            };
            if let Err(problem) = done {
                transaction.break_off(0, &problem);
            }
        }
    }

    /// Returns a kept connection that is not too old and still alive, the warmest first.
    fn take_warm(&self) -> Option<(Idle, Option<Seat>)> {
        let mut idle = self.lock();
        idle.retain_mut(|one| one.since.elapsed() < MAX_IDLE && one.connection.is_quiet().is_ok());
        let now = Instant::now();
        for index in (0..idle.len()).rev() {
            let at = idle.get(index).and_then(|one| one.at);
            let seat = at.map(|at| self.dialer.hops.at(at, now));
            match seat {
                Some(None) => {}
                Some(Some(seat)) => return Some((idle.remove(index), Some(seat))),
                None => return Some((idle.remove(index), None)),
            }
        }
        None
    }

    /// Begins nothing any more: who still waits for a connection gets none.
    pub(super) fn stop(&self) {
        self.permits.close();
        self.stopped.send_replace(true);
    }

    pub(super) async fn close(&self) {
        let all: Vec<Idle> = std::mem::take(&mut *self.lock());
        for one in all {
            part(one.connection).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds what the server said when it broke a mail off. It answers nothing, so it decides nothing:
/// a 250 is no delivery, and a 5xx no verdict on a mail that it has not seen to its end.
async fn interrupted(connection: &mut Connection, sent: Result<(), String>) -> Result<(), String> {
    let Err(problem) = sent else { return Ok(()) };
    match connection.reply(GOODBYE).await {
        Ok(reply) => Err(format!(
            "{problem}; it said in the middle of the mail: {}",
            reply.text()
        )),
        Err(_) => Err(format!("{problem}, in the middle of the mail")),
    }
}

/// Says a command that has no consequence; false where the connection is of no use any more.
async fn said(connection: &mut Connection, command: &[u8]) -> bool {
    connection.say(command, GOODBYE).await.is_ok()
        && matches!(connection.reply(GOODBYE).await, Ok(reply) if reply.code / 100 == 2)
}

/// Says QUIT; whatever comes of it does not matter (RFC 5321 section 4.1.1.10).
async fn part(mut connection: Connection) {
    said(&mut connection, b"QUIT\r\n").await;
}

/// Servers close idle connections after minutes, under load after seconds.
const MAX_IDLE: Duration = Duration::from_secs(20);
/// Mails per connection, so that load balancers and servers may come and go.
const MAX_CARRIED: u32 = 100;
/// Goodbyes are not waited for longer than this.
const GOODBYE: Duration = Duration::from_secs(2);
