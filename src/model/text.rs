//! Foreign text as it may be shown: on one line, of a bounded length, steering nothing.

/// True for characters that are not to be shown: controls, line separators, marks that turn the
/// direction of text.
#[must_use]
pub fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Returns `text` on one line of at most `most` bytes: what is not to be shown is a space, and
/// spaces in a row are one.
#[must_use]
pub fn one_line(text: &str, most: usize) -> String {
    let mut out = String::new();
    let mut gap = false;
    for c in text.chars() {
        if is_unseen(c) || c.is_whitespace() {
            gap = !out.is_empty();
            continue;
        }
        let more = c.len_utf8().saturating_add(usize::from(gap));
        if out.len().saturating_add(more) > most {
            break;
        }
        if std::mem::take(&mut gap) {
            out.push(' ');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn controls_and_marks_become_single_spaces_and_length_is_kept() {
        let odd = " a\r\nBcc: x@y\0\u{1b}[31m\u{202e}b\t ";
        assert_eq!(one_line(odd, 100), "a Bcc: x@y [31m b");
        assert_eq!(one_line(&"\u{20ac}".repeat(9), 10), "\u{20ac}".repeat(3));
        assert_eq!(one_line("ab cd", 3), "ab");
        assert_eq!(one_line("\0 \n", 3), "");
    }

    proptest! {
        #[test]
        fn what_is_shown_once_is_shown_the_same_again(text in any::<String>(), most in 0_usize..50) {
            let line = one_line(&text, most);
            prop_assert!(line.len() <= most && !line.chars().any(is_unseen));
            prop_assert_eq!(one_line(&line, most), line);
        }
    }
}
