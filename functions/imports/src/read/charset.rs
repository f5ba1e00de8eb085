//! Character sets: those of the WHATWG Encoding Standard, and the code pages of DOS, which it leaves out.

use encoding_rs::{Decoder, Encoding, UTF_8, WINDOWS_1252};
use oem_cp::{
    code_table::{DECODING_TABLE_CP_MAP, DECODING_TABLE_CP850},
    code_table_type::TableType,
};

/// A character set.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Charset {
    Standard(&'static Encoding),
    Dos(CodePage),
}

/// A code page of DOS.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CodePage {
    number: u16,
    /// The characters of the bytes from 128 on.
    table: &'static [char; 128],
}

impl PartialEq for Charset {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Standard(one), Self::Standard(other)) => one == other,
            (Self::Dos(one), Self::Dos(other)) => one.number == other.number,
            _ => false,
        }
    }
}

impl Eq for Charset {}

impl Charset {
    pub(crate) const UTF_8: Self = Self::Standard(UTF_8);
    pub(crate) const WINDOWS_1252: Self = Self::Standard(WINDOWS_1252);
    pub(crate) const CP850: Self = Self::Dos(CodePage { number: 850, table: &DECODING_TABLE_CP850 });

    /// The character set of a label: one of the Encoding Standard, or `cp437`, `ibm850`, …
    pub(crate) fn for_label(label: &str) -> Option<Self> {
        let label = label.trim().to_ascii_lowercase();
        // "replacement" stands for unsafe encodings, which are not decoded.
        let standard = Encoding::for_label_no_replacement(label.as_bytes()).map(Self::Standard);
        let mac =
            || matches!(label.as_str(), "macroman" | "mac-roman").then_some(Self::Standard(encoding_rs::MACINTOSH));
        standard.or_else(mac).or_else(|| {
            let number = ["cp", "ibm", "dos-", "dos"].iter().find_map(|prefix| label.strip_prefix(prefix));
            let number = number.unwrap_or(&label).parse().ok()?;
            match DECODING_TABLE_CP_MAP.get(&number)? {
                TableType::Complete(table) => Some(Self::Dos(CodePage { number, table })),
                TableType::Incomplete(_) => None,
            }
        })
    }

    /// Its name, in lower case.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Standard(encoding) => encoding.name().to_ascii_lowercase(),
            Self::Dos(CodePage { number, .. }) => format!("cp{number}"),
        }
    }

    /// True if each byte is a character.
    pub(crate) fn is_single_byte(self) -> bool {
        match self {
            Self::Standard(encoding) => encoding.is_single_byte(),
            Self::Dos(_) => true,
        }
    }

    /// A whole text; what is none in it becomes U+FFFD.
    pub(crate) fn decode(self, bytes: &[u8]) -> String {
        match self {
            Self::Standard(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
            Self::Dos(page) => bytes.iter().map(|byte| page.character(*byte)).collect(),
        }
    }

    /// The bytes of a text in it.
    pub(crate) fn encode(self, text: &str) -> Vec<u8> {
        match self {
            Self::Standard(encoding) => encoding.encode(text).0.into_owned(),
            Self::Dos(page) => {
                let byte = |character: char| match page.table.iter().position(|known| *known == character) {
                    Some(at) => 128 + at as u8,
                    None => u8::try_from(character).unwrap_or(b'?'),
                };
                text.chars().map(byte).collect()
            }
        }
    }
}

impl CodePage {
    fn character(self, byte: u8) -> char {
        match byte {
            0..128 => char::from(byte),
            _ => self.table[usize::from(byte) - 128],
        }
    }
}

/// Decodes a text piece by piece.
pub(crate) enum PieceDecoder {
    Standard(Box<Decoder>),
    Dos(CodePage),
}

impl PieceDecoder {
    pub(crate) fn new(charset: Charset) -> Self {
        match charset {
            Charset::Standard(encoding) => Self::Standard(Box::new(encoding.new_decoder_without_bom_handling())),
            Charset::Dos(page) => Self::Dos(page),
        }
    }

    /// Appends a piece as UTF-8.
    pub(crate) fn decode(&mut self, piece: &[u8], last: bool, to: &mut Vec<u8>) {
        match self {
            Self::Standard(decoder) => {
                let length = to.len();
                let max = decoder.max_utf8_buffer_length(piece.len()).unwrap_or(piece.len().saturating_mul(4));
                to.resize(length + max, 0);
                // There is room for all, so it is read in one go.
                let (_, _, written, _) = decoder.decode_to_utf8(piece, &mut to[length..], last);
                to.truncate(length + written);
            }
            Self::Dos(page) => {
                for byte in piece {
                    to.extend_from_slice(page.character(*byte).encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_pages_of_dos_and_of_old_macintoshes_have_names() {
        for (label, name, bytes) in [
            ("cp437", "cp437", &b"M\x81ller \x9B"[..]),
            ("IBM850", "cp850", b"M\x81ller \xBD"),
            ("850", "cp850", b"M\x81ller \xBD"),
            ("cp852", "cp852", b"M\x81ller"),
            ("MacRoman", "macintosh", b"M\x9Fller \xA2"),
            ("macintosh", "macintosh", b"M\x9Fller \xA2"),
            ("latin1", "windows-1252", b"M\xFCller \xA2"),
        ] {
            let charset = Charset::for_label(label).unwrap();
            assert_eq!(charset.name(), name);
            let text = charset.decode(bytes);
            assert!(text == "Müller ¢" || text == "Müller", "{label}: {text}");
            assert_eq!(charset.encode(&text), bytes);
            let (mut pieces, mut decoder) = (Vec::new(), PieceDecoder::new(charset));
            bytes.chunks(1).for_each(|piece| decoder.decode(piece, false, &mut pieces));
            assert_eq!(pieces, text.as_bytes());
        }
        for label in ["klingon", "cp1", "replacement", "utf-7", ""] {
            assert_eq!(Charset::for_label(label), None, "{label}");
        }
    }
}
