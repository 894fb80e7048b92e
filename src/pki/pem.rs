//! PEM files as administrators have them: text around the blocks, headers inside, any line ends.
//!
//! # See also
//!
//! RFC 7468, RFC 1421 section 4.4 (headers), OpenSSL's `TRUSTED CERTIFICATE`.

use zeroize::Zeroizing;

use crate::asn1::Reader;
use crate::asn1::reader::tag;
use crate::pki::certificate::{Certificate, CertificateError};

/// One `-----BEGIN X-----` block.
pub struct Block {
    /// What stands after `BEGIN`.
    pub label: String,
    /// RFC 1421 headers, in order.
    pub headers: Vec<(String, String)>,
    /// The decoded content; it may be a private key.
    pub body: Zeroizing<Vec<u8>>,
}

/// Why a PEM file cannot be used; the text follows its name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// A block is not base64.
    #[error("block {number} ({label}) is not valid base64")]
    Base64 {
        /// Counted from 1.
        number: usize,
        /// Its label.
        label: String,
    },
    /// A certificate in it is broken.
    #[error("certificate {number} {problem}")]
    Certificate {
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        problem: CertificateError,
    },
    /// Nothing at all.
    #[error("is empty")]
    Empty,
    /// Blocks, but no certificate.
    #[error("holds no certificate but {0}")]
    NoCertificate(String),
    /// No block.
    #[error("is not PEM")]
    NotPem,
    /// A block without end.
    #[error("block {number} ({label}) has no END line: the file is cut off")]
    Unterminated {
        /// Counted from 1.
        number: usize,
        /// Its label.
        label: String,
    },
}

impl PemError {
    /// Returns what to do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Base64 { .. } | Self::Certificate { .. } | Self::Unterminated { .. } => {
                "copy it again from its source"
            }
            Self::Empty | Self::NoCertificate(_) => "put a certificate in PEM form into it",
            Self::NotPem => "a line -----BEGIN CERTIFICATE----- is expected",
        }
    }
}

/// Returns the blocks of a PEM text.
///
/// # Errors
///
/// [`PemError`], without [`PemError::Certificate`] and [`PemError::NoCertificate`].
pub fn blocks(bytes: &[u8]) -> Result<Vec<Block>, PemError> {
    let mut out = Vec::new();
    let mut lines = bytes.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    while let Some(line) = lines.next() {
        let Some(label) = marker(line, b"-----BEGIN ") else {
            continue;
        };
        let number = out.len().saturating_add(1);
        out.push(block(&mut lines, label, number, bytes.len())?);
    }
    match out.is_empty() {
        false => Ok(out),
        true if bytes.trim_ascii().is_empty() => Err(PemError::Empty),
        true => Err(PemError::NotPem),
    }
}

fn marker(line: &[u8], start: &[u8]) -> Option<String> {
    // Editors on Windows put a byte order mark before the first line.
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let label = line.strip_prefix(start)?.strip_suffix(b"-----")?;
    Some(String::from_utf8_lossy(label).into_owned())
}

fn block<'a>(
    lines: &mut impl Iterator<Item = &'a [u8]>,
    label: String,
    number: usize,
    longest: usize,
) -> Result<Block, PemError> {
    let mut headers: Vec<(String, String)> = Vec::new();
    // A growing buffer would leave pieces of a key, or of what was encrypted, in freed memory.
    let is_public = is_certificate(&label) || label.ends_with("CRL");
    let room = if is_public { 0 } else { longest };
    let mut text = Zeroizing::new(Vec::with_capacity(room));
    for line in lines {
        if line.starts_with(b"-----END ") {
            let decoded = base64_simd::forgiving_decode_to_vec(&text);
            return match decoded {
                Ok(body) => Ok(Block {
                    label,
                    headers,
                    body: Zeroizing::new(body),
                }),
                Err(_) => Err(PemError::Base64 { number, label }),
            };
        }
        if marker(line, b"-----BEGIN ").is_some() {
            break;
        }
        // A colon is no base64: RFC 1421 headers stand before the content.
        let header = line.iter().position(|b| *b == b':');
        match header.and_then(|at| Some((line.get(..at)?, line.get(at + 1..)?))) {
            Some((name, value)) if text.is_empty() => headers.push((
                String::from_utf8_lossy(name).trim().to_owned(),
                String::from_utf8_lossy(value).trim().to_owned(),
            )),
            _ => text.extend_from_slice(line),
        }
    }
    Err(PemError::Unterminated { number, label })
}

/// Returns the certificates of a PEM text or of a single certificate in DER form.
///
/// Private keys and other blocks beside them are passed over.
///
/// # Errors
///
/// [`PemError`] names the first block that cannot be used.
pub fn certificates(bytes: &[u8]) -> Result<Vec<Certificate>, PemError> {
    each_certificate(bytes)?.into_iter().collect()
}

/// Returns the certificates of a PEM text, each or what is wrong with it: for bundles, where one
/// odd certificate must not lose the others.
///
/// # Errors
///
/// [`PemError`] where the text as a whole cannot be read or has no certificate.
pub fn each_certificate(bytes: &[u8]) -> Result<Vec<Result<Certificate, PemError>>, PemError> {
    if bytes.first() == Some(&tag::SEQUENCE)
        && let Ok(one) = Certificate::from_der(bytes)
    {
        return Ok(vec![Ok(one)]);
    }
    let all = blocks(bytes)?;
    let mut out = Vec::new();
    for block in all.iter().filter(|b| is_certificate(&b.label)) {
        let number = out.len().saturating_add(1);
        out.push(read_one(block).map_err(|problem| PemError::Certificate { number, problem }));
    }
    if out.is_empty() {
        let labels: Vec<&str> = all.iter().map(|b| b.label.as_str()).collect();
        return Err(PemError::NoCertificate(labels.join(", ")));
    }
    Ok(out)
}

fn read_one(block: &Block) -> Result<Certificate, CertificateError> {
    if block.label == TRUSTED {
        // OpenSSL appends its trust settings to the certificate.
        let mut reader = Reader::new(&block.body);
        return Certificate::from_der(reader.expect(tag::SEQUENCE)?.raw);
    }
    Certificate::from_der(&block.body)
}

/// True for the labels under which certificates are found.
#[must_use]
pub fn is_certificate(label: &str) -> bool {
    matches!(label, "CERTIFICATE" | "X509 CERTIFICATE" | TRUSTED)
}

const TRUSTED: &str = "TRUSTED CERTIFICATE";

/// Returns `der` as a PEM block with 64 characters a line.
#[must_use]
pub fn encode(label: &str, der: &[u8]) -> String {
    let text = Zeroizing::new(base64_simd::STANDARD.encode_to_string(der));
    // Room for everything at once: growing would leave copies of a key behind.
    let room = text.len() + text.len() / LINE + 2 * label.len() + 40;
    let mut out = String::with_capacity(room);
    out.extend(["-----BEGIN ", label, "-----\n"]);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.extend(["-----END ", label, "-----\n"]);
    out
}

const LINE: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_headers_and_line_ends_around_blocks_are_taken() {
        let text = b"\xef\xbb\xbf-----BEGIN A-----\r\nProc-Type: 4,ENCRYPTED\r\n\r\nAQID\r\n-----END A-----\r\nBag Attributes\n-----BEGIN B-----\n  BAU=  \n-----END B-----";
        let blocks = blocks(text).unwrap();
        assert_eq!(blocks.len(), 2);
        assert_eq!(blocks[0].label, "A");
        assert_eq!(
            blocks[0].headers,
            [("Proc-Type".to_owned(), "4,ENCRYPTED".to_owned())]
        );
        assert_eq!(blocks[0].body.as_slice(), [1, 2, 3]);
        assert_eq!(blocks[1].body.as_slice(), [4, 5]);
    }

    #[test]
    fn each_kind_of_broken_file_has_its_own_error() {
        let error = |bytes: &[u8]| certificates(bytes).unwrap_err().to_string();
        assert!(error(b" \n").contains("is empty"));
        assert!(error(b"hello").contains("is not PEM"));
        assert!(error(b"-----BEGIN CERTIFICATE-----\nAAAA\n").contains("cut off"));
        assert!(error(b"-----BEGIN CERTIFICATE-----\nA!A=\n-----END X-----").contains("base64"));
        assert!(
            error(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----")
                .contains("certificate 1 is not a certificate")
        );
        assert!(
            error(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----")
                .contains("no certificate but PRIVATE KEY")
        );
        let doubled = b"-----BEGIN A-----\nAAAA\n-----BEGIN A-----\nAAAA\n-----END A-----";
        assert!(error(doubled).contains("no END line"));
    }

    #[test]
    fn encoded_blocks_read_back() {
        for length in [0, 1, 47, 48, 49, 500] {
            let der = vec![0xa5; length];
            let text = encode("X", &der);
            assert!(text.lines().all(|line| line.len() <= LINE));
            assert_eq!(blocks(text.as_bytes()).unwrap()[0].body.as_slice(), der);
        }
    }
}
