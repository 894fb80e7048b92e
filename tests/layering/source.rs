//! Reads Rust source as text: what is code, what it names, where its tests begin.

use std::path::Path;

/// Returns `text` with comments blanked and string and character literals emptied; line ends stay.
pub(crate) fn code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = literal(rest) {
            out.push_str("\"\"");
            length
        } else {
            out.push(first);
            first.len_utf8()
        };
        let (gone, left) = rest.split_at(taken);
        if taken > first.len_utf8() {
            out.extend(gone.chars().filter(|c| *c == '\n'));
        }
        rest = left;
    }
    out
}

/// Length of the string or character literal that `text` begins with.
fn literal(text: &str) -> Option<usize> {
    if let Some(raw) = text.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let inside = raw[hashes..].strip_prefix('"')?;
        let close = format!("\"{}", "#".repeat(hashes));
        let end = inside.find(&close)?;
        return Some(1 + hashes + 1 + end + close.len());
    }
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    if quote == '\'' {
        // A lifetime has no closing quote right behind its first letter.
        let mut inside = text[1..].chars();
        let one = inside.next()?;
        if one != '\\' {
            return (inside.next()? == '\'').then(|| 2 + one.len_utf8());
        }
    }
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if c == quote => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// Returns the module paths of the files that `text` declares for tests alone.
pub(crate) fn test_modules(file: &Path, text: &str) -> Vec<Vec<String>> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let declared = lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]");
    declared
        .filter_map(|pair| {
            let name = pair[1].rsplit_once("mod ")?.1.strip_suffix(';')?;
            let mut path = module_path(file);
            path.push(name.to_owned());
            Some(path)
        })
        .collect()
}

/// Returns the part of `text` before its inline tests.
pub(crate) fn before_tests(text: &str) -> &str {
    text.find("\n#[cfg(test)]\nmod ")
        .map_or(text, |at| &text[..=at])
}

/// Returns the module path of a file of `src/`: `open/layer.rs` is `["open", "layer"]`.
pub(crate) fn module_path(file: &Path) -> Vec<String> {
    let mut path: Vec<String> = file
        .with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if path.last().is_some_and(|last| last == "mod") {
        path.pop();
    }
    path
}

/// Returns every room that `code` names, whether by `crate::` or by climbing out with `super::`.
pub(crate) fn named_rooms(code: &str, depth: usize) -> Vec<String> {
    let mut found = Vec::new();
    for start in ["crate", "super"] {
        for (at, _) in code.match_indices(&format!("{start}::")) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || "_:$".contains(c)) {
                continue;
            }
            let mut rest = &code[at..];
            let mut climbed = 0;
            while let Some(left) = rest.strip_prefix("super::") {
                climbed += 1;
                rest = left;
            }
            if climbed > 0 && climbed < depth {
                continue;
            }
            rest = rest.strip_prefix("crate::").unwrap_or(rest);
            found.extend(heads(rest));
        }
    }
    found
}

/// Returns the first names of a path or of each branch of a `{a, b::c}` group.
pub(crate) fn heads(text: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect()
    };
    let Some(group) = text.strip_prefix('{') else {
        return vec![word(text)];
    };
    let mut depth = 0_usize;
    let mut names = vec![word(group)];
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(word(&group[at + 1..])),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

pub(crate) fn names(code: &str, what: &str) -> bool {
    code.match_indices(what).any(|(at, _)| {
        let inside = |c: char| c.is_alphanumeric() || c == '_';
        let head = what.split("::").next().unwrap_or(what);
        let bare = head == what && what.chars().all(|c| c.is_lowercase() || c == '_');
        let after = &code[at + what.len()..];
        let before = &code[..at];
        !before.ends_with(inside)
            && !after.starts_with(inside)
            && (!bare || (after.starts_with("::") && !before.ends_with("::")) || what == "now_utc")
    })
}
