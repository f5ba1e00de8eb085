//! The file's rows into PostgreSQL: a blocking thread reads them and writes COPY's text format, and the connection sends it.

use runtime::{Failure, thread};
use sqlx::PgConnection;
use tokio::sync::mpsc;

use crate::write::{
    batches::{BatchSink, BatchWriter},
    copy::CopySink,
    job::LoadJob,
    load::ReadOutcome,
    refused,
};

/// Chunks of rows buffered between the reading thread and the connection.
const CHANNEL_CHUNKS: usize = 4;

/// Reads the file on a blocking thread and sends what that writes; `None` if the database refused a row of it.
pub(super) async fn copy_rows(
    connection: &mut PgConnection,
    statement: &str,
    mut job: LoadJob,
    transfer: impl Future<Output = ()>,
) -> Result<Option<(LoadJob, ReadOutcome)>, Failure> {
    let mut copy = connection.copy_in_raw(statement).await?;
    let (sender, mut chunks) = mpsc::channel(CHANNEL_CHUNKS);
    // After a failure the job is dropped here, which ends the transfer of the file.
    let reading = thread::run(move || {
        let mut sink = CopySink::new(sender);
        let outcome = job.read(&mut sink)?;
        sink.flush().map(|()| (job, outcome))
    });
    let sending = async {
        // Dropped when this ends, also by an error: the thread must not wait for it.
        let mut chunks = std::mem::replace(&mut chunks, mpsc::channel(1).1);
        while let Some(chunk) = chunks.recv().await {
            copy.send(chunk).await?;
        }
        Ok::<_, sqlx::Error>(())
    };
    let (read, (), sent) = tokio::join!(reading, transfer, sending);
    sent?;
    let (job, outcome) = read?;
    match &outcome {
        ReadOutcome::Complete(_) => {
            if let Err(error) = copy.finish().await {
                refused::by_postgres(&error).ok_or(error)?;
                return Ok(None);
            }
        }
        ReadOutcome::TypesChanged(_) => copy.abort("the types do not hold").await?,
    }
    Ok(Some((job, outcome)))
}

/// The same in batches, of each of which the reading thread hears what the database refused.
pub(super) async fn copy_batches(
    connection: &mut PgConnection,
    writer: BatchWriter,
    mut job: LoadJob,
    transfer: impl Future<Output = ()>,
) -> Result<(LoadJob, ReadOutcome), Failure> {
    let (sender, mut batches) = mpsc::channel(1);
    let reading = thread::run(move || {
        let mut sink = BatchSink::new(sender);
        let outcome = job.read(&mut sink)?;
        Ok::<_, Failure>((job, outcome))
    });
    let writing = async {
        let mut batches = std::mem::replace(&mut batches, mpsc::channel(1).1);
        while let Some((batch, answer)) = batches.recv().await {
            // The thread waits for the answer, unless it has failed.
            let _ = answer.send(writer.write(connection, batch).await?);
        }
        Ok::<_, sqlx::Error>(())
    };
    let (read, (), written) = tokio::join!(reading, transfer, writing);
    written?;
    read
}
