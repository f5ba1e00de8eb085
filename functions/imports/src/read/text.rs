//! Decodes bytes to UTF-8: detects the encoding of a file, and the rows that are not in it.

use std::str;

use bytes::{Bytes, BytesMut};
use encoding_rs::Encoding;
use runtime::Failure;

use crate::read::{
    charset::{Charset, PieceDecoder},
    detect::{Certainty, Detected, detect, detect_utf_16},
    source::Chunks,
};

/// Reads a file's text as UTF-8, chunk by chunk.
pub(crate) struct TextReader {
    source: Box<dyn Chunks>,
    encoding: TextEncoding,
    decoder: Option<PieceDecoder>,
    started: bool,
}

/// The encoding of a file, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextEncoding {
    /// All bytes so far are ASCII, which is the same in nearly all encodings.
    Ascii,
    Known(Detected),
}

impl TextEncoding {
    /// The encoding that somebody gave.
    pub(crate) fn given(charset: Charset) -> Self {
        Self::Known(Detected { charset, certainty: Certainty::Given })
    }

    fn charset(self) -> Charset {
        match self {
            Self::Ascii => Charset::UTF_8,
            Self::Known(Detected { charset, .. }) => charset,
        }
    }

    /// Its name, in lower case.
    pub(crate) fn name(self) -> String {
        self.charset().name()
    }

    /// How sure it is.
    pub(crate) fn certainty(self) -> Certainty {
        match self {
            Self::Ascii => Certainty::Certain,
            Self::Known(Detected { certainty, .. }) => certainty,
        }
    }
}

/// Bytes by which an encoding is detected, from the first that is not ASCII.
const DETECTED_BY_BYTES: usize = 64 * 1024;

impl TextReader {
    pub(crate) fn new(source: Box<dyn Chunks>, encoding: TextEncoding) -> Self {
        Self { source, encoding, decoder: None, started: false }
    }

    /// Reads text that is in memory as UTF-8.
    pub(crate) fn of_utf_8(text: Bytes) -> Self {
        Self::new(Box::new(Some(text)), TextEncoding::given(Charset::UTF_8))
    }

    /// Appends the next text; `false` at the end.
    pub(crate) fn fill(&mut self, buffer: &mut Vec<u8>) -> Result<bool, Failure> {
        let Some(mut piece) = self.source.next()? else {
            self.decode(&[], true, buffer);
            return Ok(false);
        };
        if !self.started {
            self.started = true;
            piece = self.start(piece);
        }
        if self.encoding == TextEncoding::Ascii
            && let Some(first) = piece.iter().position(|byte| !byte.is_ascii())
        {
            piece = self.gather(piece, first + DETECTED_BY_BYTES)?;
            let line = memchr::memrchr(b'\n', &piece[..first]).map_or(0, |end| end + 1);
            self.encoding = TextEncoding::Known(detect(&piece[line..]));
        }
        self.decode(&piece, false, buffer);
        Ok(true)
    }

    /// Removes a byte order mark, or detects UTF-16 without one.
    fn start(&mut self, mut piece: Bytes) -> Bytes {
        let found = |encoding| Detected { charset: Charset::Standard(encoding), certainty: Certainty::Certain };
        if let Some((encoding, length)) = Encoding::for_bom(&piece) {
            self.encoding = TextEncoding::Known(found(encoding));
            return piece.split_off(length);
        }
        if self.encoding == TextEncoding::Ascii
            && let Some(encoding) = detect_utf_16(&piece)
        {
            self.encoding = TextEncoding::Known(found(encoding));
        }
        piece
    }

    /// A piece with what follows it, up to so many bytes.
    fn gather(&mut self, piece: Bytes, bytes: usize) -> Result<Bytes, Failure> {
        let mut gathered = BytesMut::from(piece);
        while gathered.len() < bytes
            && let Some(more) = self.source.next()?
        {
            gathered.extend_from_slice(&more);
        }
        Ok(gathered.freeze())
    }

    fn decode(&mut self, piece: &[u8], last: bool, buffer: &mut Vec<u8>) {
        let charset = self.encoding.charset();
        if charset == Charset::UTF_8 {
            // Checked row by row, so that only a wrong row is rejected.
            buffer.extend_from_slice(piece);
            return;
        }
        self.decoder.get_or_insert_with(|| PieceDecoder::new(charset)).decode(piece, last, buffer);
    }

    /// The encoding, as far as it is known.
    pub(crate) fn encoding(&self) -> TextEncoding {
        self.encoding
    }

    /// The reason why a row is not text in this file's encoding.
    pub(crate) fn row_error(&self, row: &[u8]) -> Option<String> {
        let charset = self.encoding.charset();
        if row.is_ascii() {
            return None;
        }
        let Ok(text) = str::from_utf8(row) else {
            return Some("it is not UTF-8".to_owned());
        };
        if charset == Charset::UTF_8 {
            return None;
        }
        if text.contains(char::REPLACEMENT_CHARACTER) {
            return Some(format!("it has bytes that are no text in {}", charset.name()));
        }
        // "Ã©" in windows-1252 is an é in UTF-8: a file of two encodings would be read wrong without a notice.
        let is_detected = self.encoding.certainty() != Certainty::Given;
        if is_detected && charset.is_single_byte() && str::from_utf8(&charset.encode(text)).is_ok() {
            return Some(format!("it is UTF-8 where the rest of the file is {}", charset.name()));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use encoding_rs::SHIFT_JIS;

    use super::*;

    fn read(bytes: &[u8], encoding: TextEncoding) -> (String, String) {
        let mut text = TextReader::new(Box::new(Some(Bytes::copy_from_slice(bytes))), encoding);
        let mut buffer = Vec::new();
        while text.fill(&mut buffer).unwrap() {}
        (text.encoding().name(), String::from_utf8_lossy(&buffer).into_owned())
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
        assert_eq!(read(b"caf\xE9", TextEncoding::given(Charset::WINDOWS_1252)).1, "café");
    }

    #[test]
    fn a_row_in_another_encoding_than_its_file_is_an_error() {
        let text = |encoding| TextReader::new(Box::new(Some(Bytes::new())), encoding);
        let detected = |charset| TextEncoding::Known(Detected { charset, certainty: Certainty::Likely });
        let utf_8 = text(detected(Charset::UTF_8));
        assert_eq!(utf_8.row_error("café".as_bytes()), None);
        assert_eq!(utf_8.row_error(b"caf\xE9").unwrap(), "it is not UTF-8");
        let western = text(detected(Charset::WINDOWS_1252));
        assert_eq!(western.row_error("café".as_bytes()), None);
        assert_eq!(
            western.row_error("cafÃ©".as_bytes()).unwrap(),
            "it is UTF-8 where the rest of the file is windows-1252"
        );
        assert_eq!(
            text(TextEncoding::given(Charset::WINDOWS_1252)).row_error("cafÃ©".as_bytes()),
            None,
            "the input knows better"
        );
        assert!(
            text(detected(Charset::Standard(SHIFT_JIS)))
                .row_error("a\u{FFFD}".as_bytes())
                .unwrap()
                .contains("shift_jis")
        );
    }
}
