//! Object identifiers in use, under the names of the RFCs that define them.

use der::asn1::ObjectIdentifier;

/// An object identifier.
pub type Oid = ObjectIdentifier;

macro_rules! oids {
    ($($name:ident, $text:literal, $source:literal;)+) => {
        $(#[doc = concat!("`", $text, "`, ", $source, ".")] pub const $name: Oid = Oid::new_unwrap($text);)+
    };
}

oids! {
    // Content types.
    DATA, "1.2.840.113549.1.7.1", "RFC 5652 section 4";
    SIGNED_DATA, "1.2.840.113549.1.7.2", "RFC 5652 section 5";
    ENVELOPED_DATA, "1.2.840.113549.1.7.3", "RFC 5652 section 6";
    COMPRESSED_DATA, "1.2.840.113549.1.9.16.1.9", "RFC 3274";
    AUTH_ENVELOPED_DATA, "1.2.840.113549.1.9.16.1.23", "RFC 5083";
    // Attributes.
    CONTENT_TYPE, "1.2.840.113549.1.9.3", "RFC 5652 section 11.1";
    MESSAGE_DIGEST, "1.2.840.113549.1.9.4", "RFC 5652 section 11.2";
    SIGNING_TIME, "1.2.840.113549.1.9.5", "RFC 5652 section 11.3";
    COUNTERSIGNATURE, "1.2.840.113549.1.9.6", "RFC 5652 section 11.4";
    SMIME_CAPABILITIES, "1.2.840.113549.1.9.15", "RFC 8551 section 2.5.2";
    SIGNING_CERTIFICATE, "1.2.840.113549.1.9.16.2.12", "RFC 2634 section 5.4";
    SIGNING_CERTIFICATE_V2, "1.2.840.113549.1.9.16.2.47", "RFC 5035 section 3";
    ENCRYPTION_KEY_PREFERENCE, "1.2.840.113549.1.9.16.2.11", "RFC 8551 section 2.5.3";
    // Digests.
    MD5, "1.2.840.113549.2.5", "RFC 3370";
    SHA1, "1.3.14.3.2.26", "RFC 3370";
    SHA224, "2.16.840.1.101.3.4.2.4", "RFC 5754";
    SHA256, "2.16.840.1.101.3.4.2.1", "RFC 5754";
    SHA384, "2.16.840.1.101.3.4.2.2", "RFC 5754";
    SHA512, "2.16.840.1.101.3.4.2.3", "RFC 5754";
    // Public keys and signatures.
    RSA_ENCRYPTION, "1.2.840.113549.1.1.1", "RFC 8017";
    MD5_RSA, "1.2.840.113549.1.1.4", "RFC 8017";
    SHA1_RSA, "1.2.840.113549.1.1.5", "RFC 8017";
    RSA_OAEP, "1.2.840.113549.1.1.7", "RFC 8017";
    MGF1, "1.2.840.113549.1.1.8", "RFC 8017";
    P_SPECIFIED, "1.2.840.113549.1.1.9", "RFC 8017";
    RSA_PSS, "1.2.840.113549.1.1.10", "RFC 8017";
    SHA224_RSA, "1.2.840.113549.1.1.14", "RFC 4055";
    SHA256_RSA, "1.2.840.113549.1.1.11", "RFC 8017";
    SHA384_RSA, "1.2.840.113549.1.1.12", "RFC 8017";
    SHA512_RSA, "1.2.840.113549.1.1.13", "RFC 8017";
    EC_PUBLIC_KEY, "1.2.840.10045.2.1", "RFC 5480";
    P256, "1.2.840.10045.3.1.7", "RFC 5480";
    P384, "1.3.132.0.34", "RFC 5480";
    P521, "1.3.132.0.35", "RFC 5480";
    ECDSA_SHA1, "1.2.840.10045.4.1", "RFC 3279";
    ECDSA_SHA224, "1.2.840.10045.4.3.1", "RFC 5758";
    ECDSA_SHA256, "1.2.840.10045.4.3.2", "RFC 5758";
    ECDSA_SHA384, "1.2.840.10045.4.3.3", "RFC 5758";
    ECDSA_SHA512, "1.2.840.10045.4.3.4", "RFC 5758";
    X25519, "1.3.101.110", "RFC 8410";
    ED25519, "1.3.101.112", "RFC 8410";
    // Key agreement: X9.63 KDF per digest (RFC 5753), HKDF (RFC 8418).
    DH_SHA1_KDF, "1.3.133.16.840.63.0.2", "RFC 5753";
    DH_SHA224_KDF, "1.3.132.1.11.0", "RFC 5753";
    DH_SHA256_KDF, "1.3.132.1.11.1", "RFC 5753";
    DH_SHA384_KDF, "1.3.132.1.11.2", "RFC 5753";
    DH_SHA512_KDF, "1.3.132.1.11.3", "RFC 5753";
    DH_HKDF_SHA256, "1.2.840.113549.1.9.16.3.19", "RFC 8418";
    DH_HKDF_SHA384, "1.2.840.113549.1.9.16.3.20", "RFC 8418";
    DH_HKDF_SHA512, "1.2.840.113549.1.9.16.3.21", "RFC 8418";
    DH_COFACTOR_SHA1_KDF, "1.3.133.16.840.63.0.3", "RFC 5753";
    DH_COFACTOR_SHA224_KDF, "1.3.132.1.14.0", "RFC 5753";
    DH_COFACTOR_SHA256_KDF, "1.3.132.1.14.1", "RFC 5753";
    DH_COFACTOR_SHA384_KDF, "1.3.132.1.14.2", "RFC 5753";
    DH_COFACTOR_SHA512_KDF, "1.3.132.1.14.3", "RFC 5753";
    AES128_WRAP, "2.16.840.1.101.3.4.1.5", "RFC 3565";
    AES192_WRAP, "2.16.840.1.101.3.4.1.25", "RFC 3565";
    AES256_WRAP, "2.16.840.1.101.3.4.1.45", "RFC 3565";
    // Content encryption.
    AES128_CBC, "2.16.840.1.101.3.4.1.2", "RFC 3565";
    AES192_CBC, "2.16.840.1.101.3.4.1.22", "RFC 3565";
    AES256_CBC, "2.16.840.1.101.3.4.1.42", "RFC 3565";
    AES128_GCM, "2.16.840.1.101.3.4.1.6", "RFC 5084";
    AES192_GCM, "2.16.840.1.101.3.4.1.26", "RFC 5084";
    AES256_GCM, "2.16.840.1.101.3.4.1.46", "RFC 5084";
    AES128_CCM, "2.16.840.1.101.3.4.1.7", "RFC 5084";
    AES192_CCM, "2.16.840.1.101.3.4.1.27", "RFC 5084";
    AES256_CCM, "2.16.840.1.101.3.4.1.47", "RFC 5084";
    CHACHA20_POLY1305, "1.2.840.113549.1.9.16.3.18", "RFC 8103";
    ZLIB, "1.2.840.113549.1.9.16.3.8", "RFC 3274";
    DES_CBC, "1.3.14.3.2.7", "RFC 2311, read only with `legacy`";
    RC2_CBC, "1.2.840.113549.3.2", "RFC 3370";
    CAMELLIA128_CBC, "1.2.392.200011.61.1.1.1.2", "RFC 3657";
    CAMELLIA192_CBC, "1.2.392.200011.61.1.1.1.3", "RFC 3657";
    CAMELLIA256_CBC, "1.2.392.200011.61.1.1.1.4", "RFC 3657";
    DES_EDE3_CBC, "1.2.840.113549.3.7", "RFC 3370";
    // Certificates and their extensions.
    EMAIL_ADDRESS, "1.2.840.113549.1.9.1", "RFC 2985";
    SUBJECT_KEY_ID, "2.5.29.14", "RFC 5280 section 4.2.1.2";
    KEY_USAGE, "2.5.29.15", "RFC 5280 section 4.2.1.3";
    SUBJECT_ALT_NAME, "2.5.29.17", "RFC 5280 section 4.2.1.6";
    ISSUER_ALT_NAME, "2.5.29.18", "RFC 5280 section 4.2.1.7";
    BASIC_CONSTRAINTS, "2.5.29.19", "RFC 5280 section 4.2.1.9";
    NAME_CONSTRAINTS, "2.5.29.30", "RFC 5280 section 4.2.1.10";
    CRL_DISTRIBUTION_POINTS, "2.5.29.31", "RFC 5280 section 4.2.1.13";
    CERTIFICATE_POLICIES, "2.5.29.32", "RFC 5280 section 4.2.1.4";
    CERTIFICATE_POLICIES_ANY, "2.5.29.32.0", "RFC 5280 section 4.2.1.4";
    POLICY_MAPPINGS, "2.5.29.33", "RFC 5280 section 4.2.1.5";
    AUTHORITY_KEY_ID, "2.5.29.35", "RFC 5280 section 4.2.1.1";
    POLICY_CONSTRAINTS, "2.5.29.36", "RFC 5280 section 4.2.1.11";
    EXTENDED_KEY_USAGE, "2.5.29.37", "RFC 5280 section 4.2.1.12";
    INHIBIT_ANY_POLICY, "2.5.29.54", "RFC 5280 section 4.2.1.14";
    ANY_EXTENDED_KEY_USAGE, "2.5.29.37.0", "RFC 5280 section 4.2.1.12";
    EMAIL_PROTECTION, "1.3.6.1.5.5.7.3.4", "RFC 5280 section 4.2.1.12";
    SMTP_UTF8_MAILBOX, "1.3.6.1.5.5.7.8.9", "RFC 9598";
    USER_PRINCIPAL_NAME, "1.3.6.1.4.1.311.20.2.3", "Microsoft: a name to log in with, like an address";
}
