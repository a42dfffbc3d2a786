//! The parts of a whole that a client asks for.
//! Knows nothing but the entry.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corelane_fuzz::range::check(data));
