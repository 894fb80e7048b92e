//! Where outgoing mail is handed to: the one URL of `delivery.transport`.
//!
//! # See also
//!
//! [`crate::deliver`], which opens it.

use std::fmt;
use std::path::PathBuf;

/// The next hop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `dir:///path`: files instead of mail, for trials and tests.
    Dir(PathBuf),
    /// `lmtp://host:port`.
    Lmtp(HostPort),
    /// `lmtp+unix:///path`.
    LmtpUnix(PathBuf),
    /// `sendmail:///usr/sbin/sendmail`.
    Sendmail(PathBuf),
    /// `smtp://host:port`; a host that is not this machine must offer STARTTLS (contract S48).
    Smtp(HostPort),
    /// `smtps://host:port`: TLS from the first byte.
    Smtps(HostPort),
}

/// A host name or IP address (without brackets) and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl HostPort {
    /// True when the host is this machine by its address, so that nothing crosses a network.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host.eq_ignore_ascii_case("localhost")
            || self
                .host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }
}

impl Default for Transport {
    fn default() -> Self {
        Self::Smtp(HostPort {
            host: "127.0.0.1".to_owned(),
            port: 25,
        })
    }
}

impl Transport {
    /// Reads the URL.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as part of a sentence that begins with the key.
    pub fn parse(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| format!("{url:?} is no URL"))?;
        if rest.contains(['?', '#']) {
            return Err(format!("{url:?} has a ? or #, which no transport knows"));
        }
        match scheme {
            "smtp" => host_port(rest, 25).map(Self::Smtp),
            "smtps" => host_port(rest, 465).map(Self::Smtps),
            "lmtp" => host_port(rest, 24).map(Self::Lmtp),
            "lmtp+unix" => absolute(rest).map(Self::LmtpUnix),
            "sendmail" => absolute(rest).map(Self::Sendmail),
            "dir" => absolute(rest).map(Self::Dir),
            other => Err(format!("the scheme {other:?} is unknown")),
        }
    }
}

fn absolute(path: &str) -> Result<PathBuf, String> {
    if !path.starts_with('/') || path.len() < 2 || path.contains('\0') {
        return Err(format!(
            "{path:?} is no absolute path (three slashes: scheme:///path)"
        ));
    }
    Ok(PathBuf::from(path))
}

fn host_port(text: &str, default: u16) -> Result<HostPort, String> {
    let text = text.strip_suffix('/').unwrap_or(text);
    if text.contains('@') {
        return Err("user and password are not supported".to_owned());
    }
    if text.contains('/') {
        return Err(format!("{text:?} has a path after the host"));
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest
                .split_once(']')
                .ok_or_else(|| format!("{text:?} has no closing bracket"))?;
            let valid = host.parse::<std::net::Ipv6Addr>().is_ok();
            if !valid || !(after.is_empty() || after.starts_with(':')) {
                return Err(format!("{text:?} is no [IPv6 address]:port"));
            }
            (host, after.strip_prefix(':'))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
    if host.is_empty() || !host.bytes().all(fine) {
        return Err(format!("{host:?} is no host name or address"));
    }
    let port = match port {
        None => default,
        Some(digits) => digits
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| format!("{digits:?} is no port from 1 to 65535"))?,
    };
    Ok(HostPort {
        host: host.to_owned(),
        port,
    })
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dir(path) => write!(f, "dir://{}", path.display()),
            Self::Lmtp(hop) => write!(f, "lmtp://{hop}"),
            Self::LmtpUnix(path) => write!(f, "lmtp+unix://{}", path.display()),
            Self::Sendmail(path) => write!(f, "sendmail://{}", path.display()),
            Self::Smtp(hop) => write!(f, "smtp://{hop}"),
            Self::Smtps(hop) => write!(f, "smtps://{hop}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transport_reads_back_as_printed() {
        for url in [
            "smtp://127.0.0.1:25",
            "smtps://mail.example.org:465",
            "lmtp://[::1]:24",
            "lmtp+unix:///run/lmtp.sock",
            "sendmail:///usr/sbin/sendmail",
            "dir:///tmp/out",
        ] {
            assert_eq!(Transport::parse(url).unwrap().to_string(), url);
        }
        assert_eq!(
            Transport::parse("smtp://relay").unwrap().to_string(),
            "smtp://relay:25"
        );
        assert_eq!(Transport::default().to_string(), "smtp://127.0.0.1:25");
    }

    #[test]
    fn urls_that_name_no_next_hop_are_refused() {
        for bad in [
            "",
            "127.0.0.1:25",
            "smtp://",
            "smtp://user:pw@host",
            "smtp://host:0",
            "smtp://host:99999",
            "smtp://[::1",
            "smtp://[x]:25",
            "smtp://host/path",
            "smtp://host?tls=no",
            "sendmail://usr/sbin/sendmail",
            "dir:///",
            "http://host",
            "smtp://ho st",
        ] {
            assert!(Transport::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn s48_only_addresses_of_this_machine_are_loopback() {
        let hop = |host: &str| HostPort {
            host: host.to_owned(),
            port: 25,
        };
        assert!(hop("127.0.0.1").is_loopback() && hop("::1").is_loopback());
        assert!(!hop("localhost.example.org").is_loopback() && !hop("10.0.0.1").is_loopback());
    }
}
