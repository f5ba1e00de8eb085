//! Where the gateway makes an answer of an error.

pub(crate) struct Problem;

impl Problem {
    pub(crate) fn not_found(_words: String) -> Self {
        Self
    }
}
