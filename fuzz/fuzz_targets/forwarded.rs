//! What proxies say of a client, whatever the client wrote.
//! Knows nothing but the entry.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corelane_fuzz::forwarded::check(data));
