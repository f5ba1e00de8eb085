//! Which numbered events each connection got: all of them, in order, each once.
//!
//! A numbered event carries its [`mark`] once, as its id. A mark looks the same on every wire, so what comes is
//! searched for marks and not parsed: that keeps the clients cheaper than what they measure.

use std::ops::Range;

use anyhow::{Context, bail};
use memchr::memmem::Finder;

const PREFIX: &[u8] = b"number-";
const DIGITS: usize = 8;
const MARK: usize = PREFIX.len() + DIGITS;

/// The id of the event of this number, below 100 million.
pub fn mark(number: u32) -> String {
    format!("number-{number:0DIGITS$}")
}

/// Where the first mark's digits are.
pub fn digits(bytes: &[u8]) -> Option<Range<usize>> {
    let start = memchr::memmem::find(bytes, PREFIX)? + PREFIX.len();
    (start + DIGITS <= bytes.len()).then_some(start..start + DIGITS)
}

/// What one connection got.
#[derive(Debug)]
pub struct Heard {
    /// The number that must come next.
    next: u32,
    /// The beginning of a mark whose rest has not come.
    begun: Vec<u8>,
}

/// What all connections got.
#[derive(Debug)]
pub struct Tally {
    connections: usize,
    first: u32,
    /// By number from the first on: how many connections have it.
    reached: Vec<usize>,
    /// So many numbers have reached everybody.
    complete: usize,
    prefix: Finder<'static>,
}

impl Tally {
    /// A tally of so many connections, the first number being this.
    pub fn new(connections: usize, first: u32) -> Self {
        Self { connections, first, reached: Vec::new(), complete: 0, prefix: Finder::new(PREFIX) }
    }

    /// A connection that has got nothing yet.
    pub fn begin(&self) -> Heard {
        Heard { next: self.first, begun: Vec::new() }
    }

    /// How many numbers, from the first on, have reached every connection.
    pub fn complete(&self) -> usize {
        self.complete
    }

    /// Takes the next bytes of a connection; an error when a number is missing, doubled or out of order.
    pub fn take(&mut self, heard: &mut Heard, bytes: &[u8]) -> anyhow::Result<()> {
        if heard.begun.is_empty() {
            return self.search(heard, bytes);
        }
        let mut joined = std::mem::take(&mut heard.begun);
        joined.extend_from_slice(bytes);
        self.search(heard, &joined)
    }

    fn search(&mut self, heard: &mut Heard, mut bytes: &[u8]) -> anyhow::Result<()> {
        while let Some(start) = self.prefix.find(bytes).filter(|start| start + MARK <= bytes.len()) {
            let number = number(&bytes[start + PREFIX.len()..start + MARK])?;
            if number != heard.next {
                bail!("a connection got event {number} where {} was to come", heard.next);
            }
            heard.next += 1;
            self.count((number - self.first) as usize);
            bytes = &bytes[start + MARK..];
        }
        heard.begun.extend_from_slice(begun(bytes));
        Ok(())
    }

    fn count(&mut self, place: usize) {
        if self.reached.len() <= place {
            self.reached.resize(place + 1, 0);
        }
        self.reached[place] += 1;
        while self.reached.get(self.complete) == Some(&self.connections) {
            self.complete += 1;
        }
    }
}

fn number(digits: &[u8]) -> anyhow::Result<u32> {
    let text = str::from_utf8(digits).context("a mark without a number")?;
    text.parse().with_context(|| format!("a mark with {text:?} for a number"))
}

/// The longest end of the bytes that may be the beginning of a mark.
fn begun(bytes: &[u8]) -> &[u8] {
    let longest = &bytes[bytes.len().saturating_sub(MARK - 1)..];
    let may_begin = |end: &[u8]| end[..end.len().min(PREFIX.len())] == PREFIX[..end.len().min(PREFIX.len())];
    (0..longest.len()).map(|start| &longest[start..]).find(|end| may_begin(end)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u32) -> Vec<u8> {
        format!("data: {{\"id\":\"{}\",\"n\":\"numb\"}}\n\n", mark(number)).into_bytes()
    }

    #[test]
    fn a_number_is_complete_when_everybody_has_it() {
        let mut tally = Tally::new(2, 7);
        let (mut one, mut other) = (tally.begin(), tally.begin());
        tally.take(&mut one, &[event(7), event(8)].concat()).unwrap();
        assert_eq!(tally.complete(), 0);
        tally.take(&mut other, &event(7)).unwrap();
        assert_eq!(tally.complete(), 1);
        tally.take(&mut other, &event(8)).unwrap();
        assert_eq!(tally.complete(), 2);
    }

    #[test]
    fn a_mark_is_found_wherever_the_bytes_are_cut() {
        let stream = [&b"id: 5\n\n"[..], &event(0), &event(1), b"\x1e", &event(2)].concat();
        for pieces in 1..stream.len() {
            let mut tally = Tally::new(1, 0);
            let mut heard = tally.begin();
            for piece in stream.chunks(pieces) {
                tally.take(&mut heard, piece).unwrap();
            }
            assert_eq!(tally.complete(), 3, "in pieces of {pieces}");
        }
    }

    #[test]
    fn what_is_missing_doubled_or_out_of_order_is_an_error() {
        for wrong in [[0, 2], [0, 0], [1, 0]] {
            let mut tally = Tally::new(1, 0);
            let mut heard = tally.begin();
            let bytes = wrong.map(event).concat();
            assert!(tally.take(&mut heard, &bytes).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_digits_of_a_mark_can_be_replaced_in_place() {
        let mut bytes = event(3);
        let digits = digits(&bytes).unwrap();
        bytes[digits].copy_from_slice(b"00000004");
        assert_eq!(bytes, event(4));
    }
}
