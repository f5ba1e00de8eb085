//! What lives as long as the process: its environments, each with a key, a log that is followed and a dispatcher.

use std::{collections::HashMap, sync::Arc};

use backplane::{
    Backplane, Environment, PodId,
    follow::{Follower, Patience},
};
use storage::Storage;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{
    config::GatewayConfig,
    dispatch::Dispatch,
    dispatcher::{Dispatcher, FollowerEnded},
    functions::Functions,
    hub::held::Held,
    token::Key,
    writers::Writers,
};

/// An environment to be served.
pub struct Served {
    /// Whose.
    pub environment: Environment,
    /// The key of its tokens.
    pub key: Key,
    /// Its log, jobs and words.
    pub backplane: Backplane,
}

/// One environment on this pod.
pub struct Gate {
    /// Whose.
    pub environment: Environment,
    /// The key of its tokens.
    pub key: Key,
    /// Its log, jobs and words.
    pub backplane: Backplane,
    /// Its window, connections and tasks.
    pub dispatch: Dispatch,
    /// What its functions say of themselves.
    pub functions: Functions,
}

/// The state that every request sees; cheap to clone.
#[derive(Clone)]
pub struct Pod(Arc<Inner>);

struct Inner {
    id: PodId,
    gates: HashMap<Environment, Arc<Gate>>,
    config: GatewayConfig,
    storage: Storage,
    hands_out_tokens: bool,
    draining: CancellationToken,
    writers: Writers,
    held: Held,
}

/// The dispatchers' tasks; they end with the last [`Pod`], or with an error.
pub type Dispatchers = JoinSet<Result<(), FollowerEnded>>;

impl Pod {
    /// Begins to follow the log of each environment.
    pub fn start(
        config: GatewayConfig,
        served: Vec<Served>,
        storage: Storage,
        hands_out_tokens: bool,
    ) -> (Self, Dispatchers) {
        let id = PodId::gateway();
        let mut dispatchers = JoinSet::new();
        let mut gates = HashMap::new();
        for Served { environment, key, backplane } in served {
            let follower = Follower::start(backplane.log.clone(), &id, Patience::with_horizon(config.window));
            let (dispatcher, dispatch) = Dispatcher::new(environment.clone(), follower, config.bounds());
            dispatchers.spawn(dispatcher.run());
            let functions = Functions::of(storage.catalogue(&environment));
            gates.insert(environment.clone(), Arc::new(Gate { environment, key, backplane, dispatch, functions }));
        }
        let draining = CancellationToken::new();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let inner = Inner {
            id,
            gates,
            config,
            storage,
            hands_out_tokens,
            draining,
            writers: Writers::new(cores),
            held: Held::default(),
        };
        (Self(Arc::new(inner)), dispatchers)
    }

    /// Its id among its peers.
    pub fn id(&self) -> &PodId {
        &self.0.id
    }

    /// The gate of an environment, if it is served here.
    pub fn gate(&self, environment: &Environment) -> Option<&Arc<Gate>> {
        self.0.gates.get(environment)
    }

    /// All gates.
    pub fn gates(&self) -> impl Iterator<Item = &Arc<Gate>> {
        self.0.gates.values()
    }

    /// `[gateway]`.
    pub fn config(&self) -> &GatewayConfig {
        &self.0.config
    }

    /// Where files lie.
    pub fn storage(&self) -> &Storage {
        &self.0.storage
    }

    /// Whether anybody may ask for a token, as in `bellwire dev`.
    pub fn hands_out_tokens(&self) -> bool {
        self.0.hands_out_tokens
    }

    /// Who writes to its connections.
    pub fn writers(&self) -> &Writers {
        &self.0.writers
    }

    /// The clients of the hub that are held here.
    pub fn held(&self) -> &Held {
        &self.0.held
    }

    /// Cancelled when the pod begins to stop.
    pub fn draining(&self) -> &CancellationToken {
        &self.0.draining
    }
}
