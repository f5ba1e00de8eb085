//! The page is compiled in: build again when one of its files changes.
fn main() {
    println!("cargo:rerun-if-changed=../client");
}
