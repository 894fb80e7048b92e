//! The disk of certificates, and that of notices and of what lists remember, is full at sixty levels
//! (contract E2, C1, C2, D4).

use super::common::mail::Made;
use super::disks::{Disk, is_root, names};
use super::full::{LEVELS, audited, levels, told};
use super::relay::{End, MEMBERS, Relay};

/// A post that Carol signed.
fn signed(number: u64) -> Vec<u8> {
    let text = format!(
        "! sign carol\nFrom: Carol <carol@example.org>\nTo: team@example.org\nSubject: {number}\n\
         Message-ID: <{number}.crash@example.org>\nDate: Sat, 21 Nov 2026 12:00:00 +0000\nMIME-Version: 1.0\n\
         Content-Type: text/plain\n\nHere I am.\n"
    );
    Made::from_text(text.as_bytes(), &|name| panic!("there is no mail {name}")).bytes
}

#[test]
fn certificate_is_learned_whole_or_not_at_all_where_its_disk_is_full() {
    if !is_root("to mount a tmpfs") {
        return;
    }
    let relay = Relay::in_memory(2);
    let disk = Disk::tmpfs(relay.site.path("disk/certificates"), 4 << 10);
    relay.furnish();
    let members = [&MEMBERS[..], &["carol"]].concat();
    let members: String = members
        .iter()
        .map(|m| format!("{m}@example.org\n"))
        .collect();
    relay
        .site
        .write("lists/example.org/team/subscribers", members);
    let file = disk.at.join("carol@example.org");
    let new = super::common::lab::lab().identity("carol").certificate;
    let new = std::fs::read(new).unwrap();
    let (mut accepted, mut refused) = (Vec::new(), 0);
    for (number, (blocks, files)) in levels().enumerate() {
        let number = number as u64 + 1;
        let place = format!("certificates, {blocks} blocks and {files:?} files");
        assert_eq!(relay.queue("team", &signed(number), &[]).0, End::Code(0));
        accepted.push(number);
        disk.fill(blocks * disk.block, files);
        let (end, said) = relay.daemon(&[]);
        assert_eq!(end, End::Code(0), "{place}: {said}");
        // Never in part (C1, C2).
        let met = !file.exists();
        refused += u64::from(met);
        if met {
            assert!(said.contains("No space left on device"), "{place}: {said}");
        } else {
            assert!(holds(&std::fs::read(&file).unwrap(), &new), "{place}");
        }
        audited(&relay, &place);
        disk.empty();
        relay.finish();
        let left: Vec<_> = names(&disk.at)
            .into_iter()
            .filter(|name| !name.starts_with('.'))
            .collect();
        let expected = [&MEMBERS[..], if met { &[] } else { &["carol"] }].concat();
        let expected: Vec<_> = expected
            .iter()
            .map(|m| format!("{m}@example.org"))
            .collect();
        assert_eq!(left, expected, "{place}: something is left over");
        if !met {
            std::fs::remove_file(&file).unwrap();
        }
    }
    // With room it is learned.
    assert_eq!(relay.queue("team", &signed(99), &[]).0, End::Code(0));
    accepted.push(99);
    relay.finish();
    assert!(holds(&std::fs::read(&file).unwrap(), &new));
    told(
        &relay.judge(&accepted),
        "certificates",
        LEVELS,
        &disk,
        refused,
    );
}

/// True where `file` begins with the certificate in `pem`.
fn holds(file: &[u8], pem: &[u8]) -> bool {
    let parse = |text: &[u8]| listseal::pki::pem::certificates(text).unwrap().remove(0);
    parse(file) == parse(pem)
}

#[test]
fn notices_and_the_memory_of_lists_wait_for_room_where_their_disk_is_full() {
    if !is_root("to mount a tmpfs") {
        return;
    }
    let relay = Relay::in_memory(2);
    let disk = Disk::tmpfs(relay.site.path("disk/state"), 4 << 10);
    let open = "owners = [\"olga@example.org\"]\nsend = \"public\"\nencrypt = \"always\"\n";
    let members: String = MEMBERS.map(|name| format!("{name}@example.org\n")).concat();
    let writers: String = (0..LEVELS).map(|n| format!("m{n}@example.org\n")).collect();
    relay
        .site
        .write("lists/example.org/closed/subscribers", writers);
    assert_eq!(relay.daemon(&[]).0, End::Code(0));
    let (mut accepted, mut refused) = (Vec::new(), 0);
    for (number, (blocks, files)) in levels().enumerate() {
        let (level, number) = (number, number as u64 + 1);
        let place = format!("state, {blocks} blocks and {files:?} files");
        // A list of its own, whose memory has to be begun; and somebody who was told nothing yet.
        let list = format!("team{level}");
        let directory = format!("lists/example.org/{list}");
        relay.site.write(&format!("{directory}/list.toml"), open);
        relay
            .site
            .write(&format!("{directory}/subscribers"), &members);
        assert_eq!(relay.queue(&list, &relay.post(number), &[]).0, End::Code(0));
        accepted.push(number);
        let text = String::from_utf8(relay.post(1000 + number)).unwrap();
        let text = text.replace("alice@", &format!("m{level}@"));
        assert_eq!(relay.queue("closed", text.as_bytes(), &[]).0, End::Code(0));
        disk.fill(blocks * disk.block, files);
        let (end, said) = relay.daemon(&[]);
        assert_eq!(end, End::Code(0), "{place}: {said}");
        refused += u64::from(said.contains("No space left on device"));
        audited(&relay, &place);
        disk.empty();
        relay.finish();
        let told = relay.site.outbox().into_iter();
        let told =
            told.filter(|mail| mail.from.is_empty() && mail.to == format!("m{level}@example.org"));
        assert_eq!(told.count(), 1, "{place}");
        // Lists that are done are not asked again.
        relay.site.remove(&directory);
    }
    told(
        &relay.judge(&accepted),
        "notices, replay",
        LEVELS,
        &disk,
        refused,
    );
}
