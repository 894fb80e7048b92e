//! The 64 bytes of one slot, with their checksum.

use crate::model::Reason;

pub(super) type Record = [u8; RECORD];

/// The fields of a record: 0 state, 1 version, 2 attempts, 4 code, 8 at, 16 due, 24 waited,
/// 28 reason code in ASCII, 60 CRC32C.
#[derive(Default)]
pub(super) struct Body {
    pub(super) state: u8,
    pub(super) attempts: u16,
    pub(super) code: u16,
    pub(super) at: u64,
    pub(super) due: u64,
    pub(super) waited: u32,
    pub(super) reason: Option<Reason>,
}

impl Body {
    pub(super) fn to_record(&self) -> Record {
        let mut record = [0; RECORD];
        let mut put = |at: usize, bytes: &[u8]| {
            for (to, from) in record.iter_mut().skip(at).zip(bytes) {
                *to = *from;
            }
        };
        put(0, &[self.state, 1]);
        put(2, &self.attempts.to_be_bytes());
        put(4, &self.code.to_be_bytes());
        put(8, &self.at.to_be_bytes());
        put(DUE_AT, &self.due.to_be_bytes());
        put(24, &self.waited.to_be_bytes());
        let code = self.reason.map_or("", Reason::code).as_bytes();
        put(REASON_AT, code.get(..32).unwrap_or(code));
        seal(&mut record);
        record
    }

    pub(super) fn from_record(record: &Record) -> Option<Self> {
        if !is_sealed(record) {
            return None;
        }
        let code: [u8; 32] = field(record, REASON_AT);
        let code = code.split(|b| *b == 0).next().unwrap_or_default();
        Some(Self {
            state: *record.first()?,
            attempts: u16::from_be_bytes(field(record, 2)),
            code: u16::from_be_bytes(field(record, 4)),
            at: u64::from_be_bytes(field(record, 8)),
            due: u64::from_be_bytes(field(record, DUE_AT)),
            waited: u32::from_be_bytes(field(record, 24)),
            reason: std::str::from_utf8(code).ok().and_then(Reason::from_code),
        })
    }
}

pub(super) fn field<const N: usize>(record: &Record, at: usize) -> [u8; N] {
    let mut out = [0; N];
    for (to, from) in out.iter_mut().zip(record.iter().skip(at)) {
        *to = *from;
    }
    out
}

pub(super) fn checksum(record: &Record) -> [u8; 4] {
    let covered = record.get(..CRC_AT).unwrap_or_default();
    crc32c::crc32c(covered).to_be_bytes()
}

pub(super) fn seal(record: &mut Record) {
    let sum = checksum(record);
    for (to, from) in record.iter_mut().skip(CRC_AT).zip(sum) {
        *to = from;
    }
}

pub(super) fn is_sealed(record: &Record) -> bool {
    // Zeros are an open slot and no record; their checksum is not zero.
    field::<4>(record, CRC_AT) == checksum(record)
}

pub(super) const RECORD: usize = 64;
pub(super) const CRC_AT: usize = 60;
pub(super) const DUE_AT: usize = 16;
pub(super) const REASON_AT: usize = 28;
pub(super) const DEFERRED: u8 = 1;
pub(super) const SENT: u8 = 2;
pub(super) const FAILED: u8 = 3;
pub(super) const WITHHELD: u8 = 4;
pub(super) const DONE: u8 = 5;
pub(super) const HEADER: u8 = 6;
