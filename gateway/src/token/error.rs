//! Why a token is refused.

use std::{borrow::Cow, fmt};

/// Most characters of a value that are shown to the operator.
const MAX_SHOWN: usize = 120;

/// The fault of a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// No token was sent.
    #[error("send a token: Authorization: Bearer …, or ?access_token=…")]
    Missing,
    /// It is no JWT, or a claim of it cannot be used.
    #[error("the token cannot be used: {0}")]
    Malformed(Fault),
    /// Its `nbf` lies in the future.
    #[error("nbf: the token is not valid yet")]
    NotYetValid,
    /// It has expired.
    #[error("exp: the token has expired; get a new one")]
    Expired,
    /// It is for an environment that is not served here, or was not signed with a key of that environment.
    #[error("the token is not one of an environment served here: {0}")]
    Foreign(Fault),
    /// The key that it names is not known yet; seconds after which it may be.
    #[error("the keys of the token's issuer are being read; send the token again in {0} s")]
    KeysAreRead(u32),
    /// It is older than one that the connection has had, and gives other rights.
    #[error("this connection has had a newer token with other rights; send that one")]
    Outdated,
    /// It lacks a scope.
    #[error("the token lacks the scope {0}")]
    Scope(&'static str),
}

impl TokenError {
    /// The problem's code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "token-missing",
            Self::Malformed(_) => "token-malformed",
            Self::NotYetValid => "token-not-yet-valid",
            Self::Expired => "token-expired",
            Self::Foreign(_) => "token-foreign",
            Self::KeysAreRead(_) => "token-keys-unknown",
            Self::Outdated => "token-outdated",
            Self::Scope(_) => "scope-missing",
        }
    }

    /// What of the token is wrong, where that is one part.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Malformed(fault) | Self::Foreign(fault) => Some(fault),
            _ => None,
        }
    }

    /// The bytes in the header are no text, so they are no JWT.
    pub(crate) fn not_ascii() -> Self {
        Self::malformed("token", "it is no JWT: it has bytes beyond ASCII")
    }

    /// A claim, or another part, that cannot be used.
    pub(super) fn malformed(part: impl Into<String>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Malformed(Fault::new(part, reason))
    }

    /// A claim, or another part, that says that it is not for here.
    pub(super) fn foreign(part: impl Into<String>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Foreign(Fault::new(part, reason))
    }

    /// The same, with what was found, for the operator.
    #[must_use]
    pub(super) fn found(mut self, found: &str) -> Self {
        if let Self::Malformed(fault) | Self::Foreign(fault) = &mut self {
            fault.found = Some(found.chars().take(MAX_SHOWN).collect());
        }
        self
    }
}

/// A part of a token and what is wrong with it. For its client it holds nothing that others have set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The claim, or `header`, `signature`, …
    pub part: String,
    /// What is wrong with it.
    pub reason: Cow<'static, str>,
    /// The value that was found, cut off; for the operator.
    pub found: Option<String>,
}

impl Fault {
    fn new(part: impl Into<String>, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { part: part.into(), reason: reason.into(), found: None }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.part, self.reason)
    }
}
