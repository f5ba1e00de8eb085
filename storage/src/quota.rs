//! How much each owner keeps: what lies in their folder, listed now and then, and what this process has stored since or is
//! storing now. Processes do not ask each other, so together they may exceed a quota by what they store at once.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures_util::TryStreamExt;
use object_store::{ObjectStore, path::Path};

use crate::{config::FilesConfig, error::StorageError, request_limits::RequestLimits};

/// The age at which a listing is made anew.
const FRESH: Duration = Duration::from_secs(5);
/// Nobody is refused by an older listing: they may have deleted something on another pod.
const FRESH_ENOUGH_TO_REFUSE: Duration = Duration::from_secs(1);
/// A listing is used for at least so many times as long as it took, so that an owner of many files costs a twentieth of a
/// thread at most.
const TIMES_AS_LONG: u32 = 20;
/// The most owners whose listings are remembered.
const MAX_OWNERS: usize = 4096;
const MAKE_ROOM: &str = "delete some, or wait until they expire";

/// The usage of all owners whom this process has lately stored something for.
pub(crate) struct Quotas {
    store: Arc<dyn ObjectStore>,
    request_limits: RequestLimits,
    limits: FilesConfig,
    owners: Mutex<HashMap<Arc<str>, Arc<Owner>>>,
}

/// What an owner keeps.
struct Owner {
    folder: Arc<str>,
    /// When the listing that counts began, and how long it took; locked while there is a new one.
    last_listing: tokio::sync::Mutex<Option<(Instant, Duration)>>,
    /// Locked while one of their files is removed.
    removal: tokio::sync::Mutex<()>,
    usage: Mutex<Usage>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Usage {
    listed: Amount,
    /// Stored by this process since the listing began.
    since: Amount,
    /// Being stored by this process.
    under_way: Amount,
}

#[derive(Debug, Clone, Copy, Default)]
struct Amount {
    files: u64,
    bytes: u64,
}

/// The room that a file takes while it is being stored.
pub(crate) struct Reservation {
    quotas: Arc<Quotas>,
    owner: Arc<Owner>,
    bytes: u64,
    may_exceed: bool,
}

impl Quotas {
    pub(crate) fn new(store: Arc<dyn ObjectStore>, request_limits: RequestLimits, limits: FilesConfig) -> Self {
        Self { store, request_limits, limits, owners: Mutex::default() }
    }

    pub(crate) fn limits(&self) -> &FilesConfig {
        &self.limits
    }

    /// Reserves room for one more file of an owner.
    pub(crate) async fn reserve(self: &Arc<Self>, folder: &Arc<str>) -> Result<Reservation, StorageError> {
        let owner = self.owner(folder);
        self.list(&owner, FRESH).await?;
        if self.take(&owner, 1, 0).is_err() {
            self.list(&owner, FRESH_ENOUGH_TO_REFUSE).await?;
            self.take(&owner, 1, 0)?;
        }
        Ok(Reservation { quotas: self.clone(), owner, bytes: 0, may_exceed: false })
    }

    /// Counts one more file of an owner that is stored although the quota may be full.
    pub(crate) fn exceed(self: &Arc<Self>, folder: &Arc<str>) -> Reservation {
        let owner = self.owner(folder);
        owner.usage().under_way.files += 1;
        Reservation { quotas: self.clone(), owner, bytes: 0, may_exceed: true }
    }

    /// Removes a file, whose bytes `removal` returns, and counts it. One of an owner at a time: a bucket says nothing of a file
    /// that is not there any more, and each of several who remove the same would count it.
    pub(crate) async fn remove(
        &self,
        folder: &Arc<str>,
        removal: impl Future<Output = Result<u64, StorageError>>,
    ) -> Result<(), StorageError> {
        let owner = self.owner(folder);
        let _alone = self.request_limits.in_time(owner.removal.lock()).await.map_err(StorageError::of_store)?;
        let bytes = removal.await?;
        let usage = &mut owner.usage();
        // Whichever of the two it was counted by: only their sum is compared.
        let from =
            if usage.since.bytes >= bytes && usage.since.files > 0 { &mut usage.since } else { &mut usage.listed };
        from.files = from.files.saturating_sub(1);
        from.bytes = from.bytes.saturating_sub(bytes);
        Ok(())
    }

    /// Counts so much more as under way, unless it would not fit.
    fn take(&self, owner: &Owner, files: u64, bytes: u64) -> Result<(), StorageError> {
        let (limits, mut usage) = (&self.limits, owner.usage());
        let Usage { listed, since, under_way } = *usage;
        let has_files = listed.files + since.files + under_way.files;
        let has_bytes = listed.bytes + since.bytes + under_way.bytes;
        if has_files + files > limits.files_per_user {
            return Err(StorageError::QuotaFull(format!(
                "you have {has_files} files, and may have {} (files.files_per_user); {MAKE_ROOM}",
                limits.files_per_user
            )));
        }
        if has_bytes + bytes > limits.quota_per_user {
            return Err(StorageError::QuotaFull(format!(
                "your files have {has_bytes} bytes, and may have {} (files.quota_per_user), so {bytes} more do not fit; \
                 {MAKE_ROOM}",
                limits.quota_per_user
            )));
        }
        usage.under_way.files += files;
        usage.under_way.bytes += bytes;
        Ok(())
    }

    fn owner(&self, folder: &Arc<str>) -> Arc<Owner> {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(owner) = owners.get(folder) {
            return owner.clone();
        }
        if owners.len() >= MAX_OWNERS {
            // What is under way is counted where it is; all else is found again by a listing.
            owners.retain(|_, owner| Arc::strong_count(owner) > 1);
        }
        let owner = Owner {
            folder: folder.clone(),
            last_listing: tokio::sync::Mutex::default(),
            removal: tokio::sync::Mutex::default(),
            usage: Mutex::default(),
        };
        owners.entry(folder.clone()).or_insert(Arc::new(owner)).clone()
    }

    /// Lists an owner's files unless that was done within this time.
    async fn list(&self, owner: &Owner, fresh: Duration) -> Result<(), StorageError> {
        // Not one after the other, where each listing hangs.
        let last_listing = self.request_limits.in_time(owner.last_listing.lock()).await;
        let mut last_listing = last_listing.map_err(StorageError::of_store)?;
        if last_listing.is_some_and(|(at, took)| at.elapsed() < fresh.max(took * TIMES_AS_LONG)) {
            return Ok(());
        }
        let (begun, before) = (Instant::now(), owner.usage().since);
        let files = self.store.list(Some(&Path::from(&*owner.folder)));
        let count = |so_far: Amount, file: object_store::ObjectMeta| async move {
            Ok(Amount { files: so_far.files + 1, bytes: so_far.bytes + file.size })
        };
        let listed = files.try_fold(Amount::default(), count).await.map_err(StorageError::of_store)?;
        let mut usage = owner.usage();
        usage.listed = listed;
        // What was stored while the list was made may be counted twice, until the next.
        usage.since.files = usage.since.files.saturating_sub(before.files);
        usage.since.bytes = usage.since.bytes.saturating_sub(before.bytes);
        *last_listing = Some((begun, begun.elapsed()));
        Ok(())
    }
}

impl Owner {
    fn usage(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reservation {
    /// Reserves so many bytes more.
    pub(crate) async fn grow(&mut self, bytes: u64) -> Result<(), StorageError> {
        if self.may_exceed {
            self.owner.usage().under_way.bytes += bytes;
        } else if self.quotas.take(&self.owner, 0, bytes).is_err() {
            self.quotas.list(&self.owner, FRESH_ENOUGH_TO_REFUSE).await?;
            self.quotas.take(&self.owner, 0, bytes)?;
        }
        self.bytes += bytes;
        Ok(())
    }

    /// Fails if a file of so many bytes would not fit now.
    pub(crate) async fn check(&mut self, bytes: u64) -> Result<(), StorageError> {
        self.grow(bytes).await?;
        self.owner.usage().under_way.bytes -= bytes;
        self.bytes -= bytes;
        Ok(())
    }

    /// The file is stored.
    pub(crate) fn stored(self) {
        let mut usage = self.owner.usage();
        usage.since.files += 1;
        usage.since.bytes += self.bytes;
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut usage = self.owner.usage();
        usage.under_way.files = usage.under_way.files.saturating_sub(1);
        usage.under_way.bytes = usage.under_way.bytes.saturating_sub(self.bytes);
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}
