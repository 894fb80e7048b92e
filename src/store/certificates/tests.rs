//! The directory as Sympa and people leave it.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::*;
use crate::pki::testing::{CA, LEAF, Pki};

const ALICE: &str = "alice@example.org";

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// A directory with certificates made by `openssl` beside it.
struct World {
    pki: Pki,
    store: CertificateStore,
}

impl World {
    fn new() -> Self {
        let pki = Pki::new();
        let directory = pki.0.path("X509-user-certs");
        std::fs::create_dir(&directory).unwrap();
        let store = CertificateStore::new(directory, RelayUser::current());
        Self { pki, store }
    }

    fn make(&self, name: &str) -> Certificate {
        self.pki.issue(name, "root", LEAF);
        self.pki.get(name)
    }

    /// Places a file by hand.
    fn place(&self, name: &str, certificate: &Certificate) {
        self.write(
            name,
            pem::encode("CERTIFICATE", certificate.der()).as_bytes(),
        );
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path(name), bytes).unwrap();
        self.mode(name, 0o644);
    }

    fn path(&self, name: &str) -> PathBuf {
        self.store.directory().join(name)
    }

    fn mode(&self, name: &str, mode: u32) {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.path(name), permissions).unwrap();
    }

    fn encryption(&self, text: &str) -> Option<Certificate> {
        let found = self.store.encryption(&address(text));
        found.unwrap().map(|stored| stored.certificate)
    }

    fn problem(&self, text: &str) -> String {
        let unusable = self.store.encryption(&address(text)).unwrap_err();
        let Unusable::File(problem) = unusable else {
            panic!("not the file's fault: {unusable:?}");
        };
        assert!(problem.file.starts_with(self.store.directory()));
        problem.to_string()
    }

    fn files(&self, name: &str) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.path(name))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

#[test]
fn encryption_looks_at_enc_then_the_plain_name_and_never_at_sign() {
    let world = World::new();
    let (sign, plain, enc) = (world.make("s"), world.make("p"), world.make("e"));
    world.place("alice@example.org@sign", &sign);
    assert_eq!(world.encryption(ALICE), None);
    world.place(ALICE, &plain);
    assert_eq!(world.encryption("Alice@Example.ORG"), Some(plain.clone()));
    world.place("alice@example.org@enc", &enc);
    assert_eq!(world.encryption(ALICE), Some(enc.clone()));
    let (known, problems) = world.store.verification(&address(ALICE)).unwrap();
    assert_eq!(known, [sign, plain, enc]);
    assert!(problems.is_empty());
    assert_eq!(world.encryption("bob@example.org"), None);
}

#[test]
fn older_sympa_names_are_read_after_the_present_ones() {
    let world = World::new();
    let (old, new) = (world.make("old"), world.make("new"));
    world.place("user%2btag@example.org", &old);
    assert_eq!(world.encryption("user+tag@example.org"), Some(old.clone()));
    world.place("user+tag@example.org", &new);
    assert_eq!(world.encryption("user+tag@example.org"), Some(new));
    world.place("o%27brien@example.org@enc", &old);
    assert_eq!(world.encryption("o'brien@example.org"), Some(old));
}

#[test]
fn older_name_of_one_address_is_not_taken_for_the_present_name_of_another() {
    let world = World::new();
    world
        .pki
        .issue("ab", "root", "subjectAltName=email:a_b@example.org");
    let certificate = world.pki.get("ab");
    let path = world
        .store
        .keep(&address("a_b@example.org"), Slot::Both, &certificate, &[]);
    assert_eq!(path.unwrap(), world.path("a_5fb@example.org"));
    assert_eq!(
        world.encryption("a_b@example.org"),
        Some(certificate.clone())
    );
    assert_eq!(world.encryption("a_5fb@example.org"), None);
    // Placed by hand under the older name of its own address.
    world
        .pki
        .issue("own", "root", "subjectAltName=email:a_5fb@example.org");
    let own = world.pki.get("own");
    world.place("a_5fb@example.org", &own);
    assert_eq!(world.encryption("a_5fb@example.org"), Some(own));
}

#[test]
fn e17_long_addresses_have_short_names() {
    let world = World::new();
    let certificate = world.make("x");
    let long = format!("{}@{}.example", "\u{e9}".repeat(30), "d".repeat(60));
    let path = world
        .store
        .keep(&address(&long), Slot::Encrypt, &certificate, &[])
        .unwrap();
    let name = path.file_name().unwrap().to_str().unwrap().to_owned();
    assert!(
        name.contains('~') && name.ends_with("@enc") && name.len() <= 205,
        "{name}"
    );
    assert_eq!(world.encryption(&long), Some(certificate));
    assert_eq!(world.encryption(&long.replace("dd.", "de.")), None);
}

#[test]
fn each_unusable_file_is_named_with_its_remedy() {
    let world = World::new();
    let (one, two) = (world.make("one"), world.make("two"));
    let text = |certificate: &Certificate| pem::encode("CERTIFICATE", certificate.der());
    for (bytes, expected) in [
        (String::new(), "is empty"),
        (" \n".to_owned(), "is empty"),
        ("nonsense".to_owned(), "is not PEM"),
        (text(&one)[..200].to_owned(), "cut off"),
        (text(&one).replace("MII", "MIJ"), "is not a certificate"),
        (text(&one) + &text(&two), "holds more than one certificate"),
        (text(&one) + &text(&one), "holds more than one certificate"),
    ] {
        world.write(ALICE, bytes.as_bytes());
        let said = world.problem(ALICE);
        assert!(said.contains(expected) && said.contains(ALICE), "{said}");
        let (known, problems) = world.store.verification(&address(ALICE)).unwrap();
        assert!(known.is_empty() && problems.len() == 1);
    }
    world.write(
        ALICE,
        (text(&one) + &text(&world.pki.get("root"))).as_bytes(),
    );
    assert_eq!(world.encryption(ALICE), Some(one.clone()));
    world.mode(ALICE, 0o664);
    assert!(world.problem(ALICE).contains("chmod go-w"));
    std::fs::remove_file(world.path(ALICE)).unwrap();
    std::fs::create_dir(world.path(ALICE)).unwrap();
    assert!(world.problem(ALICE).contains("is a directory"));
}

#[test]
fn e5_links_and_pipes_are_not_opened() {
    let world = World::new();
    let certificate = world.make("x");
    let outside = world.pki.0.path("x.pem");
    symlink(&outside, world.path(ALICE)).unwrap();
    assert!(world.problem(ALICE).contains("symbolic link"));
    std::fs::remove_file(world.path(ALICE)).unwrap();
    std::fs::hard_link(&outside, world.path(ALICE)).unwrap();
    assert!(world.problem(ALICE).contains("hard link"));
    std::fs::remove_file(world.path(ALICE)).unwrap();
    let kind = rustix::fs::FileType::Fifo;
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(rustix::fs::CWD, world.path(ALICE), kind, mode, 0).unwrap();
    assert!(world.problem(ALICE).contains("not a regular file"));
    std::fs::remove_file(world.path(ALICE)).unwrap();
    world.place(ALICE, &certificate);
    assert_eq!(world.encryption(ALICE), Some(certificate));
}

#[test]
fn edits_count_at_once() {
    let world = World::new();
    let (one, two) = (world.make("one"), world.make("two"));
    world.place(ALICE, &one);
    assert_eq!(world.encryption(ALICE), Some(one));
    world.place(ALICE, &two);
    assert_eq!(world.encryption(ALICE), Some(two));
    world.write(ALICE, b"");
    assert!(world.problem(ALICE).contains("is empty"));
    std::fs::remove_file(world.path(ALICE)).unwrap();
    assert_eq!(world.encryption(ALICE), None);
}

#[test]
fn s36_writing_keeps_the_old_generation_out_of_sympas_sight() {
    let world = World::new();
    let (one, two) = (world.make("one"), world.make("two"));
    let alice = address(ALICE);
    let path = world.store.keep(&alice, Slot::Both, &one, &[]).unwrap();
    assert_eq!(path, world.path(ALICE));
    world.store.keep(&alice, Slot::Both, &two, &[]).unwrap();
    world.store.keep(&alice, Slot::Both, &two, &[]).unwrap();
    assert_eq!(world.encryption(ALICE), Some(two.clone()));
    let mut kept = [
        format!("{}.pem", one.sha256_hex()),
        format!("{}.pem", two.sha256_hex()),
    ];
    kept.sort();
    assert_eq!(world.files(&format!(".listseal/{ALICE}")), kept);
    // No temporary file is left, and Sympa sees one certificate.
    assert_eq!(world.files(".listseal"), [ALICE]);
    assert_eq!(world.files(""), [".listseal", ALICE]);
    // openssl reads what was written.
    world
        .pki
        .0
        .openssl(&format!("x509 -noout -in X509-user-certs/{ALICE}"));
    let entries = world.store.entries().unwrap();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].as_ref().unwrap().certificate, two);
}

#[test]
fn s32_certificate_that_only_signs_displaces_nothing() {
    let world = World::new();
    let (both, sign, enc) = (world.make("both"), world.make("sign"), world.make("enc"));
    let alice = address(ALICE);
    world.store.keep(&alice, Slot::Both, &both, &[]).unwrap();
    world.store.keep(&alice, Slot::Sign, &sign, &[]).unwrap();
    assert_eq!(world.encryption(ALICE), Some(both.clone()));
    let in_force = |slot| {
        world
            .store
            .in_force(&alice, slot)
            .unwrap()
            .map(|s| s.certificate)
    };
    assert_eq!(in_force(Slot::Sign), Some(sign.clone()));
    assert_eq!(in_force(Slot::Both), Some(both.clone()));
    world.store.keep(&alice, Slot::Encrypt, &enc, &[]).unwrap();
    assert_eq!(in_force(Slot::Both), Some(enc.clone()));
    let (known, _) = world.store.verification(&alice).unwrap();
    assert_eq!(known, [sign, both, enc.clone()]);
    // A new one for both uses takes over from an older one for encryption alone, which is kept.
    let newer = world.make("newer");
    world.store.keep(&alice, Slot::Both, &newer, &[]).unwrap();
    assert_eq!(world.encryption(ALICE), Some(newer));
    let kept = world.files(&format!(".listseal/{ALICE}"));
    assert!(
        kept.contains(&format!("{}.pem", enc.sha256_hex())),
        "{kept:?}"
    );
}

#[test]
fn trouble_while_writing_leaves_the_old_certificate_in_force() {
    let world = World::new();
    let (one, two) = (world.make("one"), world.make("two"));
    let alice = address(ALICE);
    world.store.keep(&alice, Slot::Both, &one, &[]).unwrap();
    let aside = world.path(&format!(".listseal/{ALICE}"));
    if aside.exists() {
        std::fs::remove_dir_all(&aside).unwrap();
    }
    std::fs::write(&aside, "in the way").unwrap();
    let problem = world.store.keep(&alice, Slot::Both, &two, &[]).unwrap_err();
    assert!(
        problem.to_string().contains("is not a directory"),
        "{problem}"
    );
    assert_eq!(world.encryption(ALICE), Some(one));
}

#[test]
fn missing_directory_is_an_empty_one_until_something_is_kept() {
    let world = World::new();
    world.pki.issue("mid", "root", CA);
    let directory = world.pki.0.path("new");
    let store = CertificateStore::new(&directory, RelayUser::current());
    assert_eq!(store.encryption(&address(ALICE)), Ok(None));
    assert_eq!(store.entries(), Ok(Vec::new()));
    store
        .keep(&address(ALICE), Slot::Sign, &world.pki.get("mid"), &[])
        .unwrap();
    assert_eq!(store.entries().unwrap().len(), 1);
}

#[test]
fn directory_that_cannot_be_searched_is_no_missing_certificate() {
    let world = World::new();
    world.place(ALICE, &world.make("one"));
    let alice = address(ALICE);
    assert!(world.encryption(ALICE).is_some());
    assert_eq!(world.store.trouble(), None);
    // Stands for a mode that shuts us out, which tests under root cannot have.
    let (place, hidden) = (world.path(""), world.pki.0.path("hidden"));
    std::fs::rename(&place, &hidden).unwrap();
    symlink("X509-user-certs", world.pki.0.path("X509-user-certs")).unwrap();
    for slot in [Slot::Both, Slot::Encrypt, Slot::Sign] {
        let found = world.store.in_force(&alice, slot);
        assert!(matches!(found, Err(Unusable::Trouble(_))), "{found:?}");
    }
    assert!(world.store.verification(&alice).is_err());
    let problem = world.store.trouble().unwrap().to_string();
    assert!(problem.contains("X509-user-certs"), "{problem}");
    std::fs::remove_file(world.pki.0.path("X509-user-certs")).unwrap();
    std::fs::rename(&hidden, &place).unwrap();
    assert!(world.encryption(ALICE).is_some());
    assert_eq!(world.store.trouble(), None);
}

#[test]
fn s35_issuers_are_kept_beside_the_certificate_and_sympas_file_is_as_ever() {
    let world = World::new();
    world.pki.issue("mid", "root", CA);
    world.pki.issue("leaf", "mid", LEAF);
    let (leaf, mid) = (world.pki.get("leaf"), world.pki.get("mid"));
    let alice = address(ALICE);
    let issuers = || {
        let stored = world.store.encryption(&alice).unwrap().unwrap();
        world.store.issuers(&alice, &stored)
    };
    let above = std::slice::from_ref(&mid);
    world.store.keep(&alice, Slot::Both, &leaf, above).unwrap();
    assert_eq!(issuers(), Ok(vec![mid.clone()]));
    let text = std::fs::read_to_string(world.path(ALICE)).unwrap();
    assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 1);
    // The same again is not written again, nor is nothing.
    let file = format!(".listseal/{ALICE}/{}.issuers", leaf.sha256_hex());
    let stamp = || pem_file::stamp(&world.path(&file)).unwrap().unwrap();
    let before = stamp();
    world.store.keep_issuers(&alice, &leaf, above).unwrap();
    world.store.keep_issuers(&alice, &leaf, &[]).unwrap();
    assert_eq!(stamp(), before);
    // They are this certificate's: another one has none, or those of its own file.
    let other = world.make("other");
    world.place(ALICE, &other);
    assert_eq!(issuers(), Ok(Vec::new()));
    let both = [&leaf, &mid].map(|one| pem::encode("CERTIFICATE", one.der()));
    world.write(ALICE, both.concat().as_bytes());
    std::fs::remove_file(world.path(&file)).unwrap();
    assert_eq!(issuers(), Ok(vec![mid.clone()]));
    world.write(&file, b"spoilt");
    assert!(matches!(issuers(), Err(Unusable::File(_))));
    world.store.keep_issuers(&alice, &leaf, above).unwrap();
    assert!(issuers().is_ok());
}

#[test]
fn old_temporary_files_are_swept_and_nothing_else() {
    let world = World::new();
    let alice = address(ALICE);
    let certificate = world.make("one");
    world
        .store
        .keep(&alice, Slot::Both, &certificate, &[])
        .unwrap();
    for name in ["tmp-0123456789abcdef", "tmp-important", "other"] {
        world.write(&format!(".listseal/{name}"), b"half");
    }
    let now = std::time::SystemTime::now();
    assert_eq!(world.store.sweep(now), 0);
    let tomorrow = now + std::time::Duration::from_secs(25 * 60 * 60);
    assert_eq!(world.store.sweep(tomorrow), 1);
    assert_eq!(world.files(".listseal"), ["other", "tmp-important"]);
    assert_eq!(world.encryption(ALICE), Some(certificate));
}
