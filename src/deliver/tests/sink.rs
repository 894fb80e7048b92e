//! A receiver that follows a script: what to do at which step of the conversation. Where the script
//! says nothing it is a server as RFC 5321, 2033, 2920 and 3030 want one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::talk::{Left, Talk};

/// Where a script may step in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum At {
    Connect,
    Greeting,
    Hello,
    StartTls,
    /// Any step of AUTH.
    Auth,
    Mail,
    /// The recipient of [`Sink::victim`], or any.
    Rcpt,
    Data,
    /// After the first bytes of the mail.
    Body,
    /// As [`At::Rcpt`] where LMTP answers for each.
    Dot,
    Quit,
    Reset,
}

/// What happens there.
#[derive(Clone, Debug)]
pub(super) enum Act {
    /// A reply, and on.
    Say(String),
    /// Bytes as they are, and on.
    Raw(Vec<u8>),
    SayAndClose(String),
    Close,
    Reset,
    Silence,
    /// One byte at a time with this pause in between; in the middle of a mail it reads so.
    Drip(String, Duration),
}

/// What one mail looked like on arrival, dots unstuffed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Arrived {
    pub(super) from: String,
    /// The accepted RCPT commands.
    pub(super) to: Vec<String>,
    pub(super) data: Vec<u8>,
    pub(super) chunked: bool,
}

/// A running receiver and what it saw.
#[derive(Clone, Default)]
pub(super) struct Sink {
    pub(super) port: u16,
    offers: Arc<Mutex<Vec<String>>>,
    script: Arc<Mutex<HashMap<At, Act>>>,
    /// Which recipient the script is about, counted from 0.
    pub(super) victim: Arc<Mutex<Option<usize>>>,
    pub(super) tls: Arc<Mutex<Option<TlsAcceptor>>>,
    /// Mails that were answered with 250.
    pub(super) arrived: Arc<Mutex<Vec<Arrived>>>,
    pub(super) commands: Arc<Mutex<Vec<String>>>,
    /// How many commands came together with another.
    pub(super) pipelined: Arc<Mutex<usize>>,
    pub(super) connections: Arc<Mutex<usize>>,
}

impl Sink {
    pub(super) async fn start() -> Self {
        Self::at_address("127.0.0.1:0").await
    }

    pub(super) async fn at_address(address: &str) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        // So that a mail of some megabytes does not vanish into buffers.
        socket.set_recv_buffer_size(64 << 10).unwrap();
        socket.bind(address.parse().unwrap()).unwrap();
        let sink = Self::default();
        sink.offer(&["8BITMIME"]);
        sink.serve_at(socket.listen(64).unwrap())
    }

    fn serve_at(mut self, listener: TcpListener) -> Self {
        self.port = listener.local_addr().unwrap().port();
        let serving = self.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let sink = serving.clone();
                *sink.connections.lock().unwrap() += 1;
                tokio::spawn(async move { sink.serve_tcp(stream).await });
            }
        });
        self
    }

    pub(super) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    /// From now on offers these extensions and no others.
    pub(super) fn offer(&self, extensions: &[&str]) {
        *self.offers.lock().unwrap() = extensions.iter().map(ToString::to_string).collect();
    }

    /// From now on does `act` at `at`.
    pub(super) fn at(&self, at: At, act: Act) {
        self.script.lock().unwrap().insert(at, act);
    }

    pub(super) fn say(&self, at: At, text: &str) {
        self.at(at, Act::Say(text.to_owned()));
    }

    pub(super) fn behave(&self) {
        self.script.lock().unwrap().clear();
    }

    pub(super) fn mails(&self) -> Vec<Arrived> {
        self.arrived.lock().unwrap().clone()
    }

    pub(super) fn scripted(&self, at: At, index: usize) -> Option<Act> {
        let victim = *self.victim.lock().unwrap();
        let is_meant = !matches!(at, At::Rcpt | At::Dot) || victim.is_none_or(|one| one == index);
        let script = self.script.lock().unwrap();
        script.get(&at).filter(|_| is_meant).cloned()
    }

    async fn serve_tcp(&self, mut stream: TcpStream) {
        // A client that goes away ends the conversation, which is all there is to it.
        let mut left = self.converse(&mut stream, true).await;
        let acceptor = self.tls.lock().unwrap().clone();
        if let (Ok(Left::Upgrade), Some(acceptor)) = (&left, acceptor)
            && let Ok(mut secure) = acceptor.accept(&mut stream).await
        {
            left = self.converse(&mut secure, false).await;
            let _ = secure.shutdown().await;
        }
        if matches!(left, Ok(Left::Reset)) {
            stream.set_zero_linger().unwrap();
        }
    }

    /// Serves a stream that is no TCP connection of this sink's own.
    pub(super) async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let _ = self.converse(&mut stream, true).await;
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        is_new: bool,
    ) -> std::io::Result<Left> {
        let mut talk = Talk {
            sink: self,
            stream: BufReader::new(stream),
            left: None,
            asked: None,
        };
        if is_new {
            if let Some(act) = self.scripted(At::Connect, 0) {
                talk.act(act).await?;
            }
            talk.reply(At::Greeting, 0, "220 sink ESMTP").await?;
        }
        let (mut mail, mut asked, mut is_open) = (Arrived::default(), 0, false);
        let mut lmtp = false;
        while talk.left.is_none() {
            let mut line = String::new();
            if talk.stream.read_line(&mut line).await? == 0 {
                return Ok(Left::Closed);
            }
            if !talk.stream.buffer().is_empty() {
                *self.pipelined.lock().unwrap() += 1;
            }
            let line = line.trim_end().to_owned();
            self.commands.lock().unwrap().push(line.clone());
            match line.get(..4).unwrap_or_default() {
                "EHLO" | "LHLO" => {
                    lmtp = line.starts_with('L');
                    let mut lines = vec!["sink".to_owned()];
                    lines.extend(self.offers.lock().unwrap().clone());
                    let last = lines.pop().unwrap();
                    let first: String = lines.iter().map(|one| format!("250-{one}\r\n")).collect();
                    talk.reply(At::Hello, 0, &format!("{first}250 {last}"))
                        .await?;
                }
                "STAR" => {
                    if talk.reply(At::StartTls, 0, "220 go").await? && talk.left.is_none() {
                        return Ok(Left::Upgrade);
                    }
                }
                "AUTH" => {
                    let mut word = line.clone();
                    while talk.left.is_none() && talk.challenge(&word).await? {
                        word.clear();
                        talk.stream.read_line(&mut word).await?;
                        self.commands
                            .lock()
                            .unwrap()
                            .push(word.trim_end().to_owned());
                    }
                }
                "MAIL" => {
                    (mail, asked) = (Arrived::default(), 0);
                    mail.from = line;
                    is_open = talk.reply(At::Mail, 0, "250 ok").await?;
                }
                "RCPT" if !is_open => talk.say("503 no mail").await?,
                "RCPT" => {
                    if talk.reply(At::Rcpt, asked, "250 ok").await? {
                        mail.to.push(line);
                    }
                    asked += 1;
                }
                "DATA" if mail.to.is_empty() && self.scripted(At::Data, 0).is_none() => {
                    talk.say("554 no recipients").await?
                }
                "DATA" => {
                    if talk.reply(At::Data, 0, "354 go").await? && talk.left.is_none() {
                        mail.data = talk.read_data().await?;
                        talk.verdict(&mail, lmtp).await?;
                        mail.to.clear();
                    }
                }
                "BDAT" => {
                    let size = line.split(' ').nth(1).unwrap().parse().unwrap();
                    assert!(line.ends_with(" LAST"), "{line}");
                    mail.data = talk.read_chunk(size).await?;
                    mail.chunked = true;
                    if mail.to.is_empty() {
                        talk.say("503 no recipients").await?;
                    } else {
                        talk.verdict(&mail, lmtp).await?;
                    }
                    mail.to.clear();
                }
                "QUIT" => {
                    talk.reply(At::Quit, 0, "221 bye").await?;
                    return Ok(talk.left.unwrap_or(Left::Closed));
                }
                _ => {
                    is_open = false;
                    mail.to.clear();
                    talk.reply(At::Reset, 0, "250 ok").await?;
                }
            }
        }
        Ok(talk.left.unwrap_or(Left::Closed))
    }
}
