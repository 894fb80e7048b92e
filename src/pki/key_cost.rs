//! How much work a passphrase may be to try.
//!
//! # Trust
//!
//! The file is the administrator's, but one that is damaged, or made to take hours, must not stop
//! the daemon for as long.

use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Kdf;

use crate::pki::key::KeyError;

/// Checks the number of iterations that a file asks for.
///
/// # Errors
///
/// [`KeyError::Unsupported`].
pub fn check_rounds(rounds: u64) -> Result<(), KeyError> {
    if (1..=MAX_ROUNDS).contains(&rounds) {
        Ok(())
    } else {
        Err(KeyError::Unsupported(format!("{rounds} iterations")))
    }
}

/// Checks time and memory that the key derivation of a PBES2 file asks for.
///
/// # Errors
///
/// [`KeyError::Unsupported`].
pub fn check(scheme: &EncryptionScheme) -> Result<(), KeyError> {
    let EncryptionScheme::Pbes2(parameters) = scheme else {
        return Ok(());
    };
    match &parameters.kdf {
        Kdf::Pbkdf2(one) => check_rounds(one.iteration_count.into()),
        Kdf::Scrypt(one) => {
            let blocks = one
                .cost_parameter
                .saturating_mul(one.block_size.into())
                .saturating_mul(one.parallelization.into());
            if (1..=MAX_BLOCKS).contains(&blocks) {
                Ok(())
            } else {
                Err(KeyError::Unsupported(format!(
                    "scrypt with {blocks} blocks"
                )))
            }
        }
        _ => Ok(()),
    }
}

const MAX_ROUNDS: u64 = 10_000_000;
/// Of 128 bytes, for scrypt: 256 MiB, which is 16 times what openssl takes.
const MAX_BLOCKS: u64 = 1 << 21;

#[cfg(test)]
mod tests {
    use der::Decode as _;
    use pkcs8::EncryptedPrivateKeyInfoRef;

    use super::*;
    use crate::asn1::oid::Oid;
    use crate::asn1::writer::{element, octet_string, oid, sequence, small_uint};

    fn outcome(kdf: &[u8]) -> Result<(), KeyError> {
        let named = |name: &str| oid(&Oid::new_unwrap(name));
        let cipher = sequence(&[&named("2.16.840.1.101.3.4.1.42"), &octet_string(&[0; 16])]);
        let scheme = sequence(&[&named("1.2.840.113549.1.5.13"), &sequence(&[kdf, &cipher])]);
        let file = sequence(&[&scheme, &octet_string(&[0; 16])]);
        check(
            &EncryptedPrivateKeyInfoRef::from_der(&file)
                .unwrap()
                .encryption_algorithm,
        )
    }

    fn pbkdf2(rounds: u64) -> Vec<u8> {
        let salt = octet_string(&[0; 8]);
        let name = oid(&Oid::new_unwrap("1.2.840.113549.1.5.12"));
        sequence(&[&name, &sequence(&[&salt, &small_uint(rounds)])])
    }

    fn scrypt(cost: u64, block: u64, parallel: u64) -> Vec<u8> {
        let salt = octet_string(&[0; 8]);
        let numbers = [cost, block, parallel].map(small_uint);
        let name = oid(&Oid::new_unwrap("1.3.6.1.4.1.11591.4.11"));
        let parameters = element(0x30, &[&salt, &numbers[0], &numbers[1], &numbers[2]]);
        sequence(&[&name, &parameters])
    }

    #[test]
    fn what_openssl_writes_is_tried_and_what_takes_hours_is_not() {
        for fine in [
            pbkdf2(1),
            pbkdf2(2048),
            pbkdf2(10_000_000),
            scrypt(1 << 14, 8, 1),
        ] {
            assert!(outcome(&fine).is_ok());
        }
        for refused in [
            pbkdf2(0),
            pbkdf2(10_000_001),
            pbkdf2(u32::MAX.into()),
            scrypt(0, 8, 1),
            scrypt(1 << 14, 0, 1),
            scrypt(1 << 14, 8, 0),
            scrypt(1 << 19, 8, 1),
            scrypt(1 << 14, 8, 1000),
            scrypt(1 << 63, 60_000, 60_000),
        ] {
            assert!(matches!(outcome(&refused), Err(KeyError::Unsupported(_))));
        }
    }
}
