//! How many files a process may have open; each connection is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the limit of this process, and of those it starts from now on, as far as it may: how many that is.
pub fn raise_limit() -> anyhow::Result<usize> {
    let maximum = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })?;
    Ok(maximum.and_then(|maximum| usize::try_from(maximum).ok()).unwrap_or(usize::MAX))
}
