//! Tells formats by their beginnings: those that are not text by their first bytes, the others once they are decoded.

use runtime::Failure;

use crate::{
    options::{Compression, Format},
    read::{detect::detect_utf_16, source::Chunks},
};

/// The first bytes of files that cannot be imported and are no text, and their names.
const NO_TEXT: [(&[u8], &str); 35] = [
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\x1F\x8B", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xFD7zXZ", "an xz archive"),
    (b"\x28\xB5\x2F\xFD", "a zstd archive"),
    (b"\x04\x22\x4D\x18", "an LZ4 archive"),
    (b"7z\xBC\xAF", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"PAR1", "a Parquet file"),
    (b"PARE", "an encrypted Parquet file"),
    (b"ARROW1", "an Arrow file"),
    (b"FEA1", "a Feather file"),
    (b"ORC", "an ORC file"),
    (b"Obj\x01", "an Avro file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"$FL2", "an SPSS file"),
    (b"$FL3", "an SPSS file"),
    (b"RDX", "an R file"),
    (b"\0\x01\0\0Standard ", "an Access database"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xFF\xD8\xFF", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"BM", "a BMP picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"RIFF", "a picture, a sound or a film"),
    (b"ID3", "a sound"),
    (b"OggS", "a sound or a film"),
    (b"\x1A\x45\xDF\xA3", "a film"),
    (b"\x7FELF", "a program"),
    (b"MZ", "a program"),
    (b"\xFF\xFE\0\0", "text in UTF-32"),
    (b"\0\0\xFE\xFF", "text in UTF-32"),
];

/// The beginning of the first part of an OpenDocument file: its name and content.
const OPEN_DOCUMENT: &[u8] = b"mimetypeapplication/vnd.oasis.opendocument.";

/// The same of texts that are no tables.
const NO_TABLE: [(&str, &str); 6] = [
    ("%pdf-", "a PDF"),
    ("{\\rtf", "a text document (RTF)"),
    ("mime-version:", "a web archive (MHTML)"),
    ("<stata_dta>", "a Stata file"),
    ("begin:vcard", "a list of contacts (vCard)"),
    ("begin:vcalendar", "a calendar"),
];

/// The beginning of a compound file, in which Office kept its documents until 2007, and keeps those with a password.
const COMPOUND_FILE: &[u8] = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1";
/// The names of streams of compound files, and what has such; the first that is there counts.
const STREAMS: [(&str, &str); 6] = [
    ("EncryptedPackage", "a workbook with a password, or another document with one; save it without and import that"),
    ("Workbook", "an old Excel workbook (.xls); save it as XLSX or CSV and import that"),
    ("Book", "a very old Excel workbook (.xls); save it as XLSX or CSV and import that"),
    ("WordDocument", "a text document (.doc)"),
    ("PowerPoint Document", "a presentation (.ppt)"),
    ("__properties_version1.0", "a message of Outlook (.msg)"),
];
/// Bytes of an entry in the directory of a compound file: a name of 32 characters, their length in bytes, ….
const ENTRY_BYTES: usize = 128;

/// The elements that a web page, or a part of one, begins with.
const HTML: [&str; 12] =
    ["!doctype html", "html", "head", "body", "table", "meta", "title", "style", "script", "div", "center", "!--"];

/// The compression of a file.
pub(crate) fn compression(start: &[u8]) -> Compression {
    match start {
        [0x1F, 0x8B, ..] => Compression::Gzip,
        // A frame, or a skippable one.
        [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Compression::Zstd,
        _ => Compression::None,
    }
}

/// The format of a file that is no text; `None` for a text. One that cannot be imported is refused by its name.
pub(crate) fn binary_format(start: &[u8]) -> Result<Option<Format>, Failure> {
    if start.starts_with(b"PK\x03\x04") {
        // The first part of such an archive says what it is.
        let is_open_document = start.get(30..).is_some_and(|name| name.starts_with(OPEN_DOCUMENT));
        if is_open_document {
            return Err(refused("an OpenDocument file (.ods, .odt, …)"));
        }
        return Ok(Some(Format::Xlsx));
    }
    // A header may begin with the letters of a signature; no text has what follows them.
    let is_text = |bytes: &[u8]| !bytes.iter().any(|byte| is_control(*byte)) || detect_utf_16(bytes).is_some();
    let named = NO_TEXT.iter().find(|(signature, _)| start.starts_with(signature));
    if let Some((_, name)) = named.filter(|_| !is_text(start)) {
        return Err(refused(name));
    }
    if start.get(257..262) == Some(b"ustar") {
        return Err(refused("a tar archive"));
    }
    let controls = start.iter().filter(|byte| is_control(**byte)).count();
    // A text in which a few are broken is read; its rows say so.
    let is_binary = start.len() >= 32 && controls * 10 > start.len() && !is_utf_16(start);
    if is_binary { Err(refused("no text, and no format that is known here")) } else { Ok(None) }
}

/// True for a compound file.
pub(crate) fn is_compound_file(start: &[u8]) -> bool {
    start.starts_with(COMPOUND_FILE)
}

/// Refuses a compound file by the name of what is in it, which only its directory tells, and that may lie anywhere.
pub(crate) fn refuse_compound_file(file: &mut dyn Chunks) -> Result<Failure, Failure> {
    let mut found = STREAMS.len();
    // Entries begin at multiples of their size.
    let mut rest = Vec::new();
    while let Some(chunk) = file.next()? {
        rest.extend_from_slice(&chunk);
        let entries = rest.chunks_exact(ENTRY_BYTES);
        for entry in entries {
            let is_named = |(name, _): &(&str, &str)| is_entry_of(entry, name);
            found = STREAMS[..found].iter().position(is_named).unwrap_or(found);
        }
        rest.drain(..rest.len() - rest.len() % ENTRY_BYTES);
    }
    Ok(match STREAMS.get(found) {
        Some((_, what)) => Failure::input(format!("the file is {what}")),
        None => refused("a document of an old Office program"),
    })
}

/// True for the entry of a stream of this name, as UTF-16 with its zero and the length.
fn is_entry_of(entry: &[u8], name: &str) -> bool {
    let bytes: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    entry.starts_with(&bytes) && entry[64..66] == (bytes.len() as u16).to_le_bytes()
}

/// The format of a text by its beginning; one that is no table is refused by its name.
pub(crate) fn text_format(text: &[u8]) -> Result<Format, Failure> {
    let text = text.trim_ascii_start();
    let after = |bracket: u8| (text.first() == Some(&bracket)).then(|| text[1..].trim_ascii_start().first()).flatten();
    if matches!(after(0x1E), Some(b'{' | b'[')) || matches!(after(b'{'), Some(b'"' | b'}')) || begins_with_array(text) {
        return Ok(Format::Jsonl);
    }
    if matches!(after(b'['), Some(b'{' | b'['))
        || (text.first() == Some(&b'[') && text[1..].trim_ascii_start().len() < text.len() - 1)
    {
        let message = "the file is JSON in one piece; write JSON Lines, an object on each line, and import that";
        return Err(Failure::input(message));
    }
    if let Some((_, name)) = NO_TABLE.iter().find(|(start, _)| starts_with(text, start)) {
        return Err(refused(name));
    }
    if let Some(name) = markup(text) {
        return Err(refused(name));
    }
    Ok(Format::Csv)
}

/// True if the first line is an array of JSON; a cut one may be.
fn begins_with_array(text: &[u8]) -> bool {
    let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if line.first() != Some(&b'[') || matches!(line.get(1), Some(b'[' | b'{')) {
        return false;
    }
    match serde_json::from_slice::<Vec<serde_json::Value>>(line) {
        Ok(_) => true,
        Err(error) => error.is_eof() && line.len() == text.len() && error.column() > 1,
    }
}

/// The name of a text of tags.
fn markup(text: &[u8]) -> Option<&'static str> {
    let tag = text.strip_prefix(b"<")?;
    let has = |words: &str| memchr::memmem::find(text, words.as_bytes()).is_some();
    if starts_with(tag, "?xml") || starts_with(tag, "?mso") {
        return Some(match () {
            () if has("urn:schemas-microsoft-com:office:spreadsheet") => "an Excel workbook of 2003 (XML)",
            () if has("urn:oasis:names:tc:opendocument") => "a flat OpenDocument file (XML)",
            () if has("http://www.w3.org/1999/xhtml") || has("<html") => "a web page (HTML), whatever its name says",
            () => "XML",
        });
    }
    let is_html = HTML.iter().any(|name| {
        let rest = tag.get(name.len()..).filter(|_| starts_with(tag, name));
        // Headers may be in brackets: "<TITLE>,<DATE>".
        rest.is_some_and(|rest| match (*name, rest) {
            ("!--", _) | (_, [] | [b' ' | b'\t' | b'\r' | b'\n' | b'/', ..]) => true,
            (_, [b'>', next, ..]) => !matches!(next, b',' | b';' | b'\t' | b'|'),
            (_, rest) => rest == b">",
        })
    });
    let has_table = || text.windows(6).any(|window| window.eq_ignore_ascii_case(b"<table"));
    is_html.then(|| match has_table() {
        true => "a web page (HTML) with a table, whatever its name says",
        false => "a web page (HTML) without a table at its beginning",
    })
}

fn refused(name: &str) -> Failure {
    Failure::input(format!("the file is {name}, which cannot be imported; save it as CSV, TSV, JSON Lines or XLSX"))
}

fn starts_with(text: &[u8], start: &str) -> bool {
    text.get(..start.len()).is_some_and(|bytes| bytes.eq_ignore_ascii_case(start.as_bytes()))
}

/// True for control characters that no text has.
fn is_control(byte: u8) -> bool {
    // A tab, line ends, a form feed, the end of a DOS file, an escape and a record separator.
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0C | 0x1A | 0x1B | 0x1E)
}

fn is_utf_16(start: &[u8]) -> bool {
    start.starts_with(b"\xFF\xFE") || start.starts_with(b"\xFE\xFF") || detect_utf_16(start).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(start: &[u8]) -> Result<Format, String> {
        let found = binary_format(start).and_then(|format| format.map_or_else(|| text_format(start), Ok));
        found.map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_is_known_by_its_beginning() {
        for (start, found) in [
            (&b"PK\x03\x04xl/workbook.xml"[..], Format::Xlsx),
            (b"a,b\n1,2\n", Format::Csv),
            (b"{a},b\n", Format::Csv),
            (b"[a],b\n", Format::Csv),
            (b"{\"a\": 1}\n", Format::Jsonl),
            (b"\n {}\n", Format::Jsonl),
            (b"[1, \"x\"]\n[2, null]\n", Format::Jsonl),
            (b"[\"cut", Format::Jsonl),
            (b"\x1E{\"a\":1}\n\x1E{\"a\":2}\n", Format::Jsonl),
        ] {
            assert_eq!(format(start).unwrap(), found, "{}", String::from_utf8_lossy(start));
        }
        assert_eq!(compression(b"\x1F\x8B\x08"), Compression::Gzip);
        assert_eq!(compression(b"\x28\xB5\x2F\xFD"), Compression::Zstd);
        assert_eq!(compression(b"a,b"), Compression::None);
    }

    #[test]
    fn what_is_no_table_is_refused_by_its_name() {
        for (start, what) in [
            (&b"PK\x05\x06\0\0"[..], "an empty ZIP archive"),
            (b"PAR1\x15\x04\x15", "a Parquet file"),
            (b"SQLite format 3\0\x10\0", "a SQLite database"),
            (b"\x89PNG\r\n\x1A\n\0\0\0\rIHDR", "a PNG picture"),
            (b"\xFF\xD8\xFF\xE0\0\x10JFIF", "a JPEG picture"),
            (b"GIF89a\x01\0\x01\0", "a GIF picture"),
            (b"\x89HDF\r\n\x1A\n\0", "an HDF5 file"),
            (b"\xFF\xFE\0\0a\0\0\0,\0\0\0", "text in UTF-32"),
            (b"%PDF-1.7\n", "a PDF"),
            (b"{\\rtf1\\ansi hello}", "a text document (RTF)"),
            (b"MIME-Version: 1.0\nContent-Type: multipart/related", "a web archive"),
            (b"\n <!doctype html><html><p>Sign in", "a web page (HTML) without a table"),
            (b"<html><body><TABLE border=1><tr>", "a web page (HTML) with a table"),
            (b"<table>\n<tr><td>1</td></tr></table>", "a web page (HTML) with a table"),
            (
                b"<?xml version=\"1.0\"?><Workbook xmlns=\"urn:schemas-microsoft-com:office:spreadsheet\">",
                "an Excel workbook of 2003",
            ),
            (b"<?xml version=\"1.0\"?><a/>", "XML"),
            (b"[{\"a\": 1}]", "JSON in one piece"),
            (b"[[1,2],[3,4]]", "JSON in one piece"),
            (b"[\n1,\n2]", "JSON in one piece"),
            (&[7; 64], "no text"),
        ] {
            let told = format(start).unwrap_err();
            assert!(told.contains(what), "{told}");
        }
        let mut tar = vec![b'a'; 512];
        tar[257..262].copy_from_slice(b"ustar");
        assert!(format(&tar).unwrap_err().contains("a tar archive"));
    }

    #[test]
    fn a_header_may_begin_as_another_format_does() {
        for header in [
            "PAR1,PAR2\n1,2\n",
            "ORC;Elf\n1;2\n",
            "BM,x\n1,2\n",
            "MZ\t1\n",
            "PK,name\n1,a\n",
            "RIFF,x\n1,2\n",
            "GIF8,x\n",
            "Rar!,x\n",
            "ID3,x\n",
            "<TITLE>,<DATE>\na,2026-01-01\n",
            "<id>,b\n1,2\n",
            "%PDF,x\n1,2\n",
        ] {
            assert_eq!(format(header.as_bytes()).unwrap(), Format::Csv, "{header}");
        }
    }

    #[test]
    fn a_compound_file_is_refused_by_what_its_directory_names() {
        let entry = |name: &str| {
            let mut entry: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
            let length = entry.len() as u16;
            entry.resize(ENTRY_BYTES, 0);
            entry[64..66].copy_from_slice(&length.to_le_bytes());
            entry
        };
        for (names, words) in [
            (&["Root Entry", "EncryptionInfo", "EncryptedPackage"][..], "a workbook with a password"),
            (&["Root Entry", "Workbook"], "an old Excel workbook (.xls)"),
            (&["Root Entry", "Book"], "a very old Excel workbook (.xls)"),
            (&["Workbook of mine", "WordDocument"], "a text document (.doc)"),
            (&["Root Entry"], "a document of an old Office program"),
        ] {
            let mut file = COMPOUND_FILE.to_vec();
            file.resize(512, 0);
            names.iter().for_each(|name| file.extend(entry(name)));
            assert!(is_compound_file(&file));
            // In pieces that end within entries.
            struct Pieces(Vec<u8>);
            impl Chunks for Pieces {
                fn next(&mut self) -> Result<Option<bytes::Bytes>, Failure> {
                    let rest = self.0.split_off(self.0.len().min(100));
                    let piece = std::mem::replace(&mut self.0, rest);
                    Ok(Some(bytes::Bytes::from(piece)).filter(|piece| !piece.is_empty()))
                }
            }
            let told = refuse_compound_file(&mut Pieces(file)).unwrap().to_string();
            assert!(told.starts_with(&format!("the file is {words}")), "{told}");
        }
    }
}
