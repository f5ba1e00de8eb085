#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: fuzz::plant("event", fuzz::events()),
    |input: &[u8]| fuzz::event(input)
);
