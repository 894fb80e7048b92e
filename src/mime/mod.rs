//! Mail as views into the received bytes, and the few pieces of mail this program writes.
//!
//! # Place in the flow
//!
//! Bytes → **[`Entity`]** → open, authorize, seal. Notices and sealed copies are written with
//! [`mod@write`].
//!
//! # Trust
//!
//! The input is hostile. Limits E8 and E9 of the contract hold before anything is handed out;
//! nothing recurses, nothing panics.
//!
//! # Invariants
//!
//! * Nothing that was received is ever re-encoded: a view returns exactly the bytes of the input.
//!
//! # See also
//!
//! RFC 5322, RFC 2045, RFC 2046, RFC 2231, RFC 8551 section 3.

pub mod canon;
pub mod content_type;
pub mod encoding;
pub mod entity;
pub mod field;
pub mod parts;
pub mod report;
pub mod sender;
pub mod write;

pub use content_type::ContentType;
pub use entity::Entity;
pub use field::Field;

use crate::model::Reason;

/// Why bytes cannot be used as a MIME entity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MimeError {
    /// More than one Content-Type or Content-Transfer-Encoding: two readers would see two mails.
    #[error("a MIME field stands twice")]
    Ambiguous,
    /// There is not a single byte.
    #[error("the message is empty")]
    Empty,
    /// The transfer encoding is unknown, or the body is not in it.
    #[error("the body is not in the transfer encoding that the header names")]
    Encoding,
    /// A line of the header is no field.
    #[error("a line of the header is no header field")]
    Header,
    /// Contract E8, E9.
    #[error("the message has more parts, layers or header fields than are processed")]
    Limit,
    /// A multipart that does not have the parts its type demands.
    #[error("the parts of the message cannot be told apart")]
    Structure,
}

impl MimeError {
    /// Returns the stable reason for this error.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Limit => Reason::LimitExceeded,
            Self::Structure => Reason::SignedStructure,
            Self::Ambiguous | Self::Empty | Self::Encoding | Self::Header => Reason::MimeMalformed,
        }
    }
}
