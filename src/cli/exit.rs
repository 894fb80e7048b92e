//! Exit codes, after `sysexits.h`.

/// All is well.
pub const OK: u8 = 0;
/// A check found something that does not add up, or what was asked was not done.
pub const FAILED: u8 = 1;
/// The command was used wrongly (EX_USAGE).
pub const USAGE: u8 = 64;
/// The input is malformed or too large (EX_DATAERR).
pub const DATA: u8 = 65;
/// No such input file (EX_NOINPUT).
pub const NO_INPUT: u8 = 66;
/// No such list (EX_NOUSER).
pub const NO_USER: u8 = 67;
/// An output file cannot be made (EX_CANTCREAT).
pub const CANNOT_CREATE: u8 = 73;
/// A file or device fails (EX_IOERR).
pub const IO: u8 = 74;
/// Local trouble; try again later (EX_TEMPFAIL).
pub const TEMPORARY: u8 = 75;
/// The configuration is wrong (EX_CONFIG).
pub const CONFIG: u8 = 78;
