//! The XML of one part: events, attributes, texts. Names are taken without their namespaces, which the transitional and the
//! strict form write differently.

use std::{borrow::Cow, io::BufReader};

use quick_xml::{
    Reader,
    escape::{resolve_xml_entity, unescape},
    events::{BytesRef, BytesStart, Event},
};
use runtime::Failure;

use crate::read::xlsx::checked::CheckedPart;

/// Reads the XML of a part.
pub(crate) struct PartReader<'a> {
    xml: Reader<BufReader<CheckedPart<'a>>>,
    buffer: Vec<u8>,
    name: String,
}

impl<'a> PartReader<'a> {
    pub(crate) fn new(part: CheckedPart<'a>) -> Self {
        let name = part.name().to_owned();
        let mut xml = Reader::from_reader(BufReader::with_capacity(64 * 1024, part));
        let config = xml.config_mut();
        // As forgiving as the programs that people open their workbooks with.
        config.check_end_names = false;
        config.allow_unmatched_ends = true;
        config.expand_empty_elements = true;
        Self { xml, buffer: Vec::with_capacity(1024), name }
    }

    /// The next event; `Eof` at the end.
    pub(crate) fn next(&mut self) -> Result<Event<'_>, Failure> {
        self.buffer.clear();
        let Self { xml, buffer, name } = self;
        xml.read_event_into(buffer).map_err(|error| broken(name, error))
    }

    /// Adds the text up to the end of the element that has begun; those within it are left out.
    pub(crate) fn text(&mut self, to: &mut String) -> Result<(), Failure> {
        let mut depth = 0_u32;
        loop {
            match self.next()? {
                Event::Text(text) if depth == 0 => to.push_str(&text.xml10_content()),
                Event::CData(text) if depth == 0 => to.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) if depth == 0 => push_reference(&reference, to),
                Event::Start(_) => depth += 1,
                Event::End(_) if depth == 0 => return Ok(()),
                Event::End(_) => depth -= 1,
                Event::Eof => return Err(self.ended_early()),
                _ => {}
            }
        }
    }

    /// Leaves out what is left of the element that has begun.
    pub(crate) fn skip(&mut self) -> Result<(), Failure> {
        let mut depth = 0_u32;
        loop {
            match self.next()? {
                Event::Start(_) => depth += 1,
                Event::End(_) if depth == 0 => return Ok(()),
                Event::End(_) => depth -= 1,
                Event::Eof => return Err(self.ended_early()),
                _ => {}
            }
        }
    }

    /// Reads what is left only for its checksum, which is at the end.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        let Self { xml, name, .. } = self;
        xml.get_mut().get_mut().drain().map_err(|error| broken(name, error.into()))
    }

    /// The part ends within an element.
    pub(crate) fn ended_early(&self) -> Failure {
        Failure::input(format!("the workbook is broken: its part {} ends too early", self.name))
    }
}

/// A reference such as `&lt;` or `&#65;`; one that stands for nothing stays as it is written.
fn push_reference(reference: &BytesRef<'_>, to: &mut String) {
    match (resolve_xml_entity(reference), reference.resolve_char_ref()) {
        (Some(text), _) => to.push_str(text),
        (None, Ok(Some(letter))) => to.push(letter),
        _ => to.extend(["&", reference, ";"]),
    }
}

/// The value of an attribute, whatever its namespace.
pub(crate) fn attribute<'a>(tag: &'a BytesStart<'_>, name: &str) -> Option<Cow<'a, str>> {
    let mut attributes = tag.attributes();
    let found =
        attributes.with_checks(false).flatten().find(|attribute| attribute.key.local_name().as_ref() == name)?;
    Some(match found.value {
        Cow::Borrowed(raw) => unescape(raw).unwrap_or(Cow::Borrowed(raw)),
        Cow::Owned(raw) => Cow::Owned(unescape(&raw).map_or_else(|_| raw.clone(), Cow::into_owned)),
    })
}

/// True for the words that XML Schema has for it.
pub(crate) fn is_true(value: Option<Cow<'_, str>>) -> bool {
    matches!(value.as_deref(), Some("1" | "true" | "on"))
}

fn broken(name: &str, error: quick_xml::Error) -> Failure {
    match &error {
        quick_xml::Error::Io(cause) => CheckedPart::failure(cause).unwrap_or_else(|| {
            Failure::input(format!("the workbook is broken: its part {name} cannot be unpacked: {cause}"))
        }),
        error => Failure::input(format!("the workbook is broken: its part {name} is no XML: {error}")),
    }
}

/// Undoes the escapes by which a text holds what XML cannot: `_x000D_` is a carriage return, `_x005F_` the `_` before what
/// would look like one.
pub(crate) fn unescape_text(text: &mut String) {
    if !text.contains("_x") {
        return;
    }
    let (mut units, mut rest) = (Vec::with_capacity(text.len()), text.as_str());
    while let Some(at) = rest.find("_x") {
        let code = rest.as_bytes().get(at + 2..at + 7).filter(|code| code[4] == b'_');
        let code = code.and_then(|code| std::str::from_utf8(&code[..4]).ok());
        let code = code.filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let end = if code.is_some() { at } else { at + 2 };
        units.extend(rest[..end].encode_utf16());
        rest = match code.and_then(|code| u16::from_str_radix(code, 16).ok()) {
            Some(unit) => {
                units.push(unit);
                &rest[at + 7..]
            }
            None => &rest[end..],
        };
    }
    units.extend(rest.encode_utf16());
    *text = String::from_utf16_lossy(&units);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_in_texts_are_undone_and_what_only_looks_like_one_stays() {
        for (escaped, text) in [
            ("a_x000D_\nb", "a\r\nb"),
            ("_x005F_x000D_", "_x000D_"),
            ("_xD83D__xDCF7_", "\u{1F4F7}"),
            ("_xD83D_", "\u{FFFD}"),
            ("_x00_x_x000g_ _x_", "_x00_x_x000g_ _x_"),
            ("é_x0041_é", "éAé"),
            ("_x", "_x"),
            ("_x00é0_", "_x00é0_"),
        ] {
            let mut read = escaped.to_owned();
            unescape_text(&mut read);
            assert_eq!(read, text);
        }
    }
}
