//! PROXY headers of both versions against a slow reading of their document.
//! Knows nothing but the entry.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corelane_fuzz::proxy_header::check(data));
