//! How long the storage may take. A disk that hangs, or a server that accepts and never answers, is an error of the request that
//! waits for it, and holds up nobody else.

use std::{future::Future, io, sync::Arc, time::Duration};

use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use object_store::{Error, Result};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::{JoinHandle, spawn_blocking},
    time::{Instant, timeout, timeout_at},
};

/// How long a request may take: one file opened, one part of at most a mebibyte written, the next names of a list.
const WITHIN: Duration = Duration::from_secs(20);
/// Bytes that the slowest disk writes in a second, and that go over the slowest network.
const SLOWEST_DISK: u64 = 4 << 20;
const SLOWEST_NETWORK: u64 = 128 << 10;
/// The most requests under way at once, each of which may have a thread: far fewer than the runtime has for all.
const REQUESTS: usize = 128;
/// The same for lists, during which other requests are made.
const LISTS: usize = 16;
/// Names of a list that wait to be taken.
const NAMES: usize = 64;

/// How long the storage may take, and how many requests may be under way; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct RequestLimits {
    within: Duration,
    /// Whether a request ends once nobody waits for it, as one to a server does and a call of the system does not.
    ends: bool,
    requests: Arc<Semaphore>,
    lists: Arc<Semaphore>,
}

/// The place of a request that is under way; a thread that hangs keeps it.
pub(crate) type Place = OwnedSemaphorePermit;

impl Default for RequestLimits {
    fn default() -> Self {
        Self::of(WITHIN, false)
    }
}

impl RequestLimits {
    /// Each request may take so long, and ends then or goes on.
    fn of(within: Duration, ends: bool) -> Self {
        Self { within, ends, requests: Arc::new(Semaphore::new(REQUESTS)), lists: Arc::new(Semaphore::new(LISTS)) }
    }

    /// Of a server: a request that nobody waits for ends, else it would be sent again, over what was stored since.
    pub(crate) fn of_server() -> Self {
        Self::of(WITHIN, true)
    }

    /// The same for other requests, each of which may take so long.
    pub(crate) fn within(&self, time: Duration) -> Self {
        Self::of(time, self.ends)
    }

    /// A place for a request that has a thread of its own.
    pub(crate) async fn place(&self) -> Result<Place> {
        self.place_among(&self.requests, self.within).await
    }

    async fn place_among(&self, places: &Arc<Semaphore>, within: Duration) -> Result<Place> {
        let place = timeout(within, places.clone().acquire_owned()).await.map_err(|_| silence(within))?;
        place.map_err(|error| failed(io::Error::other(error)))
    }

    /// The answer to a request, in time. One to a server ends where it is given up. A call of the system goes on by itself, since
    /// nothing ends one that hangs, and keeps its place until then: so they never use up all threads.
    pub(crate) async fn answer<T: Send + 'static>(
        &self,
        request: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.answer_in(self.within, request).await
    }

    /// The same for a request that waits until so many bytes are on the disk.
    pub(crate) async fn answer_about<T: Send + 'static>(
        &self,
        bytes: u64,
        request: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        self.answer_in(self.within + Duration::from_secs(bytes / SLOWEST_DISK), request).await
    }

    /// The same for a request that takes so many bytes with it.
    pub(crate) async fn answer_to<T: Send + 'static>(
        &self,
        bytes: u64,
        request: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let slowest = if self.ends { SLOWEST_NETWORK } else { SLOWEST_DISK };
        self.answer_in(self.within + Duration::from_secs(bytes / slowest), request).await
    }

    async fn answer_in<T: Send + 'static>(
        &self,
        within: Duration,
        request: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let until = Instant::now() + within;
        let place = self.place_among(&self.requests, within).await?;
        if self.ends {
            let _place = place;
            return timeout_at(until, request).await.map_err(|_| silence(within))?;
        }
        let request = tokio::spawn(async move {
            let _place = place;
            request.await
        });
        timeout_at(until, request)
            .await
            .map_err(|_| silence(within))?
            .map_err(|error| failed(io::Error::other(error)))?
    }

    /// The same for a call of the system, on a thread.
    pub(crate) async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.answer(async move {
            let called = spawn_blocking(call).await.map_err(|error| failed(io::Error::other(error)))?;
            called.map_err(failed)
        })
        .await
    }

    /// The same for a request that ends when nobody waits for it, or has its place.
    pub(crate) async fn in_time<T>(&self, request: impl Future<Output = T>) -> Result<T> {
        timeout(self.within, request).await.map_err(|_| silence(self.within))
    }

    /// A list, of which each name comes in time.
    pub(crate) fn list<T: Send + 'static>(&self, list: BoxStream<'static, Result<T>>) -> BoxStream<'static, Result<T>> {
        self.clone().listed(self.lists.clone(), list)
    }

    /// The outcomes of several requests, each in time.
    pub(crate) fn each<T: Send + 'static>(&self, each: BoxStream<'static, Result<T>>) -> BoxStream<'static, Result<T>> {
        self.clone().listed(self.requests.clone(), each)
    }

    fn listed<T: Send + 'static>(
        self,
        places: Arc<Semaphore>,
        mut items: BoxStream<'static, Result<T>>,
    ) -> BoxStream<'static, Result<T>> {
        let begun = async move {
            let place = self.place_among(&places, self.within).await?;
            if self.ends {
                return Ok(self.pieces(items.inspect(move |_| _ = &place).boxed()));
            }
            let (sender, taken) = mpsc::channel(NAMES);
            // It ends with its list, or once nobody takes what comes.
            let listing = tokio::spawn(async move {
                let _place = place;
                while let Some(item) = items.next().await {
                    if sender.send(item).await.is_err() {
                        return;
                    }
                }
            });
            Ok::<_, Error>(self.taken(taken, listing))
        };
        stream::once(begun).try_flatten().boxed()
    }

    fn taken<T: Send + 'static>(
        self,
        taken: mpsc::Receiver<Result<T>>,
        listing: JoinHandle<()>,
    ) -> BoxStream<'static, Result<T>> {
        let next = |(limits, mut taken, listing): (Self, mpsc::Receiver<Result<T>>, JoinHandle<()>)| async move {
            let Some(item) = limits.in_time(taken.recv()).await?.transpose()? else {
                // One that broke off would look like a shorter list.
                listing.await.map_err(|error| failed(io::Error::other(error)))?;
                return Ok(None);
            };
            Ok(Some((item, (limits, taken, listing))))
        };
        stream::try_unfold((self, taken, listing), next).boxed()
    }

    /// A file's content, of which each piece comes in time.
    pub(crate) fn pieces<T: Send + 'static>(
        &self,
        pieces: BoxStream<'static, Result<T>>,
    ) -> BoxStream<'static, Result<T>> {
        let next = |(request_limits, mut pieces): (Self, BoxStream<'static, Result<T>>)| async move {
            let piece = request_limits.in_time(pieces.next()).await?.transpose()?;
            Ok(piece.map(|piece| (piece, (request_limits, pieces))))
        };
        stream::try_unfold((self.clone(), pieces), next).boxed()
    }
}

fn silence(within: Duration) -> Error {
    failed(io::Error::new(io::ErrorKind::TimedOut, format!("it did not answer within {within:?}")))
}

/// An error of the system as one of a store.
pub(crate) fn failed(error: io::Error) -> Error {
    Error::Generic { store: "storage", source: Box::new(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_list_that_breaks_off_is_an_error_and_not_a_shorter_list() {
        let limits = RequestLimits::default();
        let names = stream::iter(1..=3).map(|name| match name {
            3 => panic!("the store is broken"),
            name => Ok(name),
        });
        let listed: Vec<_> = limits.list(names.boxed()).collect().await;
        assert!(matches!(&listed[..], [Ok(1), Ok(2), Err(_)]), "{listed:?}");
        assert_eq!(limits.lists.available_permits(), LISTS);
    }
}
