//! Directories that others can write to, look into or exchange: the daemon does not start, and says
//! which one and what mends it (contract E6).

use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::Path;

use super::disks::is_root;
use super::relay::{End, Relay};

/// Somebody else, and his group.
const STRANGER: u32 = 64_001;

/// What is done to a site, the place that has to be named, and a word of the remedy.
struct Variant {
    name: &'static str,
    place: &'static str,
    remedy: &'static str,
    spoil: fn(&Path),
    mend: fn(&Path),
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn swap(path: &Path) {
    let moved = path.with_extension("moved");
    std::fs::rename(path, &moved).unwrap();
    symlink(&moved, path).unwrap();
}

fn swap_back(path: &Path) {
    std::fs::remove_file(path).unwrap();
    std::fs::rename(path.with_extension("moved"), path).unwrap();
}

const VARIANTS: [Variant; 16] = [
    Variant {
        name: "spool open to all",
        place: "disk/spool",
        remedy: "chmod 0700 ",
        spoil: |p| mode(p, 0o777),
        mend: |p| mode(p, 0o700),
    },
    Variant {
        name: "spool open to all, sticky",
        place: "disk/spool",
        remedy: "chmod 0700 ",
        spoil: |p| mode(p, 0o1777),
        mend: |p| mode(p, 0o700),
    },
    Variant {
        name: "spool open to its group",
        place: "disk/spool",
        remedy: "chmod 0700 ",
        spoil: |p| mode(p, 0o770),
        mend: |p| mode(p, 0o700),
    },
    Variant {
        name: "spool of a stranger",
        place: "disk/spool",
        remedy: "run listseal as ",
        spoil: |p| chown(p, Some(STRANGER), None).unwrap(),
        mend: |p| chown(p, Some(0), None).unwrap(),
    },
    Variant {
        name: "new open to all",
        place: "disk/spool/new",
        remedy: "chmod 0700 ",
        spoil: |p| mode(p, 0o3777),
        mend: |p| mode(p, 0o700),
    },
    Variant {
        name: "new open to its group, not sticky",
        place: "disk/spool/new",
        remedy: "chmod 0700 ",
        spoil: |p| mode(p, 0o2770),
        mend: |p| mode(p, 0o700),
    },
    Variant {
        name: "tmp open to its group, not sticky",
        place: "disk/spool/tmp",
        remedy: "chmod 0700 ",
        spoil: |p| mode(p, 0o770),
        mend: |p| mode(p, 0o700),
    },
    Variant {
        name: "work readable by its group",
        place: "disk/spool/work",
        remedy: "chmod 0700 ",
        spoil: |p| mode(p, 0o750),
        mend: |p| mode(p, 0o700),
    },
    Variant {
        name: "hold open as new may be",
        place: "disk/spool/hold",
        remedy: "chmod 0700 ",
        spoil: |p| mode(p, 0o3770),
        mend: |p| mode(p, 0o700),
    },
    Variant {
        name: "bad passable by all",
        place: "disk/spool/bad",
        remedy: "chmod 0700 ",
        spoil: |p| mode(p, 0o711),
        mend: |p| mode(p, 0o700),
    },
    Variant {
        name: "work of a stranger",
        place: "disk/spool/work",
        remedy: "run listseal as ",
        spoil: |p| chown(p, Some(STRANGER), None).unwrap(),
        mend: |p| chown(p, Some(0), None).unwrap(),
    },
    Variant {
        name: "work a link",
        place: "disk/spool/work",
        remedy: "mv ",
        spoil: swap,
        mend: swap_back,
    },
    Variant {
        name: "above open to all",
        place: "disk",
        remedy: "chmod go-w ",
        spoil: |p| mode(p, 0o777),
        mend: |p| mode(p, 0o755),
    },
    Variant {
        name: "above open to a foreign group",
        place: "disk",
        remedy: "chmod go-w ",
        spoil: |p| {
            chown(p, None, Some(STRANGER)).unwrap();
            mode(p, 0o775);
        },
        mend: |p| {
            chown(p, None, Some(0)).unwrap();
            mode(p, 0o755);
        },
    },
    Variant {
        name: "above of a stranger",
        place: "disk",
        remedy: "chown ",
        spoil: |p| chown(p, Some(STRANGER), None).unwrap(),
        mend: |p| chown(p, Some(0), None).unwrap(),
    },
    Variant {
        name: "state open to all",
        place: "disk/state",
        remedy: "chmod o-w ",
        spoil: |p| mode(p, 0o777),
        mend: |p| mode(p, 0o700),
    },
];

#[test]
fn e6_daemon_does_not_start_where_others_can_get_in_and_says_where_and_what_to_do() {
    if !is_root("to give directories away") {
        return;
    }
    let relay = Relay::new(1);
    assert_eq!(relay.daemon(&[]).0, End::Code(0));
    assert_eq!(relay.queue("team", &relay.post(1), &[]).0, End::Code(0));
    for variant in VARIANTS {
        let place = relay.site.path(variant.place);
        (variant.spoil)(&place);
        let (end, said) = relay.daemon(&[]);
        (variant.mend)(&place);
        let name = variant.name;
        assert!(matches!(end, End::Code(75 | 78)), "{name}: {end:?} {said}");
        let text = format!("{}: ", place.display());
        assert!(said.contains(&text), "{name}: does not name {text}: {said}");
        assert!(said.contains(variant.remedy), "{name}: no remedy: {said}");
        assert_eq!(relay.site.outbox().len(), 0, "{name}: went to work");
    }
    relay.finish();
    let figures = relay.judge(&[1]);
    assert_eq!((figures.lost, figures.duplicated), (0, 0));
}

#[test]
fn e6_link_on_the_way_to_the_spool_that_others_can_exchange_is_refused() {
    if !is_root("to lay a link in a directory of others") {
        return;
    }
    let relay = Relay::new(1);
    assert_eq!(relay.daemon(&[]).0, End::Code(0));
    let (place, moved) = (relay.site.path("disk"), relay.site.path("kept"));
    std::fs::rename(&place, &moved).unwrap();
    let open = relay.site.path("open");
    std::fs::create_dir(&open).unwrap();
    symlink(&moved, open.join("way")).unwrap();
    symlink(open.join("way"), &place).unwrap();
    // Every directory of the real path is closed; the link to it is anybody's.
    mode(&open, 0o777);
    let (end, said) = relay.daemon(&[]);
    assert_eq!(end, End::Code(78), "{said}");
    assert!(
        said.contains(&format!("{}: has mode 0777", open.display())),
        "{said}"
    );
    mode(&open, 0o1777);
    assert_eq!(
        relay.daemon(&[]).0,
        End::Code(0),
        "root's link among others is root's"
    );
    std::os::unix::fs::lchown(open.join("way"), Some(STRANGER), None).unwrap();
    let (end, said) = relay.daemon(&[]);
    assert_eq!(end, End::Code(78), "a stranger's link: {said}");
}
