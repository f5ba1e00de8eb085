//! The backplane within one process.
