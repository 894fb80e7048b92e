//! The shipped files in `etc/` are the manual: they say what the program does.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
// Tests read files.
#![allow(clippy::disallowed_methods)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use listseal::authorize::builtin;
use listseal::config::list::Scope;
use listseal::config::{ListKeys, Settings};
use listseal::model::Address;
use listseal::model::route::Route;
use listseal::store::lists::Lists;
use listseal::store::roster;
use regex::Regex;

fn etc(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("etc").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(etc(name)).unwrap()
}

const SITE: &str = "listseal.toml";
const LIST: &str = "listseal/lists/example.org/team/list.toml";

/// Uncomments the lines that show a default (`#key = `), or those that show an example too
/// (`# key = `).
fn uncommented(text: &str, examples: bool) -> String {
    let shown = Regex::new(if examples {
        "^# ?([a-z_]+ = )"
    } else {
        "^#([a-z_]+ = )"
    })
    .unwrap();
    let lines = text.lines().map(|line| shown.replace(line, "$1") + "\n");
    lines.collect()
}

/// Every key that the text shows, with its section.
fn shown_keys(text: &str) -> BTreeSet<String> {
    let key = Regex::new("^(?:# ?)?([a-z_]+) = ").unwrap();
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in text.lines() {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            section = format!("{name}.");
        } else if let Some(found) = key.captures(line) {
            keys.insert(format!("{section}{}", &found[1]));
        }
    }
    keys
}

#[test]
fn listseal_toml_shows_every_key_and_no_other() {
    assert_eq!(shown_keys(&text(SITE)), Settings::known_keys());
}

#[test]
fn list_toml_shows_every_key_and_no_other() {
    assert_eq!(shown_keys(&text(LIST)), ListKeys::known_keys(Scope::List));
}

#[test]
fn shipped_defaults_are_the_defaults_of_the_program() {
    let file = Path::new("/etc/listseal/listseal.toml");
    let shipped = text(SITE);
    let defaults = Settings::defaults(file);
    assert_eq!(Settings::parse(file, &shipped).unwrap(), defaults);
    let shown = uncommented(&shipped, false);
    assert!(shown.contains("\nspool = "), "nothing was uncommented");
    assert_eq!(Settings::parse(file, &shown).unwrap(), defaults);
}

#[test]
fn shipped_examples_are_accepted() {
    let file = Path::new("/etc/listseal/listseal.toml");
    let one =
        |text: &str, key: &str| text.replace(&format!("\n{key} = "), &format!("\n# {key} = "));
    // Of two keys that exclude each other, each is tried.
    for without in ["key_passwd", "key_passwd_file"] {
        let all = one(&uncommented(&text(SITE), true), without);
        let settings = Settings::parse(file, &all).unwrap();
        assert!(settings.passphrase.is_some() && settings.trust.cafile.is_some());
        let all = one(&uncommented(&text(LIST), true), without);
        let keys = ListKeys::parse(Path::new("/list.toml"), &all, Scope::List).unwrap();
        assert!(keys.passphrase.is_some() && !keys.cafile.is_empty() && keys.title.is_some());
    }
}

#[test]
fn shipped_list_defaults_are_the_defaults_of_the_program() {
    let team = Address::parse("team@example.org").unwrap();
    let file = Path::new("/list.toml");
    let site = Settings::defaults(Path::new("/etc/listseal/listseal.toml"));
    let policy = |text: &str| {
        let keys = ListKeys::parse(file, text, Scope::List).unwrap();
        format!("{:?}", keys.policy(&team, file, &site).unwrap())
    };
    let own = "owners = [\"olga@example.org\"]\n";
    assert_eq!(policy(&text(LIST)), policy(own));
    let shown = uncommented(&text(LIST), false);
    assert!(shown.contains("\nsend = "), "nothing was uncommented");
    assert_eq!(policy(&shown), policy(own));
    // [list] in listseal.toml shows the same defaults, as examples.
    let shipped = text(SITE);
    let (_, section) = shipped.split_once("\n[list]\n").unwrap();
    let shown = uncommented(section, true).replace("postmaster@", "olga@");
    let shown = shown.replace("moderators = ", "# moderators = ");
    assert_eq!(policy(&shown), policy(own));
}

#[test]
fn example_list_can_be_used_as_it_is() {
    let mut settings = Settings::load(&etc(SITE)).unwrap();
    settings.paths.lists = etc("listseal/lists");
    let lists = Lists::new(Arc::new(settings));
    let (all, found) = lists.all();
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(all.len(), 1);
    lists.read_directory(all[0].clone()).unwrap();
    let (roster, bad) = roster::read(&all[0]).unwrap();
    assert!(bad.is_empty(), "{bad:?}");
    assert_eq!(roster.subscribers().len(), 4);
}

#[test]
fn scenarios_that_list_toml_names_are_built_in() {
    let manual = text(LIST);
    let (_, after) = manual.split_once("Also built in: ").unwrap();
    let (names, _) = after.split_once(". An own one").unwrap();
    let names: Vec<_> = names
        .split(|c: char| !(c.is_ascii_lowercase() || c == '_'))
        .filter(|name| !name.is_empty())
        .collect();
    assert!(names.len() >= 5, "{names:?}");
    for name in names.into_iter().chain(["private_smime"]) {
        assert!(builtin::builtin(name).is_some(), "{name}");
    }
}

/// Every address of the example list and its domain, and some that are none.
const ADDRESSES: [(&str, bool); 13] = [
    ("team@example.org", true),
    ("team-request@example.org", true),
    ("team-owner@example.org", true),
    ("team-editor@example.org", true),
    ("team-register@example.org", true),
    ("team-sendkey@example.org", true),
    ("team-bounces@example.org", true),
    ("team-bounces+a.b=x.org@example.org", true),
    ("listseal@example.org", true),
    ("teams@example.org", false),
    ("team-x@example.org", false),
    ("team@example.com", false),
    ("listseal@example.com", false),
];

fn example_lists() -> Lists {
    let mut settings = Settings::load(&etc(SITE)).unwrap();
    settings.paths.lists = etc("listseal/lists");
    Lists::new(Arc::new(settings))
}

#[test]
fn postfix_tables_route_exactly_the_addresses_of_the_list() {
    let lists = example_lists();
    for name in [
        "postfix/transport.regexp",
        "postfix/transport.lmtp.regexp",
        "postfix/recipients.regexp",
    ] {
        let rules: Vec<Regex> = text(name)
            .lines()
            .filter_map(|line| line.strip_prefix('/')?.split_once("/ "))
            .map(|(pattern, _)| Regex::new(&format!("(?i){pattern}")).unwrap())
            .collect();
        assert_eq!(rules.len(), 2, "{name}");
        for (address, ours) in ADDRESSES {
            let routed = rules.iter().any(|rule| rule.is_match(address));
            assert_eq!(routed, ours, "{name}: {address}");
            let parsed = Address::parse(address).unwrap();
            assert_eq!(lists.route(&parsed).unwrap().is_some(), ours, "{address}");
        }
    }
}

#[test]
fn postfix_aliases_name_every_role_of_the_list() {
    let lists = example_lists();
    let aliases = text("postfix/aliases");
    let line = Regex::new(
        r#"(?m)^([a-z-]+):\s+"\|/usr/bin/listseal queue --sender=\\"\$SENDER\\" -- (.+)"$"#,
    );
    let mut named = BTreeSet::new();
    for found in line.unwrap().captures_iter(&aliases) {
        let full = format!("{}@example.org", &found[1]);
        if &found[1] == "team-bounces" {
            assert_eq!(&found[2], r#"\"$ORIGINAL_RECIPIENT\""#);
        } else {
            assert_eq!(&found[2], full);
        }
        let route = lists.route(&Address::parse(&full).unwrap()).unwrap();
        named.insert(match route.unwrap() {
            Route::List(_, role) => format!("{role:?}"),
            Route::Site(_) => "Site".to_owned(),
        });
    }
    let all = [
        "Bounces(None)",
        "Editor",
        "Owner",
        "Post",
        "Register",
        "Request",
        "SendKey",
        "Site",
    ];
    assert_eq!(named, all.map(str::to_owned).into());
}
