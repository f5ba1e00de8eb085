//! The texts that cells share.

use quick_xml::events::Event;
use runtime::Failure;

use crate::read::xlsx::{
    checked::PartKind,
    package::Package,
    part::{PartReader, unescape_text},
};

/// The texts that cells share, one after the other.
#[derive(Debug, Default)]
pub(crate) struct SharedTexts {
    texts: String,
    ends: Vec<usize>,
}

impl SharedTexts {
    /// Reads them; a workbook without the part has none.
    pub(crate) fn read(package: &mut Package, name: Option<&str>) -> Result<Self, Failure> {
        let mut shared = Self::default();
        let Some(name) = name else { return Ok(shared) };
        let Some(mut part) = package.part(name, PartKind::Texts)? else { return Ok(shared) };
        let mut text = String::new();
        loop {
            match part.next()? {
                Event::Start(tag) if tag.local_name().as_ref() == "si" => {
                    text.clear();
                    read_rich_text(&mut part, &mut text)?;
                    shared.texts.push_str(&text);
                    shared.ends.push(shared.texts.len());
                }
                Event::Eof => return Ok(shared),
                _ => {}
            }
        }
    }

    /// A text by its number.
    pub(crate) fn get(&self, at: usize) -> Option<&str> {
        let from = if at == 0 { 0 } else { *self.ends.get(at - 1)? };
        self.texts.get(from..*self.ends.get(at)?)
    }
}

/// Reads a text that may be made of pieces in several formats, up to the end of the element that has begun. How it is
/// pronounced is not part of it.
pub(crate) fn read_rich_text(part: &mut PartReader<'_>, to: &mut String) -> Result<(), Failure> {
    let mut depth = 0_u32;
    loop {
        let event = part.next()?;
        match &event {
            Event::Start(tag) => match tag.local_name().as_ref() {
                "t" => {
                    let from = to.len();
                    part.text(to)?;
                    let mut piece = to.split_off(from);
                    unescape_text(&mut piece);
                    to.push_str(&piece);
                }
                "rPh" | "phoneticPr" | "rPr" => part.skip()?,
                _ => depth += 1,
            },
            Event::End(_) if depth == 0 => return Ok(()),
            Event::End(_) => depth -= 1,
            Event::Eof => return Err(part.ended_early()),
            _ => {}
        }
    }
}
