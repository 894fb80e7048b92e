//! `listseal check` against sites that have something wrong: the problem is named, with the remedy,
//! and nothing else is.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
// Tests read and write files.
#![allow(clippy::disallowed_methods)]

#[path = "check/keys.rs"]
mod keys;
#[path = "check/members.rs"]
mod members;
#[path = "check/world.rs"]
mod world;

use time::Duration;
use world::{CLEAN, Site};

#[test]
fn nothing_is_said_of_a_site_that_is_in_order() {
    let site = Site::new();
    assert_eq!(site.said(), Vec::<String>::new());
    let (_, counts) = site.examine(Duration::ZERO);
    assert_eq!((counts.lists, counts.subscribers), (1, 1));
}

#[test]
fn e6_open_directories_are_named_with_their_chmod() {
    for (name, mode, remedy) in [
        ("spool", 0o770, "chmod go-w"),
        ("spool/hold", 0o755, "chmod 0700"),
        ("state", 0o755, "chmod 700"),
        ("certificates", 0o775, "chmod go-w"),
        ("lists", 0o777, "chmod go-w"),
        ("lists/example.org", 0o775, "chmod go-w"),
        ("lists/example.org/team", 0o775, "chmod go-w"),
    ] {
        let site = Site::new();
        site.chmod(name, mode);
        let said = site.said();
        assert!(
            said.iter()
                .any(|line| line.starts_with(&format!("error {name}: "))
                    && line.contains(&format!("{remedy} {name}"))),
            "{name}: {said:#?}"
        );
    }
}

#[test]
fn e6_files_that_everybody_may_write_are_named() {
    for name in [
        "listseal.toml",
        "ca.pem",
        "lists/example.org/team/list.toml",
        "lists/example.org/team/subscribers",
    ] {
        let site = Site::new();
        site.chmod(name, 0o666);
        site.says(&["error ", name, "chmod o-w"]);
        site.chmod(name, 0o664);
        site.says(&["warning ", name, "chmod g-w"]);
    }
}

#[test]
fn directory_that_cannot_be_made_is_named() {
    let site = Site::new();
    std::fs::remove_dir(site.path("state")).unwrap();
    assert_eq!(site.said(), Vec::<String>::new(), "it can be made");
    site.write("state", "a file");
    let said = site.said();
    assert!(
        !said.is_empty()
            && said
                .iter()
                .all(|line| line.contains("state: is not a directory"))
    );
}

#[test]
fn next_hop_that_is_not_there_is_named() {
    let site = Site::new();
    let with = |transport: &str| {
        let text = format!("{CLEAN}[delivery]\ntransport = \"{transport}\"\n");
        site.write("listseal.toml", text);
    };
    with("sendmail:///nonexistent/sendmail");
    site.says(&["error /nonexistent/sendmail", "cannot be run"]);
    site.write("not-a-program", "");
    with(&format!(
        "sendmail://{}",
        site.path("not-a-program").display()
    ));
    site.says(&["error not-a-program", "chmod a+x"]);
    with("lmtp+unix:///nonexistent/socket");
    site.says(&["warning listseal.toml", "no socket"]);
    with("lmtp://mail.example.org");
    site.says(&["warning listseal.toml", "without TLS"]);
    with("smtp://mail.example.org");
    assert_eq!(site.said(), Vec::<String>::new());
}

#[test]
fn place_to_listen_at_is_looked_at() {
    let site = Site::new();
    let with = |more: &str| site.write("listseal.toml", format!("{CLEAN}[lmtp]\n{more}\n"));
    let path = site.path("run/lmtp").display().to_string();
    with(&format!("listen = \"{path}\""));
    site.says(&["error run/lmtp", "no directory", "install -d"]);
    std::fs::create_dir(site.path("run")).unwrap();
    site.chmod("run", 0o777);
    site.says(&["error run", "can be written by everybody", "chmod o-w"]);
    site.chmod("run", 0o750);
    assert_eq!(site.said(), Vec::<String>::new());
    site.write("run/lmtp", "no socket");
    site.says(&["error run/lmtp", "something else than a socket"]);
    std::fs::remove_file(site.path("run/lmtp")).unwrap();
    with(&format!("listen = \"{path}\"\nmode = \"0666\""));
    site.says(&["warning listseal.toml:10", "mode", "any sender"]);
    with("listen = \"127.0.0.1:2424\"");
    assert_eq!(site.said(), Vec::<String>::new());
    with("listen = \"0.0.0.0:2424\"\nallow_network = true");
    site.says(&["warning listseal.toml:10", "any sender", "firewall"]);
}

#[test]
fn login_and_certificates_of_the_next_hop_are_looked_at() {
    let site = Site::new();
    let with = |more: &str| {
        let delivery = "[delivery]\ntransport = \"smtp://mail.example.org\"\n";
        site.write("listseal.toml", format!("{CLEAN}{delivery}{more}\n"));
    };
    with("user = \"listseal\"");
    site.says(&[
        "error listseal.toml",
        "has no passphrase",
        "delivery_passwd",
    ]);
    with("user = \"listseal\"\npasswd_file = \"passwd\"");
    site.says(&["error passwd", "does not exist"]);
    site.write("passwd", "open sesame\n");
    site.says(&["error passwd", "chmod 600"]);
    site.chmod("passwd", 0o600);
    assert_eq!(site.said(), Vec::<String>::new());
    with("cafile = \"relay.pem\"");
    site.says(&["error", "relay.pem", "cannot be read"]);
    site.write("relay.pem", "no certificate");
    site.says(&["error", "relay.pem", "has no certificate"]);
    site.write("relay.pem", std::fs::read(site.path("ca.pem")).unwrap());
    assert_eq!(site.said(), Vec::<String>::new());
    let out = site.path("out").display().to_string();
    let dir = |more: &str| {
        let delivery = format!("[delivery]\ntransport = \"dir://{out}\"\n{more}\n");
        site.write("listseal.toml", format!("{CLEAN}{delivery}"));
    };
    dir("cafile = \"relay.pem\"");
    site.says(&["warning listseal.toml", "cafile", "no TLS"]);
    dir("user = \"listseal\"\npasswd_file = \"passwd\"");
    site.says(&["warning listseal.toml", "user", "logs in nowhere"]);
}

#[test]
fn trouble_with_trust_is_named() {
    let site = Site::new();
    site.write("listseal.toml", CLEAN.replace("cafile", "# cafile"));
    site.says(&["warning listseal.toml", "no trust anchors"]);
    site.write("listseal.toml", CLEAN.replace("ca.pem", "missing.pem"));
    site.says(&["error missing.pem", "cannot be read"]);
    site.write("listseal.toml", CLEAN);
    site.write("ca.pem", "");
    site.says(&["error ca.pem", "is empty"]);
    // Nobody is asked for a passphrase here; the way is through the command that takes one.
    let site = Site::new();
    site.openssl("pkcs12 -export -inkey ca.key -in ca.pem -passout pass:secret -out ca.p12");
    site.write("listseal.toml", CLEAN.replace("ca.pem", "ca.p12"));
    site.says(&[
        "error ca.p12",
        "is a PKCS#12 file that cannot be opened",
        "listseal trust add FILE --passwd-file FILE",
    ]);
    let site = Site::new();
    let later = site.said_in(Duration::days(31));
    let named = "warning ca.pem: the authority CN=CA expired on";
    assert!(
        later.iter().any(|line| line.starts_with(named)),
        "{later:#?}"
    );
}

#[test]
fn passphrase_that_others_can_read_is_named() {
    let site = Site::new();
    site.write("secret", "open sesame\n");
    site.write(
        "listseal.toml",
        format!("key_passwd_file = \"secret\"\n{CLEAN}"),
    );
    site.says(&["error secret", "chmod 600 secret"]);
    site.write(
        "listseal.toml",
        format!("key_passwd = \"open sesame\"\n{CLEAN}"),
    );
    site.says(&["error listseal.toml", "chmod o-rwx listseal.toml"]);
    site.chmod("listseal.toml", 0o640);
    assert_eq!(site.said(), Vec::<String>::new());
}

#[test]
fn broken_rules_and_templates_are_named() {
    let site = Site::new();
    let list = "owners = [\"alice@example.org\"]\nsend = \"own\"\nmax_size = \"900 MiB\"\n";
    site.write("lists/example.org/team/list.toml", list);
    site.write(
        "lists/example.org/team/scenari/send.own",
        "\nfull_moon() smtp -> do_it\n",
    );
    site.write(
        "lists/example.org/team/templates/rejected.txt",
        "Subject: x\n\n{{ body }}\n",
    );
    site.write("lists/example.org/templates/held.txt", "no subject\n");
    site.write("templates/nonsense.txt", "");
    let said = site.said();
    for part in [
        "error lists/example.org/team/scenari/send.own:2: ",
        "error lists/example.org/team/templates/rejected.txt:3: ",
        "error lists/example.org/templates/held.txt:1: ",
        "warning templates/nonsense.txt: is no notice",
        "warning lists/example.org/team/list.toml: max_size: 900 MiB is more than intake.max_size",
    ] {
        assert!(
            said.iter().any(|line| line.starts_with(part)),
            "{part} {said:#?}"
        );
    }
    assert_eq!(said.len(), 5, "{said:#?}");
}

#[test]
fn bad_list_does_not_hide_the_problems_of_others() {
    let site = Site::new();
    site.write("lists/example.org/bad/list.toml", "encrypt = 5\n");
    site.write("lists/example.org/worse/subscribers", "");
    site.write(
        "lists/example.org/team/subscribers",
        "alice@example.org\nnonsense\n",
    );
    site.pair("lists/example.org/bad", "", "bad@example.org", 365);
    let said = site.said();
    for part in [
        "error lists/example.org/worse: is the directory of a list without list.toml",
        "error lists/example.org/bad/list.toml:1: encrypt is a number",
        "error lists/example.org/bad/subscribers: does not exist",
        "error lists/example.org/team/subscribers:2: ",
    ] {
        assert!(
            said.iter().any(|line| line.starts_with(part)),
            "{part} {said:#?}"
        );
    }
    assert_eq!(said.len(), 4, "{said:#?}");
}
