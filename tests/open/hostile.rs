//! Mail made to break things.

use listseal::asn1::ber::to_der;
use listseal::asn1::writer::{self, element, octet_string, sequence};
use listseal::asn1::{Reader, Tlv, oid};
use listseal::cms::content_info::ContentInfo;
use listseal::cms::enveloped::{Enveloped, PrivateOperations};
use listseal::model::Reason;
use listseal::model::list::Legacy;
use listseal::open::Verdict;

use super::lab::{TEXT, World, binary, lab, mail, object, parts, rng};

#[test]
fn truncated_mail_never_panics_and_never_opens() {
    let sealed = lab().encrypt("list.pem", "-aes-256-gcm -outform DER -binary", TEXT);
    let cbc = lab().encrypt(
        "list.pem",
        "-aes-256-cbc -outform DER -binary -stream",
        TEXT,
    );
    let world = World::of(&["list"]);
    for der in [sealed, cbc] {
        for cut in 0..der.len() {
            let opened = world.open(&binary("enveloped-data", &der[..cut]));
            assert_eq!(opened.decrypted(), Some(false), "cut at {cut}");
            assert!(opened.content_keys().is_empty());
        }
    }
    let signed = lab().sign("alice", "-nodetach -outform DER -binary", TEXT);
    for cut in 0..signed.len() {
        let opened = world.open(&binary("signed-data", &signed[..cut]));
        assert_eq!(opened.signature(), Verdict::Invalid, "cut at {cut}");
        assert!(!opened.encrypted());
    }
}

#[test]
fn multipart_is_valid_from_the_last_byte_of_its_signature_on() {
    let message = mail("alice@example.org", &lab().sign("alice", "", TEXT));
    let world = World::of(&[]);
    let text = String::from_utf8_lossy(&message);
    let delimiter = text.trim_end().rfind("\n--").unwrap();
    let signature = text[..delimiter].trim_end().trim_end_matches('=');
    let complete = signature.len();
    for cut in 0..message.len() {
        let opened = world.open(&message[..cut]);
        let valid = opened.signature() == Verdict::Valid;
        assert!(!valid || cut >= complete, "cut at {cut}");
        assert_eq!(valid, opened.author().is_some());
    }
    let unclosed = world.open(&message[..delimiter]);
    assert_eq!(unclosed.signature(), Verdict::Valid);
}

#[test]
fn s15_flips_in_authenticated_content_never_open() {
    let der = lab().encrypt("list.pem", "-aes-128-gcm -outform DER -binary", TEXT);
    let world = World::of(&["list"]);
    let found = parts(&der);
    let [recipients, content, tag] = &found[1..4] else {
        panic!("another structure");
    };
    let at = |tlv: &Tlv<'_>| tlv.raw.as_ptr().addr() - der.as_ptr().addr();
    // Everything but the RecipientInfo, whose identifier and padding have their own tests.
    assert!(recipients.raw.len() > 300);
    for index in at(content)..at(tag) + tag.raw.len() {
        let mut changed = der.clone();
        changed[index] ^= 1;
        let opened = world.open(&binary("authEnveloped-data", &changed));
        // The content type alone is outside the tag; another one is refused.
        assert!(!opened.is_processable(), "flip at {index}");
    }
}

#[test]
fn s12_wrong_wrapped_keys_all_fail_alike() {
    let der = lab().encrypt("list.pem", "-aes-128-gcm -outform DER -binary", TEXT);
    let world = World::of(&["list"]);
    let end = der
        .windows(11)
        .rposition(|w| w == [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1])
        .unwrap();
    let key = end - 20;
    for index in (key - 230..key).step_by(23) {
        let mut changed = der.clone();
        changed[index] ^= 0x10;
        let opened = world.open(&binary("authEnveloped-data", &changed));
        assert_eq!(
            opened.reason(),
            Some(Reason::DecryptFailed),
            "flip at {index}"
        );
    }
}

/// Takes an AuthEnvelopedData apart and puts it together with another tag and parameters.
fn with_tag(der: &[u8], length: usize, announced: Option<u8>) -> Vec<u8> {
    let found = parts(der);
    let mut content = found[2].children();
    let inner = content.read().unwrap();
    let algorithm = content.read().unwrap();
    let text = content.read().unwrap();
    let mut names = algorithm.children();
    let name = names.read().unwrap();
    let nonce = names.read().unwrap().children().read().unwrap();
    let announced = announced.map_or_else(Vec::new, |n| element(0x02, &[&[n]]));
    let algorithm = sequence(&[name.raw, &sequence(&[nonce.raw, &announced])]);
    let content = sequence(&[inner.raw, &algorithm, text.raw]);
    let mut tag = found[3].content.to_vec();
    tag.resize(length, 0);
    object(
        &oid::AUTH_ENVELOPED_DATA,
        &[found[0].raw, found[1].raw, &content, &octet_string(&tag)],
    )
}

#[test]
fn s15_only_tags_of_16_bytes_that_are_announced_as_such_are_checked() {
    let der = lab().encrypt("list.pem", "-aes-256-gcm -outform DER -binary", TEXT);
    let world = World::of(&["list"]);
    let open = |der: &[u8]| world.open(&binary("authEnveloped-data", der)).decrypted();
    assert_eq!(open(&with_tag(&der, 16, Some(16))), Some(true));
    for length in (0..16).chain([17]) {
        assert_eq!(
            open(&with_tag(&der, length, Some(16))),
            Some(false),
            "{length}"
        );
        let announced = u8::try_from(length).unwrap();
        assert_eq!(
            open(&with_tag(&der, length, Some(announced))),
            Some(false),
            "{length}"
        );
    }
    for announced in [None, Some(0), Some(12), Some(15), Some(17)] {
        assert_eq!(
            open(&with_tag(&der, 16, announced)),
            Some(false),
            "{announced:?}"
        );
    }
}

#[test]
fn s15_captured_authenticated_content_is_not_opened_as_cbc() {
    let der = lab().encrypt("list.pem", "-aes-256-gcm -outform DER -binary", TEXT);
    let found = parts(&der);
    let relabelled = object(
        &oid::ENVELOPED_DATA,
        &[found[0].raw, found[1].raw, found[2].raw],
    );
    let opened = World::of(&["list"]).open(&binary("enveloped-data", &relabelled));
    assert_eq!(opened.reason(), Some(Reason::UnsupportedAlgorithm));
}

#[test]
fn e13_ten_thousand_recipients_that_name_us_cost_two_private_operations() {
    let der = lab().encrypt("list.pem", "-aes-256-cbc -outform DER -binary", TEXT);
    let found = parts(&der);
    // The wrapped key is the last octet string: spoil it.
    let mut info = found[1].content.to_vec();
    *info.last_mut().unwrap() ^= 1;
    let many = |count: usize| {
        let set = element(0x31, &[&info.repeat(count)]);
        object(&oid::ENVELOPED_DATA, &[found[0].raw, &set, found[2].raw])
    };
    let der = many(10_000);
    let parsed = ContentInfo::parse(&der).unwrap();
    let enveloped = Enveloped::parse(parsed.content, parsed.kind).unwrap();
    assert_eq!(enveloped.recipients(), 10_000);
    let mut operations = PrivateOperations::default();
    let keys = [lab().pair("list")];
    let outcome = enveloped.open(&keys, &[], Legacy::NONE, &mut operations, &mut rng());
    assert_eq!(outcome.err(), Some(Reason::DecryptFailed));
    assert_eq!(operations.used(), 2);
    let opened = World::of(&["list"]).open(&binary("enveloped-data", &many(10_001)));
    assert_eq!(opened.reason(), Some(Reason::LimitExceeded));
}

#[test]
fn what_calls_itself_smime_and_cannot_be_read_counts_as_what_it_calls_itself() {
    for body in ["", "not base64 %%%", "AAAA", "MIAGCSqGSIb3DQEHA6CA"] {
        for (smime_type, encrypted, signature) in [
            ("enveloped-data", true, Verdict::None),
            ("x", true, Verdict::None),
            ("certs-only", true, Verdict::None),
            ("compressed-data", true, Verdict::None),
            ("signed-data", false, Verdict::Invalid),
        ] {
            let text = format!(
                "From: alice@example.org\r\nContent-Type: application/pkcs7-mime; smime-type={smime_type}\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}\r\n"
            );
            let opened = World::of(&["list"]).open(text.as_bytes());
            assert_eq!(opened.encrypted(), encrypted, "{smime_type} {body}");
            assert_eq!(opened.decrypted(), encrypted.then_some(false));
            assert_eq!(opened.signature(), signature);
            assert!(opened.reason().is_some());
        }
    }
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(400))]
    #[test]
    fn spliced_mail_never_panics_and_proves_nothing_new(
        from in 0_usize..6000, to in 0_usize..6000, length in 0_usize..400, opaque: bool
    ) {
        let messages = spliceable();
        let message = &messages[usize::from(opaque)];
        let (from, to) = (from % message.len(), to % message.len());
        let piece = &message[from..(from + length).min(message.len())];
        let spliced = [&message[..to], piece, &message[to..]].concat();
        let opened = World::of(&["list"]).open(&spliced);
        if opened.author().is_some() {
            // Outside of what is signed nothing matters, inside nothing may change.
            let text = String::from_utf8_lossy(opened.innermost(&spliced)).replace("\r\n", "\n");
            let signed = String::from_utf8_lossy(TEXT).replace("\r\n", "\n");
            proptest::prop_assert_eq!(text, signed);
        }
    }
}

/// A detached and an opaque signature by alice, the second encrypted.
fn spliceable() -> &'static [Vec<u8>; 2] {
    static MESSAGES: std::sync::OnceLock<[Vec<u8>; 2]> = std::sync::OnceLock::new();
    MESSAGES.get_or_init(|| {
        let detached = lab().sign("alice", "", TEXT);
        let opaque = lab().sign("alice", "-nodetach", TEXT);
        let sealed = lab().encrypt("list.pem", "-aes-256-gcm", &opaque);
        [
            mail("alice@example.org", &detached),
            mail("alice@example.org", &sealed),
        ]
    })
}

#[test]
fn mail_that_is_no_mail_is_told_not_panicked_over() {
    for bytes in [
        &b""[..],
        b"\0\0\0",
        b"no header at all",
        b"From",
        b"\r\n\r\n",
        b":\r\n\r\n",
    ] {
        let opened = World::of(&["list"]).open(bytes);
        assert!(opened.layers().is_empty());
        assert!(opened.from().is_err());
        assert_eq!(opened.author(), None);
    }
}

#[test]
fn oaep_parameters_that_are_odd_never_fall_back_to_the_old_padding() {
    // The very message of contract S14: PKCS#1 v1.5 inside, OAEP with broken parameters outside.
    let der = lab().encrypt("list.pem", "-aes-256-cbc -outform DER -binary", TEXT);
    let found = parts(&der);
    let mut info = Reader::new(found[1].content).read().unwrap().children();
    let version = info.read().unwrap();
    let id = info.read().unwrap();
    info.read().unwrap();
    let key = info.read().unwrap();
    let junk = octet_string(b"junk");
    for parameters in [&[][..], &[5, 0], &[0x30, 0x02, 0x05, 0x00], &junk] {
        let algorithm = writer::algorithm(&oid::RSA_OAEP, parameters);
        let info = sequence(&[version.raw, id.raw, &algorithm, key.raw]);
        let der = object(
            &oid::ENVELOPED_DATA,
            &[found[0].raw, &element(0x31, &[&info]), found[2].raw],
        );
        assert!(to_der(&der).is_ok());
        let opened = World::of(&["list"]).open(&binary("enveloped-data", &der));
        assert_eq!(
            opened.reason(),
            Some(Reason::BadParameters),
            "{parameters:02x?}"
        );
    }
}
