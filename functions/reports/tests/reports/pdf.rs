//! PDF, as pdftotext and pdffonts read it.

use std::fmt::Write as _;

use reports::ReportsConfig;
use runtime::testing;
use serde_json::json;

use crate::{
    database::Database,
    fixture::{Fixture, over_both, permanent_message},
    readers::{fonts, pages},
};

const ALPHABETS: [&str; 7] = [
    "Zażółć gęślą jaźń",
    "Größe ÄÖÜ äöüß €",
    "Ξεσκεπάζω την ψυχοφθόρα",
    "Съешь ещё этих булок",
    "Příliš žluťoučký kůň",
    "Sigríður Þór, Ñandú, œuvre",
    "½ × 5 µm ± 1 → ≥ 2 ™ № “„–—…",
];

/// A query of these texts.
fn texts(texts: &[&str]) -> String {
    let rows = texts.iter().enumerate().map(|(index, text)| format!("SELECT {index} AS n, '{text}' AS t"));
    rows.collect::<Vec<_>>().join(" UNION ALL ") + " ORDER BY n"
}

over_both! {
    async fn the_text_of_a_pdf_is_that_of_its_values_in_every_alphabet_of_europe(fixture) {
        let file = fixture.create_file(&texts(&ALPHABETS), "pdf").await;
        let text = pages(&file).concat();
        for alphabet in ALPHABETS {
            assert!(text.contains(alphabet), "{alphabet}: {text}");
        }
        assert!(!text.contains("[U+"), "{text}");
        let fonts = fonts(&file);
        let dejavu = fonts.lines().find(|line| line.contains("DejaVuSans")).unwrap();
        // Embedded, a part of it, with its letters.
        assert!(dejavu.contains("CID TrueType") && dejavu.contains("yes yes yes"), "{fonts}");
    }

    async fn a_letter_that_cannot_be_set_is_shown_by_its_code_and_copied_as_itself(fixture) {
        let rows = ["漢字", "שלום", "سلام", "a\u{301}x", "नमस्ते", "x\u{202e}y"];
        let file = fixture.create_file(&texts(&rows), "pdf").await;
        let text = pages(&file).concat();
        for letters in ["漢字", "áx"] {
            assert!(text.contains(letters), "{letters}: {text}");
        }
        // pdftotext puts letters of other directions in order; each of them is there.
        assert!(["ש", "ל", "س", "م", "न"].iter().all(|letter| text.contains(letter)), "{text}");
        assert!(text.contains("is shown by its code in brackets"), "{text}");
        let other = fixture.create_file(&texts(&["only Latin"]), "pdf").await;
        assert!(!pages(&other).concat().contains("in brackets"));
    }

    async fn every_page_has_the_header_and_its_number_and_every_row_is_there_once(fixture) {
        let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)";
        let sql = format!("{numbers} SELECT i AS number, 'row-' || i || '.' AS word FROM n ORDER BY i");
        let toml = "[[column]]\nname = \"number\"\ntitle = \"The number\"\nformat = \"integer\"";
        let pages = pages(&fixture.create_file_with(&sql, toml, "pdf").await);
        assert!(pages.len() > 10, "{}", pages.len());
        for (index, page) in pages.iter().enumerate() {
            assert!(page.contains("The number") && page.contains("word"), "{page}");
            assert!(page.contains(&format!("Page {} of {}", index + 1, pages.len())), "{page}");
        }
        let all = pages.concat();
        let found: Vec<_> = all.split_whitespace().filter(|word| word.starts_with("row-")).collect();
        let expected: Vec<_> = (1..=1000).map(|at| format!("row-{at}.")).collect();
        assert_eq!(found, expected);
        assert!(all.contains("1,000") && pages[0].contains("1,000 rows"), "{}", pages[0]);
    }

    async fn a_text_of_many_lines_goes_on_over_pages_and_loses_no_word(fixture) {
        let mut long = String::new();
        (0..3000).for_each(|at| write!(long, "word{at} ").unwrap());
        let sql = format!("SELECT 'short' AS a, '{long}' AS b, 'no{}end' AS c", "x".repeat(400));
        let pages = pages(&fixture.create_file(&sql, "pdf").await);
        assert!(pages.len() > 2, "{}", pages.len());
        let all = pages.concat();
        let words: Vec<_> = all.split_whitespace().filter(|word| word.starts_with("word")).collect();
        let expected: Vec<_> = (0..3000).map(|at| format!("word{at}")).collect();
        assert_eq!(words, expected);
        assert_eq!(all.matches('x').count(), 400);
    }

    async fn a_chart_is_drawn_with_its_labels(fixture) {
        fixture.database.execute("CREATE TABLE s (state text, n integer); INSERT INTO s VALUES ('TX', 500), ('NÿŁ', -300), ('=1', NULL)").await;
        for kind in ["bar", "line", "scatter"] {
            let x = if kind == "scatter" { "n" } else { "state" };
            let toml = format!("[chart]\ntype = \"{kind}\"\nx = \"{x}\"\ny = \"n\"\n[[column]]\nname = \"n\"\ntitle = \"Number of them\"");
            let file = fixture.create_file_with("SELECT state, n FROM s ORDER BY n DESC NULLS LAST", &toml, "pdf").await;
            let text = pages(&file).concat();
            assert!(text.contains("by ") && text.contains("400") && text.contains("-200"), "{kind}: {text}");
            assert_eq!(text.matches("NÿŁ").count(), if kind == "scatter" { 1 } else { 2 }, "{kind}: {text}");
        }
        let toml = "[chart]\ntype = \"bar\"\nx = \"state\"\ny = \"state\"";
        let text = pages(&fixture.create_file_with("SELECT state FROM s", toml, "pdf").await).concat();
        assert!(text.contains("There is no chart: the column state holds no numbers."), "{text}");
    }

    async fn what_no_page_can_hold_is_refused_in_words(fixture) {
        let columns: Vec<_> = (0..60).map(|at| format!("{at} AS c{at}")).collect();
        fixture.define("it", &format!("SELECT {}", columns.join(", ")), "title = \"It\"");
        let message = permanent_message(fixture.run(json!({"report": "it", "format": "pdf"})).await);
        assert_eq!(message, "The report has 60 columns; a page of a PDF has 35 at most. Take XLSX or CSV.");
        let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT i FROM n";
        fixture.define("it", sql, "title = \"It\"");
        let reports = fixture.try_open(ReportsConfig { pdf_row_limit: 99, ..fixture.config() }).unwrap();
        let ended = testing::run(&reports, &fixture.context().0, json!({"report": "it", "format": "pdf"})).await;
        assert_eq!(
            permanent_message(ended),
            "The report has more than 99 rows, the most of a PDF (reports.pdf_row_limit); nothing was kept. Ask for less, or take XLSX or CSV."
        );
        testing::run(&reports, &fixture.context().0, json!({"report": "it", "format": "csv"})).await.unwrap();
        let none = pages(&fixture.create_file("SELECT 1 AS empty WHERE 1 = 0", "pdf").await);
        assert!(none.len() == 1 && none[0].contains("empty") && none[0].contains("0 rows"), "{none:?}");
    }
}

#[tokio::test]
async fn a_font_of_the_settings_is_asked_for_what_the_first_has_not_and_what_is_none_is_named() {
    let fixture = Fixture::new(Database::sqlite());
    let config = ReportsConfig { pdf_fonts: vec!["/nowhere/font.ttf".into()], ..fixture.config() };
    let message = fixture.try_open(config).err().unwrap().to_string();
    assert!(message.starts_with("reports.pdf_fonts (BELLWIRE_REPORTS__PDF_FONTS): /nowhere/font.ttf: "), "{message}");
    fixture.define("it", "SELECT 1", "title = \"It\"");
    let text = fixture.definitions().join("it.toml");
    let message =
        fixture.try_open(ReportsConfig { pdf_fonts: vec![text], ..fixture.config() }).err().unwrap().to_string();
    assert!(message.ends_with("it.toml: it is no TrueType or OpenType font"), "{message}");
    // The same letters in another font: the first has them all.
    let font = fixture.definitions().join("Mono.ttf");
    std::fs::write(&font, dejavu::sans_mono::regular()).unwrap();
    let reports = fixture.try_open(ReportsConfig { pdf_fonts: vec![font], ..fixture.config() }).unwrap();
    let done = testing::run(&reports, &fixture.context().0, json!({"report": "it", "format": "pdf"})).await.unwrap();
    let used = fonts(&fixture.get(&done.output).await);
    assert!(used.contains("DejaVuSans") && !used.contains("Mono"), "{used}");
}
