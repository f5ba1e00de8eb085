//! A fresh backplane of either kind, for one test.

use std::{
    future::Future,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex},
};

use backplane::{
    Backplane, BackplaneConfig, memory,
    topology::{Prefix, Topology},
};
use futures_util::FutureExt;
use model::{Environment, Kind};

use crate::broker;

/// The kinds of function that tests have.
pub const KINDS: [&str; 2] = ["imports", "reports"];

/// Where the environments of one test live.
#[derive(Clone)]
pub enum World {
    /// In this process.
    Memory(memory::Broker),
    /// On the broker, under a prefix of the test's own.
    RabbitMq(Rabbit),
}

/// A test's corner of the broker.
#[derive(Clone)]
pub struct Rabbit {
    pub prefix: Prefix,
    made: Arc<Mutex<Vec<Environment>>>,
}

impl World {
    /// The backplane of an environment.
    pub fn environment(&self, name: &str) -> Backplane {
        let environment = name.parse().unwrap();
        match self {
            Self::Memory(broker) => broker.environment(&environment),
            Self::RabbitMq(rabbit) => rabbit.open(&broker::url(), name),
        }
    }
}

impl Rabbit {
    /// A corner that nobody else has.
    pub fn new() -> Self {
        Self { prefix: broker::prefix(), made: Arc::default() }
    }

    /// The backplane of an environment, through this address.
    pub fn open(&self, url: &str, name: &str) -> Backplane {
        let environment: Environment = name.parse().unwrap();
        self.made.lock().unwrap().push(environment.clone());
        let config = BackplaneConfig { url: url.to_owned(), prefix: self.prefix.clone(), ..Default::default() };
        Backplane::open(&config, &environment).unwrap()
    }

    /// The first word of its names.
    pub fn name(&self) -> String {
        let everywhere = self.topology("any").everywhere();
        everywhere.split('.').next().unwrap().to_owned()
    }

    /// The names of an environment.
    pub fn topology(&self, name: &str) -> Topology {
        Topology::new(self.prefix.clone(), name.parse().unwrap())
    }

    /// Runs a test here, and deletes what it made whatever came of it.
    pub async fn run<F: Future<Output = ()>>(test: impl FnOnce(Self) -> F) {
        let rabbit = Self::new();
        let outcome = AssertUnwindSafe(test(rabbit.clone())).catch_unwind().await;
        let environments = rabbit.made.lock().unwrap().clone();
        broker::clean(&rabbit.prefix, &environments, &KINDS.map(|kind| kind.parse::<Kind>().unwrap())).await;
        if let Err(failed) = outcome {
            panic::resume_unwind(failed);
        }
    }
}

/// Makes each test of a file one over memory and one over RabbitMQ.
macro_rules! over_both {
    ($($name:ident),* $(,)?) => {
        mod memory {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::world::World::Memory(backplane::memory::Broker::new())).await;
            })*
        }
        mod rabbitmq {
            $(#[tokio::test]
            async fn $name() {
                use crate::world::{Rabbit, World};
                Rabbit::run(|rabbit| super::$name(World::RabbitMq(rabbit))).await;
            })*
        }
    };
}
pub(crate) use over_both;
