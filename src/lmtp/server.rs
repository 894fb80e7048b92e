//! Lets clients in, as many at once as the settings say, until the daemon stops.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use super::connection::{Connection, Stream};
use super::listen::Listener;
use crate::config::{Problem, Settings};
use crate::store::lists::Lists;

/// An open place, and what its clients need.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    lists: Lists,
    name: String,
}

impl Server {
    /// Opens the place that `lmtp.listen` names, if it names one.
    ///
    /// # Errors
    ///
    /// What keeps it closed, and what mends it.
    pub async fn open(settings: &Arc<Settings>) -> Result<Option<Self>, Problem> {
        let keys = &settings.lmtp;
        let Some(place) = &keys.listen else {
            return Ok(None);
        };
        let listener = Listener::open(place, keys.mode).await.map_err(|problem| {
            let at = problem.line.or(keys.line);
            match (problem.file.is_absolute(), at) {
                (true, _) => problem,
                // Only the settings can name what has no path.
                (false, line) => Problem {
                    file: settings.file.clone(),
                    line,
                    ..problem
                },
            }
        })?;
        info!(at = %place, "listening for LMTP");
        Ok(Some(Self {
            listener,
            lists: Lists::new(settings.clone()),
            name: name(settings),
        }))
    }

    /// Serves clients until `stop` says true, and for a while those who have begun a message.
    pub async fn serve(self, mut stop: watch::Receiver<bool>) {
        let most = self.lists.settings().lmtp.connections;
        let mut clients = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(_) = clients.join_next() => continue,
                _ = stop.wait_for(|stop| *stop) => break,
            };
            while clients.try_join_next().is_some() {}
            if clients.len() >= most {
                // Who has been told goodbye may be back before its place is free.
                let _ = timeout(SOON, clients.join_next()).await;
            }
            match accepted {
                Ok(stream) if clients.len() >= most => turn_away(stream).await,
                Ok(stream) => {
                    let (lists, stop) = (self.lists.clone(), stop.clone());
                    let connection = Connection::new(stream, &self.name, lists, stop);
                    clients.spawn(async move {
                        if let Err(error) = connection.serve().await {
                            debug!("LMTP: a client left: {error}");
                        }
                    });
                }
                Err(error) => {
                    warn!("LMTP: cannot let a client in: {error}");
                    // No descriptor may be free for a while: they come again, and so do we.
                    sleep(BREATHER).await;
                }
            }
        }
        // Nobody new comes in from here on.
        drop(self.listener);
        let all = async { while clients.join_next().await.is_some() {} };
        if timeout(GRACE, all).await.is_err() {
            warn!(
                "LMTP: stopped before every client had its replies; it will hand its mail in again"
            );
            clients.shutdown().await;
        }
    }
}

/// Tells one client too many to come again later.
async fn turn_away(mut stream: Box<dyn Stream>) {
    debug!("LMTP: turned a client away: lmtp.connections are in use");
    // A new connection has room for a line.
    let _ = timeout(BREATHER, stream.write_all(FULL)).await;
}

/// Returns the name that the greeting gives.
fn name(settings: &Settings) -> String {
    let own = || {
        let names = rustix::system::uname();
        let name = names.nodename().to_string_lossy().into_owned();
        crate::model::address::canonical_domain(&name).ok()
    };
    let given = settings.delivery.hostname.clone();
    given.or_else(own).unwrap_or_else(|| "localhost".to_owned())
}

const FULL: &[u8] = b"421 4.3.2 too many connections; come again later\r\n";
/// How long a client waits for a place before it is turned away.
const SOON: Duration = Duration::from_millis(100);
const BREATHER: Duration = Duration::from_secs(1);
/// Contract R16.
const GRACE: Duration = Duration::from_secs(30);
