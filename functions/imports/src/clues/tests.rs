use serde_json::json;

use super::*;
use crate::{column::ColumnType, notation::FieldKind};

/// The notation of the first column of several.
fn first(columns: &[&[&str]], options: serde_json::Value) -> (Notation, Vec<String>) {
    let clues: Vec<_> = columns
        .iter()
        .map(|fields| {
            let mut clues = Clues::default();
            fields.iter().for_each(|field| clues.observe(field.as_bytes()));
            clues
        })
        .collect();
    let options = serde_json::from_value(options).unwrap();
    Findings::of(&clues).notation(&clues[0], &options, false)
}

/// The text that the first value of the first column is read as, by the narrowest type.
fn read(columns: &[&[&str]], options: serde_json::Value) -> String {
    let (notation, _) = first(columns, options);
    let types = [ColumnType::Integer, ColumnType::Number, ColumnType::Date, ColumnType::Timestamp];
    let field = columns[0][0].as_bytes();
    let read = types.iter().find_map(|each| each.read_as(field, FieldKind::Untyped, &notation));
    read.map_or("text".to_owned(), |(text, _)| String::from_utf8(text.into_owned()).unwrap())
}

#[test]
fn numbers_are_read_where_the_file_shows_how() {
    for (columns, number) in [
        (&[&["1,5"][..]][..], "1.5"),
        (&[&["1.234,56"]], "1234.56"),
        (&[&["1,234.56"]], "1234.56"),
        (&[&["1,234,567"]], "1234567"),
        (&[&["1.234.567"]], "1234567"),
        (&[&["1.234"]], "1.234"),
        (&[&["1.5"], &["x"]], "1.5"),
        (&[&["1,234", "2,5"]], "1.234"),
        (&[&["1,234"], &["2,5"]], "1.234"),
        (&[&["1,234", "1,234,567"]], "1234"),
        (&[&["1,234"], &["1,234.5"]], "1234"),
        (&[&["1.234", "1.234,5"]], "1234"),
        (&[&["1.234"], &["1.234,5"]], "1234"),
        (&[&["1 234,5"]], "1234.5"),
        (&[&["1\u{A0}234"]], "1234"),
        (&[&["1'234.5"]], "1234.5"),
        (&[&["0,123"]], "0.123"),
        (&[&["-12,5"]], "-12.5"),
        (&[&["12"], &["1,5"]], "12"),
        (&[&["2.5", "1.234"], &["1,5"]], "2.5"),
    ] {
        assert_eq!(read(columns, json!({})), number, "{columns:?}");
    }
}

#[test]
fn what_may_be_two_numbers_is_none() {
    for columns in [
        &[&["1,234"][..]][..],
        &[&["1,234"], &["5.5"]],
        &[&["1,234"], &["2,5"], &["3.5"]],
        &[&["1.234"], &["2,5"]],
        &[&["1.234"], &["2,5"], &["3.5"]],
        &[&["1,5", "2.5"]],
        &[&["1 234"]],
        &[&["1.2.3"]],
        &[&["1,23,456"]],
    ] {
        assert_eq!(read(columns, json!({})), "text", "{columns:?}");
    }
    let (_, notes) = first(&[&["1,234"]], json!({}));
    assert_eq!(notes, ["\"1,234\" may be two numbers and is none; say which (decimal, thousands)"]);
    assert_eq!(read(&[&["1,234"]], json!({"decimal": ","})), "1.234");
    assert_eq!(read(&[&["1,234"]], json!({"thousands": ","})), "1234");
    assert_eq!(read(&[&["1.234"]], json!({"decimal": ","})), "text");
    assert_eq!(read(&[&["1.234"]], json!({"thousands": "."})), "1234");
    assert_eq!(read(&[&["1,5"]], json!({"decimal": "."})), "text");
}

#[test]
fn dates_are_read_where_the_file_shows_their_order() {
    for (columns, date) in [
        (&[&["01/02/2026", "31/12/2026"][..]][..], "2026-02-01"),
        (&[&["01/02/2026", "12/31/2026"]], "2026-01-02"),
        (&[&["1.2.2026"]], "2026-02-01"),
        (&[&["01/02/2026"], &["13/01/2026"]], "2026-02-01"),
        (&[&["01/02/2026 10:00", "31/12/2026 10:00"]], "2026-02-01 10:00:00"),
        (&[&["2026/02/01"]], "2026-02-01"),
    ] {
        assert_eq!(read(columns, json!({})), date, "{columns:?}");
    }
    for columns in [
        &[&["01/02/2026"][..]][..],
        &[&["01/02/2026", "31/12/2026", "12/31/2026"]],
        &[&["2026.02.01"]],
        &[&["01/02/26"]],
    ] {
        assert_eq!(read(columns, json!({})), "text", "{columns:?}");
    }
    let (_, notes) = first(&[&["01/02/2026"]], json!({}));
    assert_eq!(notes, ["\"01/02/2026\" may be two days and is none; say which (dates)"]);
    assert_eq!(read(&[&["01/02/2026"]], json!({"dates": "mdy"})), "2026-01-02");
}

#[test]
fn a_word_for_nothing_is_one_beside_numbers_and_dates_alone() {
    let nulls = |fields: &[&str]| first(&[fields], json!({})).0.found_nulls;
    assert_eq!(nulls(&["1", "NA", "2,5"]), [b"NA".to_vec()]);
    assert_eq!(nulls(&["2026-01-01", "-", "NULL"]), [b"NULL".to_vec(), b"-".to_vec()]);
    for fields in [&["NA", "DE"][..], &["NA"], &["1", "NA", "x"], &["00501", "NA", "x1"], &["true", "NA"]] {
        assert!(nulls(fields).is_empty(), "{fields:?}");
    }
    let (given, _) = first(&[&["1", "NA"]], json!({"nulls": ["-"]}));
    assert_eq!((given.nulls.len(), given.found_nulls.len()), (1, 0));
}
