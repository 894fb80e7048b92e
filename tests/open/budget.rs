//! What one message may cost, however it is nested (contract E14).

use std::fmt::Write as _;

use listseal::cms::content_info::ContentInfo;
use listseal::cms::signed::Signed;
use listseal::model::Reason;
use listseal::model::list::Legacy;
use listseal::open::Opened;
use listseal::pki::path::Work;

use super::lab::{TEXT, World, lab, mail};

/// What speaks against the one signer of each layer, outermost first: signature and chain.
fn reasons(opened: &Opened) -> Vec<(Option<Reason>, Option<Reason>)> {
    opened
        .layers()
        .iter()
        .map(|layer| {
            let [signer] = layer.signed().unwrap().signers.as_slice() else {
                panic!("one signer");
            };
            let chain = signer.chain.as_ref().unwrap();
            (signer.evidence.result.err(), chain.reason)
        })
        .collect()
}

#[test]
fn e14_all_layers_share_one_budget_and_a_signature_that_is_known_costs_nothing() {
    const NEW: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9";
    let mut pool = Vec::new();
    // Authorities of one name, and one more that is not enclosed: any may have issued.
    for n in 0..=28 {
        lab().openssl(&format!(
            "req -x509 {NEW} -keyout same{n}.key -out same{n}.pem -subj /CN=same -addext keyUsage=keyCertSign"
        ));
        if n > 0 {
            pool.extend(lab().read(&format!("same{n}.pem")));
        }
    }
    lab().write("same-pool.pem", pool);
    for n in 0..4 {
        lab().openssl(&format!(
            "req -new {NEW} -keyout under{n}.key -out under{n}.csr -subj /CN=under{n}"
        ));
        lab().openssl(&format!(
            "x509 -req -in under{n}.csr -CA same0.pem -CAkey same0.key -set_serial {n} -days 9 -out under{n}.pem"
        ));
    }
    let nested = |signers: &[usize]| {
        let sign = |inner: Vec<u8>, n: &usize| {
            lab().sign(&format!("under{n}"), "-certfile same-pool.pem", &inner)
        };
        let entity = signers.iter().fold(TEXT.to_vec(), sign);
        reasons(&World::of(&[]).open(&mail("alice@example.org", &entity)))
    };
    // 28 issuers are tried for each, and one check is the signature of the layer.
    let none_fits = (None, Some(Reason::ChainSignature));
    let spent = (None, Some(Reason::PathBudget));
    assert_eq!(nested(&[0, 0, 0, 0, 0]), [none_fits; 5]);
    assert_eq!(
        nested(&[0, 1, 2, 3]),
        [none_fits, none_fits, none_fits, spent]
    );
}

#[test]
fn e14_signatures_beyond_the_budget_are_not_computed() {
    let entity = lab().sign("alice", "-nodetach -outform DER", TEXT);
    let info = ContentInfo::parse(&entity).unwrap();
    let signed = Signed::parse(info.content).unwrap();
    let content = signed.content().unwrap();
    let mut work = Work::default();
    let mut verify = || {
        let all = signed.verify(content, &[], Legacy::NONE, &mut work);
        all.into_iter().map(|one| one.result).collect::<Vec<_>>()
    };
    for _ in 0..100 {
        assert_eq!(verify(), [Ok(())]);
    }
    assert_eq!(verify(), [Err(Reason::LimitExceeded)]);
}

#[test]
fn a_signature_over_bare_line_feeds_by_somebody_unknown_is_no_changed_content() {
    let text = "Content-Type: text/plain\n\nbare\n";
    lab().write("unknown.txt", text);
    let der = lab().openssl(
        "cms -sign -binary -nocerts -signer alice.pem -inkey alice.key -outform DER -in unknown.txt",
    );
    lab().write("unknown.p7s", &der);
    let base64 = String::from_utf8(lab().openssl("base64 -in unknown.p7s")).unwrap();
    for (content, reason) in [
        (text, Reason::SignerUnknown),
        ("Content-Type: text/plain\n\nbarn\n", Reason::DigestMismatch),
    ] {
        let mut entity = String::from(
            "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b\n\n",
        );
        write!(
            entity,
            "--b\n{content}\n--b\nContent-Type: application/pkcs7-signature\n\
             Content-Transfer-Encoding: base64\n\n{base64}\n--b--\n"
        )
        .unwrap();
        let opened = World::of(&[]).open(&mail("alice@example.org", entity.as_bytes()));
        assert_eq!(opened.layers()[0].reason(), Some(reason), "{content}");
    }
}
