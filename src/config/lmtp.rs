//! `[lmtp]`: where `listseal run` listens for the MTA.
//!
//! # Trust
//!
//! Whoever reaches the place may hand in mail with any sender. So it is a socket that its owner and
//! group open, or an address of this machine; another address needs a word of its own.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::findings::Findings;
use super::table::Table;

/// The keys of `[lmtp]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lmtp {
    /// Where to listen; nowhere where unset.
    pub listen: Option<Listen>,
    /// The line of the file that says so.
    pub line: Option<usize>,
    /// Clients at once.
    pub connections: usize,
    /// Who may open a unix socket.
    pub mode: u32,
    /// Listen on an address that other machines reach.
    pub allow_network: bool,
}

/// A place to listen at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// An address and a port.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

impl Listen {
    /// Reads a path or `ADDRESS:PORT`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as part of a sentence.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let path = text.strip_prefix("unix:").unwrap_or(text);
        if path.starts_with('/') {
            let is_place = !path.ends_with('/') && !path.contains('\0');
            // sockaddr_un has room for 108 bytes with the one that ends them.
            return match path.len() {
                _ if !is_place => Err("is no path of a socket"),
                ..108 => Ok(Self::Unix(PathBuf::from(path))),
                _ => Err("is longer than the 107 bytes that a socket may have"),
            };
        }
        let address: SocketAddr = text
            .parse()
            .map_err(|_| "is neither an absolute path nor ADDRESS:PORT")?;
        if address.port() == 0 {
            return Err("has no port");
        }
        Ok(Self::Tcp(address))
    }

    /// True where only this machine gets there.
    #[must_use]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

impl Lmtp {
    pub(super) fn read(table: &mut Table<'_>, findings: &mut Findings<'_>) -> Self {
        let found = table.parsed("listen", "\"/run/listseal/lmtp\"", findings, Listen::parse);
        let connections = table
            .integer("connections", 1..=256, findings)
            .and_then(|n| usize::try_from(n).ok());
        let mode = table.parsed("mode", "\"0660\"", findings, |text| {
            let mode = u32::from_str_radix(text, 8).ok();
            mode.filter(|mode| mode & !0o777 == 0)
                .ok_or("is no mode from 0000 to 0777")
        });
        let allow_network = table.boolean("allow_network", findings).unwrap_or_default();
        let line = found.as_ref().map(|found| found.line);
        let listen = found.map(|found| found.value);
        if let Some(place) = listen.as_ref().filter(|place| !place.is_local())
            && !allow_network
        {
            let problem = format!(
                "lmtp.listen: everybody who reaches {place} could hand in mail with any sender"
            );
            let remedy = "listen at a path or 127.0.0.1, or set lmtp.allow_network = true";
            findings.error(line.unwrap_or(1), problem, remedy);
        }
        Self {
            listen,
            line,
            connections: connections.unwrap_or(32),
            mode: mode.map_or(0o660, |found| found.value),
            allow_network,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    #[test]
    fn places_are_paths_or_addresses_with_a_port() {
        for text in ["/run/listseal/lmtp", "127.0.0.1:24", "[::1]:2424"] {
            assert_eq!(Listen::parse(text).unwrap().to_string(), text);
        }
        let unix = Listen::Unix("/run/lmtp".into());
        assert_eq!(Listen::parse("unix:/run/lmtp"), Ok(unix));
        let long = format!("/{}", "x".repeat(107));
        assert!(Listen::parse(&long[..107]).is_ok());
        for bad in [
            "",
            "lmtp",
            "run/lmtp",
            "/run/",
            "/a\0b",
            "24",
            "127.0.0.1",
            "127.0.0.1:0",
            "::1:24:99999",
            "localhost:24",
            "unix:lmtp",
            &long,
        ] {
            assert!(Listen::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn address_that_others_reach_needs_a_word_of_its_own() {
        let read = |text: &str| {
            let text = format!("[lmtp]\n{text}\n");
            Settings::parse(std::path::Path::new("/x/listseal.toml"), &text)
        };
        for address in [
            "0.0.0.0:24",
            "[::]:24",
            "192.0.2.1:24",
            "[::ffff:192.0.2.1]:24",
        ] {
            let problems = read(&format!("listen = \"{address}\"")).unwrap_err();
            let text = problems.to_string();
            assert!(
                text.contains("any sender") && text.contains("allow_network"),
                "{text}"
            );
            let open = read(&format!("listen = \"{address}\"\nallow_network = true"));
            assert!(!open.unwrap().lmtp.listen.unwrap().is_local());
        }
        for address in [
            "127.0.0.1:24",
            "127.1.2.3:24",
            "[::1]:24",
            "[::ffff:127.0.0.1]:24",
        ] {
            assert!(
                read(&format!("listen = \"{address}\"")).is_ok(),
                "{address}"
            );
        }
        assert_eq!(read("mode = \"0666\"").unwrap().lmtp.mode, 0o666);
        for bad in ["\"1777\"", "\"rw\"", "\"0o60\"", "438"] {
            assert!(read(&format!("mode = {bad}")).is_err(), "{bad}");
        }
    }
}
