//! A storage that can be made to hang: it takes every request, and answers none.

use std::fmt;

use async_trait::async_trait;
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMultipartOptions,
    PutOptions, PutPayload, PutResult, Result, memory::InMemory, path::Path,
};
use tokio::sync::watch;

/// Files in memory, while it does not hang.
#[derive(Debug)]
pub struct HangingStore {
    files: InMemory,
    hangs: watch::Receiver<bool>,
}

impl HangingStore {
    /// A store that answers, and what makes it hang.
    pub fn new() -> (Self, watch::Sender<bool>) {
        let (sender, hangs) = watch::channel(false);
        (Self { files: InMemory::new(), hangs }, sender)
    }

    async fn answers(&self) -> Result<()> {
        let mut hangs = self.hangs.clone();
        // A test that has ended lets all go.
        let _ = hangs.wait_for(|hangs| !hangs).await;
        Ok(())
    }

    fn later<T: Send + 'static>(&self, answers: BoxStream<'static, Result<T>>) -> BoxStream<'static, Result<T>> {
        let mut hangs = self.hangs.clone();
        let begun = async move {
            let _ = hangs.wait_for(|hangs| !hangs).await;
            answers
        };
        stream::once(begun).flatten().boxed()
    }
}

impl fmt::Display for HangingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a store that may hang")
    }
}

#[async_trait]
impl ObjectStore for HangingStore {
    async fn put_opts(&self, location: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.answers().await?;
        self.files.put_opts(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.answers().await?;
        self.files.put_multipart_opts(location, options).await
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.answers().await?;
        self.files.get_opts(location, options).await
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.later(self.files.delete_stream(locations))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.later(self.files.list(prefix))
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.answers().await?;
        self.files.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.answers().await?;
        self.files.copy_opts(from, to, options).await
    }
}
