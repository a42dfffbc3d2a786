//! Preconditions of requests, in any number and order.
//! Knows nothing but the entry.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| corelane_fuzz::conditional::check(data));
