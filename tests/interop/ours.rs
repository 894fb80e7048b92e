//! What Listseal sends: sealed copies and what a list signs.

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use listseal::asn1::ber::to_der;
use listseal::mime::Entity;
use listseal::model::Address;
use listseal::model::list::{ContentCipher, ListPolicy};
use listseal::pki::key::{KeyPair, PrivateKey};
use listseal::pki::pem;
use listseal::seal::{KeyTransport, Outer, Recipient, Sealing, list_signed as sign};

use super::common::lab::Identity;

fn pair(who: &Identity) -> KeyPair {
    let certificates = pem::certificates(&std::fs::read(&who.certificate).unwrap()).unwrap();
    let key = PrivateKey::from_pem(&std::fs::read(&who.key).unwrap(), None).unwrap();
    KeyPair::among(certificates, key).unwrap()
}

/// The CMS object of a copy for `who`.
pub fn sealed(entity: &[u8], who: &Identity, cipher: &str, oaep: bool) -> Vec<u8> {
    let cipher = [
        ContentCipher::Aes128Cbc,
        ContentCipher::Aes256Cbc,
        ContentCipher::Aes128Gcm,
        ContentCipher::Aes256Gcm,
    ]
    .into_iter()
    .find(|known| known.name() == cipher)
    .unwrap();
    let transport = if oaep {
        KeyTransport::Oaep
    } else {
        KeyTransport::Pkcs1v15
    };
    let post = Entity::parse(b"From: alice@example.org\r\nSubject: x\r\n\r\n").unwrap();
    let policy = ListPolicy::new(Address::parse("team@example.org").unwrap());
    let outer = Outer {
        fields: post.fields(),
        policy: &policy,
        sequence: None,
        via: None,
    };
    let mut rng = UnwrapErr(SysRng);
    let sealing = Sealing::new(entity, &outer, &[cipher], &mut rng).unwrap();
    let to = Recipient::new(&pair(who).certificate, transport).unwrap();
    let copy = sealing.copy_for(&to, cipher).unwrap().chunks().concat();
    let mail = Entity::parse(&copy).unwrap();
    let der = mail.decoded_body().unwrap();
    to_der(&der).unwrap().into_owned()
}

/// The content that a list signs, and its signature.
pub fn list_signed(entity: &[u8], list: &Identity) -> (Vec<u8>, Vec<u8>) {
    let signed = sign(entity, &pair(list), &[], &mut UnwrapErr(SysRng)).unwrap();
    let whole = Entity::parse(&signed).unwrap();
    let (content, signature) = whole.signed_parts().unwrap();
    (
        content.to_vec(),
        signature.decoded_body().unwrap().into_owned(),
    )
}
