//! Builds the CMS objects that a vector comes in, and reads them the way mail is read.

use std::sync::OnceLock;

use aes_kw::{KeyInit as _, KwAes128, KwAes192, KwAes256};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use listseal::asn1::oid::{self, Oid};
use listseal::asn1::reader::tag;
use listseal::asn1::{Reader, ber, writer};
use listseal::cms::CmsError;
use listseal::cms::content_info::{ContentInfo, ContentKind};
use listseal::cms::enveloped::{Enveloped, PrivateOperations};
use listseal::cms::signed::Signed;
use listseal::model::list::Legacy;
use listseal::pki::key::{KeyError, KeyKind, KeyPair, PrivateKey};
use listseal::pki::path::Work;
use listseal::pki::{Certificate, Digest, pem};

pub type Bytes = Vec<u8>;

/// A certificate around a SubjectPublicKeyInfo; nobody signed it, which is no question here.
pub fn certificate(spki: &[u8]) -> Result<Certificate, listseal::pki::CertificateError> {
    let name = writer::sequence(&[&writer::set_of(&[&writer::sequence(&[
        &writer::oid(&Oid::new_unwrap("2.5.4.3")),
        &writer::element(tag::UTF8_STRING, &[b"vectors"]),
    ])])]);
    let time = |text: &[u8]| writer::element(tag::UTC_TIME, &[text]);
    let validity = writer::sequence(&[&time(b"200101000000Z"), &time(b"400101000000Z")]);
    let algorithm = writer::algorithm(&oid::SHA256_RSA, &writer::null());
    let serial = writer::small_uint(1);
    let body = writer::sequence(&[&serial, &algorithm, &name, &validity, &name, spki]);
    Certificate::from_der(&writer::sequence(&[
        &body,
        &algorithm,
        &writer::bit_string(&[0]),
    ]))
}

/// The key of a PKCS#8 object in PEM, with a certificate.
pub fn pair(pkcs8: &[u8]) -> Result<KeyPair, KeyError> {
    let key = PrivateKey::from_pem(pem::encode("PRIVATE KEY", pkcs8).as_bytes(), None)?;
    let certificate = certificate(&key.public_key().spki_der()).unwrap();
    Ok(KeyPair::among(vec![certificate], key).unwrap())
}

/// A PrivateKeyInfo.
pub fn pkcs8(algorithm: &[u8], key: &[u8]) -> Bytes {
    let key = writer::octet_string(key);
    writer::sequence(&[&writer::small_uint(0), algorithm, &key])
}

fn issuer_and_serial(certificate: &Certificate) -> Bytes {
    let serial = writer::element(tag::INTEGER, &[certificate.serial()]);
    writer::sequence(&[certificate.issuer_der(), &serial])
}

/// KeyTransRecipientInfo.
pub fn transport(certificate: &Certificate, algorithm: &[u8], key: &[u8]) -> Bytes {
    let name = issuer_and_serial(certificate);
    let key = writer::octet_string(key);
    writer::sequence(&[&writer::small_uint(0), &name, algorithm, &key])
}

/// KeyAgreeRecipientInfo; `originator` is the OriginatorPublicKey under its own tag.
pub fn agreement(
    certificate: &Certificate,
    originator: &[u8],
    algorithm: &[u8],
    key: &[u8],
) -> Bytes {
    let name = issuer_and_serial(certificate);
    let encrypted = writer::sequence(&[&name, &writer::octet_string(key)]);
    let parts = [
        writer::small_uint(3),
        writer::element(tag::context(0), &[originator]),
        algorithm.to_vec(),
        writer::sequence(&[&encrypted]),
    ];
    writer::element(tag::context(1), &parts.each_ref().map(Vec::as_slice))
}

/// Encrypted content as it came out of a cipher.
pub struct Content<'a> {
    pub algorithm: &'a [u8],
    pub ciphertext: &'a [u8],
    /// The authentication tag, of AuthEnvelopedData.
    pub mac: Option<&'a [u8]>,
}

/// The ContentInfo of EnvelopedData, or AuthEnvelopedData where there is a tag.
pub fn enveloped(recipient: &[u8], content: &Content<'_>) -> Bytes {
    let encrypted = writer::sequence(&[
        &writer::oid(&oid::DATA),
        content.algorithm,
        &writer::element(tag::context_primitive(0), &[content.ciphertext]),
    ]);
    let recipients = writer::set_of(&[recipient]);
    let mac = content.mac.map(writer::octet_string).unwrap_or_default();
    let version = writer::small_uint(0);
    let body = writer::sequence(&[&version, &recipients, &encrypted, &mac]);
    let kind = match content.mac {
        Some(_) => oid::AUTH_ENVELOPED_DATA,
        None => oid::ENVELOPED_DATA,
    };
    content_info(&kind, &body)
}

fn content_info(kind: &Oid, body: &[u8]) -> Bytes {
    writer::sequence(&[
        &writer::oid(kind),
        &writer::element(tag::context(0), &[body]),
    ])
}

/// Opens an encrypted object: what was in it, or the code of the reason against it.
pub fn open(object: &[u8], pair: &KeyPair) -> Result<Bytes, &'static str> {
    let broken = |error: CmsError| error.reason().code();
    let der = ber::to_der(object).map_err(|error| broken(error.into()))?;
    let info = ContentInfo::parse(&der).map_err(broken)?;
    assert!(matches!(
        info.kind,
        ContentKind::Enveloped | ContentKind::AuthEnveloped
    ));
    let enveloped = Enveloped::parse(info.content, info.kind).map_err(broken)?;
    enveloped
        .open(
            std::slice::from_ref(pair),
            &[],
            Legacy::ALL,
            &mut PrivateOperations::default(),
            &mut UnwrapErr(SysRng),
        )
        .map(|decrypted| decrypted.plaintext.to_vec())
        .map_err(|reason| reason.code())
}

/// SignedData with the content inside and one signer without signed attributes.
pub fn signed(
    certificate: &Certificate,
    digest: &[u8],
    algorithm: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Bytes {
    let content = writer::sequence(&[
        &writer::oid(&oid::DATA),
        &writer::element(tag::context(0), &[&writer::octet_string(message)]),
    ]);
    let version = writer::small_uint(1);
    let signer = writer::sequence(&[
        &version,
        &issuer_and_serial(certificate),
        digest,
        algorithm,
        &writer::octet_string(signature),
    ]);
    let bag = writer::element(tag::context(0), &[certificate.der()]);
    let body = writer::sequence(&[
        &version,
        &writer::set_of(&[digest]),
        &content,
        &bag,
        &writer::set_of(&[&signer]),
    ]);
    content_info(&oid::SIGNED_DATA, &body)
}

/// Checks a signed object: the code of the reason against it, if there is one.
pub fn verify(object: &[u8]) -> Option<&'static str> {
    let der = ber::to_der(object).unwrap();
    let info = ContentInfo::parse(&der).unwrap();
    assert_eq!(info.kind, ContentKind::Signed);
    let signed = Signed::parse(info.content).unwrap();
    let content = signed.content().unwrap();
    let evidence = signed.verify(content, &[], Legacy::ALL, &mut Work::default());
    let [signer] = evidence.as_slice() else {
        panic!("one signer");
    };
    signer.result.err().map(|reason| reason.code())
}

/// A digest AlgorithmIdentifier, also of digests that are not read.
pub fn digest_algorithm(oid: &str) -> Bytes {
    writer::algorithm(&Oid::new_unwrap(oid), &[])
}

/// AES key wrap by the crate, as a sender does it.
pub fn wrap(kek: &[u8], key: &[u8]) -> Bytes {
    let mut out = vec![0; key.len() + 8];
    let done = match kek.len() {
        16 => KwAes128::new_from_slice(kek)
            .unwrap()
            .wrap_key(key, &mut out),
        24 => KwAes192::new_from_slice(kek)
            .unwrap()
            .wrap_key(key, &mut out),
        _ => KwAes256::new_from_slice(kek)
            .unwrap()
            .wrap_key(key, &mut out),
    };
    assert_eq!(done.unwrap().len(), key.len() + 8);
    out
}

/// The name of a key wrap by the length of its key, and its AlgorithmIdentifier.
pub fn wrap_algorithm(length: usize) -> Bytes {
    let oid = match length {
        16 => oid::AES128_WRAP,
        24 => oid::AES192_WRAP,
        _ => oid::AES256_WRAP,
    };
    writer::algorithm(&oid, &[])
}

/// ANSI X9.63 (SEC 1 section 3.6.1), written here anew.
pub fn x963(digest: Digest, secret: &[u8], info: &[u8], length: usize) -> Bytes {
    let blocks = u32::try_from(length.div_ceil(digest.size())).unwrap();
    let mut key: Bytes = (1..=blocks)
        .flat_map(|counter| digest.of(&[secret, &counter.to_be_bytes(), info].concat()))
        .collect();
    key.truncate(length);
    key
}

/// ECC-CMS-SharedInfo without user keying material (RFC 5753 section 7.2).
pub fn shared_info(wrap: &[u8], length: usize) -> Bytes {
    let bits = u32::try_from(length * 8).unwrap().to_be_bytes();
    let bits = writer::element(tag::context(2), &[&writer::octet_string(&bits)]);
    writer::sequence(&[wrap, &bits])
}

/// A list key whose mail is made here: the pair, and a RecipientInfo for any content key.
pub fn list_key() -> &'static KeyPair {
    static PAIR: OnceLock<KeyPair> = OnceLock::new();
    PAIR.get_or_init(|| {
        let key = PrivateKey::generate(KeyKind::P256).unwrap();
        let certificate = certificate(&key.public_key().spki_der()).unwrap();
        KeyPair::among(vec![certificate], key).unwrap()
    })
}

/// The RecipientInfo that holds `key` for [`list_key`].
pub fn for_list(key: &[u8]) -> Bytes {
    static SHARED: OnceLock<(Bytes, Bytes)> = OnceLock::new();
    let pair = list_key();
    let (point, secret) = SHARED.get_or_init(|| {
        let sender = PrivateKey::generate(KeyKind::P256).unwrap();
        let secret = sender.agree(&pair.key.public_key().octets()).unwrap();
        (sender.public_key().octets(), secret.to_vec())
    });
    let name = wrap_algorithm(32);
    let kek = x963(Digest::Sha256, secret, &shared_info(&name, 32), 32);
    let bare = writer::algorithm(&oid::EC_PUBLIC_KEY, &[]);
    let originator = writer::element(tag::context(1), &[&bare, &writer::bit_string(point)]);
    let scheme = writer::algorithm(&oid::DH_SHA256_KDF, &name);
    agreement(&pair.certificate, &originator, &scheme, &wrap(&kek, key))
}

/// Content under a key of 16, 24 or 32 bytes with AES-CBC: AlgorithmIdentifier and ciphertext.
pub fn aes_cbc(key: &[u8], plaintext: &[u8]) -> (Bytes, Bytes) {
    use aes::cipher::block_padding::Pkcs7;
    use aes::cipher::{BlockModeEncrypt as _, KeyIvInit as _};
    let iv = [7; 16];
    let (oid, sealed) = match key.len() {
        16 => (
            oid::AES128_CBC,
            cbc::Encryptor::<aes::Aes128>::new_from_slices(key, &iv)
                .unwrap()
                .encrypt_padded_vec::<Pkcs7>(plaintext),
        ),
        24 => (
            oid::AES192_CBC,
            cbc::Encryptor::<aes::Aes192>::new_from_slices(key, &iv)
                .unwrap()
                .encrypt_padded_vec::<Pkcs7>(plaintext),
        ),
        _ => (
            oid::AES256_CBC,
            cbc::Encryptor::<aes::Aes256>::new_from_slices(key, &iv)
                .unwrap()
                .encrypt_padded_vec::<Pkcs7>(plaintext),
        ),
    };
    (writer::algorithm(&oid, &writer::octet_string(&iv)), sealed)
}

/// Cuts one element.
pub fn only(der: &[u8], tag: u8) -> listseal::asn1::Tlv<'_> {
    Reader::only(der, tag).unwrap()
}
