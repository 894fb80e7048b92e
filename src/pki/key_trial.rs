//! A trial of a key pair: something is really encrypted for the certificate and opened with the key.

use rand_core::CryptoRng;
use rsa::{BoxedUint, Pkcs1v15Encrypt, RsaPublicKey};
use zeroize::Zeroizing;

use crate::asn1::Reader;
use crate::model::list::Legacy;
use crate::pki::certificate::Certificate;
use crate::pki::key::{KeyKind, PrivateKey};
use crate::pki::public_key::{Curve, PublicKey};
use crate::pki::signature::{SignatureAlgorithm, verify};

impl PrivateKey {
    /// True when what is encrypted for `certificate` opens with this key; for a key that cannot
    /// decrypt, when what it signs verifies with the certificate.
    ///
    /// Comparing public halves ([`PrivateKey::matches`]) would not notice a private half that was
    /// damaged.
    #[must_use]
    pub fn works_with(&self, certificate: &Certificate, rng: &mut dyn CryptoRng) -> bool {
        let Ok(public) = certificate.public_key() else {
            return false;
        };
        let result = match &public {
            PublicKey::Rsa {
                modulus, exponent, ..
            } => self.unwraps(modulus, exponent, rng),
            PublicKey::Ec { curve, point } => self.agrees(ec_kind(*curve), point),
            PublicKey::X25519(point) => self.agrees(KeyKind::X25519, point),
            PublicKey::Ed25519(_) => self.signs(&public),
        };
        result.unwrap_or(false)
    }

    fn unwraps(&self, modulus: &[u8], exponent: &[u8], rng: &mut dyn CryptoRng) -> Option<bool> {
        let number = BoxedUint::from_be_slice_vartime;
        let key =
            RsaPublicKey::new_with_size_limits(number(modulus), number(exponent), 1024..=8192);
        let mut secret = Zeroizing::new(vec![0; 32]);
        rng.fill_bytes(&mut secret);
        let wrapped = key.ok()?.encrypt(rng, Pkcs1v15Encrypt, &secret).ok()?;
        Some(self.decrypt_pkcs1v15(rng, &wrapped) == secret)
    }

    fn agrees(&self, kind: KeyKind, point: &[u8]) -> Option<bool> {
        let other = PrivateKey::generate(kind).ok()?;
        let theirs = other.agree(point)?;
        let ours = self.agree(&other.public_key().octets())?;
        Some(theirs == ours)
    }

    fn signs(&self, public: &PublicKey) -> Option<bool> {
        let message = b"trial";
        let (algorithm, _, value) = self.sign(message).ok()?;
        let algorithm = SignatureAlgorithm::from_tlv(Reader::new(&algorithm).read().ok()?).ok()?;
        Some(verify(public, &algorithm, message, &value, Legacy::NONE).is_ok())
    }
}

fn ec_kind(curve: Curve) -> KeyKind {
    match curve {
        Curve::P256 => KeyKind::P256,
        Curve::P384 => KeyKind::P384,
        Curve::P521 => KeyKind::P521,
    }
}

#[cfg(test)]
mod tests {
    use getrandom::SysRng;
    use rand_core::UnwrapErr;

    use crate::pki::key::PrivateKey;
    use crate::pki::pem;
    use crate::pki::testing::Scratch;

    #[test]
    fn only_the_key_of_the_certificate_passes_the_trial() {
        let scratch = Scratch::new();
        let mut rng = UnwrapErr(SysRng);
        for kind in ["rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-256", "ed25519"] {
            for name in ["a", "b"] {
                scratch.openssl(&format!(
                    "req -x509 -newkey {kind} -nodes -keyout {name}.key -out {name}.pem -subj /CN=x"
                ));
            }
            let certificate = scratch.certificate("a.pem");
            assert!(
                scratch.key("a.key").works_with(&certificate, &mut rng),
                "{kind}"
            );
            assert!(
                !scratch.key("b.key").works_with(&certificate, &mut rng),
                "{kind}"
            );
        }
    }
    #[test]
    fn damaged_private_numbers_are_refused_or_fail_the_trial() {
        let scratch = Scratch::new();
        let mut rng = UnwrapErr(SysRng);
        for kind in ["rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-256"] {
            scratch.openssl(&format!(
                "req -x509 -newkey {kind} -nodes -keyout k.pem -out c.pem -subj /CN=x"
            ));
            let certificate = scratch.certificate("c.pem");
            let good = pem::blocks(&scratch.read("k.pem")).unwrap().remove(0).body;
            // Behind the framing and, for RSA, modulus and exponent: private numbers alone.
            let private = if kind == "rsa:2048" { 310 } else { 40 };
            for place in (private..private + 24).chain([good.len() - 90]) {
                let mut bent = good.to_vec();
                bent[place] ^= 0x10;
                let text = pem::encode("PRIVATE KEY", &bent);
                let works = PrivateKey::from_pem(text.as_bytes(), None)
                    .is_ok_and(|key| key.works_with(&certificate, &mut rng));
                assert!(!works, "{kind}: octet {place} of {}", good.len());
            }
        }
    }
}
