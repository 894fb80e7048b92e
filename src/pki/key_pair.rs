//! A certificate and the private key that belongs to it.

use crate::pki::certificate::Certificate;
use crate::pki::key::PrivateKey;

/// A certificate with its private key and the certificates above it.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// The certificate of the key.
    pub certificate: Certificate,
    /// What else was in its file: the way to an anchor.
    pub chain: Vec<Certificate>,
    /// The private key.
    pub key: PrivateKey,
    /// What follows `cert.pem` in the file name: empty, `.enc`, `.sign`, `.2024`.
    pub suffix: String,
}

impl KeyPair {
    /// Returns `key` with its certificate among those of a file, wherever it stands there: the chain
    /// follows it as a rule, but some tools write it the other way round. `None` where it is not
    /// among them.
    #[must_use]
    pub fn among(mut certificates: Vec<Certificate>, key: PrivateKey) -> Option<Self> {
        let at = certificates.iter().position(|one| key.matches(one))?;
        Some(Self {
            certificate: certificates.remove(at),
            chain: certificates,
            key,
            suffix: String::new(),
        })
    }
}
