//! `listseal inspect` on mail that openssl made: by hand, and with all that a list has.

use serde_json::Value;

use super::common::lab::lab;
use super::common::mail::Made;
use super::{ends, site};
use crate::common::site::Site;

const TEXT: &str = "From: Alice <alice@example.org>\nTo: team@example.org\nSubject: Lunch\n\
Content-Type: text/plain\n\nAt noon, behind the old mill.\n";

/// Writes a mail to `mail.eml`: steps of openssl, then the text.
fn put(site: &Site, steps: &[&str]) {
    let steps: String = steps.iter().map(|step| format!("! {step}\n")).collect();
    let made = Made::from_text((steps + TEXT).as_bytes(), &|name| panic!("no mail {name}"));
    site.write("mail.eml", made.bytes);
}

fn inspected(site: &Site, options: &str, code: i32) -> Value {
    let line = format!("inspect --json {options} mail.eml");
    let words: Vec<&str> = line.split_whitespace().collect();
    let ended = site.command(&words, b"");
    assert_eq!(ended.code, code, "{line}: {ended:?}");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|e| panic!("{line}: {e}: {ended:?}"))
}

#[test]
fn mail_is_opened_with_all_that_the_list_has() {
    let site = site();
    // The signer encloses no certificate: it comes from the certificate directory.
    put(&site, &["sign alice bare", "encrypt team"]);
    for list in ["team@example.org", "team-request@example.org"] {
        let found = inspected(&site, &format!("--list {list} --plaintext opened"), 0);
        assert_eq!(found["encrypted"], true);
        assert_eq!(found["decrypted"], true);
        assert_eq!(found["signature"], "valid");
        assert_eq!(found["chain"], "trusted");
        assert_eq!(found["author"], "alice@example.org");
        assert_eq!(found["layers"].as_array().unwrap().len(), 2);
        let plain = std::fs::read(site.path("opened")).unwrap();
        let plain = String::from_utf8(plain).unwrap();
        assert!(plain.ends_with("behind the old mill.\r\n"), "{plain}");
    }
    let ended = ends(&site, "inspect --list team@example.org mail.eml", b"", 0);
    assert!(ended.stdout.contains("alice@example.org, proven"));
    assert!(!ended.stdout.contains("mill") && ended.stderr.is_empty());

    std::fs::remove_file(site.path("certificates/alice@example.org")).unwrap();
    let found = inspected(&site, "--list team@example.org", 65);
    assert_eq!(found["author"], Value::Null);
    assert_eq!(found["reason"], "signer-unknown");
}

#[test]
fn mail_to_the_site_is_opened_with_its_own_pair() {
    let site = site();
    put(&site, &["sign alice", "encrypt listseal"]);
    let found = inspected(&site, "--list listseal@example.org", 0);
    assert_eq!(found["author"], "alice@example.org");
    let found = inspected(&site, "--list team@example.org", 65);
    assert_eq!(found["reason"], "no-recipient");
    assert_eq!(found["decrypted"], false);
}

#[test]
fn settings_of_the_list_count_and_options_come_first() {
    let site = site();
    put(&site, &["sign alice digest sha1", "encrypt team"]);
    let list = "--list team@example.org";
    assert_eq!(inspected(&site, list, 65)["reason"], "weak-digest");
    let found = inspected(&site, &format!("{list} --legacy sha1"), 0);
    assert_eq!(found["signature"], "valid");
    let settings = format!("{}legacy = [\"sha1\"]\n", super::OWNER);
    site.write("lists/example.org/team/list.toml", settings);
    assert_eq!(inspected(&site, list, 0)["signature"], "valid");
    let hard = format!("{list} --revocation hard");
    assert_eq!(inspected(&site, &hard, 0)["chain"], "trusted");
    site.remove("crls/authority.pem");
    let found = inspected(&site, &hard, 0);
    assert_eq!(found["chain"], "untrusted");
    assert_eq!(
        found["layers"][1]["signers"][0]["chain_reason"],
        "revocation-unknown"
    );
    site.revoke(&["alice".to_owned()]);
    assert_eq!(inspected(&site, list, 0)["chain"], "revoked");
    site.remove("crls/authority.pem");
    let found = inspected(&site, &format!("{list} --at 2050-01-01T00:00:00Z"), 0);
    assert_eq!(found["chain"], "expired");
}

#[test]
fn mail_is_opened_by_hand_without_a_configuration() {
    let site = site();
    put(&site, &["sign alice", "encrypt team"]);
    site.write("listseal.toml", "is not read");
    let team = lab().identity("team");
    let (key, cert) = (team.key.display(), team.certificate.display());
    let pair = format!("--key {key} --cert {cert}");
    let found = inspected(&site, &pair, 0);
    assert_eq!(found["chain"], "untrusted");
    let found = inspected(&site, &format!("{pair} --cafile ca.pem"), 0);
    assert_eq!(found["author"], "alice@example.org");
    site.copy(&lab().authority(), "authorities/ca.pem", 0o644);
    let found = inspected(&site, &format!("{pair} --capath authorities"), 0);
    assert_eq!(found["author"], "alice@example.org");
    let mail = std::fs::read(site.path("mail.eml")).unwrap();
    let ended = ends(&site, &format!("inspect {pair} -"), &mail, 0);
    assert!(ended.stdout.contains("not proven"), "{ended:?}");
    let open = "chain untrusted: could not tell: ";
    assert!(ended.stdout.contains(open), "{ended:?}");
}

#[test]
fn locked_key_is_opened_with_a_passphrase_file_that_is_closed() {
    let site = site();
    put(&site, &["encrypt crew-locked"]);
    let crew = lab().identity("crew-locked");
    let (key, cert) = (crew.key.display(), crew.certificate.display());
    let pair = format!("--key {key} --cert {cert}");
    let ended = ends(&site, &format!("inspect {pair} mail.eml"), b"", 78);
    assert!(ended.stderr.contains("no passphrase is set"), "{ended:?}");
    let phrase = crate::common::lab::PASSPHRASE;
    site.write_with_mode("phrase", format!("{phrase}\n"), 0o600);
    let with = format!("{pair} --key-passwd-file phrase");
    assert_eq!(inspected(&site, &with, 0)["decrypted"], true);
    site.chmod("phrase", 0o644);
    let ended = ends(&site, &format!("inspect {with} mail.eml"), b"", 78);
    assert!(ended.stderr.contains("chmod 600"), "{ended:?}");
}

#[test]
fn what_cannot_be_used_is_named() {
    let site = site();
    put(&site, &["sign alice", "encrypt team"]);
    let list = "inspect --list team@example.org";
    ends(&site, "inspect --list nobody@example.org mail.eml", b"", 67);
    ends(&site, &format!("{list} absent.eml"), b"", 66);
    ends(
        &site,
        &format!("{list} --plaintext /nowhere/x mail.eml"),
        b"",
        73,
    );
    // Without its key the rest is still told, and how to get it back.
    site.chmod("lists/example.org/team/private_key", 0o644);
    let ended = site.command(
        &[list, "--json mail.eml"]
            .join(" ")
            .split(' ')
            .collect::<Vec<_>>(),
        b"",
    );
    assert_eq!(ended.code, 65);
    assert!(ended.stderr.contains("chmod 600"), "{ended:?}");
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(found["decrypted"], false);
    // Without anchors no verdict would be true.
    std::fs::remove_file(site.path("ca.pem")).unwrap();
    let ended = ends(&site, &format!("{list} mail.eml"), b"", 78);
    assert!(ended.stderr.contains("ca.pem"), "{ended:?}");
    site.write("lists/example.org/team/list.toml", "ownres = []\n");
    let ended = ends(&site, &format!("{list} mail.eml"), b"", 78);
    assert!(ended.stderr.contains("list.toml:1"), "{ended:?}");
}
