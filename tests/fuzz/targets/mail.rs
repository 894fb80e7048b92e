//! Targets `mime` and `header`: parts as exact runs of the input, and who a mail is from.

use listseal::mime::write::{Header, base64_lines};
use listseal::mime::{ContentType, Entity, canon, encoding, sender};
use listseal::model::{Address, Reason};
use mail_parser::MessageParser;

/// Header, fields, body and parts are runs of the input, in order, apart from each other, with
/// nothing lost; parts put together again are the same parts. Decoding makes nothing longer. Where
/// the delimiters are beyond doubt, mail-parser sees the same parts.
pub fn mime(data: &[u8]) {
    let canonical = canon::crlf(data);
    assert!(
        canon::crlf(&canonical) == canonical,
        "canonical form is not its own"
    );
    let Ok(entity) = Entity::parse(data) else {
        return;
    };
    assert!(entity.raw() == data);
    let fields: Vec<u8> = entity
        .fields()
        .iter()
        .flat_map(|field| field.raw().to_vec())
        .collect();
    assert!(fields == entity.header_bytes(), "fields are not the header");
    let header = range(data, entity.header_bytes());
    let body = range(data, entity.body());
    let between = &data[header.end..body.start];
    assert!(
        matches!(between, b"" | b"\n" | b"\r\n"),
        "something stands between header and body"
    );
    assert_eq!(body.end, data.len(), "the body ends early");
    assert!(header.start == 0 || data.starts_with(b"From ") || data.starts_with(b">From "));

    if let Ok(decoded) = entity.decoded_body() {
        assert!(decoded.len() <= entity.body().len());
        if encoding::base64(entity.body()).is_ok() {
            let lines = base64_lines(&decoded);
            assert!(
                encoding::base64(&lines).unwrap() == *decoded,
                "base64 is another thing"
            );
        }
    }
    let _ = (entity.decoded_text(), entity.file_name());
    let Ok(parts) = entity.parts() else {
        assert!(entity.signed_parts().is_err());
        return;
    };
    let mut at = body.start;
    for part in &parts {
        let part = range(data, part);
        assert!(part.start >= at, "parts overlap");
        at = part.end;
    }
    let Some(boundary) = entity
        .content_type()
        .boundary()
        .filter(|_| !parts.is_empty())
    else {
        return;
    };
    let again = joined(entity.header_bytes(), boundary, &parts);
    let again = Entity::parse(&again).expect("joined parts are a multipart");
    assert!(
        again.parts().unwrap() == parts,
        "joined parts are other parts"
    );
    if let Ok((signed, _)) = entity.signed_parts() {
        assert!(parts.len() == 2 && parts[0] == signed);
        let (same, _) = again.signed_parts().unwrap();
        assert!(same == signed, "other bytes are signed");
    }
    if is_beyond_doubt(&entity, boundary, &parts) {
        let theirs = MessageParser::new()
            .parse(data)
            .expect("mail-parser reads it");
        let root = theirs.parts.first().expect("with a root");
        let leaves = root.sub_parts().map_or(0, <[_]>::len);
        assert_eq!(leaves, parts.len(), "mail-parser sees other parts");
    }
}

fn range(whole: &[u8], part: &[u8]) -> std::ops::Range<usize> {
    let start = part
        .as_ptr()
        .addr()
        .checked_sub(whole.as_ptr().addr())
        .expect("within");
    assert!(
        start + part.len() <= whole.len(),
        "a part is no part of the input"
    );
    start..start + part.len()
}

fn joined(header: &[u8], boundary: &str, parts: &[&[u8]]) -> Vec<u8> {
    let mut out = header.to_vec();
    if !out.ends_with(b"\n") {
        out.extend(b"\r\n");
    }
    out.extend(b"\r\n");
    for part in parts {
        out.extend(format!("--{boundary}\r\n").bytes());
        out.extend_from_slice(part);
        out.extend(b"\r\n");
    }
    out.extend(format!("--{boundary}--\r\n").bytes());
    out
}

/// True where the parts of a mail are compared with mail-parser's.
pub(super) fn is_compared(data: &[u8]) -> bool {
    let Ok(entity) = Entity::parse(data) else {
        return false;
    };
    let boundary = entity.content_type().boundary();
    let parts = entity.parts().unwrap_or_default();
    boundary.is_some_and(|boundary| is_beyond_doubt(&entity, boundary, &parts))
}

/// True for a multipart that no two readers can take for two things: delimiters are whole lines,
/// the last one closes, nothing but plain text inside.
fn is_beyond_doubt(entity: &Entity<'_>, boundary: &str, parts: &[&[u8]]) -> bool {
    let text = |bytes: &[u8]| {
        bytes
            .iter()
            .all(|b| matches!(b, b' '..=b'~' | b'\r' | b'\n'))
    };
    if !text(entity.raw()) || boundary.contains(' ') || !entity.raw().ends_with(b"--\r\n") {
        return false;
    }
    if entity.raw().starts_with(b"From ") || entity.raw().starts_with(b">From ") {
        return false;
    }
    let (open, close) = (format!("--{boundary}"), format!("--{boundary}--"));
    let body = String::from_utf8_lossy(entity.body());
    let mut lines = body
        .split("\r\n")
        .filter(|line| line.starts_with("--"))
        .peekable();
    let mut count = 0;
    while let Some(line) = lines.next() {
        let last = lines.peek().is_none();
        if line != if last { &close } else { &open } {
            return false;
        }
        count += 1;
    }
    let plain = |part: &&[u8]| {
        // Without an empty line, some take the delimiter behind for a field.
        let ends = part.windows(4).any(|four| four == b"\r\n\r\n");
        ends && Entity::parse(part).is_ok_and(|part| {
            part.first("Content-Type").is_none()
                && part.first("Content-Transfer-Encoding").is_none()
        })
    };
    let content_type = entity.first("Content-Type").map(|field| field.value());
    // In the middle of a line it is a delimiter to mail-parser alone.
    body.matches(&open).count() == count
        && count == parts.len() + 1
        && content_type
            .is_some_and(|value| value == format!("multipart/mixed; boundary={boundary}"))
        && !entity
            .raw()
            .windows(2)
            .any(|pair| pair[1] == b'\n' && pair[0] != b'\r')
        && parts.iter().all(plain)
}

/// A mail has one author or none: where one is named, mail-parser finds no other one and no second
/// From field (contract S28). Unfolding and decoding are done with once done; what is written is
/// read as the same.
pub fn header(data: &[u8]) {
    let Ok(entity) = Entity::parse(data) else {
        return;
    };
    let author = sender::author(&entity);
    let count = entity.all("From").count();
    match &author {
        Ok(address) => {
            assert_eq!(count, 1);
            one_reading(data, address);
            written(address);
        }
        Err(Reason::FromAmbiguous | Reason::FromMalformed) => assert!(count > 0),
        Err(Reason::FromMissing) => {}
        Err(other) => panic!("{other:?} is no reason of this room"),
    }
    for field in entity.fields() {
        let value = field.value();
        assert!(!value.contains(['\r', '\n']), "a fold is left");
        let line = format!("X: {value}\r\n\r\n");
        if let Ok(again) = Entity::parse(line.as_bytes()) {
            assert_eq!(
                again.first("X").map(listseal::mime::Field::value),
                Some(value.clone())
            );
        }
        let _ = sender::mailbox(field);
        let text = field.text();
        let mut header = Header::new();
        if header.push("X", &text).is_ok() {
            read_again(&header, &text);
        }
        let kind = ContentType::parse(&value);
        assert_eq!(kind.kind, kind.kind.to_ascii_lowercase());
        let fine = |boundary: &str| !boundary.is_empty() && !boundary.ends_with(' ');
        assert!(kind.boundary().is_none_or(fine));
        let _ = (kind.file_name(), kind.parameter("charset"));
    }
}

fn one_reading(data: &[u8], address: &Address) {
    // mail-parser reads a mailbox line as an address.
    let start = if data.starts_with(b"From ") || data.starts_with(b">From ") {
        data.iter()
            .position(|b| *b == b'\n')
            .map_or(data.len(), |at| at + 1)
    } else {
        0
    };
    let Some(theirs) = MessageParser::new().parse_headers(&data[start..]) else {
        return;
    };
    let found: Vec<&str> = theirs
        .headers()
        .iter()
        .filter(|header| header.name().eq_ignore_ascii_case("from"))
        .filter_map(|header| header.value().as_address())
        .flat_map(|addresses| addresses.iter().filter_map(|one| one.address()))
        .collect();
    for one in &found {
        assert!(
            Address::parse(one).as_ref() == Ok(address),
            "mail-parser sees {one:?} where {address} is taken for the author"
        );
    }
}

fn written(address: &Address) {
    let mut header = Header::new();
    header
        .push_mailbox("From", "Somebody, or (so)", address)
        .expect("an author can be written");
    let bytes = header.with_body(b"");
    let entity = Entity::parse(&bytes).unwrap();
    assert_eq!(
        sender::author(&entity).as_ref(),
        Ok(address),
        "another author is written"
    );
}

fn read_again(header: &Header, text: &str) {
    let mut copy = Header::new();
    copy.append(header);
    let bytes = copy.with_body(b"");
    let lines = bytes.split(|b| *b == b'\n');
    assert!(
        lines.into_iter().all(|line| line.len() <= 999),
        "a line is too long (RFC 5322)"
    );
    let entity = Entity::parse(&bytes).expect("what is written is read");
    assert_eq!(entity.fields().len(), 1, "one field became several");
    let again = entity.fields()[0].text();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(words(&again), words(text), "another text is written");
}
