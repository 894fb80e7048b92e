//! The known word that a mistyped one was probably meant to be.

/// Returns the candidate that differs least from `word`, if it differs little enough.
pub(super) fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let typed = word.to_lowercase().replace('-', "_");
    let allowed = (word.chars().count() / 3).max(1);
    candidates
        .iter()
        .map(|candidate| (distance(&typed, candidate), *candidate))
        .filter(|(differs, _)| *differs <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance: inserted, deleted and changed letters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        let mut left = i.saturating_add(1);
        next.push(left);
        for (y, pair) in b.iter().zip(row.windows(2)) {
            let &[diagonal, above] = pair else { continue };
            let changed = diagonal.saturating_add(usize::from(x != *y));
            left = changed
                .min(above.saturating_add(1))
                .min(left.saturating_add(1));
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistyped_word_finds_its_neighbour_and_a_stranger_none() {
        let known = ["connections", "transport", "max_size", "lang"];
        assert_eq!(nearest("conections", &known), Some("connections"));
        assert_eq!(nearest("Max-Size", &known), Some("max_size"));
        assert_eq!(nearest("language", &known), None);
        assert_eq!(nearest("x", &known), None);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
