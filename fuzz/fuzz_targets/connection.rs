//! A whole connection: the same answers however its bytes arrive.
//! Knows nothing but the entry.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corelane_fuzz::connection::check(data));
