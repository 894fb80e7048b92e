//! `sendmail:///path`: a program that takes mail as sendmail(8) does.
//!
//! The mail goes to standard input with the line ends of Unix, as the interface has always been; the
//! program puts CRLF on the wire.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::wire::Mail;
use super::{Outcome, Parcel, Patience, tidy};
use crate::model::Reason;

/// The program and how many of it may run.
#[derive(Debug)]
pub(super) struct Sendmail {
    path: PathBuf,
    permits: Semaphore,
    patience: Patience,
}

impl Sendmail {
    pub(super) fn new(path: &Path, at_once: usize, patience: Patience) -> Self {
        Self {
            path: path.to_owned(),
            permits: Semaphore::new(at_once.max(1)),
            patience,
        }
    }

    pub(super) async fn deliver(&self, parcel: &Parcel, mail: &Mail<'_>) -> Outcome {
        let Ok(_permit) = self.permits.acquire().await else {
            return Outcome::Untried;
        };
        let body = mail.to_unix();
        match timeout(self.patience.dot, self.run(parcel, mail.needs_8bit, &body)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => deferred(format!("{}: {error}", self.path.display())),
            // The program may still have sent it: the duplicate window of RFC 5321 4.5.3.2.6.
            Err(_) => deferred(format!("{}: did not end in time", self.path.display())),
        }
    }

    /// Runs no program any more.
    pub(super) fn stop(&self) {
        self.permits.close();
    }

    async fn run(&self, parcel: &Parcel, is_8bit: bool, body: &[u8]) -> std::io::Result<Outcome> {
        let sender = parcel
            .reverse_path
            .as_ref()
            .map_or_else(|| "<>".to_owned(), ToString::to_string);
        let mut command = Command::new(&self.path);
        command.arg("-i").arg("-f").arg(sender);
        if is_8bit {
            command.arg("-B8BITMIME");
        }
        let mut child = command
            .arg("--")
            .arg(parcel.to.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let feed = async {
            if let Some(mut stdin) = stdin {
                // A program that ends early says why by its exit code.
                let _ = stdin.write_all(body).await;
                let _ = stdin.shutdown().await;
            }
        };
        let listen = async {
            let mut said = Vec::new();
            if let Some(mut stderr) = stderr {
                let mut chunk = [0; 1024];
                while let Ok(count @ 1..) = stderr.read(&mut chunk).await {
                    if said.len() < MAX_SAID {
                        said.extend_from_slice(chunk.get(..count).unwrap_or_default());
                    }
                }
            }
            said
        };
        let ((), said, status) = tokio::join!(feed, listen, child.wait());
        let said = tidy(&String::from_utf8_lossy(&said));
        Ok(outcome(status?.code(), said))
    }
}

/// Reads an exit code of sysexits.h; `None` is a program that was killed.
fn outcome(code: Option<i32>, said: String) -> Outcome {
    match code {
        Some(0) => Outcome::Sent(said),
        // USAGE, DATAERR, NOUSER, NOHOST, PROTOCOL, NOPERM: it looked at this mail and says no.
        Some(code @ (64 | 65 | 67 | 68 | 76 | 77)) => Outcome::Failed {
            reason: if matches!(code, 67 | 68) {
                Reason::RecipientRefused
            } else {
                Reason::MessageRefused
            },
            code: 0,
            text: format!("exit {code}: {said}"),
        },
        // Whatever else stopped it passes: UNAVAILABLE, TEMPFAIL, a shell that did not find the
        // program (127) while its package is replaced. A copy failed in error is lost.
        Some(code) => deferred(format!("exit {code}: {said}")),
        None => deferred(format!("was killed: {said}")),
    }
}

fn deferred(text: String) -> Outcome {
    Outcome::Deferred { code: 0, text }
}

const MAX_SAID: usize = 4096;
