//! The ids of processes: gateway pods and workers.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// The id of a process: `g-…` for a gateway, `w-…` for a worker; `[a-z0-9-]`, part of a queue's name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PodId(Arc<str>);

impl PodId {
    /// A new gateway's id.
    pub fn gateway() -> Self {
        Self::new("g")
    }

    /// A new worker's id.
    pub fn worker() -> Self {
        Self::new("w")
    }

    /// The id of a new process of another role, such as a command at a terminal.
    pub fn new(role: &str) -> Self {
        Self(format!("{role}-{}", ulid::Ulid::generate()).to_ascii_lowercase().into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PodId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PodId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if text.is_empty() || text.len() > 64 || !plain {
            return Err("a pod id is 1 to 64 of a-z, 0-9 and '-'".to_owned());
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for PodId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<PodId> for String {
    fn from(pod: PodId) -> String {
        pod.to_string()
    }
}
