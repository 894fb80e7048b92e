//! A receiver in the test's own process: it has counted a copy before it says that it took it.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, BufWriter, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

/// Receives on loopback for as long as the process lives.
pub struct Sink {
    pub url: String,
    taken: Arc<Mutex<Taken>>,
}

/// What came.
#[derive(Default)]
pub struct Taken {
    /// How often each reader got each message, by envelope recipient and Message-ID.
    pub copies: HashMap<(String, String), u32>,
    /// When the first copy of a message came.
    pub first: HashMap<String, Instant>,
    pub connections: u64,
    /// The last mail that came, as it was.
    pub last: Vec<u8>,
}

impl Taken {
    /// Copies beyond one for each reader and message.
    pub fn duplicates(&self) -> u64 {
        self.copies.values().map(|times| u64::from(times - 1)).sum()
    }
}

impl Sink {
    pub fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let taken = Arc::new(Mutex::new(Taken::default()));
        let kept = taken.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let taken = kept.clone();
                // A client that is killed leaves in the middle of a word.
                std::thread::spawn(move || serve(&client, &taken));
            }
        });
        Self { url, taken }
    }

    pub fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap()
    }
}

fn serve(client: &TcpStream, taken: &Mutex<Taken>) -> Option<()> {
    client.set_nodelay(true).ok()?;
    taken.lock().ok()?.connections += 1;
    let mut lines = BufReader::with_capacity(1 << 16, client.try_clone().ok()?);
    let mut out = BufWriter::new(client.try_clone().ok()?);
    let (mut to, mut mail) = (String::new(), Vec::new());
    out.write_all(b"220 sink\r\n").ok()?;
    loop {
        // What was sent in one go is answered in one go.
        if lines.buffer().is_empty() {
            out.flush().ok()?;
        }
        let mut line = String::new();
        if lines.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let answer: &[u8] = match line.get(..4)?.to_ascii_uppercase().as_str() {
            "EHLO" => b"250-sink\r\n250-PIPELINING\r\n250 8BITMIME\r\n",
            "RCPT" => {
                to = line.split_once('<')?.1.split_once('>')?.0.to_owned();
                b"250 ok\r\n"
            }
            "DATA" => {
                out.write_all(b"354 go on\r\n").ok()?;
                out.flush().ok()?;
                data(&mut lines, &mut mail)?;
                keep(&mut *taken.lock().ok()?, &to, &mail);
                b"250 taken\r\n"
            }
            "QUIT" => {
                out.write_all(b"221 bye\r\n").ok()?;
                return out.flush().ok();
            }
            _ => b"250 ok\r\n",
        };
        out.write_all(answer).ok()?;
    }
}

fn data(lines: &mut impl std::io::BufRead, mail: &mut Vec<u8>) -> Option<()> {
    mail.clear();
    loop {
        let begin = mail.len();
        if lines.read_until(b'\n', mail).ok()? == 0 {
            return None;
        }
        if mail[begin..] == *b".\r\n" {
            mail.truncate(begin);
            return Some(());
        }
        if mail[begin] == b'.' {
            mail.remove(begin);
        }
    }
}

fn keep(taken: &mut Taken, to: &str, mail: &[u8]) {
    let header = &mail[..mail
        .windows(4)
        .position(|end| end == b"\r\n\r\n")
        .unwrap_or(0)];
    let header = String::from_utf8_lossy(header);
    let field = |line: &str| Some(line.strip_prefix("Message-ID: ")?.to_owned());
    let id = header.lines().find_map(field).unwrap_or_default();
    taken.first.entry(id.clone()).or_insert_with(Instant::now);
    *taken.copies.entry((to.to_owned(), id)).or_default() += 1;
    mail.clone_into(&mut taken.last);
}
