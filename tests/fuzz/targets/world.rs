//! The people of the fuzz targets: keys and certificates derived from a constant, and the mark by
//! which everything they ever signed or encrypted is known again.
//!
//! A saved corpus is of use only while the keys are those it was made with, and no private key is
//! committed: so they are computed from [`SEED`] at each start. Whoever reads this has them, and
//! nothing trusts them.
//!
//! # Invariants
//!
//! * The same world at every start. `seeds` says so when the saved corpora no longer fit.
//! * These keys sign, and encrypt with authentication, nothing that does not begin with
//!   [`marked`]'s field. A verdict in favour of anything else is a forgery.

use std::convert::Infallible;
use std::sync::OnceLock;

use listseal::model::{Address, hex};
use listseal::pki::issue::{Contents, Role, issue, self_signed};
use listseal::pki::public_key::PublicKey;
use listseal::pki::{Anchors, Certificate, KeyPair, PrivateKey, pem};
use rand_core::{TryCryptoRng, TryRng};
use rsa::pkcs1::EncodeRsaPrivateKey as _;
use sha2::{Digest as _, Sha256};
use time::{Duration, OffsetDateTime};

const SEED: &str = "listseal fuzz world 1";

/// The moment at which everything is judged.
pub const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH.saturating_add(Duration::days(20_800));

/// Everybody there is.
pub struct World {
    pub root: KeyPair,
    /// An authority below it.
    pub middle: KeyPair,
    /// Who writes: alice with RSA, erin on P-256, dora with Ed25519, mia on P-256 and below
    /// `middle`; rita, with alice's key, is revoked.
    pub signers: Vec<KeyPair>,
    /// The list: RSA, P-256 and X25519.
    pub list: Vec<KeyPair>,
    pub anchors: Anchors,
}

/// Returns the one world.
pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(World::new)
}

impl World {
    fn new() -> Self {
        let [root_key, alice, list] = std::thread::scope(|scope| {
            ["root", "alice", "list"]
                .map(|name| scope.spawn(move || rsa_key(name)))
                .map(|thread| thread.join().unwrap())
        });
        let user = |sign, encrypt| Role::User { sign, encrypt };
        let authority = Role::Authority { path_len: None };
        let root = pair(
            self_signed(
                &contents("root", &[], authority),
                &root_key,
                &mut Stream::new("root"),
            ),
            root_key,
        );
        let below = |issuer: &KeyPair, name: &str, addresses: &[Address], key: PrivateKey, role| {
            let contents = contents(name, addresses, role);
            let public = key.public_key().clone();
            // Another serial number for another key of the same person.
            let rng = &mut Stream::new(&format!("{name}/{}", public.name()));
            pair(
                issue(&contents, &public, &issuer.certificate, &issuer.key, rng),
                key,
            )
        };
        let of = |issuer: &KeyPair, name: &str, key, role| {
            let address = Address::parse(&format!("{name}@example.org")).unwrap();
            below(issuer, name, &[address], key, role)
        };
        let person = |name: &str, key, role| of(&root, name, key, role);
        let middle = below(
            &root,
            "middle",
            &[],
            short_key("middle", ED25519),
            authority,
        );
        let signers = vec![
            person("alice", alice.clone(), user(true, true)),
            person("erin", p256_key("erin"), user(true, true)),
            person("dora", short_key("dora", ED25519), user(true, false)),
            person("rita", alice, user(true, true)),
            of(&middle, "mia", p256_key("mia"), user(true, true)),
        ];
        let list = vec![
            person("list", list, user(true, true)),
            person("list", p256_key("list"), user(true, true)),
            person("list", short_key("list", X25519), user(false, true)),
        ];
        let anchors = Anchors::new(vec![root.certificate.clone()]);
        Self {
            root,
            middle,
            signers,
            list,
            anchors,
        }
    }

    /// Every certificate that was ever issued.
    pub fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.pairs().map(|pair| &pair.certificate)
    }

    fn pairs(&self) -> impl Iterator<Item = &KeyPair> {
        let people = self.signers.iter().chain(&self.list);
        people.chain([&self.root, &self.middle])
    }

    /// True for an authority's key: it signs certificates.
    pub fn is_authority(&self, key: &PublicKey) -> bool {
        [&self.root, &self.middle]
            .iter()
            .any(|pair| pair.key.public_key() == key)
    }

    /// True for a certificate that says what an issued one says, whatever stands around it.
    pub fn has_issued(&self, certificate: &Certificate) -> bool {
        self.certificates()
            .any(|known| known.tbs() == certificate.tbs())
    }

    /// True for the key of one who has a private key here.
    pub fn holds(&self, key: &PublicKey) -> bool {
        self.pairs().any(|pair| pair.key.public_key() == key)
    }
}

fn pair<E: std::fmt::Debug>(certificate: Result<Certificate, E>, key: PrivateKey) -> KeyPair {
    KeyPair {
        certificate: certificate.unwrap(),
        chain: Vec::new(),
        key,
        suffix: String::new(),
    }
}

fn contents<'a>(common_name: &'a str, addresses: &'a [Address], role: Role) -> Contents<'a> {
    Contents {
        common_name,
        addresses,
        // Other programs judge by their own clock.
        not_before: NOW - Duration::days(3_000),
        not_after: NOW + Duration::days(10_000),
        role,
    }
}

const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
const X25519: &[u8] = &[0x2b, 0x65, 0x6e];

fn rsa_key(name: &str) -> PrivateKey {
    let key = rsa::RsaPrivateKey::new(&mut Stream::new(name), 2048).unwrap();
    let der = key.to_pkcs1_der().unwrap();
    from_pem("RSA PRIVATE KEY", der.as_bytes())
}

fn p256_key(name: &str) -> PrivateKey {
    use listseal::asn1::writer::{element, oid, sequence, small_uint};
    let curve = element(0xa0, &[&oid(&listseal::pki::Curve::P256.oid())]);
    let scalar = element(0x04, &[&derived(name)]);
    from_pem(
        "EC PRIVATE KEY",
        &sequence(&[&small_uint(1), &scalar, &curve]),
    )
}

fn short_key(name: &str, kind: &[u8]) -> PrivateKey {
    use listseal::asn1::writer::{element, sequence, small_uint};
    let algorithm = sequence(&[&element(0x06, &[kind])]);
    let inner = element(0x04, &[&derived(name)]);
    let outer = element(0x04, &[&inner]);
    from_pem(
        "PRIVATE KEY",
        &sequence(&[&small_uint(0), &algorithm, &outer]),
    )
}

fn from_pem(label: &str, der: &[u8]) -> PrivateKey {
    PrivateKey::from_pem(pem::encode(label, der).as_bytes(), None).unwrap()
}

fn derived(what: &str) -> [u8; 32] {
    Sha256::digest(format!("{SEED}/{what}")).into()
}

/// Numbers that are the same at every start: SHA-256 of name and counter.
pub struct Stream {
    name: String,
    count: u64,
}

impl Stream {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            count: 0,
        }
    }
}

impl TryRng for Stream {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, to: &mut [u8]) -> Result<(), Infallible> {
        for piece in to.chunks_mut(32) {
            let block = derived(&format!("{}/{}", self.name, self.count));
            piece.copy_from_slice(&block[..piece.len()]);
            self.count += 1;
        }
        Ok(())
    }
}

// Nothing that is worth keeping is drawn from it.
impl TryCryptoRng for Stream {}

/// Returns `entity` behind the field that tells it from what a target made up.
pub fn marked(entity: &[u8]) -> Vec<u8> {
    [mark(entity).as_bytes(), entity].concat()
}

/// True for what [`marked`] returned, with whatever line ends.
pub fn is_marked(content: &[u8]) -> bool {
    let content = listseal::mime::canon::crlf(content);
    let field = mark(b"").len();
    content
        .split_at_checked(field)
        .is_some_and(|(field, entity)| field == mark(entity).as_bytes())
}

fn mark(entity: &[u8]) -> String {
    let entity = listseal::mime::canon::crlf(entity);
    let digest = Sha256::new_with_prefix(SEED)
        .chain_update(&*entity)
        .finalize();
    format!("X-Fuzz: {}\r\n", hex(&digest[..16]))
}
