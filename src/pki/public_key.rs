//! A public key out of a certificate.
//!
//! # Trust
//!
//! Whatever its size, parsing it does no arithmetic; [`PublicKey::check`] refuses what would be
//! slow or weak before anything is computed with it (contract E15).
//!
//! # See also
//!
//! RFC 8017 appendix A.1, RFC 5480, RFC 8410.

use aws_lc_rs::signature as aws;

use crate::asn1::oid::{self, Oid};
use crate::asn1::reader::tag;
use crate::asn1::{Asn1Error, Reader, Tlv, writer};
use crate::model::Reason;
use crate::model::list::Legacy;
use crate::pki::Digest;
use crate::pki::extension::KeyUsage;
use crate::pki::pss;

/// A named curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// NIST P-256.
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
}

impl Curve {
    /// Every curve.
    pub const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    /// Returns its object identifier.
    #[must_use]
    pub fn oid(self) -> Oid {
        match self {
            Self::P256 => oid::P256,
            Self::P384 => oid::P384,
            Self::P521 => oid::P521,
        }
    }

    /// Returns the length of one coordinate in bytes.
    #[must_use]
    pub fn field_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// Returns the curve with this identifier.
    #[must_use]
    pub fn from_oid(tlv: &Tlv) -> Option<Self> {
        Self::ALL.into_iter().find(|c| tlv.is_oid(&c.oid()))
    }
}

/// A public key of a supported kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublicKey {
    /// RSA; numbers big-endian without leading zeros.
    Rsa {
        /// The modulus.
        modulus: Vec<u8>,
        /// The public exponent.
        exponent: Vec<u8>,
        /// True for a key that its certificate ties to RSASSA-PSS.
        pss_only: bool,
        /// The parameters that it is tied to, where it is (RFC 4055 section 3.3).
        pss: Option<pss::Parameters>,
    },
    /// ECDSA or ECDH.
    Ec {
        /// On which curve.
        curve: Curve,
        /// The point as encoded, compressed or not.
        point: Vec<u8>,
    },
    /// Ed25519.
    Ed25519([u8; 32]),
    /// X25519.
    X25519([u8; 32]),
}

/// Why a SubjectPublicKeyInfo is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyProblem {
    /// Not the structure of a key.
    #[error("it is malformed ({0})")]
    Asn1(#[from] Asn1Error),
    /// Neither RSA nor P-256, P-384, P-521, Ed25519, X25519.
    #[error("only RSA, P-256, P-384, P-521, Ed25519 and X25519 are supported")]
    Unsupported,
}

impl PublicKey {
    /// Returns the key of a SubjectPublicKeyInfo.
    ///
    /// # Errors
    ///
    /// [`KeyProblem`].
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyProblem> {
        let mut spki = Reader::only(der, tag::SEQUENCE)?.children();
        let mut algorithm = spki.expect(tag::SEQUENCE)?.children();
        let key = spki.expect(tag::BIT_STRING)?.bit_octets()?;
        spki.finish()?;
        let kind = algorithm.expect(tag::OID)?;
        if kind.is_oid(&oid::RSA_ENCRYPTION) {
            return rsa(key, false, None);
        }
        if kind.is_oid(&oid::RSA_PSS) {
            let tied = match algorithm.optional(tag::SEQUENCE)? {
                Some(parameters) => {
                    Some(pss::Parameters::parse(&parameters).map_err(|_| KeyProblem::Unsupported)?)
                }
                None => None,
            };
            return rsa(key, true, tied);
        }
        if kind.is_oid(&oid::EC_PUBLIC_KEY) {
            // Named curves only: parameters spelt out are an attack (contract S47).
            let curve = Curve::from_oid(&algorithm.read()?).ok_or(KeyProblem::Unsupported)?;
            algorithm.finish()?;
            return ec(curve, key);
        }
        let thirty_two = || <[u8; 32]>::try_from(key).map_err(|_| Asn1Error::Value);
        algorithm.finish().map_err(|_| KeyProblem::Unsupported)?;
        if kind.is_oid(&oid::ED25519) {
            return Ok(Self::Ed25519(thirty_two()?));
        }
        if kind.is_oid(&oid::X25519) {
            return Ok(Self::X25519(thirty_two()?));
        }
        Err(KeyProblem::Unsupported)
    }

    /// Returns its size as people name it: modulus or curve bits.
    #[must_use]
    pub fn bits(&self) -> usize {
        match self {
            Self::Rsa { modulus, .. } => bit_length(modulus),
            Self::Ec { curve, .. } => match curve {
                Curve::P256 => 256,
                Curve::P384 => 384,
                Curve::P521 => 521,
            },
            Self::Ed25519(_) | Self::X25519(_) => 256,
        }
    }

    /// Returns a figure of strength that compares across kinds, in bits (NIST SP 800-57 part 1,
    /// table 2).
    #[must_use]
    pub fn security_bits(&self) -> usize {
        match self {
            Self::Rsa { modulus, .. } => match bit_length(modulus) {
                0..2048 => 80,
                2048..3072 => 112,
                3072..7680 => 128,
                _ => 192,
            },
            Self::Ec { .. } | Self::Ed25519(_) | Self::X25519(_) => (self.bits() / 2).min(256),
        }
    }

    /// Returns kind and size in words: `RSA 2048`, `P-256`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Rsa { .. } => format!("RSA {}", self.bits()),
            Self::Ec { .. } => format!("P-{}", self.bits()),
            Self::Ed25519(_) => "Ed25519".to_owned(),
            Self::X25519(_) => "X25519".to_owned(),
        }
    }

    /// Returns its SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki_der(&self) -> Vec<u8> {
        let algorithm = match self {
            Self::Rsa { pss_only: true, .. } => writer::algorithm(&oid::RSA_PSS, &[]),
            Self::Rsa { .. } => writer::algorithm(&oid::RSA_ENCRYPTION, &writer::null()),
            Self::Ec { curve, .. } => {
                writer::algorithm(&oid::EC_PUBLIC_KEY, &writer::oid(&curve.oid()))
            }
            Self::Ed25519(_) => writer::algorithm(&oid::ED25519, &[]),
            Self::X25519(_) => writer::algorithm(&oid::X25519, &[]),
        };
        writer::sequence(&[&algorithm, &writer::bit_string(&self.octets())])
    }

    /// Returns the octets inside the SubjectPublicKeyInfo: RSAPublicKey, point or raw key.
    #[must_use]
    pub fn octets(&self) -> Vec<u8> {
        match self {
            Self::Rsa {
                modulus, exponent, ..
            } => writer::sequence(&[&writer::unsigned(modulus), &writer::unsigned(exponent)]),
            Self::Ec { point, .. } => point.clone(),
            Self::Ed25519(key) | Self::X25519(key) => key.to_vec(),
        }
    }

    /// Returns the key identifier that RFC 5280 section 4.2.1.2 (1) makes of it.
    #[must_use]
    pub fn key_id(&self) -> Vec<u8> {
        Digest::Sha1.of(&self.octets())
    }

    /// True for kinds that verify signatures.
    #[must_use]
    pub fn can_verify(&self) -> bool {
        !matches!(self, Self::X25519(_))
    }

    /// Returns the keyUsage bit that encryption to this kind of key needs, `None` for kinds that
    /// cannot encrypt.
    #[must_use]
    pub fn encryption_usage(&self) -> Option<KeyUsage> {
        match self {
            Self::Rsa { pss_only: true, .. } | Self::Ed25519(_) => None,
            Self::Rsa { .. } => Some(KeyUsage::KEY_ENCIPHERMENT),
            Self::Ec { .. } | Self::X25519(_) => Some(KeyUsage::KEY_AGREEMENT),
        }
    }

    /// Checks that the key may be computed with (contract E15).
    ///
    /// # Errors
    ///
    /// [`Reason::WeakKey`] for RSA outside 2048 to 8192 bits (from 1024 with
    /// [`Legacy::RSA1024`]), [`Reason::BadParameters`] for an even modulus, an exponent that is
    /// even, below 65,537 or above 33 bits, or a point that is not on its curve.
    pub fn check(&self, legacy: Legacy) -> Result<(), Reason> {
        match self {
            Self::Rsa {
                modulus, exponent, ..
            } => check_rsa(modulus, exponent, legacy),
            Self::Ec { curve, point } => {
                let algorithm: &'static dyn aws::VerificationAlgorithm = match curve {
                    Curve::P256 => &aws::ECDSA_P256_SHA256_ASN1,
                    Curve::P384 => &aws::ECDSA_P384_SHA384_ASN1,
                    Curve::P521 => &aws::ECDSA_P521_SHA512_ASN1,
                };
                aws::UnparsedPublicKey::new(algorithm, point)
                    .parse()
                    .map(|_| ())
                    .map_err(|_| Reason::BadParameters)
            }
            Self::Ed25519(_) | Self::X25519(_) => Ok(()),
        }
    }
}

fn rsa(key: &[u8], pss_only: bool, pss: Option<pss::Parameters>) -> Result<PublicKey, KeyProblem> {
    let mut numbers = Reader::only(key, tag::SEQUENCE)?.children();
    let modulus = positive(numbers.expect(tag::INTEGER)?.content)?;
    let exponent = positive(numbers.expect(tag::INTEGER)?.content)?;
    numbers.finish()?;
    Ok(PublicKey::Rsa {
        modulus,
        exponent,
        pss_only,
        pss,
    })
}

fn positive(content: &[u8]) -> Result<Vec<u8>, Asn1Error> {
    match content {
        [] => Err(Asn1Error::Value),
        [first, ..] if first & 0x80 != 0 => Err(Asn1Error::Value),
        digits => Ok(digits.iter().copied().skip_while(|d| *d == 0).collect()),
    }
}

fn ec(curve: Curve, point: &[u8]) -> Result<PublicKey, KeyProblem> {
    let field = curve.field_len();
    let fits = match point.first() {
        Some(4) => point.len() == 2 * field + 1,
        Some(2 | 3) => point.len() == field + 1,
        _ => false,
    };
    if !fits {
        return Err(Asn1Error::Value.into());
    }
    Ok(PublicKey::Ec {
        curve,
        point: point.to_vec(),
    })
}

fn check_rsa(modulus: &[u8], exponent: &[u8], legacy: Legacy) -> Result<(), Reason> {
    let smallest = if legacy.admits(Legacy::RSA1024) {
        1024
    } else {
        2048
    };
    if !(smallest..=8192).contains(&bit_length(modulus)) {
        return Err(Reason::WeakKey);
    }
    let odd = |number: &[u8]| number.last().is_some_and(|last| last & 1 == 1);
    // A huge exponent makes each check a hundred times slower, a tiny one invites forgeries.
    let size = bit_length(exponent);
    if !odd(modulus) || !odd(exponent) || !(17..=33).contains(&size) {
        return Err(Reason::BadParameters);
    }
    Ok(())
}

fn bit_length(number: &[u8]) -> usize {
    match number.first() {
        Some(first) => number.len() * 8 - usize::try_from(first.leading_zeros()).unwrap_or(0),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rsa_key(bits: usize, exponent: &[u8], last: u8) -> PublicKey {
        let mut modulus = vec![0x80; bits / 8];
        *modulus.last_mut().unwrap() = last;
        PublicKey::Rsa {
            modulus,
            exponent: exponent.to_vec(),
            pss_only: false,
            pss: None,
        }
    }

    #[test]
    fn e15_rsa_outside_the_limits_is_refused_before_arithmetic() {
        let usual = &[1, 0, 1][..];
        for (bits, exponent, last, legacy, expected) in [
            (2048, usual, 1, Legacy::NONE, Ok(())),
            (8192, usual, 1, Legacy::NONE, Ok(())),
            (8200, usual, 1, Legacy::ALL, Err(Reason::WeakKey)),
            (2040, usual, 1, Legacy::NONE, Err(Reason::WeakKey)),
            (1024, usual, 1, Legacy::RSA1024, Ok(())),
            (1016, usual, 1, Legacy::ALL, Err(Reason::WeakKey)),
            (2048, usual, 2, Legacy::NONE, Err(Reason::BadParameters)),
            (2048, &[3], 1, Legacy::ALL, Err(Reason::BadParameters)),
            (
                2048,
                &[1, 0, 0],
                1,
                Legacy::NONE,
                Err(Reason::BadParameters),
            ),
            (
                2048,
                &[2, 0, 0, 0, 1],
                1,
                Legacy::NONE,
                Err(Reason::BadParameters),
            ),
            (2048, &[1, 0, 0, 0, 1], 1, Legacy::NONE, Ok(())),
        ] {
            let key = rsa_key(bits, exponent, last);
            assert_eq!(key.check(legacy), expected, "{bits} {exponent:?} {last}");
        }
    }

    #[test]
    fn s47_points_off_the_curve_are_refused() {
        let mut point = vec![4];
        point.extend([1; 64]);
        let key = PublicKey::Ec {
            curve: Curve::P256,
            point,
        };
        assert_eq!(key.check(Legacy::ALL), Err(Reason::BadParameters));
    }

    #[test]
    fn keys_read_back_from_their_own_encoding() {
        for key in [
            rsa_key(2048, &[1, 0, 1], 1),
            PublicKey::Ed25519([7; 32]),
            PublicKey::X25519([9; 32]),
        ] {
            assert_eq!(PublicKey::from_spki(&key.spki_der()), Ok(key));
        }
    }
}
