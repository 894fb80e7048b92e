//! Files of certificates in whatever form an authority hands them out: PEM, DER, `.p7b`, PKCS#12.
//!
//! # Trust
//!
//! These are files of the administrator. What one holds is told by its content, never by its name.
//!
//! # Invariants
//!
//! * One certificate that cannot be read does not lose the others.
//!
//! # See also
//!
//! RFC 7468 (labels), RFC 5652 section 5.1 (certificates in a SignedData).

use crate::asn1::reader::tag;
use crate::asn1::{Asn1Error, Reader, ber, oid};
use crate::pki::certificate::Certificate;
use crate::pki::key::{KeyError, Passphrase};
use crate::pki::pem::{self, PemError};
use crate::pki::pkcs12;

/// Why a file gives no certificates; the text follows its name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Binary, but none of the known forms.
    #[error("is neither a certificate nor a bundle of certificates: {0}")]
    Form(Asn1Error),
    /// A bundle with nothing in it.
    #[error("holds no certificate")]
    NoCertificate,
    /// A PKCS#12 file that cannot be opened.
    #[error("is a PKCS#12 file that cannot be opened: it {0}")]
    Pkcs12(KeyError),
    /// A text without certificate.
    #[error("{0}")]
    Pem(#[from] PemError),
}

impl BundleError {
    /// Returns what to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Form(_) => "put certificates in PEM or DER form, or a .p7b file, there",
            Self::NoCertificate => "put certificates into it",
            Self::Pkcs12(_) => {
                "take its authorities with listseal trust add FILE --passwd-file FILE, which wants \
                 the right passphrase, and name this file nowhere"
            }
            Self::Pem(e) => e.remedy(),
        }
    }
}

/// Returns the certificates of a file, each or what is wrong with it; of a PKCS#12 file those of
/// the authorities.
///
/// # Errors
///
/// [`BundleError`] where the file as a whole cannot be read or has none.
pub fn certificates(
    bytes: &[u8],
    passphrase: Option<&Passphrase>,
) -> Result<Vec<Result<Certificate, PemError>>, BundleError> {
    let out = if bytes.first() == Some(&tag::SEQUENCE) {
        binary(bytes, passphrase)?
    } else {
        text(bytes)?
    };
    if out.is_empty() {
        return Err(BundleError::NoCertificate);
    }
    Ok(out)
}

fn binary(
    bytes: &[u8],
    passphrase: Option<&Passphrase>,
) -> Result<Vec<Result<Certificate, PemError>>, BundleError> {
    if let Ok(one) = Certificate::from_der(bytes) {
        return Ok(vec![Ok(one)]);
    }
    if !pkcs12::is_one(bytes) {
        return bag(bytes).map_err(BundleError::Form);
    }
    let all = pkcs12::authorities(bytes, passphrase).map_err(BundleError::Pkcs12)?;
    let numbered = all.into_iter().zip(1..);
    Ok(numbered
        .map(|(one, number)| one.map_err(|problem| PemError::Certificate { number, problem }))
        .collect())
}

fn text(bytes: &[u8]) -> Result<Vec<Result<Certificate, PemError>>, BundleError> {
    let blocks = pem::blocks(bytes)?;
    let bags = blocks
        .iter()
        .filter(|block| matches!(block.label.as_str(), "PKCS7" | "CMS"));
    let mut out = Vec::new();
    for block in bags {
        out.extend(bag(&block.body).map_err(BundleError::Form)?);
    }
    if out.is_empty() || blocks.iter().any(|block| pem::is_certificate(&block.label)) {
        out.extend(pem::each_certificate(bytes)?);
    }
    Ok(out)
}

/// Returns the certificates of a SignedData; who signed, and what, does not matter.
fn bag(bytes: &[u8]) -> Result<Vec<Result<Certificate, PemError>>, Asn1Error> {
    let der = ber::to_der(bytes)?;
    let mut info = Reader::only(&der, tag::SEQUENCE)?.children();
    if !info.expect(tag::OID)?.is_oid(&oid::SIGNED_DATA) {
        return Err(Asn1Error::Unexpected);
    }
    let content = info.expect(tag::context(0))?.content;
    let mut parts = Reader::only(content, tag::SEQUENCE)?.children();
    parts.expect(tag::INTEGER)?;
    parts.expect(tag::SET)?;
    parts.expect(tag::SEQUENCE)?;
    let mut out = Vec::new();
    if let Some(list) = parts.optional(tag::context(0))? {
        let mut certificates = list.children();
        while !certificates.is_empty() {
            let one = certificates.read()?;
            let number = out.len().saturating_add(1);
            // Attribute certificates and other forms have tags of their own.
            if one.tag == tag::SEQUENCE {
                let read = Certificate::from_der(one.raw);
                out.push(read.map_err(|problem| PemError::Certificate { number, problem }));
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::testing::Pki;

    #[test]
    fn every_form_that_openssl_writes_gives_the_same_certificates() {
        let pki = Pki::new();
        pki.issue("two", "", crate::pki::testing::CA);
        let scratch = &pki.0;
        let both = [scratch.read("root.pem"), scratch.read("two.pem")].concat();
        scratch.write("both.pem", both);
        scratch.openssl("crl2pkcs7 -nocrl -certfile both.pem -out p7.pem");
        scratch.openssl("crl2pkcs7 -nocrl -certfile both.pem -outform DER -out p7.der");
        scratch.openssl("x509 -in root.pem -outform DER -out one.der");
        scratch.openssl("x509 -in root.pem -trustout -out trusted.pem");
        scratch.openssl("pkcs12 -export -nokeys -in both.pem -passout pass: -out both.p12");
        let mixed = [scratch.read("p7.pem"), scratch.read("root.pem")].concat();
        scratch.write("mixed.pem", mixed);
        for (file, names) in [
            ("both.pem", &["root", "two"][..]),
            ("p7.pem", &["root", "two"]),
            ("p7.der", &["root", "two"]),
            ("both.p12", &["root", "two"]),
            ("one.der", &["root"]),
            ("trusted.pem", &["root"]),
            ("mixed.pem", &["root", "two", "root"]),
        ] {
            let found = certificates(&scratch.read(file), None).unwrap();
            let found: Vec<Certificate> = found.into_iter().map(Result::unwrap).collect();
            assert_eq!(found, pki.all(names), "{file}");
        }
    }

    #[test]
    fn what_is_no_bundle_is_told() {
        let pki = Pki::new();
        let scratch = &pki.0;
        scratch.openssl("crl2pkcs7 -nocrl -out none.pem");
        scratch.openssl("pkey -in root.key -outform DER -out key.der");
        scratch.openssl("crl2pkcs7 -nocrl -certfile root.pem -outform DER -out p7.der");
        let whole = scratch.read("p7.der");
        for (bytes, is_form) in [
            (scratch.read("key.der"), true),
            (whole[..whole.len() - 1].to_vec(), true),
            (scratch.read("none.pem"), false),
            (scratch.read("root.key"), false),
            (b"hello\n".to_vec(), false),
            (Vec::new(), false),
        ] {
            let error = certificates(&bytes, None).unwrap_err();
            assert_eq!(matches!(error, BundleError::Form(_)), is_form, "{error}");
        }
    }
}
