//! A receiver that follows a script: what to do at which step of the conversation.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;

/// Where a script may step in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum At {
    Greeting,
    Hello,
    StartTls,
    Mail,
    Rcpt,
    Data,
    Dot,
    Reset,
}

/// What happens there.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Say(String),
    Close,
    Silence,
    /// Says nothing and goes on to listen.
    Skip,
}

/// What one mail looked like on arrival, dots unstuffed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Arrived {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) data: Vec<u8>,
}

/// A running receiver and what it saw.
#[derive(Clone, Default)]
pub(super) struct Sink {
    pub(super) port: u16,
    script: Arc<Mutex<HashMap<At, Act>>>,
    pub(super) arrived: Arc<Mutex<Vec<Arrived>>>,
    pub(super) commands: Arc<Mutex<Vec<String>>>,
    pub(super) connections: Arc<Mutex<usize>>,
}

impl Sink {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sink = Self {
            port: listener.local_addr().unwrap().port(),
            ..Self::default()
        };
        let serving = sink.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let sink = serving.clone();
                *sink.connections.lock().unwrap() += 1;
                tokio::spawn(async move { sink.serve(stream).await });
            }
        });
        sink
    }

    pub(super) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
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

    fn act(&self, at: At, usual: &str) -> Act {
        let scripted = self.script.lock().unwrap().get(&at).cloned();
        scripted.unwrap_or_else(|| Act::Say(usual.to_owned()))
    }

    pub(super) async fn serve(&self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        // A client that goes away ends the conversation, which is all there is to it.
        let _ = self.converse(stream).await;
    }

    async fn converse(&self, stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
        let mut stream = BufReader::new(stream);
        let (mut from, mut to) = (String::new(), String::new());
        let (mut at, mut usual) = (At::Greeting, "220 sink ESMTP");
        loop {
            match self.act(at, usual) {
                Act::Close => return Ok(()),
                Act::Skip => {}
                Act::Silence => std::future::pending().await,
                Act::Say(text) => {
                    let stream = stream.get_mut();
                    stream.write_all(format!("{text}\r\n").as_bytes()).await?;
                    stream.flush().await?;
                    if at == At::Data && text.starts_with("354") {
                        let data = read_data(stream_of(stream)).await?;
                        if matches!(self.act(At::Dot, "250"), Act::Say(text) if text.starts_with("250"))
                        {
                            let (from, to) = (from.clone(), to.clone());
                            self.arrived
                                .lock()
                                .unwrap()
                                .push(Arrived { from, to, data });
                        }
                        (at, usual) = (At::Dot, "250 2.0.0 kept");
                        continue;
                    }
                }
            }
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            self.commands
                .lock()
                .unwrap()
                .push(line.trim_end().to_owned());
            (at, usual) = match line.get(..4).unwrap_or_default() {
                "EHLO" | "LHLO" => (At::Hello, "250-sink\r\n250 8BITMIME"),
                "STAR" => (At::StartTls, "220 go"),
                "MAIL" => {
                    from = line.trim_end().to_owned();
                    (At::Mail, "250 ok")
                }
                "RCPT" => {
                    to = line.trim_end().to_owned();
                    (At::Rcpt, "250 ok")
                }
                "DATA" => (At::Data, "354 go"),
                "QUIT" => return Ok(()),
                _ => (At::Reset, "250 ok"),
            };
        }
    }
}

/// The stream itself: nothing is waiting in the buffer before it, because the client waits for 354.
fn stream_of<S: AsyncRead + Unpin>(stream: &mut S) -> BufReader<&mut S> {
    BufReader::new(stream)
}

async fn read_data(mut stream: impl AsyncBufReadExt + Unpin) -> std::io::Result<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == b".\r\n" {
            return Ok(data);
        }
        data.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
    }
}
