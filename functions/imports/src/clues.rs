//! Finds out the notation of columns from the values of a sample. What can be read in two ways is read in none.

use crate::{
    column::preview,
    moment::{DateOrder, WrittenDate},
    notation::Notation,
    number::{self, Decimal, Thousands},
    options::FileOptions,
};

/// Words that stand for no value where everything else in a column is a number or a date.
const NULL_WORDS: [&str; 16] =
    ["NA", "N/A", "n/a", "na", "#N/A", "NaN", "nan", "NULL", "null", "None", "none", "\\N", "-", "--", "?", "."];

/// What the values of a column tell of its notation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clues {
    numbers: NumberClues,
    /// Days that are surely first or second, and a date where either may be.
    day_first: bool,
    month_first: bool,
    either_order: Option<String>,
    /// Values that are numbers or dates, and those that are neither.
    has_values: bool,
    has_others: bool,
    /// The words for no value, by their place in `NULL_WORDS`.
    null_words: u32,
}

#[derive(Debug, Clone, Default)]
struct NumberClues {
    comma_decimal: bool,
    point_decimal: bool,
    /// Characters that surely stand between groups of digits.
    groups: Vec<Thousands>,
    /// A number such as `1,234`, which may be two.
    comma_either: Option<String>,
    /// A number such as `1.234`.
    point_either: Option<String>,
}

impl Clues {
    /// Learns from a value.
    pub(crate) fn observe(&mut self, field: &[u8]) {
        let field = field.trim_ascii();
        if field.is_empty() {
            return;
        }
        if let Some(at) = NULL_WORDS.iter().position(|word| word.as_bytes() == field) {
            self.null_words |= 1 << at;
        } else if let Some(date) = WrittenDate::parse(field) {
            self.has_values = true;
            self.observe_date(&date, field);
        } else if self.numbers.observe(field) {
            self.has_values = true;
        } else {
            self.has_others = true;
        }
    }

    /// True if a field is a word for no value, where everything else is a number or a date.
    pub(crate) fn is_null_word(field: &[u8]) -> bool {
        NULL_WORDS.iter().any(|word| word.as_bytes() == field)
    }

    /// True if a field is a number or a date in some notation, or a word for no value.
    pub(crate) fn is_value(field: &[u8]) -> bool {
        let mut clues = Self::default();
        clues.observe(field);
        !clues.has_others
    }

    fn observe_date(&mut self, date: &WrittenDate<'_>, field: &[u8]) {
        let [first, second, _] = date.parts;
        match (first, second) {
            _ if date.year_first => {}
            // Nobody writes the month first before a dot.
            (1..=31, 1..=12) if date.separator == b'.' => self.day_first = true,
            (13..=31, 1..=12) => self.day_first = true,
            (1..=12, 13..=31) => self.month_first = true,
            (1..=12, 1..=12) => drop(self.either_order.get_or_insert_with(|| preview(field))),
            _ => self.has_others = true,
        }
    }

    /// The order of the column's dates, where its own values or those of the others show it.
    fn order(&self, file: &Self) -> Option<DateOrder> {
        match (self.day_first, self.month_first) {
            (true, false) => Some(DateOrder::Dmy),
            (false, true) => Some(DateOrder::Mdy),
            (false, false) if self.either_order.is_some() => match (file.day_first, file.month_first) {
                (true, false) => Some(DateOrder::Dmy),
                (false, true) => Some(DateOrder::Mdy),
                _ => None,
            },
            _ => None,
        }
    }

    /// The words for no value, if nothing else stands between numbers and dates.
    fn nulls(&self) -> Vec<Vec<u8>> {
        let seen = NULL_WORDS.iter().enumerate().filter(|(at, _)| self.null_words >> at & 1 == 1);
        match self.has_values && !self.has_others {
            true => seen.map(|(_, word)| word.as_bytes().to_vec()).collect(),
            false => Vec::new(),
        }
    }
}

impl NumberClues {
    /// Learns from a number; answers whether it is one in some notation.
    fn observe(&mut self, field: &[u8]) -> bool {
        let Ok(text) = std::str::from_utf8(field) else { return false };
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let separators: Vec<(usize, char)> =
            unsigned.char_indices().filter(|(_, letter)| !letter.is_ascii_digit()).take(12).collect();
        let [leading @ .., (at, last)] = separators.as_slice() else { return !unsigned.is_empty() };
        let digits_after = unsigned.len() - at - last.len_utf8();
        let Some((first_at, first)) = leading.first() else {
            return self.observe_one(unsigned, *at, *last, digits_after);
        };
        // Several separators: groups, and perhaps a fraction.
        let Some(thousands) = thousands_of(*first) else { return is_number(field) };
        let decimal = decimal_of(*last).filter(|_| last != first);
        let whole = if decimal.is_some() { &unsigned[..*at] } else { unsigned };
        let is_grouped = *first_at > 0 && thousands.ungroup(whole.as_bytes()).is_some();
        if !is_grouped || (decimal.is_some() && digits_after == 0) {
            return is_number(field);
        }
        self.add_groups(thousands);
        self.comma_decimal |= decimal == Some(Decimal::Comma);
        self.point_decimal |= decimal == Some(Decimal::Point);
        true
    }

    /// Learns from digits with one other character among them.
    fn observe_one(&mut self, unsigned: &str, at: usize, separator: char, digits_after: usize) -> bool {
        let may_be_group = digits_after == 3 && (1..=3).contains(&at) && !unsigned.starts_with('0');
        let example = || preview(unsigned.as_bytes());
        match separator {
            ',' if may_be_group => drop(self.comma_either.get_or_insert_with(example)),
            ',' if digits_after > 0 => self.comma_decimal = true,
            '.' if may_be_group => drop(self.point_either.get_or_insert_with(example)),
            '.' => self.point_decimal = true,
            // Those are typed for numbers alone; plain blanks stand between two of them as well.
            '\u{A0}' | '\u{202F}' | '\u{2009}' | '\'' | '\u{2019}' | '_' if may_be_group => {
                thousands_of(separator).into_iter().for_each(|thousands| self.add_groups(thousands));
            }
            ' ' => return false,
            _ => return is_number(unsigned.as_bytes()),
        }
        true
    }

    fn add_groups(&mut self, thousands: Thousands) {
        if !self.groups.contains(&thousands) {
            self.groups.push(thousands);
        }
    }

    /// The notation of the column's numbers, where its own values or those of the others show it; `Err` is a number that
    /// may be two.
    fn notation(&self, file: &Self) -> Result<(Decimal, Option<Thousands>), &str> {
        let of = |clues: &Self, decimal: Decimal| {
            let fits = |thousands: &&Thousands| thousands.byte() != decimal.byte();
            clues.groups.iter().find(fits).copied()
        };
        let with = |decimal| Ok((decimal, of(self, decimal).or_else(|| of(file, decimal))));
        let comma_groups = self.groups.contains(&Thousands::Comma);
        let point_groups = self.groups.contains(&Thousands::Point);
        let (commas, points) = (self.comma_decimal || point_groups, self.point_decimal || comma_groups);
        match (commas, points) {
            (true, false) => return with(Decimal::Comma),
            (false, true) => return with(Decimal::Point),
            // Each is read as it was typed, or not at all.
            (true, true) => return Ok((Decimal::Point, None)),
            (false, false) => {}
        }
        let file_commas = file.comma_decimal || file.groups.contains(&Thousands::Point);
        let file_points = file.point_decimal || file.groups.contains(&Thousands::Comma);
        match (&self.comma_either, &self.point_either) {
            (Some(_), Some(_)) => Ok((Decimal::Point, None)),
            (Some(_), None) if file_commas && !file_points => with(Decimal::Comma),
            (Some(_), None) if file.groups.contains(&Thousands::Comma) && !file_commas => with(Decimal::Point),
            (Some(number), None) => Err(number),
            // A point before three digits is a fraction, unless this file has commas there.
            (None, Some(_)) if file.groups.contains(&Thousands::Point) && !file.point_decimal => with(Decimal::Comma),
            (None, Some(number)) if file_commas => Err(number),
            _ if file_commas && !file_points => with(Decimal::Comma),
            _ => with(Decimal::Point),
        }
    }
}

fn is_number(field: &[u8]) -> bool {
    number::parse_number(field).is_some()
}

fn thousands_of(separator: char) -> Option<Thousands> {
    match separator {
        ',' => Some(Thousands::Comma),
        '.' => Some(Thousands::Point),
        ' ' | '\u{A0}' | '\u{202F}' | '\u{2009}' => Some(Thousands::Blank),
        '\'' | '\u{2019}' => Some(Thousands::Apostrophe),
        '_' => Some(Thousands::Underscore),
        _ => None,
    }
}

fn decimal_of(separator: char) -> Option<Decimal> {
    match separator {
        ',' => Some(Decimal::Comma),
        '.' => Some(Decimal::Point),
        _ => None,
    }
}

/// What is found out of all columns together.
pub(crate) struct Findings {
    file: Clues,
}

impl Findings {
    pub(crate) fn of(columns: &[Clues]) -> Self {
        let mut file = Clues::default();
        for clues in columns {
            file.day_first |= clues.day_first;
            file.month_first |= clues.month_first;
            file.numbers.comma_decimal |= clues.numbers.comma_decimal;
            file.numbers.point_decimal |= clues.numbers.point_decimal;
            clues.numbers.groups.iter().for_each(|thousands| file.numbers.add_groups(*thousands));
        }
        Self { file }
    }

    /// The notation of a column where nobody gave it, and what is to be said of it; words for no value are not looked
    /// for where the column `has_type`.
    pub(crate) fn notation(&self, clues: &Clues, options: &FileOptions, has_type: bool) -> (Notation, Vec<String>) {
        let (mut notation, mut notes) = (Notation::given(options), Vec::new());
        match (options.decimal, options.thousands, clues.numbers.notation(&self.file.numbers)) {
            (Some(decimal), None, found) => {
                let thousands = found.ok().and_then(|(_, thousands)| thousands);
                notation.thousands = thousands.filter(|thousands| thousands.byte() != decimal.byte());
            }
            (None, Some(Thousands::Point), _) => notation.decimal = Decimal::Comma,
            (Some(_), Some(_), _) | (None, Some(Thousands::Comma), _) => {}
            (None, _, Ok((decimal, thousands))) => {
                notation.decimal = decimal;
                notation.thousands = options.thousands.or(thousands);
                if decimal == Decimal::Comma && clues.numbers.has_marks() {
                    notes.push("a comma stands before fractions".to_owned());
                }
            }
            (None, _, Err(number)) => {
                // By which none of them is a number.
                notation.decimal = if number.contains(',') { Decimal::Point } else { Decimal::Comma };
                notes.push(format!("{number:?} may be two numbers and is none; say which (decimal, thousands)"));
            }
        }
        if options.dates.is_none() {
            notation.dates = clues.order(&self.file);
            match (notation.dates, &clues.either_order) {
                (Some(DateOrder::Dmy), _) => notes.push("the day stands before the month".to_owned()),
                (Some(DateOrder::Mdy), _) => notes.push("the month stands before the day".to_owned()),
                (None, Some(date)) => {
                    notes.push(format!("{date:?} may be two days and is none; say which (dates)"));
                }
                _ => {}
            }
        }
        if options.nulls.is_none() && !has_type {
            notation.found_nulls = clues.nulls();
            if !notation.found_nulls.is_empty() {
                let words = notation.found_nulls.iter().map(|word| String::from_utf8_lossy(word).into_owned());
                notes.push(format!("no value where it says {}", words.collect::<Vec<_>>().join(", ")));
            }
        }
        (notation, notes)
    }
}

impl NumberClues {
    /// True if a number has more than digits.
    fn has_marks(&self) -> bool {
        self.comma_decimal || self.comma_either.is_some() || self.point_either.is_some() || !self.groups.is_empty()
    }
}

#[cfg(test)]
mod tests;
