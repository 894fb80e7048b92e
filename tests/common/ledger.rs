//! Reads ledgers of exceptions: sections of lines, each below a comment that says why.

/// Returns the lines below `[section]` in `ledger`.
///
/// # Panics
///
/// A line is excused without a word on why.
pub fn section<'a>(ledger: &'a str, section: &str) -> Vec<&'a str> {
    let (mut here, mut explained) = (false, false);
    let mut entries = Vec::new();
    for line in ledger.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[') {
            here = name.strip_suffix(']') == Some(section);
        } else if line.starts_with('#') {
            explained = true;
        } else if line.is_empty() {
            explained = false;
        } else if here {
            assert!(explained, "{line}: excused without a word on why");
            entries.push(line);
        }
    }
    entries
}
