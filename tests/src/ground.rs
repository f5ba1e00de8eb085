//! The backplane under a scenario.

use backplane::{Backplane, BackplaneConfig, Environment, memory::Broker};

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
