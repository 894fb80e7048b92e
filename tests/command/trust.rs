//! `listseal trust`: whose certificates are believed, for the site, a domain, a list.

use serde_json::Value;

use super::common::lab::{lab, openssl};
use super::common::mail::Made;
use super::{ends, rows, site};
use crate::common::site::Site;

const POST: &str = "! sign bob\nFrom: Bob <bob@example.org>\nTo: team@example.org\nSubject: Lunch\n\
Content-Type: text/plain\n\nAt noon.\n";

/// A site with a list, where nobody is believed; `ca.pem` has the authorities of the lab.
fn unbelieving() -> Site {
    let site = site();
    let settings = std::fs::read_to_string(site.path("listseal.toml")).unwrap();
    site.write(
        "listseal.toml",
        settings.replace("cafile = \"ca.pem\"\n", ""),
    );
    site
}

fn subjects(site: &Site, scope: &str) -> Vec<String> {
    let all = rows(site, &format!("trust ls --json {scope}"));
    let subject = |row: &Value| row["subject"].as_str().unwrap().to_owned();
    all.iter().map(subject).collect()
}

/// Whether the list believes a mail that bob signed.
fn believes(site: &Site) -> bool {
    let made = Made::from_text(POST.as_bytes(), &|name| panic!("no mail {name}"));
    site.write("mail.eml", made.bytes);
    let words = [
        "inspect",
        "--json",
        "--list",
        "team@example.org",
        "mail.eml",
    ];
    let found: Value = serde_json::from_str(&site.command(&words, b"").stdout).unwrap();
    found["chain"] == "trusted"
}

/// A new authority in `<name>.pem`; its SHA-256 in lower-case hex.
fn authority(site: &Site, name: &str) -> String {
    let dir = site.path("");
    openssl(
        &dir,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={name} \
             -keyout {name}.key -out {name}.pem"
        ),
        b"",
    );
    let line = format!("x509 -in {name}.pem -noout -fingerprint -sha256");
    let said = String::from_utf8(openssl(&dir, &line, b"")).unwrap();
    let print = said.trim().rsplit('=').next().unwrap();
    print.replace(':', "").to_lowercase()
}

#[test]
fn added_anchor_counts_for_its_scope_and_no_other() {
    for (scope, reach) in [
        ("", [true, true, true]),
        ("--domain example.org", [false, true, true]),
        ("--list team@example.org", [false, false, true]),
    ] {
        let site = unbelieving();
        site.list("crew", super::OWNER, "");
        assert!(!believes(&site), "{scope}");
        let file = lab().authority();
        let line = format!("trust add {} {scope}", file.display());
        ends(&site, &line, b"", 0);
        let scopes = ["", "--domain example.org", "--list team@example.org"];
        for (asked, believed) in scopes.iter().zip(reach) {
            let found = !subjects(&site, asked).is_empty();
            assert_eq!(found, believed, "{scope} seen from {asked}");
        }
        let elsewhere = !subjects(&site, "--list crew@example.org").is_empty();
        assert_eq!(elsewhere, !scope.contains("list"), "{scope}");
        assert!(believes(&site), "{scope}");
        // Once more changes nothing.
        let again = ends(&site, &line, b"", 0);
        assert!(again.stdout.contains("was there before"), "{again:?}");
        let all = rows(&site, &format!("trust ls --json {scope}"));
        assert_eq!(all.len(), 1);
        let print = all[0]["sha256"].as_str().unwrap();
        ends(
            &site,
            &format!("trust remove {print} {scope} --force"),
            b"",
            0,
        );
        assert!(!believes(&site), "{scope}");
        assert_eq!(subjects(&site, scope), Vec::<String>::new());
    }
}

#[test]
fn every_form_of_file_is_taken_and_only_certificates_are_kept() {
    let site = unbelieving();
    let print = authority(&site, "one");
    let dir = site.path("");
    openssl(&dir, "x509 -in one.pem -outform DER -out one.der", b"");
    let bag = "crl2pkcs7 -nocrl -certfile one.pem -outform";
    openssl(&dir, &format!("{bag} DER -out one.p7b"), b"");
    openssl(&dir, &format!("{bag} PEM -out pem.p7b"), b"");
    let export = "pkcs12 -export -in user.pem -inkey one.key -certfile one.pem";
    openssl(
        &dir,
        "req -x509 -key one.key -days 2 -subj /CN=user -out user.pem",
        b"",
    );
    openssl(
        &dir,
        &format!("{export} -passout pass:secret -out one.p12"),
        b"",
    );
    site.write_with_mode("word", "secret\n", 0o600);
    let with_key = [
        std::fs::read(site.path("one.key")).unwrap(),
        std::fs::read(site.path("one.pem")).unwrap(),
    ];
    site.write("with-key.pem", with_key.concat());
    for name in [
        "one.pem",
        "one.der",
        "one.p7b",
        "pem.p7b",
        "with-key.pem",
        "one.p12",
    ] {
        let file = site.path(name);
        let mut line = format!("trust add {}", file.display());
        if name.ends_with("p12") {
            ends(&site, &line, b"", 65);
            line += &format!(" --passwd-file {}", site.path("word").display());
        }
        ends(&site, &line, b"", 0);
        let kept = site.files("trust");
        assert_eq!(kept.len(), 1, "{name}: {kept:?}");
        assert_eq!(kept[0].0, format!("{print}.pem"));
        let text = String::from_utf8(kept[0].1.clone()).unwrap();
        assert!(!text.contains("PRIVATE"), "{name}: {text}");
        let colons: Vec<String> = print
            .as_bytes()
            .chunks(2)
            .map(|pair| String::from_utf8_lossy(pair).to_uppercase())
            .collect();
        let line = format!("trust remove {} --force", colons.join(":"));
        ends(&site, &line, b"", 0);
        assert_eq!(site.files("trust"), []);
    }
    let bytes = std::fs::read(site.path("one.der")).unwrap();
    ends(&site, "trust add -", &bytes, 0);
    assert_eq!(subjects(&site, ""), ["CN=one"]);
}

#[test]
fn what_cannot_be_done_is_said_and_changes_nothing() {
    let site = unbelieving();
    let print = authority(&site, "one");
    site.write("text.pem", "no certificate\n");
    let good = std::fs::read(site.path("one.pem")).unwrap();
    let bad = b"-----BEGIN CERTIFICATE-----\nMAMCAQU=\n-----END CERTIFICATE-----\n";
    site.write("half.pem", [&good[..], bad].concat());
    let path = |name: &str| site.path(name).display().to_string();
    for (line, code) in [
        (format!("trust add {}", path("text.pem")), 65),
        (format!("trust add {}", path("half.pem")), 65),
        (format!("trust add {}", path("one.key")), 65),
        (format!("trust add {}", path("missing.pem")), 66),
        (
            format!("trust add {} --list no@example.org", path("one.pem")),
            67,
        ),
        (
            format!("trust add {} --domain no.example", path("one.pem")),
            67,
        ),
        (format!("trust add {} --list team", path("one.pem")), 64),
        (
            format!(
                "trust add {} --list team@example.org --domain example.org",
                path("one.pem")
            ),
            64,
        ),
        (format!("trust remove {print} --force"), 66),
        ("trust remove 1234 --force".to_owned(), 64),
        ("trust remove not-a-fingerprint --force".to_owned(), 64),
        ("trust ls --list no@example.org".to_owned(), 67),
    ] {
        ends(&site, &line, b"", code);
        assert_eq!(
            subjects(&site, "--list team@example.org"),
            Vec::<String>::new()
        );
    }
    // What stands in the way is neither followed nor overwritten.
    site.write("trust", "a file\n");
    ends(&site, &format!("trust add {}", path("one.pem")), b"", 73);
    assert_eq!(std::fs::read(site.path("trust")).unwrap(), b"a file\n");
}

#[test]
fn removal_is_asked_for_and_names_where_else_an_anchor_stands() {
    let site = site();
    let print = authority(&site, "one");
    let file = site.path("one.pem");
    let named = "trust ls --json";
    let before = rows(&site, named).len();
    // In a file of the administrator's.
    let first = rows(&site, named)[0]["sha256"].as_str().unwrap().to_owned();
    let ended = ends(&site, &format!("trust remove {first} --force"), b"", 1);
    assert!(ended.stderr.contains("ca.pem"), "{ended:?}");
    assert_eq!(rows(&site, named).len(), before);

    ends(&site, &format!("trust add {}", file.display()), b"", 0);
    let list = "--list team@example.org";
    ends(
        &site,
        &format!("trust add {} {list}", file.display()),
        b"",
        0,
    );
    assert_eq!(rows(&site, named).len(), before + 1);
    // Nobody can answer, whatever stands on standard input.
    let ended = ends(&site, &format!("trust remove {print}"), b"y\n", 64);
    assert!(ended.stderr.contains("--force"), "{ended:?}");
    assert_eq!(rows(&site, named).len(), before + 1);
    let ended = ends(
        &site,
        &format!("trust remove {print} {list} --force"),
        b"",
        0,
    );
    assert!(ended.stdout.contains("still believed"), "{ended:?}");
    // Believed through the site alone now: not the list's to remove.
    ends(
        &site,
        &format!("trust remove {print} {list} --force"),
        b"",
        1,
    );
    ends(
        &site,
        &format!("trust remove {} --force", &print[..8]),
        b"",
        0,
    );
    assert_eq!(rows(&site, named).len(), before);
    let shown = ends(&site, "trust ls", b"", 0).stdout;
    assert!(
        shown.contains("ca.pem") && shown.contains(&first),
        "{shown}"
    );
}
