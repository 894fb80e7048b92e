//! Correct mail in odd clothes: what gateways, old clients and toolkits make of types, encodings,
//! boundaries and line ends.

use listseal::open::Verdict;
use serde_json::Value;

use super::lab::{TEXT, World, lab, mail};

/// The header of an entity, and its body.
fn halves(entity: &[u8]) -> (String, String) {
    let text = String::from_utf8(entity.to_vec()).unwrap();
    let text = text.replace("\r\n", "\n");
    let (head, body) = text.split_once("\n\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn der(base64: &str) -> Vec<u8> {
    lab().feed("base64 -d", base64.as_bytes())
}

fn read(header: &str, body: &[u8]) -> Value {
    let entity = [header.as_bytes(), b"\n\n", body].concat();
    World::of(&["list"]).report(&mail("alice@example.org", &entity))
}

#[test]
fn objects_are_read_whatever_their_header_says() {
    let (_, sealed) = halves(&lab().encrypt("list.pem", "-aes-256-cbc", TEXT));
    let (_, signed) = halves(&lab().sign("alice", "-nodetach", TEXT));
    let (_, certificates) = {
        lab().openssl("crl2pkcs7 -nocrl -certfile alice.pem -outform DER -out odd.p7c");
        let body = lab().openssl("base64 -in odd.p7c");
        ((), String::from_utf8(body).unwrap())
    };
    let base64 = "Content-Transfer-Encoding: base64";
    for kind in [
        "Content-Type: application/pkcs7-mime",
        "Content-Type: application/x-pkcs7-mime",
        "Content-Type: application/cms",
        "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m",
        "Content-Type: application/pkcs7-mime; smime-type=signed-data",
        "Content-Type: application/pkcs7-mime; smime-type=authEnveloped-data",
        "Content-Type: application/pkcs7-mime; smime-type=certs-only; name=\"smime.p7c\"",
        "Content-Type: APPLICATION/PKCS7-MIME; SMIME-TYPE=\"\"; NAME=smime.p7z",
        "Content-Type: application/octet-stream; name=smime.p7m",
        "Content-Type: application/octet-stream; name=\"SMIME.P7S\"",
        "Content-Type: application/octet-stream\nContent-Disposition: attachment;\n\tfilename=\"smime.p7c\"",
        "Content-Type: application/octet-stream;\n name*=utf-8''smime.p7z",
        "Content-Type: application/x-pkcs7-signature; name=smime.p7s",
    ] {
        let header = format!("{kind}\n{base64}");
        let report = read(&header, sealed.as_bytes());
        assert_eq!(report["decrypted"], true, "{kind}");
        let report = read(&header, signed.as_bytes());
        assert_eq!(report["author"], "alice@example.org", "{kind}: {report}");
        let report = read(&header, certificates.as_bytes());
        assert_eq!(report["layers"][0]["kind"], "certs-only", "{kind}");
        assert_eq!(report["signature"], "none");
    }
}

#[test]
fn objects_are_read_in_every_transfer_encoding() {
    let (_, sealed) = halves(&lab().encrypt("list.pem", "-aes-256-cbc", TEXT));
    let binary = der(&sealed);
    let quoted: String = binary.iter().map(|byte| format!("={byte:02X}")).collect();
    let quoted: Vec<&str> = (0..quoted.len())
        .step_by(72)
        .map(|at| &quoted[at..quoted.len().min(at + 72)])
        .collect();
    let one_line = sealed.replace('\n', "");
    let blank = sealed.replace('\n', "\n\n");
    let spaced = sealed.replace('\n', " \t\r\n");
    let zeros = [&binary[..], &[0; 7]].concat();
    for (encoding, body) in [
        ("base64", sealed.as_bytes()),
        ("BASE64", one_line.as_bytes()),
        ("base64", blank.as_bytes()),
        ("base64", spaced.as_bytes()),
        ("binary", &binary),
        ("8bit", &binary),
        ("binary", &zeros),
        ("quoted-printable", quoted.join("=\n").as_bytes()),
        // The header is wrong, or a gateway has lost it.
        ("7bit", sealed.as_bytes()),
        ("x-unknown", sealed.as_bytes()),
        ("8bit (base64)", sealed.as_bytes()),
    ] {
        let header =
            format!("Content-Type: application/pkcs7-mime\nContent-Transfer-Encoding: {encoding}");
        let report = read(&header, body);
        assert_eq!(report["decrypted"], true, "{encoding}: {report}");
    }
    let report = read("Content-Type: application/pkcs7-mime", sealed.as_bytes());
    assert_eq!(report["decrypted"], true, "{report}");
}

#[test]
fn footer_below_a_padded_object_is_no_part_of_it() {
    // A block more of content moves the end by a third of a group.
    let padded = (0..3)
        .map(|blocks| [TEXT, &vec![b'x'; 16 * blocks]].concat())
        .map(|text| halves(&lab().encrypt("list.pem", "-aes-256-cbc", &text)).1)
        .find(|sealed| sealed.trim_end().ends_with('='))
        .unwrap();
    let header = "Content-Type: application/pkcs7-mime\nContent-Transfer-Encoding: base64";
    let footer = format!("{padded}\n-- \nscanned by a gateway\n");
    assert_eq!(read(header, footer.as_bytes())["decrypted"], true);
}

#[test]
fn objects_in_pem_are_read_as_text_and_as_attached_files() {
    let pem = |words: &str| {
        let made = lab().feed(&format!("cms -outform PEM {words}"), TEXT);
        assert!(made.starts_with(b"-----BEGIN CMS-----"));
        made
    };
    let signer = "-sign -signer alice.pem -inkey alice.key";
    let base64 = |bytes: &[u8]| lab().feed("base64", bytes);
    let sealed = pem("-encrypt -aes-256-cbc list.pem");
    let opaque = pem(&format!("{signer} -nodetach"));
    let kind = "Content-Type: application/pkcs7-mime; name=smime.p7m";
    let attached = format!("{kind}\nContent-Transfer-Encoding: base64");
    for (header, decoded, read_as) in [
        (kind, &sealed, None),
        (kind, &opaque, Some("alice@example.org")),
        (&attached, &base64(&sealed), None),
        (&attached, &base64(&opaque), Some("alice@example.org")),
        // The encoding of the block itself, in the header of the part.
        (&attached, &opaque, Some("alice@example.org")),
    ] {
        let report = read(header, decoded);
        assert_eq!(report["author"].as_str(), read_as, "{report}");
        assert_ne!(report["decrypted"], false, "{report}");
    }
    let signature = String::from_utf8(pem(signer)).unwrap();
    let entity = format!(
        "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b\n\n\
         --b\n{}\n--b\nContent-Type: application/pkcs7-signature\n\n{signature}\n--b--\n",
        str::from_utf8(TEXT).unwrap()
    );
    let report = World::of(&[]).report(&mail("alice@example.org", entity.as_bytes()));
    assert_eq!(report["author"], "alice@example.org", "{report}");
    // Two objects, and each reader would choose his own.
    let report = read(kind, &[opaque, sealed].concat());
    assert_eq!(report["reason"], "malformed");
}

#[test]
fn multiparts_are_verified_whatever_surrounds_their_parts() {
    let signed = String::from_utf8(lab().sign("alice", "", TEXT)).unwrap();
    let signed = signed.replace("\r\n", "\n");
    let boundary = signed
        .split("boundary=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap()
        .to_owned();
    let renamed = |name: &str| signed.replace(&boundary, name);
    let close = format!("--{boundary}--");
    for text in [
        signed.replace('\n', "\r\n"),
        signed.replace("micalg=\"sha-256\"", "micalg=sha1"),
        signed.replace("micalg=\"sha-256\"; ", ""),
        signed.replace("protocol=\"application/pkcs7-signature\"; ", ""),
        signed.replace("pkcs7-signature", "x-pkcs7-signature"),
        signed.replace(
            "protocol=\"application/pkcs7-signature\"",
            "protocol=\"application/pkcs7-mime\"",
        ),
        signed.replace(
            "Content-Type: application/pkcs7-signature;",
            "Content-Type: application/octet-stream;",
        ),
        signed.replace(
            "Content-Type: application/pkcs7-signature; name=\"smime.p7s\"",
            "Content-Type: application/octet-stream",
        ),
        signed.replace(
            "Content-Type: application/pkcs7-signature;",
            "Content-Type: application/pkcs7-mime;",
        ),
        signed
            .replace("protocol=\"application/pkcs7-signature\"; ", "")
            .replace("application/pkcs7-signature;", "application/pkcs7-mime;"),
        signed.replace("This is an S/MIME signed message\n", ""),
        signed.replace(
            "This is an S/MIME signed message",
            "--no boundary\n--\n\npreamble\n",
        ),
        signed.replace(&close, ""),
        signed.replace(&close, &format!("{close} \t")),
        signed.replace(&close, &format!("{close}\nepilogue\n--not it\n")),
        signed.replace(&format!("--{boundary}\n"), &format!("--{boundary}  \n")),
        renamed("'()+_,-./:=? x"),
        renamed("=_a"),
        renamed(&"b".repeat(70)),
    ] {
        assert_ne!(text, signed);
        let message = mail("alice@example.org", text.as_bytes());
        let opened = World::of(&[]).open(&message);
        assert_eq!(opened.signature(), Verdict::Valid, "{}", &text[..400]);
        assert!(opened.author().is_some());
    }
}

#[test]
fn content_that_was_signed_with_bare_line_feeds_is_verified_as_it_came() {
    let text = b"Content-Type: text/plain\n\none\ntwo\n";
    lab().write("bare.txt", text);
    let der = lab()
        .openssl("cms -sign -binary -signer alice.pem -inkey alice.key -outform DER -in bare.txt");
    lab().write("bare.p7s", &der);
    let base64 = String::from_utf8(lab().openssl("base64 -in bare.p7s")).unwrap();
    let entity = format!(
        "Content-Type: multipart/signed; protocol=\"application/pkcs7-signature\"; boundary=b\n\n\
         --b\n{}\n--b\nContent-Type: application/pkcs7-signature\n\
         Content-Transfer-Encoding: base64\n\n{base64}\n--b--\n",
        str::from_utf8(text).unwrap()
    );
    let world = World::of(&[]);
    let verdict = |text: &str| {
        world
            .open(&mail("alice@example.org", text.as_bytes()))
            .signature()
    };
    assert_eq!(verdict(&entity), Verdict::Valid);
    assert_eq!(verdict(&entity.replace("two", "too")), Verdict::Invalid);
}
