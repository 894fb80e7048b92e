//! Target `lmtp_server`: what a client says to the LMTP server.

use listseal::lmtp::{Reply, Session, Wish};

/// What is said does not depend on how the bytes are cut, and no message is taken, and no 250 said
/// for one, but where CRLF `.` CRLF ended it: the content is what a reader finds who knows nothing
/// but that.
///
/// Input: the first octet says how the bytes are cut. An octet FF, which is no UTF-8, stands
/// between turns: there the client waits for what the server says.
pub fn lmtp_server(data: &[u8]) {
    let Some((step, bytes)) = data.split_first() else {
        return;
    };
    let turns = turns(bytes);
    let whole = Talk::hold(&turns, usize::MAX);
    let cut = Talk::hold(&turns, usize::from(*step) + 1);
    assert!(whole.said == cut.said, "other replies");
    assert!(whole.taken == cut.taken, "other messages");
    for (said, message) in whole.content.iter().zip(&whole.taken) {
        let (content, end) = reference(said).expect("taken, and not ended by CRLF . CRLF");
        assert!(content == message.content, "another message");
        assert_eq!(
            end,
            said.len(),
            "something behind the end was taken for the message"
        );
    }
    let kept = b"250 2.0.0 kept\r\n";
    let count = whole
        .said
        .windows(kept.len())
        .filter(|line| line == kept)
        .count();
    let promised: usize = whole.taken.iter().map(|one| one.recipients).sum();
    assert_eq!(
        count, promised,
        "a 250 for what was not taken, or none for what was"
    );
    for line in whole.said.split_inclusive(|byte| *byte == b'\n') {
        assert!(line.ends_with(b"\r\n") && line.len() <= 512, "{line:?}");
        assert!(line[..3].iter().all(u8::is_ascii_digit), "{line:?}");
    }
}

/// True where a message is taken.
pub fn is_taken(data: &[u8]) -> bool {
    let talk = Talk::hold(&turns(data.get(1..).unwrap_or_default()), usize::MAX);
    !talk.taken.is_empty()
}

fn turns(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.split(|byte| *byte == 0xff).collect()
}

/// Returns the message in what followed 354, and where its end ends.
fn reference(said: &[u8]) -> Option<(Vec<u8>, usize)> {
    let lines = [b"\r\n", said].concat();
    let end = lines.windows(5).position(|five| five == b"\r\n.\r\n")?;
    let mut content = Vec::new();
    let mut rest = &lines[2..end + 2];
    let mut begins_line = true;
    while let Some(byte) = rest.first().copied() {
        if !(begins_line && byte == b'.') {
            content.push(byte);
        }
        rest = &rest[1..];
        begins_line = content.ends_with(b"\r\n") && byte == b'\n';
    }
    Some((content, end + 3))
}

/// A message that was taken.
#[derive(PartialEq)]
struct Taken {
    recipients: usize,
    content: Vec<u8>,
}

/// A conversation, and what came of it.
struct Talk {
    session: Session,
    said: Vec<u8>,
    taken: Vec<Taken>,
    /// What came between 354 and the replies, for each message; the last one may not have ended.
    content: Vec<Vec<u8>>,
    stored: Vec<u8>,
    over: bool,
}

impl Talk {
    fn hold(turns: &[&[u8]], step: usize) -> Self {
        let mut talk = Self {
            session: Session::new("mx.example.org", 1 << 20),
            said: Vec::new(),
            taken: Vec::new(),
            content: Vec::new(),
            stored: Vec::new(),
            over: false,
        };
        talk.answer(true, &[]);
        for turn in turns {
            let pieces = turn.chunks(step.min(turn.len().max(1)));
            let last = pieces.len();
            for (number, piece) in pieces.enumerate() {
                talk.session.feed(piece);
                talk.answer(number + 1 == last, piece);
            }
        }
        talk
    }

    /// Lets the session go on until it wants more.
    fn answer(&mut self, quiet: bool, piece: &[u8]) {
        let began = self.session.is_in_content();
        if let Some(content) = self.content.last_mut().filter(|_| began) {
            content.extend_from_slice(piece);
        }
        loop {
            let wish = self.session.wish();
            self.said.extend(self.session.take_output());
            match wish {
                Wish::Bytes => return,
                Wish::HangUp => {
                    self.over = true;
                    return;
                }
                Wish::Pause => self.session.resume(quiet),
                Wish::Begin => {
                    assert!(
                        !self.session.recipients().is_empty(),
                        "a message for nobody"
                    );
                    self.stored.clear();
                    self.content.push(Vec::new());
                    self.session.begin(Ok(()));
                }
                Wish::Recipient(address) => {
                    let is_known = address.domain() == "example.org";
                    let refusal = Reply::new(550, "5.1.1 no list");
                    self.session
                        .recipient(is_known.then_some(()).ok_or(refusal));
                }
                Wish::Store(piece) => self.stored.extend(piece),
                Wish::Settle => self.settle(),
            }
        }
    }

    /// The message has ended; what was fed behind its end is no part of what was said for it.
    fn settle(&mut self) {
        let recipients = self.session.recipients().len();
        let content = std::mem::take(&mut self.stored);
        if let Some(said) = self.content.last_mut()
            && let Some((_, end)) = reference(said)
        {
            said.truncate(end);
        }
        self.taken.push(Taken {
            recipients,
            content,
        });
        let replies = vec![Reply::new(250, "2.0.0 kept"); recipients];
        self.session.settle(&replies);
    }
}
