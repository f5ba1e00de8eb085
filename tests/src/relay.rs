//! A network that can be cut.
