#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: fuzz::plant("connection_token", fuzz::connection_tokens()),
    |input: &[u8]| fuzz::connection_token(input)
);
