//! What was found at each layer of a message.

use super::signer::Signer;
use crate::cms::content_info::ContentKind;
use crate::model::Reason;
use crate::pki::certificate::Certificate;

/// One layer, with evidence.
pub enum Layer {
    /// Certificates without a signature: nobody vouches for anything.
    CertsOnly {
        /// What was enclosed.
        certificates: Vec<Certificate>,
    },
    /// Compressed content.
    Compressed {
        /// Why the layer could not be inflated.
        problem: Option<Reason>,
    },
    /// Encrypted content.
    Encrypted(EncryptedLayer),
    /// Signed content.
    Signed(SignedLayer),
}

/// Encrypted content.
pub struct EncryptedLayer {
    /// [`ContentKind::Enveloped`] or [`ContentKind::AuthEnveloped`].
    pub kind: ContentKind,
    /// Why it could not be decrypted.
    pub problem: Option<Reason>,
    /// Name of the content-encryption algorithm, where it could be read.
    pub content_algorithm: Option<String>,
    /// Name of the key-encryption algorithm for us, else for the first recipient.
    pub key_algorithm: Option<String>,
    /// Number of RecipientInfos.
    pub recipients: usize,
}

/// Signed content.
pub struct SignedLayer {
    /// How content and signature are joined.
    pub form: Form,
    /// Why the layer as a whole is not valid, whatever its signers say.
    pub problem: Option<Reason>,
    /// Everybody who signed.
    pub signers: Vec<Signer>,
}

/// How content and signature are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `multipart/signed`.
    Detached,
    /// The content is inside the SignedData.
    Opaque,
}

impl Form {
    /// Returns the word used in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Detached => "detached",
            Self::Opaque => "opaque",
        }
    }
}

impl SignedLayer {
    /// True when every signature holds and there is at least one (contract S24).
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.problem.is_none()
            && !self.signers.is_empty()
            && self.signers.iter().all(|s| s.evidence.result.is_ok())
    }

    /// Returns why the layer is not valid.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        self.problem
            .or_else(|| self.signers.iter().find_map(|s| s.evidence.result.err()))
    }
}

impl Layer {
    /// Returns the word used in JSON.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::CertsOnly { .. } => "certs-only",
            Self::Compressed { .. } => "compressed",
            Self::Encrypted(layer) if layer.kind == ContentKind::AuthEnveloped => "auth-enveloped",
            Self::Encrypted(_) => "enveloped",
            Self::Signed(_) => "signed",
        }
    }

    /// Returns why the layer failed.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::CertsOnly { .. } => None,
            Self::Compressed { problem } => *problem,
            Self::Encrypted(layer) => layer.problem,
            Self::Signed(layer) => layer.reason(),
        }
    }

    /// Returns the encrypted layer that this is.
    #[must_use]
    pub fn encrypted(&self) -> Option<&EncryptedLayer> {
        match self {
            Self::Encrypted(layer) => Some(layer),
            _ => None,
        }
    }

    /// Returns the signed layer that this is.
    #[must_use]
    pub fn signed(&self) -> Option<&SignedLayer> {
        match self {
            Self::Signed(layer) => Some(layer),
            _ => None,
        }
    }
}
