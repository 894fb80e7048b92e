//! Private numbers turned into the objects that the two libraries compute with.
//!
//! RSA decryption is done by the `rsa` crate, which rejects implicitly (contract S12); everything
//! else by aws-lc.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::KeyPair as _;
use aws_lc_rs::{agreement, rand, rsa as aws_rsa, signature as aws};
use rand_core::CryptoRng;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::traits::PublicKeyParts;
use rsa::{Oaep, RsaPrivateKey};
use zeroize::Zeroizing;

use crate::asn1::reader::tag;
use crate::asn1::{oid, writer};
use crate::pki::digest::Digest;
use crate::pki::key::{KeyError, KeyKind, OaepParameters};
use crate::pki::key_file::{self, RawKey};
use crate::pki::public_key::{Curve, PublicKey};

/// A private key, ready to compute with.
pub enum Kind {
    Rsa {
        decrypt: Box<RsaPrivateKey>,
        sign: Option<aws_rsa::KeyPair>,
    },
    Ec {
        agree: agreement::PrivateKey,
        sign: aws::EcdsaKeyPair,
        digest: Digest,
    },
    Ed25519(aws::Ed25519KeyPair),
    X25519(agreement::PrivateKey),
}

/// Public half, PKCS#8 form and object of a key.
pub type Built = (PublicKey, Zeroizing<Vec<u8>>, Kind);

/// Builds the object of a key.
///
/// # Errors
///
/// [`KeyError::Malformed`] where the numbers do not belong together.
pub fn build(raw: RawKey) -> Result<Built, KeyError> {
    Ok(match raw {
        RawKey::Rsa(der) => from_rsa(&der)?,
        RawKey::Ec(curve, scalar) => from_ec(curve, &scalar)?,
        RawKey::Ed25519(seed) => {
            let pair =
                aws::Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| KeyError::Malformed)?;
            let point = <[u8; 32]>::try_from(pair.public_key().as_ref())
                .map_err(|_| KeyError::Malformed)?;
            let pkcs8 = envelope(&writer::algorithm(&oid::ED25519, &[]), &inner(&seed));
            (PublicKey::Ed25519(point), pkcs8, Kind::Ed25519(pair))
        }
        RawKey::X25519(scalar) => {
            let key = agreement::PrivateKey::from_private_key(&agreement::X25519, &scalar)
                .map_err(|_| KeyError::Malformed)?;
            let point = key.compute_public_key().map_err(|_| KeyError::Malformed)?;
            let point = <[u8; 32]>::try_from(point.as_ref()).map_err(|_| KeyError::Malformed)?;
            let pkcs8 = envelope(&writer::algorithm(&oid::X25519, &[]), &inner(&scalar));
            (PublicKey::X25519(point), pkcs8, Kind::X25519(key))
        }
    })
}

/// Makes the numbers of a new key; the library draws the randomness.
///
/// # Errors
///
/// [`KeyError::Generate`].
pub fn generate(kind: KeyKind) -> Result<RawKey, KeyError> {
    let rsa = |size| {
        let pair = aws_rsa::KeyPair::generate(size).map_err(|_| KeyError::Generate)?;
        let der = pair.as_der().map_err(|_| KeyError::Generate)?;
        Ok::<_, KeyError>(Zeroizing::new(der.as_ref().to_vec()))
    };
    let ec = |curve| {
        let pair = aws::EcdsaKeyPair::generate(ecdsa(curve).0).map_err(|_| KeyError::Generate)?;
        let document = pair.to_pkcs8v1().map_err(|_| KeyError::Generate)?;
        Ok::<_, KeyError>(Zeroizing::new(document.as_ref().to_vec()))
    };
    let seed = || {
        let mut seed = Zeroizing::new(vec![0; 32]);
        rand::fill(&mut seed).map_err(|_| KeyError::Generate)?;
        Ok::<_, KeyError>(seed)
    };
    let der = match kind {
        KeyKind::Rsa2048 => rsa(aws_rsa::KeySize::Rsa2048)?,
        KeyKind::Rsa3072 => rsa(aws_rsa::KeySize::Rsa3072)?,
        KeyKind::Rsa4096 => rsa(aws_rsa::KeySize::Rsa4096)?,
        KeyKind::P256 => ec(Curve::P256)?,
        KeyKind::P384 => ec(Curve::P384)?,
        KeyKind::P521 => ec(Curve::P521)?,
        KeyKind::Ed25519 => return Ok(RawKey::Ed25519(seed()?)),
        KeyKind::X25519 => return Ok(RawKey::X25519(seed()?)),
    };
    key_file::pkcs8(&der)
}

fn from_rsa(der: &[u8]) -> Result<(PublicKey, Zeroizing<Vec<u8>>, Kind), KeyError> {
    let decrypt = RsaPrivateKey::from_pkcs1_der(der).map_err(|_| KeyError::Malformed)?;
    let trimmed =
        |bytes: &[u8]| -> Vec<u8> { bytes.iter().copied().skip_while(|b| *b == 0).collect() };
    let public = PublicKey::Rsa {
        modulus: trimmed(&decrypt.n().to_be_bytes()),
        exponent: trimmed(&decrypt.e().to_be_bytes()),
        pss_only: false,
        pss: None,
    };
    let pkcs8 = envelope(
        &writer::algorithm(&oid::RSA_ENCRYPTION, &writer::null()),
        der,
    );
    // The library signs with 2048 bits and more; smaller keys only read old mail. A larger one that
    // it refuses is damaged in a number that decryption makes anew.
    let sign = match aws_rsa::KeyPair::from_der(der) {
        Ok(pair) => Some(pair),
        Err(_) if public.bits() < 2048 => None,
        Err(_) => return Err(KeyError::Malformed),
    };
    let decrypt = Box::new(decrypt);
    Ok((public, pkcs8, Kind::Rsa { decrypt, sign }))
}

fn from_ec(curve: Curve, scalar: &[u8]) -> Result<(PublicKey, Zeroizing<Vec<u8>>, Kind), KeyError> {
    let agree = agreement::PrivateKey::from_private_key(ecdh(curve), scalar)
        .map_err(|_| KeyError::Malformed)?;
    let point = agree
        .compute_public_key()
        .map_err(|_| KeyError::Malformed)?
        .as_ref()
        .to_vec();
    let (algorithm, digest) = ecdsa(curve);
    let sign = aws::EcdsaKeyPair::from_private_key_and_public_key(algorithm, scalar, &point)
        .map_err(|_| KeyError::Malformed)?;
    let public_part = writer::element(tag::context(1), &[&writer::bit_string(&point)]);
    let scalar = inner(scalar);
    let sec1 = Zeroizing::new(writer::sequence(&[
        &writer::small_uint(1),
        &scalar,
        &public_part,
    ]));
    let pkcs8 = envelope(
        &writer::algorithm(&oid::EC_PUBLIC_KEY, &writer::oid(&curve.oid())),
        &sec1,
    );
    let kind = Kind::Ec {
        agree,
        sign,
        digest,
    };
    Ok((PublicKey::Ec { curve, point }, pkcs8, kind))
}

fn inner(secret: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(writer::octet_string(secret))
}

/// Returns a PrivateKeyInfo (RFC 5208).
fn envelope(algorithm: &[u8], key: &[u8]) -> Zeroizing<Vec<u8>> {
    let key = inner(key);
    Zeroizing::new(writer::sequence(&[&writer::small_uint(0), algorithm, &key]))
}

fn ecdsa(curve: Curve) -> (&'static aws::EcdsaSigningAlgorithm, Digest) {
    match curve {
        Curve::P256 => (&aws::ECDSA_P256_SHA256_ASN1_SIGNING, Digest::Sha256),
        Curve::P384 => (&aws::ECDSA_P384_SHA384_ASN1_SIGNING, Digest::Sha384),
        Curve::P521 => (&aws::ECDSA_P521_SHA512_ASN1_SIGNING, Digest::Sha512),
    }
}

/// Returns the agreement algorithm of a curve.
pub fn ecdh(curve: Curve) -> &'static agreement::Algorithm {
    match curve {
        Curve::P256 => &agreement::ECDH_P256,
        Curve::P384 => &agreement::ECDH_P384,
        Curve::P521 => &agreement::ECDH_P521,
    }
}

/// Unwraps an RSA-OAEP ciphertext; `None` for whatever reason it fails.
pub fn decrypt_oaep(
    key: &RsaPrivateKey,
    rng: &mut dyn CryptoRng,
    parameters: &OaepParameters,
    ciphertext: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    match parameters.digest {
        Digest::Sha1 => oaep::<sha1::Sha1>(key, rng, parameters, ciphertext),
        Digest::Sha224 => oaep::<sha2::Sha224>(key, rng, parameters, ciphertext),
        Digest::Sha256 => oaep::<sha2::Sha256>(key, rng, parameters, ciphertext),
        Digest::Sha384 => oaep::<sha2::Sha384>(key, rng, parameters, ciphertext),
        Digest::Sha512 => oaep::<sha2::Sha512>(key, rng, parameters, ciphertext),
        _ => None,
    }
}

fn oaep<D>(
    key: &RsaPrivateKey,
    rng: &mut dyn CryptoRng,
    parameters: &OaepParameters,
    ciphertext: &[u8],
) -> Option<Zeroizing<Vec<u8>>>
where
    D: sha2::Digest + sha2::digest::FixedOutputReset,
{
    let label = || parameters.label.clone();
    let plain = match parameters.mgf {
        Digest::Sha1 => {
            let padding = Oaep::<D, sha1::Sha1>::new_with_mgf_hash_and_label(label());
            key.decrypt_blinded(rng, padding, ciphertext)
        }
        Digest::Sha224 => {
            let padding = Oaep::<D, sha2::Sha224>::new_with_mgf_hash_and_label(label());
            key.decrypt_blinded(rng, padding, ciphertext)
        }
        Digest::Sha256 => {
            let padding = Oaep::<D, sha2::Sha256>::new_with_mgf_hash_and_label(label());
            key.decrypt_blinded(rng, padding, ciphertext)
        }
        Digest::Sha384 => {
            let padding = Oaep::<D, sha2::Sha384>::new_with_mgf_hash_and_label(label());
            key.decrypt_blinded(rng, padding, ciphertext)
        }
        Digest::Sha512 => {
            let padding = Oaep::<D, sha2::Sha512>::new_with_mgf_hash_and_label(label());
            key.decrypt_blinded(rng, padding, ciphertext)
        }
        _ => return None,
    };
    plain.ok().map(Zeroizing::new)
}
