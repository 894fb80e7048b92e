//! An open connection: bytes out in as few system calls as there can be, replies in one by one, each
//! step within its time (contract R15).
//!
//! # Trust
//!
//! Nothing is said while something unasked waits to be read: it would be taken for the answer
//! (contract R14), so the connection ends there.
//!
//! # Invariants
//!
//! * A reply must be whole in its time, however slowly it drips; a mail must flow at 1 KiB a second
//!   averaged over a minute, however steadily it trickles.
//! * The mail is written from where it lies: no byte of it is copied on the way to the socket.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, timeout};

use super::offers::Offers;
use super::reply::{Replies, Reply};
use crate::deliver::Patience;

/// What a conversation runs over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A conversation with a server.
pub(super) struct Connection {
    io: Box<dyn Stream>,
    replies: Replies,
    /// What the server said it can do.
    pub(super) offers: Offers,
}

impl Connection {
    pub(super) fn new(io: Box<dyn Stream>) -> Self {
        Self {
            io,
            replies: Replies::default(),
            offers: Offers::default(),
        }
    }

    /// Returns the bare stream, for TLS to begin on.
    ///
    /// # Errors
    ///
    /// The server has already said what should come after (STARTTLS injection, contract E22).
    pub(super) fn into_inner(mut self) -> Result<Box<dyn Stream>, String> {
        self.is_quiet()?;
        Ok(self.io)
    }

    /// Reads the next reply.
    ///
    /// # Errors
    ///
    /// One line on what came instead of it.
    pub(super) async fn reply(&mut self, limit: Duration) -> Result<Reply, String> {
        let reading = async {
            let mut chunk = [0; 4096];
            loop {
                if let Some(reply) = self.replies.next()? {
                    return Ok(reply);
                }
                match self.io.read(&mut chunk).await {
                    Ok(0) => return Err("the server closed the connection".to_owned()),
                    Ok(count) => self.replies.feed(chunk.get(..count).unwrap_or_default()),
                    Err(error) => return Err(error.to_string()),
                }
            }
        };
        let late = |_| Err("no reply in time".to_owned());
        timeout(limit, reading).await.unwrap_or_else(late)
    }

    /// Sends commands.
    ///
    /// # Errors
    ///
    /// One line on why they could not be sent.
    pub(super) async fn say(&mut self, commands: &[u8], limit: Duration) -> Result<(), String> {
        self.is_quiet()?;
        let writing = async {
            self.io.write_all(commands).await?;
            self.io.flush().await
        };
        match timeout(limit, writing).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the server does not read".to_owned()),
        }
    }

    /// Sends the pieces of a mail.
    ///
    /// # Errors
    ///
    /// One line on why they could not be sent; a server that speaks in the middle of a mail has
    /// ended it.
    pub(super) async fn send<'a>(
        &mut self,
        mut pieces: impl Iterator<Item = &'a [u8]>,
        patience: &Patience,
        deadline: Instant,
    ) -> Result<(), String> {
        let mut pace = Pace::new(Instant::now());
        loop {
            let batch: Vec<&[u8]> = pieces.by_ref().take(BATCH).collect();
            if batch.is_empty() {
                break;
            }
            let mut slices: Vec<IoSlice<'_>> = batch.into_iter().map(IoSlice::new).collect();
            let mut rest = slices.as_mut_slice();
            IoSlice::advance_slices(&mut rest, 0); // passes over empty pieces
            while !rest.is_empty() {
                self.is_quiet()?;
                let limit = patience
                    .block
                    .min(deadline.saturating_duration_since(Instant::now()));
                let count = match timeout(limit, self.write_some(rest)).await {
                    Ok(Ok(0)) => return Err(io::Error::from(io::ErrorKind::WriteZero).to_string()),
                    Ok(Ok(count)) => count,
                    Ok(Err(error)) => return Err(error),
                    Err(_) => return Err("the server stopped reading the mail".to_owned()),
                };
                IoSlice::advance_slices(&mut rest, count);
                // What is out completely is answered, however long it took.
                if !pace.holds(count, Instant::now(), patience.pace) && !rest.is_empty() {
                    return Err("the server reads the mail too slowly".to_owned());
                }
            }
        }
        match timeout(patience.block, self.io.flush()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the server stopped reading the mail".to_owned()),
        }
    }

    /// Writes what the server takes now, listening meanwhile: one that talks instead of reading would
    /// wait for us, and we for it.
    async fn write_some(&mut self, slices: &[IoSlice<'_>]) -> Result<usize, String> {
        std::future::poll_fn(|cx| {
            let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
            if written.is_ready() {
                return written.map_err(|error| error.to_string());
            }
            self.poll_quiet(cx).map(Err)
        })
        .await
    }

    /// Ready with a complaint as soon as the server says something unasked.
    fn poll_quiet(&mut self, cx: &mut Context<'_>) -> Poll<String> {
        let mut chunk = [0; 1];
        let mut fresh = ReadBuf::new(&mut chunk);
        if self.replies.is_empty() {
            match std::task::ready!(Pin::new(&mut self.io).poll_read(cx, &mut fresh)) {
                Err(error) => return Poll::Ready(error.to_string()),
                Ok(()) if fresh.filled().is_empty() => {
                    return Poll::Ready("the server closed the connection".to_owned());
                }
                Ok(()) => self.replies.feed(fresh.filled()),
            }
        }
        Poll::Ready("the server sent more than it was asked for".to_owned())
    }

    /// Makes sure that the server has said nothing that it was not asked for.
    ///
    /// # Errors
    ///
    /// It has, or the connection is gone.
    pub(super) fn is_quiet(&mut self) -> Result<(), String> {
        let look = std::future::poll_fn(|cx| self.poll_quiet(cx));
        // However busy this task was: "nothing there" is to mean just that.
        let look = std::pin::pin!(tokio::task::unconstrained(look));
        match look.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => Ok(()),
            Poll::Ready(unasked) => Err(unasked),
        }
    }
}

/// How fast a mail flows, minute by minute.
struct Pace {
    since: Instant,
    bytes: usize,
}

impl Pace {
    fn new(now: Instant) -> Self {
        Self {
            since: now,
            bytes: 0,
        }
    }

    /// Counts what was written; false when a span passed with less than 1 KiB a second.
    fn holds(&mut self, count: usize, now: Instant, span: Duration) -> bool {
        self.bytes = self.bytes.saturating_add(count);
        let passed = now.saturating_duration_since(self.since);
        if passed < span {
            return true;
        }
        let least = passed.as_millis().saturating_mul(1024) / 1000;
        let holds = u128::try_from(self.bytes).unwrap_or(u128::MAX) >= least;
        *self = Self::new(now);
        holds
    }
}

/// Pieces handed to the kernel at once.
const BATCH: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r15_a_minute_below_one_kib_a_second_is_too_slow() {
        let (start, minute) = (Instant::now(), Duration::from_secs(60));
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut pace = Pace::new(start);
        assert!(pace.holds(1, at(59), minute));
        assert!(pace.holds(60 << 10, at(60), minute));
        assert!(pace.holds(30 << 10, at(90), minute));
        assert!(!pace.holds(29 << 10, at(120), minute));
        assert!(pace.holds(200 << 10, at(300), minute));
    }
}
