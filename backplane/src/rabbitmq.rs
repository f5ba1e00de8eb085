//! The backplane over RabbitMQ 3.10 to 4.x, AMQP 0-9-1.
//!
//! In order of flow:
//!
//! - `connect`: one connection, and its errors; `backoff`: pauses between attempts; `reconnect`: a reader's connections,
//!   one after another
//! - `declare`: exchanges, queues and bindings
//! - `publish_connection`: the connection for publishing; `publish_channel`: one channel of it; `unconfirmed`: what waits
//!   for the broker there; `publication`: a message; `publish`: messages over that connection, until they are confirmed
//! - `log`: publishes events; `log_consumer` reads them over a consumer of the `stream`; `start_position`: where that
//!   consumer starts
//! - `submit`: puts a job into a lane; `jobs`: the job queues; `job_consumer` takes them, `asked_lanes` those before and
//!   behind the first lane; `job_slots` counts them, `job_lengths` looks how long they take, `waiting_jobs` holds what was
//!   pushed ahead, and `moves` what is on its way to another lane; `settle` settles them, by the `acknowledger` of their
//!   channel; `dead`: jobs that were given up
//! - `control`: messages between pods; `lease`: which of them starts what is scheduled

mod acknowledger;
mod asked_lanes;
mod backoff;
mod connect;
mod control;
mod dead;
mod declare;
mod event_message;
mod job_consumer;
mod job_lengths;
mod job_slots;
mod jobs;
mod lease;
mod log;
mod log_consumer;
mod moves;
mod publication;
mod publish;
mod publish_channel;
mod publish_connection;
mod reconnect;
mod settle;
mod start_position;
mod stream;
mod submit;
mod unconfirmed;
mod waiting_jobs;

use std::sync::Arc;

use backon::Retryable;
use model::environment::Kind;

use self::{
    backoff::backoff,
    connect::{Broker, await_answer},
    control::RabbitControl,
    declare::Bindings,
    jobs::RabbitJobs,
    lease::RabbitLease,
    log::RabbitLog,
    publish::Publisher,
};
use crate::{backplane::Backplane, lane::Lane, link::SendError, tls_files::TlsFiles, topology::Topology};

/// Opens an environment's backplane on the broker at this address; it connects in the background.
///
/// The error describes what is wrong with the address, without the password in it.
pub fn open(url: &str, tls: TlsFiles, topology: Topology) -> Result<Backplane, String> {
    let broker = Broker::new(url, tls, topology)?;
    let publisher = Arc::new(Publisher::new(&broker)?);
    Ok(Backplane {
        log: Arc::new(RabbitLog { broker: broker.clone(), publisher: publisher.clone() }),
        jobs: Arc::new(RabbitJobs { broker: broker.clone(), publisher: publisher.clone() }),
        control: Arc::new(RabbitControl { broker: broker.clone(), publisher }),
        scheduling: Arc::new(RabbitLease { broker }),
    })
}

/// Retries of declaring: the number of a new channel may be one that is still closing.
const DECLARE_RETRIES: usize = 2;

/// Declares all that an environment needs, for the operator's command: its log, its control exchange, and the queues of
/// these kinds.
pub async fn declare(url: &str, tls: TlsFiles, topology: Topology, kinds: &[Kind]) -> Result<(), SendError> {
    let broker = Broker::new(url, tls, topology).map_err(SendError::Invalid)?;
    let attempts = (|| declare_once(&broker, kinds)).retry(backoff().take(DECLARE_RETRIES));
    attempts.when(SendError::is_transient).await
}

async fn declare_once(broker: &Broker, kinds: &[Kind]) -> Result<(), SendError> {
    let connection = broker.connect("topology").await.map_err(SendError::Unavailable)?;
    await_answer(declare::log(&connection, &broker.topology, Bindings::All)).await??;
    await_answer(declare::control(&connection, &broker.topology)).await??;
    await_answer(declare::lease(&connection, &broker.topology, Bindings::All)).await??;
    for kind in kinds {
        await_answer(declare::jobs(&connection, &broker.topology, kind, Bindings::All)).await??;
        for lane in Lane::ASKED {
            await_answer(declare::lane(&connection, &broker.topology, kind, lane, Bindings::All)).await??;
        }
    }
    // Everything is declared, whether closing succeeds or not.
    await_answer(connection.close(200, "done".into())).await.ok();
    Ok(())
}
