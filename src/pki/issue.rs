//! Certificates made here: for `list create`, the demo and tests.
//!
//! # Invariants
//!
//! * Serial numbers are 16 octets of randomness and positive.
//! * Every certificate is version 3, with basicConstraints, keyUsage and key identifiers; only
//!   authorities may issue.
//!
//! # See also
//!
//! RFC 5280, RFC 8550.

use ::time::OffsetDateTime;
use der::asn1::{Any, BitString, Ia5String, OctetString};
use der::{Decode as _, Encode, Sequence, Tag};
use rand_core::CryptoRng;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::ext::pkix::name::{GeneralName, OtherName};
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages,
    SubjectAltName, SubjectKeyIdentifier,
};
use x509_cert::ext::{Extension, Extensions, ToExtension as _};
use x509_cert::name::{Name, RdnSequence, RelativeDistinguishedName};
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::time::Validity;

use crate::asn1::oid::{self, Oid};
use crate::model::Address;
use crate::pki::certificate::{Certificate, CertificateError};
use crate::pki::extension;
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
        path_len: Option<u8>,
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
    /// It cannot be encoded.
    #[error("the certificate cannot be written: {0}")]
    Asn1(#[from] der::Error),
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
    let name = Any::encode_from(&name(contents.common_name)?)?;
    let id = key.public_key().key_id();
    build(contents, key.public_key(), name, &id, key, rng)
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
    let name = Any::from_der(issuer.subject_der())?;
    build(contents, subject_key, name, &id, issuer_key, rng)
}

/// TBSCertificate of RFC 5280 section 4.1; the issuer's name is kept as it stands in his own
/// certificate, byte for byte.
#[derive(Sequence)]
struct Unsigned {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    version: u8,
    serial_number: SerialNumber,
    signature: AlgorithmIdentifierOwned,
    issuer: Any,
    validity: Validity,
    subject: Name,
    subject_public_key_info: SubjectPublicKeyInfoOwned,
    #[asn1(context_specific = "3", tag_mode = "EXPLICIT")]
    extensions: Extensions,
}

/// Something, and a signature over it.
#[derive(Sequence)]
struct Signed {
    body: Any,
    algorithm: AlgorithmIdentifierOwned,
    signature: BitString,
}

fn build(
    contents: &Contents<'_>,
    subject_key: &PublicKey,
    issuer: Any,
    issuer_key_id: &[u8],
    issuer_key: &PrivateKey,
    rng: &mut dyn CryptoRng,
) -> Result<Certificate, IssueError> {
    if contents.not_after <= contents.not_before {
        return Err(IssueError::Validity);
    }
    let subject = name(contents.common_name)?;
    // The algorithm stands inside what is signed, so a first signature tells it.
    let (algorithm, _, _) = issuer_key.sign(&[])?;
    let body = Unsigned {
        version: 2,
        serial_number: serial(rng)?,
        signature: AlgorithmIdentifierOwned::from_der(&algorithm)?,
        issuer,
        validity: Validity::new(
            asn1_time::write(contents.not_before)?,
            asn1_time::write(contents.not_after)?,
        ),
        extensions: extensions(contents, &subject, subject_key, issuer_key_id)?,
        subject,
        subject_public_key_info: SubjectPublicKeyInfoOwned::from_der(&subject_key.spki_der())?,
    };
    Ok(Certificate::from_der(&signed(body, issuer_key)?)?)
}

fn signed(body: impl Encode, key: &PrivateKey) -> Result<Vec<u8>, IssueError> {
    let body = body.to_der()?;
    let (algorithm, _, value) = key.sign(&body)?;
    let signed = Signed {
        body: Any::from_der(&body)?,
        algorithm: AlgorithmIdentifierOwned::from_der(&algorithm)?,
        signature: BitString::from_bytes(&value)?,
    };
    Ok(signed.to_der()?)
}

fn serial(rng: &mut dyn CryptoRng) -> Result<SerialNumber, der::Error> {
    let mut octets = [0; 16];
    rng.fill_bytes(&mut octets);
    if let Some(first) = octets.first_mut() {
        // Positive, and always of the same length.
        *first = (*first & 0x7f) | 0x40;
    }
    SerialNumber::new(&octets)
}

fn name(common_name: &str) -> Result<Name, der::Error> {
    let text: String = common_name.chars().take(MAX_COMMON_NAME).collect();
    let pair = AttributeTypeAndValue {
        oid: COMMON_NAME,
        value: Any::new(Tag::Utf8String, text.into_bytes())?,
    };
    let part = RelativeDistinguishedName::try_from(vec![pair])?;
    Ok(Name::hazmat_from_rdn_sequence(RdnSequence::from(vec![
        part,
    ])))
}

fn extensions(
    contents: &Contents<'_>,
    subject: &Name,
    subject_key: &PublicKey,
    issuer_key_id: &[u8],
) -> Result<Extensions, IssueError> {
    let (ca, path_len_constraint) = match contents.role {
        Role::Authority { path_len } => (true, path_len),
        Role::User { .. } => (false, None),
    };
    let constraints = BasicConstraints {
        ca,
        path_len_constraint,
    };
    let usage = key_usage(contents.role, subject_key)?;
    let subject_id = SubjectKeyIdentifier(OctetString::new(subject_key.key_id())?);
    let authority_id = AuthorityKeyIdentifier {
        key_identifier: Some(OctetString::new(issuer_key_id)?),
        ..AuthorityKeyIdentifier::default()
    };
    let mut list: Vec<Extension> = vec![
        (&constraints).to_extension(subject, &[])?,
        (&usage).to_extension(subject, &[])?,
        (&subject_id).to_extension(subject, &[])?,
        (&authority_id).to_extension(subject, &[])?,
    ];
    if !ca {
        let purposes = ExtendedKeyUsage(vec![oid::EMAIL_PROTECTION]);
        list.push((&purposes).to_extension(subject, &[])?);
    }
    if let Some(names) = alternative_names(contents.addresses)? {
        list.push((&names).to_extension(subject, &[])?);
    }
    Ok(list)
}

fn key_usage(role: Role, key: &PublicKey) -> Result<KeyUsage, IssueError> {
    let cannot = || IssueError::Role(key.name());
    let Role::User { sign, encrypt } = role else {
        return Ok(KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign));
    };
    let mut usage = KeyUsage(None.into());
    if sign {
        if !key.can_verify() {
            return Err(cannot());
        }
        usage.0 |= KeyUsages::DigitalSignature;
    }
    if encrypt {
        let needed = key.encryption_usage().ok_or_else(cannot)?;
        usage.0 |= if needed == extension::KeyUsage::KEY_AGREEMENT {
            KeyUsages::KeyAgreement
        } else {
            KeyUsages::KeyEncipherment
        };
    }
    Ok(usage)
}

fn alternative_names(addresses: &[Address]) -> Result<Option<SubjectAltName>, der::Error> {
    let names = addresses.iter().map(alternative_name);
    let names = names.collect::<Result<Vec<_>, _>>()?;
    Ok((!names.is_empty()).then_some(SubjectAltName(names)))
}

fn alternative_name(address: &Address) -> Result<GeneralName, der::Error> {
    let text = address.to_string();
    if text.is_ascii() {
        return Ok(GeneralName::Rfc822Name(Ia5String::new(&text)?));
    }
    Ok(GeneralName::OtherName(OtherName {
        type_id: oid::SMTP_UTF8_MAILBOX,
        value: Any::new(Tag::Utf8String, text.into_bytes())?,
    }))
}

const COMMON_NAME: Oid = Oid::new_unwrap("2.5.4.3");
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
}
