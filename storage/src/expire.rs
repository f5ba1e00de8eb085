//! Removes what has expired: old files, and what uploads that broke off left in a local folder.
//!
//! Any number of processes may do so at once; what another removes at the same time is no error.

use std::{
    fs, io,
    path::Path as LocalPath,
    time::{Duration, SystemTime},
};

use model::Environment;
use object_store::path::Path;
use tokio::task::spawn_blocking;

use crate::{
    error::StorageError,
    open::Storage,
    remove_older::{MAX_REMOVED, remove_older},
};

/// An unfinished upload that nobody has written to for longer was left by a process that was killed.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

impl Storage {
    /// Removes uploads and tasks' files of an environment that are older than `files.keep`; returns their number. Where
    /// it is the most that one call removes, there may be more.
    ///
    /// What functions keep under ids of their own, which have a '-', is theirs to remove.
    pub async fn remove_expired(&self, environment: &Environment) -> Result<u64, StorageError> {
        match SystemTime::now().checked_sub(self.limits().keep) {
            Some(before) => self.remove_older(environment, |id| !id.contains('-'), before).await,
            None => Ok(0),
        }
    }

    /// Removes the files of all owners of an environment whose key's id is one of these and that were stored before a
    /// time; returns their number, at most 10,000.
    pub async fn remove_older(
        &self,
        environment: &Environment,
        ids: impl Fn(&str) -> bool,
        before: SystemTime,
    ) -> Result<u64, StorageError> {
        let folder = Path::from(environment.as_str());
        // `<environment>/<owner>/<id>/<name>`; the catalogue's files lie less deep.
        let is_meant = |path: &Path| {
            let parts: Vec<_> = path.parts().collect();
            matches!(&parts[..], [_, _, id, _] if ids(id.as_ref()))
        };
        remove_older(&*self.store, &folder, is_meant, before).await
    }

    /// Removes what uploads that broke off with their process left in a local folder a day ago or earlier; returns the
    /// number of files. A bucket does that by its own rules.
    pub async fn remove_abandoned(&self, environment: &Environment) -> Result<u64, StorageError> {
        match SystemTime::now().checked_sub(ABANDONED) {
            Some(before) => self.remove_unfinished(environment, before).await,
            None => Ok(0),
        }
    }

    /// Removes unfinished uploads that nobody has written to since a time, and folders that were empty then.
    pub async fn remove_unfinished(&self, environment: &Environment, before: SystemTime) -> Result<u64, StorageError> {
        let Some(folder) = self.medium.folder().map(|folder| folder.join(environment.as_str())) else {
            return Ok(0);
        };
        let removed = spawn_blocking(move || {
            let mut removed = 0;
            match clean(&folder, before, &mut removed) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(removed),
            }
        });
        removed
            .await
            .map_err(|error| StorageError::Failed(error.to_string()))?
            .map_err(|error| StorageError::Failed(error.to_string()))
    }
}

fn clean(folder: &LocalPath, before: SystemTime, removed: &mut u64) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(found) = entry.metadata() else { continue };
        let is_old = found.modified().is_ok_and(|modified| modified < before);
        if found.is_dir() {
            match clean(&entry.path(), before, removed) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            if is_old {
                // Only if it is empty; who needs it in this moment makes it anew.
                let _ = fs::remove_dir(entry.path());
            }
        } else if is_old && *removed < MAX_REMOVED && is_unfinished(&entry.file_name().to_string_lossy()) {
            match fs::remove_file(entry.path()) {
                Ok(()) => *removed += 1,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

/// A local upload is written as `<name>#<number>`; no stored file's name has a '#' ([`crate::layout`] encodes it).
fn is_unfinished(name: &str) -> bool {
    name.rsplit_once('#').is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}
