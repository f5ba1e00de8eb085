//! The address of a file for people who have only a mail: a page of theirs that has them sign in.

use std::str::FromStr;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use url::Url;

/// Where the path of the file stands.
const PATH: &str = "{path}";

/// An address with a place for the path of a file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Link(String);

impl Link {
    /// The address for a path such as `/api/shared/<id>/<name>`.
    pub(crate) fn to(&self, path: &str) -> String {
        self.0.replace(PATH, &utf8_percent_encode(path, NON_ALPHANUMERIC).to_string())
    }
}

impl FromStr for Link {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(&text.replace(PATH, "")).map_err(|error| format!("{text:?} is no address: {error}"))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(format!("{text:?} does not begin with https:// and a host"));
        }
        if !text.contains(PATH) {
            return Err(format!("{text:?} has no {PATH}, where the path of the file stands"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Link {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_file_is_one_value_in_it() {
        let link: Link = "https://intranet.example/#file={path}".parse().unwrap();
        assert_eq!(
            link.to("/api/shared/ab/a b&c.csv"),
            "https://intranet.example/#file=%2Fapi%2Fshared%2Fab%2Fa%20b%26c%2Ecsv"
        );
        for bad in ["https://intranet.example/", "/files?{path}", "javascript:{path}", "mailto:{path}", "{path}"] {
            assert!(bad.parse::<Link>().is_err(), "{bad}");
        }
    }
}
