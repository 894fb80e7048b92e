//! Every reason the program gives, under one stable code each.
//!
//! The code is what `inspect --json` prints and what scripts may match; the sentence is what people
//! read. `docs/reasons.md` is checked against this table by a test.

use std::fmt;

macro_rules! reasons {
    ($($variant:ident, $code:literal, $text:literal;)+) => {
        /// A stable reason; see `docs/reasons.md`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $(#[doc = $text] $variant,)+
        }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Returns the kebab-case code.
            #[must_use]
            pub fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// Returns one short sentence without a full stop.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// Returns the reason with this code.
            #[must_use]
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

reasons! {
    // Reading the message.
    Malformed, "malformed", "the S/MIME data cannot be parsed";
    MimeMalformed, "mime-malformed", "the message is not valid MIME";
    LimitExceeded, "limit-exceeded", "the message exceeds a processing limit";
    TooManyLayers, "too-many-layers", "the message is wrapped in more layers than are opened";
    UnsupportedContent, "unsupported-content", "the S/MIME content type is not supported";
    // Decrypting.
    NoRecipient, "no-recipient", "the message is not encrypted to any key at hand";
    NoKey, "no-key", "there is no private key to decrypt with";
    PasswordRecipient, "password-recipient", "the message is encrypted to a password or a shared key";
    DecryptFailed, "decrypt-failed", "decryption failed";
    WeakCipher, "weak-cipher", "the content is encrypted with a refused algorithm";
    UnsupportedAlgorithm, "unsupported-algorithm", "an algorithm is not supported";
    BadParameters, "bad-parameters", "the parameters of an algorithm are not acceptable";
    NotMime, "not-mime", "the decrypted content is not a MIME entity";
    // Signatures.
    NoSigner, "no-signer", "the signed data carries no signature";
    SignerUnknown, "signer-unknown", "the signer's certificate is not at hand";
    DigestMismatch, "digest-mismatch", "the content was changed after signing";
    SignatureMismatch, "signature-mismatch", "the signature value is wrong";
    NoSignedAttributes, "no-signed-attributes", "the signature covers no signed attributes";
    BadSignedAttributes, "bad-signed-attributes", "the signed attributes are missing, doubled or malformed";
    ContentTypeMismatch, "content-type-mismatch", "the signed content type differs from the content";
    DigestNotListed, "digest-not-listed", "the digest algorithm is not announced by the signed data";
    WeakDigest, "weak-digest", "the signature uses a refused digest algorithm";
    WeakKey, "weak-key", "the key is weaker than is accepted";
    BothContents, "both-contents", "the signature encloses content and is detached at once";
    SignedStructure, "signed-structure", "multipart/signed does not have exactly two fitting parts";
    // Identity.
    FromMissing, "from-missing", "there is no From address";
    FromAmbiguous, "from-ambiguous", "there is more than one From address";
    FromMalformed, "from-malformed", "the From field cannot be read";
    FromMismatch, "from-mismatch", "the certificate is for another address";
    // Chains.
    UnknownIssuer, "unknown-issuer", "the issuer of the certificate is not trusted";
    Expired, "expired", "the certificate has expired";
    NotYetValid, "not-yet-valid", "the certificate is not valid yet";
    IssuerExpired, "issuer-expired", "a certificate of the issuer has expired";
    Revoked, "revoked", "the certificate is revoked";
    RevocationUnknown, "revocation-unknown", "whether the certificate is revoked is not known";
    UsageSign, "usage-sign", "the certificate may not be used to sign";
    UsageEncrypt, "usage-encrypt", "the certificate may not be used to encrypt";
    UsageEmail, "usage-email", "the certificate is not for e-mail";
    UsageIssuer, "usage-issuer", "a certificate in the chain may not issue certificates";
    PathLength, "path-length", "the chain is longer than an issuer allows";
    NameConstraint, "name-constraint", "an issuer may not issue for this name";
    UnknownCritical, "unknown-critical", "a certificate has a critical extension that is not understood";
    PolicyRequired, "policy-required", "a certificate policy that an issuer requires is missing";
    CertificateMalformed, "certificate-malformed", "a certificate cannot be read";
    ChainSignature, "chain-signature", "a certificate in the chain is not signed by its issuer";
    PathBudget, "path-budget", "the chain takes too much work to check";
    // The list's decision.
    NotSigned, "not-signed", "the message is not signed";
    NotMember, "not-member", "the sender is not a member of the list";
    NotAllowed, "not-allowed", "the rules of the list do not let the message pass";
    Undecryptable, "undecryptable", "the message cannot be processed";
    BadSignature, "bad-signature", "the signature is not valid";
    EncryptedNotAccepted, "encrypted-not-accepted", "the list does not take encrypted messages";
    TooLarge, "too-large", "the message is larger than the list allows";
    Loop, "loop", "the message has been here before";
    Bounce, "bounce", "the message reports what became of a copy";
    AutoReply, "auto-reply", "the message was made by an automatic process";
    Duplicate, "duplicate", "the message was already distributed";
    Replay, "replay", "the encrypted content was already distributed";
    Moderated, "moderated", "the rules of the list ask a person to decide";
    SigningTime, "signing-time", "the time of signing is too long ago or in the future";
    OtherList, "other-list", "the message was signed for another list";
    ScenarioError, "scenario-error", "the rules of the list cannot be used";
    KeyUnavailable, "key-unavailable", "the list's private key cannot be used at the moment";
    // A member's copy.
    NoCertificate, "no-certificate", "there is no certificate for this address";
    CertificateUnusable, "certificate-unusable", "the certificate file cannot be used";
    OlderCertificate, "older-certificate", "a newer certificate is stored for this address";
    PendingApproval, "pending-approval", "the certificate waits for the approval of the owners";
    Suspended, "suspended", "mail to this address came back too often";
    BelowFloor, "below-floor", "the certificate is weaker than the list allows";
    // Delivery.
    RecipientRefused, "recipient-refused", "the mail server refused the recipient";
    MessageRefused, "message-refused", "the mail server refused the message";
    DeliveryExpired, "delivery-expired", "the mail server did not take the message in time";
    AddressUnsupported, "address-unsupported", "the mail server cannot carry this address or content";
}

impl Reason {
    /// True where nothing is known against a certificate or a signature: there only is not enough
    /// to tell whether it is good (`docs/reasons.md`, "Good, bad, could not tell").
    #[must_use]
    pub fn leaves_open(self) -> bool {
        matches!(
            self,
            Self::UnknownIssuer
                | Self::RevocationUnknown
                | Self::UnsupportedAlgorithm
                | Self::UnknownCritical
                | Self::PathBudget
                | Self::SignerUnknown
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl serde::Serialize for Reason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> serde::Deserialize<'de> for Reason {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let code = String::deserialize(deserializer)?;
        Self::from_code(&code)
            .ok_or_else(|| serde::de::Error::custom(format!("unknown reason {code:?}")))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_is_kebab_case_unique_and_reads_back() {
        let mut seen = BTreeSet::new();
        for reason in Reason::ALL {
            let code = reason.code();
            assert!(
                code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'),
                "{code}"
            );
            assert!(seen.insert(code), "{code} stands twice");
            assert_eq!(Reason::from_code(code), Some(*reason));
        }
    }
}
