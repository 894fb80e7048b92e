//! Cuts a scenario line at a mark that stands in no quotes, regular expression or brackets.
//!
//! # Place in the flow
//!
//! Used by [`super::scenario`] for comments and actions, by [`super::condition`] for arguments.

/// Splits `text` at the first `mark` that stands in no quotes and no regular expression, and with
/// `brackets` in no brackets and parentheses either.
pub(super) fn split_outside<'a>(
    text: &'a str,
    mark: &str,
    brackets: bool,
) -> Option<(&'a str, &'a str)> {
    let mut quote: Option<char> = None;
    let mut escaped = false;
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
            continue;
        }
        if let Some(open) = quote {
            match c {
                '\\' => escaped = true,
                _ if c == open => quote = None,
                _ => {}
            }
            continue;
        }
        let rest = text.get(at..).unwrap_or_default();
        if depth == 0 && rest.starts_with(mark) {
            let before = text.get(..at).unwrap_or_default();
            return Some((before, rest.get(mark.len()..).unwrap_or_default()));
        }
        match c {
            '\'' | '"' | '/' => quote = Some(c),
            '[' | '(' if brackets => depth = depth.saturating_add(1),
            ']' | ')' if brackets => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_inside_quotes_expressions_and_brackets_do_not_count() {
        for (text, mark, brackets, expected) in [
            ("a -> b -> c", "->", true, Some(("a ", " b -> c"))),
            (
                "f([header->X]) -> b",
                "->",
                true,
                Some(("f([header->X]) ", " b")),
            ),
            ("'#' # x", "#", false, Some(("'#' ", " x"))),
            ("/a\\/#/ # x", "#", false, Some(("/a\\/#/ ", " x"))),
            ("'a, b', c", ",", true, Some(("'a, b'", " c"))),
            ("'open # x", "#", false, None),
            ("", "#", false, None),
        ] {
            assert_eq!(split_outside(text, mark, brackets), expected, "{text}");
        }
    }
}
