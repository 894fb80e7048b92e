//! What a call did to the disk, as a trace keeps it. For tests alone, with the feature `faults`.

use std::path::PathBuf;

/// One call that changed the disk, or was to make a change last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// The file was cut, or lengthened by zeros.
    Cut {
        /// Which file.
        file: u64,
        /// Its length from now on.
        length: u64,
    },
    /// A nameless file was given a name.
    Link {
        /// Which file.
        file: u64,
        /// Its name.
        path: PathBuf,
    },
    /// A new file; with a name or without.
    Make {
        /// Its number from now on.
        file: u64,
        /// Its name.
        path: Option<PathBuf>,
    },
    /// A new directory.
    MakeDirectory {
        /// Its name.
        path: PathBuf,
    },
    /// Not a call: what the test noted here.
    Note(String),
    /// A file took another name, and perhaps the place of another file.
    Rename {
        /// Its name before.
        from: PathBuf,
        /// Its name from now on.
        to: PathBuf,
    },
    /// Content and length of a file were synced.
    Sync {
        /// Which file.
        file: u64,
    },
    /// Everything was synced.
    SyncAll,
    /// The entries of a directory were synced.
    SyncDirectory {
        /// Which directory.
        path: PathBuf,
    },
    /// A name was removed.
    Unlink {
        /// Which name.
        path: PathBuf,
    },
    /// Bytes were written into a file.
    Write {
        /// Which file.
        file: u64,
        /// Where they begin.
        at: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
}
