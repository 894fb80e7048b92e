//! Saved corpora: one `.tar.gz` a target, packed by `tests/fuzz/keep`.

use std::io::Read as _;
use std::path::Path;

use flate2::read::GzDecoder;

/// Returns name and content of every file in an archive.
///
/// # Panics
///
/// It cannot be read.
pub fn files(archive: &Path) -> Vec<(String, Vec<u8>)> {
    let packed = std::fs::read(archive).unwrap_or_else(|e| panic!("{}: {e}", archive.display()));
    let mut bytes = Vec::new();
    GzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
    let mut found = Vec::new();
    let mut rest = &bytes[..];
    // A header of one block before each file; blocks of zeros at the end.
    while let Some((header, after)) = rest.split_at_checked(BLOCK) {
        if header[0] == 0 {
            break;
        }
        let size = usize::from_str_radix(text(&header[124..136]), 8).unwrap();
        let kind = header[156];
        if kind == b'0' {
            found.push((text(&header[..100]).to_owned(), after[..size].to_vec()));
        }
        rest = &after[size.next_multiple_of(BLOCK)..];
    }
    assert!(!found.is_empty(), "{} is empty", archive.display());
    found
}

fn text(field: &[u8]) -> &str {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    std::str::from_utf8(&field[..end]).unwrap().trim()
}

const BLOCK: usize = 512;
