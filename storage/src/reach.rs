//! Whether the store is there and lets us in: asked when a process starts, and now and then after that.

use std::{fs, time::Duration};

use object_store::Error;
use process::Condition;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::{
    address::OpenError,
    error::{StorageError, code_of, words_of},
    medium::Medium,
    open::Storage,
};

/// The pause after an answer, and after none.
const AFTER_ANSWER: Duration = Duration::from_secs(30);
const AFTER_NONE: Duration = Duration::from_secs(2);

/// Why no file can be stored or read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unusable {
    /// The settings are wrong: it stays so until somebody changes them.
    #[error(transparent)]
    Wrong(#[from] OpenError),
    /// It does not answer now.
    #[error("the storage is away: {0}")]
    Away(String),
}

impl Storage {
    /// Asks the store for a name (of a folder only the first in it), and says what is wrong if there is no such bucket, or its keys
    /// are not taken.
    pub async fn check(&self) -> Result<(), Unusable> {
        match &self.medium {
            Medium::Process => Ok(()),
            Medium::Folder(folder) => {
                let folder = folder.clone();
                let first = self.request_limits.call(move || fs::read_dir(folder)?.next().transpose());
                first.await.map(drop).map_err(|error| Unusable::Away(StorageError::of_store(error).to_string()))
            }
            Medium::Bucket(bucket) => {
                let asked = bucket.clone();
                let answer = self.request_limits.answer(async move { asked.ask().await }).await;
                answer.map_err(|error| unusable(error, &bucket.name))
            }
        }
    }

    /// Fails if the settings are wrong; a store that is away keeps no process from starting, for it may come back.
    pub async fn check_at_start(&self) -> Result<(), OpenError> {
        match self.check().await {
            Ok(()) => Ok(()),
            Err(Unusable::Wrong(error)) => Err(error),
            Err(error @ Unusable::Away(_)) => {
                warn!(%error, "until it is there, requests that need files are answered 503");
                Ok(())
            }
        }
    }

    /// Keeps a condition of readiness in step with whether the store answers; never ends. The condition holds in part while it
    /// does not, since events need no files.
    pub async fn report(self, condition: Condition) {
        condition.ready();
        let mut was_there = true;
        loop {
            let answer = self.check().await;
            match &answer {
                Ok(()) => condition.ready(),
                Err(error) => condition.degraded(format!("files can be neither stored nor read: {error}")),
            }
            match (&answer, was_there) {
                (Err(error), true) => warn!(%error, "files can be neither stored nor read"),
                (Ok(()), false) => info!("the storage is there again"),
                _ => {}
            }
            was_there = answer.is_ok();
            sleep(if was_there { AFTER_ANSWER } else { AFTER_NONE }).await;
        }
    }

    /// The origin of the links that downloads are answered with, as pages have to allow it; none where there are none.
    pub async fn link_origin(&self) -> Option<String> {
        let bucket = self.medium.bucket().filter(|bucket| bucket.has_links())?.clone();
        self.request_limits.answer(async move { bucket.origin().await }).await.ok()
    }
}

/// What servers say of settings that are wrong: of no such bucket, of keys that they do not take, and of another region.
const NO_BUCKET: &[&str] = &["NoSuchBucket", "InvalidBucketName", "ContainerNotFound", "InvalidResourceName"];
const NOT_THESE_KEYS: &[&str] = &[
    "AccessDenied",
    "AccountProblem",
    "AuthenticationFailed",
    "AuthorizationFailure",
    "AuthorizationPermissionMismatch",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidAuthenticationInfo",
    "InvalidToken",
    "SignatureDoesNotMatch",
];
const ANOTHER_REGION: &[&str] = &["AuthorizationHeaderMalformed", "PermanentRedirect"];

fn unusable(error: Error, bucket: &str) -> Unusable {
    let (code, words) = (code_of(&error).unwrap_or_default(), words_of(&error));
    let is_one_of = |codes: &[&str]| codes.contains(&&*code);
    if is_one_of(NO_BUCKET) {
        OpenError::of("url", format!("{bucket} is not there: {words}")).into()
    } else if is_one_of(NOT_THESE_KEYS) {
        OpenError::of("credentials_file", format!("{bucket} is not opened to these keys: {words}")).into()
    } else if is_one_of(ANOTHER_REGION) || words.contains("redirect without LOCATION") {
        OpenError::of("region", format!("{bucket} is in another: {words}")).into()
    } else {
        match StorageError::of_store(error) {
            StorageError::Failed(reason) => Unusable::Away(reason),
            error => Unusable::Away(error.to_string()),
        }
    }
}
