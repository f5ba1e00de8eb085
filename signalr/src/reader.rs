//! Messages out of bytes: several in a frame, one over several.

use crate::{encoding::Encoding, json, length, message::Message, messagepack, protocol_error::ProtocolError};

/// Takes what comes and gives the messages that are whole. Once [`Reader::next`] has said that it needs more, it holds
/// less than one message, and no memory at all if it holds nothing.
#[derive(Debug)]
pub struct Reader {
    encoding: Encoding,
    largest: usize,
    waiting: Vec<u8>,
    /// Where in `waiting` the next message begins.
    start: usize,
    /// How far a separator was looked for, so that no byte is looked at twice.
    searched: usize,
    failed: Option<ProtocolError>,
}

impl Reader {
    /// A reader of messages of at most `largest` bytes each, frames not counted.
    pub fn new(encoding: Encoding, largest: usize) -> Self {
        Self { encoding, largest, waiting: Vec::new(), start: 0, searched: 0, failed: None }
    }

    /// Takes the next bytes, and holds them all until they are asked for. After an error it takes no more.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.waiting.extend_from_slice(bytes);
        }
    }

    /// The next whole message; `None` when more bytes are needed. After an error there is nothing more to read: the
    /// error stays.
    #[expect(clippy::should_implement_trait, reason = "an iterator's `None` means the end; here more may come")]
    pub fn next(&mut self) -> Result<Option<Message>, ProtocolError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.next_known().inspect_err(|error| {
            self.waiting = Vec::new();
            self.failed = Some(error.clone());
        })
    }

    /// The size of its buffer in bytes.
    pub fn buffered(&self) -> usize {
        self.waiting.capacity()
    }

    /// The next message of a type that is known.
    fn next_known(&mut self) -> Result<Option<Message>, ProtocolError> {
        loop {
            let read = match self.encoding {
                Encoding::Json => self.next_json()?,
                Encoding::MessagePack => self.next_messagepack()?,
            };
            match read {
                Read::Message(message) => return Ok(Some(message)),
                Read::Ignored => {}
                Read::NotWhole => {
                    self.forget();
                    return Ok(None);
                }
            }
        }
    }

    fn next_json(&mut self) -> Result<Read, ProtocolError> {
        let end = memchr::memchr(json::SEPARATOR, &self.waiting[self.searched..]).map(|found| self.searched + found);
        let length = end.unwrap_or(self.waiting.len()) - self.start;
        if length > self.largest {
            return Err(ProtocolError::TooLarge(self.largest));
        }
        let Some(end) = end else {
            self.searched = self.waiting.len();
            return Ok(Read::NotWhole);
        };
        let read = json::read(&self.waiting[self.start..end])?;
        self.start = end + 1;
        self.searched = self.start;
        Ok(read.into())
    }

    fn next_messagepack(&mut self) -> Result<Read, ProtocolError> {
        let rest = &self.waiting[self.start..];
        let Some((length, prefix)) = length::read(rest)? else { return Ok(Read::NotWhole) };
        if length > self.largest {
            return Err(ProtocolError::TooLarge(self.largest));
        }
        let Some(body) = rest[prefix..].get(..length) else { return Ok(Read::NotWhole) };
        let read = messagepack::read(body)?;
        self.start += prefix + length;
        Ok(read.into())
    }

    /// Forgets what was read. What stays is part of the bytes that came last, so no byte is moved twice.
    fn forget(&mut self) {
        if self.start > 0 {
            self.waiting = self.waiting.split_off(self.start);
            self.searched = self.searched.saturating_sub(self.start);
            self.start = 0;
        }
    }
}

/// What was found at the beginning of what waits.
enum Read {
    Message(Message),
    Ignored,
    NotWhole,
}

impl From<Option<Message>> for Read {
    fn from(message: Option<Message>) -> Self {
        message.map_or(Self::Ignored, Self::Message)
    }
}
