//! The length before each message in MessagePack: seven bits per byte, the lowest first; the highest bit means that
//! another byte follows.

use crate::protocol_error::ProtocolError;

/// Most bytes of a length.
pub(crate) const MAX_BYTES: usize = 5;

/// The length at the beginning of these bytes and how many bytes it took; `None` while it is incomplete.
pub(crate) fn read(bytes: &[u8]) -> Result<Option<(usize, usize)>, ProtocolError> {
    let mut length = 0;
    for (index, &byte) in bytes.iter().take(MAX_BYTES).enumerate() {
        length |= u64::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            let length = i32::try_from(length).ok().and_then(|length| usize::try_from(length).ok());
            return length.map(|length| Some((length, index + 1))).ok_or_else(malformed);
        }
    }
    if bytes.len() < MAX_BYTES { Ok(None) } else { Err(malformed()) }
}

/// Writes a length.
pub(crate) fn write(mut length: usize, bytes: &mut Vec<u8>) {
    while length > 0x7F {
        bytes.push((length & 0x7F) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
}

fn malformed() -> ProtocolError {
    ProtocolError::Malformed("the length before a message has 5 bytes at most and is below 2147483648".to_owned())
}
