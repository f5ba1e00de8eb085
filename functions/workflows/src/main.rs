//! `bellwire-workflows`.

fn main() {}
