//! Which of our addresses a message was handed in for.
//!
//! # See also
//!
//! RFC 2142 for `-request` and `-owner`; Sympa for `-editor`.

use crate::model::Address;

/// What the sender of a message wants, told by the address alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// `team+bounces`: a bounce for the subscriber in the address, where it can be read.
    Bounces(Option<Address>),
    /// `team-editor`: the moderators.
    Editor,
    /// `team-owner`: the owners.
    Owner,
    /// `team`: a post.
    Post,
    /// `team-register`: store the certificate of this signed mail.
    Register,
    /// `team-request`: commands.
    Request,
    /// `team-sendkey`: send the list certificate back.
    SendKey,
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// To a list, in one of its roles.
    List(Address, Role),
    /// To the site address `listseal@domain`: registration and commands.
    Site(Address),
}

/// Returns the route of `recipient`, where `is_list` knows the lists and `is_site_domain` the
/// domains served.
///
/// A list whose own name ends in a role suffix wins over the role of a shorter name, so a list
/// `team-owner` keeps its posts.
#[must_use]
pub fn resolve(
    recipient: &Address,
    is_list: impl Fn(&Address) -> bool,
    is_site_domain: impl Fn(&str) -> bool,
) -> Option<Route> {
    if is_list(recipient) {
        return Some(Route::List(recipient.clone(), Role::Post));
    }
    if recipient.local().eq_ignore_ascii_case(SITE_NAME) && is_site_domain(recipient.domain()) {
        return Some(Route::Site(recipient.clone()));
    }
    bounce(recipient, &is_list).or_else(|| role(recipient, &is_list))
}

fn role(recipient: &Address, is_list: &impl Fn(&Address) -> bool) -> Option<Route> {
    let (name, suffix) = recipient.local().rsplit_once('-')?;
    let role = match suffix.to_ascii_lowercase().as_str() {
        "bounces" => Role::Bounces(None),
        "editor" => Role::Editor,
        "owner" => Role::Owner,
        "register" => Role::Register,
        "request" => Role::Request,
        "sendkey" => Role::SendKey,
        _ => return None,
    };
    let list = Address::parse(&format!("{name}@{}", recipient.domain())).ok()?;
    is_list(&list).then_some(Route::List(list, role))
}

fn bounce(recipient: &Address, is_list: &impl Fn(&Address) -> bool) -> Option<Route> {
    let (name, verp) = recipient.local().split_once("-bounces+")?;
    let list = Address::parse(&format!("{name}@{}", recipient.domain())).ok()?;
    let subscriber = verp
        .rsplit_once('=')
        .and_then(|(local, domain)| Address::parse(&format!("{local}@{domain}")).ok());
    is_list(&list).then_some(Route::List(list, Role::Bounces(subscriber)))
}

/// Returns the envelope sender of a copy for `subscriber`: `team-bounces+user=example.com@domain`,
/// or plain `team-bounces@domain` where that would be too long (RFC 5321 section 4.5.3.1.1).
///
/// # Errors
///
/// The list's own name is so long that not even `-bounces` fits.
pub fn verp(
    list: &Address,
    subscriber: &Address,
) -> Result<Address, crate::model::address::AddressError> {
    let full = format!("-bounces+{}={}", subscriber.local(), subscriber.domain());
    let ascii = subscriber.local().is_ascii();
    match list.with_suffix(&full) {
        Ok(address) if ascii => Ok(address),
        _ => list.with_suffix("-bounces"),
    }
}

/// The local part of the site address.
pub const SITE_NAME: &str = "listseal";

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn route(text: &str) -> Option<Route> {
        let lists = [
            address("team@example.org"),
            address("odd-owner@example.org"),
        ];
        resolve(
            &address(text),
            |a| lists.contains(a),
            |d| d == "example.org",
        )
    }

    #[test]
    fn every_address_of_a_list_finds_its_role() {
        let team = address("team@example.org");
        for (text, role) in [
            ("team@example.org", Role::Post),
            ("TEAM-Owner@example.org", Role::Owner),
            ("team-request@example.org", Role::Request),
            ("team-editor@example.org", Role::Editor),
            ("team-register@example.org", Role::Register),
            ("team-sendkey@example.org", Role::SendKey),
            ("team-bounces@example.org", Role::Bounces(None)),
        ] {
            assert_eq!(route(text), Some(Route::List(team.clone(), role)), "{text}");
        }
        assert_eq!(
            route("listseal@example.org"),
            Some(Route::Site(address("listseal@example.org")))
        );
    }

    #[test]
    fn unknown_addresses_have_no_route() {
        for text in [
            "nobody@example.org",
            "team@other.org",
            "listseal@other.org",
            "team-x@example.org",
        ] {
            assert_eq!(route(text), None, "{text}");
        }
    }

    #[test]
    fn list_named_like_a_role_keeps_its_posts() {
        let odd = address("odd-owner@example.org");
        assert_eq!(
            route("odd-owner@example.org"),
            Some(Route::List(odd, Role::Post))
        );
    }

    #[test]
    fn verp_reads_back_and_stays_within_64_octets() {
        let team = address("team@example.org");
        let member = address("a.b+c=d@member.example");
        let sender = verp(&team, &member).unwrap();
        assert_eq!(
            sender.to_string(),
            "team-bounces+a.b+c=d=member.example@example.org"
        );
        assert_eq!(
            route(&sender.to_string()),
            Some(Route::List(team.clone(), Role::Bounces(Some(member))))
        );
        let long = address(&format!("{}@member.example", "x".repeat(60)));
        assert_eq!(
            verp(&team, &long).unwrap().to_string(),
            "team-bounces@example.org"
        );
    }
}
