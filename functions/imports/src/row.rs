//! Rows, as every reader of a format yields them.

use runtime::Failure;

use crate::text::Text;

/// Bytes that one row may have.
pub(crate) const LONGEST_ROW: usize = 1024 * 1024;

/// A reader of rows.
pub(crate) trait Rows {
    /// The next row after the names; `None` at the end.
    fn next(&mut self) -> Result<Option<Record<'_>>, Failure>;
    /// The names of the fields, as far as they are known by now.
    fn names(&self) -> &[String];
    /// What the text is written in.
    fn encoding(&self) -> String;
}

/// One row.
pub(crate) struct Record<'a> {
    /// The line on which it begins, or its row in a sheet; from 1.
    pub(crate) line: u64,
    /// It as it stands in the text, without its line end.
    pub(crate) raw: &'a [u8],
    pub(crate) soundness: Soundness<'a>,
    /// The fields, one after the other, with `gap` bytes between two of them.
    pub(crate) fields: &'a [u8],
    pub(crate) ends: &'a [usize],
    pub(crate) gap: usize,
    /// Which fields are text whatever they look like; empty where the format cannot say.
    pub(crate) texts: &'a [bool],
    /// The names of all fields, where a row may bring new ones.
    pub(crate) names: &'a [String],
}

/// Whether a row is text that a table can hold.
pub(crate) enum Soundness<'a> {
    /// To be found out.
    Unknown(&'a Text),
    /// It is.
    Sound,
    /// It is not, for this reason.
    Fault(&'a str),
}

impl<'a> Record<'a> {
    /// Why it is not text that a table can hold, if it is not.
    pub(crate) fn fault(&self) -> Option<String> {
        match self.soundness {
            Soundness::Sound => None,
            Soundness::Fault(reason) => Some(reason.to_owned()),
            Soundness::Unknown(_) if memchr::memchr(0, self.raw).is_some() => Some("it has a NUL character".to_owned()),
            Soundness::Unknown(text) => text.fault(self.raw),
        }
    }

    /// How many fields it has.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Its fields, without their quotes.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let (fields, gap, mut from) = (self.fields, self.gap, 0);
        self.ends.iter().map(move |end| {
            let field = &fields[from..*end];
            from = end + gap;
            field
        })
    }

    /// Whether the field there is text whatever it looks like.
    pub(crate) fn is_text(&self, at: usize) -> bool {
        self.texts.get(at).copied().unwrap_or(false)
    }
}
