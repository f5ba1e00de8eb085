//! Collects the faults of one definition, each at its position in the TOML.

use runtime::definitions::{Fault, Source};
use toml::de::{DeTable, DeValue};

/// A key or list entry of a parsed document; of something missing, the nearest parent that is there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Position<'a> {
    offset: usize,
    value: Option<&'a DeValue<'a>>,
}

impl<'a> Position<'a> {
    /// The start of a document.
    pub(crate) fn root(document: &'a DeValue<'a>) -> Self {
        Self { offset: 0, value: Some(document) }
    }

    /// The entry of a table.
    pub(crate) fn key(self, name: &str) -> Self {
        match self.value.and_then(|value| value.as_table()?.get_key_value(name)) {
            Some((key, value)) => Self { offset: key.span().start, value: Some(value.get_ref()) },
            None => Self { value: None, ..self },
        }
    }

    /// The entry of a list.
    pub(crate) fn index(self, index: usize) -> Self {
        match self.value.and_then(|value| value.as_array()?.get(index)) {
            Some(value) => Self { offset: value.span().start, value: Some(value.get_ref()) },
            None => Self { value: None, ..self },
        }
    }
}

/// Parses a text that is known to be TOML.
pub(crate) fn parse(text: &str) -> DeValue<'_> {
    let (table, _) = DeTable::parse_recoverable(text);
    DeValue::Table(table.into_inner())
}

/// The faults of one file.
pub(crate) struct FaultList<'a> {
    pub(crate) source: &'a Source,
    pub(crate) faults: Vec<Fault>,
}

impl FaultList<'_> {
    pub(crate) fn add(&mut self, position: Position<'_>, reason: impl Into<String>) {
        self.faults.push(self.source.fault_at(position.offset, reason));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_an_entry_is_that_of_its_key() {
        let text = "title = 'x'\n\n[[step]]\nid = 'a'\n\n[[step]]\nid = 'b'\n[step.input]\nfile = '{{ x }}'\n";
        let source = Source { file: "a.toml".to_owned(), name: "a".to_owned(), text: text.to_owned() };
        let document = parse(&source.text);
        let (root, mut list) = (Position::root(&document), FaultList { source: &source, faults: Vec::new() });
        let step = root.key("step").index(1);
        let positions =
            [root.key("title"), step, step.key("id"), step.key("input").key("file"), step.key("needs").index(0)];
        positions.into_iter().for_each(|position| list.add(position, "wrong"));
        let lines: Vec<_> = list.faults.iter().filter_map(|fault| fault.line).collect();
        assert_eq!(lines, [1, 6, 7, 9, 6], "the last is missing, which is a fault of its step");
    }
}
