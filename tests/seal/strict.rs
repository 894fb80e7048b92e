//! What is written is DER without any liberty: the strict readers of `cms` take it, and what they
//! write from it is the same to the byte.

use cms::authenveloped_data::AuthEnvelopedData;
use cms::cert::IssuerAndSerialNumber;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::enveloped_data::{
    EnvelopedData, KeyAgreeRecipientIdentifier, RecipientIdentifier, RecipientInfo, RecipientInfos,
};
use cms::signed_data::{SignedData, SignerIdentifier};
use der::{Decode, Encode};
use listseal::cms::sign::{certs_only, signed_detached};
use listseal::pki::{KeyPair, PrivateKey};
use x509_cert::certificate::Certificate;

use super::lab::{Lab, Person};
use super::{AGREE, CIPHERS, ENCRYPT, bytes, content, ready, seal_to};

/// Reads the object in a ContentInfo; both write back as they came.
fn read<T: for<'a> Decode<'a, Error = der::Error> + Encode>(der: &[u8]) -> T {
    let info = ContentInfo::from_der(der).unwrap();
    assert_eq!(info.to_der().unwrap(), der);
    let inside = info.content.to_der().unwrap();
    let object = T::from_der(&inside).unwrap();
    assert_eq!(object.to_der().unwrap(), inside);
    object
}

fn name_of(person: &Person) -> IssuerAndSerialNumber {
    let certificate = Certificate::from_der(person.certificate.der()).unwrap();
    let tbs = certificate.tbs_certificate();
    IssuerAndSerialNumber {
        issuer: tbs.issuer().clone(),
        serial_number: tbs.serial_number().clone(),
    }
}

fn assert_is_for(infos: &RecipientInfos, person: &Person) {
    let [info] = infos.0.as_slice() else {
        panic!("one recipient: {infos:?}");
    };
    let name = name_of(person);
    match info {
        RecipientInfo::Ktri(info) => {
            assert_eq!(info.version, CmsVersion::V0);
            assert_eq!(info.rid, RecipientIdentifier::IssuerAndSerialNumber(name));
        }
        RecipientInfo::Kari(info) => {
            assert_eq!(info.version, CmsVersion::V3);
            let keys = &info.recipient_enc_keys;
            assert_eq!(keys.len(), 1);
            let rid = KeyAgreeRecipientIdentifier::IssuerAndSerialNumber(name);
            assert_eq!(keys[0].rid, rid);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn s41_sealed_copies_are_strict_der_for_one_recipient() {
    let lab = Lab::new();
    let people = [
        lab.person("rsa", "RSA:2048", ENCRYPT, "81"),
        lab.person("ec", "EC:P-256", AGREE, "00ff"),
    ];
    // Lengths of one, two and three octets.
    for size in [60, 200, 70_000] {
        let sealing = seal_to(&content(size), &CIPHERS);
        for person in &people {
            for cipher in CIPHERS {
                let copy = sealing.copy_for(&ready(person), cipher).unwrap();
                let der = std::fs::read(lab.der(&bytes(&copy))).unwrap();
                if cipher.is_authenticated() {
                    let object: AuthEnvelopedData = read(&der);
                    assert_eq!(object.version, CmsVersion::V0);
                    assert!(object.auth_attrs.is_none());
                    assert_eq!(object.mac.as_bytes().len(), 16);
                    assert_is_for(&object.recip_infos, person);
                } else {
                    let object: EnvelopedData = read(&der);
                    let agreed =
                        matches!(object.recip_infos.0.as_slice()[0], RecipientInfo::Kari(_));
                    let version = [CmsVersion::V0, CmsVersion::V2][usize::from(agreed)];
                    assert_eq!(object.version, version);
                    assert_is_for(&object.recip_infos, person);
                }
            }
        }
    }
}

#[test]
fn signatures_and_bags_are_strict_der() {
    let lab = Lab::new();
    for (name, algorithm, usage) in [("team", "RSA:2048", ENCRYPT), ("crew", "EC:P-384", AGREE)] {
        let person = lab.person(name, algorithm, usage, "82");
        let key = std::fs::read(&person.key_file).unwrap();
        let pair = KeyPair {
            certificate: person.certificate.clone(),
            chain: Vec::new(),
            key: PrivateKey::from_pem(&key, None).unwrap(),
            suffix: String::new(),
        };
        let now = Some(time::OffsetDateTime::now_utc());
        let signed = signed_detached(b"text\r\n", &pair, &[], now).unwrap();
        let object: SignedData = read(&signed.der);
        assert_eq!(object.certificates.as_ref().unwrap().0.len(), 1);
        let [signer] = object.signer_infos.0.as_slice() else {
            panic!("one signer: {object:?}");
        };
        let sid = SignerIdentifier::IssuerAndSerialNumber(name_of(&person));
        assert_eq!(signer.sid, sid);
        assert_eq!(signer.signed_attrs.as_ref().unwrap().len(), 6);
        assert!(object.encap_content_info.econtent.is_none());

        let bag = certs_only(&[person.certificate.clone(), person.certificate]).unwrap();
        let object: SignedData = read(&bag);
        assert_eq!(object.certificates.unwrap().0.len(), 1);
        assert_eq!(object.signer_infos.0.len(), 0);
    }
    let object: SignedData = read(&certs_only(&[]).unwrap());
    assert!(object.certificates.is_none());
}
