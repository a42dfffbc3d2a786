//! Cookies, read and set.
//! Knows nothing but the entry.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corelane_fuzz::cookies::check(data));
