//! DER read without losing a byte, and written without an intermediate tree.
//!
//! The `der` crate decodes values; this module cuts and joins the encodings themselves, because
//! signatures cover bytes as they were received and because one odd certificate in a bag must not
//! lose the message around it.
//!
//! # See also
//!
//! ITU-T X.690 sections 8 and 10.

pub mod ber;
pub mod oid;
pub mod reader;
pub mod writer;

pub use reader::{Asn1Error, Reader, Tlv};
