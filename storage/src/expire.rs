//! Files that have had their time.

use std::time::SystemTime;

use futures_util::TryStreamExt;
use model::Environment;
use object_store::{Error, ObjectStoreExt, path::Path};

use crate::{files::StorageError, open::Storage};

impl Storage {
    /// Removes an environment's files of all owners whose key's id begins so and that were put before a time; answers
    /// how many. One that another process removes at the same time is no failure.
    pub async fn remove_older(
        &self,
        environment: &Environment,
        id_begins: &str,
        before: SystemTime,
    ) -> Result<u64, StorageError> {
        let failed = |error: Error| StorageError::Failed(error.to_string());
        let mut files = self.store.list(Some(&Path::from(environment.as_str())));
        let mut removed = 0;
        while let Some(file) = files.try_next().await.map_err(failed)? {
            // `<environment>/<owner>/<id>/<name>`
            let is_meant = file.location.parts().nth(2).is_some_and(|id| id.as_ref().starts_with(id_begins));
            if !is_meant || SystemTime::from(file.last_modified) >= before {
                continue;
            }
            match self.store.delete(&file.location).await {
                Ok(()) => removed += 1,
                Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(removed)
    }
}
