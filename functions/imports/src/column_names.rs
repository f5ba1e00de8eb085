//! Makes column names of header fields that both databases accept.

use std::collections::{HashMap, HashSet};

/// PostgreSQL cuts longer names, and two could become one.
const MAX_BYTES: usize = 63;

/// PostgreSQL has columns of these names in every table.
const RESERVED: [&str; 6] = ["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];

/// Makes a name of every field of a header: letters, digits and '_', no digit first, unique whatever the case.
pub(crate) fn unique_names<'a>(header: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut taken: HashSet<String> = RESERVED.map(str::to_owned).into();
    // The number to try next, so that very many fields of one name do not all try all numbers.
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let unique = |(at, field): (usize, &str)| {
        let name = column_name(field, at + 1);
        let mut candidate = name.clone();
        let next = numbers.entry(name.to_lowercase()).or_insert(2);
        while !taken.insert(candidate.to_lowercase()) {
            let suffix = format!("_{next}");
            candidate = format!("{}{suffix}", truncate(&name, MAX_BYTES - suffix.len()));
            *next += 1;
        }
        candidate
    };
    header.enumerate().map(unique).collect()
}

fn column_name(field: &str, position: usize) -> String {
    let mut name = String::new();
    for letter in field.trim().chars() {
        match letter {
            letter if letter.is_alphanumeric() || letter == '_' => name.push(letter),
            _ if name.is_empty() || name.ends_with('_') => {}
            _ => name.push('_'),
        }
    }
    // An '_' at the end stays where the header has it, and not where it replaces a bracket.
    if !field.trim().ends_with('_') {
        name.truncate(name.trim_end_matches('_').len());
    }
    if name.is_empty() {
        return format!("column_{position}");
    }
    if name.starts_with(char::is_numeric) {
        name.insert(0, '_');
    }
    truncate(&name, MAX_BYTES).to_owned()
}

/// The first bytes, whole characters only.
fn truncate(name: &str, max_bytes: usize) -> &str {
    &name[..name.floor_char_boundary(max_bytes)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(header: &[&str]) -> Vec<String> {
        unique_names(header.iter().copied())
    }

    #[test]
    fn a_good_name_stays_and_others_become_good() {
        let header = ["iata", "Zip_Code", "Größe", "Sepal Length (cm)", " Flight No. ", "2020", "a\"; DROP", "__x_"];
        let names = ["iata", "Zip_Code", "Größe", "Sepal_Length_cm", "Flight_No", "_2020", "a_DROP", "__x_"];
        assert_eq!(named(&header), names);
    }

    #[test]
    fn no_name_is_empty_or_there_twice_in_any_case() {
        assert_eq!(named(&["", "a", "A", "a_2", "a", "?"]), ["column_1", "a", "A_2", "a_2_2", "a_3", "column_6"]);
        assert_eq!(named(&["xmin", "ctid"]), ["xmin_2", "ctid_2"]);
    }

    #[test]
    fn a_long_name_is_cut_to_what_postgresql_keeps() {
        let long = "ü".repeat(40);
        let names = named(&[&long, &long]);
        assert!(names.iter().all(|name| name.len() <= MAX_BYTES));
        assert_ne!(names[0], names[1]);
    }
}
