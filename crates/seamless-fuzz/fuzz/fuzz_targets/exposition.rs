#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seamless_fuzz::run("exposition", bytes));
