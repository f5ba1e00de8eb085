//! Archives and workbooks that are broken, or made to harm: each is refused by what is wrong with it, and the worker
//! stays as it was.

use std::io::{Cursor, Write};

use imports::ImportsConfig;
use serde_json::json;
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::{
    formats::{gzip, zstd},
    world::{World, over_both},
};

const TYPES: &str = "<Types><Default Extension=\"xml\" ContentType=\"application/xml\"/></Types>";
const RELATIONS: &str = "<Relationships><Relationship Id=\"a\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>";
const WORKBOOK: &str = "<workbook xmlns:r=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships\"><sheets><sheet name=\"S\" sheetId=\"1\" r:id=\"b\"/></sheets></workbook>";
const SHEETS: &str = "<Relationships><Relationship Id=\"b\" Type=\"http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet\" Target=\"worksheets/sheet1.xml\"/></Relationships>";
const ROWS: &str = "<worksheet><sheetData><row r=\"1\"><c r=\"A1\" t=\"str\"><v>a</v></c></row><row r=\"2\"><c r=\"A2\"><v>1</v></c></row></sheetData></worksheet>";

/// A workbook, with these parts as well or instead.
pub(crate) fn book(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let all = [
        ("[Content_Types].xml", TYPES),
        ("_rels/.rels", RELATIONS),
        ("xl/workbook.xml", WORKBOOK),
        ("xl/_rels/workbook.xml.rels", SHEETS),
        ("xl/worksheets/sheet1.xml", ROWS),
    ];
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, text) in all.iter().filter(|(name, _)| !parts.iter().any(|(part, _)| part == name)) {
        archive.start_file(*name, options).unwrap();
        archive.write_all(text.as_bytes()).unwrap();
    }
    for (name, content) in parts {
        archive.start_file(*name, options).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

pub(crate) fn sheet(rows: &str) -> Vec<u8> {
    let text = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
    book(&[("xl/worksheets/sheet1.xml", text.as_bytes())])
}

/// The address of a field in all headers of an archive: the flags, of which the first bit says that it is encrypted.
fn encrypted(mut archive: Vec<u8>) -> Vec<u8> {
    for (signature, flags) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let places: Vec<_> =
            archive.windows(4).enumerate().filter(|(_, bytes)| bytes == signature).map(|(at, _)| at).collect();
        places.into_iter().for_each(|at| archive[at + flags] |= 1);
    }
    archive
}

/// The header of a compound file, and its directory with a stream of this name.
fn compound_file(stream: &str) -> Vec<u8> {
    let mut file = b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1".to_vec();
    file.resize(512, 0);
    for name in ["Root Entry", stream] {
        let mut entry: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        let length = u16::try_from(entry.len()).unwrap();
        entry.resize(128, 0);
        entry[64..66].copy_from_slice(&length.to_le_bytes());
        file.extend(entry);
    }
    file
}

/// An archive that begins as those of OpenDocument do.
fn open_document() -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    archive.start_file("mimetype", SimpleFileOptions::default().compression_method(CompressionMethod::Stored)).unwrap();
    archive.write_all(b"application/vnd.oasis.opendocument.spreadsheet").unwrap();
    archive.finish().unwrap().into_inner()
}

/// A workbook whose main part is binary.
fn binary_workbook() -> Vec<u8> {
    let relations = RELATIONS.replace("xl/workbook.xml", "xl/workbook.bin");
    book(&[("_rels/.rels", relations.as_bytes()), ("xl/workbook.bin", b"\x83\x01\0")])
}

over_both! {
    async fn a_small_workbook_is_read_and_its_like_refused_by_what_is_wrong(world) {
        world.import(book(&[])).await;
        assert_eq!(world.rows("SELECT a FROM t").await, ["1"]);
        let whole = book(&[]);
        let lol = b"<!DOCTYPE lolz [<!ENTITY a \"lol\"><!ENTITY b \"&a;&a;&a;&a;\">]><sst><si><t>&b;</t></si></sst>";
        let outside = b"<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><worksheet><sheetData><row><c t=\"str\"><v>&e;</v></c></row></sheetData></worksheet>";
        let promise = b"<sst uniqueCount=\"99999999999\"><si><t>a</t></si></sst>";
        let long = format!("<sst><si><t>{}</t></si></sst>", "x".repeat(2 << 20));
        let styles = format!("<styleSheet><cellXfs>{}</cellXfs></styleSheet>", "<xf/>".repeat(600_000));
        let comment = format!("<!-- {} --><worksheet/>", "<c>".repeat(1 << 19));
        let broken_deflate = {
            let mut archive = whole.clone();
            let at = archive.windows(5).position(|bytes| bytes == b"xl/wo").unwrap() + 30;
            archive[at..at + 20].fill(0xFF);
            archive
        };
        for (content, words) in [
            (book(&[("xl/sharedStrings.xml", lol)]), "the workbook's part xl/sharedStrings.xml has a document type"),
            (book(&[("xl/worksheets/sheet1.xml", outside)]), "the workbook's part xl/worksheets/sheet1.xml has a document type"),
            (book(&[("xl/sharedStrings.xml", promise)]), "the workbook's part xl/sharedStrings.xml is too large to be read"),
            (book(&[("xl/sharedStrings.xml", long.as_bytes())]), "the workbook's part xl/sharedStrings.xml has a value or a tag of more than 1 MiB"),
            (book(&[("xl/styles.xml", styles.as_bytes())]), "the workbook's part xl/styles.xml is too large to be read"),
            (book(&[("xl/worksheets/sheet1.xml", comment.as_bytes())]), "the workbook's part xl/worksheets/sheet1.xml has a value or a tag of more"),
            (sheet("<row r=\"2\"><c r=\"A2\"><v>1</v></c></row><row r=\"1\"><c r=\"A1\"><v>1</v></c></row>"), "the workbook is broken: row 1 comes after row 2"),
            (sheet("<row r=\"1\"><c r=\"ZZZZ1\"><v>1</v></c></row>"), "the workbook is broken: "),
            (sheet("<row r=\"1\"><c r=\"A99999999999\"><v>1</v></c></row>"), "the workbook is broken: row 1 has a cell whose place is no place"),
            (sheet(""), "the sheet has no header, only empty cells"),
            (sheet("<row r=\"1\"><c r=\"A1\" t=\"str\"><v>a"), "the workbook is broken: "),
            (book(&[("xl/workbook.xml", b"<workbook/>")]), "the workbook has no sheet with cells"),
            (book(&[("xl/_rels/workbook.xml.rels", b"<Relationships/>")]), "the workbook has no sheet with cells"),
            (encrypted(whole.clone()), "the workbook has a password"),
            (whole[..whole.len() - 30].to_vec(), "the workbook "),
            (whole[..whole.len() / 2].to_vec(), "the workbook ends too early; it was cut off somewhere"),
            (broken_deflate, "the workbook is broken"),
            (b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec(), "the file is an empty ZIP archive"),
            (compound_file("EncryptedPackage"), "the file is a workbook with a password"),
            (compound_file("Workbook"), "the file is an old Excel workbook (.xls); save it as XLSX or CSV"),
            (open_document(), "the file is an OpenDocument file (.ods, .odt, …), which cannot be imported"),
            (binary_workbook(), "the file is a binary Excel workbook (.xlsb); save it as XLSX or CSV"),
            (gzip(&whole), "the file is a packed workbook; unpack it"),
            (gzip(&gzip(b"a\n1\n")), "the file is a gzip archive"),
        ] {
            let told = world.refused(&content).await;
            assert!(told.starts_with(words), "{told:?} does not begin with {words:?}");
        }
        let mut plain = ZipWriter::new(Cursor::new(Vec::new()));
        plain.start_file("a.csv", SimpleFileOptions::default()).unwrap();
        plain.write_all(b"a\n1\n").unwrap();
        let told = world.refused(plain.finish().unwrap().into_inner()).await;
        assert!(told.starts_with("the file is a ZIP archive and no Excel workbook"), "{told}");
        assert_eq!(world.rows("SELECT a FROM t").await, ["1"], "nothing was touched");
    }

    async fn a_packed_file_that_is_cut_or_broken_is_named_as_such(world) {
        let mut csv = "n,text\n".to_owned();
        (0..200_000).for_each(|row| csv.push_str(&format!("{row},some text {}\n", row * 7919 % 1009)));
        for (packed, what) in [(gzip(csv.as_bytes()), "gzip"), (zstd(csv.as_bytes()), "zstd")] {
            let told = world.refused(&packed[..packed.len() - 10]).await;
            assert_eq!(told, format!("the {what} archive ends too early; it was cut off somewhere"));
            let told = world.refused(&packed[..packed.len() / 2]).await;
            assert_eq!(told, format!("the {what} archive ends too early; it was cut off somewhere"));
            let mut harmed = packed.clone();
            let at = harmed.len() / 2;
            harmed[at..at + 200].fill(0xA5);
            let told = world.refused(&harmed).await;
            assert!(told.starts_with(&format!("the {what} archive is broken near its byte ")), "{told}");
            let trailing = [&packed[..], b"and more"].concat();
            let told = world.refused(&trailing).await;
            assert!(told.starts_with(&format!("the {what} archive ")), "{told}");
        }
        assert!(!world.database.has("t").await);
    }
}

async fn small(limit: u64) -> World {
    let world = World::over(crate::database::Database::sqlite());
    world.with(ImportsConfig { unpacked_limit: limit, ..ImportsConfig::default() })
}

#[tokio::test]
async fn what_unpacks_to_more_than_the_limit_is_refused() {
    let world = small(1 << 20).await;
    let csv = format!("a\n{}", "some text that is long enough\n".repeat(100_000));
    for packed in [gzip(csv.as_bytes()), zstd(csv.as_bytes())] {
        let told = world.refused(&packed).await;
        assert_eq!(told, "the file unpacks to more than 1 MiB, the most that is allowed (imports.unpacked_limit)");
    }
    let rows: String = (1..50_000).map(|row| format!("<row r=\"{row}\"><c r=\"A{row}\"><v>1</v></c></row>")).collect();
    assert_eq!(
        world.refused(sheet(&rows)).await,
        "the file unpacks to more than 1 MiB, the most that is allowed (imports.unpacked_limit)"
    );
    assert_eq!(world.import(&csv).await["rows"], 100_000, "what is not packed may be large");
}

#[tokio::test]
async fn a_bomb_is_told_by_what_it_would_become() {
    let world = World::over(crate::database::Database::sqlite());
    let words = "the file unpacks to more than 200 times its size, so it is not unpacked further";
    // 300 MB of nothing.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(b"a\n").unwrap();
    (0..300).for_each(|_| encoder.write_all(&[b'1', b'\n'].repeat(500_000)).unwrap());
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() * 200 < 300_000_000, "{}", bomb.len());
    assert_eq!(world.refused(&bomb).await, words);
    // A bomb in a bomb is never opened.
    assert!(world.refused(gzip(&bomb)).await.starts_with("the file is a gzip archive"));
    let cells = format!("<c><v>1</v></c>{}", " ".repeat(500_000)).repeat(400);
    let row = format!("<worksheet><sheetData><row>{cells}</row></sheetData></worksheet>");
    let told = world.refused(book(&[("xl/worksheets/sheet1.xml", row.as_bytes())])).await;
    assert_eq!(told, words);
    let picture = vec![0; 150 << 20];
    let output = world.import(book(&[("xl/media/image1.png", &picture)])).await;
    assert_eq!(output["rows"], 1, "what is not read cannot harm");
}

#[tokio::test]
async fn a_window_that_needs_too_much_memory_is_refused() {
    let world = World::over(crate::database::Database::sqlite());
    // A frame whose header asks for a window of 2 GiB, as `zstd --long=31` writes it.
    let frame = [0x28, 0xB5, 0x2F, 0xFD, 0x00, 21 << 3, 0x01, 0, 0];
    let told = world.refused(frame).await;
    assert!(told.contains("it needs 2048 MiB of memory, and 128 MiB is the most that is given"), "{told}");
}

#[tokio::test]
async fn a_directory_of_very_many_parts_is_never_read() {
    let world = World::over(crate::database::Database::sqlite());
    let mut archive = book(&[]);
    let end = archive.len() - 22;
    archive[end + 8..end + 12].copy_from_slice(&[0xFF, 0xFF, 0xFF, 0xFF]);
    assert_eq!(world.refused(&archive).await, "the workbook has more than 10000 parts, too many to be one");
}

#[tokio::test]
async fn a_sheet_with_too_many_columns_is_refused_early() {
    let world = World::over(crate::database::Database::sqlite());
    let cells: String = (0..3000).map(|column| format!("<c t=\"str\"><v>c{column}</v></c>")).collect();
    let told = world.refused(sheet(&format!("<row r=\"1\">{cells}</row>"))).await;
    assert_eq!(told, "the file has 3000 columns; a table of SQLite has 2000 at most");
    let told = world.refused(format!("a{}\n1\n", ",".repeat(999_999))).await;
    assert_eq!(told, "the file has 1000000 columns; a table of SQLite has 2000 at most");
    let keys: String = (0..3000).map(|key| format!("{{\"k{key}\":1}}\n")).collect();
    let told = world.refused(keys).await;
    assert_eq!(told, "with line 2001 there are more than 2000 keys, too many for a table");
    // Somebody may say what a file is, and be wrong.
    let told = world.refused_with("a,b\n", json!({"compression": "zstd"})).await;
    assert!(told.starts_with("the zstd archive "), "{told}");
}
