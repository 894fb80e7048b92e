//! The six mails, as the mail programs of the people would make them.
//!
//! # Invariants
//!
//! * What is encrypted here was never anywhere but in memory (contract S40).

use rand_core::CryptoRng;
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::complaint;
use super::world::{Person, World};
use crate::cli::console::Complaint;
use crate::cli::exit;
use crate::mime::Entity;
use crate::mime::write::{Header, WriteError, message_id};
use crate::model::list::ContentCipher;
use crate::pki::{Certificate, KeyPair};
use crate::seal::{self, SealError};

/// How many there are.
pub(super) const COUNT: usize = 6;

/// One mail to the list.
pub(super) struct Post {
    /// One word for it, which does not change.
    pub(super) name: &'static str,
    /// Who really sent it.
    pub(super) by: &'static str,
    /// What it is, in a line.
    pub(super) story: &'static str,
    /// The envelope sender.
    pub(super) sender: String,
    /// The mail.
    pub(super) bytes: Vec<u8>,
}

/// Writes the mails, in the order in which they are sent.
pub(super) fn write(
    world: &World,
    now: OffsetDateTime,
    rng: &mut dyn CryptoRng,
) -> Result<Vec<Post>, Complaint> {
    let [alice, bob, dave, mallory] = ["alice", "bob", "dave", "mallory"].map(|n| world.person(n));
    let (alice, bob, dave, mallory) = (alice?, bob?, dave?, mallory?);
    let desk = &mut Desk { world, now, rng };

    let plain = desk.clear(dave, "Friday", &text("Shall we meet on Friday?"));
    let signed = desk.signed(bob, "Friday", "Friday is fine. This signature is mine.");
    let letter = desk.letter(alice, SECRET)?;
    let encrypted = desk.sealed(alice, "The safe", &letter, &world.list_certificate)?;
    let payment = desk.signature(&text("Please pay the invoice today."), pair(mallory)?)?;
    let forged = desk.clear(alice, "Invoice", &payment);
    let mistaken = desk.letter(bob, "Alice's certificate came first in my address book.")?;
    let undecryptable = desk.sealed(bob, "Oops", &mistaken, &pair(alice)?.certificate)?;
    let replayed = desk.again(mallory, "Hello", &encrypted)?;

    let post = |name, by: &Person, story, bytes| Post {
        name,
        by: by.name,
        story,
        sender: by.address.to_string(),
        bytes,
    };
    Ok(vec![
        post("plain", dave, "dave writes without a signature", plain?),
        post(
            "signed",
            bob,
            "bob signs; his certificate is enclosed",
            signed?,
        ),
        post(
            "encrypted",
            alice,
            "alice signs, then encrypts to the list",
            encrypted,
        ),
        post(
            "forged",
            mallory,
            "mallory signs with his own certificate, but writes From: alice",
            forged?,
        ),
        post(
            "undecryptable",
            bob,
            "bob encrypts to alice's certificate instead of the list's",
            undecryptable,
        ),
        post(
            "replayed",
            mallory,
            "mallory sends alice's encrypted content from mail 3 as his own",
            replayed,
        ),
    ])
}

/// Where mails are written.
struct Desk<'a> {
    world: &'a World,
    now: OffsetDateTime,
    rng: &'a mut dyn CryptoRng,
}

impl Desk<'_> {
    /// A header that says to be from `author`.
    fn header(&mut self, author: &Person, subject: &str) -> Result<Header, Complaint> {
        let id = message_id(self.now, self.rng, author.address.domain());
        let mut header = Header::new();
        let made = header
            .push_mailbox("From", &capital(author.name), &author.address)
            .and_then(|header| header.push_mailbox("To", "", &self.world.list))
            .and_then(|header| header.push("Subject", subject))
            .and_then(|header| header.push_date(self.now))
            .and_then(|header| header.push_value("Message-ID", &id))
            .map(|_| ());
        made.map_err(unwritten)?;
        Ok(header)
    }

    /// A mail of an entity as it is.
    fn clear(
        &mut self,
        author: &Person,
        subject: &str,
        entity: &[u8],
    ) -> Result<Vec<u8>, Complaint> {
        let mut header = self.header(author, subject)?;
        header
            .push_value("MIME-Version", "1.0")
            .map_err(unwritten)?;
        Ok([header.as_bytes(), entity].concat())
    }

    fn signed(&mut self, author: &Person, subject: &str, body: &str) -> Result<Vec<u8>, Complaint> {
        let entity = self.letter(author, body)?;
        self.clear(author, subject, &entity)
    }

    /// A signed entity.
    fn letter(&mut self, author: &Person, body: &str) -> Result<Zeroizing<Vec<u8>>, Complaint> {
        let text = Zeroizing::new(text(body));
        self.signature(&text, pair(author)?)
    }

    fn signature(
        &mut self,
        entity: &[u8],
        pair: &KeyPair,
    ) -> Result<Zeroizing<Vec<u8>>, Complaint> {
        let signed = seal::multipart_signed(entity, pair, &[], Some(self.now), self.rng);
        signed.map_err(unsealed)
    }

    fn sealed(
        &mut self,
        author: &Person,
        subject: &str,
        entity: &[u8],
        to: &Certificate,
    ) -> Result<Vec<u8>, Complaint> {
        let header = self.header(author, subject)?;
        let recipient = seal::recipient(to, seal::KeyTransport::default(), self.now)
            .map_err(|reason| complaint(exit::FAILED, format!("a mail: {reason}")))?;
        let cipher = ContentCipher::Aes256Cbc;
        let sealed = seal::seal_entity(entity, &header, &recipient, cipher, self.rng);
        Ok(sealed.map_err(unsealed)?.chunks().concat())
    }

    /// The content of another mail under a new header.
    fn again(&mut self, author: &Person, subject: &str, mail: &[u8]) -> Result<Vec<u8>, Complaint> {
        let mut header = self.header(author, subject)?;
        let unread = |e| complaint(exit::FAILED, format!("a mail cannot be read: {e}"));
        let caught = Entity::parse(mail).map_err(unread)?;
        for field in caught.fields() {
            let name = field.name().to_ascii_lowercase();
            if name.starts_with("content-") || name == "mime-version" {
                header.push_received(field);
            }
        }
        Ok(header.with_body(caught.body()))
    }
}

fn pair(person: &Person) -> Result<&KeyPair, Complaint> {
    person.pair.as_ref().ok_or_else(|| {
        let text = format!("{} has no key to write with", person.name);
        complaint(exit::FAILED, text)
    })
}

fn text(body: &str) -> Vec<u8> {
    format!("Content-Type: text/plain; charset=us-ascii\r\n\r\n{body}\r\n").into_bytes()
}

fn capital(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn unwritten(e: WriteError) -> Complaint {
    complaint(exit::FAILED, format!("a mail cannot be written: {e}"))
}

fn unsealed(e: SealError) -> Complaint {
    complaint(exit::FAILED, format!("a mail cannot be made: {e}"))
}

/// What only members may read.
const SECRET: &str = "The code of the safe is 27-14-93.";
