//! A few connections to the next hop, reused while they are warm.
//!
//! # Invariants
//!
//! * At most `connections` transactions are in flight: the published bound of duplicates after a
//!   crash (contract 2.1, decision 18).
//! * A kept connection that turns out to be dead costs nothing: before any byte of the mail was sent
//!   the parcel is tried once more on a new one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lettre::transport::smtp::client::AsyncSmtpConnection;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use super::connection::{Dialer, GOODBYE};
use super::smtp::{After, transact};
use super::wire::Mail;
use super::{Outcome, Parcel};

/// Connections of the SMTP family.
pub(super) struct Pool {
    dialer: Dialer,
    permits: Semaphore,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: AsyncSmtpConnection,
    since: Instant,
    carried: u32,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool")
            .field("dialer", &self.dialer)
            .finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(dialer: Dialer, at_once: usize) -> Self {
        Self {
            dialer,
            permits: Semaphore::new(at_once.max(1)),
            idle: Mutex::new(Vec::new()),
        }
    }

    pub(super) async fn deliver(&self, parcel: &Parcel, mail: &Mail<'_>) -> Outcome {
        let Ok(_permit) = self.permits.acquire().await else {
            return deferred("closed".to_owned());
        };
        if let Some(warm) = self.take_warm() {
            let (outcome, is_stale) = self.send(warm, parcel, mail).await;
            if !is_stale {
                return outcome;
            }
        }
        match self.dialer.dial().await {
            Ok(connection) => {
                let fresh = Idle {
                    connection,
                    since: Instant::now(),
                    carried: 0,
                };
                self.send(fresh, parcel, mail).await.0
            }
            Err(problem) => deferred(problem),
        }
    }

    /// Sends over one connection and keeps it if it can be kept. True where the connection was dead
    /// before anything of the mail was sent.
    async fn send(&self, mut one: Idle, parcel: &Parcel, mail: &Mail<'_>) -> (Outcome, bool) {
        let patience = &self.dialer.patience;
        let ending = transact(&mut one.connection, parcel, mail, patience).await;
        let is_stale = ending.after == After::Broken && !ending.data_sent;
        one.carried += 1;
        let keep = match ending.after {
            After::Broken => false,
            After::Ready => true,
            After::Reset => {
                let reset = one.connection.command("RSET\r\n");
                matches!(timeout(GOODBYE, reset).await, Ok(Ok(_)))
            }
        };
        if keep && one.carried < MAX_CARRIED {
            one.since = Instant::now();
            self.lock().push(one);
        } else if keep {
            part(one.connection).await;
        }
        (ending.outcome, is_stale)
    }

    /// Returns a kept connection that is not too old, the warmest first.
    fn take_warm(&self) -> Option<Idle> {
        let mut idle = self.lock();
        idle.retain(|one| one.since.elapsed() < MAX_IDLE);
        idle.pop()
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

/// Says QUIT; whatever comes of it does not matter (RFC 5321 section 4.1.1.10).
async fn part(mut connection: AsyncSmtpConnection) {
    let _ = timeout(GOODBYE, connection.quit()).await;
}

fn deferred(text: String) -> Outcome {
    Outcome::Deferred { code: 0, text }
}

/// Servers close idle connections after minutes, under load after seconds.
const MAX_IDLE: Duration = Duration::from_secs(20);
/// Mails per connection, so that load balancers and servers may come and go.
const MAX_CARRIED: u32 = 100;
