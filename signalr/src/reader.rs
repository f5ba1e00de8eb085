//! Splits a stream of bytes into messages, wherever frames were cut.

use crate::{encoding::Encoding, json, length, message::Message, messagepack, protocol_error::ProtocolError};

/// Buffers bytes and returns complete messages. Once [`Reader::next`] has returned `None` it holds less than one message,
/// and no memory at all if it holds nothing.
#[derive(Debug)]
pub struct Reader {
    encoding: Encoding,
    largest: usize,
    buffer: Vec<u8>,
    /// The start of the next message in `buffer`.
    start: usize,
    /// The end of the bytes searched for a separator, so that none is searched twice.
    searched: usize,
    /// Messages of unknown types since the last call of [`Reader::take_ignored`].
    ignored: usize,
    failed: Option<ProtocolError>,
}

impl Reader {
    /// A reader of messages of at most `largest` bytes each, frames not counted.
    pub fn new(encoding: Encoding, largest: usize) -> Self {
        Self { encoding, largest, buffer: Vec::new(), start: 0, searched: 0, ignored: 0, failed: None }
    }

    /// Buffers the next bytes. After an error it ignores them.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next complete message; `None` if more bytes are needed. After an error it returns that error again.
    #[expect(clippy::should_implement_trait, reason = "an iterator's `None` means the end; here more may come")]
    pub fn next(&mut self) -> Result<Option<Message>, ProtocolError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.next_known().inspect_err(|error| {
            self.buffer = Vec::new();
            self.failed = Some(error.clone());
        })
    }

    /// The number of messages that [`Reader::next`] has passed over since the last call, since their types are unknown.
    pub fn take_ignored(&mut self) -> usize {
        std::mem::take(&mut self.ignored)
    }

    /// The size of its buffer in bytes.
    pub fn buffered(&self) -> usize {
        self.buffer.capacity()
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
                Read::Ignored => self.ignored += 1,
                Read::Incomplete => {
                    self.discard_read();
                    return Ok(None);
                }
            }
        }
    }

    fn next_json(&mut self) -> Result<Read, ProtocolError> {
        let end = memchr::memchr(json::SEPARATOR, &self.buffer[self.searched..]).map(|found| self.searched + found);
        let length = end.unwrap_or(self.buffer.len()) - self.start;
        if length > self.largest {
            return Err(ProtocolError::TooLarge(self.largest));
        }
        let Some(end) = end else {
            self.searched = self.buffer.len();
            return Ok(Read::Incomplete);
        };
        let read = json::read(&self.buffer[self.start..end])?;
        self.start = end + 1;
        self.searched = self.start;
        Ok(read.into())
    }

    fn next_messagepack(&mut self) -> Result<Read, ProtocolError> {
        let rest = &self.buffer[self.start..];
        let Some((length, prefix)) = length::read(rest)? else { return Ok(Read::Incomplete) };
        if length > self.largest {
            return Err(ProtocolError::TooLarge(self.largest));
        }
        let Some(body) = rest[prefix..].get(..length) else { return Ok(Read::Incomplete) };
        let read = messagepack::read(body)?;
        self.start += prefix + length;
        Ok(read.into())
    }

    /// Drops the bytes that were read. The rest is part of the bytes that came last, so no byte is moved twice.
    fn discard_read(&mut self) {
        if self.start > 0 {
            self.buffer = self.buffer.split_off(self.start);
            self.searched = self.searched.saturating_sub(self.start);
            self.start = 0;
        }
    }
}

/// The result of reading at the start of the buffer.
enum Read {
    Message(Message),
    Ignored,
    Incomplete,
}

impl From<Option<Message>> for Read {
    fn from(message: Option<Message>) -> Self {
        message.map_or(Self::Ignored, Self::Message)
    }
}
