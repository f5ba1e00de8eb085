//! Out of the outbox onto the broker, and out of storage into the database.

use std::time::Duration;

use backplane::{Destination, SendError};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use model::{Job, TaskId};
use runtime::{DatabaseError, database::Transaction};
use serde_json::Value;
use storage::{FileKey, StorageError};
use tokio::time::sleep;
use tracing::{error, warn};

use crate::{
    change::Fetch,
    engine::{Engine, jittered, now},
    fold::{TaskEnd, Word},
    outbox::{self, Claimed, Parcel},
    store::{self, Dialect},
};

/// Sent at the same time.
const AT_ONCE: usize = 16;
/// What the broker did not take is sent again after that long, in milliseconds.
const AGAIN: std::ops::Range<i64> = 1000..3000;
/// A larger input lies in storage.
const LARGEST_IN_JOB: usize = 64 * 1024;
/// Most bytes of an output that is brought from storage.
const LARGEST_OUTPUT: usize = 1024 * 1024;

/// What became of something that was sent.
enum Sent {
    Yes,
    /// Not now.
    Later,
    /// Never; the text says why.
    Never(String),
}

impl Engine {
    /// Sends what is written down, whenever there is something.
    pub(crate) async fn send_all(&self) {
        loop {
            self.outgoing.notified().await;
            loop {
                match self.send_some().await {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        warn!(%error, "what is to be sent cannot be looked up now");
                        sleep(jittered(Duration::from_secs(1))).await;
                        break;
                    }
                }
            }
        }
    }

    /// Answers whether there may be more.
    async fn send_some(&self) -> Result<bool, DatabaseError> {
        let (environment, dialect) = (self.place.environment.clone(), Dialect::of(&self.database));
        let claim = move |transaction: &mut dyn Transaction| outbox::claim(transaction, &environment, now(), dialect);
        let claimed = self.database.transaction(claim).await?;
        let may_be_more = claimed.len() as i64 == outbox::AT_ONCE;
        let sent: Vec<_> = stream::iter(claimed)
            .map(|claimed| async { (self.send(&claimed.parcel).await, claimed) })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        for (sent, claimed) in &sent {
            if let (Sent::Never(why), Parcel::Job(job)) = (sent, &claimed.parcel) {
                self.tell_step(job, Word::Ended(job.task, TaskEnd::Failed(why.clone()))).await?;
            }
        }
        self.database.transaction(move |transaction| settle(transaction, &sent)).await?;
        Ok(may_be_more)
    }

    async fn send(&self, parcel: &Parcel) -> Sent {
        let backplane = &self.place.backplane;
        let sent = match parcel {
            Parcel::Event(event) => backplane.log.publish(Destination::Own, event).await,
            Parcel::Job(job) => match self.within_a_message(job).await {
                Ok(job) => backplane.jobs.submit(&job).await,
                Err(error) => return self.not_stored(&error),
            },
        };
        match sent {
            Ok(()) => Sent::Yes,
            Err(SendError::Unroutable(why)) => {
                if let Parcel::Job(job) = parcel {
                    warn!(task = %job.task, why, "a step waits until there is a worker of its kind");
                    let note = format!("there is no worker of kind {} yet", job.kind);
                    self.tell_step(job, Word::Waits(job.task, note)).await.ok();
                }
                Sent::Later
            }
            Err(error) if error.is_transient() => {
                warn!(%error, "a word of a workflow is not sent yet; it is tried again");
                Sent::Later
            }
            Err(error) => {
                error!(%error, "a word of a workflow cannot be sent");
                Sent::Never(format!("its job could not be submitted: {error}"))
            }
        }
    }

    fn not_stored(&self, error: &StorageError) -> Sent {
        warn!(%error, "the input of a step is not stored yet; it is tried again");
        Sent::Later
    }

    async fn tell_step(&self, job: &Job, word: Word) -> Result<(), DatabaseError> {
        match job.parent {
            Some(run) => self.change(run, vec![word]).await.map(drop),
            None => Ok(()),
        }
    }

    /// The job, its input in storage where it is large; the same file however often.
    async fn within_a_message(&self, job: &Job) -> Result<Job, StorageError> {
        let text = job.input.to_string();
        if text.len() <= LARGEST_IN_JOB {
            return Ok(job.clone());
        }
        let name = "input.json".parse().map_err(|_| StorageError::Failed("input.json is no name".to_owned()))?;
        let key = FileKey::new(&job.task.to_string(), name).map_err(|error| StorageError::Failed(error.to_string()))?;
        let mut upload = self.place.storage.files(&self.place.environment, &job.owner).put(key.clone()).await?;
        upload.write(Bytes::from(text)).await?;
        upload.finish().await?;
        Ok(Job { input: Value::Null, stored_input: Some(key.to_string()), ..job.clone() })
    }

    /// Brings outputs from storage into the database; answers whether any came.
    pub(crate) async fn fetch(&self, run: TaskId, wanted: &[Fetch]) -> Result<bool, DatabaseError> {
        let mut came = false;
        for fetch in wanted {
            match self.stored(fetch).await {
                Ok(output) => {
                    let (fetch, dialect) = (fetch.clone(), Dialect::of(&self.database));
                    let bring =
                        move |transaction: &mut dyn Transaction| bring(transaction, run, &fetch, output, dialect);
                    self.database.transaction(bring).await?;
                    came = true;
                }
                Err(error) => warn!(%run, %error, "the output of a step is not brought from storage yet"),
            }
        }
        Ok(came)
    }

    /// `None` where it cannot be had or is too large: then what was told of it stays.
    async fn stored(&self, fetch: &Fetch) -> Result<Option<Value>, StorageError> {
        let files = self.place.storage.files(&self.place.environment, &fetch.owner);
        let download = match files.get(&fetch.key).await {
            Err(StorageError::NotFound(_)) => return Ok(None),
            download => download?,
        };
        if download.bytes > LARGEST_OUTPUT as u64 {
            return Ok(None);
        }
        let bytes: Vec<Bytes> = download.content.try_collect().await?;
        Ok(serde_json::from_slice(&bytes.concat()).ok())
    }
}

fn settle(transaction: &mut dyn Transaction, sent: &[(Sent, Claimed)]) -> Result<(), DatabaseError> {
    for (sent, claimed) in sent {
        match sent {
            Sent::Yes | Sent::Never(_) => outbox::sent(transaction, claimed)?,
            Sent::Later => outbox::later(transaction, &claimed.id, now() + rand::random_range(AGAIN))?,
        }
    }
    Ok(())
}

/// Puts an output in the place of the note of where it lies.
fn bring(
    transaction: &mut dyn Transaction,
    run: TaskId,
    fetch: &Fetch,
    output: Option<Value>,
    dialect: Dialect,
) -> Result<(), DatabaseError> {
    let Some(before) = store::load(transaction, run, dialect)? else {
        return Ok(());
    };
    let mut after = before.clone();
    let item = after.item(fetch.of);
    item.fetched = true;
    item.output = output;
    // Due at once: what waited for it goes on.
    store::save(transaction, (&before, &after), Some(0), None)
}
