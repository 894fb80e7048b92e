//! The extensions of a certificate as typed values.
//!
//! # Trust
//!
//! An extension that does not parse is an error to whoever asks for it, never "absent".
//!
//! # See also
//!
//! RFC 5280 section 4.2.

use std::collections::HashSet;

use crate::asn1::oid;
use crate::asn1::reader::tag;
use crate::asn1::{Asn1Error, Reader, Tlv};
use crate::model::Address;
use crate::pki::certificate::{Certificate, CertificateError};

/// One extension of a certificate or CRL.
#[derive(Clone, Copy, Debug)]
pub struct Extension<'a> {
    /// The content octets of its object identifier.
    pub oid: &'a [u8],
    /// Whether who does not understand it must refuse.
    pub critical: bool,
    /// The DER inside its OCTET STRING.
    pub value: &'a [u8],
}

/// The keyUsage bits (RFC 5280 section 4.2.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUsage(u8);

impl KeyUsage {
    /// No use at all.
    pub const NONE: Self = Self(0);
    /// Verifies signatures.
    pub const DIGITAL_SIGNATURE: Self = Self(0x80);
    /// Verifies signatures that are meant to bind.
    pub const NON_REPUDIATION: Self = Self(0x40);
    /// Encrypts keys (RSA).
    pub const KEY_ENCIPHERMENT: Self = Self(0x20);
    /// Agrees on keys (EC, X25519).
    pub const KEY_AGREEMENT: Self = Self(0x08);
    /// Verifies certificates.
    pub const KEY_CERT_SIGN: Self = Self(0x04);
    /// Verifies CRLs.
    pub const CRL_SIGN: Self = Self(0x02);

    /// True when any bit of `other` is set.
    #[must_use]
    pub fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns the bits as in the first octet of the BIT STRING.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.0
    }
}

/// basicConstraints (RFC 5280 section 4.2.1.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BasicConstraints {
    /// True where the subject is a certification authority.
    pub ca: bool,
    /// How many intermediate certificates may follow.
    pub path_len: Option<u64>,
}

/// One GeneralName.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GeneralName<'a> {
    /// rfc822Name, unchecked octets.
    Email(&'a [u8]),
    /// SmtpUTF8Mailbox in otherName (RFC 9598), unchecked octets.
    Utf8Email(&'a [u8]),
    /// dNSName.
    Dns(&'a [u8]),
    /// directoryName: the DER of the Name.
    Directory(&'a [u8]),
    /// uniformResourceIdentifier.
    Uri(&'a [u8]),
    /// iPAddress: 4 or 16 octets, twice that in constraints.
    Ip(&'a [u8]),
    /// A user principal name in otherName, unchecked octets.
    Principal(&'a [u8]),
    /// Any other otherName, by the content octets of its type.
    Named(&'a [u8]),
    /// x400Address, ediPartyName or registeredID, by its tag octet.
    Other(u8),
}

/// Returns the names of a GeneralNames value, given its inner elements.
///
/// # Errors
///
/// [`Asn1Error`] where one of them is malformed.
pub fn general_names(mut elements: Reader<'_>) -> Result<Vec<GeneralName<'_>>, Asn1Error> {
    let mut out = Vec::new();
    while !elements.is_empty() {
        out.push(general_name(&elements.read()?)?);
    }
    Ok(out)
}

/// Returns one GeneralName.
///
/// # Errors
///
/// [`Asn1Error`] where it is malformed.
pub fn general_name<'a>(tlv: &Tlv<'a>) -> Result<GeneralName<'a>, Asn1Error> {
    const EMAIL: u8 = tag::context_primitive(1);
    const DNS: u8 = tag::context_primitive(2);
    const DIRECTORY: u8 = tag::context(4);
    const URI: u8 = tag::context_primitive(6);
    const IP: u8 = tag::context_primitive(7);
    const OTHER: u8 = tag::context(0);
    const X400: u8 = tag::context(3);
    const EDI_PARTY: u8 = tag::context(5);
    const REGISTERED: u8 = tag::context_primitive(8);
    Ok(match tlv.tag {
        EMAIL => GeneralName::Email(tlv.content),
        DNS => GeneralName::Dns(tlv.content),
        DIRECTORY => GeneralName::Directory(Reader::only(tlv.content, tag::SEQUENCE)?.raw),
        URI => GeneralName::Uri(tlv.content),
        IP => GeneralName::Ip(tlv.content),
        OTHER => {
            let mut fields = tlv.children();
            let kind = fields.expect(tag::OID)?;
            let value = fields.expect(tag::context(0))?;
            fields.finish()?;
            if kind.is_oid(&oid::SMTP_UTF8_MAILBOX) {
                GeneralName::Utf8Email(Reader::only(value.content, tag::UTF8_STRING)?.content)
            } else if kind.is_oid(&oid::USER_PRINCIPAL_NAME) {
                GeneralName::Principal(value.children().read()?.content)
            } else {
                GeneralName::Named(kind.content)
            }
        }
        X400 | EDI_PARTY | REGISTERED => GeneralName::Other(tlv.tag),
        // A mail address in pieces, for one, would pass for something that no constraint is about.
        _ => return Err(Asn1Error::Unexpected),
    })
}

impl Certificate {
    /// Returns the keyUsage extension; `None` where the certificate has none.
    ///
    /// # Errors
    ///
    /// [`Asn1Error`] where it is malformed.
    pub fn key_usage(&self) -> Result<Option<KeyUsage>, Asn1Error> {
        let Some(extension) = self.extension(&oid::KEY_USAGE) else {
            return Ok(None);
        };
        match Reader::only(extension.value, tag::BIT_STRING)?.content {
            [unused @ 0..=7, first] => {
                let mask = 0xff_u8.checked_shl(u32::from(*unused)).unwrap_or(0);
                Ok(Some(KeyUsage(first & mask)))
            }
            // The unused bits are those of the second octet, which holds decipherOnly alone.
            [0..=7, first, _] => Ok(Some(KeyUsage(*first))),
            // An all-zero usage allows nothing.
            [0] => Ok(Some(KeyUsage(0))),
            _ => Err(Asn1Error::Value),
        }
    }

    /// Returns true when Netscape's certificate type is absent or names mail, or TLS clients: many
    /// who issued for people named these alone. OpenSSL judges so too (contract G10).
    ///
    /// # Errors
    ///
    /// [`Asn1Error`] where the extension is malformed.
    pub fn is_of_mail_type(&self) -> Result<bool, Asn1Error> {
        const MAIL_OR_CLIENT: u8 = 0b1010_0000;
        let Some(extension) = self.extension(&oid::NETSCAPE_CERT_TYPE) else {
            return Ok(true);
        };
        match Reader::only(extension.value, tag::BIT_STRING)?.content {
            [0..=7, first] => Ok(first & MAIL_OR_CLIENT != 0),
            [0] => Ok(false),
            _ => Err(Asn1Error::Value),
        }
    }

    /// Returns true when the extended key usage is absent or holds emailProtection or any
    /// (RFC 8550 section 4.4.4).
    ///
    /// # Errors
    ///
    /// [`Asn1Error`] where the extension is malformed.
    pub fn is_for_email(&self) -> Result<bool, Asn1Error> {
        let Some(extension) = self.extension(&oid::EXTENDED_KEY_USAGE) else {
            return Ok(true);
        };
        let mut purposes = Reader::only(extension.value, tag::SEQUENCE)?.children();
        let mut found = false;
        while !purposes.is_empty() {
            let purpose = purposes.expect(tag::OID)?;
            found |= purpose.is_oid(&oid::EMAIL_PROTECTION)
                || purpose.is_oid(&oid::ANY_EXTENDED_KEY_USAGE);
        }
        Ok(found)
    }

    /// Returns the basicConstraints extension.
    ///
    /// # Errors
    ///
    /// [`Asn1Error`] where it is malformed.
    pub fn basic_constraints(&self) -> Result<Option<BasicConstraints>, Asn1Error> {
        let Some(extension) = self.extension(&oid::BASIC_CONSTRAINTS) else {
            return Ok(None);
        };
        let mut fields = Reader::only(extension.value, tag::SEQUENCE)?.children();
        let ca = match fields.optional(tag::BOOLEAN)? {
            Some(flag) => flag.boolean()?,
            None => false,
        };
        let path_len = match fields.optional(tag::INTEGER)? {
            Some(number) => Some(number.small_uint()?),
            None => None,
        };
        fields.finish()?;
        Ok(Some(BasicConstraints { ca, path_len }))
    }

    /// Returns the key identifier of the authorityKeyIdentifier extension, where there is one.
    #[must_use]
    pub fn authority_key_id(&self) -> Option<&[u8]> {
        let extension = self.extension(&oid::AUTHORITY_KEY_ID)?;
        let mut fields = Reader::only(extension.value, tag::SEQUENCE)
            .ok()?
            .children();
        let id = fields.optional(tag::context_primitive(0)).ok()??;
        Some(id.content)
    }

    /// Returns the value of the subjectKeyIdentifier extension, where there is one.
    #[must_use]
    pub fn subject_key_id(&self) -> Option<&[u8]> {
        let extension = self.extension(&oid::SUBJECT_KEY_ID)?;
        Reader::only(extension.value, tag::OCTET_STRING)
            .ok()
            .map(|id| id.content)
    }

    /// Returns the names of the subjectAltName extension, empty where there is none.
    ///
    /// # Errors
    ///
    /// [`Asn1Error`] where it is malformed.
    pub fn alternative_names(&self) -> Result<Vec<GeneralName<'_>>, Asn1Error> {
        match self.extension(&oid::SUBJECT_ALT_NAME) {
            Some(extension) => {
                general_names(Reader::only(extension.value, tag::SEQUENCE)?.children())
            }
            None => Ok(Vec::new()),
        }
    }

    /// Returns the mail addresses that the certificate names, each once (contract S28).
    ///
    /// A subjectAltName with any mail name, readable or not, shuts out the emailAddress of the
    /// subject: otherwise a name that was broken on purpose would bring a second identity in.
    #[must_use]
    pub fn addresses(&self) -> &[Address] {
        // A certificate may name thousands and is asked once for each signer and each rule.
        self.0.addresses.get_or_init(|| self.read_addresses())
    }

    fn read_addresses(&self) -> Vec<Address> {
        let mut out: Vec<Address> = Vec::new();
        let Ok(names) = self.alternative_names() else {
            return out;
        };
        let mut has_mail_name = false;
        let mut known = HashSet::new();
        let mut add = |text: &str| {
            if let Ok(address) = Address::parse(text)
                && known.insert(address.clone())
            {
                out.push(address);
            }
        };
        for name in names {
            match name {
                GeneralName::Email(bytes) => {
                    has_mail_name = true;
                    // IA5: anything else is no rfc822Name. Address refuses NUL and control bytes.
                    if let Some(text) = ascii(bytes) {
                        add(text);
                    }
                }
                GeneralName::Utf8Email(bytes) => {
                    has_mail_name = true;
                    // RFC 9598 section 3: only for local parts that rfc822Name cannot hold.
                    if let Ok(text) = std::str::from_utf8(bytes)
                        && text
                            .rsplit_once('@')
                            .is_some_and(|(local, _)| !local.is_ascii())
                    {
                        add(text);
                    }
                }
                _ => {}
            }
        }
        if !has_mail_name {
            for text in super::name::values(self.subject_der(), &oid::EMAIL_ADDRESS) {
                if text.is_ascii() {
                    add(&text);
                }
            }
        }
        out
    }

    /// True when the certificate names `address`.
    #[must_use]
    pub fn names(&self, address: &Address) -> bool {
        self.addresses().contains(address)
    }
}

fn ascii(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes)
        .ok()
        .filter(|text| text.is_ascii())
}

/// Reads an Extensions value.
///
/// # Errors
///
/// [`CertificateError`] where it is malformed or one extension stands twice.
pub fn read_extensions(value: &[u8]) -> Result<Vec<Extension<'_>>, CertificateError> {
    let mut list = Reader::only(value, tag::SEQUENCE)?.children();
    let mut out: Vec<Extension<'_>> = Vec::new();
    while !list.is_empty() {
        let mut fields = list.expect(tag::SEQUENCE)?.children();
        let oid = fields.expect(tag::OID)?.content;
        let critical = match fields.optional(tag::BOOLEAN)? {
            Some(flag) => flag.boolean()?,
            None => false,
        };
        let value = fields.expect(tag::OCTET_STRING)?.content;
        fields.finish()?;
        if out.iter().any(|other| other.oid == oid) {
            return Err(CertificateError::DoubledExtension);
        }
        if out.len() >= MAX_EXTENSIONS {
            return Err(CertificateError::TooLarge);
        }
        out.push(Extension {
            oid,
            critical,
            value,
        });
    }
    Ok(out)
}

/// More than any CA writes; comparing each with each stays cheap.
const MAX_EXTENSIONS: usize = 64;
