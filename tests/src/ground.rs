//! The backplane under a scenario.

use backplane::{Backplane, BackplaneConfig, Environment, memory::Broker};

use crate::Relay;

/// Memory, or a RabbitMQ under a prefix of its own.
#[derive(Clone)]
pub enum Ground {
    Memory(Broker),
    RabbitMq { url: String, prefix: String },
}

impl Ground {
    pub fn memory() -> Self {
        Self::Memory(Broker::new())
    }

    pub async fn rabbitmq() -> Self {
        let url = std::env::var("BELLWIRE_TEST_AMQP_URL").expect("run `make test`, which starts a broker");
        let prefix = format!("t{:08x}", rand::random::<u32>());
        Self::RabbitMq { url, prefix }
    }

    /// The same, seen through a network that can be cut.
    pub async fn behind_a_relay(&self, is_open: bool) -> (Self, Relay) {
        let Self::RabbitMq { url, prefix } = self else {
            panic!("there is no network within a process");
        };
        let mut url = url::Url::parse(url).unwrap();
        let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(5672));
        let relay = Relay::to(target, is_open).await;
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(relay.address.port())).unwrap();
        (Self::RabbitMq { url: url.into(), prefix: prefix.clone() }, relay)
    }

    pub fn backplane(&self, environment: &Environment) -> Backplane {
        match self {
            Self::Memory(broker) => broker.environment(environment),
            Self::RabbitMq { url, prefix } => {
                let config = BackplaneConfig { url: url.clone(), prefix: prefix.parse().unwrap() };
                Backplane::open(&config, environment).unwrap()
            }
        }
    }
}
