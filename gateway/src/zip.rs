//! A ZIP archive as a stream: files one after another as they are read, none of it held, nothing compressed.
//!
//! The layout is that of PKWARE's APPNOTE 6.3: the length of a file is known before it is sent, its checksum follows it.

use bytes::{BufMut, Bytes, BytesMut};
use crc32fast::Hasher;

/// The checksum follows the content; the name is UTF-8.
const FLAGS: u16 = 1 << 3 | 1 << 11;
/// Version 4.5 of the format has files and archives beyond 4 GiB.
const VERSION: u16 = 45;
/// 1 January 1980, the first day that the format has: nothing says when a file was made.
const DATE: u16 = 1 << 5 | 1;
/// Stands where the number is in the extra field.
const IN_EXTRA: u32 = u32::MAX;

/// An archive that is being written.
#[derive(Default)]
pub(crate) struct Archive {
    entries: Vec<Entry>,
    /// The bytes so far.
    position: u64,
}

struct Entry {
    name: String,
    crc: u32,
    bytes: u64,
    position: u64,
    hasher: Hasher,
}

impl Entry {
    /// True if the plain fields are too small for its length.
    fn is_large(&self) -> bool {
        self.bytes >= u64::from(IN_EXTRA)
    }
}

impl Archive {
    /// Begins a file of this length.
    pub(crate) fn begin(&mut self, name: String, bytes: u64) -> Bytes {
        let entry = Entry { name, crc: 0, bytes, position: self.position, hasher: Hasher::new() };
        let mut head = BytesMut::new();
        head.put_u32_le(0x0403_4b50);
        put_common(&mut head, 0);
        // Both lengths follow the content too; a large one is announced by the field that has room for it.
        let length = if entry.is_large() { IN_EXTRA } else { 0 };
        head.put_u32_le(length);
        head.put_u32_le(length);
        head.put_u16_le(length_of(&entry.name));
        head.put_u16_le(if entry.is_large() { 20 } else { 0 });
        head.put_slice(entry.name.as_bytes());
        if entry.is_large() {
            put_extra(&mut head, &[0, 0]);
        }
        self.entries.push(entry);
        self.count(head)
    }

    /// A piece of the file that was begun.
    pub(crate) fn piece(&mut self, piece: Bytes) -> Bytes {
        if let Some(entry) = self.entries.last_mut() {
            entry.hasher.update(&piece);
        }
        self.position += piece.len() as u64;
        piece
    }

    /// Ends the file that was begun.
    pub(crate) fn end(&mut self) -> Bytes {
        let mut tail = BytesMut::new();
        if let Some(entry) = self.entries.last_mut() {
            entry.crc = std::mem::take(&mut entry.hasher).finalize();
            tail.put_u32_le(0x0807_4b50);
            tail.put_u32_le(entry.crc);
            for _ in 0..2 {
                match entry.is_large() {
                    true => tail.put_u64_le(entry.bytes),
                    false => tail.put_u32_le(plain(entry.bytes)),
                }
            }
        }
        self.count(tail)
    }

    /// The directory, with which the archive ends.
    pub(crate) fn finish(&mut self) -> Bytes {
        let (mut tail, start) = (BytesMut::new(), self.position);
        for entry in &self.entries {
            let is_far = entry.position >= u64::from(IN_EXTRA);
            let mut extra = Vec::new();
            if entry.is_large() {
                extra.extend([entry.bytes, entry.bytes]);
            }
            if is_far {
                extra.push(entry.position);
            }
            tail.put_u32_le(0x0201_4b50);
            tail.put_u16_le(VERSION);
            put_common(&mut tail, entry.crc);
            tail.put_u32_le(plain(entry.bytes));
            tail.put_u32_le(plain(entry.bytes));
            tail.put_u16_le(length_of(&entry.name));
            tail.put_u16_le(if extra.is_empty() { 0 } else { 4 + 8 * extra.len() as u16 });
            // No comment, the first disk, and no attributes.
            tail.put_bytes(0, 2 + 2 + 2 + 4);
            tail.put_u32_le(plain(entry.position));
            tail.put_slice(entry.name.as_bytes());
            if !extra.is_empty() {
                put_extra(&mut tail, &extra);
            }
        }
        let (count, bytes) = (self.entries.len() as u64, tail.len() as u64);
        let end = start + bytes;
        if count >= 0xffff || start >= u64::from(IN_EXTRA) || bytes >= u64::from(IN_EXTRA) {
            tail.put_u32_le(0x0606_4b50);
            tail.put_u64_le(44);
            tail.put_u16_le(VERSION);
            tail.put_u16_le(VERSION);
            tail.put_u64_le(0);
            [count, count, bytes, start].into_iter().for_each(|number| tail.put_u64_le(number));
            tail.put_u32_le(0x0706_4b50);
            tail.put_u32_le(0);
            tail.put_u64_le(end);
            tail.put_u32_le(1);
        }
        tail.put_u32_le(0x0605_4b50);
        tail.put_u32_le(0);
        let count = u16::try_from(count).unwrap_or(u16::MAX);
        tail.put_u16_le(count);
        tail.put_u16_le(count);
        tail.put_u32_le(plain(bytes));
        tail.put_u32_le(plain(start));
        tail.put_u16_le(0);
        self.count(tail)
    }

    fn count(&mut self, bytes: BytesMut) -> Bytes {
        self.position += bytes.len() as u64;
        bytes.freeze()
    }
}

/// From the version that is needed to the checksum.
fn put_common(out: &mut BytesMut, crc: u32) {
    out.put_u16_le(VERSION);
    out.put_u16_le(FLAGS);
    out.put_u16_le(0);
    out.put_u16_le(0);
    out.put_u16_le(DATE);
    out.put_u32_le(crc);
}

fn put_extra(out: &mut BytesMut, numbers: &[u64]) {
    out.put_u16_le(1);
    out.put_u16_le(8 * numbers.len() as u16);
    numbers.iter().for_each(|number| out.put_u64_le(*number));
}

fn plain(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(IN_EXTRA)
}

fn length_of(name: &str) -> u16 {
    // A file's name has 200 bytes at most.
    u16::try_from(name.len()).unwrap_or(u16::MAX)
}
