//! The cells of a sheet, row by row. Of a formula the value is taken that the workbook stores beside it; nothing is
//! evaluated here.

use quick_xml::events::{BytesStart, Event};
use runtime::Failure;

use crate::{
    column::preview,
    read::{
        cell::CellValue,
        xlsx::{
            formats::CellFormats,
            part::{PartReader, attribute, unescape_text},
            strings::{SharedTexts, read_rich_text},
        },
    },
};

/// What the cells of all sheets share.
#[derive(Debug, Default)]
pub(crate) struct CellContext {
    pub(crate) texts: SharedTexts,
    pub(crate) formats: CellFormats,
    pub(crate) from_1904: bool,
}

/// The cells of a sheet.
pub(crate) struct Cells<'a> {
    part: PartReader<'a>,
    context: &'a CellContext,
    /// The row that is read, from 0, and the column of its next cell.
    row: u32,
    column: u32,
    /// Set within the rows: the part may not end there.
    in_rows: bool,
    /// The rows that the sheet says to have; it may be wrong.
    pub(crate) declared_rows: u32,
    text: String,
}

/// The attributes of a cell.
#[derive(Default)]
struct CellTag {
    /// Its type; `n` if it has none.
    kind: Kind,
    has_kind: bool,
    style: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Number,
    SharedText,
    Boolean,
    Error,
    /// A text of its own, as of a formula, or a date as text.
    Text,
}

impl<'a> Cells<'a> {
    pub(crate) fn new(part: PartReader<'a>, context: &'a CellContext) -> Self {
        Self { part, context, row: 0, column: 0, in_rows: false, declared_rows: 0, text: String::new() }
    }

    /// Goes on to the next row; its number from 0, or `None` at the end.
    pub(crate) fn next_row(&mut self) -> Result<Option<u32>, Failure> {
        loop {
            match self.part.next()? {
                Event::Start(tag) => match tag.local_name().as_ref() {
                    "row" => {
                        if let Some(number) = attribute(&tag, "r") {
                            let from_0 = number.trim().parse::<u32>().ok().and_then(|number| number.checked_sub(1));
                            self.row = from_0.ok_or_else(|| {
                                Failure::input(format!(
                                    "the workbook is broken: {:?} is no row",
                                    preview(number.as_bytes())
                                ))
                            })?;
                        }
                        self.column = 0;
                        return Ok(Some(self.row));
                    }
                    "sheetData" => self.in_rows = true,
                    "dimension" => {
                        let area = attribute(&tag, "ref").unwrap_or_default();
                        let last = area.rsplit(':').next().and_then(parse_position);
                        self.declared_rows = last.map_or(0, |(_, row)| row + 1);
                    }
                    _ => {}
                },
                Event::End(tag) if tag.local_name().as_ref() == "sheetData" => break,
                Event::Eof if self.in_rows => return Err(self.part.ended_early()),
                Event::Eof => return Ok(None),
                _ => {}
            }
        }
        self.in_rows = false;
        self.part.finish()?;
        Ok(None)
    }

    /// The next cell of the row with its column from 0; `None` at the end of the row.
    pub(crate) fn next_cell(&mut self) -> Result<Option<(u32, CellValue<'_>)>, Failure> {
        let (position, tag) = loop {
            match self.part.next()? {
                Event::Start(tag) if tag.local_name().as_ref() == "c" => break read_tag(&tag),
                Event::End(tag) if tag.local_name().as_ref() == "row" => {
                    self.row += 1;
                    return Ok(None);
                }
                Event::Eof => return Err(self.part.ended_early()),
                _ => {}
            }
        };
        let mut is_elsewhere = false;
        match position {
            None => {}
            Some(Some((column, row))) => {
                self.column = column;
                is_elsewhere = row != self.row;
            }
            Some(None) => {
                return Err(Failure::input(format!(
                    "the workbook is broken: row {} has a cell whose place is no place in it",
                    u64::from(self.row) + 1
                )));
            }
        }
        let column = self.column;
        self.column += 1;
        let value = self.read_value(&tag)?;
        // An empty one does no harm.
        let is_broken = is_elsewhere && value != CellValue::Empty;
        Ok(Some((column, if is_broken { CellValue::Broken("a value of another row") } else { value })))
    }

    fn read_value(&mut self, tag: &CellTag) -> Result<CellValue<'_>, Failure> {
        self.text.clear();
        let (mut has_formula, mut is_inline) = (false, false);
        loop {
            match self.part.next()? {
                Event::Start(element) => match element.local_name().as_ref() {
                    "v" if !is_inline => {
                        self.text.clear();
                        self.part.text(&mut self.text)?;
                    }
                    "is" => {
                        is_inline = true;
                        self.text.clear();
                        read_rich_text(&mut self.part, &mut self.text)?;
                    }
                    name => {
                        has_formula |= name == "f";
                        self.part.skip()?;
                    }
                },
                Event::End(_) => break,
                Event::Eof => return Err(self.part.ended_early()),
                _ => {}
            }
        }
        if tag.kind == Kind::Text && !is_inline {
            unescape_text(&mut self.text);
        }
        if is_inline || tag.kind == Kind::Text {
            return Ok(text_value(&self.text));
        }
        let text = self.text.as_str();
        Ok(match tag.kind {
            _ if text.trim().is_empty() && has_formula => CellValue::NoResult,
            _ if text.trim().is_empty() => CellValue::Empty,
            Kind::SharedText => match text.trim().parse().ok().and_then(|at| self.context.texts.get(at)) {
                Some(text) => text_value(text),
                None => CellValue::Broken("a reference to a text that the workbook does not have"),
            },
            Kind::Boolean => match text.trim() {
                "0" => CellValue::Boolean(false),
                "1" => CellValue::Boolean(true),
                word if word.eq_ignore_ascii_case("true") => CellValue::Boolean(true),
                word if word.eq_ignore_ascii_case("false") => CellValue::Boolean(false),
                _ => CellValue::Broken("neither true nor false"),
            },
            Kind::Error => CellValue::Error(text.trim()),
            Kind::Number | Kind::Text => {
                let format = self.context.formats.get(tag.style);
                let number = CellValue::number(text.trim(), format, self.context.from_1904);
                match number {
                    Some(value) => value,
                    None if tag.has_kind => CellValue::Broken("a number that is none"),
                    None => text_value(text),
                }
            }
        })
    }
}

fn text_value(text: &str) -> CellValue<'_> {
    if text.is_empty() { CellValue::Empty } else { CellValue::Text(text) }
}

/// The place of a cell, `Some(None)` if it is wrong, and its other attributes.
fn read_tag(tag: &BytesStart<'_>) -> (Option<Option<(u32, u32)>>, CellTag) {
    let (mut position, mut found) = (None, CellTag::default());
    for attribute in tag.attributes().with_checks(false).flatten() {
        match attribute.key.as_ref() {
            "r" => position = Some(parse_position(&attribute.value)),
            "s" => found.style = attribute.value.trim().parse().unwrap_or_default(),
            "t" => {
                found.has_kind = true;
                found.kind = match attribute.value.as_ref() {
                    "n" => Kind::Number,
                    "s" => Kind::SharedText,
                    "b" => Kind::Boolean,
                    "e" => Kind::Error,
                    _ => Kind::Text,
                };
            }
            _ => {}
        }
    }
    (position, found)
}

/// Column and row of a place such as `$B$7`, from 0.
fn parse_position(place: &str) -> Option<(u32, u32)> {
    let (mut column, mut row) = (0_u32, 0_u32);
    for byte in place.trim().bytes().filter(|byte| *byte != b'$') {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' if row == 0 => {
                let letter = u32::from(byte.to_ascii_uppercase() - b'A') + 1;
                column = column.checked_mul(26)?.checked_add(letter)?;
            }
            b'0'..=b'9' => row = row.checked_mul(10)?.checked_add(u32::from(byte - b'0'))?,
            _ => return None,
        }
    }
    Some((column.checked_sub(1)?, row.checked_sub(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_column_and_a_row() {
        for (place, found) in [
            ("A1", Some((0, 0))),
            ("$XFD$1048576", Some((16_383, 1_048_575))),
            ("b7", Some((1, 6))),
            ("A0", None),
            ("7", None),
            ("A", None),
            ("A1B", None),
            ("ZZZZZZZZ1", None),
            ("A99999999999", None),
        ] {
            assert_eq!(parse_position(place), found, "{place}");
        }
    }
}
