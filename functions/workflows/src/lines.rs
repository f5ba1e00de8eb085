//! On which line of a file something stands.

use runtime::definitions::line_of;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// A way into a document: names of tables and places in lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    /// A name in a table.
    Name(String),
    /// A place in a list, from 0.
    At(usize),
}

impl From<&str> for Part {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<usize> for Part {
    fn from(at: usize) -> Self {
        Self::At(at)
    }
}

/// A document whose parts can be found.
pub(crate) struct Lines<'a> {
    source: &'a str,
    root: Spanned<DeTable<'a>>,
}

impl<'a> Lines<'a> {
    /// Of a document that is known to be TOML.
    pub(crate) fn of(source: &'a str) -> Self {
        let (root, _) = DeTable::parse_recoverable(source);
        Self { source, root }
    }

    /// The line, from 1, of the last part of the way that is there; for a text, that of its first line.
    pub(crate) fn line(&self, way: &[Part]) -> usize {
        let mut offset = 0;
        let mut table = Some(self.root.get_ref());
        let mut list = None;
        for part in way {
            let value: Option<&Spanned<DeValue<'_>>> = match part {
                Part::Name(name) => table.and_then(|table| {
                    let (key, value) = table.iter().find(|(key, _)| key.get_ref() == name)?;
                    offset = key.span().start;
                    Some(value)
                }),
                Part::At(at) => list.and_then(|list: &toml::de::DeArray<'_>| list.get(*at)).inspect(|value| {
                    offset = value.span().start;
                }),
            };
            let Some(value) = value else { break };
            (table, list) = (value.get_ref().as_table(), value.get_ref().as_array());
        }
        line_of(self.source, offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_part_is_that_of_its_key() {
        let source = "title = 'x'\n\n[[step]]\nid = 'a'\n\n[[step]]\nid = 'b'\n[step.input]\nfile = '{{ x }}'\n";
        let lines = Lines::of(source);
        let way = |parts: &[Part]| lines.line(parts);
        assert_eq!(way(&["title".into()]), 1);
        assert_eq!(way(&["step".into(), 1.into()]), 6);
        assert_eq!(way(&["step".into(), 1.into(), "id".into()]), 7);
        assert_eq!(way(&["step".into(), 1.into(), "input".into(), "file".into()]), 9);
        assert_eq!(way(&["step".into(), 1.into(), "needs".into()]), 6, "what is missing is missed there");
    }
}
