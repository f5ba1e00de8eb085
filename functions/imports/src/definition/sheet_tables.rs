//! Which sheets of a workbook go into which tables.

use std::{collections::BTreeMap, fmt};

use schemars::JsonSchema;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{self, MapAccess, Unexpected, Visitor, value::MapAccessDeserializer},
};
use unicode_normalization::UnicodeNormalization;

use crate::{
    column::{plain_enum, preview},
    table_name::TableName,
};

/// Sheets that one import takes.
pub(crate) const MAX_SHEETS: usize = 100;
/// Bytes of a table's name.
const MAX_BYTES: usize = 63;

/// The tables of several sheets, as an input names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum SheetTables {
    /// Every sheet that has a value, each into a table that is named after it.
    Each(Each),
    /// The table of each sheet, by the sheet's name.
    Named(#[schemars(with = "BTreeMap<String, String>")] BTreeMap<String, TableName>),
}

/// Every sheet that has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(transform = plain_enum)]
pub enum Each {
    /// `each`
    Each,
}

impl<'de> Deserialize<'de> for SheetTables {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SheetTablesVisitor)
    }
}

/// Reads either form, so that what is wrong with a table is said; an untagged enum would not.
struct SheetTablesVisitor;

impl<'de> Visitor<'de> for SheetTablesVisitor {
    type Value = SheetTables;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"each\", or the table of each sheet by the sheet's name")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<SheetTables, E> {
        match text {
            "each" => Ok(SheetTables::Each(Each::Each)),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SheetTables, A::Error> {
        BTreeMap::deserialize(MapAccessDeserializer::new(map)).map(SheetTables::Named)
    }
}

/// The table that a sheet's name gives, after a beginning where there is one; the reason why it gives none.
pub(crate) fn table_of(sheet: &str, beginning: Option<&TableName>) -> Result<TableName, String> {
    let mut name = String::new();
    // Without accents, as the page names a table after a file.
    for letter in sheet.nfkd().filter(|letter| !unicode_normalization::char::is_combining_mark(*letter)) {
        match letter.to_ascii_lowercase() {
            letter if letter.is_ascii_alphanumeric() => name.push(letter),
            _ if name.is_empty() || name.ends_with('_') => {}
            _ => name.push('_'),
        }
    }
    name.truncate(name.trim_end_matches('_').len());
    let shown = format!("{:?}", preview(sheet.as_bytes()));
    if name.is_empty() {
        return Err(format!("sheets: the name of the sheet {shown} gives no table's name; say which table is meant"));
    }
    let name = match beginning {
        Some(beginning) => format!("{}_{name}", beginning.as_str()),
        None if TableName::try_from(name.clone()).is_err() => format!("t_{name}"),
        None => name,
    };
    if name.len() > MAX_BYTES {
        return Err(format!("sheets: the sheet {shown} would go into {name}, a longer name than a table may have"));
    }
    TableName::try_from(name).map_err(|reason| format!("sheets: of the sheet {shown}, {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_named_after_its_sheet_or_the_reason_is_said() {
        let named = |sheet: &str| table_of(sheet, None).map(String::from);
        for (sheet, table) in [
            ("Orders", "orders"),
            ("  Größe & Gewicht (kg) ", "gro_e_gewicht_kg"),
            ("Café", "cafe"),
            ("2026", "t_2026"),
            ("pg_data", "t_pg_data"),
        ] {
            assert_eq!(named(sheet).as_deref(), Ok(table), "{sheet}");
        }
        assert!(named("订单").unwrap_err().contains("the sheet \"订单\" gives no table's name"));
        assert!(named(&"x".repeat(64)).unwrap_err().contains("a longer name than a table may have"));
        let shop = TableName::try_from("shop".to_owned()).unwrap();
        assert_eq!(table_of("2026 Q1", Some(&shop)).map(String::from).as_deref(), Ok("shop_2026_q1"));
        assert!(table_of(&"x".repeat(60), Some(&shop)).is_err());
    }
}
