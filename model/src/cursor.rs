//! A position in an environment's log.

use std::{fmt, str::FromStr};

use xxhash_rust::xxh3::xxh3_64;

/// A position in the log: an entry's offset and a short fingerprint of its bytes.
///
/// As text it is 24 hexadecimal digits, opaque to clients, in the log's order and the same on every pod.
/// The fingerprint distinguishes a stream that was deleted and created again, and counts from 0, from the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The entry's offset in the log; offsets increase and have holes.
    pub offset: u64,
    /// The first 32 bits of a hash of the entry's bytes.
    pub fingerprint: u32,
}

/// A text that is not a cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a cursor is 24 hexadecimal digits, as the gateway sent it")]
pub struct CursorError;

impl Cursor {
    /// The position of the entry with these bytes at this offset.
    pub fn of(offset: u64, body: &[u8]) -> Self {
        Self { offset, fingerprint: (xxh3_64(body) >> 32) as u32 }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:08x}", self.offset, self.fingerprint)
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Self, CursorError> {
        // `from_str_radix` alone would take a sign.
        if text.len() != 24 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(CursorError);
        }
        let offset = u64::from_str_radix(&text[..16], 16).map_err(|_| CursorError)?;
        let fingerprint = u32::from_str_radix(&text[16..], 16).map_err(|_| CursorError)?;
        Ok(Self { offset, fingerprint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_keeps_the_order_of_the_log() {
        let (early, late) = (Cursor::of(9, b"a"), Cursor::of(10, b"b"));
        assert_eq!(early.to_string().parse(), Ok(early));
        assert!(early.to_string() < late.to_string());
        assert_ne!(Cursor::of(9, b"a"), Cursor::of(9, b"c"));
    }

    #[test]
    fn anything_else_is_no_cursor() {
        for bad in ["", "now", "+00000000000000900000000", "é00000000000000900000000", "12"] {
            assert_eq!(bad.parse::<Cursor>(), Err(CursorError), "{bad:?}");
        }
    }
}
