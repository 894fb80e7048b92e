//! Target `report`: what mail servers send back.

use listseal::mime::{Entity, report};
use listseal::model::bounce::{COPY_FIELD, Status, Worth};
use listseal::model::text::{is_unseen, one_line};
use listseal::relay::bounces::{Finding, names, weigh};

/// A report is a mail of its own type with at least one recipient and no more than are read; what it
/// says is fit to be shown, and a status is what it shows. Nothing is found in it that does not stand
/// there: where no name of a copy is known, nothing is proven.
pub fn report(data: &[u8]) {
    let Ok(Some(found)) = report::read(data) else {
        return;
    };
    let entity = Entity::parse(data).expect("a report is a mail");
    assert_eq!(entity.content_type().kind, "multipart/report");
    assert!((1..=100).contains(&found.recipients.len()));
    for one in &found.recipients {
        for text in [
            &one.diagnostic,
            &one.final_recipient,
            &one.original_recipient,
        ] {
            assert!(!text.chars().any(is_unseen) && one_line(text, 300) == *text);
        }
        if let Some(status) = one.status {
            assert_eq!(Status::parse(&status.to_string()), Some(status));
            assert!(status.class != 2 || Worth::of(Some(status)) == Worth::Nothing);
        }
        assert!(
            found
                .worst()
                .is_some_and(|worst| worst.action >= one.action)
        );
    }
    assert!(report::read(data).is_ok_and(|again| again.as_ref() == Some(&found)));
    let names = names(&found);
    assert!(names.len() <= 10);
    let returned = found.returned(COPY_FIELD);
    assert!(
        names
            .iter()
            .all(|name| returned.contains(name) || found.envelope_id.as_ref() == Some(name))
    );
    let nobody = weigh(&found, |_| None::<()>);
    assert!(
        matches!(nobody, Finding::Unproven | Finding::Nothing),
        "proven by nothing"
    );
}

/// True where a mail is understood as a report that proves something to who knows every name.
pub fn is_proof(data: &[u8]) -> bool {
    let found = report::read(data).ok().flatten();
    found.is_some_and(|found| matches!(weigh(&found, |_| Some(())), Finding::Failed(..)))
}
