//! The place where clients come in: a unix socket or a port.
//!
//! # Trust
//!
//! The socket is bound closed and opened to its group afterwards. Its directory must not be
//! writable by everybody (contract E6): whoever can put a socket of his own there gets the mail.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Mode;
use tokio::net::{TcpListener, UnixListener, UnixSocket, UnixStream};
use tokio::time::timeout;

use super::connection::Stream;
use crate::config::permission::{exposed, quoted};
use crate::config::{Listen, Problem};

/// An open place.
#[derive(Debug)]
pub(super) struct Listener {
    socket: Socket,
    _name: Option<Name>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The name of a socket, taken away when its listener goes.
#[derive(Debug)]
struct Name {
    path: PathBuf,
    inode: u64,
}

impl Listener {
    /// Opens the place.
    ///
    /// # Errors
    ///
    /// What keeps it closed, and what mends it.
    pub(super) async fn open(place: &Listen, mode: u32) -> Result<Self, Problem> {
        match place {
            Listen::Tcp(address) => {
                let listener = TcpListener::bind(address).await.map_err(|error| {
                    let problem = format!("cannot listen at {address}: {error}");
                    let remedy = "stop what listens there, or choose another lmtp.listen";
                    Problem::error(Path::new("lmtp.listen"), problem, remedy)
                })?;
                Ok(Self {
                    socket: Socket::Tcp(listener),
                    _name: None,
                })
            }
            Listen::Unix(path) => unix(path, mode).await,
        }
    }

    /// Waits for the next client.
    ///
    /// # Errors
    ///
    /// There are no descriptors left, say.
    pub(super) async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Socket::Unix(listener) => Ok(Box::new(listener.accept().await?.0)),
        }
    }
}

async fn unix(path: &Path, mode: u32) -> Result<Listener, Problem> {
    if let Some(problem) = unfit(path) {
        return Err(problem);
    }
    let failed = |error: io::Error| {
        let directory = path.parent().unwrap_or(Path::new("/"));
        let remedy = format!("make {} writable for this user", quoted(directory));
        Problem::error(path, format!("cannot listen here: {error}"), remedy)
    };
    make_room(path).await?;
    let socket = bind_closed(path).map_err(failed)?;
    let metadata = std::fs::symlink_metadata(path).map_err(failed)?;
    let name = Name {
        path: path.to_owned(),
        inode: metadata.ino(),
    };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).map_err(failed)?;
    let listener = socket.listen(BACKLOG).map_err(failed)?;
    Ok(Listener {
        socket: Socket::Unix(listener),
        _name: Some(name),
    })
}

/// Gives a socket its name, at which nobody but this user may knock yet.
fn bind_closed(path: &Path) -> io::Result<UnixSocket> {
    let socket = UnixSocket::new_stream()?;
    // The mode of a socket before it has a name is the one that its name gets: nobody comes in
    // before it is set, whatever the umask.
    rustix::fs::fchmod(&socket, Mode::from_raw_mode(0o600))?;
    socket.bind(path)?;
    Ok(socket)
}

/// Returns what makes a path unfit for a socket, whoever listens.
#[must_use]
pub fn unfit(path: &Path) -> Option<Problem> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    if !directory.is_dir() {
        let problem = format!("lmtp.listen: there is no directory {}", directory.display());
        let remedy = format!(
            "install -d -m 2750 -o listseal -g postfix {}",
            quoted(directory)
        );
        return Some(Problem::error(path, problem, remedy));
    }
    if let Some(problem) = exposed(directory) {
        return Some(problem); // E6
    }
    // One that belongs to everybody for a while is no place for a socket either: the name could be
    // taken between two runs.
    let mode = std::fs::metadata(directory).map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o002 != 0 {
        let problem = "lmtp.listen: everybody can put a socket into this directory";
        let remedy = "choose a directory of listseal's own, such as /run/listseal";
        return Some(Problem::error(directory, problem, remedy));
    }
    let there = std::fs::symlink_metadata(path).ok()?;
    if there.file_type().is_socket() {
        return None;
    }
    let problem = "lmtp.listen: there is something else than a socket";
    let remedy = format!("mv {0} {0}.odd", quoted(path));
    Some(Problem::error(path, problem, remedy))
}

/// Takes away a socket that nobody listens at any more: an earlier daemon ended without notice.
async fn make_room(path: &Path) -> Result<(), Problem> {
    let in_use = || {
        let remedy = "stop what listens there, or choose another lmtp.listen";
        Problem::error(path, "another program listens here", remedy)
    };
    match timeout(ANSWER, UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(|error| {
                let problem = format!("a socket that nobody listens at is in the way: {error}");
                Problem::error(path, problem, format!("rm {}", quoted(path)))
            })
        }
        Ok(Err(error)) => {
            let problem = format!("cannot be looked at: {error}");
            Err(Problem::error(
                path,
                problem,
                format!("rm {}", quoted(path)),
            ))
        }
        Ok(Ok(_)) | Err(_) => Err(in_use()),
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // Unless another has taken its place.
        let is_ours = std::fs::symlink_metadata(&self.path).is_ok_and(|m| m.ino() == self.inode);
        if is_ours {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

const BACKLOG: u32 = 128;
/// How long what listens may take to let us in.
const ANSWER: Duration = Duration::from_secs(5);

#[cfg(test)]
#[path = "tests/listen.rs"]
mod tests;
