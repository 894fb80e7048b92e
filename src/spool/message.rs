//! A message file: self-evident, so that a torn or foreign file is never taken for mail
//! (contract R3).
//!
//! ```text
//! LSEALMSG                 magic
//! 00000001                 version, 32 bits, big-endian
//! length                   of the envelope, 32 bits
//! {"sender":..,"recipient":..}
//! length                   of the data, 64 bits
//! data                     as handed in, byte for byte
//! END\n
//! SHA-256                  of magic to envelope, then data, then the data's length
//! ```
//!
//! The length of the data is known last; it is written into its place and hashed at the end.
//!
//! # Trust
//!
//! Bytes are verified before anything is made of them; no length is believed before it agrees with
//! the size of the file.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::model::{Address, Envelope, SpoolId};

/// One verified message of the spool, as it came in.
#[derive(Clone)]
pub struct Message {
    /// Its name in the spool.
    pub id: SpoolId,
    /// Who sent it, to which of our addresses.
    pub envelope: Envelope,
    /// The message itself, byte for byte as the MTA handed it in.
    pub data: Vec<u8>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Mail content is nothing for logs (S40).
        write!(f, "Message({}, {} bytes)", self.id, self.data.len())
    }
}

/// What the beginning of a message file tells, without reading the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Who sent it, to which of our addresses.
    pub envelope: Envelope,
    /// Size of the message in bytes.
    pub size: u64,
    start: u64,
}

/// Why a file is no message.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The digest over the file does not fit.
    #[error("the content was changed: its digest differs")]
    Digest,
    /// The envelope cannot be read.
    #[error("the envelope cannot be read: {0}")]
    Envelope(String),
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// It does not begin as a message does.
    #[error("is no message file")]
    Magic,
    /// Its name was made for another content.
    #[error("the name does not belong to this content")]
    Name,
    /// It is shorter or longer than it says.
    #[error("the size is wrong: cut off or added to")]
    Size,
    /// It was written by another version.
    #[error("has format version {0}, which this program does not know")]
    Version(u32),
}

#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    sender: &'a str,
    recipient: Address,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    own: bool,
}

#[derive(Deserialize)]
struct WireOwned {
    sender: String,
    recipient: Address,
    /// It is no mail: the daemon wrote it.
    #[serde(default)]
    own: bool,
}

/// Writes a message file piece by piece.
pub struct Writer<F> {
    file: F,
    /// What is not written yet: of a short message everything, so that it goes out at once.
    held: Vec<u8>,
    /// Whether something is written.
    begun: bool,
    hash: Sha256,
    length_at: u64,
    length: u64,
}

impl<F: Write + Seek> Writer<F> {
    /// Begins a message in an empty file.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn begin(file: F, envelope: &Envelope) -> std::io::Result<Self> {
        let json = serde_json::to_vec(&Wire {
            sender: envelope.sender_text(),
            recipient: envelope.recipient().clone(),
            own: envelope.is_own(),
        })?;
        let mut head = MAGIC.to_vec();
        head.extend(VERSION.to_be_bytes());
        head.extend(u32::try_from(json.len()).unwrap_or(u32::MAX).to_be_bytes());
        head.extend(json);
        let mut hash = Sha256::new();
        hash.update(&head);
        let length_at = head.len() as u64;
        head.extend(0_u64.to_be_bytes());
        Ok(Self {
            file,
            held: head,
            begun: false,
            hash,
            length_at,
            length: 0,
        })
    }

    /// Adds a piece of the message.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn add(&mut self, piece: &[u8]) -> std::io::Result<()> {
        if !self.begun && self.held.len() + piece.len() <= SHORT {
            self.held.extend_from_slice(piece);
        } else {
            self.flush()?;
            self.file.write_all(piece)?;
        }
        self.hash.update(piece);
        self.length += piece.len() as u64;
        Ok(())
    }

    /// Returns where in the file the message begins.
    #[must_use]
    pub fn begins_at(&self) -> u64 {
        self.length_at + 8
    }

    /// Returns how many bytes of message were added.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Ends the file (I3) and returns it with the first bytes of its digest, for its name.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn end(mut self) -> std::io::Result<(F, [u8; 8])> {
        self.hash.update(self.length.to_be_bytes());
        let digest: [u8; 32] = std::mem::take(&mut self.hash).finalize().into();
        let length = self.length.to_be_bytes();
        self.held.extend_from_slice(END);
        self.held.extend_from_slice(&digest);
        if self.begun {
            self.flush()?;
            self.file.seek(SeekFrom::Start(self.length_at))?;
            self.file.write_all(&length)?;
        } else {
            let at = usize::try_from(self.length_at).unwrap_or(usize::MAX);
            let fields = self.held.iter_mut().skip(at);
            fields.zip(length).for_each(|(to, from)| *to = from);
            self.flush()?;
        }
        Ok((self.file, name_part(&digest)))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.begun = true;
        if self.held.is_empty() {
            return Ok(());
        }
        self.file.write_all(&self.held)?;
        self.held.clear();
        Ok(())
    }
}

/// Reads the beginning of a message file.
///
/// # Errors
///
/// It does not begin as a message file does, or its size does not agree with what it says.
pub fn read_head(file: &mut File) -> Result<Head, MessageError> {
    let whole = file.metadata()?.len();
    let mut fixed = [0; 16];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut fixed).map_err(short)?;
    let (magic, rest) = fixed.split_at(8);
    if magic != MAGIC {
        return Err(MessageError::Magic);
    }
    let (version, length) = rest.split_at(4);
    let version = u32::from_be_bytes(version.try_into().map_err(|_| MessageError::Size)?);
    if version != VERSION {
        return Err(MessageError::Version(version));
    }
    let length = u32::from_be_bytes(length.try_into().map_err(|_| MessageError::Size)?);
    if length > MAX_ENVELOPE {
        return Err(MessageError::Size);
    }
    let mut json = vec![0; length as usize];
    file.read_exact(&mut json).map_err(short)?;
    let wire: WireOwned =
        serde_json::from_slice(&json).map_err(|e| MessageError::Envelope(e.to_string()))?;
    let mut size = [0; 8];
    file.read_exact(&mut size).map_err(short)?;
    let size = u64::from_be_bytes(size);
    let start = 16 + u64::from(length) + 8;
    if start.checked_add(size).and_then(|n| n.checked_add(TAIL)) != Some(whole) {
        return Err(MessageError::Size);
    }
    Ok(Head {
        envelope: if wire.own {
            Envelope::own(wire.recipient)
        } else {
            Envelope::new(&wire.sender, wire.recipient)
        },
        size,
        start,
    })
}

/// Reads and verifies a whole message file.
///
/// # Errors
///
/// [`MessageError`] names the first thing that is wrong; such a file is kept, never delivered.
pub fn read(id: SpoolId, file: &mut File) -> Result<Message, MessageError> {
    let head = read_head(file)?;
    let mut hash = Sha256::new();
    file.seek(SeekFrom::Start(0))?;
    let mut prefix = vec![0; usize::try_from(head.start - 8).map_err(|_| MessageError::Size)?];
    file.read_exact(&mut prefix).map_err(short)?;
    hash.update(&prefix);
    file.seek(SeekFrom::Start(head.start))?;
    // The size agrees with the file's, so this much is really there.
    let mut data = vec![0; usize::try_from(head.size).map_err(|_| MessageError::Size)?];
    file.read_exact(&mut data).map_err(short)?;
    let mut tail = [0; TAIL as usize];
    file.read_exact(&mut tail).map_err(short)?;
    hash.update(&data);
    hash.update(head.size.to_be_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    let (end, stored) = tail.split_at(END.len());
    if end != END || stored != digest {
        return Err(MessageError::Digest);
    }
    if id.digest() != name_part(&digest) {
        return Err(MessageError::Name);
    }
    Ok(Message {
        id,
        envelope: head.envelope,
        data,
    })
}

fn name_part(digest: &[u8; 32]) -> [u8; 8] {
    let mut part = [0; 8];
    for (to, from) in part.iter_mut().zip(digest) {
        *to = *from;
    }
    part
}

fn short(error: std::io::Error) -> MessageError {
    if error.kind() == std::io::ErrorKind::UnexpectedEof {
        MessageError::Size
    } else {
        MessageError::Io(error)
    }
}

const MAGIC: &[u8; 8] = b"LSEALMSG";
const VERSION: u32 = 1;
const END: &[u8; 4] = b"END\n";
const TAIL: u64 = 4 + 32;
/// Messages up to this size are written by one call.
const SHORT: usize = 64 << 10;
/// An envelope is two addresses; more than this is damage.
const MAX_ENVELOPE: u32 = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    fn write(data: &[u8]) -> (File, SpoolId) {
        let envelope = Envelope::new("a@x.org", Address::parse("team@example.org").unwrap());
        let mut writer = Writer::begin(tempfile::tempfile().unwrap(), &envelope).unwrap();
        for piece in data.chunks(7) {
            writer.add(piece).unwrap();
        }
        let (file, digest) = writer.end().unwrap();
        (file, SpoolId::new(1, 2, digest))
    }

    fn bytes(file: &mut File) -> Vec<u8> {
        let mut all = Vec::new();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut all).unwrap();
        all
    }

    fn file_of(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn message_comes_back_byte_for_byte_with_nul_and_all() {
        let data: Vec<u8> = (0..=255).cycle().take(3000).collect();
        let (mut file, id) = write(&data);
        let message = read(id, &mut file).unwrap();
        assert_eq!(message.data, data);
        assert_eq!(message.envelope.sender_text(), "a@x.org");
        assert_eq!(read_head(&mut file).unwrap().size, 3000);
        assert!(!format!("{message:?}").contains("abc"));
    }

    #[test]
    fn file_is_the_same_whatever_pieces_the_message_came_in() {
        for size in [
            1,
            3000,
            SHORT - 200,
            SHORT - 90,
            SHORT,
            SHORT + 1,
            3 * SHORT,
        ] {
            let data: Vec<u8> = (0..=255).cycle().take(size).collect();
            let envelope = Envelope::new("a@x.org", Address::parse("team@example.org").unwrap());
            let files = [100, 4096, SHORT, size].map(|step| {
                let mut writer = Writer::begin(tempfile::tempfile().unwrap(), &envelope).unwrap();
                for piece in data.chunks(step) {
                    writer.add(piece).unwrap();
                }
                assert_eq!(writer.length(), size as u64);
                let (mut file, digest) = writer.end().unwrap();
                assert_eq!(
                    read(SpoolId::new(1, 2, digest), &mut file).unwrap().data,
                    data
                );
                bytes(&mut file)
            });
            assert!(files.iter().all(|one| *one == files[0]), "{size}");
        }
    }

    #[test]
    fn r3_file_cut_at_any_offset_is_no_message() {
        let (mut file, id) = write(b"Subject: x\r\n\r\nbody\r\n");
        let whole = bytes(&mut file);
        for cut in 0..whole.len() {
            assert!(
                read(id, &mut file_of(&whole[..cut])).is_err(),
                "cut at {cut}"
            );
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert!(matches!(
            read(id, &mut file_of(&longer)),
            Err(MessageError::Size)
        ));
        assert!(read(id, &mut file_of(&whole)).is_ok());
    }

    #[test]
    fn r3_any_changed_byte_is_noticed() {
        let (mut file, id) = write(b"Subject: x\r\n\r\nbody\r\n");
        let whole = bytes(&mut file);
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(read(id, &mut file_of(&changed)).is_err(), "byte {at}");
        }
    }

    #[test]
    fn r3_another_content_under_this_name_is_noticed() {
        let (_, id) = write(b"one");
        let (mut other, _) = write(b"two");
        assert!(matches!(read(id, &mut other), Err(MessageError::Name)));
    }

    #[test]
    fn e12_huge_declared_lengths_allocate_nothing() {
        let (mut file, id) = write(b"x");
        let mut whole = bytes(&mut file);
        whole[12..16].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(matches!(
            read(id, &mut file_of(&whole)),
            Err(MessageError::Size)
        ));
    }
}
