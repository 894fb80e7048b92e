//! What can lie in the place of a file.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use super::common::lab::lab;
use super::common::site::Site;

/// One way to spoil a file.
#[derive(Clone, Copy, Debug)]
pub enum Spoil {
    /// These bytes instead.
    Bytes(&'static [u8]),
    /// A directory.
    Directory,
    /// A FIFO, on which a careless reader waits for ever.
    Fifo,
    /// A symbolic link to nothing.
    Dangling,
    /// A symbolic link to the file, moved aside.
    Link,
    /// A second name for the same file.
    HardLink,
    /// Nothing.
    Missing,
    /// The same file under another mode.
    Mode(u32),
    /// The certificate of another identity.
    Certificate(&'static str),
    /// The key of another identity.
    Key(&'static str),
    /// Two certificates in one file.
    Twice(&'static str, &'static str),
}

/// Spoils the file at `name`; what was there is kept.
pub fn spoil(site: &Site, name: &str, how: Spoil) {
    let path = site.path(name);
    let mode = std::fs::metadata(&path).unwrap().permissions();
    let original = std::fs::read(&path).unwrap();
    let aside = aside(site, name);
    std::fs::rename(&path, &aside).unwrap();
    let put = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, mode.clone()).unwrap();
    };
    let of = |name: &str| lab().identity(name);
    match how {
        Spoil::Bytes(bytes) => put(bytes),
        Spoil::Directory => std::fs::create_dir(&path).unwrap(),
        Spoil::Fifo => {
            let status = std::process::Command::new("mkfifo").arg(&path).status();
            assert!(status.unwrap().success());
        }
        Spoil::Dangling => std::os::unix::fs::symlink("/nowhere/at/all", &path).unwrap(),
        Spoil::Link => std::os::unix::fs::symlink(&aside, &path).unwrap(),
        Spoil::HardLink => std::fs::hard_link(&aside, &path).unwrap(),
        Spoil::Missing => {}
        Spoil::Mode(mode) => {
            put(&original);
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        Spoil::Certificate(other) => put(&std::fs::read(of(other).certificate).unwrap()),
        Spoil::Key(other) => put(&std::fs::read(of(other).key).unwrap()),
        Spoil::Twice(one, other) => {
            let read = |name| std::fs::read(of(name).certificate).unwrap();
            put(&[read(one), read(other)].concat());
        }
    }
}

/// Puts back what [`spoil`] took away.
pub fn mend(site: &Site, name: &str) {
    let path = site.path(name);
    if std::fs::symlink_metadata(&path).is_ok() {
        site.remove(name);
    }
    std::fs::rename(aside(site, name), path).unwrap();
}

/// Where the file is meanwhile: not beside its place, where readers of directories look.
fn aside(site: &Site, name: &str) -> PathBuf {
    let directory = site.path("aside");
    std::fs::create_dir_all(&directory).unwrap();
    directory.join(name.replace('/', "%"))
}
