//! Which certificates of an admitted mail are worth keeping, and which may replace an older one.
//!
//! # Place in the flow
//!
//! authorize → **harvest** → the certificate directory.
//!
//! # Trust
//!
//! The mail's signature, chain and From were judged before. What else lies in its bag is anybody's:
//! a certificate that was planted there would read everything sent to this subscriber from now on
//! (contract, threat 2).
//!
//! # Invariants
//!
//! * Only the author's address is ever learned for (contract S31).
//! * A certificate that only signs never touches the one that encrypts (contract S32).
//! * What is in force is replaced by something newer of the same issuer and strength, never the
//!   other way (contract S34).
//!
//! # See also
//!
//! RFC 8551 section 2.5.3.

use std::cmp::Reverse;

use crate::model::Address;
use crate::pki::path::Purpose;
use crate::pki::{Certificate, PublicKey};

pub use crate::pki::slot::Slot;

/// What an admitted mail proves and carries.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The From address, proven by the signature.
    pub author: &'a Address,
    /// The certificate the signature was verified with.
    pub signer: &'a Certificate,
    /// Everything in the bag.
    pub enclosed: &'a [Certificate],
    /// The enclosed certificate that the signed SMIMEEncryptionKeyPreference names.
    pub preferred: Option<&'a Certificate>,
}

/// One certificate to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learned {
    /// For whom.
    pub address: Address,
    /// In which place.
    pub slot: Slot,
    /// The certificate.
    pub certificate: Certificate,
    /// What stands between it and its anchor: without these nobody could tell later that it was
    /// revoked (contract S35).
    pub issuers: Vec<Certificate>,
}

/// Returns what to keep of a mail: the signer's certificate, and the one to encrypt with where it
/// is another one.
///
/// `trusted` returns what stands between a certificate and its anchor, where it has a trusted chain
/// for a purpose, now.
pub fn harvest(
    evidence: &Evidence<'_>,
    mut trusted: impl FnMut(&Certificate, Purpose) -> Option<Vec<Certificate>>,
) -> Vec<Learned> {
    let Evidence { author, signer, .. } = evidence;
    if !signer.names(author) || !signer.usage().sign {
        return Vec::new();
    }
    let Some(signs) = trusted(signer, Purpose::Sign) else {
        return Vec::new();
    };
    let learned = |slot, certificate: &Certificate, issuers| Learned {
        address: (*author).clone(),
        slot,
        certificate: certificate.clone(),
        issuers,
    };
    let encrypts = (signer.usage().encrypt)
        .then(|| trusted(signer, Purpose::Encrypt))
        .flatten();
    match separate_encryption(evidence, encrypts.is_some(), trusted) {
        Some((other, issuers)) => vec![
            learned(Slot::Sign, signer, signs),
            learned(Slot::Encrypt, other, issuers),
        ],
        None => match encrypts {
            Some(issuers) => vec![learned(Slot::Both, signer, issuers)],
            None => vec![learned(Slot::Sign, signer, signs)],
        },
    }
}

/// Returns the enclosed certificate to encrypt with, where that is not the signer's (contract S33).
fn separate_encryption<'a>(
    evidence: &Evidence<'a>,
    signer_encrypts: bool,
    mut trusted: impl FnMut(&Certificate, Purpose) -> Option<Vec<Certificate>>,
) -> Option<(&'a Certificate, Vec<Certificate>)> {
    let Evidence { author, signer, .. } = evidence;
    let mut fitting = |candidate: &'a Certificate| {
        let fits = candidate != *signer && candidate.usage().encrypt && candidate.names(author);
        let issuers = fits
            .then(|| trusted(candidate, Purpose::Encrypt))
            .flatten()?;
        Some((candidate, issuers))
    };
    if let Some(preferred) = evidence.preferred {
        if preferred == *signer && signer_encrypts {
            return None;
        }
        if let Some(found) = fitting(preferred) {
            return Some(found);
        }
    }
    if signer_encrypts {
        return None;
    }
    let mut candidates: Vec<&Certificate> = evidence
        .enclosed
        .iter()
        .take(MAX_ENCLOSED)
        .filter(|candidate| same_issuer(candidate, signer))
        .collect();
    candidates.sort_by_key(|candidate| Reverse(candidate.not_before()));
    candidates.into_iter().find_map(fitting)
}

/// Contract E13.
const MAX_ENCLOSED: usize = 32;

/// What becomes of a learned certificate beside the one in force (contract S34).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is the one in force.
    Known,
    /// It is older than the one in force: nothing happens.
    Older,
    /// It is not adopted silently: the old one stays in force and the owner hears of it.
    Pending(Doubt),
    /// It takes effect.
    Adopt,
}

/// Why a newer certificate is not adopted silently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Another authority issued it.
    OtherIssuer,
    /// It ends before the one in force.
    ShorterLife,
    /// Its key is weaker.
    WeakerKey,
    /// What is in force cannot be read, and so not compared with.
    Unreadable,
}

impl Doubt {
    /// Returns the sentence for the owner.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::OtherIssuer => "it was issued by another authority than the one in force",
            Self::ShorterLife => "it ends before the one in force",
            Self::WeakerKey => "its key is weaker than that of the one in force",
            Self::Unreadable => "the file of the one in force cannot be used",
        }
    }
}

/// Decides whether `new` takes the place of `old`, the certificate in force for the same use.
#[must_use]
pub fn decide(old: Option<&Certificate>, new: &Certificate) -> Decision {
    let Some(old) = old else {
        return Decision::Adopt;
    };
    if old == new {
        return Decision::Known;
    }
    if new.not_before() <= old.not_before() {
        return Decision::Older;
    }
    let (Ok(old_key), Ok(new_key)) = (old.public_key(), new.public_key()) else {
        return Decision::Pending(Doubt::WeakerKey);
    };
    if !same_issuer(old, new) {
        return Decision::Pending(Doubt::OtherIssuer);
    }
    // The same key again is the same person, whatever else changed.
    if old_key == new_key {
        return Decision::Adopt;
    }
    if strength(&new_key) < strength(&old_key) {
        return Decision::Pending(Doubt::WeakerKey);
    }
    if new.not_after() < old.not_after() {
        return Decision::Pending(Doubt::ShorterLife);
    }
    Decision::Adopt
}

fn strength(key: &PublicKey) -> (usize, usize) {
    let within_kind = match key {
        PublicKey::Rsa { .. } => key.bits(),
        _ => 0,
    };
    (key.security_bits(), within_kind)
}

/// True where both name the same issuer and, as far as they tell, the same key of it.
fn same_issuer(a: &Certificate, b: &Certificate) -> bool {
    let keys_agree = match (a.authority_key_id(), b.authority_key_id()) {
        (Some(x), Some(y)) => x == y,
        _ => true,
    };
    a.issuer_name() == b.issuer_name() && keys_agree
}

#[cfg(test)]
mod tests {
    use getrandom::SysRng;
    use rand_core::UnwrapErr;
    use time::macros::datetime;
    use time::{Duration, OffsetDateTime};

    use super::*;
    use crate::pki::issue::{Contents, Role, issue, self_signed};
    use crate::pki::{KeyKind, PrivateKey};

    const DAY: OffsetDateTime = datetime!(2026-01-01 0:00 UTC);

    struct Authority {
        certificate: Certificate,
        key: PrivateKey,
    }

    fn contents<'a>(addresses: &'a [Address], start: i64, days: i64, role: Role) -> Contents<'a> {
        Contents {
            common_name: "x",
            addresses,
            not_before: DAY + Duration::days(start),
            not_after: DAY + Duration::days(start + days),
            role,
        }
    }

    fn authority() -> Authority {
        let key = PrivateKey::generate(KeyKind::P256).unwrap();
        let role = Role::Authority { path_len: None };
        let certificate =
            self_signed(&contents(&[], 0, 999, role), &key, &mut UnwrapErr(SysRng)).unwrap();
        Authority { certificate, key }
    }

    impl Authority {
        fn user(&self, address: &str, sign: bool, encrypt: bool) -> Certificate {
            let key = PrivateKey::generate(KeyKind::P256).unwrap();
            self.certify(&key, address, 0, 100, Role::User { sign, encrypt })
        }

        fn certify(
            &self,
            key: &PrivateKey,
            address: &str,
            start: i64,
            days: i64,
            role: Role,
        ) -> Certificate {
            let addresses = [Address::parse(address).unwrap()];
            let contents = contents(&addresses, start, days, role);
            let mut rng = UnwrapErr(SysRng);
            issue(
                &contents,
                key.public_key(),
                &self.certificate,
                &self.key,
                &mut rng,
            )
            .unwrap()
        }
    }

    const BOTH: Role = Role::User {
        sign: true,
        encrypt: true,
    };

    fn slots(
        author: &str,
        signer: &Certificate,
        enclosed: &[Certificate],
        preferred: Option<&Certificate>,
        mut is_trusted: impl FnMut(&Certificate, Purpose) -> bool,
    ) -> Vec<(Slot, Certificate)> {
        let author = Address::parse(author).unwrap();
        let evidence = Evidence {
            author: &author,
            signer,
            enclosed,
            preferred,
        };
        let learned = harvest(&evidence, |one, purpose| {
            is_trusted(one, purpose).then(Vec::new)
        });
        assert!(learned.iter().all(|l| l.address == author));
        learned
            .into_iter()
            .map(|l| (l.slot, l.certificate))
            .collect()
    }

    const ALICE: &str = "alice@example.org";

    #[test]
    fn s31_only_the_author_is_learned_for() {
        let ca = authority();
        let signer = ca.user(ALICE, true, true);
        let learned = slots(ALICE, &signer, &[], None, |_, _| true);
        assert_eq!(learned, [(Slot::Both, signer.clone())]);
        assert!(slots("bob@example.org", &signer, &[], None, |_, _| true).is_empty());
        assert!(slots(ALICE, &signer, &[], None, |_, _| false).is_empty());
        let only_sign = |_: &Certificate, purpose| purpose == Purpose::Sign;
        let learned = slots(ALICE, &signer, &[], None, only_sign);
        assert_eq!(learned, [(Slot::Sign, signer)]);
    }

    #[test]
    fn s33_an_enclosed_encryption_certificate_counts_only_with_reason() {
        let (ca, other_ca) = (authority(), authority());
        let signer = ca.user(ALICE, true, false);
        let enc = ca.user(ALICE, false, true);
        let learned = |bag: &[Certificate], preferred, signer: &Certificate| {
            slots(ALICE, signer, bag, preferred, |_, _| true)
        };
        let split = vec![(Slot::Sign, signer.clone()), (Slot::Encrypt, enc.clone())];
        let bag = [signer.clone(), enc.clone()];
        assert_eq!(learned(&bag, None, &signer), split);
        // Another person's, another authority's, one that does not encrypt.
        let alone = vec![(Slot::Sign, signer.clone())];
        let bob = ca.user("bob@example.org", false, true);
        let foreign = other_ca.user(ALICE, false, true);
        let signs = ca.user(ALICE, true, false);
        for planted in [bob, foreign.clone(), signs] {
            assert_eq!(learned(&[planted], None, &signer), alone);
        }
        // Named by the signature, another authority is fine, if it is trusted.
        let named = learned(std::slice::from_ref(&foreign), Some(&foreign), &signer);
        assert_eq!(named[1], (Slot::Encrypt, foreign.clone()));
        let distrust = |c: &Certificate, _| *c != foreign;
        let named = slots(ALICE, &signer, &[], Some(&foreign), distrust);
        assert_eq!(named, alone);
        // A signer who encrypts himself wins over what merely lies in the bag.
        let both = ca.user(ALICE, true, true);
        assert_eq!(learned(&bag, None, &both), [(Slot::Both, both.clone())]);
        assert_eq!(
            learned(&bag, Some(&both), &both),
            [(Slot::Both, both.clone())]
        );
        let named = learned(&bag, Some(&enc), &both);
        assert_eq!(named, [(Slot::Sign, both), (Slot::Encrypt, enc)]);
    }

    #[test]
    fn s33_the_newest_of_several_is_taken() {
        let ca = authority();
        let signer = ca.user(ALICE, true, false);
        let role = Role::User {
            sign: false,
            encrypt: true,
        };
        let make = |start| {
            let key = PrivateKey::generate(KeyKind::P256).unwrap();
            ca.certify(&key, ALICE, start, 100, role)
        };
        let bag = [make(1), make(3), make(2)];
        let learned = slots(ALICE, &signer, &bag, None, |_, _| true);
        assert_eq!(learned[1], (Slot::Encrypt, bag[1].clone()));
    }

    #[test]
    fn s34_newer_replaces_older_and_never_the_other_way() {
        let (ca, other_ca) = (authority(), authority());
        let key = |kind| PrivateKey::generate(kind).unwrap();
        let (first, second) = (key(KeyKind::P256), key(KeyKind::P256));
        let old = ca.certify(&first, ALICE, 10, 100, BOTH);
        let new = |key: &PrivateKey, start, days| ca.certify(key, ALICE, start, days, BOTH);
        assert_eq!(decide(None, &old), Decision::Adopt);
        assert_eq!(decide(Some(&old), &old), Decision::Known);
        for (what, certificate, decision) in [
            ("newer", new(&second, 20, 100), Decision::Adopt),
            ("older", new(&second, 5, 300), Decision::Older),
            ("same day", new(&second, 10, 300), Decision::Older),
            ("same key, shorter", new(&first, 20, 10), Decision::Adopt),
            (
                "shorter",
                new(&second, 20, 10),
                Decision::Pending(Doubt::ShorterLife),
            ),
            (
                "weaker",
                new(&key(KeyKind::Rsa2048), 20, 100),
                Decision::Pending(Doubt::WeakerKey),
            ),
            (
                "stronger",
                new(&key(KeyKind::P384), 20, 100),
                Decision::Adopt,
            ),
            (
                "other issuer",
                other_ca.certify(&second, ALICE, 20, 300, BOTH),
                Decision::Pending(Doubt::OtherIssuer),
            ),
            (
                "other issuer, same key",
                other_ca.certify(&first, ALICE, 20, 300, BOTH),
                Decision::Pending(Doubt::OtherIssuer),
            ),
        ] {
            assert_eq!(decide(Some(&old), &certificate), decision, "{what}");
        }
    }
}
