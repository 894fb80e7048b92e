//! The libFuzzer binary of whichever target it is compiled as.

#![no_main]

#[allow(
    dead_code,
    unused_imports,
    reason = "what tells how far an input gets is for the replay"
)]
mod targets;

/// Every edge is counted, overflow is checked.
const SLOWNESS: u32 = 2;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    targets::Target::named(env!("CARGO_BIN_NAME")).run(data, SLOWNESS);
});
