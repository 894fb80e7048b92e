//! The Cryptographic Message Syntax: what mailers send, read; what the list sends, written.
//!
//! # Trust
//!
//! Everything read here is hostile until a signature over it has been checked. Limits are those of
//! contract E12 and E13.
//!
//! # Invariants
//!
//! * Input is DER: [`crate::asn1::ber`] has been there before.
//! * Signatures are checked over the bytes that were received.
//! * A failing private-key operation is not distinguishable from a wrong content key (S12).
//!
//! # Does not
//!
//! Look at MIME, at trust or at time: that is `open` and `pki::path`.
//!
//! # See also
//!
//! RFC 5652 (CMS), RFC 5083 and 5084 (authenticated encryption), RFC 5753 (elliptic curves).

pub mod agreement;
pub mod algorithms;
pub mod attributes;
pub mod certificate_id;
pub mod compressed;
pub mod content_info;
pub mod enveloped;
pub mod kdf;
pub mod recipient;
pub mod sign;
pub mod signed;
pub mod write;

use crate::asn1::Asn1Error;
use crate::model::Reason;

/// Why bytes are not the CMS structure that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CmsError {
    /// The encoding is broken.
    #[error("the S/MIME data is damaged: {0}")]
    Asn1(#[from] Asn1Error),
    /// Content of another type than plain data, under the signature as itself and not as octets, as
    /// PKCS #7 had it (RFC 5652 section 5.2.1).
    #[error("the signed content is none of S/MIME")]
    Foreign,
    /// More certificates, signers or recipients than are read (contract E13).
    #[error("the S/MIME data has more parts than are read")]
    Limit,
}

impl CmsError {
    /// Returns the stable code.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Limit | Self::Asn1(Asn1Error::Depth) => Reason::LimitExceeded,
            Self::Asn1(_) => Reason::Malformed,
            Self::Foreign => Reason::UnsupportedContent,
        }
    }
}
