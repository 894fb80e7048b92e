//! One certificate, cut from its bytes and cheap to pass around.
//!
//! # Trust
//!
//! The input is hostile. A parsed certificate is a claim and nothing more: only
//! `path::validate` says what it is worth.
//!
//! # Invariants
//!
//! * [`Certificate::der`] and [`Certificate::tbs`] are the bytes as received.
//! * At most 64 KiB (contract E13); no extension stands twice.
//! * Serial numbers, names and versions that break RFC 5280 are kept as they are.
//!
//! # See also
//!
//! RFC 5280 section 4.1.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use ::time::OffsetDateTime;
use sha2::{Digest as _, Sha256};

use crate::asn1::oid::Oid;
use crate::asn1::reader::tag;
use crate::asn1::{Asn1Error, Reader, Tlv};
use crate::model::{Address, hex};
use crate::pki::extension::{Extension, KeyUsage, read_extensions};
use crate::pki::name::{self, Canonical};
use crate::pki::public_key::{KeyProblem, PublicKey};
use crate::pki::time as asn1_time;

/// An X.509 certificate. Clones share their bytes.
#[derive(Clone)]
pub struct Certificate(pub(super) Arc<Inner>);

pub(super) struct Inner {
    der: Vec<u8>,
    sha256: [u8; 32],
    version: u64,
    tbs: Range<usize>,
    serial: Range<usize>,
    inner_algorithm: Range<usize>,
    outer_algorithm: Range<usize>,
    issuer: Range<usize>,
    subject: Range<usize>,
    spki: Range<usize>,
    signature: Range<usize>,
    extensions: Vec<(Range<usize>, bool, Range<usize>)>,
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
    issuer_name: Canonical,
    subject_name: Canonical,
    pub(super) addresses: OnceLock<Vec<Address>>,
}

/// What the key of a certificate may be used for in mail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Signatures of its holder may be verified with it.
    pub sign: bool,
    /// Mail to its holder may be encrypted with it.
    pub encrypt: bool,
}

/// Why bytes are no usable certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not the structure of a certificate.
    #[error("is not a certificate: {0}")]
    Asn1(#[from] Asn1Error),
    /// One extension twice: its meaning depends on who reads it.
    #[error("holds the same extension twice")]
    DoubledExtension,
    /// Its public key cannot be used.
    #[error("has a public key that cannot be used: {0}")]
    Key(#[from] KeyProblem),
    /// More than 64 KiB or 64 extensions.
    #[error("is larger than 64 KiB or has more than 64 extensions")]
    TooLarge,
}

impl Certificate {
    /// Returns the certificate that `der` holds, without any judgement on it.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] where it is not one certificate in DER form and nothing else.
    ///
    /// # Examples
    ///
    /// ```
    /// use listseal::pki::Certificate;
    ///
    /// assert!(Certificate::from_der(b"\x30\x03\x02\x01\x05").is_err());
    /// ```
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_SIZE {
            return Err(CertificateError::TooLarge);
        }
        let at = |part: &[u8]| range_within(der, part);
        let mut outer = Reader::only(der, tag::SEQUENCE)?.children();
        let tbs = outer.expect(tag::SEQUENCE)?;
        let outer_algorithm = outer.expect(tag::SEQUENCE)?;
        let signature = outer.expect(tag::BIT_STRING)?;
        // Unused bits make a signature wrong, not the certificate unreadable.
        let signature = signature.bit_octets().unwrap_or_default();
        outer.finish()?;

        let mut fields = tbs.children();
        let version = match fields.optional(tag::context(0))? {
            Some(explicit) => Reader::only(explicit.content, tag::INTEGER)?.small_uint()?,
            None => 0,
        };
        let serial = fields.expect(tag::INTEGER)?;
        let inner_algorithm = fields.expect(tag::SEQUENCE)?;
        let issuer = fields.expect(tag::SEQUENCE)?;
        let mut validity = fields.expect(tag::SEQUENCE)?.children();
        let not_before = asn1_time::read(&validity.read()?)?;
        let not_after = asn1_time::read(&validity.read()?)?;
        validity.finish()?;
        let subject = fields.expect(tag::SEQUENCE)?;
        let spki = fields.expect(tag::SEQUENCE)?;
        fields.optional(tag::context_primitive(1))?;
        fields.optional(tag::context_primitive(2))?;
        let extensions = match fields.optional(tag::context(3))? {
            Some(explicit) => read_extensions(explicit.content)?,
            None => Vec::new(),
        };
        fields.finish()?;

        Ok(Self(Arc::new(Inner {
            sha256: Sha256::digest(der).into(),
            version,
            tbs: at(tbs.raw),
            serial: at(serial.content),
            inner_algorithm: at(inner_algorithm.raw),
            outer_algorithm: at(outer_algorithm.raw),
            issuer: at(issuer.raw),
            subject: at(subject.raw),
            spki: at(spki.raw),
            signature: at(signature),
            extensions: extensions
                .iter()
                .map(|e| (at(e.oid), e.critical, at(e.value)))
                .collect(),
            not_before,
            not_after,
            issuer_name: Canonical::new(issuer.raw),
            subject_name: Canonical::new(subject.raw),
            addresses: OnceLock::new(),
            der: der.to_vec(),
        })))
    }

    fn part(&self, range: &Range<usize>) -> &[u8] {
        self.0.der.get(range.clone()).unwrap_or_default()
    }

    /// Returns the whole certificate as received.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// Returns the part that its signature covers.
    #[must_use]
    pub fn tbs(&self) -> &[u8] {
        self.part(&self.0.tbs)
    }

    /// Returns the version number as encoded: 0 for v1, 2 for v3.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.0.version
    }

    /// Returns the DER of the issuer's Name.
    #[must_use]
    pub fn issuer_der(&self) -> &[u8] {
        self.part(&self.0.issuer)
    }

    /// Returns the DER of the subject's Name.
    #[must_use]
    pub fn subject_der(&self) -> &[u8] {
        self.part(&self.0.subject)
    }

    /// Returns the content octets of the serial number.
    #[must_use]
    pub fn serial(&self) -> &[u8] {
        self.part(&self.0.serial)
    }

    /// Returns the DER of the SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        self.part(&self.0.spki)
    }

    /// Returns the signature value.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        self.part(&self.0.signature)
    }

    /// Returns the AlgorithmIdentifier of the signature, which stands in two places.
    ///
    /// # Errors
    ///
    /// [`Asn1Error::Value`] when the two differ (RFC 5280 section 4.1.1.2).
    pub fn signature_algorithm(&self) -> Result<Tlv<'_>, Asn1Error> {
        let outer = self.part(&self.0.outer_algorithm);
        if outer != self.part(&self.0.inner_algorithm) {
            return Err(Asn1Error::Value);
        }
        Reader::only(outer, tag::SEQUENCE)
    }

    /// Returns the first moment of its validity.
    #[must_use]
    pub fn not_before(&self) -> OffsetDateTime {
        self.0.not_before
    }

    /// Returns the last second of its validity.
    #[must_use]
    pub fn not_after(&self) -> OffsetDateTime {
        self.0.not_after
    }

    /// Returns the subject in RFC 4514 form.
    #[must_use]
    pub fn subject(&self) -> String {
        name::rfc4514(self.subject_der())
    }

    /// Returns the issuer in RFC 4514 form.
    #[must_use]
    pub fn issuer(&self) -> String {
        name::rfc4514(self.issuer_der())
    }

    /// Returns the comparable form of the subject.
    #[must_use]
    pub fn subject_name(&self) -> &Canonical {
        &self.0.subject_name
    }

    /// Returns the comparable form of the issuer.
    #[must_use]
    pub fn issuer_name(&self) -> &Canonical {
        &self.0.issuer_name
    }

    /// Returns the serial number in lower-case hex, without the octet that only keeps it positive.
    #[must_use]
    pub fn serial_hex(&self) -> String {
        match self.serial() {
            [0, rest @ ..] if !rest.is_empty() => hex(rest),
            all => hex(all),
        }
    }

    /// Returns the SHA-256 of the whole certificate.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.0.sha256
    }

    /// Returns the SHA-256 of the whole certificate in lower-case hex.
    #[must_use]
    pub fn sha256_hex(&self) -> String {
        hex(&self.0.sha256)
    }

    /// Returns every extension in order.
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'_>> {
        self.0
            .extensions
            .iter()
            .map(|(oid, critical, value)| Extension {
                oid: self.part(oid),
                critical: *critical,
                value: self.part(value),
            })
    }

    /// Returns the extension with this identifier.
    #[must_use]
    pub fn extension(&self, oid: &Oid) -> Option<Extension<'_>> {
        self.extensions().find(|e| e.oid == oid.as_bytes())
    }

    /// Returns the public key.
    ///
    /// # Errors
    ///
    /// [`CertificateError::Key`] where its kind is not supported or it is malformed. Whether it is
    /// strong enough is [`PublicKey::check`].
    pub fn public_key(&self) -> Result<PublicKey, CertificateError> {
        Ok(PublicKey::from_spki(self.spki_der())?)
    }

    /// Returns what the certificate may be used for in mail: by keyUsage where there is one, by the
    /// kind of its key, and not at all where an extended key usage leaves mail out.
    ///
    /// Validity and trust are another question.
    #[must_use]
    pub fn usage(&self) -> Usage {
        const SIGN: KeyUsage = KeyUsage::DIGITAL_SIGNATURE.with(KeyUsage::NON_REPUDIATION);
        let (Ok(bits), Ok(true)) = (self.key_usage(), self.is_for_email()) else {
            return Usage::default();
        };
        let allowed = |what| bits.is_none_or(|bits| bits.any(what));
        let Ok(key) = self.public_key() else {
            return Usage {
                sign: allowed(SIGN),
                encrypt: false,
            };
        };
        Usage {
            sign: key.can_verify() && allowed(SIGN),
            encrypt: key.encryption_usage().is_some_and(allowed),
        }
    }

    /// True when `at` lies within the validity.
    #[must_use]
    pub fn is_valid_at(&self, at: OffsetDateTime) -> bool {
        self.not_before() <= at && at <= self.not_after()
    }
}

/// Returns where `part`, a slice of `whole`, lies in it.
fn range_within(whole: &[u8], part: &[u8]) -> Range<usize> {
    let start = part.as_ptr().addr().saturating_sub(whole.as_ptr().addr());
    start..start.saturating_add(part.len())
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der() == other.der()
    }
}

impl Eq for Certificate {}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({}, {})", self.subject(), self.serial_hex())
    }
}

/// Contract E13.
const MAX_SIZE: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use ::time::macros::datetime;

    use super::*;
    use crate::pki::pem;
    use crate::pki::testing::Scratch;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn self_signed(scratch: &Scratch, extensions: &str) -> Certificate {
        scratch.write(
            "req.cnf",
            format!("[req]\ndistinguished_name=dn\nprompt=no\n[dn]\nCN=x\n[x]\n{extensions}\n"),
        );
        scratch.openssl("req -x509 -new -key key.pem -config req.cnf -extensions x -out c.pem");
        scratch.certificate("c.pem")
    }

    #[test]
    fn facts_are_those_that_openssl_prints() {
        let scratch = Scratch::new();
        scratch.openssl("req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out c.pem -days 30 -set_serial 0xF00D -subj /C=DE/O=Example/CN=Alice/emailAddress=alice@example.org");
        let certificate = scratch.certificate("c.pem");
        let said = scratch.openssl("x509 -in c.pem -noout -serial -subject -nameopt RFC2253 -fingerprint -sha256 -startdate -enddate");
        let line = |start: &str| {
            let found = said.lines().find_map(|l| l.strip_prefix(start));
            found
                .unwrap_or_else(|| panic!("{start} in {said}"))
                .to_owned()
        };
        assert_eq!(certificate.serial_hex(), line("serial=").to_lowercase());
        assert_eq!(certificate.subject(), line("subject="));
        assert_eq!(certificate.issuer(), certificate.subject());
        let fingerprint = line("sha256 Fingerprint=").replace(':', "").to_lowercase();
        assert_eq!(certificate.sha256_hex(), fingerprint);
        assert_eq!(certificate.addresses(), [address("alice@example.org")]);
        assert_eq!(certificate.public_key().unwrap().bits(), 2048);
        assert_eq!(certificate.version(), 2);
        let life = certificate.not_after() - certificate.not_before();
        assert_eq!(life.whole_days(), 30);
        assert!(certificate.is_valid_at(certificate.not_after()));
        assert!(!certificate.is_valid_at(certificate.not_after() + ::time::Duration::SECOND));
    }

    #[test]
    fn usage_follows_key_usage_extended_usage_and_key_kind() {
        let scratch = Scratch::new();
        let both = Usage {
            sign: true,
            encrypt: true,
        };
        let sign = Usage {
            sign: true,
            encrypt: false,
        };
        let encrypt = Usage {
            sign: false,
            encrypt: true,
        };
        let none = Usage::default();
        for (options, cases) in [
            (
                "RSA -pkeyopt rsa_keygen_bits:2048",
                &[
                    ("", both),
                    ("keyUsage=digitalSignature", sign),
                    ("keyUsage=nonRepudiation", sign),
                    ("keyUsage=keyEncipherment", encrypt),
                    ("keyUsage=keyAgreement", none),
                    ("keyUsage=digitalSignature,keyEncipherment", both),
                    ("keyUsage=keyCertSign", none),
                    ("extendedKeyUsage=emailProtection", both),
                    ("extendedKeyUsage=clientAuth,anyExtendedKeyUsage", both),
                    ("extendedKeyUsage=clientAuth,serverAuth", none),
                    ("keyUsage=DER:0500", none),
                    ("extendedKeyUsage=DER:3001", none),
                    ("keyUsage=decipherOnly", none),
                ][..],
            ),
            (
                "EC -pkeyopt ec_paramgen_curve:P-256",
                &[
                    ("", both),
                    ("keyUsage=keyAgreement", encrypt),
                    ("keyUsage=keyAgreement,decipherOnly", encrypt),
                    ("keyUsage=keyEncipherment", none),
                    ("keyUsage=digitalSignature,keyAgreement", both),
                ],
            ),
            ("ED25519", &[("", sign), ("keyUsage=keyAgreement", none)]),
        ] {
            scratch.openssl(&format!("genpkey -algorithm {options} -out key.pem"));
            for (extensions, usage) in cases {
                let certificate = self_signed(&scratch, extensions);
                assert_eq!(certificate.usage(), *usage, "{options} {extensions}");
            }
        }
    }

    #[test]
    fn s28_addresses_come_from_the_alternative_names_first() {
        let scratch = Scratch::new();
        scratch.openssl("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem");
        let a = address("a@example.org");
        let dn = address("dn@example.org");
        for (name, expected) in [
            (
                "subjectAltName=email:a@example.org,email:A@EXAMPLE.org",
                vec![a.clone()],
            ),
            ("subjectAltName=DNS:example.org", vec![dn.clone()]),
            ("", vec![dn.clone()]),
            // NUL, a control character and a non-IA5 octet inside rfc822Name.
            (
                "subjectAltName=DER:3011810f61406578616d706c652e6f7267002e78",
                vec![],
            ),
            (
                "subjectAltName=DER:300f810d610a406578616d706c652e6f72",
                vec![],
            ),
            (
                "subjectAltName=DER:300f810de940657861 6d706c652e6f7267",
                vec![],
            ),
            ("subjectAltName=DER:3001", vec![]),
            (
                "subjectAltName=@san\n[san]\notherName=1.3.6.1.5.5.7.8.9;FORMAT:UTF8,UTF8:\u{f6}l@example.org",
                vec![address("\u{f6}l@example.org")],
            ),
            // RFC 9598: an ASCII local part belongs into rfc822Name.
            (
                "subjectAltName=@san\n[san]\notherName=1.3.6.1.5.5.7.8.9;FORMAT:UTF8,UTF8:a@example.org",
                vec![],
            ),
        ] {
            let name = name.replace("e940657861 6d", "e9406578616d");
            scratch.write(
                "req.cnf",
                format!("[req]\ndistinguished_name=dn\nprompt=no\nutf8=yes\n[dn]\nCN=x\nemailAddress=dn@example.org\n[x]\nsubjectKeyIdentifier=hash\n{name}\n"),
            );
            scratch.openssl(
                "req -x509 -new -utf8 -key key.pem -config req.cnf -extensions x -out c.pem",
            );
            assert_eq!(scratch.certificate("c.pem").addresses(), expected, "{name}");
        }
    }

    /// Certificates that strict parsers refuse, made with Python's `cryptography` and then bent.
    #[test]
    fn odd_certificates_are_read_all_the_same() {
        let scratch = Scratch::new();
        scratch.openssl("req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out c.pem -subj /CN=odd -set_serial 5");
        scratch.python(
            r#"
import base64, datetime as dt
pem = open("c.pem").read()
der = base64.b64decode("".join(l for l in pem.splitlines() if "-----" not in l))
def tlv(b):
    n = b[1]
    if n < 0x80: return b[:1], b[2:2+n], b[2+n:]
    k = n & 0x7f; n = int.from_bytes(b[2:2+k], "big")
    return b[:1], b[2+k:2+k+n], b[2+k+n:]
def enc(t, v):
    n = len(v)
    if n < 0x80: return t + bytes([n]) + v
    k = n.to_bytes((n.bit_length()+7)//8, "big")
    return t + bytes([0x80|len(k)]) + k + v
def parts(v):
    out = []
    while v:
        t, c, v = tlv(v); out.append((t, c))
    return out
cert = parts(tlv(der)[1]); tbs = parts(cert[0][1])
def save(name, fields):
    body = b"".join(enc(t, c) for t, c in fields)
    whole = enc(b"\x30", enc(b"\x30", body) + b"".join(enc(t, c) for t, c in cert[1:]))
    open(name, "wb").write(whole)
def but(i, t, c):
    f = list(tbs); f[i] = (t, c); return f
save("serial22.der", but(1, b"\x02", b"\x00" + b"\xff" * 21))
save("negative.der", but(1, b"\x02", b"\xfe"))
save("zero.der", but(1, b"\x02", b"\x00"))
save("v1.der", [f for i, f in enumerate(tbs) if i != 0 and f[0] != b"\xa3"])
save("old.der", but(4, b"\x30", enc(b"\x17", b"500101000000Z") + enc(b"\x18", b"19691231235959Z")))
name = lambda t, v: enc(b"\x31", enc(b"\x30", bytes.fromhex("0603550403") + enc(t, v)))
save("bmp.der", but(5, b"\x30", name(b"\x1e", "Zoë".encode("utf-16-be")) + name(b"\x14", b"Zo\xeb") + name(b"\x0c", b"\xff\xfe")))
ext = parts(tbs[-1][1])[0]; doubled = enc(b"\x30", ext[1] + enc(*parts(ext[1])[0]))
save("doubled.der", but(len(tbs) - 1, b"\xa3", doubled))
open("trailing.der", "wb").write(der + b"\n")
"#,
        );
        let read = |name: &str| Certificate::from_der(&scratch.read(name));
        assert_eq!(read("serial22.der").unwrap().serial_hex(), "ff".repeat(21));
        assert_eq!(read("negative.der").unwrap().serial_hex(), "fe");
        assert_eq!(read("zero.der").unwrap().serial_hex(), "00");
        assert_eq!(read("v1.der").unwrap().version(), 0);
        assert_eq!(read("v1.der").unwrap().extensions().count(), 0);
        let old = read("old.der").unwrap();
        assert_eq!(old.not_before(), datetime!(1950-01-01 0:00 UTC));
        assert_eq!(old.not_after(), datetime!(1969-12-31 23:59:59 UTC));
        assert_eq!(
            read("bmp.der").unwrap().subject(),
            "CN=#0c02fffe,CN=Zo\u{eb},CN=Zo\u{eb}"
        );
        assert_eq!(
            read("doubled.der").unwrap_err(),
            CertificateError::DoubledExtension
        );
        let trailing = CertificateError::Asn1(Asn1Error::Trailing);
        assert_eq!(read("trailing.der").unwrap_err(), trailing);
    }

    #[test]
    fn e13_every_truncation_and_oversize_is_an_error() {
        let scratch = Scratch::new();
        scratch.openssl("req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out c.pem -subj /CN=x");
        let der = scratch.certificate("c.pem").der().to_vec();
        for end in 0..der.len() {
            assert!(Certificate::from_der(&der[..end]).is_err(), "{end}");
        }
        let huge = vec![0x30; 64 * 1024 + 1];
        assert_eq!(
            Certificate::from_der(&huge).unwrap_err(),
            CertificateError::TooLarge
        );
    }

    #[test]
    fn bundles_trusted_certificates_and_der_files_are_read() {
        let scratch = Scratch::new();
        scratch.openssl("req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out a.pem -subj /CN=a");
        scratch.openssl("req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out b.pem -subj /CN=b");
        scratch
            .openssl("x509 -in a.pem -addtrust emailProtection -setalias Kim -trustout -out t.pem");
        scratch.openssl("x509 -in a.pem -outform DER -out a.der");
        let mut bundle = scratch.read("t.pem");
        bundle.extend(scratch.read("key.pem"));
        bundle.extend(scratch.read("b.pem"));
        let names: Vec<String> = pem::certificates(&bundle)
            .unwrap()
            .iter()
            .map(Certificate::subject)
            .collect();
        assert_eq!(names, ["CN=a", "CN=b"]);
        assert_eq!(scratch.certificate("a.der"), scratch.certificate("a.pem"));
        let again = pem::encode("CERTIFICATE", scratch.certificate("a.pem").der());
        assert_eq!(again.as_bytes(), scratch.read("a.pem"));
    }
}
