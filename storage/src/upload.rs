//! A file being written, at constant memory.

use std::{fs, path::PathBuf, sync::Arc};

use bytes::{Bytes, BytesMut};
use object_store::{Attributes, ObjectStore, PutMultipartOptions, PutOptions, WriteMultipart, path::Path};
use serde::Serialize;
use tokio::{
    runtime::Handle,
    sync::Semaphore,
    task::{JoinHandle, spawn_blocking},
};

use crate::{
    error::StorageError,
    key::FileKey,
    medium::Medium,
    quota::Reservation,
    request_limits::{Place, RequestLimits},
};

/// Parts that are being written; an upload holds one more.
const IN_FLIGHT: usize = 2;
/// Bytes that an upload may hold without a place among the large ones.
const LITTLE: usize = 1024 * 1024;

/// A stored file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoredFile {
    /// Its key in its owner's folder.
    pub key: FileKey,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A file being written; dropped before [`Upload::finish`], nothing remains of it.
#[derive(Debug)]
pub struct Upload {
    key: FileKey,
    bytes: u64,
    limit: u64,
    /// `None` after a failure, so that an incomplete file is never finished.
    unfinished: Option<Unfinished>,
}

/// A file that is removed when this is dropped.
#[derive(Debug)]
struct Unfinished(Option<Staged>);

/// What must go if the file is not finished.
#[derive(Debug)]
struct Staged {
    store: Arc<dyn ObjectStore>,
    path: Path,
    /// Size of a part in bytes.
    part: usize,
    /// What is stored beside the content.
    attributes: Attributes,
    content: Content,
    room: Option<Reservation>,
    /// The local folder of the key's id, which is removed where the file would have been the only one in it.
    folder: Option<PathBuf>,
    request_limits: RequestLimits,
    large: Large,
}

/// An upload's place among those that hold much: of a bucket alone, whose parts are large.
#[derive(Debug)]
enum Large {
    Unlimited,
    NotYet(Arc<Semaphore>),
    Held { _place: Place },
}

/// Where the content is. Nothing is created in the store before a whole part is there: an upload that stalls costs no file,
/// and a small file is stored by one call.
#[derive(Debug)]
enum Content {
    Held(BytesMut),
    /// The parts are being created, and what was held is written to the first.
    Beginning(JoinHandle<object_store::Result<WriteMultipart>>),
    Parts(WriteMultipart),
    Finished,
}

impl Upload {
    pub(crate) fn new(
        key: FileKey,
        (store, path): (Arc<dyn ObjectStore>, Path),
        request_limits: RequestLimits,
        room: Reservation,
        (medium, id_folder): (&Medium, &str),
    ) -> Self {
        let unfinished = Some(Unfinished(Some(Staged {
            store,
            path,
            part: medium.part(),
            attributes: medium.attributes(key.name()),
            content: Content::Held(BytesMut::new()),
            room: Some(room),
            folder: medium.folder().map(|folder| folder.join(id_folder)),
            request_limits,
            large: medium.bucket().map_or(Large::Unlimited, |bucket| Large::NotYet(bucket.large_uploads.clone())),
        })));
        Self { key, bytes: 0, limit: u64::MAX, unfinished }
    }

    /// Limits the file's size in bytes; a write beyond it fails with [`StorageError::TooLarge`].
    pub fn limit(mut self, bytes: u64) -> Self {
        self.limit = bytes;
        self
    }

    /// The number of bytes written so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Fails if a file of so many bytes would not fit, before any of them is written.
    pub async fn check_room(&mut self, bytes: u64) -> Result<(), StorageError> {
        if bytes > self.limit {
            return Err(StorageError::TooLarge(self.limit));
        }
        let staged = self.unfinished.as_mut().and_then(|unfinished| unfinished.0.as_mut());
        match staged.and_then(|staged| staged.room.as_mut()) {
            Some(room) => room.check(bytes).await,
            None => Err(already_over()),
        }
    }

    /// Writes bytes; waits while the storage is slower than the sender.
    ///
    /// After an error, or if this future is dropped before its end, the upload is over and nothing remains of it, unless a
    /// storage that did not answer in time does it after all.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), StorageError> {
        let mut unfinished = self.unfinished.take().ok_or_else(already_over)?;
        let total = self.bytes + bytes.len() as u64;
        let written = match total > self.limit {
            true => Err(StorageError::TooLarge(self.limit)),
            false => unfinished.write(&bytes).await,
        };
        if let Err(error) = written {
            unfinished.discard().await;
            return Err(error);
        }
        self.bytes = total;
        self.unfinished = Some(unfinished);
        Ok(())
    }

    /// Makes the file visible, whole.
    pub async fn finish(mut self) -> Result<StoredFile, StorageError> {
        let mut unfinished = self.unfinished.take().ok_or_else(already_over)?;
        match unfinished.finish().await {
            Ok(()) => Ok(StoredFile { key: self.key, bytes: self.bytes }),
            Err(error) => {
                unfinished.discard().await;
                Err(error)
            }
        }
    }
}

impl Unfinished {
    async fn write(&mut self, bytes: &Bytes) -> Result<(), StorageError> {
        let Some(staged) = &mut self.0 else { return Err(already_over()) };
        let Staged { store, path, part, attributes, content, room: Some(room), request_limits, large, .. } = staged
        else {
            return Err(already_over());
        };
        room.grow(bytes.len() as u64).await?;
        if let Content::Held(held) = content {
            if held.len() + bytes.len() > LITTLE {
                large.hold(request_limits).await?;
            }
            if held.len() + bytes.len() < *part {
                held.extend_from_slice(bytes);
                return Ok(());
            }
            let place = request_limits.place().await.map_err(StorageError::of_store)?;
            let begin = Begin { store: store.clone(), path: path.clone(), part: *part, attributes: attributes.clone() };
            *content = begin.with(std::mem::take(held).freeze(), place);
        }
        let parts = content.parts(request_limits).await?;
        for piece in bytes.chunks(*part) {
            parts.wait_for_capacity(IN_FLIGHT).await.map_err(StorageError::of_store)?;
            parts.write(piece);
        }
        Ok(())
    }

    async fn finish(&mut self) -> Result<(), StorageError> {
        let staged = self.0.as_mut().ok_or_else(already_over)?;
        staged.store_content().await?;
        if let Some(staged) = self.0.take() {
            staged.room.into_iter().for_each(Reservation::stored);
        }
        Ok(())
    }

    async fn discard(mut self) {
        if let Some(staged) = self.0.take() {
            let request_limits = staged.request_limits.clone();
            // What hangs is not waited for: it is removed once the storage is there again.
            let _ = request_limits.in_time(tokio::spawn(staged.discard())).await;
        }
    }
}

impl Large {
    /// Waits for a place, but no longer than for an answer.
    async fn hold(&mut self, request_limits: &RequestLimits) -> Result<(), StorageError> {
        if let Self::NotYet(places) = self {
            let place = request_limits.in_time(places.clone().acquire_owned()).await;
            let place =
                place.map_err(|_| StorageError::Failed("as many large files are being stored as may be".to_owned()))?;
            *self = Self::Held { _place: place.map_err(|error| StorageError::Failed(error.to_string()))? };
        }
        Ok(())
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let (Some(staged), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            // A few calls of the file system: nobody waits for them.
            drop(runtime.spawn(staged.discard()));
        }
    }
}

/// What an upload in parts is begun with.
struct Begin {
    store: Arc<dyn ObjectStore>,
    path: Path,
    part: usize,
    attributes: Attributes,
}

impl Begin {
    fn with(self, held: Bytes, place: Place) -> Content {
        let Self { store, path, part, attributes } = self;
        let runtime = Handle::current();
        // The store of local files would create, and sync, a folder and a file on the thread that asks for it.
        Content::Beginning(spawn_blocking(move || {
            let _place = place;
            let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
            let upload = runtime.block_on(store.put_multipart_opts(&path, options))?;
            let mut parts = WriteMultipart::new_with_chunk_size(upload, part);
            parts.write(&held);
            Ok(parts)
        }))
    }
}

impl Content {
    /// The parts, once they are created; if this future is dropped they are not lost.
    async fn parts(&mut self, request_limits: &RequestLimits) -> Result<&mut WriteMultipart, StorageError> {
        if let Self::Beginning(beginning) = self {
            let begun = request_limits.in_time(beginning).await.map_err(StorageError::of_store)?;
            *self = Self::Finished;
            let begun = begun.map_err(|error| StorageError::Failed(error.to_string()))?;
            *self = Self::Parts(begun.map_err(StorageError::of_store)?);
        }
        match self {
            Self::Parts(parts) => Ok(parts),
            Self::Held(_) | Self::Beginning(_) | Self::Finished => Err(already_over()),
        }
    }
}

impl Staged {
    async fn store_content(&mut self) -> Result<(), StorageError> {
        let stored = if let Content::Held(held) = &mut self.content {
            let content = std::mem::take(held).freeze();
            let options = PutOptions { attributes: std::mem::take(&mut self.attributes), ..PutOptions::default() };
            self.store.put_opts(&self.path, content.into(), options).await
        } else {
            // Waited for here, because `finish` would hide the cause of a failed part behind a failed clean-up.
            let all_written = self.content.parts(&self.request_limits).await?.wait_for_capacity(0).await;
            all_written.map_err(StorageError::of_store)?;
            let Content::Parts(parts) = std::mem::replace(&mut self.content, Content::Finished) else {
                return Err(already_over());
            };
            parts.finish().await
        };
        stored.map(drop).map_err(StorageError::of_store)
    }

    async fn discard(self) {
        // The caller gets the failure that led here; a leftover file is never visible.
        let begun = match self.content {
            Content::Parts(parts) => Some(parts),
            Content::Beginning(beginning) => beginning.await.ok().and_then(Result::ok),
            Content::Held(_) | Content::Finished => None,
        };
        if let Some(parts) = begun {
            let _ = parts.abort().await;
        }
        if let Some(folder) = self.folder {
            // It stays where another file lies in it; else aborted uploads alone would use up the file system.
            let _ = self.request_limits.call(move || fs::remove_dir(folder)).await;
        }
    }
}

fn already_over() -> StorageError {
    StorageError::Failed("the upload has already ended".to_owned())
}
