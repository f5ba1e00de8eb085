//! Decodes bytes to UTF-8: detects the encoding of a file, and the rows that are not in it.

use std::str;

use bytes::Bytes;
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use runtime::Failure;

use crate::read::source::Chunks;

/// Reads a file's text as UTF-8, chunk by chunk.
pub(crate) struct TextReader {
    source: Box<dyn Chunks>,
    encoding: TextEncoding,
    decoder: Option<Decoder>,
    started: bool,
}

/// The encoding of a file, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextEncoding {
    /// All bytes so far are ASCII, which is the same in nearly all encodings.
    Ascii,
    /// Detected from the bytes.
    Detected(&'static Encoding),
    /// Given by the input or by a byte order mark.
    Declared(&'static Encoding),
}

impl TextEncoding {
    fn encoding(self) -> &'static Encoding {
        match self {
            Self::Ascii => UTF_8,
            Self::Detected(encoding) | Self::Declared(encoding) => encoding,
        }
    }
}

impl TextReader {
    pub(crate) fn new(source: Box<dyn Chunks>, encoding: TextEncoding) -> Self {
        Self { source, encoding, decoder: None, started: false }
    }

    /// Reads text that is in memory as UTF-8.
    pub(crate) fn of_utf_8(text: Bytes) -> Self {
        Self::new(Box::new(Some(text)), TextEncoding::Declared(UTF_8))
    }

    /// Appends the next text; `false` at the end.
    pub(crate) fn fill(&mut self, buffer: &mut Vec<u8>) -> Result<bool, Failure> {
        let Some(chunk) = self.source.next()? else {
            self.decode(&[], true, buffer);
            return Ok(false);
        };
        let mut chunk = &chunk[..];
        if !self.started {
            self.started = true;
            chunk = self.start(chunk);
        }
        if self.encoding == TextEncoding::Ascii && !chunk.is_ascii() {
            self.encoding = TextEncoding::Detected(detect(chunk));
        }
        self.decode(chunk, false, buffer);
        Ok(true)
    }

    /// Removes a byte order mark, or detects UTF-16 without one.
    fn start<'a>(&mut self, chunk: &'a [u8]) -> &'a [u8] {
        if let Some((encoding, length)) = Encoding::for_bom(chunk) {
            self.encoding = TextEncoding::Declared(encoding);
            return &chunk[length..];
        }
        if self.encoding == TextEncoding::Ascii
            && let Some(encoding) = detect_utf_16(chunk)
        {
            self.encoding = TextEncoding::Detected(encoding);
        }
        chunk
    }

    fn decode(&mut self, chunk: &[u8], last: bool, buffer: &mut Vec<u8>) {
        let encoding = self.encoding.encoding();
        if encoding == UTF_8 {
            // Checked row by row, so that only a wrong row is rejected.
            buffer.extend_from_slice(chunk);
            return;
        }
        let decoder = self.decoder.get_or_insert_with(|| encoding.new_decoder_without_bom_handling());
        let length = buffer.len();
        let max = decoder.max_utf8_buffer_length(chunk.len()).unwrap_or(chunk.len().saturating_mul(4));
        buffer.resize(length + max, 0);
        // There is room for all, so it is read in one go.
        let (_, _, written, _) = decoder.decode_to_utf8(chunk, &mut buffer[length..], last);
        buffer.truncate(length + written);
    }

    /// The encoding, as far as it is known.
    pub(crate) fn encoding(&self) -> TextEncoding {
        self.encoding
    }

    /// The encoding's name, in lower case.
    pub(crate) fn encoding_name(&self) -> String {
        self.encoding.encoding().name().to_ascii_lowercase()
    }

    /// The reason why a row is not text in this file's encoding.
    pub(crate) fn row_error(&self, row: &[u8]) -> Option<String> {
        let encoding = self.encoding.encoding();
        if row.is_ascii() {
            return None;
        }
        let Ok(text) = str::from_utf8(row) else {
            return Some("it is not UTF-8".to_owned());
        };
        if encoding == UTF_8 {
            return None;
        }
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return Some(format!("it has bytes that are no text in {}", encoding.name()));
        }
        // "Ã©" in windows-1252 is an é in UTF-8: a file of two encodings would be read wrong without a notice.
        let detected = matches!(self.encoding, TextEncoding::Detected(_));
        if detected && encoding.is_single_byte() && str::from_utf8(&encoding.encode(text).0).is_ok() {
            return Some(format!("it is UTF-8 where the rest of the file is {}", encoding.name()));
        }
        None
    }
}

/// UTF-16 without a byte order mark: text that is mostly ASCII has a zero in every other byte.
fn detect_utf_16(chunk: &[u8]) -> Option<&'static Encoding> {
    let chunk = &chunk[..chunk.len().min(1024) & !1];
    let zeros = |odd: usize| chunk.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, pairs) = (zeros(0), zeros(1), chunk.len() / 2);
    let mostly = |count: usize| pairs >= 2 && count * 10 >= pairs * 7;
    match () {
        () if mostly(odd) && even == 0 => Some(UTF_16LE),
        () if mostly(even) && odd == 0 => Some(UTF_16BE),
        () => None,
    }
}

/// The encoding of bytes that are not all ASCII; the last character may be cut.
fn detect(bytes: &[u8]) -> &'static Encoding {
    let (characters, errors) = count_utf_8(bytes);
    // Where most is UTF-8, the rest are rows to reject.
    if characters >= errors {
        return UTF_8;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, false);
    detector.guess(None, Utf8Detection::Deny)
}

/// Counts the characters beyond ASCII that are UTF-8, and the sequences that are not.
fn count_utf_8(bytes: &[u8]) -> (usize, usize) {
    let (mut characters, mut errors) = (0, 0);
    let mut chunks = bytes.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        characters += chunk.valid().bytes().filter(|byte| *byte >= 0xC0).count();
        let is_last = chunks.peek().is_none();
        let is_error = |error: str::Utf8Error| !is_last || error.error_len().is_some();
        errors += usize::from(str::from_utf8(chunk.invalid()).is_err_and(is_error));
    }
    (characters, errors)
}

#[cfg(test)]
mod tests {
    use encoding_rs::{SHIFT_JIS, WINDOWS_1252};

    use super::*;

    fn read(bytes: &[u8], encoding: TextEncoding) -> (String, String) {
        let mut text = TextReader::new(Box::new(Some(Bytes::copy_from_slice(bytes))), encoding);
        let mut buffer = Vec::new();
        while text.fill(&mut buffer).unwrap() {}
        (text.encoding_name(), String::from_utf8_lossy(&buffer).into_owned())
    }

    #[test]
    fn an_encoding_is_detected() {
        let utf_16: Vec<u8> = "name,é\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let mut marked = vec![0xFF, 0xFE];
        marked.extend_from_slice(&utf_16);
        let backwards: Vec<u8> = "name,é\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (bytes, encoding, text) in [
            (&b"name,x\n"[..], "utf-8", "name,x\n"),
            ("name,é\n".as_bytes(), "utf-8", "name,é\n"),
            (b"\xEF\xBB\xBFname\n", "utf-8", "name\n"),
            (&marked, "utf-16le", "name,é\n"),
            (&utf_16, "utf-16le", "name,é\n"),
            (&backwards, "utf-16be", "name,é\n"),
            (b"caf\xE9,\x80 5\n", "windows-1252", "café,€ 5\n"),
        ] {
            assert_eq!(read(bytes, TextEncoding::Ascii), (encoding.to_owned(), text.to_owned()));
        }
        let (japanese, ..) = SHIFT_JIS.encode("名前,都市\n田中,東京都\n佐藤,大阪府の町\n");
        assert_eq!(read(&japanese, TextEncoding::Ascii).0, "shift_jis");
        assert_eq!(read(b"caf\xE9", TextEncoding::Declared(WINDOWS_1252)).1, "café");
    }

    #[test]
    fn a_row_in_another_encoding_than_its_file_is_an_error() {
        let text = |encoding| TextReader::new(Box::new(Some(Bytes::new())), encoding);
        let utf_8 = text(TextEncoding::Detected(UTF_8));
        assert_eq!(utf_8.row_error("café".as_bytes()), None);
        assert_eq!(utf_8.row_error(b"caf\xE9").unwrap(), "it is not UTF-8");
        let western = text(TextEncoding::Detected(WINDOWS_1252));
        assert_eq!(western.row_error("café".as_bytes()), None);
        assert_eq!(
            western.row_error("cafÃ©".as_bytes()).unwrap(),
            "it is UTF-8 where the rest of the file is windows-1252"
        );
        assert_eq!(
            text(TextEncoding::Declared(WINDOWS_1252)).row_error("cafÃ©".as_bytes()),
            None,
            "the input knows better"
        );
        assert!(
            text(TextEncoding::Detected(SHIFT_JIS)).row_error("a\u{FFFD}".as_bytes()).unwrap().contains("Shift_JIS")
        );
    }

    #[test]
    fn one_stray_byte_does_not_make_a_utf_8_file_another() {
        assert_eq!(detect("é à ü \u{00ff}".as_bytes()), UTF_8);
        assert_eq!(detect(b"\xC3\xA9 \xC3\xA9 \xE9 x"), UTF_8);
        assert_eq!(count_utf_8(b"\xC3\xA9 \xE9 x \xC3"), (1, 1));
    }
}
