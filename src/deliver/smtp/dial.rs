//! Connects to the next hop, up to where it takes mail: TCP or a unix socket, TLS, EHLO, AUTH.
//!
//! # Trust
//!
//! To anything but this machine nothing is said without TLS, and the server's certificate must name
//! it (contract S48). There is no falling back: a server that does not offer STARTTLS gets no mail,
//! and what it said before TLS is forgotten. The passphrase of AUTH goes the same ways as mail.
//!
//! # See also
//!
//! RFC 3207 (STARTTLS), RFC 8314 (TLS first), RFC 4954 and 4616 (AUTH), RFC 2033 (LHLO).

use std::io;
#[cfg(test)]
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::{Instant, timeout};
use zeroize::Zeroizing;

use super::connection::{Connection, Stream};
use super::hops::{Hops, Seat};
use super::offers::Offers;
use super::reply::Reply;
use super::tls::Tls;
use crate::config::permission::RelayUser;
use crate::config::{Delivery, Login, Transport};
use crate::deliver::{CourierError, Patience};

/// Knows where and how to connect.
pub(super) struct Dialer {
    target: Target,
    hello: String,
    tls: Option<Tls>,
    login: Option<Login>,
    pub(super) lmtp: bool,
    pub(super) hops: Arc<Hops>,
    pub(super) patience: Patience,
}

#[derive(Debug)]
enum Target {
    Tcp {
        host: String,
        port: u16,
        tls_first: bool,
    },
    Unix(PathBuf),
}

/// An open connection and the right to use it.
pub(super) struct Line {
    pub(super) connection: Connection,
    /// `None` at a unix socket, which is one place.
    pub(super) seat: Option<Seat>,
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

impl Dialer {
    /// Prepares for a transport of the SMTP family.
    pub(super) fn new(settings: &Delivery, patience: Patience) -> Result<Self, CourierError> {
        let transport = &settings.transport;
        let target = match transport {
            Transport::Smtp(hop) | Transport::Smtps(hop) | Transport::Lmtp(hop) => Target::Tcp {
                host: hop.host.clone(),
                port: hop.port,
                tls_first: matches!(transport, Transport::Smtps(_)),
            },
            Transport::LmtpUnix(path) | Transport::Dir(path) | Transport::Sendmail(path) => {
                Target::Unix(path.clone())
            }
        };
        let cafile = settings.cafile.as_deref();
        let tls = match transport {
            // The name may still lead elsewhere, so only an address of this machine goes without.
            Transport::Smtp(hop) if hop.is_loopback() && cafile.is_none() => None,
            Transport::Smtp(hop) | Transport::Smtps(hop) => Some(Tls::new(&hop.host, cafile)?),
            _ => None,
        };
        Ok(Self {
            target,
            hello: settings.hostname.clone().unwrap_or_else(own_name),
            tls,
            login: settings.login.clone(),
            lmtp: matches!(transport, Transport::Lmtp(_) | Transport::LmtpUnix(_)),
            hops: Arc::new(Hops::new(settings.connections.max(1))),
            patience,
        })
    }

    /// Connects, greets and, where it has to be, encrypts and logs in.
    ///
    /// # Errors
    ///
    /// Reply code, 0 without one, and one line on what went wrong. Whatever it is, the mail is
    /// deferred (contract R14).
    pub(super) async fn dial(&self) -> Result<Line, (u16, String)> {
        let named = |(code, problem): (u16, String)| (code, format!("{}: {problem}", self.target));
        loop {
            let (stream, seat, is_local) = self.open().await.map_err(|e| named((0, e)))?;
            match self.greet(stream, seat.as_ref(), is_local).await {
                Ok(connection) => return Ok(Line { connection, seat }),
                // The next address, where there is one (RFC 5321 section 5.1).
                Err(_) if self.is_shunned_for_another(seat.as_ref()) => {}
                Err(problem) => return Err(named(problem)),
            }
        }
    }

    /// True where this address did not greet and another may.
    fn is_shunned_for_another(&self, seat: Option<&Seat>) -> bool {
        seat.is_some_and(|seat| self.hops.has_another(seat.at, Instant::now()))
    }

    async fn open(&self) -> Result<(Box<dyn Stream>, Option<Seat>, bool), String> {
        match &self.target {
            Target::Unix(path) => {
                let opened = timeout(self.patience.connect, UnixStream::connect(path)).await;
                let stream = opened.map_err(late)?.map_err(|e| e.to_string())?;
                Ok((Box::new(stream), None, true))
            }
            Target::Tcp { host, port, .. } => {
                let (stream, seat) = self.reach(host, *port).await?;
                // A command is a small write of its own: with Nagle's algorithm it could wait 40 ms
                // for the answer to the one before.
                stream.set_nodelay(true).map_err(|e| e.to_string())?;
                let is_local = seat.at.ip().to_canonical().is_loopback();
                Ok((Box::new(stream), Some(seat), is_local))
            }
        }
    }

    /// Connects to one of the addresses of a name, the next one where one cannot be reached.
    async fn reach(&self, host: &str, port: u16) -> Result<(TcpStream, Seat), String> {
        let deadline = Instant::now() + self.patience.connect;
        let found = timeout(self.patience.connect, resolve(host, port)).await;
        let found = found.map_err(late)?.map_err(|e| e.to_string())?;
        self.hops.learn(found);
        let mut problem = "the name has no address".to_owned();
        let count = self.hops.count();
        for tried in 0..count {
            // All of them within the time: an address that swallows everything leaves some for others.
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(count - tried).unwrap_or(1);
            let seat = match self.hops.any(Instant::now()) {
                Ok(seat) => seat,
                Err(none) if tried == 0 => return Err(none),
                Err(_) => break,
            };
            match timeout(share, TcpStream::connect(seat.at)).await {
                Ok(Ok(stream)) => return Ok((stream, seat)),
                Ok(Err(error)) => problem = error.to_string(),
                Err(elapsed) => problem = late(elapsed),
            }
            self.hops.shun(seat.at, Instant::now(), &problem);
        }
        Err(problem)
    }

    async fn greet(
        &self,
        stream: Box<dyn Stream>,
        seat: Option<&Seat>,
        is_local: bool,
    ) -> Result<Connection, (u16, String)> {
        let tls_first = matches!(
            self.target,
            Target::Tcp {
                tls_first: true,
                ..
            }
        );
        let mut connection = match &self.tls {
            Some(tls) if tls_first => self.encrypt(tls, stream).await?,
            Some(_) => Connection::new(stream),
            None if is_local => Connection::new(stream),
            None => return Err(unsaid("is not this machine, and TLS is not set up")),
        };
        let greeting = self.hear(&mut connection).await;
        let greeting = greeting.and_then(|reply| wanted(&reply, 220));
        match (seat, &greeting) {
            (Some(seat), Ok(())) => self.hops.trust(seat.at),
            (Some(seat), Err((_, said))) => self.hops.shun(seat.at, Instant::now(), said),
            (None, _) => {}
        }
        greeting?;
        connection.offers = self.introduce(&mut connection).await?;
        if let (Some(tls), false) = (&self.tls, tls_first) {
            if !connection.offers.start_tls {
                return Err(unsaid(
                    "does not offer STARTTLS, and mail leaves this machine encrypted or not at all",
                ));
            }
            wanted(&self.ask(&mut connection, b"STARTTLS\r\n").await?, 220)?;
            let stream = connection.into_inner().map_err(|e| (0, e))?;
            connection = self.encrypt(tls, stream).await?;
            connection.offers = self.introduce(&mut connection).await?;
        }
        if let Some(login) = &self.login {
            self.log_in(&mut connection, login).await?;
        }
        Ok(connection)
    }

    async fn encrypt(
        &self,
        tls: &Tls,
        stream: Box<dyn Stream>,
    ) -> Result<Connection, (u16, String)> {
        let shaking = timeout(self.patience.command, tls.encrypt(stream));
        match shaking.await {
            Ok(Ok(stream)) => Ok(Connection::new(Box::new(stream))),
            Ok(Err(error)) => Err((0, format!("TLS: {error}"))),
            Err(_) => Err(unsaid("TLS: no answer in time")),
        }
    }

    /// Says EHLO, or LHLO where LMTP is spoken (RFC 2033 section 4.1).
    async fn introduce(&self, connection: &mut Connection) -> Result<Offers, (u16, String)> {
        let verb = if self.lmtp { "LHLO" } else { "EHLO" };
        let hello = format!("{verb} {}\r\n", self.hello);
        let reply = self.ask(connection, hello.as_bytes()).await?;
        wanted(&reply, 250)?;
        Ok(Offers::of(&reply))
    }

    async fn log_in(
        &self,
        connection: &mut Connection,
        login: &Login,
    ) -> Result<(), (u16, String)> {
        let secret = login
            .secret(RelayUser::current())
            .map_err(|e| (0, e.text()))?;
        let encoded = |bytes: &[u8]| {
            let mut line = base64_simd::STANDARD.encode_to_string(bytes);
            line.push_str("\r\n");
            Zeroizing::new(line)
        };
        let user = login.user.as_bytes();
        let reply = if connection.offers.auth_plain {
            let whole = Zeroizing::new([b"\0", user, b"\0", &secret[..]].concat());
            let command = Zeroizing::new(format!("AUTH PLAIN {}", *encoded(&whole)));
            self.ask(connection, command.as_bytes()).await?
        } else if connection.offers.auth_login {
            let mut reply = self.ask(connection, b"AUTH LOGIN\r\n").await?;
            for line in [encoded(user), encoded(&secret)] {
                if reply.code == 334 {
                    reply = self.ask(connection, line.as_bytes()).await?;
                }
            }
            reply
        } else {
            return Err(unsaid(
                "delivery.user is set, and the server offers neither AUTH PLAIN nor AUTH LOGIN",
            ));
        };
        if reply.code != 235 {
            // Not its words: they might be ours.
            let text = "does not let delivery.user in with this passphrase";
            return Err((reply.code, format!("{} {text}", reply.code)));
        }
        Ok(())
    }

    async fn ask(&self, connection: &mut Connection, line: &[u8]) -> Result<Reply, (u16, String)> {
        let said = connection.say(line, self.patience.command).await;
        said.map_err(|e| (0, e))?;
        self.hear(connection).await
    }

    async fn hear(&self, connection: &mut Connection) -> Result<Reply, (u16, String)> {
        let heard = connection.reply(self.patience.command).await;
        heard.map_err(|e| (0, e))
    }
}

fn wanted(reply: &Reply, code: u16) -> Result<(), (u16, String)> {
    match reply.code {
        found if found == code => Ok(()),
        found @ 400.. => Err((found, reply.text())),
        found => Err((0, format!("unexpected reply {found}"))),
    }
}

fn unsaid(problem: &str) -> (u16, String) {
    (0, problem.to_owned())
}

async fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    // Not every machine where the tests run has a name with two addresses of its own.
    #[cfg(test)]
    if host == "LOCALHOST" {
        let both = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)];
        return Ok(both.map(|one| (one, port).into()).to_vec());
    }
    Ok(lookup_host((host, port)).await?.collect())
}

fn late(_: tokio::time::error::Elapsed) -> String {
    "no connection in time".to_owned()
}

/// The machine's name, or what stands for one that has none (RFC 5321 section 4.1.3).
fn own_name() -> String {
    let names = rustix::system::uname();
    let name = names.nodename().to_string_lossy();
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    if name.is_empty() || !name.chars().all(is_host) {
        return "[127.0.0.1]".to_owned();
    }
    name.into_owned()
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { host, port, .. } => write!(f, "{host} port {port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::Settings;

    #[tokio::test]
    async fn address_that_greets_again_is_trusted_at_once() {
        let server = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = server.local_addr().unwrap().port();
        let mut settings = Settings::defaults(std::path::Path::new("/x")).delivery;
        settings.transport = Transport::parse(&format!("smtp://LOCALHOST:{port}")).unwrap();
        let dialer = Dialer {
            tls: None,
            ..Dialer::new(&settings, Patience::default()).unwrap()
        };
        let [back, dead] = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 0, 0, 2)]
            .map(|one| SocketAddr::from((one, port)));
        let now = Instant::now();
        // Both were found dead, this one first: it is the one to be tried.
        let earlier = now.checked_sub(Duration::from_secs(20)).unwrap();
        dialer.hops.learn(vec![back, dead]);
        dialer.hops.shun(back, earlier, "refused");
        dialer.hops.shun(dead, now, "refused");
        assert!(!dialer.hops.has_another(dead, now));
        let greets = async {
            let (stream, _) = server.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            stream.write_all(b"220 here again\r\n").await.unwrap();
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            assert!(line.starts_with("EHLO "), "{line}");
            stream.write_all(b"250 hello\r\n").await.unwrap();
        };
        let (line, ()) = tokio::join!(dialer.dial(), greets);
        assert_eq!(line.unwrap().seat.unwrap().at, back);
        assert!(
            dialer.hops.has_another(dead, now),
            "what was wrong with it is remembered"
        );
    }
}
