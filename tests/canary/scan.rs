//! Searches files for words, however mail may have encoded them.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use base64_simd::STANDARD as BASE64;

/// One word in one encoding.
struct Needle {
    word: String,
    encoding: &'static str,
    bytes: Vec<u8>,
}

/// What is searched for, and which files were found clean already.
pub struct Scanner {
    needles: Vec<Needle>,
    clean: HashSet<State>,
}

/// A file as it was when it was read: name, inode, size, last change.
type State = (PathBuf, u64, u64, i64, i64);

/// Something that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    pub file: PathBuf,
    pub word: String,
    pub encoding: &'static str,
}

impl Scanner {
    pub fn new<'a>(words: impl IntoIterator<Item = &'a String>) -> Self {
        Self {
            needles: words.into_iter().flat_map(|word| encodings(word)).collect(),
            clean: HashSet::new(),
        }
    }

    /// Every hit in the files below a directory.
    pub fn search(&mut self, root: &Path) -> Vec<Hit> {
        let mut hits = Vec::new();
        let mut open = vec![root.to_owned()];
        while let Some(path) = open.pop() {
            let Ok(metadata) = std::fs::symlink_metadata(&path) else {
                continue; // Gone while we looked.
            };
            if metadata.is_dir() {
                let entries = std::fs::read_dir(&path).into_iter().flatten();
                open.extend(entries.map(|entry| entry.unwrap().path()));
            } else if metadata.is_file() {
                let state = (
                    path.clone(),
                    metadata.ino(),
                    metadata.size(),
                    metadata.mtime_nsec(),
                    metadata.ctime_nsec(),
                );
                if self.clean.contains(&state) {
                    continue;
                }
                let found = std::fs::read(&path)
                    .map_or_else(|_| Vec::new(), |bytes| self.bytes(&path, &bytes));
                if found.is_empty() {
                    self.clean.insert(state);
                }
                hits.extend(found);
            }
        }
        hits.sort();
        hits
    }

    /// Every hit in what a process has open, deleted files and nameless memory too.
    pub fn descriptors(&self, pid: u32) -> Vec<Hit> {
        let mut hits = Vec::new();
        let entries = std::fs::read_dir(format!("/proc/{pid}/fd"));
        for entry in entries.into_iter().flatten().flatten() {
            let path = entry.path();
            // Sockets and pipes would wait.
            if std::fs::metadata(&path).is_ok_and(|metadata| metadata.is_file()) {
                let bytes = std::fs::read(&path).unwrap_or_default();
                let name = std::fs::read_link(&path).unwrap_or(path);
                hits.extend(self.bytes(&name, &bytes));
            }
        }
        hits
    }

    /// Every hit in bytes, with and without the line ends of base64 and quoted-printable.
    pub fn bytes(&self, file: &Path, bytes: &[u8]) -> Vec<Hit> {
        let mut joined = Vec::with_capacity(bytes.len());
        for byte in bytes.iter().copied() {
            match byte {
                b'\n' => {
                    if joined.last() == Some(&b'\r') {
                        joined.pop();
                    }
                    if joined.last() == Some(&b'=') {
                        joined.pop();
                    }
                }
                _ => joined.push(byte),
            }
        }
        let holds = |needle: &&Needle| {
            memchr::memmem::find(bytes, &needle.bytes).is_some()
                || memchr::memmem::find(&joined, &needle.bytes).is_some()
        };
        let found = self.needles.iter().filter(holds);
        found
            .map(|needle| Hit {
                file: file.to_owned(),
                word: needle.word.clone(),
                encoding: needle.encoding,
            })
            .collect()
    }
}

/// How a word of letters and digits may stand in a mail.
fn encodings(word: &str) -> Vec<Needle> {
    let bytes = word.as_bytes();
    // The first and last characters of base64 depend on the neighbours.
    let aligned = |before: usize| {
        let text = BASE64.encode_to_string([&vec![0; before][..], bytes].concat());
        let text = text.trim_end_matches('=');
        let end = (before + bytes.len()) * 8 / 6;
        text.as_bytes()[(before * 8).div_ceil(6)..end].to_vec()
    };
    let quoted = |upper: bool| -> Vec<u8> {
        let one = |byte: &u8| {
            if upper {
                format!("={byte:02X}")
            } else {
                format!("={byte:02x}")
            }
        };
        bytes.iter().map(one).collect::<String>().into_bytes()
    };
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let wide: Vec<u8> = bytes.iter().flat_map(|byte| [*byte, 0]).collect();
    let all = [
        ("plain", bytes.to_vec()),
        ("base64, first alignment", aligned(0)),
        ("base64, second alignment", aligned(1)),
        ("base64, third alignment", aligned(2)),
        ("quoted-printable", quoted(true)),
        ("quoted-printable in small letters", quoted(false)),
        ("hexadecimal", hex.into_bytes()),
        ("UTF-16", wide),
    ];
    let needle = |(encoding, bytes)| Needle {
        word: word.to_owned(),
        encoding,
        bytes,
    };
    all.map(needle).into()
}
