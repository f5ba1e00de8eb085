//! The size of JSON, written no further than up to a limit.

use std::io::{self, Write};

use serde::Serialize;

struct Counted {
    left: usize,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len()).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The bytes of a value as JSON, if it has `max` at most.
pub(crate) fn fits(value: &impl Serialize, max: usize) -> Option<usize> {
    let mut counted = Counted { left: max };
    serde_json::to_writer(&mut counted, value).ok()?;
    Some(max - counted.left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_known_up_to_the_limit() {
        assert_eq!((fits(&"abc", 5), fits(&"abc", 4), fits(&[1, 2], 9)), (Some(5), None, Some(5)));
    }
}
