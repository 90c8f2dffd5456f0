#![no_main]

use seamless_fuzz::{Mutations, is_accepted};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| seamless_fuzz::run("exposition", bytes));

// Accepted documents are changed by the words of their grammar, all others by libFuzzer.
libfuzzer_sys::fuzz_mutator!(|bytes: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if !is_accepted(&bytes[..size]) {
        return libfuzzer_sys::fuzzer_mutate(bytes, size, max_size);
    }
    let mut document = bytes[..size].to_vec();
    Mutations::new(seed.into()).mutate(&mut document);
    document.truncate(max_size);
    bytes[..document.len()].copy_from_slice(&document);
    document.len()
});
