//! From bytes to UTF-8: which encoding a file has, and what is not in it.

use std::str;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};
use runtime::Failure;

use crate::source::Pieces;

/// A file's text as UTF-8, piece by piece.
pub(crate) struct Text {
    source: Box<dyn Pieces>,
    encoding: Known,
    decoder: Option<Decoder>,
    begun: bool,
}

/// What is known of a file's encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// All bytes so far are ASCII, which is the same in nearly all of them.
    Ascii,
    /// Found out from the bytes.
    Found(&'static Encoding),
    /// Said by the input or by a byte order mark.
    Said(&'static Encoding),
}

impl Known {
    fn encoding(self) -> &'static Encoding {
        match self {
            Self::Ascii => UTF_8,
            Self::Found(encoding) | Self::Said(encoding) => encoding,
        }
    }
}

impl Text {
    pub(crate) fn new(source: Box<dyn Pieces>, encoding: Known) -> Self {
        Self { source, encoding, decoder: None, begun: false }
    }

    /// Appends the next text; `false` at the end.
    pub(crate) fn fill(&mut self, buffer: &mut Vec<u8>) -> Result<bool, Failure> {
        let Some(piece) = self.source.next()? else {
            self.decode(&[], true, buffer);
            return Ok(false);
        };
        let mut piece = &piece[..];
        if !self.begun {
            self.begun = true;
            piece = self.begin(piece);
        }
        if self.encoding == Known::Ascii && !piece.is_ascii() {
            self.encoding = Known::Found(detect(piece));
        }
        self.decode(piece, false, buffer);
        Ok(true)
    }

    /// Looks for a byte order mark, which is no part of the text, and for the zeros of UTF-16 without one.
    fn begin<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        if let Some((encoding, length)) = Encoding::for_bom(piece) {
            self.encoding = Known::Said(encoding);
            return &piece[length..];
        }
        if self.encoding == Known::Ascii
            && let Some(encoding) = utf_16(piece)
        {
            self.encoding = Known::Found(encoding);
        }
        piece
    }

    fn decode(&mut self, piece: &[u8], last: bool, buffer: &mut Vec<u8>) {
        let encoding = self.encoding.encoding();
        if encoding == UTF_8 {
            // Checked row by row, so that one row's fault is that row's alone.
            buffer.extend_from_slice(piece);
            return;
        }
        let decoder = self.decoder.get_or_insert_with(|| encoding.new_decoder_without_bom_handling());
        let length = buffer.len();
        let most = decoder.max_utf8_buffer_length(piece.len()).unwrap_or(piece.len().saturating_mul(4));
        buffer.resize(length + most, 0);
        // There is room for all, so it is read in one go.
        let (_, _, written, _) = decoder.decode_to_utf8(piece, &mut buffer[length..], last);
        buffer.truncate(length + written);
    }

    /// What is known of the encoding so far.
    pub(crate) fn known(&self) -> Known {
        self.encoding
    }

    /// The encoding's name, in lower case.
    pub(crate) fn encoding(&self) -> String {
        self.encoding.encoding().name().to_ascii_lowercase()
    }

    /// Why a row is not text in this file's encoding, if it is not.
    pub(crate) fn fault(&self, row: &[u8]) -> Option<String> {
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
        // "Ã©" in windows-1252 is an é in UTF-8: a file of two encodings would be read wrong in silence.
        let found = matches!(self.encoding, Known::Found(_));
        if found && encoding.is_single_byte() && str::from_utf8(&encoding.encode(text).0).is_ok() {
            return Some(format!("it is UTF-8 where the rest of the file is {}", encoding.name()));
        }
        None
    }
}

/// UTF-16 without a byte order mark: text that is mostly ASCII has a zero in every other byte.
fn utf_16(piece: &[u8]) -> Option<&'static Encoding> {
    let piece = &piece[..piece.len().min(1024) & !1];
    let zeros = |odd: usize| piece.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, pairs) = (zeros(0), zeros(1), piece.len() / 2);
    let most = |count: usize| pairs >= 2 && count * 10 >= pairs * 7;
    match () {
        () if most(odd) && even == 0 => Some(UTF_16LE),
        () if most(even) && odd == 0 => Some(UTF_16BE),
        () => None,
    }
}

/// The encoding of bytes that are not all ASCII; the last character may be cut.
fn detect(bytes: &[u8]) -> &'static Encoding {
    let (characters, faults) = count_utf_8(bytes);
    // Where most is UTF-8, the rest is a fault of its rows.
    if characters >= faults {
        return UTF_8;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, false);
    detector.guess(None, Utf8Detection::Deny)
}

/// How many characters beyond ASCII there are in UTF-8, and how many places that are not UTF-8.
fn count_utf_8(mut bytes: &[u8]) -> (usize, usize) {
    let (mut characters, mut faults) = (0, 0);
    loop {
        let (valid, fault) = match str::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(error) => {
                let valid = str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
                (valid, error.error_len())
            }
        };
        characters += valid.bytes().filter(|byte| *byte >= 0xC0).count();
        let Some(length) = fault else {
            return (characters, faults);
        };
        faults += 1;
        bytes = &bytes[valid.len() + length..];
    }
}

#[cfg(test)]
mod tests {
    use crate::source::Sample;
    use bytes::Bytes;
    use encoding_rs::{SHIFT_JIS, WINDOWS_1252};

    use super::*;

    fn read(bytes: &[u8], known: Known) -> (String, String) {
        let mut text = Text::new(Sample::boxed(Bytes::copy_from_slice(bytes)), known);
        let mut buffer = Vec::new();
        while text.fill(&mut buffer).unwrap() {}
        (text.encoding(), String::from_utf8_lossy(&buffer).into_owned())
    }

    #[test]
    fn an_encoding_is_found_out() {
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
            assert_eq!(read(bytes, Known::Ascii), (encoding.to_owned(), text.to_owned()));
        }
        let (japanese, ..) = SHIFT_JIS.encode("名前,都市\n田中,東京都\n佐藤,大阪府の町\n");
        assert_eq!(read(&japanese, Known::Ascii).0, "shift_jis");
        assert_eq!(read(b"caf\xE9", Known::Said(WINDOWS_1252)).1, "café");
    }

    #[test]
    fn a_row_in_another_encoding_than_its_file_is_told() {
        let text = |known| Text::new(Sample::boxed(Bytes::new()), known);
        let utf_8 = text(Known::Found(UTF_8));
        assert_eq!(utf_8.fault("café".as_bytes()), None);
        assert_eq!(utf_8.fault(b"caf\xE9").unwrap(), "it is not UTF-8");
        let western = text(Known::Found(WINDOWS_1252));
        assert_eq!(western.fault("café".as_bytes()), None);
        assert_eq!(
            western.fault("cafÃ©".as_bytes()).unwrap(),
            "it is UTF-8 where the rest of the file is windows-1252"
        );
        assert_eq!(text(Known::Said(WINDOWS_1252)).fault("cafÃ©".as_bytes()), None, "the input knows better");
        assert!(text(Known::Found(SHIFT_JIS)).fault("a\u{FFFD}".as_bytes()).unwrap().contains("Shift_JIS"));
    }

    #[test]
    fn one_stray_byte_does_not_make_a_utf_8_file_another() {
        assert_eq!(detect("é à ü \u{00ff}".as_bytes()), UTF_8);
        assert_eq!(detect(b"\xC3\xA9 \xC3\xA9 \xE9 x"), UTF_8);
        assert_eq!(count_utf_8(b"\xC3\xA9 \xE9 x \xC3"), (1, 1));
    }
}
