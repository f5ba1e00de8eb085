//! What the first bytes tell: whether it is a table of text at all, and what stands between its fields.

use bytes::Bytes;
use encoding_rs::UTF_8;
use runtime::Failure;

use crate::{
    input::Delimiter,
    records::Records,
    source::Source,
    text::{Known, Text},
};

/// How files begin that are no text with delimiters, and what they are.
const FORMATS: [(&[u8], &str); 18] = [
    (b"PK\x03\x04", "an Excel workbook or a ZIP archive"),
    (b"\xD0\xCF\x11\xE0", "an old Excel workbook"),
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

/// Refuses what is no text with delimiters, saying what it is.
pub(crate) fn refuse_other_formats(start: &[u8]) -> Result<(), Failure> {
    let trimmed = start.trim_ascii_start();
    let begins = |prefix: &[u8]| trimmed.get(..prefix.len()).is_some_and(|bytes| bytes.eq_ignore_ascii_case(prefix));
    let known = FORMATS.iter().find(|(prefix, _)| begins(prefix)).map(|(_, what)| *what);
    let json = [&b"{\""[..], b"[{", b"[["].iter().any(|prefix| begins(prefix));
    match known.or(json.then_some("JSON")) {
        Some(what) => {
            Err(Failure::input(format!("the file is {what}, not text with delimiters; save it as CSV and import that")))
        }
        None => Ok(()),
    }
}

/// Rows that are looked at.
const ROWS: usize = 200;

/// What stands between the fields of a sample: that which cuts most rows into as many fields as the header has.
pub(crate) fn delimiter(sample: &Bytes, cut: bool) -> Delimiter {
    // The better one wins; of equals, the first.
    let best = b",;\t|".iter().rev().max_by_key(|delimiter| score(sample, cut, **delimiter));
    Delimiter(best.copied().unwrap_or(b','))
}

/// How many of a thousand rows have as many fields as the header, and how many those are.
fn score(sample: &Bytes, cut: bool, delimiter: u8) -> (usize, usize) {
    let text = Text::new(Source::sample(sample.clone()), Known::Said(UTF_8));
    let mut records = Records::new(text, delimiter, cut);
    let Ok(Some(header)) = records.next() else {
        return (0, 0);
    };
    let fields = header.len();
    let (mut alike, mut rows) = (1, 1);
    while rows < ROWS
        && let Ok(Some(row)) = records.next()
    {
        alike += usize::from(row.len() == fields);
        rows += 1;
    }
    if fields == 1 { (0, 0) } else { (alike * 1000 / rows, fields) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> u8 {
        delimiter(&Bytes::copy_from_slice(text.as_bytes()), false).0
    }

    #[test]
    fn the_delimiter_is_that_which_cuts_all_rows_alike() {
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
    fn a_file_of_another_kind_is_called_by_its_name() {
        for (start, what) in [
            (&b"PK\x03\x04xl/workbook.xml"[..], "an Excel workbook or a ZIP archive"),
            (b"\x1F\x8B\x08", "gzip"),
            (b"%PDF-1.7", "a PDF"),
            (b"\n <!doctype html>", "a web page"),
            (b"[{\"a\": 1}]", "JSON"),
        ] {
            assert!(refuse_other_formats(start).unwrap_err().to_string().contains(what), "{what}");
        }
        assert!(refuse_other_formats(b"a,b\n1,2\n").is_ok());
    }
}
