//! Makes the copies that leave: content encrypted once, a small head for each subscriber.
//!
//! # Place in the flow
//!
//! authorize, expand → **seal** → deliver.
//!
//! ```text
//! Sealing (once a message)   header of the list · ciphertext · its base64, up to three alignments
//! Sealed (per subscriber)    [ header, CMS prefix with his RecipientInfo ] [ shared base64 ]
//! ```
//!
//! # Invariants
//!
//! * Content is encrypted once per message and cipher; a copy is one public-key operation.
//! * Every sealed copy holds exactly one RecipientInfo: nobody sees who else is on the list (S41).
//! * The entity inside is the author's, byte for byte; what was signed leaves unaltered.
//! * Nothing of the content, and no protected Subject, reaches the header outside (S42).
//! * Output lines end in CRLF.
//!
//! # Does not
//!
//! Ask whether a certificate is trusted or revoked (`pki::path`), or who is on the list (`expand`).
//!
//! # See also
//!
//! RFC 8551 sections 3.3 and 3.4, RFC 2369, RFC 2919; `cms::write` for the trick with the prefix.

mod headers;
mod passed;
mod recipient;
mod sealing;
mod signed;

pub use crate::cms::write::{KeyTransport, Recipient};
pub use headers::Outer;
pub use passed::Passed;
pub use recipient::{cipher_for, recipient, transport_for, usable};
pub use sealing::{Sealed, Sealing, seal_entity};
pub use signed::{Cover, list_signed, multipart_signed};

use crate::cms::sign::SignError;
use crate::cms::write::WriteError as CmsWriteError;
use crate::mime::write::WriteError as HeaderError;

/// Why a copy cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The content, or a recipient's key.
    #[error(transparent)]
    Cms(#[from] CmsWriteError),
    /// The copy was asked for in a cipher that the content was not encrypted with.
    #[error("the post was not encrypted with the cipher asked for")]
    Cipher,
    /// A header of the list.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The list's key cannot sign.
    #[error(transparent)]
    Sign(#[from] SignError),
}
