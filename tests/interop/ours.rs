//! What Listseal sends: sealed copies and what a list signs.

use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use listseal::asn1::ber::to_der;
use listseal::mime::{Entity, Field};
use listseal::model::Address;
use listseal::model::list::{ContentCipher, ListPolicy};
use listseal::pki::key::{KeyPair, PrivateKey};
use listseal::pki::pem;
use listseal::seal::{self, Cover, KeyTransport, Outer, Recipient, Sealing};

use super::common::lab::Identity;

fn pair(who: &Identity) -> KeyPair {
    let certificates = pem::certificates(&std::fs::read(&who.certificate).unwrap()).unwrap();
    let key = PrivateKey::from_pem(&std::fs::read(&who.key).unwrap(), None).unwrap();
    KeyPair::among(certificates, key).unwrap()
}

/// Does something with the outside of a post by alice.
fn with_outer<T>(work: impl FnOnce(&Outer) -> T) -> T {
    let post = Entity::parse(b"From: alice@example.org\r\nSubject: x\r\n\r\n").unwrap();
    let fields: &[Field] = post.fields();
    let policy = ListPolicy::new(Address::parse("team@example.org").unwrap());
    let alice = Address::parse("alice@example.org").unwrap();
    work(&Outer {
        fields,
        protected_subject: None,
        subject_is_hidden: false,
        policy: &policy,
        sequence: None,
        via: Some(&alice),
    })
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
    let rng = &mut UnwrapErr(SysRng);
    let sealing = with_outer(|outer| Sealing::new(entity, outer, &[cipher], rng).unwrap());
    let to = Recipient::new(&pair(who).certificate, transport).unwrap();
    let copy = sealing.copy_for(&to, cipher).unwrap().chunks().concat();
    let mail = Entity::parse(&copy).unwrap();
    let der = mail.decoded_body().unwrap();
    to_der(&der).unwrap().into_owned()
}

/// What a list with `sign = true` makes of an entity.
pub fn list_signed(entity: &[u8], list: &Identity, sealed: bool) -> Vec<u8> {
    let cover = if sealed { Cover::Sealed } else { Cover::Clear };
    let rng = &mut UnwrapErr(SysRng);
    let pair = pair(list);
    with_outer(|outer| {
        seal::list_signed(entity, outer, cover, &pair, rng)
            .unwrap()
            .to_vec()
    })
}

/// The content that is signed, and the signature.
pub fn parts(signed: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let whole = Entity::parse(signed).unwrap();
    let (content, signature) = whole.signed_parts().unwrap();
    (
        content.to_vec(),
        signature.decoded_body().unwrap().into_owned(),
    )
}

/// The parts of a multipart/mixed.
pub fn parts_of_mixed(mixed: &[u8]) -> Vec<Vec<u8>> {
    let mixed = Entity::parse(mixed).unwrap();
    assert_eq!(mixed.content_type().kind, "multipart/mixed");
    mixed
        .parts()
        .unwrap()
        .into_iter()
        .map(<[u8]>::to_vec)
        .collect()
}
