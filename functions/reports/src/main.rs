//! `bellwire-reports`.

fn main() {}
