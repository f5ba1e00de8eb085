//! A fault of a definition, with its file and line.

use std::fmt;

/// Something wrong with a definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The file, such as `sales.toml`; the folder's path for a fault of the folder itself.
    pub file: String,
    /// From 1, where one is known.
    pub line: Option<usize>,
    /// The error message.
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.reason),
            None => write!(f, "{}: {}", self.file, self.reason),
        }
    }
}

/// All faults of a folder's definitions, in the order of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    /// The setting that names the folder, such as `reports.definitions (BELLWIRE_REPORTS__DEFINITIONS)`.
    pub setting: &'static str,
    /// At least one.
    pub faults: Vec<Fault>,
}

impl std::error::Error for Faults {}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.setting)?;
        self.faults.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}
