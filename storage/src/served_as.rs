//! The headers with which a browser gets a file, from the gateway or from a bucket: it must save it, whatever it is, and not
//! show it as a page.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// `Content-Type`, whatever the file is.
pub const CONTENT_TYPE: &str = "application/octet-stream";
/// `Cache-Control`: it is for one person.
pub const CACHE_CONTROL: &str = "private, no-store";

/// `Content-Disposition` of a file of this name, in ASCII.
pub fn disposition(name: &str) -> String {
    format!("attachment; filename*=UTF-8''{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}
