//! Message digests under one name.

use aws_lc_rs::digest as aws;
use sha2::Digest as _;

use crate::asn1::oid::{self, Oid};
use crate::asn1::reader::tag;
use crate::asn1::{Asn1Error, Tlv, writer};
use crate::model::list::Legacy;

/// A digest algorithm, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Digest {
    /// MD5, for reading old mail only.
    Md5,
    /// SHA-1, for reading old mail only.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SHA3-256.
    Sha3_256,
    /// SHA3-384.
    Sha3_384,
    /// SHA3-512.
    Sha3_512,
}

impl Digest {
    /// Every digest.
    pub const ALL: [Self; 9] = [
        Self::Md5,
        Self::Sha1,
        Self::Sha224,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
        Self::Sha3_256,
        Self::Sha3_384,
        Self::Sha3_512,
    ];

    /// Returns its object identifier.
    #[must_use]
    pub fn oid(self) -> Oid {
        match self {
            Self::Md5 => oid::MD5,
            Self::Sha1 => oid::SHA1,
            Self::Sha224 => oid::SHA224,
            Self::Sha256 => oid::SHA256,
            Self::Sha384 => oid::SHA384,
            Self::Sha512 => oid::SHA512,
            Self::Sha3_256 => oid::SHA3_256,
            Self::Sha3_384 => oid::SHA3_384,
            Self::Sha3_512 => oid::SHA3_512,
        }
    }

    /// Returns the name used in JSON: `sha256`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Sha3_256 => "sha3-256",
            Self::Sha3_384 => "sha3-384",
            Self::Sha3_512 => "sha3-512",
        }
    }

    /// Returns the digest of `bytes`.
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Md5 => md5::Md5::digest(bytes).to_vec(),
            Self::Sha1 => sha1::Sha1::digest(bytes).to_vec(),
            Self::Sha224 => sha2::Sha224::digest(bytes).to_vec(),
            Self::Sha256 => sha2::Sha256::digest(bytes).to_vec(),
            Self::Sha384 => sha2::Sha384::digest(bytes).to_vec(),
            Self::Sha512 => sha2::Sha512::digest(bytes).to_vec(),
            Self::Sha3_256 => sha3(&aws::SHA3_256, bytes),
            Self::Sha3_384 => sha3(&aws::SHA3_384, bytes),
            Self::Sha3_512 => sha3(&aws::SHA3_512, bytes),
        }
    }

    /// Returns the size of its value in bytes.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 | Self::Sha3_256 => 32,
            Self::Sha384 | Self::Sha3_384 => 48,
            Self::Sha512 | Self::Sha3_512 => 64,
        }
    }

    /// Returns the digest with this object identifier.
    #[must_use]
    pub fn from_oid(oid: &Tlv) -> Option<Self> {
        Self::ALL.into_iter().find(|d| oid.is_oid(&d.oid()))
    }

    /// Returns the digest that an AlgorithmIdentifier names; parameters are absent or NULL
    /// (RFC 5754 section 2).
    ///
    /// # Errors
    ///
    /// [`Asn1Error`] where it is none, names another algorithm ([`Asn1Error::Unexpected`]) or has
    /// other parameters ([`Asn1Error::Value`]).
    pub fn from_algorithm(algorithm: &Tlv) -> Result<Self, Asn1Error> {
        if algorithm.tag != tag::SEQUENCE {
            return Err(Asn1Error::Unexpected);
        }
        let mut fields = algorithm.children();
        let digest = Self::from_oid(&fields.expect(tag::OID)?).ok_or(Asn1Error::Unexpected)?;
        if let Some(null) = fields.optional(tag::NULL)?
            && !null.content.is_empty()
        {
            return Err(Asn1Error::Value);
        }
        fields.finish().map_err(|_| Asn1Error::Value)?;
        Ok(digest)
    }

    /// Returns its AlgorithmIdentifier: absent parameters for SHA-2 (RFC 5754) and SHA-3 (RFC 8702),
    /// NULL for the old.
    #[must_use]
    pub fn algorithm(self) -> Vec<u8> {
        match self {
            Self::Md5 | Self::Sha1 => writer::algorithm(&self.oid(), &writer::null()),
            _ => writer::algorithm(&self.oid(), &[]),
        }
    }

    /// True where signatures over this digest are accepted (contract S27, decision 10).
    #[must_use]
    pub fn is_admitted(self, legacy: Legacy) -> bool {
        match self {
            Self::Md5 => legacy.admits(Legacy::MD5),
            // SHA-224 is no floor that anybody names any more; it goes with SHA-1.
            Self::Sha1 | Self::Sha224 => legacy.admits(Legacy::SHA1),
            Self::Sha256
            | Self::Sha384
            | Self::Sha512
            | Self::Sha3_256
            | Self::Sha3_384
            | Self::Sha3_512 => true,
        }
    }
}

fn sha3(algorithm: &'static aws::Algorithm, bytes: &[u8]) -> Vec<u8> {
    aws::digest(algorithm, bytes).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asn1::Reader;

    #[test]
    fn algorithm_identifiers_read_back_and_odd_parameters_do_not() {
        for digest in Digest::ALL {
            let der = digest.algorithm();
            let tlv = Reader::only(&der, tag::SEQUENCE).unwrap();
            assert_eq!(Digest::from_algorithm(&tlv), Ok(digest));
            assert_eq!(digest.of(b"x").len(), digest.size());
            let odd = writer::algorithm(&digest.oid(), &writer::small_uint(1));
            let tlv = Reader::only(&odd, tag::SEQUENCE).unwrap();
            assert_eq!(Digest::from_algorithm(&tlv), Err(Asn1Error::Value));
        }
    }

    #[test]
    fn s27_weak_digests_need_permission() {
        assert!(!Digest::Sha1.is_admitted(Legacy::NONE));
        assert!(!Digest::Md5.is_admitted(Legacy::SHA1));
        assert!(Digest::Md5.is_admitted(Legacy::MD5));
        assert!(Digest::Sha256.is_admitted(Legacy::NONE));
    }
}
