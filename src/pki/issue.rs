//! Certificates and requests made here: for `list create`, the demo and tests.
//!
//! # Invariants
//!
//! * Serial numbers are 16 octets of randomness and positive.
//! * Every certificate is version 3, with basicConstraints, keyUsage and key identifiers; only
//!   authorities may issue.
//!
//! # See also
//!
//! RFC 5280, RFC 2986 (requests), RFC 8550.

use ::time::OffsetDateTime;
use rand_core::CryptoRng;

use crate::asn1::oid::{self, Oid};
use crate::asn1::reader::tag;
use crate::asn1::writer;
use crate::model::Address;
use crate::pki::certificate::{Certificate, CertificateError};
use crate::pki::extension::KeyUsage;
use crate::pki::key::{KeyError, PrivateKey};
use crate::pki::public_key::PublicKey;
use crate::pki::time as asn1_time;

/// What a certificate made here says about its subject.
#[derive(Clone, Debug)]
pub struct Contents<'a> {
    /// The common name; cut at 64 characters, RFC 5280's upper bound.
    pub common_name: &'a str,
    /// The mail addresses, for the subjectAltName.
    pub addresses: &'a [Address],
    /// First moment of validity.
    pub not_before: OffsetDateTime,
    /// Last moment of validity.
    pub not_after: OffsetDateTime,
    /// What the key is for.
    pub role: Role,
}

/// What the key of a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// To issue certificates and CRLs.
    Authority {
        /// How many authorities may follow below.
        path_len: Option<u64>,
    },
    /// For mail.
    User {
        /// Signatures may be verified with it.
        sign: bool,
        /// Mail may be encrypted with it.
        encrypt: bool,
    },
}

/// Why no certificate was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// The key of the issuer does not sign.
    #[error("the signing key {0}")]
    Key(#[from] KeyError),
    /// The subject's kind of key cannot do what the role asks for.
    #[error("a key of this kind cannot be used for that: {0}")]
    Role(String),
    /// The end does not lie after the begin.
    #[error("the validity ends before it begins")]
    Validity,
    /// What was written does not read back.
    #[error("the certificate {0}")]
    Written(#[from] CertificateError),
}

/// Makes a certificate that `key` signs for itself.
///
/// # Errors
///
/// [`IssueError`].
pub fn self_signed(
    contents: &Contents<'_>,
    key: &PrivateKey,
    rng: &mut dyn CryptoRng,
) -> Result<Certificate, IssueError> {
    let name = name(contents.common_name);
    let id = key.public_key().key_id();
    build(contents, key.public_key(), &name, &id, key, rng)
}

/// Makes a certificate for `subject_key`, signed by an authority.
///
/// # Errors
///
/// [`IssueError`].
pub fn issue(
    contents: &Contents<'_>,
    subject_key: &PublicKey,
    issuer: &Certificate,
    issuer_key: &PrivateKey,
    rng: &mut dyn CryptoRng,
) -> Result<Certificate, IssueError> {
    let id = issuer
        .subject_key_id()
        .map_or_else(|| issuer_key.public_key().key_id(), <[u8]>::to_vec);
    let name = issuer.subject_der();
    build(contents, subject_key, name, &id, issuer_key, rng)
}

/// Makes a certificate request (PKCS#10) in DER, with the addresses in its extensionRequest.
///
/// # Errors
///
/// [`IssueError::Key`] where the key does not sign.
pub fn csr(
    common_name: &str,
    addresses: &[Address],
    key: &PrivateKey,
) -> Result<Vec<u8>, IssueError> {
    let extensions = match alternative_names(addresses) {
        Some(names) => {
            let list = writer::sequence(&[&extension(&oid::SUBJECT_ALT_NAME, false, &names)]);
            let values = writer::set_of(&[&list]);
            writer::sequence(&[&writer::oid(&EXTENSION_REQUEST), &values])
        }
        None => Vec::new(),
    };
    let info = writer::sequence(&[
        &writer::small_uint(0),
        &name(common_name),
        &key.public_key().spki_der(),
        &writer::element(tag::context(0), &[&extensions]),
    ]);
    signed(&info, key)
}

fn build(
    contents: &Contents<'_>,
    subject_key: &PublicKey,
    issuer_name: &[u8],
    issuer_key_id: &[u8],
    issuer_key: &PrivateKey,
    rng: &mut dyn CryptoRng,
) -> Result<Certificate, IssueError> {
    if contents.not_after <= contents.not_before {
        return Err(IssueError::Validity);
    }
    let extensions = extensions(contents, subject_key, issuer_key_id)?;
    // The algorithm stands inside what is signed, so a first signature tells it.
    let (algorithm, _, _) = issuer_key.sign(&[])?;
    let tbs = writer::sequence(&[
        &writer::element(tag::context(0), &[&writer::small_uint(2)]),
        &serial(rng),
        &algorithm,
        issuer_name,
        &writer::sequence(&[
            &asn1_time::write(contents.not_before),
            &asn1_time::write(contents.not_after),
        ]),
        &name(contents.common_name),
        &subject_key.spki_der(),
        &writer::element(tag::context(3), &[&extensions]),
    ]);
    let der = signed(&tbs, issuer_key)?;
    Ok(Certificate::from_der(&der)?)
}

fn signed(body: &[u8], key: &PrivateKey) -> Result<Vec<u8>, IssueError> {
    let (algorithm, _, value) = key.sign(body)?;
    Ok(writer::sequence(&[
        body,
        &algorithm,
        &writer::bit_string(&value),
    ]))
}

fn serial(rng: &mut dyn CryptoRng) -> Vec<u8> {
    let mut octets = [0; 16];
    rng.fill_bytes(&mut octets);
    if let Some(first) = octets.first_mut() {
        // Positive, and always of the same length.
        *first = (*first & 0x7f) | 0x40;
    }
    writer::element(tag::INTEGER, &[&octets])
}

fn name(common_name: &str) -> Vec<u8> {
    let text: String = common_name.chars().take(MAX_COMMON_NAME).collect();
    let value = writer::element(tag::UTF8_STRING, &[text.as_bytes()]);
    let pair = writer::sequence(&[&writer::oid(&COMMON_NAME), &value]);
    writer::sequence(&[&writer::set_of(&[&pair])])
}

fn extensions(
    contents: &Contents<'_>,
    subject_key: &PublicKey,
    issuer_key_id: &[u8],
) -> Result<Vec<u8>, IssueError> {
    let mut list = vec![
        extension(
            &oid::BASIC_CONSTRAINTS,
            true,
            &basic_constraints(contents.role),
        ),
        extension(
            &oid::KEY_USAGE,
            true,
            &key_usage(contents.role, subject_key)?,
        ),
    ];
    if let Role::User { .. } = contents.role {
        let purposes = writer::sequence(&[&writer::oid(&oid::EMAIL_PROTECTION)]);
        list.push(extension(&oid::EXTENDED_KEY_USAGE, false, &purposes));
    }
    if let Some(names) = alternative_names(contents.addresses) {
        list.push(extension(&oid::SUBJECT_ALT_NAME, false, &names));
    }
    let subject_id = writer::octet_string(&subject_key.key_id());
    list.push(extension(&oid::SUBJECT_KEY_ID, false, &subject_id));
    let authority = writer::element(tag::context_primitive(0), &[issuer_key_id]);
    let authority = writer::sequence(&[&authority]);
    list.push(extension(&oid::AUTHORITY_KEY_ID, false, &authority));
    let parts: Vec<&[u8]> = list.iter().map(Vec::as_slice).collect();
    Ok(writer::sequence(&parts))
}

fn extension(oid: &Oid, critical: bool, value: &[u8]) -> Vec<u8> {
    // DER leaves the default, FALSE, out.
    let flag = if critical {
        writer::element(tag::BOOLEAN, &[&[0xff]])
    } else {
        Vec::new()
    };
    writer::sequence(&[&writer::oid(oid), &flag, &writer::octet_string(value)])
}

fn basic_constraints(role: Role) -> Vec<u8> {
    let yes = writer::element(tag::BOOLEAN, &[&[0xff]]);
    match role {
        Role::User { .. } => writer::sequence(&[]),
        Role::Authority { path_len: None } => writer::sequence(&[&yes]),
        Role::Authority {
            path_len: Some(limit),
        } => writer::sequence(&[&yes, &writer::small_uint(limit)]),
    }
}

fn key_usage(role: Role, key: &PublicKey) -> Result<Vec<u8>, IssueError> {
    let cannot = || IssueError::Role(key.name());
    let bits = match role {
        Role::Authority { .. } => KeyUsage::KEY_CERT_SIGN.with(KeyUsage::CRL_SIGN),
        Role::User { sign, encrypt } => {
            let mut bits = KeyUsage::NONE;
            if sign {
                if !key.can_verify() {
                    return Err(cannot());
                }
                bits = bits.with(KeyUsage::DIGITAL_SIGNATURE);
            }
            if encrypt {
                bits = bits.with(key.encryption_usage().ok_or_else(cannot)?);
            }
            bits
        }
    };
    let octet = bits.bits();
    // DER: the trailing zero bits of a named bit list are left out.
    let unused = u8::try_from(octet.trailing_zeros()).unwrap_or(0).min(7);
    Ok(match octet {
        0 => writer::element(tag::BIT_STRING, &[&[0]]),
        _ => writer::element(tag::BIT_STRING, &[&[unused, octet]]),
    })
}

fn alternative_names(addresses: &[Address]) -> Option<Vec<u8>> {
    let names: Vec<Vec<u8>> = addresses.iter().map(alternative_name).collect();
    let parts: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
    (!parts.is_empty()).then(|| writer::sequence(&parts))
}

fn alternative_name(address: &Address) -> Vec<u8> {
    let text = address.to_string();
    if text.is_ascii() {
        return writer::element(tag::context_primitive(1), &[text.as_bytes()]);
    }
    let mailbox = writer::element(tag::UTF8_STRING, &[text.as_bytes()]);
    let value = writer::element(tag::context(0), &[&mailbox]);
    writer::element(
        tag::context(0),
        &[&writer::oid(&oid::SMTP_UTF8_MAILBOX), &value],
    )
}

const COMMON_NAME: Oid = Oid::new_unwrap("2.5.4.3");
const EXTENSION_REQUEST: Oid = Oid::new_unwrap("1.2.840.113549.1.9.14");
/// ub-common-name.
const MAX_COMMON_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use ::time::macros::datetime;
    use getrandom::SysRng;
    use rand_core::UnwrapErr;

    use super::*;
    use crate::pki::key::KeyKind;
    use crate::pki::pem;
    use crate::pki::testing::Scratch;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn contents<'a>(name: &'a str, addresses: &'a [Address], role: Role) -> Contents<'a> {
        Contents {
            common_name: name,
            addresses,
            not_before: datetime!(2020-01-01 0:00 UTC),
            not_after: datetime!(2090-01-01 0:00 UTC),
            role,
        }
    }

    fn save(scratch: &Scratch, name: &str, certificate: &Certificate) {
        scratch.write(name, pem::encode("CERTIFICATE", certificate.der()));
    }

    #[test]
    fn chains_made_here_satisfy_openssl_strictly() {
        let scratch = Scratch::new();
        let mut rng = UnwrapErr(SysRng);
        let both = Role::User {
            sign: true,
            encrypt: true,
        };
        for (ca_kind, user_kind) in [
            (KeyKind::Rsa2048, KeyKind::P256),
            (KeyKind::P384, KeyKind::Rsa2048),
            (KeyKind::Ed25519, KeyKind::P521),
        ] {
            let ca_key = PrivateKey::generate(ca_kind).unwrap();
            let role = Role::Authority { path_len: Some(0) };
            let ca = self_signed(&contents("Test CA", &[], role), &ca_key, &mut rng).unwrap();
            let key = PrivateKey::generate(user_kind).unwrap();
            let addresses = [address("alice@example.org"), address("\u{f6}l@example.org")];
            let user = contents("Alice \u{c4}", &addresses, both);
            let user = issue(&user, key.public_key(), &ca, &ca_key, &mut rng).unwrap();
            save(&scratch, "ca.pem", &ca);
            save(&scratch, "user.pem", &user);
            // For OpenSSL only RSA encrypts mail, whatever RFC 8550 says of keyAgreement.
            let purposes = match user_kind {
                KeyKind::Rsa2048 => &["smimesign", "smimeencrypt"][..],
                _ => &["smimesign"],
            };
            for purpose in purposes {
                scratch.openssl(&format!(
                    "verify -x509_strict -CAfile ca.pem -purpose {purpose} user.pem"
                ));
            }
            let said = scratch.openssl("x509 -in user.pem -noout -email -subject -nameopt utf8");
            assert!(said.contains("alice@example.org"), "{said}");
            assert!(said.contains("CN=Alice \u{c4}"), "{said}");
            assert_eq!(user.addresses(), addresses);
            assert!(user.usage().sign && user.usage().encrypt);
            assert_eq!(user.serial().len(), 16);
            assert_ne!(user.serial(), ca.serial());
            assert!(key.matches(&user) && !key.matches(&ca));
        }
    }

    #[test]
    fn usage_is_what_was_asked_for_and_possible() {
        let mut rng = UnwrapErr(SysRng);
        let key = PrivateKey::generate(KeyKind::P256).unwrap();
        for (sign, encrypt) in [(true, false), (false, true), (true, true), (false, false)] {
            let role = Role::User { sign, encrypt };
            let made = self_signed(&contents("x", &[], role), &key, &mut rng).unwrap();
            assert_eq!((made.usage().sign, made.usage().encrypt), (sign, encrypt));
        }
        let key = PrivateKey::generate(KeyKind::Ed25519).unwrap();
        let role = Role::User {
            sign: true,
            encrypt: true,
        };
        let refused = self_signed(&contents("x", &[], role), &key, &mut rng);
        assert_eq!(refused.unwrap_err(), IssueError::Role("Ed25519".to_owned()));
        let mut reversed = contents("x", &[], Role::Authority { path_len: None });
        reversed.not_after = reversed.not_before;
        let refused = self_signed(&reversed, &key, &mut rng);
        assert_eq!(refused.unwrap_err(), IssueError::Validity);
    }

    #[test]
    fn requests_are_verified_by_openssl_with_their_addresses() {
        let scratch = Scratch::new();
        let key = PrivateKey::generate(KeyKind::P256).unwrap();
        let addresses = [address("team@example.org")];
        let der = csr("team@example.org", &addresses, &key).unwrap();
        scratch.write("csr.pem", pem::encode("CERTIFICATE REQUEST", &der));
        let said = scratch.openssl("req -in csr.pem -verify -noout -text");
        assert!(said.contains("email:team@example.org"), "{said}");
        let der = csr("x", &[], &key).unwrap();
        scratch.write("csr.pem", pem::encode("CERTIFICATE REQUEST", &der));
        scratch.openssl("req -in csr.pem -verify -noout");
    }
}
