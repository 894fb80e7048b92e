//! Addresses as long as they can be, from intake to the last copy; and file systems that fold case
//! (contract E17, E19). What looks alike is told apart in the tests of `model`.

use std::sync::Arc;

use super::common::lab::{lab, openssl};
use super::disks::{Disk, is_root, names, say};
use super::relay::{End, MEMBERS, Relay};
use super::sink::{Mood, listen_as};

/// 64 octets, an `@` and 253.
fn longest() -> String {
    let label = "d".repeat(63);
    let domain = format!("{label}.{label}.{label}.{}.example", "e".repeat(53));
    let address = format!("{}@{domain}", "l".repeat(64));
    assert_eq!((address.len(), domain.len()), (318, 253));
    address
}

/// Makes a key and a certificate for an address that no name of the lab stands for.
fn issue(address: &str) {
    let lab = lab();
    let extensions = format!(
        "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\n\
         extendedKeyUsage=emailProtection\nsubjectAltName=email:{address}\n"
    );
    std::fs::write(lab.dir().join("longest.ext"), extensions).unwrap();
    lab.openssl(
        "req -new -newkey rsa:2048 -nodes -subj /CN=Longest -keyout longest.key -out longest.csr",
    );
    let authority = lab.authority();
    let authority = authority.file_stem().unwrap().to_str().unwrap();
    lab.openssl(&format!(
        "x509 -req -in longest.csr -CA {authority}.pem -CAkey {authority}.key -CAcreateserial \
         -CAserial longest.srl -days 3000 -extfile longest.ext -out longest.pem"
    ));
}

/// A mail from that address, signed.
fn signed(from: &str, to: &str, id: &str) -> Vec<u8> {
    let entity = b"Content-Type: text/plain\r\n\r\nA name that takes its time.\r\n";
    let line = "cms -sign -signer longest.pem -inkey longest.key -md sha256";
    let inside = openssl(lab().dir(), line, entity);
    let header = format!(
        "From: <{from}>\nTo: {to}\nSubject: long\nMessage-ID: <{id}>\n\
         Date: Sat, 21 Nov 2026 12:00:00 +0000\n"
    );
    [header.into_bytes(), inside].concat()
}

#[test]
fn e17_address_of_318_octets_registers_posts_and_gets_its_copies() {
    let relay = Relay::in_memory(2);
    let address = longest();
    issue(&address);
    let outbox = relay.site.path("outbox");
    let sink = listen_as(outbox, Arc::<Mood>::default());
    relay.send_to(&format!("smtp://{sink}"));
    let members = [&address[..], "alice@example.org"].join("\n") + "\n";
    relay
        .site
        .write("lists/example.org/team/subscribers", members);
    let to_it = || {
        let mut mails = relay.site.outbox();
        mails.retain(|mail| mail.to == address);
        mails
    };

    // No certificate yet: told so.
    assert_eq!(relay.queue("team", &relay.post(1), &[]).0, End::Code(0));
    assert_eq!(relay.daemon(&[]).0, End::Code(0));
    let told = to_it();
    assert_eq!(told.len(), 1, "{}", relay.site.log());
    assert_eq!(told[0].from, "");

    let hand_in = |list: &str, mail: &[u8]| {
        let ended = relay
            .site
            .queue(&format!("{list}@example.org"), &address, mail);
        assert_eq!(ended.code, 0, "{ended:?}");
        let (end, said) = relay.daemon(&[]);
        assert_eq!(end, End::Code(0), "{said}");
    };
    hand_in(
        "team-register",
        &signed(&address, "team-register@example.org", "register@x.org"),
    );
    let files = names(&relay.site.path("disk/certificates"));
    let long: Vec<_> = files
        .iter()
        .filter(|name| name.starts_with("llll"))
        .collect();
    assert_eq!(long.len(), 1, "{files:?}");
    // Cut after 120 bytes, then a digest: a file system takes no more than 255.
    assert_eq!(long[0].len(), 120 + 1 + 64);
    assert_eq!(
        to_it().len(),
        2,
        "the answer to the registration: {}",
        relay.site.log()
    );

    hand_in("team", &signed(&address, "team@example.org", "post@x.org"));
    let copies: Vec<_> = to_it()
        .into_iter()
        .filter(|mail| !mail.from.is_empty())
        .collect();
    assert_eq!(copies.len(), 1, "{}", relay.site.log());
    // RFC 5321 section 4.5.3.1.1: a local part has 64 octets at most, so the address of this reader
    // does not go into the envelope sender; the copy leaves all the same.
    assert_eq!(copies[0].from, "team-bounces@example.org");
    let line = "cms -decrypt -recip longest.pem -inkey longest.key";
    let opened = openssl(lab().dir(), line, &copies[0].bytes);
    assert!(String::from_utf8_lossy(&opened).contains("A name that takes its time."));
    let others = relay.site.outbox();
    let alices: Vec<_> = others
        .iter()
        .filter(|mail| mail.to == "alice@example.org" && !mail.from.is_empty())
        .collect();
    assert_eq!(alices.len(), 2);
    assert_eq!(alices[1].from, "team-bounces+alice=example.org@example.org");
    let audit = relay.site.command(&["audit"], b"");
    assert_eq!(audit.code, 0, "{audit:?}");
    assert!(relay.site.spool().is_empty());
    // One octet more is no address.
    let ended = relay
        .site
        .queue(&format!("x{address}"), "", b"Subject: x\n\nx\n");
    assert_eq!(ended.code, 64, "{ended:?}");
}

#[test]
fn e17_list_in_a_domain_of_253_octets_sends_its_copies() {
    let relay = Relay::in_memory(2);
    let (_, domain) = longest()
        .split_once('@')
        .map(|(l, d)| (l.to_owned(), d.to_owned()))
        .unwrap();
    let list = "a".repeat(50);
    let directory = format!("lists/{domain}/{list}");
    let members = MEMBERS.map(|name| format!("{name}@example.org\n")).concat();
    let settings = "owners = [\"olga@example.org\"]\nsend = \"public\"\nencrypt = \"always\"\n";
    relay
        .site
        .write(&format!("{directory}/list.toml"), settings);
    relay
        .site
        .write(&format!("{directory}/subscribers"), members);
    let ended = relay.site.queue(
        &format!("{list}@{domain}"),
        "alice@example.org",
        &relay.post(1),
    );
    assert_eq!(ended.code, 0, "{ended:?}");
    relay.finish();
    let sent = relay.site.outbox();
    assert_eq!(sent.len(), MEMBERS.len(), "{}", relay.site.log());
    // With the reader in it the local part would have more than 64 octets.
    let expected = format!("{list}-bounces@{domain}");
    assert!(sent.iter().all(|mail| mail.from == expected), "{sent:?}");
    let figures = relay.judge(&[1]);
    assert_eq!((figures.lost, figures.torn, figures.duplicated), (0, 0, 0));
}

#[test]
fn e19_file_system_that_folds_case_mixes_nobody_up() {
    if !is_root("to mount an ext4") {
        return;
    }
    let relay = Relay::in_memory(2);
    let Some(disk) = Disk::folding(relay.site.path("disk")) else {
        return say("\nleft out: this kernel mounts no ext4 that folds case: e19\n");
    };
    relay.furnish();
    // It does fold.
    assert!(disk.at.join("CERTIFICATES/ALICE@EXAMPLE.ORG").exists());
    let readers = [
        "Carol", "carol-x", "CAROL.X", "ÖLGA", "ölga", "Öлga", "oelga",
    ];
    let members: String = MEMBERS
        .iter()
        .chain(&readers)
        .map(|name| format!("{name}@example.org\n"))
        .collect();
    relay
        .site
        .write("lists/example.org/team/subscribers", members);
    relay
        .site
        .certificate("carol", Some("../disk/certificates/carol@example.org"));
    for number in 1..=3 {
        assert_eq!(
            relay.queue("team", &relay.post(number), &[]).0,
            End::Code(0)
        );
    }
    relay.finish();
    let figures = relay.judge(&[1, 2, 3]);
    assert_eq!(
        (figures.lost, figures.torn, figures.duplicated),
        (0, 0, 0),
        "{figures:?}"
    );
    let copies = relay.site.outbox();
    let readers: Vec<_> = copies
        .iter()
        .filter(|mail| !mail.from.is_empty())
        .map(|mail| mail.to.to_lowercase())
        .collect();
    assert!(
        readers.iter().all(|to| ["alice@", "bob@", "carol@"]
            .iter()
            .any(|one| to.starts_with(one))),
        "{readers:?}"
    );
}

#[test]
fn e19_names_of_files_are_lower_case_ascii_whatever_the_address_is() {
    use listseal::model::{Address, escape};
    for address in [
        "Carol@Example.ORG",
        "ÖLGA@example.org",
        "ölga@EXAMPLE.org",
        "İ@x.org",
        "ſ@x.org",
        "K@x.org",
        "a%41@x.org",
        "A/../B@x.org",
    ] {
        let Ok(address) = Address::parse(address) else {
            continue;
        };
        let name = escape::file_name(address.key());
        assert_eq!(name, name.to_ascii_lowercase());
        assert!(name.is_ascii() && name.len() <= 200);
    }
}
