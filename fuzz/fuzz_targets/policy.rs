//! `cargo +nightly fuzz run --features libfuzzer policy`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| handoff_fuzz::policy(data));
