use std::io::{Cursor, Write};

use bytes::Bytes;
use flate2::write::GzEncoder;
use imports::{Compression, Format, inspect_file};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use zip::{ZipWriter, write::SimpleFileOptions};

/// What a file may unpack to here.
const UNPACKED: u64 = 1 << 20;

/// A file is read to its end, or what is wrong with it is said to whoever uploaded it; the same each time.
fn read(content: &[u8], format: Option<Format>, compression: Option<Compression>) {
    let read = || inspect_file(Bytes::copy_from_slice(content), format, compression, UNPACKED);
    let words = |result: &Result<imports::Inspection, _>| match result {
        Ok(found) => format!("{found:?}"),
        Err(error) => format!("{error}"),
    };
    let first = read();
    if let Ok(found) = &first {
        let cells = (found.rows + found.rejected).saturating_mul(found.columns.len() as u64);
        assert!(found.columns.len() <= 2000 && cells <= 2000 * (UNPACKED + content.len() as u64));
    }
    let words_of_first = words(&first);
    assert!(!words_of_first.is_empty());
    assert_eq!(words(&read()), words_of_first);
}

pub fn csv(input: &[u8]) {
    read(input, Some(Format::Csv), Some(Compression::None));
    read(input, None, None);
}

pub fn csv_seeds() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 9] = [
        b"a,b\n1,x\n2,y\n",
        b"a;b;c\r\n\"1;\"\"2\"\"\";2026-11-22;1,5\r\n;;\r\n",
        b"\xEF\xBB\xBFn\tm\n1\t-0\n1e400\t9223372036854775808\n",
        b"caf\xE9,b\n\xE9,\x80\n",
        b"\xFF\xFEa\0,\0b\0\n\x001\0,\x002\0\n\0",
        b"a,a,,A\n1,2,3,4,5\n1\n\n\"open",
        b"t\n2026-11-22T05:00:00+01:00\ntrue\n00:00:60\n",
        b",\n,\n,,,,,,,,,\n",
        b"a\n\"\0\"\n",
    ];
    texts.map(<[u8]>::to_vec).into()
}

pub fn json_lines(input: &[u8]) {
    read(input, Some(Format::Jsonl), Some(Compression::None));
}

pub fn json_lines_seeds() -> Vec<Vec<u8>> {
    let texts: [&[u8]; 7] = [
        b"{\"a\":1,\"b\":\"x\"}\n{\"b\":null}\n",
        b"{\"a\":{\"b\":[1,{\"c\":2}]},\"a.b\":3}\n",
        b"{\"a\":1e999,\"b\":-0,\"c\":18446744073709551616}\n{\"a\":\"\\ud800\\u0000\"}\n",
        b"{\"a\":1,\"a\":2}\n\n [1]\n{}\nnull\n{\"a\":1",
        b"{\"\":1,\" \":2,\"\\n\":3}\r\n",
        b"{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}\n",
        b"{\"a\":true}\n{\"b\":false}\n{\"c\":\"2026-11-22\"}\n",
    ];
    texts.map(<[u8]>::to_vec).into()
}

/// After a zero the bytes of a workbook; else the text of its sheet, and after further zeros of its shared strings and of
/// its list of sheets, which no fuzzer could pack.
pub fn xlsx(input: &[u8]) {
    match input.split_first() {
        Some((0, bytes)) => read(bytes, Some(Format::Xlsx), Some(Compression::None)),
        _ => read(&workbook(input), Some(Format::Xlsx), Some(Compression::None)),
    }
}

const SHEET: &str = r#"<worksheet><dimension ref="A1:C3"/><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="inlineStr"><is><t>b</t></is></c></row><row r="2"><c r="A2"><v>1.5</v></c><c r="B2" t="b"><v>1</v></c><c r="C2" t="e"><v>#N/A</v></c></row><row r="3"><c r="A3" t="d"><v>2026-11-22</v></c><c r="XFD3" t="str"><f>1+1</f><v>x</v></c></row></sheetData><mergeCells><mergeCell ref="A1:B2"/></mergeCells></worksheet>"#;
const STRINGS: &str =
    r#"<sst count="2" uniqueCount="2"><si><t>a</t></si><si><r><t xml:space="preserve"> b&#x41;&lt;</t></r></si></sst>"#;
const SHEETS: &str = r#"<workbook xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="S" sheetId="1" r:id="rId1"/></sheets></workbook>"#;
const RELATIONS: &str = r#"<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="sharedStrings.xml"/></Relationships>"#;
const TYPES: &str = r#"<Types><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>"#;

fn workbook(input: &[u8]) -> Vec<u8> {
    let mut texts = input.split(|byte| *byte == 0);
    let sheet = texts.next().unwrap_or_default();
    let strings = texts.next().unwrap_or(STRINGS.as_bytes());
    let sheets = texts.next().unwrap_or(SHEETS.as_bytes());
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in [
        ("[Content_Types].xml", TYPES.as_bytes()),
        ("xl/workbook.xml", sheets),
        ("xl/_rels/workbook.xml.rels", RELATIONS.as_bytes()),
        ("xl/sharedStrings.xml", strings),
        ("xl/worksheets/sheet1.xml", sheet),
    ] {
        archive.start_file(name, SimpleFileOptions::default()).expect("it is in memory");
        archive.write_all(text).expect("it is in memory");
    }
    archive.finish().expect("it is in memory").into_inner()
}

pub fn xlsx_seeds() -> Vec<Vec<u8>> {
    let mut written = rust_xlsxwriter::Workbook::new();
    let sheet = written.add_worksheet();
    for row in 0..3 {
        sheet.write(row, 0, f64::from(row)).expect("it is a cell");
        sheet.write(row, 2, "text").expect("it is a cell");
    }
    let bytes = written.save_to_buffer().expect("it is in memory");
    let bomb = format!(
        "<worksheet><sheetData>{}</sheetData></worksheet>",
        r#"<row><c t="s"><v>0</v></c><c r="ZZ9" t="s"><v>1</v></c></row>"#.repeat(20)
    );
    let entity = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><worksheet><sheetData><row><c t=\"str\"><v>&b;</v></c></row></sheetData></worksheet>";
    vec![
        [&[0], &bytes[..]].concat(),
        SHEET.as_bytes().to_vec(),
        [SHEET, STRINGS, SHEETS].join("\0").into_bytes(),
        bomb.into_bytes(),
        entity.as_bytes().to_vec(),
    ]
}

pub fn gzip(input: &[u8]) {
    read(input, None, Some(Compression::Gzip));
}

pub fn gzip_seeds() -> Vec<Vec<u8>> {
    let pack = |text: &[u8]| {
        let mut packed = GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        packed.write_all(text).expect("it is in memory");
        packed.finish().expect("it is in memory")
    };
    let twice = [pack(b"a,b\n1,2\n"), pack(b"3,4\n")].concat();
    vec![pack(b"a,b\n1,2\n"), twice, pack(&b"a,b\n".repeat(1000)), pack(b"{\"a\":1}\n"), pack(b"")]
}

pub fn zstd(input: &[u8]) {
    read(input, None, Some(Compression::Zstd));
}

pub fn zstd_seeds() -> Vec<Vec<u8>> {
    let pack = |text: &[u8]| compress_to_vec(text, CompressionLevel::Fastest);
    let skipped = [&b"\x50\x2A\x4D\x18\x02\0\0\0xx"[..], &pack(b"a,b\n1,2\n")].concat();
    vec![pack(b"a,b\n1,2\n"), pack(&b"a,b\n".repeat(1000)), skipped, pack(b"{\"a\":1}\n")]
}
