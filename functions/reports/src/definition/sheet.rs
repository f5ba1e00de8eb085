//! A sheet of a report: one query and how its rows are shown.

use serde::Deserialize;

use super::{
    chart::ChartDefinition,
    column::{Column, ColumnDefinition},
    sql_template::SqlTemplate,
};

/// The name of a report's only sheet.
pub(crate) const ONLY_SHEET: &str = "Data";
/// What a sheet's name may have in a workbook: so many units of UTF-16, and none of these.
const MAX_NAME: usize = 31;
const NO_NAME: [char; 7] = ['[', ']', ':', '*', '?', '/', '\\'];
/// Names that a workbook, or its sheet about itself, has already.
const RESERVED: [&str; 2] = ["about", "history"];

/// `[[sheet]]`, or what a report without them declares at its top.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SheetDefinition {
    /// The name of its query: `-- name: NAME` stands before that. Empty: the only one.
    #[serde(default)]
    pub(crate) name: String,
    /// Its name in a workbook, its heading elsewhere.
    #[serde(default)]
    pub(crate) title: String,
    pub(crate) chart: Option<ChartDefinition>,
    #[serde(default, rename = "column")]
    pub(crate) columns: Vec<ColumnDefinition>,
    #[serde(skip)]
    pub(crate) sql: SqlTemplate,
}

impl SheetDefinition {
    /// The columns of these names, with the titles and formats that are declared. A name or title that is there already
    /// gets a number.
    pub(crate) fn columns(&self, names: Vec<String>) -> Vec<Column> {
        let names = distinct(names, |name, number| format!("{name}_{number}"));
        let declared = |name: &String| self.columns.iter().find(|declared| declared.name == *name);
        let title = |name: &String| declared(name).and_then(|declared| declared.title.clone());
        let titles = names.iter().map(|name| title(name).unwrap_or_else(|| name.clone())).collect();
        let titles = distinct(titles, |title, number| format!("{title} ({number})"));
        let column = |(name, title): (String, String)| Column {
            format: declared(&name).and_then(|declared| declared.format),
            name,
            title,
        };
        names.into_iter().zip(titles).map(column).collect()
    }
}

/// Makes each name different from all others.
fn distinct(names: Vec<String>, numbered: impl Fn(&str, usize) -> String) -> Vec<String> {
    let mut taken: std::collections::HashSet<String> = names.iter().cloned().collect();
    let mut seen = std::collections::HashSet::new();
    let rename = |name: String| {
        if seen.insert(name.clone()) {
            return name;
        }
        let free = (2..).map(|number| numbered(&name, number)).find(|name| !taken.contains(name));
        let free = free.expect("there are more numbers than names");
        taken.insert(free.clone());
        free
    };
    names.into_iter().map(rename).collect()
}

/// Checks that a workbook can have a sheet of this name.
pub(super) fn check_sheet_name(name: &str) -> Result<(), String> {
    let length = name.encode_utf16().count();
    if !(1..=MAX_NAME).contains(&length) || name.contains(char::is_control) {
        Err(format!("the title of a sheet has 1 to {MAX_NAME} characters"))
    } else if let Some(letter) = name.chars().find(|letter| NO_NAME.contains(letter)) {
        Err(format!("the title of a sheet has no {letter:?}"))
    } else if name.starts_with('\'') || name.ends_with('\'') {
        Err("the title of a sheet has no apostrophe at its ends".to_owned())
    } else if RESERVED.contains(&name.to_lowercase().as_str()) {
        Err(format!("the title {name:?} is taken by another sheet of a workbook"))
    } else {
        Ok(())
    }
}

/// A name of a sheet that none of these has: this one, cut and numbered where it must be.
pub(crate) fn free_sheet_name(wanted: &str, taken: &[String]) -> String {
    let is_free = |name: &String| taken.iter().all(|other| other.to_lowercase() != name.to_lowercase());
    let cut = |suffix: String| {
        let room = MAX_NAME - suffix.len();
        let mut units = 0;
        let fits = |letter: &char| {
            units += letter.len_utf16();
            units <= room
        };
        wanted.chars().take_while(fits).collect::<String>() + &suffix
    };
    let numbered = (2..).map(|number| cut(format!(" {number}")));
    std::iter::once(cut(String::new())).chain(numbered).find(is_free).expect("there are more numbers than sheets")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_one_name_get_two_and_so_do_their_titles() {
        let sheet: SheetDefinition = serde_json::from_value(serde_json::json!({
            "column": [{"name": "n", "title": "N"}, {"name": "n_3", "title": "N", "format": "integer"}],
        }))
        .unwrap();
        let columns = sheet.columns(["n", "n", "n_2", "n", "N"].map(str::to_owned).into());
        let names: Vec<_> = columns.iter().map(|column| (column.name.as_str(), column.title.as_str())).collect();
        assert_eq!(names, [("n", "N"), ("n_3", "N (2)"), ("n_2", "n_2"), ("n_4", "n_4"), ("N", "N (3)")]);
        assert!(columns[1].format.is_some());
    }

    #[test]
    fn a_sheet_is_named_as_a_workbook_can_name_it() {
        for name in ["Orders", "é".repeat(31).as_str(), "a'b", "😀 of 2026"] {
            assert_eq!(check_sheet_name(name), Ok(()), "{name}");
        }
        for name in
            ["", "a/b", "'a", "a'", "History", "ABOUT", "a\nb", "😀".repeat(16).as_str(), "a".repeat(32).as_str()]
        {
            assert!(check_sheet_name(name).is_err(), "{name}");
        }
        let taken = ["Orders Chart".to_owned(), "😀".repeat(15)];
        assert_eq!(free_sheet_name("orders chart", &taken), "orders chart 2");
        assert_eq!(free_sheet_name(&"😀".repeat(40), &taken), "😀".repeat(14) + " 2");
    }
}
