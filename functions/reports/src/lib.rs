//! The reports function.
