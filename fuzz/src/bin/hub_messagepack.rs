#![no_main]

use libfuzzer_sys::fuzz_target;
use signalr::Encoding;

fuzz_target!(
    init: fuzz::plant("hub_messagepack", fuzz::hub_messages(Encoding::MessagePack)),
    |input: &[u8]| {
        fuzz::hub(Encoding::MessagePack, input);
        fuzz::handshake(input);
    }
);
