//! Seeds of the fuzz targets: what `openssl`, `gpgsm` and Python make with the keys of the world.

mod conversations;
mod files;
mod reports;
mod servers;

use std::path::{Path, PathBuf};

use listseal::cms::write::{KeyTransport, Recipient};
use listseal::mime::write::{Header, base64_lines};
use listseal::model::list::ContentCipher;
use listseal::pki::{Digest, pem};
use listseal::seal::{multipart_signed, seal_entity};

use crate::common::foreign::{end_gpg_agent, gpgsm, text};
use crate::common::lab;
use crate::targets::world::{NOW, Stream, marked, world};

/// Inputs for one target.
pub struct Seed {
    pub target: &'static str,
    pub name: String,
    pub bytes: Vec<u8>,
}

/// A scratch directory with the keys and certificates of the world.
pub struct Maker {
    dir: tempfile::TempDir,
    seeds: Vec<Seed>,
}

/// Makes all seeds.
pub fn make() -> Vec<Seed> {
    let mut maker = Maker {
        dir: tempfile::Builder::new().prefix("f").tempdir().unwrap(),
        seeds: Vec::new(),
    };
    maker.write_world();
    maker.signed();
    maker.encrypted();
    maker.gnupg();
    maker.python();
    maker.own();
    files::add(&mut maker);
    reports::add(&mut maker);
    servers::add(&mut maker);
    conversations::add(&mut maker);
    maker.seeds
}

const TEXT: &[u8] = b"Content-Type: text/plain; charset=utf-8\r\n\r\nHello,\r\n\r\n  world\r\n";
/// What stands before every entity.
const OUTER: &str = "From: alice@example.org\r\nTo: list@example.org\r\nSubject: x\r\n";

impl Maker {
    pub fn add(&mut self, target: &'static str, name: &str, bytes: impl Into<Vec<u8>>) {
        self.seeds.push(Seed {
            target,
            name: name.to_owned(),
            bytes: bytes.into(),
        });
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }

    pub fn openssl(&self, line: &str, input: &[u8]) -> Vec<u8> {
        lab::openssl(self.dir.path(), line, input)
    }

    fn write_world(&self) {
        let world = world();
        let named = world
            .signers
            .iter()
            .zip(["alice", "erin", "dora", "rita", "mia"]);
        let lists = world.list.iter().zip(["list", "list-ec", "list-x"]);
        let authorities = [(&world.root, "root"), (&world.middle, "middle")];
        for (pair, name) in named.chain(lists).chain(authorities) {
            let certificate = pem::encode("CERTIFICATE", pair.certificate.der());
            self.write(&format!("{name}.pem"), certificate);
            self.write(&format!("{name}.key"), pair.key.to_pem().as_bytes());
        }
        self.write("content", marked(TEXT));
    }

    /// A whole mail, and the object in it.
    fn mail(&mut self, name: &str, entity: &[u8]) {
        self.mail_from("alice", name, entity);
    }

    fn mail_from(&mut self, author: &str, name: &str, entity: &[u8]) {
        let outer = OUTER.replace("alice", author);
        let mail = [outer.as_bytes(), entity].concat();
        self.add("open", name, mail.clone());
        self.add("mime", name, mail);
    }

    /// A signature: a mail, and the object with its content.
    fn sign(&mut self, author: &str, name: &str, options: &str) {
        let content = self.read("content");
        let line = format!("cms -sign -signer {author}.pem -inkey {author}.key {options}");
        let entity = self.openssl(&line, &content);
        self.mail_from(author, name, &entity);
        let der = self.openssl(&format!("{line} -outform DER -binary"), &content);
        let opaque = options.contains("-nodetach");
        self.object(name, &der, if opaque { b"" } else { &content });
    }

    fn object(&mut self, name: &str, der: &[u8], content: &[u8]) {
        self.add("transcoder", name, der);
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        self.add("verify", name, [&length, content, der].concat());
    }

    fn signed(&mut self) {
        for (author, name, options) in [
            ("alice", "detached", "-md sha256"),
            ("alice", "opaque", "-nodetach -md sha512"),
            ("alice", "streamed", "-nodetach -stream"),
            ("alice", "streamed-detached", "-stream -crlfeol"),
            ("alice", "pss", "-nodetach -keyopt rsa_padding_mode:pss"),
            ("alice", "key-identifier", "-nodetach -keyid"),
            ("alice", "no-attributes", "-nodetach -noattr"),
            ("alice", "sha1", "-nodetach -md sha1"),
            ("alice", "two", "-nodetach -signer erin.pem -inkey erin.key"),
            ("alice", "bag", "-nodetach -certfile root.pem"),
            ("erin", "ecdsa", "-md sha384"),
            ("erin", "ecdsa-opaque", "-nodetach"),
            ("mia", "middle", "-nodetach -certfile middle.pem"),
            ("rita", "rita", "-nodetach"),
        ] {
            self.sign(author, name, options);
        }
        let bag = self.openssl(
            "crl2pkcs7 -nocrl -certfile alice.pem -certfile root.pem -outform DER",
            b"",
        );
        self.object("certificates", &bag, b"");
        let body = base64_lines(&bag);
        let head = b"Content-Type: application/pkcs7-mime; smime-type=certs-only\r\nContent-Transfer-Encoding: base64\r\n\r\n";
        self.mail("certificates", &[&head[..], &body].concat());
    }

    fn encrypt(&mut self, name: &str, options: &str, inside: &[u8]) -> Vec<u8> {
        let entity = self.openssl(&format!("cms -encrypt {options}"), inside);
        self.mail(name, &entity);
        let der = self.openssl(&format!("cms -encrypt -outform DER {options}"), inside);
        self.add("transcoder", name, der);
        entity
    }

    fn encrypted(&mut self) {
        let content = self.read("content");
        for (name, options) in [
            ("cbc", "-aes256 -binary list.pem"),
            ("cbc-stream", "-aes128 -stream list.pem"),
            ("gcm", "-aes-256-gcm -binary list.pem"),
            (
                "gcm-ec",
                "-aes-128-gcm -binary -recip list-ec.pem -keyopt ecdh_kdf_md:sha256",
            ),
            ("ec", "-aes128 -recip list-ec.pem"),
            (
                "oaep",
                "-aes128 -recip list.pem -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256",
            ),
            ("des3", "-des3 -keyid list.pem"),
            ("several", "-aes128 alice.pem list.pem list-ec.pem"),
            ("password", "-aes128 -pwri_password x list.pem"),
            ("elsewhere", "-aes128 alice.pem"),
        ] {
            self.encrypt(name, options, &content);
        }
        let sign = "cms -sign -signer alice.pem -inkey alice.key";
        let inner = self.openssl(sign, &content);
        let opaque = self.openssl(&format!("{sign} -nodetach"), &content);
        self.encrypt("signed-inside", "-aes128 list.pem", &inner);
        self.encrypt(
            "opaque-inside",
            "-aes-128-gcm -binary list-ec.pem",
            &marked(&opaque),
        );
        let middle = self.openssl("cms -encrypt -aes128 list.pem", &inner);
        let triple = self.openssl(sign, &marked(&middle));
        self.mail("triple", &triple);
        let protected = b"Content-Type: text/plain; hp=cipher\r\nFrom: alice@example.org\r\nSubject: inside\r\n\r\ntext\r\n";
        let signed = self.openssl(sign, &marked(protected));
        self.encrypt("protected", "-aes128 list-ec.pem", &signed);
    }

    fn gnupg(&mut self) {
        let home = tempfile::Builder::new().prefix("g").tempdir().unwrap();
        let run = |words: &[&str]| {
            let words = [&["--passphrase-fd", "0"], words].concat();
            gpgsm(self.dir.path(), home.path(), &words, b"x\n").unwrap()
        };
        // What gpgsm may sign with needs a root that it trusts.
        let root = world().root.certificate.der();
        let trusted = format!("{} S relax\n", listseal::model::hex(&Digest::Sha1.of(root)));
        std::fs::write(home.path().join("trustlist.txt"), trusted).unwrap();
        // Of some PKCS#12 files gpgsm says "data error"; the same key in another one it reads.
        let import = || {
            self.openssl(
                "pkcs12 -export -in alice.pem -inkey alice.key -certfile root.pem -out alice.p12 -passout pass:x \
                 -macalg sha1 -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES",
                b"",
            );
            let words = ["--passphrase-fd", "0", "--import", "alice.p12"];
            gpgsm(self.dir.path(), home.path(), &words, b"x\n").is_ok()
        };
        assert!((0..5).any(|_| import()), "gpgsm reads no PKCS#12 file");
        run(&["--import", "root.pem", "list.pem"]);
        let detached = run(&[
            "--local-user",
            "alice@example.org",
            "--detach-sign",
            "content",
        ]);
        let opaque = run(&["--local-user", "alice@example.org", "--sign", "content"]);
        let sealed = run(&["--recipient", "list@example.org", "--encrypt", "content"]);
        end_gpg_agent(home.path()).unwrap();
        let content = self.read("content");
        self.object("gpgsm-detached", &detached, &content);
        self.object("gpgsm-opaque", &opaque, b"");
        self.add("transcoder", "gpgsm-sealed", sealed.clone());
        for (name, kind, der) in [
            ("gpgsm-opaque", "signed-data", opaque),
            ("gpgsm-sealed", "enveloped-data", sealed),
        ] {
            self.mail(name, &base64_mail(kind, &der));
        }
    }

    fn python(&mut self) {
        let python = std::env::var("LISTSEAL_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeding/mails.py");
        lab::run(self.dir.path(), &python, &[text(&program)], b"").unwrap();
        for entry in std::fs::read_dir(self.dir.path()).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let bytes = || std::fs::read(&path).unwrap();
            match path.extension().and_then(|end| end.to_str()) {
                Some("sig" | "env") => self.mail(&name, &bytes()),
                Some("mime") => {
                    self.add("mime", &name, bytes());
                    self.add("header", &name, bytes());
                    self.add("open", &name, bytes());
                }
                _ => {}
            }
        }
    }

    /// What nothing else here makes: Ed25519, X25519, ChaCha20, compression.
    fn own(&mut self) {
        use listseal::asn1::writer::{element, octet_string, oid, sequence, small_uint};
        let (content, rng) = (self.read("content"), &mut Stream::new("seeds"));
        let dora = &world().signers[2];
        let signed = multipart_signed(&content, dora, &[], Some(NOW), rng).unwrap();
        self.mail_from("dora", "ed25519", &signed);
        for (index, pair) in world().list.iter().enumerate() {
            let recipient = Recipient::new(&pair.certificate, KeyTransport::default()).unwrap();
            for cipher in [ContentCipher::Aes128Cbc, ContentCipher::Aes256Gcm] {
                let sealed =
                    seal_entity(&content, &Header::new(), &recipient, cipher, rng).unwrap();
                self.mail(
                    &format!("own-{index}-{}", cipher.name()),
                    &sealed.chunks().concat(),
                );
            }
        }
        let mut deflate = flate2::read::ZlibEncoder::new(&content[..], flate2::Compression::best());
        let mut deflated = Vec::new();
        std::io::Read::read_to_end(&mut deflate, &mut deflated).unwrap();
        use listseal::asn1::oid as known;
        let inner = element(0xa0, &[&octet_string(&deflated)]);
        let object = sequence(&[
            &oid(&known::COMPRESSED_DATA),
            &element(
                0xa0,
                &[&sequence(&[
                    &small_uint(0),
                    &sequence(&[&oid(&known::ZLIB)]),
                    &sequence(&[&oid(&known::DATA), &inner]),
                ])],
            ),
        ]);
        self.add("transcoder", "compressed", object.clone());
        let compressed = base64_mail("compressed-data", &object);
        self.mail("compressed", &compressed);
        let sign = "cms -sign -signer alice.pem -inkey alice.key";
        let signed = self.openssl(sign, &marked(&compressed));
        self.mail("compressed-signed", &signed);
    }
}

fn base64_mail(kind: &str, der: &[u8]) -> Vec<u8> {
    let head = format!(
        "Content-Type: application/pkcs7-mime; smime-type={kind}; name=smime.p7m\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n"
    );
    [head.as_bytes(), &base64_lines(der)].concat()
}
