//! A receiver that follows a script: what to do at which step of the conversation. Where the script
//! says nothing it is a server as RFC 5321, 2033, 2920 and 3030 want one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

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

/// How a conversation was left.
enum Left {
    Closed,
    Reset,
    Upgrade,
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

    fn scripted(&self, at: At, index: usize) -> Option<Act> {
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

struct Talk<'s, S> {
    sink: &'s Sink,
    stream: BufReader<&'s mut S>,
    left: Option<Left>,
    /// Words of AUTH LOGIN that are to come.
    asked: Option<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<'_, S> {
    /// Says what is scripted or usual; true where that means go on (2xx, 354).
    async fn reply(&mut self, at: At, index: usize, usual: &str) -> std::io::Result<bool> {
        let scripted = self.sink.scripted(at, index);
        let act = scripted.unwrap_or_else(|| Act::Say(usual.to_owned()));
        let text = match &act {
            Act::Say(text) | Act::Drip(text, _) => text.clone(),
            // Nothing said is a yes kept back.
            Act::Raw(bytes) if bytes.is_empty() => usual.to_owned(),
            Act::Raw(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            _ => String::new(),
        };
        self.act(act).await?;
        let yes = if at == At::Data { "354" } else { "2" };
        Ok(text.starts_with(yes))
    }

    /// Answers a step of AUTH; true where it asks for more.
    async fn challenge(&mut self, line: &str) -> std::io::Result<bool> {
        let asked = *self
            .asked
            .get_or_insert(if line == "AUTH LOGIN" { 2 } else { 0 });
        if asked == 0 || self.sink.scripted(At::Auth, 0).is_some() {
            self.reply(At::Auth, 0, "235 in").await?;
            return Ok(false);
        }
        self.asked = Some(asked - 1);
        self.say("334 VXNlcm5hbWU6").await?;
        Ok(true)
    }

    async fn say(&mut self, text: &str) -> std::io::Result<()> {
        self.act(Act::Say(text.to_owned())).await
    }

    async fn act(&mut self, act: Act) -> std::io::Result<()> {
        match act {
            Act::Say(text) => {
                self.stream
                    .write_all(format!("{text}\r\n").as_bytes())
                    .await?
            }
            Act::Raw(bytes) => self.stream.write_all(&bytes).await?,
            Act::SayAndClose(text) => {
                self.stream
                    .write_all(format!("{text}\r\n").as_bytes())
                    .await?;
                self.left = Some(Left::Closed);
            }
            Act::Close => self.left = Some(Left::Closed),
            Act::Reset => self.left = Some(Left::Reset),
            Act::Silence => std::future::pending().await,
            Act::Drip(text, pause) => {
                for byte in format!("{text}\r\n").bytes() {
                    self.stream.write_all(&[byte]).await?;
                    self.stream.flush().await?;
                    tokio::time::sleep(pause).await;
                }
            }
        }
        self.stream.flush().await
    }

    /// Does what the script wants in the middle of a mail.
    async fn interrupt(&mut self) -> std::io::Result<()> {
        match self.sink.scripted(At::Body, 0) {
            None => {}
            Some(Act::Drip(_, pause)) => loop {
                self.stream.read_u8().await?;
                tokio::time::sleep(pause).await;
            },
            Some(act) => {
                self.stream.read_u8().await?;
                self.act(act).await?;
            }
        }
        if self.left.is_some() {
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    async fn read_data(&mut self) -> std::io::Result<Vec<u8>> {
        let (mut data, mut broken) = (Vec::new(), Ok(()));
        if self.sink.scripted(At::Body, 0).is_some() {
            broken = self.interrupt().await;
        }
        if broken.is_err() {
            return Ok(data);
        }
        loop {
            let mut line = Vec::new();
            if self.stream.read_until(b'\n', &mut line).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            if line == b".\r\n" {
                return Ok(data);
            }
            data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
    }

    async fn read_chunk(&mut self, size: usize) -> std::io::Result<Vec<u8>> {
        let mut size = size;
        if self.sink.scripted(At::Body, 0).is_some() {
            if self.interrupt().await.is_err() {
                return Ok(Vec::new());
            }
            size -= 1;
        }
        let mut data = vec![0; size];
        self.stream.read_exact(&mut data).await?;
        Ok(data)
    }

    /// Answers the mail, once or for each recipient.
    async fn verdict(&mut self, mail: &Arrived, lmtp: bool) -> std::io::Result<()> {
        if self.left.is_some() {
            return Ok(());
        }
        let mut kept = Arrived {
            to: Vec::new(),
            ..mail.clone()
        };
        let answers = if lmtp { mail.to.len() } else { 1 };
        for index in 0..answers {
            // A script about another recipient of SMTP is about this answer too: there is one.
            let asked = if lmtp {
                index
            } else {
                self.sink.victim.lock().unwrap().unwrap_or(0)
            };
            if self.reply(At::Dot, asked, "250 2.0.0 kept").await? {
                let one = if lmtp {
                    index..index + 1
                } else {
                    0..mail.to.len()
                };
                kept.to.extend_from_slice(&mail.to[one]);
            }
            if self.left.is_some() {
                break;
            }
        }
        if !kept.to.is_empty() {
            self.sink.arrived.lock().unwrap().push(kept);
        }
        Ok(())
    }
}
