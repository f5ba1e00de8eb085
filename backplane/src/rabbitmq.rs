//! The backplane over RabbitMQ 3.10 to 4.x, AMQP 0-9-1.

use crate::{open::Backplane, topology::Topology};

/// Opens an environment's backplane on the broker at this address; connecting happens within.
pub fn open(_url: String, _topology: Topology) -> Backplane {
    unimplemented!()
}
