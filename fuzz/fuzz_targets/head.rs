//! The head parser: any bytes, any limits, any cuts.
//! Knows nothing but the entry.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corelane_fuzz::head::check(data));
