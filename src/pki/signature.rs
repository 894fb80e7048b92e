//! Signature algorithms: read from certificates, CRLs and CMS, and verified.
//!
//! # Trust
//!
//! Key, parameters and signature value are hostile. Sizes are checked before arithmetic
//! (contract E15); weak digests need permission (contract S27).
//!
//! # See also
//!
//! RFC 8017 (RSA), RFC 4055 (PSS parameters), RFC 5758 (ECDSA), RFC 8410 and RFC 8419 (Ed25519),
//! RFC 8702 and NIST's registry (SHA-3).

use aws_lc_rs::{digest as aws_digest, signature as aws};
use rsa::{BoxedUint, Pkcs1v15Sign, RsaPublicKey};

use crate::asn1::oid;
use crate::asn1::reader::tag;
use crate::asn1::{Asn1Error, Tlv, writer};
use crate::model::Reason;
use crate::model::list::Legacy;
use crate::pki::pss;
use crate::pki::public_key::{Curve, PublicKey};

pub use crate::pki::digest::Digest;

/// How a signature is made, as an AlgorithmIdentifier says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignatureAlgorithm {
    scheme: Scheme,
    digest: Option<Digest>,
}

/// The signature scheme without its digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Pkcs1,
    Pss(pss::Parameters),
    Ecdsa,
    Ed25519,
}

/// Why a signature is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// The parameters of the algorithm are malformed or not allowed.
    #[error("the parameters of the signature algorithm are not acceptable")]
    Parameters,
    /// The digest the signature states is not the one that is announced (contract S27).
    #[error("digest and signature algorithm do not agree")]
    DigestDisagrees,
    /// The key is unusable, for this reason.
    #[error("{0}")]
    Key(Reason),
    /// The signature value is wrong.
    #[error("the signature value is wrong")]
    Mismatch,
    /// Not an algorithm that is supported, or not with this kind of key.
    #[error("the signature algorithm is not supported")]
    Unsupported,
    /// SHA-1 or MD5 without permission.
    #[error("the signature uses a refused digest algorithm")]
    WeakDigest,
}

impl SignatureError {
    /// Returns the reason that people and scripts see.
    #[must_use]
    pub fn reason(self) -> Reason {
        match self {
            Self::Parameters => Reason::BadParameters,
            Self::DigestDisagrees | Self::Mismatch => Reason::SignatureMismatch,
            Self::Key(reason) => reason,
            Self::Unsupported => Reason::UnsupportedAlgorithm,
            Self::WeakDigest => Reason::WeakDigest,
        }
    }
}

impl From<Asn1Error> for SignatureError {
    fn from(_: Asn1Error) -> Self {
        Self::Parameters
    }
}

impl SignatureAlgorithm {
    /// Returns the algorithm of an AlgorithmIdentifier.
    ///
    /// `rsaEncryption` and `id-ecPublicKey`, which CMS allows here, carry no digest: state it with
    /// [`SignatureAlgorithm::with_digest`].
    ///
    /// # Errors
    ///
    /// [`SignatureError::Unsupported`] for an unknown algorithm, [`SignatureError::Parameters`]
    /// for parameters that are malformed or not allowed.
    pub fn from_tlv(tlv: Tlv<'_>) -> Result<Self, SignatureError> {
        if tlv.tag != tag::SEQUENCE {
            return Err(SignatureError::Parameters);
        }
        let mut fields = tlv.children();
        let kind = fields.expect(tag::OID)?;
        if kind.is_oid(&oid::RSA_PSS) {
            let parameters = fields.expect(tag::SEQUENCE)?;
            fields.finish()?;
            let parameters = pss::Parameters::parse(&parameters)?;
            return Ok(Self {
                scheme: Scheme::Pss(parameters),
                digest: Some(parameters.digest),
            });
        }
        if kind.is_oid(&oid::ED25519) {
            fields.finish()?;
            return Ok(Self {
                scheme: Scheme::Ed25519,
                digest: Some(Digest::Sha512),
            });
        }
        let known = KNOWN.iter().find(|(oid, ..)| kind.is_oid(oid));
        let (_, scheme, digest) = known.ok_or(SignatureError::Unsupported)?;
        let curve = *scheme == Scheme::Ecdsa && digest.is_none();
        match fields.optional(tag::NULL)? {
            Some(null) if !null.content.is_empty() => return Err(SignatureError::Parameters),
            // id-ecPublicKey may repeat the curve of the key, which alone counts.
            None if curve => drop(fields.optional(tag::OID)?),
            _ => {}
        }
        fields.finish()?;
        Ok(Self {
            scheme: *scheme,
            digest: *digest,
        })
    }

    /// Returns the algorithm for a message whose digest is announced separately, as CMS does.
    ///
    /// # Errors
    ///
    /// [`SignatureError::DigestDisagrees`] where the algorithm names another digest (contract S27).
    pub fn with_digest(self, digest: Digest) -> Result<Self, SignatureError> {
        match self.digest {
            // It digests by itself; the other is that of the content alone. SHA-512 by RFC 8419
            // section 3.1, but not every signer keeps to it.
            _ if self.scheme == Scheme::Ed25519 => Ok(self),
            Some(own) if own != digest => Err(SignatureError::DigestDisagrees),
            _ => Ok(Self {
                digest: Some(digest),
                ..self
            }),
        }
    }

    /// Returns the digest, where the algorithm names one.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Returns the name used in JSON: `rsassa-pkcs1-v1_5`, `rsassa-pss`, `ecdsa`, `ed25519`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self.scheme {
            Scheme::Pkcs1 => "rsassa-pkcs1-v1_5",
            Scheme::Pss(_) => "rsassa-pss",
            Scheme::Ecdsa => "ecdsa",
            Scheme::Ed25519 => "ed25519",
        }
    }
}

const KNOWN: [(oid::Oid, Scheme, Option<Digest>); 19] = [
    (oid::RSA_ENCRYPTION, Scheme::Pkcs1, None),
    (oid::MD5_RSA, Scheme::Pkcs1, Some(Digest::Md5)),
    (oid::SHA1_RSA, Scheme::Pkcs1, Some(Digest::Sha1)),
    (oid::SHA224_RSA, Scheme::Pkcs1, Some(Digest::Sha224)),
    (oid::SHA256_RSA, Scheme::Pkcs1, Some(Digest::Sha256)),
    (oid::SHA384_RSA, Scheme::Pkcs1, Some(Digest::Sha384)),
    (oid::SHA512_RSA, Scheme::Pkcs1, Some(Digest::Sha512)),
    (oid::EC_PUBLIC_KEY, Scheme::Ecdsa, None),
    (oid::ECDSA_SHA1, Scheme::Ecdsa, Some(Digest::Sha1)),
    (oid::ECDSA_SHA224, Scheme::Ecdsa, Some(Digest::Sha224)),
    (oid::ECDSA_SHA256, Scheme::Ecdsa, Some(Digest::Sha256)),
    (oid::ECDSA_SHA384, Scheme::Ecdsa, Some(Digest::Sha384)),
    (oid::ECDSA_SHA512, Scheme::Ecdsa, Some(Digest::Sha512)),
    (oid::SHA3_256_RSA, Scheme::Pkcs1, Some(Digest::Sha3_256)),
    (oid::SHA3_384_RSA, Scheme::Pkcs1, Some(Digest::Sha3_384)),
    (oid::SHA3_512_RSA, Scheme::Pkcs1, Some(Digest::Sha3_512)),
    (oid::ECDSA_SHA3_256, Scheme::Ecdsa, Some(Digest::Sha3_256)),
    (oid::ECDSA_SHA3_384, Scheme::Ecdsa, Some(Digest::Sha3_384)),
    (oid::ECDSA_SHA3_512, Scheme::Ecdsa, Some(Digest::Sha3_512)),
];

/// Checks that `signature` over `message` was made with the private half of `key`.
///
/// # Errors
///
/// [`SignatureError::Mismatch`] where it was not; every other variant says why it was not even
/// tried.
pub fn verify(
    key: &PublicKey,
    algorithm: &SignatureAlgorithm,
    message: &[u8],
    signature: &[u8],
    legacy: Legacy,
) -> Result<(), SignatureError> {
    key.check(legacy).map_err(SignatureError::Key)?;
    let digest = algorithm.digest.ok_or(SignatureError::Parameters)?;
    if !digest.is_admitted(legacy) {
        return Err(SignatureError::WeakDigest);
    }
    match (algorithm.scheme, key) {
        (
            Scheme::Pkcs1,
            PublicKey::Rsa {
                pss_only: false, ..
            },
        ) => verify_pkcs1(key, digest, message, signature),
        (
            Scheme::Pss(parameters),
            PublicKey::Rsa {
                pss: Some(allowed), ..
            },
        ) if !parameters.are_within(allowed) => Err(SignatureError::Parameters),
        (Scheme::Pss(parameters), PublicKey::Rsa { .. }) => {
            parameters.verify(&rsa_key(key)?, message, signature)
        }
        (Scheme::Ecdsa, PublicKey::Ec { curve, point }) => {
            if let Some(like) = sha2_of_size(digest) {
                // The library has SHA-3, but not together with these curves: it is given the
                // digest under the name of one of the same size, which ECDSA does not look at.
                let verifier = ecdsa(*curve, like.0).ok_or(SignatureError::Unsupported)?;
                let value = digest.of(message);
                return aws_digest::Digest::import_less_safe(&value, like.1)
                    .and_then(|value| {
                        aws::UnparsedPublicKey::new(verifier, point)
                            .verify_digest(&value, signature)
                    })
                    .map_err(|_| SignatureError::Mismatch);
            }
            let verifier = ecdsa(*curve, digest).ok_or(SignatureError::Unsupported)?;
            with_aws(verifier, point, message, signature)
        }
        (Scheme::Ed25519, PublicKey::Ed25519(point)) => {
            with_aws(&aws::ED25519, point, message, signature)
        }
        _ => Err(SignatureError::Unsupported),
    }
}

/// Returns the SHA-2 digest whose value is as long as that of a SHA-3 digest.
fn sha2_of_size(digest: Digest) -> Option<(Digest, &'static aws_digest::Algorithm)> {
    match digest {
        Digest::Sha3_256 => Some((Digest::Sha256, &aws_digest::SHA256)),
        Digest::Sha3_384 => Some((Digest::Sha384, &aws_digest::SHA384)),
        Digest::Sha3_512 => Some((Digest::Sha512, &aws_digest::SHA512)),
        _ => None,
    }
}

fn with_aws(
    verifier: &'static dyn aws::VerificationAlgorithm,
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    aws::UnparsedPublicKey::new(verifier, key)
        .verify(message, signature)
        .map_err(|_| SignatureError::Mismatch)
}

fn ecdsa(curve: Curve, digest: Digest) -> Option<&'static dyn aws::VerificationAlgorithm> {
    Some(match (curve, digest) {
        (Curve::P256, Digest::Sha1) => &aws::ECDSA_P256_SHA1_ASN1,
        (Curve::P256, Digest::Sha256) => &aws::ECDSA_P256_SHA256_ASN1,
        (Curve::P256, Digest::Sha384) => &aws::ECDSA_P256_SHA384_ASN1,
        (Curve::P256, Digest::Sha512) => &aws::ECDSA_P256_SHA512_ASN1,
        (Curve::P384, Digest::Sha256) => &aws::ECDSA_P384_SHA256_ASN1,
        (Curve::P384, Digest::Sha384) => &aws::ECDSA_P384_SHA384_ASN1,
        (Curve::P384, Digest::Sha512) => &aws::ECDSA_P384_SHA512_ASN1,
        (Curve::P521, Digest::Sha1) => &aws::ECDSA_P521_SHA1_ASN1,
        (Curve::P521, Digest::Sha224) => &aws::ECDSA_P521_SHA224_ASN1,
        (Curve::P521, Digest::Sha256) => &aws::ECDSA_P521_SHA256_ASN1,
        (Curve::P521, Digest::Sha384) => &aws::ECDSA_P521_SHA384_ASN1,
        (Curve::P521, Digest::Sha512) => &aws::ECDSA_P521_SHA512_ASN1,
        _ => return None,
    })
}

fn verify_pkcs1(
    key: &PublicKey,
    digest: Digest,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let usual: Option<&'static dyn aws::VerificationAlgorithm> = match digest {
        _ if key.bits() < 2048 => None,
        Digest::Sha256 => Some(&aws::RSA_PKCS1_2048_8192_SHA256),
        Digest::Sha384 => Some(&aws::RSA_PKCS1_2048_8192_SHA384),
        Digest::Sha512 => Some(&aws::RSA_PKCS1_2048_8192_SHA512),
        _ => None,
    };
    if let Some(verifier) = usual {
        return with_aws(verifier, &key.octets(), message, signature);
    }
    // SHA-3, and the old combinations that only `legacy` admits.
    let scheme = Pkcs1v15Sign {
        hash_len: Some(digest.size()),
        prefix: digest_info_prefix(digest).into_boxed_slice(),
    };
    rsa_key(key)?
        .verify(scheme, &digest.of(message), signature)
        .map_err(|_| SignatureError::Mismatch)
}

/// Returns the DER of a DigestInfo up to the digest itself (RFC 8017 section 9.2).
fn digest_info_prefix(digest: Digest) -> Vec<u8> {
    let algorithm = writer::algorithm(&digest.oid(), &writer::null());
    let mut info = writer::sequence(&[&algorithm, &writer::octet_string(&vec![0; digest.size()])]);
    info.truncate(info.len().saturating_sub(digest.size()));
    info
}

fn rsa_key(key: &PublicKey) -> Result<RsaPublicKey, SignatureError> {
    let PublicKey::Rsa {
        modulus, exponent, ..
    } = key
    else {
        return Err(SignatureError::Unsupported);
    };
    let number = BoxedUint::from_be_slice_vartime;
    RsaPublicKey::new_with_size_limits(number(modulus), number(exponent), 1024..=8192)
        .map_err(|_| SignatureError::Key(Reason::BadParameters))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::Reader;
    use crate::pki::certificate::Certificate;
    use crate::pki::testing::Scratch;

    fn check(certificate: &Certificate, legacy: Legacy) -> Result<(), SignatureError> {
        let algorithm = SignatureAlgorithm::from_tlv(certificate.signature_algorithm().unwrap())?;
        let key = certificate.public_key().unwrap();
        verify(
            &key,
            &algorithm,
            certificate.tbs(),
            certificate.signature(),
            legacy,
        )
    }

    #[test]
    fn s27_signatures_of_openssl_verify_and_weak_ones_need_permission() {
        let scratch = Scratch::new();
        let pss = "-sigopt rsa_padding_mode:pss";
        for (key, options, name, legacy) in [
            ("rsa:2048", "-sha256", "rsassa-pkcs1-v1_5", Legacy::NONE),
            ("rsa:2048", "-sha384", "rsassa-pkcs1-v1_5", Legacy::NONE),
            ("rsa:3072", "-sha512", "rsassa-pkcs1-v1_5", Legacy::NONE),
            ("rsa:2048", "-sha1", "rsassa-pkcs1-v1_5", Legacy::SHA1),
            ("rsa:2048", "-md5", "rsassa-pkcs1-v1_5", Legacy::MD5),
            ("rsa:1024", "-sha256", "rsassa-pkcs1-v1_5", Legacy::RSA1024),
            (
                "rsa:2048",
                &format!("-sha256 {pss}"),
                "rsassa-pss",
                Legacy::NONE,
            ),
            (
                "rsa:2048",
                &format!("-sha512 {pss} -sigopt rsa_pss_saltlen:0"),
                "rsassa-pss",
                Legacy::NONE,
            ),
            (
                "rsa:2048",
                &format!("-sha384 {pss} -sigopt rsa_pss_saltlen:-2"),
                "rsassa-pss",
                Legacy::NONE,
            ),
            (
                "rsa:2048",
                &format!("-sha1 {pss}"),
                "rsassa-pss",
                Legacy::SHA1,
            ),
            (
                "rsa:2048",
                &format!("-sha256 {pss} -sigopt rsa_mgf1_md:sha1 -sigopt rsa_pss_saltlen:11"),
                "rsassa-pss",
                Legacy::NONE,
            ),
            // The encoded message is one byte shorter than the modulus.
            (
                "rsa:2049",
                &format!("-sha384 {pss} -sigopt rsa_mgf1_md:sha512"),
                "rsassa-pss",
                Legacy::NONE,
            ),
            ("rsa-pss", "-sha256", "rsassa-pss", Legacy::NONE),
            (
                "rsa-pss -pkeyopt rsa_pss_keygen_md:sha384 -pkeyopt rsa_pss_keygen_mgf1_md:sha256 \
                 -pkeyopt rsa_pss_keygen_saltlen:20",
                "-sha384 -sigopt rsa_pss_saltlen:48",
                "rsassa-pss",
                Legacy::NONE,
            ),
            (
                "ec -pkeyopt ec_paramgen_curve:P-256",
                "-sha256",
                "ecdsa",
                Legacy::NONE,
            ),
            (
                "ec -pkeyopt ec_paramgen_curve:P-256",
                "-sha512",
                "ecdsa",
                Legacy::NONE,
            ),
            (
                "ec -pkeyopt ec_paramgen_curve:P-256",
                "-sha1",
                "ecdsa",
                Legacy::SHA1,
            ),
            (
                "ec -pkeyopt ec_paramgen_curve:P-384",
                "-sha384",
                "ecdsa",
                Legacy::NONE,
            ),
            (
                "ec -pkeyopt ec_paramgen_curve:P-521",
                "-sha256",
                "ecdsa",
                Legacy::NONE,
            ),
            (
                "ec -pkeyopt ec_paramgen_curve:P-521",
                "-sha512",
                "ecdsa",
                Legacy::NONE,
            ),
            ("ed25519", "", "ed25519", Legacy::NONE),
        ] {
            scratch.openssl(&format!(
                "req -x509 -newkey {key} -nodes -keyout k.pem -out c.pem -subj /CN=x {options}"
            ));
            let certificate = scratch.certificate("c.pem");
            let algorithm = certificate.signature_algorithm().unwrap();
            let algorithm = SignatureAlgorithm::from_tlv(algorithm).unwrap();
            assert_eq!(algorithm.name(), name, "{key} {options}");
            assert_eq!(check(&certificate, legacy), Ok(()), "{key} {options}");
            if legacy != Legacy::NONE {
                let refused = check(&certificate, Legacy::NONE).unwrap_err();
                let expected = [
                    SignatureError::WeakDigest,
                    SignatureError::Key(Reason::WeakKey),
                ];
                assert!(expected.contains(&refused), "{key} {options}: {refused}");
            }
            let mut bent = certificate.der().to_vec();
            let at = bent.len() - 20;
            bent[at] ^= 1;
            let bent = Certificate::from_der(&bent).unwrap();
            assert_eq!(
                check(&bent, legacy),
                Err(SignatureError::Mismatch),
                "{key} {options}"
            );
        }
    }

    #[test]
    fn key_tied_to_pss_parameters_is_used_with_no_weaker_ones() {
        let scratch = Scratch::new();
        scratch.openssl("req -x509 -newkey rsa:2048 -nodes -keyout k.pem -out c.pem -subj /CN=x");
        scratch.write("m", b"message");
        let context = |n, inner: &[u8]| writer::element(tag::context(n), &[inner]);
        let parameters = |digest: Digest, mgf: Digest, salt: u64| {
            writer::sequence(&[
                &context(0, &digest.algorithm()),
                &context(1, &writer::algorithm(&oid::MGF1, &mgf.algorithm())),
                &context(2, &writer::small_uint(salt)),
            ])
        };
        // The same key under a SubjectPublicKeyInfo that ties it.
        let octets = scratch.certificate("c.pem").public_key().unwrap().octets();
        let tied = parameters(Digest::Sha256, Digest::Sha256, 32);
        let spki = writer::sequence(&[
            &writer::algorithm(&oid::RSA_PSS, &tied),
            &writer::bit_string(&octets),
        ]);
        let key = PublicKey::from_spki(&spki).unwrap();
        let free = scratch.certificate("c.pem").public_key().unwrap();
        let refused = Err(SignatureError::Parameters);
        for (digest, mgf, salt, expected) in [
            (Digest::Sha256, Digest::Sha256, 32, Ok(())),
            (Digest::Sha256, Digest::Sha256, 64, Ok(())),
            (Digest::Sha256, Digest::Sha256, 20, refused),
            (Digest::Sha512, Digest::Sha256, 64, refused),
            (Digest::Sha256, Digest::Sha512, 32, refused),
        ] {
            scratch.openssl(&format!(
                "dgst -{} -sign k.pem -sigopt rsa_padding_mode:pss -sigopt rsa_mgf1_md:{} \
                 -sigopt rsa_pss_saltlen:{salt} -out s m",
                digest.name(),
                mgf.name()
            ));
            let der = writer::algorithm(&oid::RSA_PSS, &parameters(digest, mgf, salt));
            let algorithm = SignatureAlgorithm::from_tlv(Reader::new(&der).read().unwrap());
            let signature = scratch.read("s");
            let check = |key| {
                let algorithm = algorithm.as_ref().unwrap();
                verify(key, algorithm, b"message", &signature, Legacy::NONE)
            };
            assert_eq!(check(&key), expected, "{digest:?} {mgf:?} {salt}");
            assert_eq!(check(&free), Ok(()));
        }

        // A key for OAEP (RFC 4055 section 4) verifies nothing at all.
        let spki = writer::sequence(&[
            &writer::algorithm(&oid::RSA_OAEP, &[]),
            &writer::bit_string(&octets),
        ]);
        assert_eq!(
            PublicKey::from_spki(&spki),
            Err(crate::pki::public_key::KeyProblem::Unsupported)
        );
    }

    #[test]
    fn elliptic_curve_signatures_over_sha_3_verify() {
        let scratch = Scratch::new();
        scratch.write("message", "text");
        for (curve, digest, name) in [
            ("P-256", Digest::Sha3_256, oid::ECDSA_SHA3_256),
            ("P-256", Digest::Sha3_512, oid::ECDSA_SHA3_512),
            ("P-384", Digest::Sha3_384, oid::ECDSA_SHA3_384),
            ("P-521", Digest::Sha3_512, oid::ECDSA_SHA3_512),
            ("P-521", Digest::Sha3_256, oid::ECDSA_SHA3_256),
        ] {
            scratch.openssl(&format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:{curve} -nodes -keyout k.pem -out c.pem -subj /CN=x"
            ));
            scratch.openssl(&format!(
                "dgst -{} -sign k.pem -out value message",
                digest.name()
            ));
            let der = writer::algorithm(&name, &[]);
            let algorithm =
                SignatureAlgorithm::from_tlv(Reader::new(&der).read().unwrap()).unwrap();
            assert_eq!(algorithm.digest(), Some(digest));
            let key = scratch.certificate("c.pem").public_key().unwrap();
            let value = scratch.read("value");
            let says = |text: &[u8]| verify(&key, &algorithm, text, &value, Legacy::NONE);
            assert_eq!(says(b"text"), Ok(()), "{curve} {digest:?}");
            assert_eq!(says(b"test"), Err(SignatureError::Mismatch));
        }
    }

    #[test]
    fn s27_digest_announced_must_be_the_digest_used() {
        let der = writer::algorithm(&oid::SHA256_RSA, &writer::null());
        let tlv = Reader::new(&der).read().unwrap();
        let algorithm = SignatureAlgorithm::from_tlv(tlv).unwrap();
        assert!(algorithm.with_digest(Digest::Sha256).is_ok());
        assert_eq!(
            algorithm.with_digest(Digest::Sha512),
            Err(SignatureError::DigestDisagrees)
        );
        let der = writer::algorithm(&oid::RSA_ENCRYPTION, &writer::null());
        let tlv = Reader::new(&der).read().unwrap();
        let plain = SignatureAlgorithm::from_tlv(tlv).unwrap();
        assert_eq!(plain.digest(), None);
        let with = plain.with_digest(Digest::Sha384).unwrap();
        assert_eq!(with.digest(), Some(Digest::Sha384));
    }

    #[test]
    fn s27_odd_parameters_are_refused() {
        let context = |n, inner: &[u8]| writer::element(tag::context(n), &[inner]);
        let sha256 = context(0, &Digest::Sha256.algorithm());
        let mgf = |digest: Digest| context(1, &writer::algorithm(&oid::MGF1, &digest.algorithm()));
        let good = writer::sequence(&[
            &sha256,
            &mgf(Digest::Sha256),
            &context(2, &writer::small_uint(32)),
        ]);
        let read = |der: &[u8]| {
            SignatureAlgorithm::from_tlv(Reader::new(der).read().unwrap()).map(|a| a.digest())
        };
        assert_eq!(
            read(&writer::algorithm(&oid::RSA_PSS, &good)),
            Ok(Some(Digest::Sha256))
        );
        for (parameters, error) in [
            (
                writer::sequence(&[&context(0, &writer::algorithm(&oid::ZLIB, &[]))]),
                SignatureError::Unsupported,
            ),
            (
                writer::sequence(&[
                    &sha256,
                    &mgf(Digest::Sha256),
                    &context(3, &writer::small_uint(2)),
                ]),
                SignatureError::Parameters,
            ),
            (
                writer::sequence(&[
                    &sha256,
                    &mgf(Digest::Sha256),
                    &context(2, &writer::small_uint(1 << 40)),
                ]),
                SignatureError::Parameters,
            ),
            (writer::null(), SignatureError::Parameters),
            (Vec::new(), SignatureError::Parameters),
        ] {
            assert_eq!(
                read(&writer::algorithm(&oid::RSA_PSS, &parameters)),
                Err(error)
            );
        }
        let odd = writer::algorithm(&oid::SHA256_RSA, &writer::small_uint(1));
        assert_eq!(read(&odd), Err(SignatureError::Parameters));
        let odd = writer::algorithm(&oid::ED25519, &writer::null());
        assert_eq!(read(&odd), Err(SignatureError::Parameters));
    }
}
