//! The workflows function.
