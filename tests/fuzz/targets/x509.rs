//! Targets `certificate` and `path`: one certificate, and chains with revocation lists.

use std::collections::BTreeSet;

use der::{Decode as _, Encode as _};
use listseal::asn1::Reader;
use listseal::model::Address;
use listseal::model::list::{Legacy, Revocation};
use listseal::pki::certificate::CertificateError;
use listseal::pki::path::validate;
use listseal::pki::public_key::PublicKey;
use listseal::pki::{Anchors, Certificate, Chain, ChainVerdict, Crl, Crls, Purpose, Query, pem};
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::signature::Verifier as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::world::{NOW, world};

/// Whatever the `x509-cert` crate reads is read, and where it is DER throughout, says the same: bytes, names, times, key,
/// extensions, addresses. What is read can be written and read again, has a report, and is trusted
/// only where [`world`] issued it.
pub fn certificate(data: &[u8]) {
    let theirs = x509_cert::Certificate::from_der(data);
    let ours = match Certificate::from_der(data) {
        Ok(ours) => ours,
        Err(CertificateError::DoubledExtension | CertificateError::TooLarge) => return,
        Err(error) => {
            assert!(theirs.is_err(), "x509-cert reads what is refused: {error}");
            return;
        }
    };
    assert!(ours.der() == data);
    // What it sorts or shortens when writing is odd, and kept as it is here.
    if let Ok(theirs) = theirs
        && theirs.to_der().is_ok_and(|written| written == data)
    {
        same(&ours, &theirs);
    }
    let text = pem::encode("CERTIFICATE", data);
    assert_eq!(
        pem::certificates(text.as_bytes()).unwrap(),
        std::slice::from_ref(&ours)
    );

    let addresses = ours.addresses();
    assert!(addresses.iter().all(|address| ours.names(address)));
    let distinct: BTreeSet<&str> = addresses.iter().map(Address::key).collect();
    assert_eq!(distinct.len(), addresses.len(), "an address stands twice");
    if let Ok(key) = ours.public_key() {
        let again = PublicKey::from_spki(&key.spki_der());
        assert!(
            again == Ok(key.clone()),
            "the key is another after writing it"
        );
        let _ = (key.check(Legacy::NONE), key.check(Legacy::ALL), key.name());
    }
    if listseal::seal::usable(&ours, NOW).is_ok() {
        assert!(ours.usage().encrypt && ours.is_valid_at(NOW));
    }
    let _ = listseal::seal::recipient(&ours, listseal::seal::KeyTransport::Oaep, NOW);
    let _ = (
        ours.subject(),
        ours.issuer(),
        ours.serial_hex(),
        ours.key_usage(),
    );
    let _ = (
        ours.is_for_email(),
        ours.basic_constraints(),
        ours.authority_key_id(),
    );
    let alone = Anchors::new(vec![ours.clone()]);
    let crls = Crls::new(Vec::new());
    for purpose in [Purpose::Sign, Purpose::Encrypt] {
        let query = Query {
            leaf: &ours,
            pool: &[],
            anchors: &world().anchors,
            crls: &crls,
            at: NOW,
            purpose,
            legacy: Legacy::ALL,
            revocation: Revocation::Soft,
        };
        judged(&query);
        let own = validate(&Query {
            anchors: &alone,
            ..query
        });
        let usage = ours.usage();
        let for_it = match purpose {
            Purpose::Sign => usage.sign,
            Purpose::Encrypt => usage.encrypt,
        };
        let fits = ours.is_valid_at(NOW) && for_it;
        assert!(
            own.verdict != ChainVerdict::Trusted || fits,
            "an anchor not in force or not for it"
        );
    }
}

fn same(ours: &Certificate, theirs: &x509_cert::Certificate) {
    let tbs = theirs.tbs_certificate();
    assert!(ours.tbs() == tbs.to_der().unwrap(), "another body");
    assert!(
        ours.serial() == tbs.serial_number().as_bytes(),
        "another serial number"
    );
    assert!(
        ours.issuer_der() == tbs.issuer().to_der().unwrap(),
        "another issuer"
    );
    assert!(
        ours.subject_der() == tbs.subject().to_der().unwrap(),
        "another subject"
    );
    let spki = tbs.subject_public_key_info().to_der().unwrap();
    assert!(ours.spki_der() == spki, "another key");
    let seconds = |at: &x509_cert::time::Time| at.to_unix_duration().as_secs();
    for (ours, theirs) in [
        (ours.not_before(), &tbs.validity().not_before),
        (ours.not_after(), &tbs.validity().not_after),
    ] {
        assert_eq!(
            u64::try_from(ours.unix_timestamp()),
            Ok(seconds(theirs)),
            "another time"
        );
    }
    let none = Vec::new();
    let extensions = tbs.extensions().unwrap_or(&none);
    assert_eq!(ours.extensions().count(), extensions.len());
    for (ours, theirs) in ours.extensions().zip(extensions) {
        assert!(ours.oid == theirs.extn_id.as_bytes());
        assert!(ours.critical == theirs.critical && ours.value == theirs.extn_value.as_bytes());
    }
    let alternative = extensions
        .iter()
        .find(|one| one.extn_id.to_string() == "2.5.29.17")
        .map(|one| SubjectAltName::from_der(one.extn_value.as_bytes()));
    // One name that cannot be read makes all of them worthless here, and theirs does not look inside.
    if let Some(Ok(SubjectAltName(names))) = alternative
        && ours.alternative_names().is_ok()
    {
        let mail = names.iter().filter_map(|name| match name {
            GeneralName::Rfc822Name(text) => Address::parse(text.as_str()).ok(),
            _ => None,
        });
        let mail: Vec<Address> = mail.collect();
        let all = ours.addresses();
        assert!(
            mail.iter().all(|one| all.contains(one)),
            "an address is missing"
        );
        let others = names
            .iter()
            .any(|name| matches!(name, GeneralName::OtherName(_)));
        let is_there = |one: &Address| mail.contains(one) || !one.local().is_ascii() && others;
        let any = names
            .iter()
            .any(|name| matches!(name, GeneralName::Rfc822Name(_)));
        assert!(
            !any || all.iter().all(is_there),
            "an address that is not there"
        );
    }
}

/// Only what [`world`] issued is trusted, by a path that begins with it and ends at an anchor. Where
/// a revocation list is demanded, one is there whose signature the `rsa` crate verifies too; and who
/// is revoked is never trusted then.
///
/// Input: DER objects one behind the other, the certificate in question first.
pub fn path(data: &[u8]) {
    let (certificates, lists) = objects(data);
    let Some((leaf, pool)) = certificates.split_first() else {
        return;
    };
    let crls = Crls::new(lists.clone());
    for revocation in [Revocation::Off, Revocation::Soft, Revocation::Hard] {
        let query = Query {
            leaf,
            pool,
            anchors: &world().anchors,
            crls: &crls,
            at: NOW,
            purpose: Purpose::Sign,
            legacy: Legacy::ALL,
            revocation,
        };
        if judged(&query).verdict != ChainVerdict::Trusted || revocation != Revocation::Hard {
            continue;
        }
        assert!(leaf.subject() != "CN=rita", "who is revoked is trusted");
        assert!(
            *leaf == world().root.certificate || lists.iter().any(is_authentic),
            "trusted on the word of a list that nobody signed"
        );
    }
}

fn objects(data: &[u8]) -> (Vec<Certificate>, Vec<Crl>) {
    let mut reader = Reader::new(data);
    let (mut certificates, mut lists) = (Vec::new(), Vec::new());
    while let Ok(one) = reader.read() {
        if let Ok(certificate) = Certificate::from_der(one.raw) {
            certificates.push(certificate);
        } else if let Ok(list) = Crl::from_der(one.raw) {
            assert!(list.der() == one.raw);
            lists.push(list);
        }
        if certificates.len() + lists.len() == 64 {
            break;
        }
    }
    (certificates, lists)
}

/// True where the first certificate is trusted, revocation lists or not.
pub(super) fn is_trusted(data: &[u8]) -> bool {
    let (certificates, lists) = objects(data);
    let chain = certificates.split_first().map(|(leaf, pool)| {
        judged(&Query {
            leaf,
            pool,
            anchors: &world().anchors,
            crls: &Crls::new(lists),
            at: NOW,
            purpose: Purpose::Sign,
            legacy: Legacy::NONE,
            revocation: Revocation::Soft,
        })
    });
    chain.is_some_and(|chain| chain.verdict == ChainVerdict::Trusted)
}

fn judged(query: &Query<'_>) -> Chain {
    let chain = validate(query);
    assert_eq!(
        chain.reason.is_none(),
        chain.verdict == ChainVerdict::Trusted
    );
    assert_eq!(chain.path.first(), Some(query.leaf));
    if chain.verdict == ChainVerdict::Trusted {
        assert!(
            chain.path.iter().all(|one| world().has_issued(one)),
            "nobody issued it"
        );
        assert!(query.anchors.contains(chain.path.last().unwrap()));
    }
    chain
}

/// True for a list that the authority signed, by the word of other code than the library's.
fn is_authentic(list: &Crl) -> bool {
    let PublicKey::Rsa {
        modulus, exponent, ..
    } = world().root.key.public_key()
    else {
        return false;
    };
    let number = rsa::BoxedUint::from_be_slice_vartime;
    let key = rsa::RsaPublicKey::new(number(modulus), number(exponent)).unwrap();
    let key = VerifyingKey::<sha2::Sha256>::new(key);
    let (body, _, value) = list.signed_parts().unwrap();
    Signature::try_from(value).is_ok_and(|value| key.verify(body, &value).is_ok())
}
