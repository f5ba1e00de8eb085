//! The bytes that are signed: fields one after another, each after its length, so that no two contents have the same bytes.

/// A text to sign. A field is its length in bytes as four bytes, the highest first, and its UTF-8; a list is the number of
/// its fields in the same four bytes, and the fields.
pub(crate) struct SignedText(Vec<u8>);

impl SignedText {
    /// A text whose first field is its purpose, so that no signature passes for one of another purpose.
    pub(crate) fn of(purpose: &str) -> Self {
        Self(Vec::new()).field(purpose)
    }

    pub(crate) fn field(mut self, field: &str) -> Self {
        self.length(field.len());
        self.0.extend_from_slice(field.as_bytes());
        self
    }

    /// A list, in the order of its bytes: it stands for a set.
    pub(crate) fn sorted(mut self, fields: &[String]) -> Self {
        let mut fields: Vec<&String> = fields.iter().collect();
        fields.sort_unstable();
        self.length(fields.len());
        fields.into_iter().fold(self, |text, field| text.field(field))
    }

    /// A list of one field or none.
    pub(crate) fn optional(mut self, field: Option<&str>) -> Self {
        self.length(usize::from(field.is_some()));
        field.into_iter().fold(self, Self::field)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn length(&mut self, length: usize) {
        // What is signed is far below: jobs and events have 64 KiB.
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_bytes_are_those_that_are_documented() {
        let text = SignedText::of("p").sorted(&["b".to_owned(), "ä".to_owned(), "a".to_owned()]).optional(None);
        let wanted = b"\0\0\0\x01p\0\0\0\x03\0\0\0\x01a\0\0\0\x01b\0\0\0\x02\xc3\xa4\0\0\0\0";
        assert_eq!(text.bytes(), wanted);
        assert_eq!(SignedText::of("p").optional(Some("x")).bytes(), b"\0\0\0\x01p\0\0\0\x01\0\0\0\x01x");
    }
}
