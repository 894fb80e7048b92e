//! Connects to the next hop: TCP without Nagle's delay, a unix socket, TLS before anything is said.
//!
//! # Trust
//!
//! To anything but this machine nothing is said without TLS, and the server's certificate must name
//! it (contract S48). There is no falling back: a server that does not offer STARTTLS gets no mail.
//!
//! # See also
//!
//! RFC 3207 for STARTTLS, RFC 8314 for TLS from the first byte.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

#[allow(deprecated, reason = "lettre has no other door to its TLS stream")]
use lettre::transport::smtp::client::AsyncNetworkStream;
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::extension::ClientId;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::guard::Guard;
use super::{CourierError, Patience};
use crate::config::{Delivery, Transport};

/// Knows where and how to connect.
pub(super) struct Dialer {
    target: Target,
    hello: ClientId,
    tls: Option<TlsParameters>,
    pub(super) patience: Patience,
}

#[derive(Debug)]
enum Target {
    Tcp {
        host: String,
        port: u16,
        tls_first: bool,
        lmtp: bool,
    },
    Unix(PathBuf),
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer")
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

impl Dialer {
    /// Prepares for a transport of the SMTP family; `anchor` replaces the system's trust anchors.
    pub(super) fn new(
        settings: &Delivery,
        patience: Patience,
        anchor: Option<&[u8]>,
    ) -> Result<Self, CourierError> {
        let target = match &settings.transport {
            Transport::LmtpUnix(path) => Target::Unix(path.clone()),
            Transport::Smtp(hop) | Transport::Smtps(hop) | Transport::Lmtp(hop) => Target::Tcp {
                host: hop.host.clone(),
                port: hop.port,
                tls_first: matches!(settings.transport, Transport::Smtps(_)),
                lmtp: matches!(settings.transport, Transport::Lmtp(_)),
            },
            Transport::Dir(path) | Transport::Sendmail(path) => Target::Unix(path.clone()),
        };
        let tls = match &settings.transport {
            Transport::Smtps(hop) => Some(tls_for(&hop.host, anchor)?),
            // The name may still lead elsewhere, so only an address of this machine goes without.
            Transport::Smtp(hop) if !hop.is_loopback() || anchor.is_some() => {
                Some(tls_for(&hop.host, anchor)?)
            }
            _ => None,
        };
        let hello = settings
            .hostname
            .clone()
            .map_or_else(ClientId::default, ClientId::Domain);
        Ok(Self {
            target,
            hello,
            tls,
            patience,
        })
    }

    /// Connects, greets and, where it has to be, encrypts.
    ///
    /// # Errors
    ///
    /// One line on what went wrong. Whatever it is, the mail is deferred (contract R14).
    pub(super) async fn dial(&self) -> Result<AsyncSmtpConnection, String> {
        let opened = timeout(self.patience.connect, self.open()).await;
        let (stream, is_local) = opened
            .map_err(|_| format!("{}: no connection in time", self.target))?
            .map_err(|error| format!("{}: {error}", self.target))?;
        let ready = timeout(self.patience.command, self.greet(stream, is_local)).await;
        ready
            .map_err(|_| format!("{}: no greeting in time", self.target))?
            .map_err(|error| format!("{}: {error}", self.target))
    }

    async fn open(&self) -> io::Result<(Box<dyn AsyncTokioStream>, bool)> {
        match &self.target {
            Target::Unix(path) => Ok((Box::new(Unix(UnixStream::connect(path).await?)), true)),
            Target::Tcp { host, port, .. } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                // The dot that ends a mail is a small write of its own: with Nagle's algorithm each
                // mail would wait 40 ms for it.
                stream.set_nodelay(true)?;
                let is_local = stream.peer_addr()?.ip().to_canonical().is_loopback();
                Ok((Box::new(stream), is_local))
            }
        }
    }

    async fn greet(
        &self,
        stream: Box<dyn AsyncTokioStream>,
        is_local: bool,
    ) -> Result<AsyncSmtpConnection, String> {
        let (tls_first, lmtp) = match self.target {
            Target::Tcp {
                tls_first, lmtp, ..
            } => (tls_first, lmtp),
            Target::Unix(_) => (false, true),
        };
        let guard = match &self.tls {
            Some(tls) if tls_first => Guard::new(encrypt(stream, tls).await?, lmtp),
            Some(tls) => {
                let bare = self.ask_for_tls(Guard::new(stream, false)).await?;
                Guard::greeted(encrypt(bare, tls).await?)
            }
            None if is_local => Guard::new(stream, lmtp),
            None => return Err("is not this machine, and TLS is not set up".to_owned()),
        };
        AsyncSmtpConnection::connect_with_transport(Box::new(guard), &self.hello)
            .await
            .map_err(|error| super::smtp::describe(&error))
    }

    /// Speaks up to the point where TLS begins, and makes sure that nothing was said ahead.
    async fn ask_for_tls(&self, mut guard: Guard) -> Result<Box<dyn AsyncTokioStream>, String> {
        let failed = |error: io::Error| error.to_string();
        expect(&mut guard, "220").await?;
        let hello = format!("EHLO {}\r\n", self.hello);
        guard.write_all(hello.as_bytes()).await.map_err(failed)?;
        let offers = expect(&mut guard, "250").await?;
        let offered = offers
            .iter()
            .any(|line| line.eq_ignore_ascii_case("STARTTLS"));
        if !offered {
            return Err(
                "does not offer STARTTLS, and mail leaves this machine encrypted or not at all"
                    .to_owned(),
            );
        }
        guard.write_all(b"STARTTLS\r\n").await.map_err(failed)?;
        expect(&mut guard, "220").await?;
        guard.into_inner().map_err(failed)
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp { host, port, .. } => write!(f, "{host} port {port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Reads one reply and returns the texts of its lines if its code is `code`.
async fn expect(guard: &mut Guard, code: &str) -> Result<Vec<String>, String> {
    let mut texts = Vec::new();
    let mut line = vec![0; MAX_LINE];
    loop {
        let count = guard
            .read(&mut line)
            .await
            .map_err(|error| error.to_string())?;
        let bytes = line.get(..count).unwrap_or_default();
        let text = String::from_utf8_lossy(bytes);
        let whole = text
            .strip_suffix("\r\n")
            .ok_or("malformed reply, or none")?;
        let rest = whole.strip_prefix(code).ok_or_else(|| super::tidy(whole))?;
        texts.push(rest.get(1..).unwrap_or_default().to_owned());
        if !rest.starts_with('-') {
            return Ok(texts);
        }
    }
}

fn tls_for(host: &str, anchor: Option<&[u8]>) -> Result<TlsParameters, CourierError> {
    let failed = |error: lettre::transport::smtp::Error| CourierError::Tls(error.to_string());
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(pem) = anchor {
        builder = builder
            .certificate_store(CertificateStore::None)
            .add_root_certificate(Certificate::from_pem(pem).map_err(failed)?);
    }
    builder.build_rustls().map_err(failed)
}

#[allow(deprecated, reason = "lettre has no other door to its TLS stream")]
async fn encrypt(
    stream: Box<dyn AsyncTokioStream>,
    tls: &TlsParameters,
) -> Result<Box<dyn AsyncTokioStream>, String> {
    let mut stream = AsyncNetworkStream::use_existing_tokio1(stream);
    stream
        .upgrade_tls(tls.clone())
        .await
        .map_err(|error| super::smtp::describe(&error))?;
    Ok(Box::new(Tls(stream)))
}

/// lettre's TLS stream, seen as a stream of tokio again.
#[derive(Debug)]
#[allow(deprecated, reason = "lettre has no other door to its TLS stream")]
struct Tls(AsyncNetworkStream);

impl AsyncRead for Tls {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let free = buf.initialize_unfilled();
        let count = ready!(futures_io::AsyncRead::poll_read(
            Pin::new(&mut self.0),
            cx,
            free
        ))?;
        buf.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tls {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        futures_io::AsyncWrite::poll_write(Pin::new(&mut self.0), cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        futures_io::AsyncWrite::poll_flush(Pin::new(&mut self.0), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        futures_io::AsyncWrite::poll_close(Pin::new(&mut self.0), cx)
    }
}

impl AsyncTokioStream for Tls {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }
}

/// A unix socket, as lettre wants a stream.
#[derive(Debug)]
struct Unix(UnixStream);

impl AsyncRead for Unix {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Unix {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl AsyncTokioStream for Unix {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Err(io::Error::other("a unix socket has no address"))
    }
}

/// Longer lines are no replies; Postfix has the same limit (line_length_limit 2048).
const MAX_LINE: usize = 2048;
/// Goodbyes are not waited for longer than this.
pub(super) const GOODBYE: Duration = Duration::from_secs(2);
