//! The parts of a form.
//! Knows nothing but the entry.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corelane_fuzz::multipart::check(data));
