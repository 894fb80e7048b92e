//! Targets `transcoder` and `verify`: BER framing, and SignedData with its signatures.

use std::borrow::Cow;

use ::cms::content_info::ContentInfo as OtherContentInfo;
use der::asn1::AnyRef;
use der::{Decode as _, Encode as _};
use listseal::asn1::reader::tag;
use listseal::asn1::{Reader, Tlv, ber};
use listseal::cms::content_info::{ContentInfo, ContentKind};
use listseal::cms::enveloped::Enveloped;
use listseal::cms::signed::{Signed, SignerEvidence};
use listseal::model::list::{Legacy, Revocation};
use listseal::pki::path::{Work, validate};
use listseal::pki::{Certificate, ChainVerdict, Crls, Purpose, Query};

use super::world::{NOW, is_marked, world};

/// What comes out is DER: cut by our reader and by the `der` crate alike, unchanged by a second
/// transcoding, and the same again from the same object with indefinite lengths. Where the `cms`
/// crate reads it, it reads what we read.
pub fn transcoder(data: &[u8]) {
    let Ok((der, rest)) = ber::first_to_der(data) else {
        assert!(ber::to_der(data).is_err());
        return;
    };
    assert!(data.ends_with(rest));
    assert_eq!(ber::to_der(data).is_ok(), rest.is_empty());
    if let Cow::Borrowed(same) = der {
        assert!([same, rest].concat() == data, "bytes were lost");
    }
    let again = ber::to_der(&der).expect("what came out is read again");
    assert!(*again == *der, "a second transcoding changes something");
    assert!(matches!(again, Cow::Borrowed(_)), "DER was copied");

    let mut reader = Reader::new(&der);
    let whole = reader.read().expect("what came out is DER");
    assert!(reader.is_empty());
    if whole.tag == tag::SEQUENCE {
        let other = AnyRef::from_der(&der).expect("the der crate reads it");
        assert!(other.value() == whole.content);
    }
    let streamed = indefinite(&der, 3);
    assert!(
        *ber::to_der(&streamed).expect("indefinite lengths are read") == *der,
        "indefinite lengths make a difference"
    );
    let ours = ContentInfo::parse(&der);
    if let Ok(theirs) = OtherContentInfo::from_der(&der) {
        let ours = ours.expect("what the cms crate reads is read");
        assert!(ours.content.raw == theirs.content.to_der().unwrap());
        assert!(ContentKind::of(&oid_of(&theirs.content_type.to_der().unwrap())) == ours.kind);
    }
    if let Ok(info) = ours {
        let _ = Signed::parse(info.content).map(|signed| (signed.crls().len(), signed.signers()));
        let _ = Enveloped::parse(info.content, info.kind).map(|one| one.content_algorithm_name());
    }
}

fn oid_of(der: &[u8]) -> Tlv<'_> {
    Reader::only(der, tag::OID).unwrap()
}

/// Returns a DER element with indefinite lengths down to this depth.
fn indefinite(der: &[u8], levels: usize) -> Vec<u8> {
    let mut reader = Reader::new(der);
    let whole = reader.read().unwrap();
    if levels == 0 || whole.tag & 0x20 == 0 {
        return der.to_vec();
    }
    let mut out = vec![whole.tag, 0x80];
    let mut children = whole.children();
    // Bytes that are no elements cannot stand in front of an end-of-contents mark.
    while let Ok(child) = children.read() {
        out.extend(indefinite(child.raw, levels - 1));
    }
    if !children.is_empty() {
        return der.to_vec();
    }
    out.extend([0, 0]);
    out
}

/// A signature that holds with the key of one of the people of [`world`] is over content that they
/// signed, whatever else stands in the object, with everything old admitted too. What verifies,
/// verifies from indefinite lengths again, and not over other content. Nobody but the people of
/// [`world`] is trusted.
///
/// Input: the length of the detached content in two octets, that content, the object.
pub fn verify(data: &[u8]) {
    let Some((detached, object)) = parted(data) else {
        return;
    };
    let strict = verdicts(object, detached, Legacy::NONE);
    let lenient = verdicts(object, detached, Legacy::ALL);
    assert_eq!(strict.len(), lenient.len());
    for (strict, lenient) in strict.iter().zip(&lenient) {
        assert!(
            strict.result.is_err() || lenient.result.is_ok(),
            "admitting more refuses something"
        );
    }
    if lenient.iter().all(|one| one.result.is_err()) {
        return;
    }
    let der = ber::to_der(object).unwrap();
    let again = verdicts(&indefinite(&der, 3), detached, Legacy::ALL);
    assert!(
        lenient
            .iter()
            .zip(&again)
            .all(|(one, two)| one.result == two.result),
        "what verified does not verify again"
    );
    let info = ContentInfo::parse(&der).unwrap();
    let signed = Signed::parse(info.content).unwrap();
    let content = signed.content().unwrap_or(detached);
    let longer = [content, b"\n"].concat();
    let crls = Crls::new(signed.crls());
    for one in signed.verify(&longer, &[], Legacy::ALL, &mut Work::default()) {
        assert!(one.result.is_err(), "verifies over other content");
    }
    for one in lenient.iter().filter(|one| one.result.is_ok()) {
        let certificate = one.certificate.as_ref().expect("somebody made it");
        let key = certificate.public_key().expect("with a key");
        // An authority's key signs certificates, which legacy without attributes takes for content;
        // its certificate signs no mail, and is not trusted to.
        if world().holds(&key) && !world().is_authority(&key) {
            assert!(is_marked(content), "content that nobody signed verifies");
        }
        let trusted = is_trusted(certificate, signed.certificates(), &crls);
        assert!(
            !trusted || (world().has_issued(certificate) && is_marked(content)),
            "a signer is trusted whom nobody certified"
        );
    }
}

fn parted(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = data.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// How many signatures of an input hold.
pub(super) fn valid(data: &[u8]) -> usize {
    parted(data).map_or(0, |(detached, object)| {
        let all = verdicts(object, detached, Legacy::ALL);
        all.iter().filter(|one| one.result.is_ok()).count()
    })
}

fn verdicts(object: &[u8], detached: &[u8], legacy: Legacy) -> Vec<SignerEvidence> {
    let Ok(der) = ber::to_der(object) else {
        return Vec::new();
    };
    let Ok(info) = ContentInfo::parse(&der) else {
        return Vec::new();
    };
    let Ok(signed) = Signed::parse(info.content) else {
        return Vec::new();
    };
    let extra: Vec<Certificate> = world().certificates().cloned().collect();
    signed.verify(
        signed.content().unwrap_or(detached),
        &extra,
        legacy,
        &mut Work::default(),
    )
}

fn is_trusted(leaf: &Certificate, pool: &[Certificate], crls: &Crls) -> bool {
    let chain = validate(&Query {
        leaf,
        pool,
        anchors: &world().anchors,
        crls,
        at: NOW,
        purpose: Purpose::Sign,
        legacy: Legacy::ALL,
        revocation: Revocation::Soft,
    });
    chain.verdict == ChainVerdict::Trusted
}
