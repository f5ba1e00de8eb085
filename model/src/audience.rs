//! The audience of an event: space-separated `user:<id>`, `group:<name>`, or `environment`.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// One term of an audience.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Term {
    /// `user:<id>`: all connections of one person.
    User(String),
    /// `group:<name>`: all users whose token names the group.
    Group(String),
    /// `environment`: all its users.
    Environment,
}

/// Most terms that one audience may name; a larger one is a group.
pub const MAX_TERMS: usize = 64;
/// Most bytes of a user id or group name.
pub const MAX_ID_BYTES: usize = 256;

/// The recipients of an event; empty only on a pulse, which is for pods alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Audience(Vec<Term>);

/// Why a text is not an audience.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AudienceError {
    /// A term of none of the three forms.
    #[error("audience: {0:?} is none of user:<id>, group:<name>, environment")]
    Term(String),
    /// More than [`MAX_TERMS`] terms.
    #[error("audience: it names more than {MAX_TERMS}; publish to a group instead")]
    TooMany,
}

/// True if a text can be a user id or group name: 1 to 256 bytes, no white space, no control character.
pub fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= MAX_ID_BYTES && !id.chars().any(|c| c.is_whitespace() || c.is_control())
}

impl Audience {
    /// One person.
    pub fn user(id: &str) -> Self {
        Self(vec![Term::User(id.to_owned())])
    }

    /// Its terms, in the order given, without duplicates.
    pub fn terms(&self) -> &[Term] {
        &self.0
    }

    /// True if it names nobody.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if it includes a user with this id and these groups.
    pub fn includes(&self, user: &str, groups: &[String]) -> bool {
        self.0.iter().any(|term| match term {
            Term::User(id) => id == user,
            Term::Group(name) => groups.contains(name),
            Term::Environment => true,
        })
    }
}

impl FromStr for Term {
    type Err = AudienceError;

    fn from_str(word: &str) -> Result<Self, AudienceError> {
        match word.split_once(':') {
            Some(("user", id)) if is_id(id) => Ok(Self::User(id.to_owned())),
            Some(("group", name)) if is_id(name) => Ok(Self::Group(name.to_owned())),
            None if word == "environment" => Ok(Self::Environment),
            _ => Err(AudienceError::Term(word.chars().take(80).collect())),
        }
    }
}

impl FromStr for Audience {
    type Err = AudienceError;

    fn from_str(text: &str) -> Result<Self, AudienceError> {
        let mut terms = Vec::new();
        for word in text.split_whitespace() {
            let term = word.parse()?;
            if terms.contains(&term) {
                continue;
            }
            if terms.len() == MAX_TERMS {
                return Err(AudienceError::TooMany);
            }
            terms.push(term);
        }
        Ok(Self(terms))
    }
}

impl TryFrom<String> for Audience {
    type Error = AudienceError;

    fn try_from(text: String) -> Result<Self, AudienceError> {
        text.parse()
    }
}

impl From<Audience> for String {
    fn from(audience: Audience) -> String {
        audience.to_string()
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::Group(name) => write!(f, "group:{name}"),
            Self::Environment => f.write_str("environment"),
        }
    }
}

impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, term) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            term.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audience_reads_as_it_was_written() {
        let text = "user:ada group:finance environment";
        let audience: Audience = text.parse().unwrap();
        assert_eq!(audience.to_string(), text);
        assert_eq!("user:a  user:a".parse::<Audience>().unwrap().terms().len(), 1);
        assert_eq!("user:urn:x:7".parse::<Audience>().unwrap(), Audience::user("urn:x:7"));
    }

    #[test]
    fn a_word_of_no_known_form_is_refused_by_name() {
        for bad in ["ada", "user:", "everywhere", "role:x", "environment:x", "user:a\u{7f}"] {
            let error = bad.parse::<Audience>().unwrap_err();
            assert!(matches!(error, AudienceError::Term(_)), "{bad:?}");
        }
        let crowd: Vec<_> = (0..65).map(|n| format!("user:{n}")).collect();
        assert_eq!(crowd.join(" ").parse::<Audience>(), Err(AudienceError::TooMany));
    }

    #[test]
    fn it_includes_whom_it_names_and_nobody_else() {
        let audience: Audience = "user:ada group:ops".parse().unwrap();
        assert!(audience.includes("ada", &[]));
        assert!(audience.includes("bob", &["ops".into()]));
        assert!(!audience.includes("bob", &["sales".into()]));
        assert!(!audience.includes("ops", &[]));
        assert!("environment".parse::<Audience>().unwrap().includes("eve", &[]));
        assert!(!Audience::default().includes("ada", &[]));
    }
}
