//! The extensions that count for a chain must be what they say they are, even where this question
//! does not need them.
//!
//! Whoever reads a malformed extension as an absent one trusts what its issuer never stated.
//! Policies are read where they are processed; limits on how many things count stand elsewhere, too.
//!
//! # See also
//!
//! RFC 5280 section 4.2; contract G10: never laxer than OpenSSL.

use crate::asn1::reader::tag;
use crate::asn1::{Asn1Error, Reader, Tlv, oid};
use crate::model::Reason;
use crate::pki::certificate::Certificate;
use crate::pki::extension::general_names;
use crate::pki::path::constraints::Constraints;

/// Checks every extension of `certificate` that has a meaning here.
///
/// # Errors
///
/// [`Reason::CertificateMalformed`].
pub fn check(certificate: &Certificate) -> Result<(), Reason> {
    read(certificate).map_err(|_| Reason::CertificateMalformed)?;
    // What constraints say, their forms too, is a question where they bind somebody.
    match Constraints::default().add(certificate) {
        Err(Reason::CertificateMalformed) => Err(Reason::CertificateMalformed),
        _ => Ok(()),
    }
}

fn read(certificate: &Certificate) -> Result<(), Asn1Error> {
    certificate.basic_constraints()?;
    certificate.key_usage()?;
    certificate.is_for_email()?;
    certificate.alternative_names()?;
    if let Some(extension) = certificate.extension(&oid::SUBJECT_KEY_ID) {
        Reader::only(extension.value, tag::OCTET_STRING)?;
    }
    if let Some(extension) = certificate.extension(&oid::AUTHORITY_KEY_ID) {
        authority_key_id(&Reader::only(extension.value, tag::SEQUENCE)?)?;
    }
    if let Some(extension) = certificate.extension(&oid::CRL_DISTRIBUTION_POINTS) {
        let mut points = Reader::only(extension.value, tag::SEQUENCE)?.children();
        while !points.is_empty() {
            distribution_point(&points.expect(tag::SEQUENCE)?)?;
        }
    }
    Ok(())
}

fn authority_key_id(value: &Tlv<'_>) -> Result<(), Asn1Error> {
    let mut fields = value.children();
    fields.optional(tag::context_primitive(0))?;
    if let Some(issuer) = fields.optional(tag::context(1))? {
        general_names(issuer.children())?;
    }
    if let Some(serial) = fields.optional(tag::context_primitive(2))? {
        match serial.content {
            [] | [0, 0..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => return Err(Asn1Error::Value),
            _ => {}
        }
    }
    fields.finish()
}

fn distribution_point(value: &Tlv<'_>) -> Result<(), Asn1Error> {
    let mut fields = value.children();
    let point = fields.optional(tag::context(0))?;
    if let Some(point) = point {
        let mut choice = point.children();
        let name = choice.read()?;
        choice.finish()?;
        match name.tag {
            FULL_NAME => {
                general_names(name.children())?;
            }
            RELATIVE_NAME => attributes(name.children())?,
            _ => return Err(Asn1Error::Unexpected),
        }
    }
    if let Some(reasons) = fields.optional(tag::context_primitive(1))? {
        match reasons.content {
            [0..=7, ..] => {}
            _ => return Err(Asn1Error::Value),
        }
    }
    let issuer = match fields.optional(tag::context(2))? {
        Some(issuer) => general_names(issuer.children())?,
        None => Vec::new(),
    };
    // Reasons alone name no place (RFC 5280 section 4.2.1.13).
    if point.is_none() && issuer.is_empty() {
        return Err(Asn1Error::Value);
    }
    fields.finish()
}

/// Reads a RelativeDistinguishedName.
fn attributes(mut set: Reader<'_>) -> Result<(), Asn1Error> {
    while !set.is_empty() {
        let mut pair = set.expect(tag::SEQUENCE)?.children();
        pair.expect(tag::OID)?;
        pair.read()?;
        pair.finish()?;
    }
    Ok(())
}

const FULL_NAME: u8 = tag::context(0);
const RELATIVE_NAME: u8 = tag::context(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::path::ChainVerdict;
    use crate::pki::testing::Pki;

    /// Issues `<name>.pem` below the root with extensions as they are written: `openssl x509` mends
    /// some.
    fn issue(pki: &Pki, name: &str, issuer: &str, extensions: &[(&str, &str)]) {
        let Pki(scratch) = pki;
        let list: Vec<String> = extensions
            .iter()
            .map(|(kind, value)| format!("({kind:?}, {value:?})"))
            .collect();
        scratch.python(&format!(
            r#"
import datetime as dt
from cryptography import x509
from cryptography.x509.oid import NameOID
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
read = lambda name: open(name, "rb").read()
now = dt.datetime.now(dt.timezone.utc)
issuer = x509.load_pem_x509_certificate(read("{issuer}.pem"))
key = ec.generate_private_key(ec.SECP256R1())
builder = (x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "{name}")]))
    .issuer_name(issuer.subject).public_key(key.public_key()).serial_number(x509.random_serial_number())
    .not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + dt.timedelta(days=30)))
for kind, value in [{list}]:
    value = x509.UnrecognizedExtension(x509.ObjectIdentifier(kind), bytes.fromhex(value))
    builder = builder.add_extension(value, critical=False)
above = serialization.load_pem_private_key(read("{issuer}.key"), None)
open("{name}.pem", "wb").write(builder.sign(above, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
open("{name}.key", "wb").write(key.private_bytes(serialization.Encoding.PEM,
    serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
"#,
            list = list.join(",")
        ));
    }

    const MALFORMED: (ChainVerdict, Option<Reason>) =
        (ChainVerdict::Broken, Some(Reason::CertificateMalformed));
    const TRUSTED: (ChainVerdict, Option<Reason>) = (ChainVerdict::Trusted, None);

    #[test]
    fn a_malformed_extension_that_is_known_makes_the_certificate_malformed() {
        let pki = Pki::new();
        for (kind, value, fine) in [
            ("2.5.29.35", "0500", false),
            ("2.5.29.35", "30020500", false),
            ("2.5.29.35", "30028200", false),
            ("2.5.29.35", "300482020001", false),
            ("2.5.29.35", "3000", true),
            ("2.5.29.31", "0500", false),
            ("2.5.29.31", "30020500", false),
            ("2.5.29.31", "30043002a000", false),
            ("2.5.29.31", "300430028100", false),
            ("2.5.29.31", "30023000", false),
            ("2.5.29.31", "30053003810107", false),
            ("2.5.29.31", "30043002a200", false),
            ("2.5.29.31", "30093007a002a000810108", false),
            ("2.5.29.31", "30093007a002a000810107", true),
            ("2.5.29.31", "30063004a002a000", true),
            ("2.5.29.31", "3000", true),
            ("2.5.29.14", "0500", false),
            ("2.5.29.14", "0400", true),
            ("2.5.29.30", "0500", false),
            ("2.5.29.17", "0500", false),
            ("2.5.29.17", "30028900", false),
            ("2.5.29.17", "3003880103", true),
            ("2.5.29.19", "0500", false),
            ("2.5.29.19", "30020100", false),
            ("2.5.29.15", "0500", false),
            ("2.5.29.37", "0500", false),
        ] {
            issue(&pki, "leaf", "root", &[(kind, value)]);
            let expected = if fine { TRUSTED } else { MALFORMED };
            assert_eq!(pki.ask("leaf", &[]).says(), expected, "{kind} {value}");
            pki.openssl_agrees("leaf", &[], fine);
        }
        // Stricter than openssl: a mail address in pieces, which no constraint would be about.
        issue(&pki, "leaf", "root", &[("2.5.29.17", "3005a103160161")]);
        assert_eq!(pki.ask("leaf", &[]).says(), MALFORMED);
    }

    #[test]
    fn an_authority_says_so_in_one_octet() {
        let pki = Pki::new();
        for (value, expected, openssl) in [
            ("30030101ff", TRUSTED, true),
            ("30020100", MALFORMED, false),
            ("30040102ffff", MALFORMED, false),
            ("300401020001", MALFORMED, false),
            // Stricter than openssl, as DER is.
            ("3003010101", MALFORMED, true),
            (
                "3003010100",
                (ChainVerdict::BadUsage, Some(Reason::UsageIssuer)),
                false,
            ),
        ] {
            issue(&pki, "mid", "root", &[("2.5.29.19", value)]);
            issue(&pki, "leaf", "mid", &[]);
            assert_eq!(pki.ask("leaf", &["mid"]).says(), expected, "{value}");
            pki.openssl_agrees("leaf", &["mid"], openssl);
        }
    }

    #[test]
    fn whether_an_extension_is_critical_is_said_in_one_octet() {
        let pki = Pki::new();
        issue(&pki, "leaf", "root", &[("1.2.3.4", "0500")]);
        let whole = pki.get("leaf");
        let marked = |flag: &[u8]| {
            // SEQUENCE { OID 1.2.3.4, flag, OCTET STRING { NULL } } as the only extension.
            let value = [&[6, 3, 0x2a, 3, 4][..], flag, &[4, 2, 5, 0]].concat();
            let one = crate::asn1::writer::sequence(&[&value]);
            crate::pki::extension::read_extensions(&crate::asn1::writer::sequence(&[&one]))
                .map(|all| all.iter().map(|e| e.critical).collect::<Vec<bool>>())
                .ok()
        };
        assert_eq!(
            whole.extensions().map(|e| e.critical).collect::<Vec<_>>(),
            [false]
        );
        assert_eq!(marked(&[]), Some(vec![false]));
        assert_eq!(marked(&[1, 1, 0]), Some(vec![false]));
        assert_eq!(marked(&[1, 1, 0xff]), Some(vec![true]));
        assert_eq!(marked(&[1, 0]), None);
        assert_eq!(marked(&[1, 2, 0, 0]), None);
    }
}
