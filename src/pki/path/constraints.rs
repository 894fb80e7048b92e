//! Name constraints: for whom an issuer may issue.
//!
//! # Invariants
//!
//! * A constraint on a form of name that is not understood refuses every name of that form below.
//! * Forms of otherName are forms of their own. That of user principal names, which private issuers
//!   constrain beside mail, is understood like mail.
//! * Mail addresses are constrained wherever they stand: rfc822Name, SmtpUTF8Mailbox and the
//!   emailAddress of the subject.
//!
//! # See also
//!
//! RFC 5280 section 4.2.1.10, RFC 9598 section 6.

use crate::asn1::reader::tag;
use crate::asn1::{Asn1Error, Reader, oid};
use crate::model::Reason;
use crate::pki::certificate::Certificate;
use crate::pki::extension::{GeneralName, general_name};
use crate::pki::name::{self, Canonical};
use crate::pki::path::work::Work;

/// One subtree of names.
#[derive(Debug)]
enum Subtree {
    Email(String),
    Dns(String),
    Directory(Canonical),
    Uri(String),
    Ip(Vec<u8>),
    Principal(String),
    Named(Vec<u8>),
    Other(u8),
}

/// The constraints collected from the anchor down.
#[derive(Debug, Default)]
pub struct Constraints {
    /// One list for each certificate that had any; a name must fit each of them.
    permitted: Vec<Vec<Subtree>>,
    excluded: Vec<Subtree>,
}

impl Constraints {
    /// Adds the constraints of an issuer.
    ///
    /// # Errors
    ///
    /// [`Reason::CertificateMalformed`], [`Reason::NameConstraint`] for a form of subtree that
    /// RFC 5280 forbids.
    pub fn add(&mut self, issuer: &Certificate) -> Result<(), Reason> {
        let Some(extension) = issuer.extension(&oid::NAME_CONSTRAINTS) else {
            return Ok(());
        };
        let malformed = |_: Asn1Error| Reason::CertificateMalformed;
        let mut fields = Reader::only(extension.value, tag::SEQUENCE)
            .map_err(malformed)?
            .children();
        if let Some(list) = fields.optional(tag::context(0)).map_err(malformed)? {
            self.permitted.push(subtrees(list.children())?);
        }
        if let Some(list) = fields.optional(tag::context(1)).map_err(malformed)? {
            self.excluded.extend(subtrees(list.children())?);
        }
        fields.finish().map_err(malformed)
    }

    /// Checks every name of `certificate`.
    ///
    /// # Errors
    ///
    /// [`Reason::NameConstraint`], or [`Reason::PathBudget`] for too many names and constraints.
    pub fn check(&self, certificate: &Certificate, work: &mut Work) -> Result<(), Reason> {
        if self.permitted.is_empty() && self.excluded.is_empty() {
            return Ok(());
        }
        let names = certificate
            .alternative_names()
            .map_err(|_| Reason::CertificateMalformed)?;
        for name in &names {
            self.check_name(name, work)?;
        }
        if !certificate.subject_name().is_empty() {
            self.check_name(&GeneralName::Directory(certificate.subject_der()), work)?;
        }
        for email in name::values(certificate.subject_der(), &oid::EMAIL_ADDRESS) {
            self.check_name(&GeneralName::Email(email.as_bytes()), work)?;
        }
        Ok(())
    }

    fn check_name(&self, name: &GeneralName<'_>, work: &mut Work) -> Result<(), Reason> {
        let asked = Asked::new(name);
        for list in &self.permitted {
            work.compare(list.len())?;
            let mut same_form = list.iter().filter(|tree| tree.is_about(name)).peekable();
            if same_form.peek().is_some()
                && !same_form.any(|tree| tree.holds(&asked, Case::Kept) == Some(true))
            {
                return Err(Reason::NameConstraint);
            }
        }
        work.compare(self.excluded.len())?;
        for tree in self.excluded.iter().filter(|tree| tree.is_about(name)) {
            // A name that cannot be read might be inside.
            if tree.holds(&asked, Case::Ignored) != Some(false) {
                return Err(Reason::NameConstraint);
            }
        }
        Ok(())
    }
}

fn subtrees(mut list: Reader<'_>) -> Result<Vec<Subtree>, Reason> {
    let malformed = |_: Asn1Error| Reason::CertificateMalformed;
    let mut out = Vec::new();
    while !list.is_empty() {
        let mut fields = list.expect(tag::SEQUENCE).map_err(malformed)?.children();
        let base = general_name(&fields.read().map_err(malformed)?).map_err(malformed)?;
        // minimum and maximum must not be used; some write the minimum that is meant anyway.
        let minimum = fields
            .optional(tag::context_primitive(0))
            .map_err(malformed)?;
        if !fields.is_empty() || minimum.is_some_and(|number| number.content != [0]) {
            return Err(Reason::NameConstraint);
        }
        let text = |bytes: &[u8]| {
            let text = std::str::from_utf8(bytes).ok().filter(|t| t.is_ascii());
            text.map(str::to_owned).ok_or(Reason::CertificateMalformed)
        };
        out.push(match base {
            GeneralName::Email(bytes) => Subtree::Email(text(bytes)?),
            GeneralName::Dns(bytes) => Subtree::Dns(text(bytes)?.to_ascii_lowercase()),
            GeneralName::Directory(der) => Subtree::Directory(Canonical::new(der)),
            GeneralName::Uri(bytes) => Subtree::Uri(text(bytes)?.to_ascii_lowercase()),
            GeneralName::Ip(bytes) => Subtree::Ip(bytes.to_vec()),
            // A principal is written like the constraints of mail, but in any script.
            GeneralName::Principal(bytes) => Subtree::Principal(
                String::from_utf8(bytes.to_vec()).map_err(|_| Reason::CertificateMalformed)?,
            ),
            GeneralName::Utf8Email(_) => Subtree::Named(oid::SMTP_UTF8_MAILBOX.as_bytes().to_vec()),
            GeneralName::Named(kind) => Subtree::Named(kind.to_vec()),
            GeneralName::Other(form) => Subtree::Other(form),
        });
    }
    Ok(out)
}

impl Subtree {
    /// True when the subtree speaks about this form of name.
    fn is_about(&self, name: &GeneralName<'_>) -> bool {
        match (self, name) {
            (Self::Email(_), GeneralName::Email(_) | GeneralName::Utf8Email(_))
            | (Self::Dns(_), GeneralName::Dns(_))
            | (Self::Directory(_), GeneralName::Directory(_))
            | (Self::Uri(_), GeneralName::Uri(_))
            | (Self::Ip(_), GeneralName::Ip(_))
            | (Self::Principal(_), GeneralName::Principal(_)) => true,
            (Self::Named(kind), GeneralName::Named(other)) => kind == other,
            (Self::Named(kind), GeneralName::Utf8Email(_)) => {
                kind == oid::SMTP_UTF8_MAILBOX.as_bytes()
            }
            (Self::Other(form), GeneralName::Other(other)) => form == other,
            _ => false,
        }
    }

    /// True when `name` lies inside; `None` where that cannot be told.
    fn holds(&self, asked: &Asked<'_>, case: Case) -> Option<bool> {
        match (self, asked.name) {
            (Self::Email(base), GeneralName::Email(_) | GeneralName::Utf8Email(_))
            | (Self::Principal(base), GeneralName::Principal(_)) => {
                let (local, host) = asked.mailbox.as_ref()?;
                Some(holds_email(base, local, host, case))
            }
            (Self::Dns(base), GeneralName::Dns(bytes)) => {
                let host = std::str::from_utf8(bytes).ok()?.to_ascii_lowercase();
                let base = base.strip_prefix('.').unwrap_or(base);
                Some(base.is_empty() || host == base || is_below(&host, base))
            }
            (Self::Directory(base), GeneralName::Directory(_)) => {
                Some(asked.directory.as_ref()?.is_within(base))
            }
            (Self::Uri(base), GeneralName::Uri(bytes)) => {
                let text = std::str::from_utf8(bytes).ok()?;
                let host = uri_host(text)?.to_ascii_lowercase();
                Some(holds_host(base, &host))
            }
            (Self::Ip(base), GeneralName::Ip(bytes)) => {
                if base.len() != bytes.len() * 2 {
                    // The other family: 4 octets against 16.
                    return Some(false);
                }
                let (network, mask) = base.split_at_checked(bytes.len())?;
                let mut digits = network.iter().zip(mask).zip(*bytes);
                Some(digits.all(|((n, m), b)| n & m == b & m))
            }
            _ => None,
        }
    }
}

/// A name in the form that is compared, made once for all subtrees.
struct Asked<'a> {
    name: &'a GeneralName<'a>,
    /// Of a directory name.
    directory: Option<Canonical>,
    /// Local part and host of a mailbox or principal, if it can be read.
    mailbox: Option<(&'a str, String)>,
}

impl<'a> Asked<'a> {
    fn new(name: &'a GeneralName<'a>) -> Self {
        Self {
            name,
            directory: match name {
                GeneralName::Directory(der) => Some(Canonical::new(der)),
                _ => None,
            },
            mailbox: match name {
                GeneralName::Email(bytes)
                | GeneralName::Utf8Email(bytes)
                | GeneralName::Principal(bytes) => mailbox(bytes),
                _ => None,
            },
        }
    }
}

fn mailbox(bytes: &[u8]) -> Option<(&str, String)> {
    let (local, host) = std::str::from_utf8(bytes).ok()?.rsplit_once('@')?;
    let host = crate::model::address::canonical_domain(host).ok()?;
    Some((local, host))
}

/// A mailbox, a host, or every host below `.domain`; `@host` is how Microsoft's tools spell a host.
fn holds_email(base: &str, local: &str, host: &str, case: Case) -> bool {
    match base.rsplit_once('@') {
        Some(("", base_host)) => base_host.eq_ignore_ascii_case(host),
        Some((base_local, base_host)) => {
            let same_local = match case {
                Case::Kept => base_local == local,
                Case::Ignored => base_local.eq_ignore_ascii_case(local),
            };
            same_local && base_host.eq_ignore_ascii_case(host)
        }
        None => base.is_empty() || holds_host(&base.to_ascii_lowercase(), host),
    }
}

/// Whether upper and lower case tell local parts apart. Addresses are one person's whatever their
/// case, so what is excluded is excluded in any; what is permitted is permitted as it is written.
#[derive(Clone, Copy, Debug)]
enum Case {
    Kept,
    Ignored,
}

fn holds_host(base: &str, host: &str) -> bool {
    match base.strip_prefix('.') {
        Some(domain) => is_below(host, domain),
        None => host == base,
    }
}

fn is_below(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

fn uri_host(uri: &str) -> Option<&str> {
    let (_, rest) = uri.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, h)| h);
    let host = host.split(':').next()?;
    // RFC 5280: an address instead of a name cannot be constrained.
    let is_name = host.contains(|c: char| c.is_ascii_alphabetic());
    is_name.then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::path::ChainVerdict;
    use crate::pki::testing::{CA, LEAF, Pki};

    #[test]
    fn mail_constraints_are_mailbox_host_or_domain() {
        for (base, mailbox, inside) in [
            ("a@example.org", "a@EXAMPLE.org", Some(true)),
            ("a@example.org", "A@example.org", Some(false)),
            ("example.org", "a@example.org", Some(true)),
            ("@example.org", "a@Example.org", Some(true)),
            ("@example.org", "a@sub.example.org", Some(false)),
            ("example.org", "a@sub.example.org", Some(false)),
            (".example.org", "a@sub.example.org", Some(true)),
            (".example.org", "a@example.org", Some(false)),
            (".example.org", "a@evilexample.org", Some(false)),
            ("example.org", "a@b@example.org", Some(true)),
            ("example.org", "no-at-sign", None),
            ("example.org", "a@b c", None),
        ] {
            let says = super::mailbox(mailbox.as_bytes())
                .map(|(local, host)| holds_email(base, local, &host, Case::Kept));
            assert_eq!(says, inside, "{base} {mailbox}");
        }
    }

    #[test]
    fn an_excluded_mailbox_is_excluded_in_upper_and_lower_case() {
        let pki = Pki::new();
        let refused = (ChainVerdict::Untrusted, Some(Reason::NameConstraint));
        let trusted = (ChainVerdict::Trusted, None);
        for (limits, mailbox, expected) in [
            (
                "excluded;email:boss@example.org",
                "boss@example.org",
                refused,
            ),
            (
                "excluded;email:boss@example.org",
                "Boss@Example.org",
                refused,
            ),
            (
                "excluded;email:BOSS@example.org",
                "boss@example.org",
                refused,
            ),
            (
                "excluded;email:boss@example.org",
                "bosse@example.org",
                trusted,
            ),
            (
                "permitted;email:boss@example.org",
                "boss@Example.org",
                trusted,
            ),
            (
                "permitted;email:boss@example.org",
                "Boss@example.org",
                refused,
            ),
        ] {
            pki.issue("org", "root", &format!("{CA}\nnameConstraints={limits}"));
            pki.issue("leaf", "org", &format!("subjectAltName=email:{mailbox}"));
            let question = pki.ask("leaf", &["org"]);
            assert_eq!(question.says(), expected, "{limits} {mailbox}");
            // The address of who is excluded, whatever its case.
            if limits.starts_with("excluded") && expected == refused {
                let boss = crate::model::Address::parse("boss@example.org").unwrap();
                assert!(question.leaf.names(&boss));
            } else {
                pki.openssl_agrees("leaf", &["org"], expected == trusted);
            }
        }
    }

    #[test]
    fn hosts_of_uris_are_found_and_addresses_refused() {
        assert_eq!(uri_host("http://u@www.x.org:80/p?q"), Some("www.x.org"));
        assert_eq!(uri_host("http://10.0.0.1/"), None);
        assert_eq!(uri_host("mailto:a@x.org"), None);
    }

    #[test]
    fn constraints_on_other_names_bind_names_of_their_own_type_alone() {
        const NONE: &str = "otherName:1.2.3;UTF8:x";
        let trusted = (ChainVerdict::Trusted, None);
        let pki = Pki::new();
        let principal = |what: &str| format!("otherName:1.3.6.1.4.1.311.20.2.3;{what}");
        let refused = (ChainVerdict::Untrusted, Some(Reason::NameConstraint));
        for (kind, base, name, expected) in [
            (
                "permitted",
                "UTF8:example.org",
                "UTF8:a@EXAMPLE.org",
                trusted,
            ),
            (
                "permitted",
                "UTF8:.example.org",
                "UTF8:a@in.example.org",
                trusted,
            ),
            (
                "permitted",
                "UTF8:example.org",
                "UTF8:a@example.net",
                refused,
            ),
            ("permitted", "UTF8:example.org", "UTF8:no-at-sign", refused),
            ("permitted", "UTF8:example.org", "INT:5", refused),
            (
                "excluded",
                "UTF8:example.org",
                "UTF8:a@example.net",
                trusted,
            ),
            (
                "excluded",
                "UTF8:example.org",
                "UTF8:a@example.org",
                refused,
            ),
            ("excluded", "UTF8:example.org", "INT:5", refused),
            ("permitted", "UTF8:example.org", "", trusted),
        ] {
            let limits = format!("nameConstraints={kind};{}", principal(base));
            pki.issue("org", "root", &format!("{CA}\n{limits}"));
            let other = if name.is_empty() {
                NONE.to_owned()
            } else {
                principal(name)
            };
            pki.issue("leaf", "org", &format!("{LEAF},{other}"));
            assert_eq!(
                pki.ask("leaf", &["org"]).says(),
                expected,
                "{limits} {other}"
            );
        }
        // Of a type that is not understood nothing can be told.
        pki.issue(
            "org",
            "root",
            &format!("{CA}\nnameConstraints=permitted;{NONE}"),
        );
        pki.issue("leaf", "org", &format!("{LEAF},{NONE}"));
        assert_eq!(pki.ask("leaf", &["org"]).says(), refused);
    }

    #[test]
    fn bounds_are_refused_but_for_the_minimum_that_is_meant_anyway() {
        let pki = Pki::new();
        let refused = (ChainVerdict::Untrusted, Some(Reason::NameConstraint));
        for (bound, expected) in [
            ("80:01:00", (ChainVerdict::Trusted, None)),
            ("80:01:01", refused),
            ("81:01:00", refused),
        ] {
            // permitted: rfc822Name example.org, and the bound.
            let host = "65:78:61:6d:70:6c:65:2e:6f:72:67";
            let value = format!("30:14:a0:12:30:10:81:0b:{host}:{bound}");
            pki.issue("org", "root", &format!("{CA}\n2.5.29.30=DER:{value}"));
            pki.issue("leaf", "org", LEAF);
            assert_eq!(pki.ask("leaf", &["org"]).says(), expected, "{bound}");
            pki.openssl_agrees("leaf", &["org"], expected.1.is_none());
        }
    }
}
