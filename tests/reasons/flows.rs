//! Codes that cases of `tests/flow` expect: that they do is read from the case, and
//! `cargo test --test flow` runs every case there is.

use std::path::Path;

use listseal::model::Reason;

use crate::Provoke;

/// The code, and the case that expects it.
const FLOWS: &[(&str, &str)] = &[
    ("usage-encrypt", "144-register-sign-only"),
    ("not-signed", "018-unsigned-refused-once-a-day"),
    ("not-member", "063-private-stranger"),
    ("not-allowed", "141-closed"),
    ("undecryptable", "010-undecryptable-held"),
    ("bad-signature", "011-broken-signature-refused"),
    ("encrypted-not-accepted", "028-encrypt-never"),
    ("too-large", "072-too-large"),
    ("loop", "054-loops"),
    ("bounce", "149-forged-bounce"),
    ("auto-reply", "096-robots-get-no-answer"),
    ("duplicate", "055-same-bytes-twice"),
    ("replay", "056-replayed-ciphertext"),
    ("moderated", "035-hold-and-release"),
    ("other-list", "073-signed-for-another-list"),
    ("scenario-error", "034-scenario-with-unknown-condition"),
    ("key-unavailable", "026-wrong-passphrase"),
    ("no-certificate", "003-member-without-certificate"),
    ("certificate-unusable", "108-broken-certificate-file"),
    ("older-certificate", "142-register-an-older-certificate"),
    ("pending-approval", "143-register-waits-for-approval"),
    ("suspended", "148-refused-member-is-suspended"),
    ("below-floor", "068-below-the-floor"),
    ("recipient-refused", "099-refused-recipient"),
    ("message-refused", "140-refused-message"),
];

pub fn cases() -> Vec<(&'static str, Provoke)> {
    FLOWS
        .iter()
        .map(|(code, flow)| {
            let expects = move |code: &str| expects(code, flow);
            (*code, Box::new(expects) as Provoke)
        })
        .collect()
}

/// Asserts that the case expects the code: in the spool, in the log, or its sentence in a notice.
fn expects(code: &str, flow: &str) -> Result<(), String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/flow");
    let file = folder.join(flow).join("case");
    let text = std::fs::read_to_string(&file).map_err(|e| format!("{flow}: {e}"))?;
    let sentence = Reason::from_code(code).unwrap().text();
    let found = text.lines().any(|line| {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("spool") => {
                words.any(|word| word.split_once(':').is_some_and(|(_, why)| why == code))
            }
            Some("log") => line.trim() == format!("log has reason=\"{code}\""),
            Some("has") => line.trim() == format!("has {sentence}"),
            _ => false,
        }
    });
    found
        .then_some(())
        .ok_or_else(|| format!("{flow} expects nothing of {code}:\n{text}"))
}
