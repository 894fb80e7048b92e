//! Key pairs with something wrong.

use std::process::Command;
use std::sync::Arc;

use listseal::cli::check::examine;
use listseal::config::Settings;
use listseal::store::lists::Lists;
use time::{Duration, OffsetDateTime};

use crate::world::{Site, TEAM};

#[test]
fn s43_open_or_linked_private_key_is_named_with_its_remedy() {
    let site = Site::new();
    site.chmod(&format!("{TEAM}/private_key"), 0o640);
    site.says(&[
        "error ",
        "team/private_key: is open to group or others",
        "chmod 600 ",
    ]);
    site.chmod(&format!("{TEAM}/private_key"), 0o600);
    std::fs::rename(site.path(&format!("{TEAM}/private_key")), site.path("key")).unwrap();
    std::os::unix::fs::symlink(site.path("key"), site.path(&format!("{TEAM}/private_key")))
        .unwrap();
    site.says(&[
        "error ",
        "team/private_key: is a symbolic link",
        "install -m 600 ",
    ]);
}

#[test]
fn pairs_that_do_not_work_are_named() {
    let site = Site::new();
    let key = format!("{TEAM}/private_key");
    site.pair("other", "", "team@example.org", 365);
    std::fs::copy(site.path("other/private_key"), site.path(&key)).unwrap();
    site.says(&["error ", "team/private_key: does not belong to cert.pem"]);
    std::fs::write(site.path(&key), "").unwrap();
    site.says(&["error ", "team/private_key: is empty"]);
    std::fs::remove_file(site.path(&key)).unwrap();
    site.says(&["error ", "team/private_key: does not exist"]);
    let site = Site::new();
    site.openssl(&format!(
        "pkey -in {key} -aes256 -passout pass:right -out locked"
    ));
    std::fs::copy(site.path("locked"), site.path(&key)).unwrap();
    site.says(&[
        "error ",
        "team/private_key: is encrypted and no passphrase is set",
    ]);
    let owners = "owners = [\"alice@example.org\"]\n";
    let with = |text: &str| {
        site.write(
            "lists/example.org/team/list.toml",
            format!("{owners}{text}"),
        );
        site.chmod("lists/example.org/team/list.toml", 0o640);
    };
    with("key_passwd = \"wrong\"\n");
    site.says(&["error ", "team/private_key: ", "passphrase is wrong"]);
    with("key_passwd = \"right\"\n");
    assert_eq!(site.said(), Vec::<String>::new());
}

#[test]
fn old_pair_is_tried_but_may_be_expired() {
    let site = Site::new();
    site.pair(TEAM, ".2024", "former-name@example.org", 1);
    let day = Duration::days(2);
    assert_eq!(site.said_in(day), Vec::<String>::new());
    std::fs::write(site.path(&format!("{TEAM}/cert.pem.2024")), "").unwrap();
    site.says(&["error ", "team/cert.pem.2024: is empty"]);
}

#[test]
fn list_certificate_that_ends_soon_or_ended_is_named() {
    let site = Site::new();
    site.pair(TEAM, "", "team@example.org", 40);
    assert_eq!(site.said(), Vec::<String>::new());
    let about = |wait: i64| {
        let said = site.said_in(Duration::days(wait)).into_iter();
        let about = said.filter(|line| line.contains("team/cert.pem"));
        about.collect::<Vec<_>>().join("\n")
    };
    assert!(
        about(15).starts_with("warning ") && about(15).contains("expires on"),
        "{}",
        about(15)
    );
    assert!(
        about(41).starts_with("error ") && about(41).contains("expired on"),
        "{}",
        about(41)
    );
    let early = about(-2);
    assert!(
        early.starts_with("error ") && early.contains("is not valid before"),
        "{early}"
    );
}

#[test]
fn list_certificate_for_another_address_or_use_is_named() {
    let site = Site::new();
    site.pair(TEAM, "", "crew@example.org", 365);
    site.says(&[
        "warning ",
        "team/cert.pem: is for crew@example.org, not for team@example.org",
    ]);
    let issue = |usage: &str| {
        let (key, certificate) = (format!("{TEAM}/private_key"), format!("{TEAM}/cert.pem"));
        site.issue(
            &key,
            &certificate,
            "team@example.org",
            365,
            &format!("-addext {usage}"),
        );
    };
    issue("keyUsage=critical,digitalSignature");
    site.says(&["error ", "team/cert.pem: may not be used to encrypt"]);
    issue("keyUsage=critical,keyAgreement");
    assert_eq!(site.said(), Vec::<String>::new());
    site.write(
        "lists/example.org/team/list.toml",
        "owners = [\"alice@example.org\"]\nsign = true\n",
    );
    site.says(&[
        "error ",
        "team/cert.pem: may not be used to sign, but sign = true",
    ]);
}

#[test]
fn s22_one_key_for_two_lists_is_named() {
    let site = Site::new();
    site.write(
        "lists/example.org/crew/list.toml",
        "owners = [\"alice@example.org\"]\n",
    );
    site.write("lists/example.org/crew/subscribers", "");
    for name in ["cert.pem", "private_key"] {
        let (from, to) = (
            format!("{TEAM}/{name}"),
            format!("lists/example.org/crew/{name}"),
        );
        std::fs::copy(site.path(&from), site.path(&to)).unwrap();
    }
    let expected = "holds the public key of team@example.org too";
    let said = site.said();
    assert!(
        said.iter()
            .any(|l| l.starts_with("error ") && l.contains(expected)),
        "{said:#?}"
    );
    // Also when only one of the two is looked at.
    let settings = Settings::load(&site.path("listseal.toml")).unwrap();
    let lists = Lists::new(Arc::new(settings));
    let (all, _) = lists.all();
    for list in &all {
        let (found, counts) = examine(lists.clone(), Some(list), OffsetDateTime::now_utc());
        assert_eq!(counts.lists, 1);
        let shared = found
            .iter()
            .any(|p| p.problem.contains("holds the public key of"));
        // The key belongs to whom its certificate names; the other one is told, and out of service.
        assert_eq!(shared, list.address.local() == "crew", "{found:#?}");
    }
}

#[test]
fn missing_key_pairs_are_named_and_the_remedy_makes_one() {
    let site = Site::new();
    std::fs::remove_dir_all(site.path("lists/example.org/_site")).unwrap();
    let (found, _) = site.examine(Duration::ZERO);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0]
            .problem
            .contains("no key pair of listseal@example.org")
    );
    let made = Command::new("sh")
        .args(["-c", &found[0].remedy])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}: {made:?}", found[0].remedy);
    site.chmod("lists/example.org/_site/cert.pem", 0o644);
    assert_eq!(site.said(), Vec::<String>::new());
    std::fs::remove_file(site.path(&format!("{TEAM}/private_key"))).unwrap();
    std::fs::remove_file(site.path(&format!("{TEAM}/cert.pem"))).unwrap();
    site.says(&[
        "error ",
        "team/cert.pem: does not exist: there is no key pair",
    ]);
    let plain = "owners = [\"alice@example.org\"]\nencrypt = \"never\"\n";
    site.write("lists/example.org/team/list.toml", plain);
    assert_eq!(site.said(), Vec::<String>::new());
}
