//! One client: bytes in and out of its session, each step within its time.
//!
//! # Invariants
//!
//! * A command must be whole in its time, however slowly it drips; a message must flow at 1 KiB a
//!   second averaged over a minute, however steadily it trickles (contract R15, from the other
//!   side). Only the client's own time counts: a slow disk is not its fault.
//! * Once the daemon is to stop, no message begins; one that is coming in has a while to end (R16).

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout, timeout_at};

use super::reply::Reply;
use super::session::{Session, Wish};
use super::storing::{Storing, refusal};
use crate::intake::{IntakeError, is_known, is_open};
use crate::store::lists::Lists;

/// What a conversation runs over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A conversation with a client.
pub(super) struct Connection {
    io: Box<dyn Stream>,
    session: Session,
    lists: Lists,
    stop: watch::Receiver<bool>,
    storing: Option<Storing>,
    /// Until when the command that is awaited must be here.
    command_by: Instant,
    /// How many commands came before it.
    commands: u64,
    /// Until when the message under way must be here.
    message_by: Option<Instant>,
    /// The same, once the daemon is to stop.
    stop_by: Option<Instant>,
    pace: Pace,
    chunk: Vec<u8>,
}

/// How a conversation goes on.
enum Next {
    Bytes(usize),
    Gone,
    Late(&'static Reply),
}

impl Connection {
    pub(super) fn new(
        io: Box<dyn Stream>,
        name: &str,
        lists: Lists,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let max_size = lists.settings().intake.max_size;
        Self {
            io,
            session: Session::new(name, max_size),
            lists,
            stop,
            storing: None,
            command_by: Instant::now() + COMMAND,
            commands: 0,
            message_by: None,
            stop_by: None,
            pace: Pace::default(),
            chunk: vec![0; CHUNK],
        }
    }

    /// Converses to the end.
    ///
    /// # Errors
    ///
    /// The client left, or does not read.
    pub(super) async fn serve(mut self) -> io::Result<()> {
        loop {
            match self.session.wish() {
                Wish::Bytes => {
                    self.flush().await?;
                    match self.more().await? {
                        Next::Bytes(count) => {
                            let fresh = self.chunk.get(..count).unwrap_or_default();
                            self.session.feed(fresh);
                        }
                        Next::Gone => return Ok(()),
                        Next::Late(reply) => {
                            self.storing = None;
                            self.session.hang_up(reply);
                        }
                    }
                }
                Wish::HangUp => {
                    self.flush().await?;
                    return timeout(REPLY, self.io.shutdown()).await?;
                }
                Wish::Pause => {
                    let is_quiet = self.is_quiet();
                    self.session.resume(is_quiet);
                }
                Wish::Recipient(address) => {
                    let lists = self.lists.clone();
                    let verdict = ask(move || is_known(&lists, &address)).await;
                    self.session.recipient(verdict);
                }
                Wish::Begin if *self.stop.borrow() => self.session.hang_up(&STOPPING),
                Wish::Begin => {
                    let lists = self.lists.clone();
                    let verdict = ask(move || is_open(&lists)).await;
                    self.pace = Pace::default();
                    self.session.begin(verdict);
                }
                Wish::Store(piece) => {
                    let storing = self.storing.take().unwrap_or_else(|| self.begin());
                    storing.add(piece).await;
                    self.storing = Some(storing);
                }
                Wish::Settle => {
                    let storing = self.storing.take().unwrap_or_else(|| self.begin());
                    let replies = storing.end(self.session.recipients()).await;
                    self.message_by = None;
                    // However long that took, the next command has its time.
                    self.command_by = Instant::now() + COMMAND;
                    self.session.settle(&replies);
                }
            }
        }
    }

    fn begin(&self) -> Storing {
        let session = &self.session;
        Storing::begin(&self.lists, session.sender(), session.recipients())
    }

    /// Says what there is to say.
    async fn flush(&mut self) -> io::Result<()> {
        let output = self.session.take_output();
        if output.is_empty() {
            return Ok(());
        }
        let writing = async {
            self.io.write_all(&output).await?;
            self.io.flush().await
        };
        timeout(REPLY, writing).await?
    }

    /// Waits for more.
    async fn more(&mut self) -> io::Result<Next> {
        let now = Instant::now();
        let commands = self.session.commands();
        if commands != self.commands {
            (self.commands, self.command_by) = (commands, now + COMMAND);
        }
        self.message_by = self
            .session
            .is_in_transaction()
            .then(|| self.message_by.unwrap_or(now + MESSAGE));
        if self.session.is_in_content() {
            return self.more_content(now).await;
        }
        let by = self
            .command_by
            .min(self.message_by.unwrap_or(self.command_by));
        let reading = timeout_at(by, self.io.read(&mut self.chunk));
        tokio::select! {
            read = reading => Ok(match read {
                Ok(read) => arrived(read?),
                Err(_) => Next::Late(&LATE),
            }),
            () = told(&mut self.stop) => Ok(Next::Late(&STOPPING)),
        }
    }

    async fn more_content(&mut self, now: Instant) -> io::Result<Next> {
        let stopping = *self.stop.borrow();
        if stopping && self.stop_by.is_none() {
            self.stop_by = Some(now + GRACE);
        }
        let ends = [Some(now + self.pace.left()), self.message_by, self.stop_by];
        let by = ends.into_iter().flatten().min().unwrap_or(now);
        let reading = timeout_at(by, self.io.read(&mut self.chunk));
        let next = tokio::select! {
            read = reading => match read {
                Ok(read) => arrived(read?),
                Err(_) => Next::Bytes(0),
            },
            // What is left of the message has its own time from here on.
            () = told(&mut self.stop), if !stopping => Next::Bytes(0),
        };
        let Next::Bytes(count) = next else {
            return Ok(next);
        };
        let is_over = |by: Option<Instant>| count == 0 && by.is_some_and(|by| by <= Instant::now());
        Ok(if is_over(self.stop_by) {
            Next::Late(&STOPPING)
        } else if !self.pace.holds(count, now.elapsed()) || is_over(self.message_by) {
            Next::Late(&LATE)
        } else {
            next
        })
    }

    /// True where nothing has come that is not read yet.
    fn is_quiet(&mut self) -> bool {
        let mut one = [0; 1];
        let mut fresh = ReadBuf::new(&mut one);
        let mut context = Context::from_waker(Waker::noop());
        // However busy this task was: "nothing there" is to mean just that.
        let look = std::future::poll_fn(|cx| Pin::new(&mut self.io).poll_read(cx, &mut fresh));
        let look = std::pin::pin!(tokio::task::unconstrained(look));
        match Future::poll(look, &mut context) {
            Poll::Pending => true,
            // Where the connection ended, the next read says so.
            Poll::Ready(_) => fresh.filled().is_empty(),
        }
    }
}

/// Asks the disk, which may take its time.
async fn ask(
    question: impl FnOnce() -> Result<(), IntakeError> + Send + 'static,
) -> Result<(), Reply> {
    match spawn_blocking(question).await {
        Ok(verdict) => verdict.map_err(|error| refusal(&error)),
        Err(error) => {
            let text = format!("listseal has a defect, please report it: {error}");
            Err(refusal(&IntakeError::Local(text)))
        }
    }
}

/// Ends once the daemon is to stop.
async fn told(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // Nobody is left who could say so.
        std::future::pending::<()>().await;
    }
}

fn arrived(count: usize) -> Next {
    match count {
        0 => Next::Gone,
        count => Next::Bytes(count),
    }
}

/// How fast a message flows, minute by minute of waiting for it.
#[derive(Debug, Default)]
struct Pace {
    waited: Duration,
    bytes: usize,
}

impl Pace {
    /// How much of the minute is left.
    fn left(&self) -> Duration {
        SPAN.saturating_sub(self.waited)
    }

    /// Counts what came after a wait; false where a minute brought less than 1 KiB a second.
    fn holds(&mut self, count: usize, waited: Duration) -> bool {
        self.waited = self.waited.saturating_add(waited);
        self.bytes = self.bytes.saturating_add(count);
        if self.waited < SPAN {
            return true;
        }
        let least = self.waited.as_millis().saturating_mul(1024) / 1000;
        let holds = u128::try_from(self.bytes).unwrap_or(u128::MAX) >= least;
        *self = Self::default();
        holds
    }
}

/// What is read at once.
const CHUNK: usize = 64 * 1024;
/// RFC 5321 section 4.5.3.2.7.
const COMMAND: Duration = Duration::from_secs(300);
/// As long for a client that does not read what it is told.
const REPLY: Duration = Duration::from_secs(300);
/// From MAIL to the end of the message (contract R15).
const MESSAGE: Duration = Duration::from_secs(1800);
const SPAN: Duration = Duration::from_secs(60);
/// How long a message that is coming in may take once the daemon is to stop; less than the daemon
/// itself waits (contract R16).
const GRACE: Duration = Duration::from_secs(20);

static LATE: Reply = Reply::fixed(421, "4.4.2 too slow; goodbye");
static STOPPING: Reply = Reply::fixed(421, "4.3.2 shutting down; come again later");

#[cfg(test)]
#[path = "tests/connection.rs"]
mod tests;
