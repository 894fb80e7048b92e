//! What a scripted receiver says and reads.

use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader,
};

use super::sink::{Act, Arrived, At, Sink};

/// How a conversation was left.
pub(super) enum Left {
    Closed,
    Reset,
    Upgrade,
}

/// One conversation.
pub(super) struct Talk<'s, S> {
    pub(super) sink: &'s Sink,
    pub(super) stream: BufReader<&'s mut S>,
    pub(super) left: Option<Left>,
    /// Words of AUTH LOGIN that are to come.
    pub(super) asked: Option<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<'_, S> {
    /// Says what is scripted or usual; true where that means go on (2xx, 354).
    pub(super) async fn reply(
        &mut self,
        at: At,
        index: usize,
        usual: &str,
    ) -> std::io::Result<bool> {
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
    pub(super) async fn challenge(&mut self, line: &str) -> std::io::Result<bool> {
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

    pub(super) async fn say(&mut self, text: &str) -> std::io::Result<()> {
        self.act(Act::Say(text.to_owned())).await
    }

    pub(super) async fn act(&mut self, act: Act) -> std::io::Result<()> {
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

    pub(super) async fn read_data(&mut self) -> std::io::Result<Vec<u8>> {
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

    pub(super) async fn read_chunk(&mut self, size: usize) -> std::io::Result<Vec<u8>> {
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
    pub(super) async fn verdict(&mut self, mail: &Arrived, lmtp: bool) -> std::io::Result<()> {
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
