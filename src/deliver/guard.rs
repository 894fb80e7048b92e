//! A stream that hands replies out line by line, so that the client above cannot be fooled.
//!
//! # Trust
//!
//! The server is not trusted. lettre reads replies through a buffer of its own; whatever a server
//! sends ahead would wait there and be taken for the answer to a later command, or, ahead of TLS,
//! for the answer of the encrypted server (STARTTLS injection). Here a line is handed out only when
//! it is complete, one at a time, and a command is refused while anything unasked waits.
//!
//! # Invariants
//!
//! * At most [`MAX_REPLY`] bytes and [`MAX_LINES`] lines are taken between two commands (contract R14).

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream under guard.
#[derive(Debug)]
pub(super) struct Guard {
    io: Box<dyn AsyncTokioStream>,
    /// Bytes of the server that were not handed out yet.
    input: Vec<u8>,
    /// Bytes taken since the last command.
    taken: usize,
    /// Lines handed out since the last command.
    lines: usize,
    ended: bool,
    /// LMTP: the next greeting of ours says LHLO.
    lmtp: bool,
}

impl Guard {
    pub(super) fn new(io: Box<dyn AsyncTokioStream>, lmtp: bool) -> Self {
        Self {
            io,
            input: Vec::new(),
            taken: 0,
            lines: 0,
            ended: false,
            lmtp,
        }
    }

    /// As [`Guard::new`], for a server that has greeted already, before TLS.
    pub(super) fn greeted(io: Box<dyn AsyncTokioStream>) -> Self {
        let mut guard = Self::new(io, false);
        guard.input.extend_from_slice(b"220 after STARTTLS\r\n");
        guard
    }

    /// Returns the bare stream.
    ///
    /// # Errors
    ///
    /// The server sent more than it was asked for.
    pub(super) fn into_inner(self) -> io::Result<Box<dyn AsyncTokioStream>> {
        if self.input.is_empty() {
            Ok(self.io)
        } else {
            Err(unasked())
        }
    }

    /// Returns the length of the line that `input` begins with, if it is complete.
    fn line(&self) -> Option<usize> {
        let end = self.input.iter().position(|b| *b == b'\n')? + 1;
        Some(end)
    }

    /// A reply may be a bare code (RFC 5321 section 4.2); lettre wants a space after it.
    fn complete_bare_code(&mut self) {
        if let [a, b, c, b'\r', b'\n', ..] = self.input.as_slice()
            && [a, b, c].iter().all(|digit| digit.is_ascii_digit())
        {
            self.input.insert(3, b' ');
        }
    }
}

impl AsyncRead for Guard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            this.complete_bare_code();
            if let Some(end) = this.line().or(this.ended.then_some(this.input.len())) {
                this.lines += 1;
                if this.lines > MAX_LINES {
                    return Poll::Ready(Err(too_long()));
                }
                let count = end.min(buf.remaining());
                let rest = this.input.split_off(count);
                buf.put_slice(&this.input);
                this.input = rest;
                return Poll::Ready(Ok(()));
            }
            let mut chunk = [0; 2048];
            let mut fresh = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.io).poll_read(cx, &mut fresh))?;
            this.ended = fresh.filled().is_empty();
            this.taken += fresh.filled().len();
            this.input.extend_from_slice(fresh.filled());
            if this.taken > MAX_REPLY {
                return Poll::Ready(Err(too_long()));
            }
        }
    }
}

impl AsyncWrite for Guard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if !this.input.is_empty() {
            return Poll::Ready(Err(unasked()));
        }
        this.taken = 0;
        this.lines = 0;
        if this.lmtp && buf.starts_with(b"EHLO ") {
            // RFC 2033 section 4.1: the same command, but for its first letter.
            let count = ready!(Pin::new(&mut this.io).poll_write(cx, b"L"))?;
            this.lmtp = count == 0;
            return Poll::Ready(Ok(count));
        }
        Pin::new(&mut this.io).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Guard {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.io.peer_addr()
    }
}

fn unasked() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the server sent more than it was asked for",
    )
}

fn too_long() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the reply is too long")
}

/// Contract R14.
const MAX_REPLY: usize = 64 << 10;
/// A real reply has a dozen; the client above reads the whole reply anew with each line.
const MAX_LINES: usize = 256;
