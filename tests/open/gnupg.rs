//! Mail that gpgsm made, which KMail and Gpg4win use.

use listseal::open::Verdict;

use super::common::foreign;
use super::lab::{TEXT, World, lab, mail};

fn gpgsm(words: &[&str], input: &[u8]) -> Vec<u8> {
    foreign::gpgsm(lab().dir(), &lab().path(HOME), words, input)
        .unwrap_or_else(|text| panic!("gpgsm {words:?}: {text}"))
}

const HOME: &str = "gnupg";

#[test]
fn gpgsm_mail_is_opened_and_verified() {
    let home = lab().path(HOME);
    std::fs::create_dir_all(&home).unwrap();
    std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let print = lab().openssl("x509 -in root.pem -noout -fingerprint -sha1");
    let print = String::from_utf8(print).unwrap();
    let print = print.trim().rsplit('=').next().unwrap();
    lab().write("gnupg/trustlist.txt", format!("{print} S relax\n"));
    gpgsm(&["--import"], &lab().read("root.pem"));
    gpgsm(&["--import"], &lab().read("list.pem"));
    lab().openssl(
        "pkcs12 -export -in alice.pem -inkey alice.key -out alice.p12 -passout pass:x -macalg sha1 \
         -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES",
    );
    gpgsm(&["--passphrase-fd", "0", "--import", "alice.p12"], b"x\n");

    let world = World::of(&["list"]);
    let head = b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: binary\r\n\r\n";
    let wrap = |der: &[u8]| [&head[..], der].concat();
    let encrypt = |cipher: &str, entity: &[u8]| {
        gpgsm(
            &[
                "--cipher-algo",
                cipher,
                "--encrypt",
                "--recipient",
                "list@example.org",
            ],
            entity,
        )
    };
    for cipher in ["AES", "AES256"] {
        let message = mail("alice@example.org", &wrap(&encrypt(cipher, TEXT)));
        let opened = world.open(&message);
        assert_eq!(opened.decrypted(), Some(true), "{}", world.report(&message));
        assert_eq!(opened.innermost(&message), TEXT);
    }
    lab().write("entity", TEXT);
    let sign = [
        "--passphrase-fd",
        "0",
        "--local-user",
        "alice@example.org",
        "--sign",
    ];
    let signed = wrap(&gpgsm(&[&sign[..], &["entity"]].concat(), b"x\n"));
    let message = mail("alice@example.org", &wrap(&encrypt("AES128", &signed)));
    let opened = world.open(&message);
    assert_eq!(
        opened.signature(),
        Verdict::Valid,
        "{}",
        world.report(&message)
    );
    assert!(opened.author().is_some());
    assert_eq!(opened.innermost(&message), TEXT);
    foreign::end_gpg_agent(&lab().path(HOME)).unwrap();
}
