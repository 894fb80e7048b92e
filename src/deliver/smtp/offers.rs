//! What a server says it can do, in its answer to EHLO or LHLO. Pure.
//!
//! # Trust
//!
//! Believed of the answer that came last alone: what was offered before TLS is forgotten (RFC 3207
//! section 4.2, contract S48).
//!
//! # See also
//!
//! RFC 5321 section 4.1.1.1; RFC 2920 (PIPELINING), 3030 (CHUNKING), 6152 (8BITMIME), 6531
//! (SMTPUTF8), 1870 (SIZE), 3207 (STARTTLS), 3461 (DSN), 4954 (AUTH).

use super::reply::Reply;

/// The extensions that matter here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offers {
    pub(super) auth_login: bool,
    pub(super) auth_plain: bool,
    pub(super) chunking: bool,
    pub(super) dsn: bool,
    pub(super) eight_bit: bool,
    pub(super) pipelining: bool,
    pub(super) size: bool,
    pub(super) start_tls: bool,
    pub(super) utf8: bool,
}

impl Offers {
    /// Reads the reply; its first line is a greeting.
    pub(super) fn of(reply: &Reply) -> Self {
        let mut offers = Self::default();
        for line in reply.lines.iter().skip(1) {
            // "AUTH=PLAIN LOGIN" is what servers said before RFC 2554.
            let mut words = line.split([' ', '=']).map(str::to_ascii_uppercase);
            match words.next().unwrap_or_default().as_str() {
                "8BITMIME" => offers.eight_bit = true,
                "AUTH" => {
                    for word in words {
                        offers.auth_plain |= word == "PLAIN";
                        offers.auth_login |= word == "LOGIN";
                    }
                }
                "CHUNKING" => offers.chunking = true,
                "DSN" => offers.dsn = true,
                "PIPELINING" => offers.pipelining = true,
                "SIZE" => offers.size = true,
                "SMTPUTF8" => offers.utf8 = true,
                "STARTTLS" => offers.start_tls = true,
                _ => {}
            }
        }
        offers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers(lines: &[&str]) -> Offers {
        Offers::of(&Reply {
            code: 250,
            lines: lines.iter().map(ToString::to_string).collect(),
        })
    }

    #[test]
    fn extensions_are_read_in_any_case_and_never_from_the_greeting() {
        let none = offers(&["PIPELINING", "XDSN", "XPIPELINING", "SIZEX 3", ""]);
        assert_eq!(none, Offers::default());
        let all = offers(&[
            "mx",
            "Pipelining",
            "chunking",
            "dsn",
            "8BITMIME",
            "SMTPUTF8",
            "size 1000",
            "STARTTLS",
            "AUTH=login",
            "AUTH CRAM-MD5 plain",
        ]);
        let wanted = Offers {
            auth_login: true,
            auth_plain: true,
            chunking: true,
            dsn: true,
            eight_bit: true,
            pipelining: true,
            size: true,
            start_tls: true,
            utf8: true,
        };
        assert_eq!(all, wanted);
        assert!(!offers(&["mx", "AUTH PLAINTEXT XLOGIN"]).auth_plain);
    }
}
