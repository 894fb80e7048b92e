//! Target `open`: a whole mail, opened with the keys of the list.

use listseal::cms::content_info::ContentKind;
use listseal::cms::enveloped::MAX_PRIVATE_OPERATIONS;
use listseal::model::list::{Legacy, Revocation};
use listseal::open::{Context, Layer, MAX_LAYERS, Opened, Verdict, report};
use listseal::pki::Crls;

use super::world::{NOW, Stream, is_marked, world};

/// An author is only who signed exactly what is inside, and an authenticated cipher only opens what
/// was encrypted so. Layers and private-key operations stay within their limits, the verdicts agree
/// with each other, and every input has its report.
pub fn open(data: &[u8]) {
    let lenient = opened(data, Legacy::ALL);
    holds(&lenient, data);
    if lenient.signature() == Verdict::Valid || lenient.decrypted() == Some(true) {
        let strict = opened(data, Legacy::NONE);
        holds(&strict, data);
        if strict.is_processable() {
            assert!(lenient.is_processable(), "admitting more reads less");
            assert!(strict.author().is_none() || strict.author() == lenient.author());
            assert!(strict.innermost(data) == lenient.innermost(data));
        }
    }
}

/// Opens with the keys of the list.
pub(super) fn opened(data: &[u8], legacy: Legacy) -> Opened {
    let crls = Crls::new(Vec::new());
    let context = Context {
        now: NOW,
        keys: &world().list,
        known: &[],
        untrusted: &[],
        anchors: &world().anchors,
        crls: &crls,
        legacy,
        revocation: Revocation::Soft,
        // Of compressed mail more memory is taken than of its size; that is tested elsewhere (E11).
        max_inflated: data.len() * 4,
    };
    listseal::open::open(data, &context, &mut Stream::new("open"))
}

fn holds(opened: &Opened, data: &[u8]) {
    let layers = opened.layers();
    assert!(layers.len() <= MAX_LAYERS);
    assert!(opened.content_keys().len() <= MAX_PRIVATE_OPERATIONS);
    assert_eq!(opened.encrypted(), opened.decrypted().is_some());
    let signed = layers.iter().filter_map(Layer::signed).next_back();
    assert_eq!(opened.signature() == Verdict::None, signed.is_none());
    assert!(opened.protected_fields().is_none() || opened.is_processable());
    assert!(!opened.was_cut_short() || !opened.is_processable());
    let told = report(opened);
    assert_eq!(told["layers"].as_array().map(Vec::len), Some(layers.len()));
    assert_eq!(told["reason"].is_null(), opened.reason().is_none());

    if let Some(author) = opened.author() {
        let signer = opened.signer().expect("somebody signed");
        let certificate = signer
            .evidence
            .certificate
            .as_ref()
            .expect("with a certificate");
        assert!(
            world().has_issued(certificate),
            "an author whom nobody certified"
        );
        assert!(certificate.names(author) && opened.from() == Ok(author));
        assert_eq!(opened.signature(), Verdict::Valid);
        let at = layers.iter().rposition(|layer| layer.signed().is_some());
        // What a layer inside gave is another content.
        let last = layers
            .iter()
            .skip(at.unwrap() + 1)
            .all(|layer| match layer {
                Layer::Encrypted(one) => one.problem.is_some(),
                Layer::Compressed { problem } => problem.is_some(),
                _ => true,
            });
        if last {
            assert!(
                is_marked(opened.innermost(data)),
                "an author of what nobody signed"
            );
        }
    }
    let encrypted = layers.iter().filter_map(Layer::encrypted).next_back();
    if let Some(one) = encrypted
        && one.problem.is_none()
        && one.kind == ContentKind::AuthEnveloped
    {
        assert!(
            is_marked(opened.sealing_entity()),
            "what nobody encrypted opens"
        );
    }
}
