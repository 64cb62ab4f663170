//! `cargo +nightly fuzz run --features libfuzzer history`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| handoff_fuzz::history(data));
