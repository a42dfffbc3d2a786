//! The decoder of the chunked coding against its slow reference, however it is cut.
//! Knows nothing but the entry.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corelane_fuzz::chunked::check(data));
