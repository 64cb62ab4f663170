//! `cargo +nightly fuzz run --features libfuzzer bundle`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| handoff_fuzz::bundle(data));
