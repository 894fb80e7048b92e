//! A message on its way from a connection into the spool: a thread of its own for the disk, fed
//! piece by piece.
//!
//! # Invariants
//!
//! * A client that leaves before the end leaves nothing behind: the thread sees an error, never the
//!   end of a message.
//! * However large the message is and however many it is for, two pieces of it at most wait here.

use std::collections::HashMap;
use std::io::{self, Read};

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};
use tracing::{info, warn};

use super::reply::Reply;
use crate::disk;
use crate::intake::{IntakeError, accept_for_each};
use crate::model::{Address, SpoolId};
use crate::store::lists::Lists;

type Taken = Vec<Result<SpoolId, IntakeError>>;

/// A message that is being taken in.
pub(super) struct Storing {
    /// Whom it is for, each once.
    to: Vec<Address>,
    /// `None` is the end of the message. Nobody listens where the thread has ended early.
    pieces: mpsc::Sender<Option<Vec<u8>>>,
    thread: JoinHandle<Taken>,
}

impl Storing {
    /// Begins to take a message in; who comes twice among the recipients gets one.
    pub(super) fn begin(lists: &Lists, sender: &str, recipients: &[Address]) -> Self {
        let mut to: Vec<Address> = Vec::with_capacity(recipients.len());
        let mut known = std::collections::HashSet::new();
        for address in recipients {
            if known.insert(address) {
                to.push(address.clone());
            }
        }
        let (pieces, receiver) = mpsc::channel(1);
        let (lists, sender, own) = (lists.clone(), sender.to_owned(), to.clone());
        let thread = spawn_blocking(move || {
            let mut input = Pieces {
                receiver,
                piece: Vec::new(),
                used: 0,
                ended: false,
            };
            accept_for_each(&lists, &own, &sender, &mut input)
        });
        Self { to, pieces, thread }
    }

    /// Hands a piece over, as soon as the disk is ready for it.
    pub(super) async fn add(&self, piece: Vec<u8>) {
        // A thread that has ended says why at the end.
        let _ = self.pieces.send(Some(piece)).await;
    }

    /// Ends the message and returns a reply for each of `recipients`.
    pub(super) async fn end(self, recipients: &[Address]) -> Vec<Reply> {
        let _ = self.pieces.send(None).await;
        let mut taken = match self.thread.await {
            Ok(taken) => taken,
            Err(error) => {
                let text = format!("listseal has a defect, please report it: {error}");
                vec![Err(IntakeError::Local(text)); self.to.len()]
            }
        };
        taken.resize(self.to.len(), Err(IntakeError::Empty));
        for (to, one) in self.to.iter().zip(&taken) {
            tell(to, one);
        }
        if taken.iter().any(Result::is_ok) {
            disk::point("I8");
        }
        let replies: Vec<Reply> = taken.iter().map(reply).collect();
        let replies: HashMap<&Address, &Reply> = self.to.iter().zip(&replies).collect();
        let of = recipients.iter().filter_map(|to| replies.get(to));
        of.map(|reply| (*reply).clone()).collect()
    }
}

/// Returns what a client is told of an error.
pub(super) fn refusal(error: &IntakeError) -> Reply {
    Reply::new(error.reply_code(), error.to_string())
}

fn reply(taken: &Result<SpoolId, IntakeError>) -> Reply {
    match taken {
        Ok(id) => Reply::new(250, format!("2.0.0 {id} is safe")),
        Err(error) => refusal(error),
    }
}

fn tell(to: &Address, taken: &Result<SpoolId, IntakeError>) {
    match taken {
        Ok(id) => info!(spool = %id, list = %to, intake = "taken"),
        Err(error @ (IntakeError::Local(_) | IntakeError::NoRoom(_))) => {
            warn!(list = %to, intake = "deferred", "{error}");
        }
        Err(error) => info!(list = %to, intake = "refused", "{error}"),
    }
}

/// What comes through the channel, as one message.
struct Pieces {
    receiver: mpsc::Receiver<Option<Vec<u8>>>,
    piece: Vec<u8>,
    used: usize,
    ended: bool,
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.used == self.piece.len() && !self.ended {
            match self.receiver.blocking_recv() {
                Some(Some(piece)) => (self.piece, self.used) = (piece, 0),
                Some(None) => self.ended = true,
                None => {
                    let text = "the client left in the middle of it";
                    return Err(io::Error::new(io::ErrorKind::ConnectionAborted, text));
                }
            }
        }
        let rest = self.piece.get(self.used..).unwrap_or_default();
        let count = rest.len().min(out.len());
        for (to, from) in out.iter_mut().zip(rest) {
            *to = *from;
        }
        self.used += count;
        Ok(count)
    }
}
