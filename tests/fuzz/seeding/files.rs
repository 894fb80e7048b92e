//! Seeds of certificates, chains, headers, keys, settings and spool files.

use std::collections::BTreeMap;
use std::io::{Read as _, Seek as _, SeekFrom};

use listseal::model::plan::{Disposition, Item, Plan, What};
use listseal::model::{Address, Deferral, Envelope, Reason};
use listseal::pki::pem;
use listseal::spool::message::Writer;
use listseal::spool::{Slot, Slots};

use super::Maker;
use crate::targets::PASSPHRASE;
use crate::targets::world::world;

/// Adds them all.
pub fn add(maker: &mut Maker) {
    certificates(maker);
    paths(maker);
    headers(maker);
    keys(maker);
    settings(maker);
    spool(maker);
}

fn certificates(maker: &mut Maker) {
    for (at, certificate) in world().certificates().enumerate() {
        maker.add("certificate", &format!("world-{at}"), certificate.der());
    }
    let extensions = [
        (
            "names",
            "subjectAltName=email:a@x.org,DNS:x.org,URI:http://x.org,otherName:1.3.6.1.5.5.7.8.9;UTF8:ü@x.org,dirName:dn\n[dn]\nCN=x",
        ),
        (
            "usage",
            "keyUsage=critical,nonRepudiation,keyAgreement,encipherOnly\nextendedKeyUsage=emailProtection,1.2.3.4",
        ),
        (
            "authority",
            "basicConstraints=critical,CA:TRUE,pathlen:3\nnameConstraints=critical,permitted;email:.x.org,excluded;DNS:y.org\npolicyConstraints=requireExplicitPolicy:1,inhibitPolicyMapping:0\ninhibitAnyPolicy=2",
        ),
        (
            "points",
            "crlDistributionPoints=URI:http://x.org/crl\nauthorityInfoAccess=OCSP;URI:http://x.org\ncertificatePolicies=1.2.3,1.2.3.4\npolicyMappings=1.2.3:1.2.4",
        ),
        (
            "unknown",
            "1.2.3.4.5=critical,DER:0500\nsubjectKeyIdentifier=hash",
        ),
    ];
    for (name, text) in extensions {
        maker.write(
            "cnf",
            format!("[req]\ndistinguished_name=d\n[d]\n[e]\n{text}\n"),
        );
        for (kind, options) in [
            ("rsa", "-key alice.key -sha512"),
            ("ec", "-key erin.key"),
            ("ed", "-key dora.key"),
        ] {
            let subject = "/C=DE/O=Müller/OU=a+CN=b/emailAddress=c@x.org";
            let line = format!(
                "req -x509 -new -utf8 -config cnf -extensions e {options} -days 900 -subj {subject} -outform DER"
            );
            let der = maker.openssl(&line, b"");
            maker.add("certificate", &format!("{name}-{kind}"), der);
        }
    }
    maker.write("cnf", "[req]\ndistinguished_name=d\n[d]\n");
    let line = "req -x509 -new -config cnf -key alice.key -sigopt rsa_padding_mode:pss -subj /CN=pss -outform DER";
    let der = maker.openssl(line, b"");
    maker.add("certificate", "pss", der);
}

fn paths(maker: &mut Maker) {
    let certificate = |maker: &Maker, name: &str| {
        pem::blocks(&maker.read(&format!("{name}.pem"))).unwrap()[0]
            .body
            .to_vec()
    };
    let [root, middle, alice, rita, mia] =
        ["root", "middle", "alice", "rita", "mia"].map(|name| certificate(maker, name));
    let lists = ["root", "middle"].map(|authority| revocations(maker, authority));
    for (name, parts) in [
        ("direct", vec![&alice, &root]),
        ("revocable", vec![&alice, &lists[0]]),
        ("revoked", vec![&rita, &root, &lists[0]]),
        ("below", vec![&mia, &middle, &lists[0], &lists[1], &root]),
        ("missing", vec![&mia, &root, &lists[1]]),
        ("root", vec![&root, &middle]),
    ] {
        let parts: Vec<u8> = parts.into_iter().flatten().copied().collect();
        maker.add("path", name, parts);
    }
    for list in lists {
        maker.add("key", "list", list.clone());
        maker.add("key", "list-pem", pem::encode("X509 CRL", &list));
    }
}

/// A revocation list with rita.
fn revocations(maker: &Maker, authority: &str) -> Vec<u8> {
    let rita = world().signers[3].certificate.serial_hex().to_uppercase();
    let known = format!("R\t750101000000Z\t250101000000Z\t{rita}\tunknown\t/CN=rita\n");
    maker.write(
        "db",
        if authority == "root" {
            known
        } else {
            String::new()
        },
    );
    maker.write(
        "cnf",
        "[ca]\ndefault_ca=o\n[o]\ndatabase=db\ndefault_md=sha256\ncrlnumber=number\ncrl_extensions=e\n\
         [e]\nauthorityKeyIdentifier=keyid\n",
    );
    maker.write("number", "01");
    let line = format!(
        "ca -gencrl -config cnf -cert {authority}.pem -keyfile {authority}.key -crl_lastupdate 20260101000000Z \
         -crl_nextupdate 20750101000000Z -out list.pem{}",
        if authority == "middle" {
            " -md null"
        } else {
            ""
        }
    );
    maker.openssl(&line, b"");
    pem::blocks(&maker.read("list.pem")).unwrap()[0]
        .body
        .to_vec()
}

fn headers(maker: &mut Maker) {
    let froms = [
        "alice@example.org",
        "Alice <alice@example.org>",
        "\"Alice, A.\" <alice@example.org>",
        "\"alice@example.org\" <mallory@example.org>",
        "alice@example.org <alice@example.org>",
        "Alice (the one) <alice@example.org> (home)",
        "=?utf-8?Q?J=C3=BCrgen?= <juergen@example.org>",
        "=?utf-8?B?YWxpY2VAZXhhbXBsZS5vcmc=?= <mallory@example.org>",
        "=?utf-8?Q?alice=40example.org=2C?= mallory@example.org",
        "Jürgen <jürgen@müller.example>",
        "Team: a@example.org, b@example.org;",
        "a@example.org, b@example.org",
        "<@relay.example:alice@example.org>",
        "\"a\\\"b\"@example.org",
        "alice@[192.0.2.1]",
        "alice@example.org\r\n <mallory@example.org>",
        "<alice@example.org\r\n\t>",
        "undisclosed:;",
        "",
    ];
    for (at, from) in froms.iter().enumerate() {
        let head =
            format!("Received: by x; 1 Jan 2026\r\nFrom: {from}\r\nTo: list@example.org\r\n\r\n");
        maker.add(
            "header",
            &format!("from-{at}"),
            head.replace("\r\n", if at % 2 == 0 { "\r\n" } else { "\n" }),
        );
    }
    for (name, head) in [
        (
            "twice",
            "From: a@example.org\r\nfrom: b@example.org\r\n\r\n",
        ),
        (
            "space",
            "From : a@example.org\r\nSubject:\r\n =?utf-8?q?a?=\r\n =?utf-8?q?b?=\r\n\r\n",
        ),
        (
            "mailbox",
            "From a@example.org Thu Jan  1 00:00:00 2026\nFrom: b@example.org\n\n",
        ),
        (
            "sender",
            "Sender: x@example.org\r\nResent-From: y@example.org\r\nFrom: a@example.org\r\n\r\n",
        ),
        (
            "rfc2231",
            "Content-Type: multipart/mixed; boundary*0=\"a b\"; boundary*1*=us-ascii'en'%20c; name*=utf-8''%c3%bc\r\n\r\n",
        ),
        (
            "comments",
            "Content-Type: text/plain (what); charset=\"utf-8\" (so); name=(x)\r\n\r\n",
        ),
        (
            "latin",
            "Subject: =?iso-8859-1?q?=fcber?= =?koi8-r?b?8NLJ18XU?= plain =?x?y?z?=\r\n\r\n",
        ),
    ] {
        maker.add("header", name, head);
    }
}

fn keys(maker: &mut Maker) {
    for name in ["alice", "erin", "dora", "list-x"] {
        for (form, line) in [
            ("pkcs8", format!("pkey -in {name}.key")),
            (
                "locked",
                format!("pkcs8 -topk8 -in {name}.key -passout pass:{PASSPHRASE} -iter 64"),
            ),
            (
                "pbes1",
                format!(
                    "pkcs8 -topk8 -v1 PBE-MD5-DES -in {name}.key -passout pass:{PASSPHRASE} -iter 64 -provider legacy -provider default"
                ),
            ),
            (
                "pkcs12",
                format!(
                    "pkcs8 -topk8 -v1 PBE-SHA1-3DES -in {name}.key -passout pass:{PASSPHRASE} -iter 64"
                ),
            ),
        ] {
            let bytes = maker.openssl(&line, b"");
            maker.add("key", &format!("{name}-{form}"), bytes);
        }
    }
    for (name, kind) in [("alice", "rsa"), ("erin", "ec")] {
        let plain = format!(
            "{kind} -in {name}.key{}",
            if kind == "rsa" { " -traditional" } else { "" }
        );
        for (form, more) in [
            ("old", String::new()),
            ("old-locked", format!(" -aes128 -passout pass:{PASSPHRASE}")),
        ] {
            let bytes = maker.openssl(&format!("{plain}{more}"), b"");
            maker.add("key", &format!("{name}-{form}"), bytes);
        }
    }
    for (name, options) in [
        ("p12", "-iter 64 -maciter".to_owned()),
        (
            "p12-old",
            "-iter 64 -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES".to_owned(),
        ),
        ("p12-open", "-keypbe NONE -certpbe NONE -nomac".to_owned()),
    ] {
        let line = format!(
            "pkcs12 -export -in alice.pem -inkey alice.key -certfile root.pem -passout pass:{PASSPHRASE} {options}"
        );
        let bytes = maker.openssl(&line, b"");
        maker.add("key", name, bytes);
    }
    let bag = maker.openssl(
        "crl2pkcs7 -nocrl -certfile alice.pem -certfile root.pem",
        b"",
    );
    maker.add("key", "p7b", bag);
    let chain = [maker.read("alice.pem"), maker.read("root.pem")].concat();
    maker.add("key", "chain", chain);
}

fn settings(maker: &mut Maker) {
    let site = include_str!("../../../etc/listseal.toml");
    let list = "address = \"team@example.org\"\nowners = [\"o@example.org\"]\nsend = \"private_smime\"\n\
        encrypt = \"always\"\nfloor = \"aes-128-gcm\"\nlegacy = [\"3des\", \"sha1\"]\nmax_size = \"50 MiB\"\nsign = true\n";
    let scenario = "title.gettext x\n# comment\nis_subscriber([listname],[sender]) smtp,smime -> do_it\n\
        match([sender],/@x\\.org$/) smime -> editorkey,quiet\n!equal([sender],a@x.org) smtp -> reject(reason='x')\n\
        true() smtp,dkim,md5,smime -> request_auth\n";
    let roster = "# team\nalice@example.org Alice mode=mail aliases=a@x.org,b@x.org lang=fr\nbob@example.org\nBOB@example.org\n";
    for (kind, texts) in [
        (
            0,
            vec![site, "[paths]\nspool = 5\n[delivery]\ntransport = \"x\"\n"],
        ),
        (1, vec![list]),
        (2, vec!["owners = []\nlistmasters = [\"l@example.org\"]\n"]),
        (3, vec![scenario]),
        (4, vec![roster]),
        (
            5,
            vec![
                "50 MiB",
                "2 MB",
                "4 h",
                "smtp://[::1]:25",
                "lmtp+unix:///run/x",
                "sendmail:///usr/sbin/sendmail",
            ],
        ),
        (
            6,
            vec![
                "a.b+c@example.org",
                "\"a b\"@example.org",
                "ü@müller.example",
                "a@[192.0.2.1]",
            ],
        ),
        (7, vec!["3des,rc2,sha1"]),
    ] {
        for (at, text) in texts.iter().enumerate() {
            maker.add(
                "config",
                &format!("{kind}-{at}"),
                [&[kind], text.as_bytes()].concat(),
            );
        }
    }
}

fn spool(maker: &mut Maker) {
    let to = Address::parse("team@example.org").unwrap();
    for (at, sender) in ["<>", "a@example.org", "odd sender"].iter().enumerate() {
        let empty = std::io::Cursor::new(Vec::new());
        let mut writer = Writer::begin(empty, &Envelope::new(sender, to.clone())).unwrap();
        writer.add(b"From: a@example.org\r\n\r\ntext\r\n").unwrap();
        let (mut file, _) = writer.end().unwrap();
        let mut bytes = vec![0];
        file.seek(SeekFrom::Start(0)).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        maker.add("spool", &format!("message-{at}"), bytes.clone());
        bytes[0] = 1;
        bytes.truncate(bytes.len() - 36);
        maker.add("spool", &format!("open-message-{at}"), bytes);
    }
    let deferral = Deferral {
        attempts: 3,
        last: 5,
        next_due: 7,
        waited: 9,
        code: 451,
    };
    let slots = [
        Slot::Open,
        Slot::Sent { at: 77 },
        Slot::Deferred(deferral),
        Slot::Failed {
            reason: Reason::Expired,
            code: 550,
            status: None,
        },
        Slot::Withheld {
            reason: Reason::NoRecipient,
        },
    ];
    maker.add(
        "spool",
        "slots",
        [vec![2], Slots::image([7; 32], &slots)].concat(),
    );
    maker.add(
        "spool",
        "no-slots",
        [vec![2], Slots::image([0; 32], &[])].concat(),
    );
    let item = |what| Item {
        to: to.clone(),
        lang: "en".to_owned(),
        what,
    };
    let plan = Plan {
        list: Some(to.clone()),
        disposition: Disposition::Distribute,
        reason: Some(Reason::Moderated),
        encrypted: true,
        sender: None,
        authenticated: true,
        sequence: Some(5),
        items: vec![
            item(What::Copy),
            item(What::Sealed),
            item(What::Withheld {
                reason: Reason::Expired,
                notice: true,
            }),
            item(What::Notice {
                kind: "welcome".to_owned(),
                facts: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
                enclose: true,
            }),
        ],
    };
    let bytes = [vec![3], serde_json::to_vec(&plan).unwrap()].concat();
    maker.add("spool", "plan", bytes);
}
