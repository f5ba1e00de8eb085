//! A store whose every request is answered in time, or fails.

use std::{fmt, io, sync::Arc};

use futures_util::stream::BoxStream;
use object_store::{
    CopyOptions, GetOptions, GetResult, GetResultPayload, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, UploadPart, path::Path,
};

use crate::request_limits::{RequestLimits, failed};

/// A store, and the request_limits with it.
#[derive(Debug)]
pub(crate) struct LimitedStore {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) request_limits: RequestLimits,
}

impl fmt::Display for LimitedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

#[async_trait::async_trait]
impl ObjectStore for LimitedStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let (store, location, bytes) = (self.store.clone(), location.clone(), payload.content_length() as u64);
        self.request_limits.answer_to(bytes, async move { store.put_opts(&location, payload, options).await }).await
    }

    /// On the thread that asks, which has a place: the store of local files creates a folder and a file on it.
    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        let begun = self.request_limits.in_time(self.store.put_multipart_opts(location, options)).await??;
        Ok(Box::new(LimitedUpload { upload: Some(begun), bytes: 0, request_limits: self.request_limits.clone() }))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        let (store, location) = (self.store.clone(), location.clone());
        let found = self.request_limits.answer(async move { store.get_opts(&location, options).await }).await?;
        let payload = match found.payload {
            GetResultPayload::Stream(pieces) => GetResultPayload::Stream(self.request_limits.pieces(pieces)),
            file => file,
        };
        Ok(GetResult { payload, ..found })
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.request_limits.each(self.store.delete_stream(locations))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.request_limits.list(self.store.list(prefix))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        let (store, prefix) = (self.store.clone(), prefix.cloned());
        self.request_limits.answer(async move { store.list_with_delimiter(prefix.as_ref()).await }).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        let (store, from, to) = (self.store.clone(), from.clone(), to.clone());
        self.request_limits.answer(async move { store.copy_opts(&from, &to, options).await }).await
    }
}

/// An upload in parts; none once it has ended.
#[derive(Debug)]
struct LimitedUpload {
    upload: Option<Box<dyn MultipartUpload>>,
    bytes: u64,
    request_limits: RequestLimits,
}

#[async_trait::async_trait]
impl MultipartUpload for LimitedUpload {
    fn put_part(&mut self, data: PutPayload) -> UploadPart {
        let bytes = data.content_length() as u64;
        self.bytes += bytes;
        let part = self.upload.as_mut().map(|upload| upload.put_part(data));
        let request_limits = self.request_limits.clone();
        Box::pin(async move { request_limits.answer_to(bytes, part.ok_or_else(over)?).await })
    }

    /// All that was written is synced by this one call.
    async fn complete(&mut self) -> Result<PutResult> {
        let mut upload = self.upload.take().ok_or_else(over)?;
        self.request_limits.answer_about(self.bytes, async move { upload.complete().await }).await
    }

    /// Nothing where it has ended: else the reason of a failed end would be lost behind this one.
    async fn abort(&mut self) -> Result<()> {
        let Some(mut upload) = self.upload.take() else { return Ok(()) };
        self.request_limits.answer(async move { upload.abort().await }).await
    }
}

fn over() -> object_store::Error {
    failed(io::Error::other("the upload has already ended"))
}
