//! Tells from its MIME header whether an entity is an S/MIME object, and what it says it holds.
//!
//! # Invariants
//!
//! * The header only says what an object is called; its content type identifier says what it is.
//!
//! # See also
//!
//! RFC 8551 sections 3.2 to 3.5 and 3.10 (identifying an S/MIME message).

use crate::mime::Entity;

/// How an entity is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrapping {
    /// It is a CMS object.
    Cms(Label),
    /// Not by S/MIME.
    None,
    /// It is a multipart/signed with a CMS signature.
    MultipartSigned,
}

/// What a CMS object is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Label {
    /// Anything else, and nothing at all.
    Other,
    Signed,
}

impl Wrapping {
    /// Returns what the header of `entity` says.
    pub(super) fn of(entity: &Entity<'_>) -> Self {
        let content_type = entity.content_type();
        match content_type.kind.as_str() {
            "multipart/signed" if is_smime_signed(entity) => Self::MultipartSigned,
            kind if is_object_kind(kind) => Self::Cms(
                content_type
                    .parameter("smime-type")
                    .and_then(Label::of_type)
                    .or_else(|| entity.file_name().as_deref().and_then(Label::of_name))
                    .unwrap_or(Label::Other),
            ),
            kind if is_signature_kind(kind) => Self::Cms(Label::Signed),
            // Gateways that do not know the type (RFC 8551 section 3.10).
            "application/octet-stream" => entity
                .file_name()
                .as_deref()
                .and_then(Label::of_name)
                .map_or(Self::None, Self::Cms),
            _ => Self::None,
        }
    }
}

impl Label {
    fn of_type(smime_type: &str) -> Option<Self> {
        match smime_type.trim().to_ascii_lowercase().as_str() {
            "signed-data" | "signed-receipt" => Some(Self::Signed),
            "" => None,
            _ => Some(Self::Other),
        }
    }

    fn of_name(file_name: &str) -> Option<Self> {
        let (_, extension) = file_name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "p7s" => Some(Self::Signed),
            "p7c" | "p7m" | "p7z" => Some(Self::Other),
            _ => None,
        }
    }
}

/// True when a part may be the signature of a multipart/signed.
pub(super) fn is_signature_part(part: &Entity<'_>) -> bool {
    let kind = part.content_type().kind.as_str();
    // Gateways rewrite types; what the part is, its content says.
    is_signature_kind(kind) || is_object_kind(kind) || kind == "application/octet-stream"
}

/// The second part tells where the header does not, or names another protocol than it is.
fn is_smime_signed(entity: &Entity<'_>) -> bool {
    let protocol = entity.content_type().parameter("protocol");
    let stated = protocol.map(|protocol| protocol.trim().to_ascii_lowercase());
    stated.is_some_and(|kind| is_signature_kind(&kind))
        || entity
            .signed_parts()
            .is_ok_and(|(_, signature)| is_surely_signature(&signature))
}

/// True for a part that can be nothing but an S/MIME signature.
fn is_surely_signature(part: &Entity<'_>) -> bool {
    let kind = part.content_type().kind.as_str();
    let named = || {
        part.file_name()
            .as_deref()
            .and_then(Label::of_name)
            .is_some_and(|label| label == Label::Signed)
    };
    is_signature_kind(kind)
        || is_object_kind(kind)
        || (kind == "application/octet-stream" && named())
}

fn is_object_kind(kind: &str) -> bool {
    matches!(
        kind,
        "application/pkcs7-mime" | "application/x-pkcs7-mime" | "application/cms"
    )
}

fn is_signature_kind(kind: &str) -> bool {
    matches!(
        kind,
        "application/pkcs7-signature" | "application/x-pkcs7-signature"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapping(header: &str) -> Wrapping {
        let text = format!("{header}\r\n\r\nbody\r\n");
        Wrapping::of(&Entity::parse(text.as_bytes()).unwrap())
    }

    #[test]
    fn objects_are_known_by_type_or_by_file_name() {
        for (header, label) in [
            ("Content-Type: application/pkcs7-mime", Label::Other),
            (
                "Content-Type: application/X-pkcs7-mime; smime-type=Signed-Data",
                Label::Signed,
            ),
            (
                "Content-Type: application/pkcs7-mime; name=smime.p7c",
                Label::Other,
            ),
            (
                "Content-Type: application/pkcs7-mime; smime-type=authEnveloped-data; name=x.p7s",
                Label::Other,
            ),
            (
                "Content-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"SMIME.P7M\"",
                Label::Other,
            ),
            (
                "Content-Type: application/octet-stream; name=smime.p7z",
                Label::Other,
            ),
            ("Content-Type: application/x-pkcs7-signature", Label::Signed),
        ] {
            assert_eq!(wrapping(header), Wrapping::Cms(label), "{header}");
        }
        for header in [
            "Content-Type: application/octet-stream; name=letter.pdf",
            "Content-Type: application/octet-stream",
            "Content-Type: text/plain; name=smime.p7m",
            "Content-Type: multipart/signed; protocol=\"application/pgp-signature\"; boundary=b",
            "Content-Type: multipart/mixed; boundary=b",
            "Subject: none",
        ] {
            assert_eq!(wrapping(header), Wrapping::None, "{header}");
        }
    }
}
