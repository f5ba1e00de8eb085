//! Detects compression, format and delimiter from the first bytes of a file.

use bytes::Bytes;
use runtime::Failure;

use crate::{
    input::{Compression, Delimiter, Format},
    read::{delimited::DelimitedReader, row::RowReader, text::TextReader},
};

/// The first bytes of formats that cannot be imported, and their names.
const UNSUPPORTED: [(&[u8], &str); 18] = [
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"\xD0\xCF\x11\xE0", "an old Excel workbook, or one with a password"),
    (b"\x1F\x8B", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xFD7zXZ", "an xz archive"),
    (b"\x28\xB5\x2F\xFD", "a zstd archive"),
    (b"7z\xBC\xAF", "a 7-Zip archive"),
    (b"Rar!", "a RAR archive"),
    (b"%PDF", "a PDF"),
    (b"PAR1", "a Parquet file"),
    (b"SQLite format 3\0", "a SQLite database"),
    (b"\x89PNG", "a picture"),
    (b"\xFF\xD8\xFF", "a picture"),
    (b"GIF8", "a picture"),
    (b"{\\rtf", "a text document"),
    (b"<?xml", "XML"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
];

/// The compression of a file.
pub(crate) fn compression(start: &[u8]) -> Compression {
    match start {
        [0x1F, 0x8B, ..] => Compression::Gzip,
        // A frame, or a skippable one.
        [0x28, 0xB5, 0x2F, 0xFD, ..] | [0x50..=0x5F, 0x2A, 0x4D, 0x18, ..] => Compression::Zstd,
        _ => Compression::None,
    }
}

/// The format of a file; one that cannot be imported is refused by its name.
pub(crate) fn format(start: &[u8]) -> Result<Format, Failure> {
    let start = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start).trim_ascii_start();
    let starts_with = |prefix: &[u8]| start.get(..prefix.len()).is_some_and(|bytes| bytes.eq_ignore_ascii_case(prefix));
    let after =
        |bracket: u8| (start.first() == Some(&bracket)).then(|| start[1..].trim_ascii_start().first()).flatten();
    if starts_with(b"PK\x03\x04") {
        return Ok(Format::Xlsx);
    }
    if matches!(after(b'{'), Some(b'"' | b'}')) {
        return Ok(Format::Jsonl);
    }
    if matches!(after(b'['), Some(b'{' | b'[')) {
        let message = "the file is JSON in one piece; write JSON Lines, an object on each line, and import that";
        return Err(Failure::input(message));
    }
    match UNSUPPORTED.iter().find(|(prefix, _)| starts_with(prefix)) {
        Some((_, name)) => {
            let formats = "CSV, TSV, JSON Lines or XLSX";
            Err(Failure::input(format!("the file is {name}, which cannot be imported; save it as {formats}")))
        }
        None => Ok(Format::Csv),
    }
}

/// Rows that a delimiter is tried on.
const SAMPLE_ROWS: usize = 200;

/// The delimiter of a sample: the one that splits most rows into as many fields as the header has.
pub(crate) fn delimiter(sample: &Bytes, truncated: bool) -> Delimiter {
    // Of equals, the first wins.
    let best = b",;\t|".iter().rev().max_by_key(|delimiter| score(sample, truncated, **delimiter));
    Delimiter(best.copied().unwrap_or(b','))
}

/// The rows in a thousand that have as many fields as the header, and that number of fields.
fn score(sample: &Bytes, truncated: bool, delimiter: u8) -> (usize, usize) {
    let text = TextReader::of_utf_8(sample.clone());
    let mut records = DelimitedReader::new(text, delimiter, truncated);
    let Ok(Some(header)) = records.next_row() else {
        return (0, 0);
    };
    let fields = header.len();
    let (mut matching, mut rows) = (1, 1);
    while rows < SAMPLE_ROWS
        && let Ok(Some(row)) = records.next_row()
    {
        matching += usize::from(row.len() == fields);
        rows += 1;
    }
    if fields == 1 { (0, 0) } else { (matching * 1000 / rows, fields) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> u8 {
        delimiter(&Bytes::copy_from_slice(text.as_bytes()), false).0
    }

    #[test]
    fn the_delimiter_is_the_one_that_splits_all_rows_alike() {
        assert_eq!(found("a,b\n1,2\n"), b',');
        assert_eq!(found("a;b\n1,5;2,5\n"), b';');
        assert_eq!(found("a\tb, c\n1\t2\n3\t4, 5, 6\n"), b'\t');
        assert_eq!(found("a|b|c\n1|2|x,y\n"), b'|');
        assert_eq!(found("\"a;b\",c\n1,2\n"), b',');
        assert_eq!(found("a\n1\n2\n"), b',');
        assert_eq!(found("name\nx;y\n"), b',');
        assert_eq!(found("a,b"), b',');
    }

    #[test]
    fn a_file_is_known_by_its_first_bytes() {
        for (start, found) in [
            (&b"PK\x03\x04xl/workbook.xml"[..], Format::Xlsx),
            (b"a,b\n1,2\n", Format::Csv),
            (b"{a},b\n", Format::Csv),
            (b"[a],b\n", Format::Csv),
            (b"{\"a\": 1}\n", Format::Jsonl),
            (b"\xEF\xBB\xBF\n {}\n", Format::Jsonl),
        ] {
            assert_eq!(format(start).unwrap(), found, "{}", String::from_utf8_lossy(start));
        }
        for (start, what) in [
            (&b"PK\x05\x06\0\0"[..], "an empty ZIP archive"),
            (b"\xD0\xCF\x11\xE0", "an old Excel workbook, or one with a password"),
            (b"%PDF-1.7", "a PDF"),
            (b"\n <!doctype html>", "a web page"),
            (b"[{\"a\": 1}]", "JSON in one piece"),
        ] {
            assert!(format(start).unwrap_err().to_string().contains(what), "{what}");
        }
        assert_eq!(compression(b"\x1F\x8B\x08"), Compression::Gzip);
        assert_eq!(compression(b"\x28\xB5\x2F\xFD"), Compression::Zstd);
        assert_eq!(compression(b"a,b"), Compression::None);
    }
}
