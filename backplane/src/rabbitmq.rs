//! The backplane over RabbitMQ 3.10 to 4.x, AMQP 0-9-1.
//!
//! In order of flow:
//!
//! - `connect`: one connection, and what its errors mean; `heal`: one after another, for life
//! - `declare`: the names on the broker, looked for and made
//! - `line`: the publishing connection; `publish`: one message over it, until it is confirmed
//! - `log`: events out; `read`: events in; `join`: where reading begins, so that nothing is skipped unnoticed
//! - `jobs`: work out; `take`: work in; `settle`: what became of it; `dead`: what was given up
//! - `words`: words between pods

mod connect;
mod control;
mod dead;
mod declare;
mod heal;
mod jobs;
mod join;
mod line;
mod log;
mod publish;
mod read;
mod settle;
mod take;

use std::sync::Arc;

use model::environment::Kind;
use tokio::time::sleep;

use crate::{open::Backplane, send::SendError, topology::Topology};

use self::{
    connect::{Broker, answer},
    control::RabbitControl,
    declare::Bindings,
    heal::Backoff,
    jobs::RabbitJobs,
    log::RabbitLog,
    publish::Publisher,
};

/// Opens an environment's backplane on the broker at this address; connecting happens within.
///
/// The error says what is wrong with the address, without the password in it.
pub fn open(url: &str, topology: Topology) -> Result<Backplane, String> {
    let broker = Broker::new(url, topology)?;
    let publisher = Arc::new(Publisher::new(&broker)?);
    Ok(Backplane {
        log: Arc::new(RabbitLog::new(broker.clone(), publisher.clone())),
        jobs: Arc::new(RabbitJobs::new(broker.clone(), publisher.clone())),
        control: Arc::new(RabbitControl::new(broker, publisher)),
    })
}

/// How often declaring is tried: a channel may be taken whose number is still closing.
const DECLARING_TRIES: u32 = 3;

/// Declares all that an environment needs, for the operator's command: its log, its words, and the queues of these kinds.
pub async fn declare(url: &str, topology: Topology, kinds: &[Kind]) -> Result<(), SendError> {
    let broker = Broker::new(url, topology).map_err(SendError::Invalid)?;
    let mut backoff = Backoff::new();
    let mut tries = 1;
    loop {
        match declare_once(&broker, kinds).await {
            Err(error) if error.is_passing() && tries < DECLARING_TRIES => sleep(backoff.pause()).await,
            done => return done,
        }
        tries += 1;
    }
}

async fn declare_once(broker: &Broker, kinds: &[Kind]) -> Result<(), SendError> {
    let connection = broker.connect("topology").await.map_err(SendError::Unavailable)?;
    answer(declare::log(&connection, &broker.topology, Bindings::All)).await??;
    answer(declare::control(&connection, &broker.topology)).await??;
    for kind in kinds {
        answer(declare::jobs(&connection, &broker.topology, kind, Bindings::All)).await??;
    }
    // All is declared, however the goodbye goes.
    answer(connection.close(200, "done".into())).await.ok();
    Ok(())
}
