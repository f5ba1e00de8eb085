#![no_main]

use libfuzzer_sys::fuzz_target;
use signalr::Encoding;

fuzz_target!(
    init: fuzz::plant("hub_json", fuzz::hub_messages(Encoding::Json)),
    |input: &[u8]| {
        fuzz::hub(Encoding::Json, input);
        fuzz::handshake(input);
    }
);
