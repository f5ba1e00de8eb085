//! Which numbers of a workbook are dates, times and durations: only the format of a cell says so.

use std::collections::HashMap;

use quick_xml::events::Event;
use runtime::Failure;

use crate::read::xlsx::{checked::PartKind, package::Package, part::attribute};

/// What a number stands for by its format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum NumberFormat {
    #[default]
    Number,
    /// A day, with or without a time.
    Day,
    /// A time of day.
    Time,
    /// A time that may have more than 24 hours.
    Elapsed,
}

/// The formats of cells by their style.
#[derive(Debug, Default)]
pub(crate) struct CellFormats(Vec<NumberFormat>);

impl CellFormats {
    /// Reads them; a workbook without the part has none.
    pub(crate) fn read(package: &mut Package, name: Option<&str>) -> Result<Self, Failure> {
        let mut formats = Vec::new();
        let Some(name) = name else { return Ok(Self::default()) };
        let Some(mut part) = package.part(name, PartKind::Settings)? else { return Ok(Self::default()) };
        let mut custom = HashMap::new();
        let mut in_cell_formats = false;
        loop {
            match part.next()? {
                Event::Start(tag) => match tag.local_name().as_ref() {
                    "numFmt" => {
                        if let (Some(id), Some(code)) = (attribute(&tag, "numFmtId"), attribute(&tag, "formatCode")) {
                            custom.insert(id.trim().parse().unwrap_or(0_u32), NumberFormat::of_code(&code));
                        }
                    }
                    "cellXfs" => in_cell_formats = true,
                    "xf" if in_cell_formats => {
                        let id = attribute(&tag, "numFmtId").and_then(|id| id.trim().parse().ok()).unwrap_or(0);
                        formats.push(custom.get(&id).copied().unwrap_or_else(|| NumberFormat::built_in(id)));
                    }
                    _ => {}
                },
                Event::End(tag) if tag.local_name().as_ref() == "cellXfs" => in_cell_formats = false,
                Event::Eof => return Ok(Self(formats)),
                _ => {}
            }
        }
    }

    /// The format of a style.
    pub(crate) fn get(&self, style: usize) -> NumberFormat {
        self.0.get(style).copied().unwrap_or_default()
    }
}

impl NumberFormat {
    /// The format of a number that every program knows; some are dates in East Asia alone.
    pub(crate) fn built_in(id: u32) -> Self {
        match id {
            14..=17 | 22 | 27..=31 | 36 | 50..=54 | 57 | 58 => Self::Day,
            18..=21 | 32..=35 | 45 | 47 | 55 | 56 => Self::Time,
            46 => Self::Elapsed,
            _ => Self::Number,
        }
    }

    /// The format of a code such as `[$-407]d. mmm yyyy`, by its first section.
    pub(crate) fn of_code(code: &str) -> Self {
        let (mut day, mut time, mut months) = (false, false, false);
        let mut letters = code.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter.to_ascii_lowercase() {
                ';' => break,
                '"' => while letters.next().is_some_and(|letter| letter != '"') {},
                // What follows stands for itself, is as wide, or fills the cell.
                '\\' | '_' | '*' => drop(letters.next()),
                '[' => {
                    let within: String = letters.by_ref().take_while(|letter| *letter != ']').collect();
                    let within = within.to_ascii_lowercase();
                    let first = within.chars().next();
                    if first.is_some_and(|first| "hms".contains(first) && within.chars().all(|letter| letter == first))
                    {
                        return Self::Elapsed;
                    }
                }
                'y' | 'd' | 'b' => day = true,
                'h' | 's' => time = true,
                // Months, or minutes beside hours and seconds.
                'm' => months = true,
                // "General" is the only word that a code has.
                'g' if letters.peek().is_some_and(|next| next.eq_ignore_ascii_case(&'e')) => return Self::Number,
                _ => {}
            }
        }
        match (day, time, months) {
            (true, _, _) | (false, false, true) => Self::Day,
            (false, true, _) => Self::Time,
            (false, false, false) => Self::Number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_tells_dates_from_numbers() {
        for (codes, format) in [
            (
                &[
                    "General",
                    "0.00",
                    "0%",
                    "#,##0.00 [$€-407]",
                    "[Red]0",
                    "\"day\" 0",
                    "0\\d",
                    "_d0",
                    "0.00E+00",
                    "@",
                    "",
                    "[$USD] 0",
                    "[>=100]0",
                    "#,##0_);[Red](#,##0)",
                    "0;d",
                ][..],
                NumberFormat::Number,
            ),
            (
                &[
                    "yyyy-mm-dd",
                    "[$-407]d. mmm yyyy",
                    "mmm",
                    "d/m/yy h:mm",
                    "[$-F800]dddd, mmmm dd, yyyy",
                    "DD.MM.YYYY",
                    "[Blue]yyyy",
                    "m/d",
                    "yyyy\"年\"m\"月\"",
                ],
                NumberFormat::Day,
            ),
            (&["h:mm", "h:mm:ss AM/PM", "mm:ss.0", "[$-F400]h:mm:ss", "hh"], NumberFormat::Time),
            (&["[h]:mm:ss", "[hh]:mm:ss.000", "[mm]:ss", "[s]", "[H]:MM"], NumberFormat::Elapsed),
        ] {
            for code in codes {
                assert_eq!(NumberFormat::of_code(code), format, "{code}");
            }
        }
    }
}
