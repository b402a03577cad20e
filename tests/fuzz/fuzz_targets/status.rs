//! See `properties::status`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| anycast_healthchecker_fuzz::properties::status(data));
