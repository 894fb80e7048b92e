//! Target `spool`: the files that a restart reads back.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use listseal::model::SpoolId;
use listseal::model::plan::Plan;
use listseal::spool::message::{self, Writer};
use listseal::spool::{Slot, Slots};
use rustix::fs::{MemfdFlags, memfd_create};
use sha2::{Digest as _, Sha256};

/// A message file that is read is byte for byte what writing its message makes. Slots and plans that
/// are read are the same when they are written and read again; a damaged slot is an open one, never
/// one that was done.
///
/// Input: the first octet says which file it is, and whether its checksum is made to fit.
pub fn spool(data: &[u8]) {
    let Some((kind, bytes)) = data.split_first() else {
        return;
    };
    match kind % 4 {
        0 => message(bytes),
        1 => message(&with_digest(bytes)),
        2 => slots(bytes),
        _ => plan(bytes),
    }
}

fn file(bytes: &[u8]) -> File {
    let mut file = File::from(memfd_create("fuzz", MemfdFlags::CLOEXEC).unwrap());
    file.write_all(bytes).unwrap();
    file
}

/// Returns `bytes` with the length of the message put right and the end of a message file behind.
fn with_digest(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let json = bytes.get(12..16).and_then(|length| length.try_into().ok());
    let head = json.map_or(0, |length| u32::from_be_bytes(length) as usize) + 16;
    let size = bytes.len().saturating_sub(head + 8) as u64;
    if let Some(field) = out.get_mut(head..head + 8) {
        field.copy_from_slice(&size.to_be_bytes());
        let mut hash = Sha256::new();
        hash.update(&out[..head]);
        hash.update(&out[head + 8..]);
        hash.update(size.to_be_bytes());
        out.extend(END);
        out.extend(hash.finalize());
    }
    out
}

const END: &[u8] = b"END\n";

fn message(bytes: &[u8]) {
    let tail = bytes
        .len()
        .checked_sub(32)
        .and_then(|at| bytes.get(at..at + 8));
    let digest = tail.map_or([0; 8], |first| first.try_into().unwrap());
    let mut stored = file(bytes);
    let head = message::read_head(&mut stored);
    let Ok(found) = message::read(SpoolId::new(1, 2, digest), &mut stored) else {
        return;
    };
    let head = head.expect("who reads the whole reads its beginning");
    assert!(head.envelope == found.envelope && head.size == found.data.len() as u64);
    let other = SpoolId::new(1, 2, digest.map(|byte| !byte));
    assert!(
        message::read(other, &mut stored).is_err(),
        "read under another name"
    );
    let mut writer = Writer::begin(file(b""), &found.envelope).unwrap();
    writer.add(&found.data).unwrap();
    let (mut again, name) = writer.end().unwrap();
    let mut written = Vec::new();
    again.seek(SeekFrom::Start(0)).unwrap();
    again.read_to_end(&mut written).unwrap();
    let read =
        message::read(SpoolId::new(1, 2, name), &mut again).expect("what is written is read");
    assert!(read.data == found.data && read.envelope == found.envelope);
    if written != bytes {
        // The envelope is JSON, which others may space otherwise; the message behind it is the same.
        assert!(written.ends_with(END) || written[..written.len() - 32].ends_with(END));
    }
}

fn slots(bytes: &[u8]) {
    let Ok(slots) = Slots::from_file(file(bytes), Path::new("slots")) else {
        return;
    };
    let states = slots.states().expect("as many as the header says");
    assert_eq!(states.len(), slots.len());
    let tally = slots.tally().unwrap();
    let sum = tally.unfinished() + tally.sent + tally.failed + tally.withheld;
    assert_eq!(sum, states.len() as u64, "items are lost or made up");
    let image = Slots::image(slots.plan_digest(), &states);
    assert_eq!(image.len(), bytes.len());
    for (state, (written, found)) in states.iter().zip(records(&image).zip(records(bytes))) {
        assert!(
            *state == Slot::Open || written == found,
            "a damaged slot counts as done"
        );
    }
    let again =
        Slots::from_file(file(&image), Path::new("slots")).expect("what is written is read");
    assert!(again.states().unwrap() == states && again.plan_digest() == slots.plan_digest());
}

/// The records of the items.
fn records(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.chunks(64).skip(2)
}

fn plan(bytes: &[u8]) {
    let Ok(plan) = serde_json::from_slice::<Plan>(bytes) else {
        return;
    };
    let text = serde_json::to_vec(&plan).unwrap();
    assert!(
        serde_json::from_slice::<Plan>(&text).unwrap() == plan,
        "another plan is written"
    );
}
