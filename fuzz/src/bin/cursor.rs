#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: fuzz::plant("cursor", fuzz::cursors()),
    |input: &[u8]| fuzz::cursor(input)
);
