//! A receiver that has a mail on its disk before it says so.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// What a receiver is like at the moment.
#[derive(Default)]
pub struct Mood {
    /// It puts every recipient off.
    pub refuses: AtomicBool,
    /// How often it did.
    pub refused: AtomicU64,
    /// It has a mail and does not say so yet.
    pub holds: AtomicBool,
    /// How many it has had.
    pub taken: AtomicU64,
}

/// As [`listen_as`], with a receiver that takes everything.
pub fn listen(outbox: PathBuf) -> String {
    listen_as(outbox, Arc::default())
}

/// Listens on loopback for as long as the process lives, and returns the address; mails land in
/// `outbox` as the transport `dir` would write them.
pub fn listen_as(outbox: PathBuf, mood: Arc<Mood>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::fs::create_dir_all(&outbox).unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let (outbox, mood) = (outbox.clone(), mood.clone());
            // A client that is killed leaves in the middle of a word.
            std::thread::spawn(move || serve(client, &outbox, &mood));
        }
    });
    address
}

fn serve(mut client: TcpStream, outbox: &Path, mood: &Mood) -> Option<()> {
    let mut lines = BufReader::new(client.try_clone().ok()?);
    let (mut from, mut to) = (String::new(), String::new());
    client.write_all(b"220 sink\r\n").ok()?;
    loop {
        let mut line = String::new();
        if lines.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let path = |line: &str| Some(line.split_once('<')?.1.split_once('>')?.0.to_owned());
        let word = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer = match word.as_str() {
            "MAIL" => {
                from = path(&line)?;
                "250 ok"
            }
            "RCPT" if mood.refuses.load(Ordering::SeqCst) => {
                mood.refused.fetch_add(1, Ordering::SeqCst);
                "451 not now"
            }
            "RCPT" => {
                to = path(&line)?;
                "250 ok"
            }
            "DATA" => {
                client.write_all(b"354 go on\r\n").ok()?;
                let mut mail = Vec::new();
                loop {
                    let mut line = Vec::new();
                    if lines.read_until(b'\n', &mut line).ok()? == 0 {
                        return None;
                    }
                    if line == b".\r\n" {
                        break;
                    }
                    mail.extend(line.strip_prefix(b".").unwrap_or(&line));
                }
                keep(outbox, &from, &to, &mail);
                mood.taken.fetch_add(1, Ordering::SeqCst);
                while mood.holds.load(Ordering::SeqCst) {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                "250 taken"
            }
            "QUIT" => "221 bye",
            _ => "250 sink",
        };
        client.write_all(format!("{answer}\r\n").as_bytes()).ok()?;
    }
}

fn keep(outbox: &Path, from: &str, to: &str, mail: &[u8]) {
    static TURN: Mutex<u64> = Mutex::new(0);
    let mut number = TURN.lock().unwrap();
    *number += 1;
    let envelope = serde_json::json!({ "from": from, "to": [to] });
    std::fs::write(outbox.join(format!("{number}.json")), envelope.to_string()).unwrap();
    std::fs::write(outbox.join(format!("{number}.eml")), mail).unwrap();
}
