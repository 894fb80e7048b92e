//! Seeds of reports about deliveries.

use super::Maker;

/// What stands in the status part, and what comes back.
const REPORTS: [(&str, &str, &str); 6] = [
    (
        "failed",
        "Reporting-MTA: dns; mx.example\r\nOriginal-Envelope-Id: 00ff.12\r\n\r\n\
         Original-Recipient: rfc822;bob@example.org\r\nFinal-Recipient: rfc822; bob@example.org\r\n\
         Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; in.example\r\n\
         Diagnostic-Code: smtp; 550 5.1.1 <bob@example.org>:\r\n no such user\r\n",
        "Content-Type: text/rfc822-headers\r\n\r\nX-Listseal-Copy: 00ff\r\n 12\r\nSubject: x\r\n",
    ),
    (
        "one-block",
        "Reporting-MTA: dns; mx.example\r\nAction: failed\r\nDiagnostic-Code: smtp;554-5.7.1 policy\r\n",
        "Content-Type: message/rfc822\r\n\r\nX-Listseal-Copy: 00ff.12\r\n\r\nbody\r\n",
    ),
    (
        "delayed",
        "Reporting-MTA: dns; mx.example\r\n\r\nAction: delayed\r\nStatus: 4.4.1\r\nWill-Retry-Until: x\r\n",
        "Content-Type: message/global-headers\r\n\r\nX-Listseal-Copy: =?utf-8?q?00ff=2E12?=\r\n",
    ),
    (
        "several",
        "\r\nAction: delivered\r\nStatus: 2.0.0\r\n\r\n\r\nAction: FAILED (x)\r\nStatus: 4.2.2\r\n\r\nAction: relayed\r\n",
        "Content-Type: text/plain\r\n\r\nnothing\r\n",
    ),
    (
        "odd",
        "nonsense\r\n folded\r\n: x\r\nAction :failed\r\nStatus: 9.9.9\r\nFinal-Recipient: a;b;c\r\n",
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nQTogYg==\r\n",
    ),
    ("empty", "", "\r\n"),
];

/// Adds them all.
pub fn add(maker: &mut Maker) {
    for (name, status, returned) in REPORTS {
        for kind in ["delivery-status", "global-delivery-status"] {
            let mail = format!(
                "From: MAILER-DAEMON@mx.example\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
                 --b\r\n\r\nSorry.\r\n--b\r\nContent-Type: message/{kind}\r\n\r\n{status}\r\n--b\r\n{returned}\r\n--b--\r\n"
            );
            maker.add("report", &format!("{name}-{kind}"), mail.clone());
            maker.add(
                "report",
                &format!("{name}-{kind}-lf"),
                mail.replace("\r\n", "\n"),
            );
            maker.add("mime", &format!("report-{name}-{kind}"), mail);
        }
    }
}
