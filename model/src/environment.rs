//! Names of environments and of kinds of function: part of the names on the broker, so validated.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// An invalid name; the error says which one, and how names look.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {name:?} is not a name: {reason}")]
pub struct InvalidName {
    what: &'static str,
    name: String,
    reason: &'static str,
}

const GRAMMAR: &str = "it must be 1 to 32 of a-z, 0-9 and '-', beginning with a letter ([a-z][a-z0-9-]{0,31})";

fn check(what: &'static str, name: &str) -> Result<(), InvalidName> {
    let bytes = name.as_bytes();
    let valid = bytes.first().is_some_and(u8::is_ascii_lowercase)
        && bytes.len() <= 32
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-');
    if valid {
        return Ok(());
    }
    // A name from outside may be of any size, so it is shown shortened.
    let name = name.chars().take(40).collect();
    Err(InvalidName { what, name, reason: GRAMMAR })
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(Arc<str>);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;

            fn try_from(name: String) -> Result<Self, InvalidName> {
                name.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name!(
    /// An environment such as `prod` or `qa`: `[a-z][a-z0-9-]{0,31}`; `everywhere` is reserved.
    Environment,
    "environment"
);
name!(
    /// A kind of function such as `imports`: `[a-z][a-z0-9-]{0,31}`.
    Kind,
    "kind"
);

impl FromStr for Environment {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        check("environment", name)?;
        if name == "everywhere" {
            let reason = "'everywhere' is the exchange that reaches all environments";
            return Err(InvalidName { what: "environment", name: name.to_owned(), reason });
        }
        Ok(Self(name.into()))
    }
}

impl FromStr for Kind {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        check("kind", name)?;
        Ok(Self(name.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_lower_case_and_begins_with_a_letter() {
        for good in ["prod", "qa-2", "a", &"x".repeat(32)] {
            assert!(good.parse::<Environment>().is_ok(), "{good}");
        }
        for bad in ["", "Prod", "2qa", "-a", "a.b", "a b", "pröd", "a\0", "#", &"x".repeat(33)] {
            assert!(bad.parse::<Environment>().is_err(), "{bad:?}");
            assert!(bad.parse::<Kind>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn everywhere_is_no_environment() {
        let error = "everywhere".parse::<Environment>().unwrap_err().to_string();
        assert!(error.contains("everywhere"), "{error}");
    }
}
