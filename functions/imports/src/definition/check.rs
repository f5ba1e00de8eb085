//! Collects the faults of a definition while its parts are checked.

use std::ops::Range;

use runtime::definitions::{Fault, Source};

/// Checks the parts of a definition, collecting their faults.
pub(super) struct Check<'a> {
    source: &'a Source,
    pub(super) faults: Vec<Fault>,
}

impl<'a> Check<'a> {
    pub(super) fn new(source: &'a Source) -> Self {
        Self { source, faults: Vec::new() }
    }

    /// Adds one that is at these bytes of the file.
    pub(super) fn fault(&mut self, at: Range<usize>, reason: impl Into<String>) {
        self.faults.push(self.source.fault_at(at.start, reason));
    }
}
