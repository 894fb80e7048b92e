//! Members and their certificates.

use time::Duration;

use crate::world::Site;

#[test]
fn members_who_get_no_sealed_post_are_named_with_the_reason() {
    let site = Site::new();
    site.write(
        "lists/example.org/team/subscribers",
        "alice@example.org\nbob@example.org\ncarol@example.org\ndave@example.org\n\
         erin@example.org mode=nomail\nfred@example.org\ngina@example.org\nhugo@example.org\n",
    );
    let olga = "owners = [\"olga@example.org\"]\n";
    site.write("lists/example.org/team/list.toml", olga);
    site.certificate("certificates/carol@example.org", "carol@example.org", 1);
    let sign_only = "-addext keyUsage=critical,digitalSignature";
    site.issue(
        "k",
        "certificates/dave@example.org",
        "dave@example.org",
        365,
        sign_only,
    );
    site.certificate("certificates/fred@example.org", "freddy@example.org", 365);
    site.write("certificates/gina@example.org", "");
    site.certificate("certificates/hugo@example.org", "hugo@example.org", 365);
    let twice = std::fs::read_to_string(site.path("certificates/hugo@example.org")).unwrap();
    let other = std::fs::read_to_string(site.path("certificates/alice@example.org")).unwrap();
    site.write("certificates/hugo@example.org", twice + &other);
    let said = site.said_in(Duration::days(2));
    for part in [
        "warning certificates/bob@example.org: bob@example.org gets no sealed post: there is no certificate",
        "warning certificates/carol@example.org: carol@example.org gets no sealed post: the certificate expired on",
        "warning certificates/dave@example.org: dave@example.org gets no sealed post: the certificate may not be used to encrypt",
        "warning certificates/fred@example.org: is a certificate for freddy@example.org",
        "error certificates/gina@example.org: is empty",
        "error certificates/hugo@example.org: holds more than one certificate",
        "warning certificates/olga@example.org: olga@example.org cannot be shown held posts",
    ] {
        assert!(
            said.iter().any(|line| line.starts_with(part)),
            "{part} {said:#?}"
        );
    }
    assert_eq!(said.len(), 7, "{said:#?}");
    let register = "let bob@example.org send a signed mail to team-register@example.org";
    assert!(said.iter().any(|line| line.contains(register)), "{said:#?}");
}

#[test]
fn floor_that_nobody_is_known_to_reach_is_named() {
    let site = Site::new();
    let floor = "owners = [\"alice@example.org\"]\nfloor = \"aes-256-gcm\"\n";
    site.write("lists/example.org/team/list.toml", floor);
    site.says(&["warning ", "list.toml: floor: aes-256-gcm is more than"]);
    let fixed = format!("{floor}content_cipher = \"aes-256-gcm\"\n");
    site.write("lists/example.org/team/list.toml", fixed);
    assert_eq!(site.said(), Vec::<String>::new());
}

#[test]
fn json_has_the_published_fields() {
    let site = Site::new();
    site.write(
        "lists/example.org/team/subscribers",
        "alice@example.org\nx\n",
    );
    let (found, _) = site.examine(Duration::ZERO);
    let json = serde_json::to_value(&found).unwrap();
    let path = site.path("lists/example.org/team/subscribers");
    assert_eq!(
        json,
        serde_json::json!([{
            "level": "error",
            "file": path.display().to_string(),
            "line": 2,
            "list": "team@example.org",
            "problem": "\"x\" has no @",
            "remedy": "write one address a line",
        }])
    );
}
