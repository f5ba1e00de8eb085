//! What a workbook says about itself: in its properties, and on its last sheet.

use rust_xlsxwriter::{DocProperties, Format, Worksheet, XlsxError};

use super::cells::allowed;
use crate::about::{About, WrittenSheet, rows_text, shortened};

/// Most characters of a property.
const MAX_PROPERTY: usize = 255;

/// The properties of the document.
pub(super) fn properties(about: &About) -> DocProperties {
    let property = |text: &str| shortened(&allowed(text).replace(char::is_control, " "), MAX_PROPERTY - 1);
    DocProperties::new()
        .set_title(property(&about.title))
        .set_subject(property(&about.report))
        .set_author(property(&about.owner))
        .set_comment(property(&about.summary()))
        .set_custom_property("Definition", property(&about.digest))
        .set_custom_property("Made at", property(&about.made_text()))
        .set_custom_property("Time zone", property(about.zone()))
}

/// Fills the sheet.
pub(super) fn write(sheet: &mut Worksheet, about: &About, sheets: &[WrittenSheet]) -> Result<(), XlsxError> {
    let (bold, text) = (Format::new().set_bold(), Format::new().set_quote_prefix().set_text_wrap());
    let mut entries = vec![("Report".to_owned(), about.title.clone())];
    if !about.description.is_empty() {
        entries.push(("Description".to_owned(), about.description.clone()));
    }
    entries.extend(about.entries());
    let notes = [
        ("Rows", rows_text(sheets)),
        ("Numbers", "One of more than 15 digits is a text, because a cell would lose the others.".to_owned()),
        (
            "Times",
            "One with an offset is on the clocks of the time zone above. Milliseconds are the finest in a cell."
                .to_owned(),
        ),
    ];
    entries.extend(notes.map(|(name, value)| (name.to_owned(), value)));
    for (row, (name, value)) in (0..).zip(&entries) {
        sheet.write_string_with_format(row, 0, cut(name), &bold)?;
        sheet.write_string_with_format(row, 1, cut(value), &text)?;
    }
    sheet.set_column_width(0, 24)?.set_column_width(1, 80)?;
    Ok(())
}

/// What a cell can hold of a text.
fn cut(text: &str) -> String {
    shortened(&allowed(text), 16_000)
}
