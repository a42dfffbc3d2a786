//! The head parser and its framing against httparse and slow references.
//! Knows nothing but the entry.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corelane_fuzz::head_differential::check(data));
