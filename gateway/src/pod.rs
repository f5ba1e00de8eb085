//! What lives as long as the process: its environments, each with a key, a log that is followed and a dispatcher.

use std::{collections::HashMap, sync::Arc};

use axum::http::StatusCode;
use backplane::{
    Backplane,
    follow::{FollowTiming, Follower},
};
use model::{Environment, PodId};
use storage::Storage;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{function_cache::FunctionCache, problem::Problem},
    config::GatewayConfig,
    dispatch::{
        dispatcher::{Dispatcher, FollowerEnded},
        handle::DispatcherHandle,
    },
    hub::{
        held::Held,
        home::{Birth, Home},
        relay::{Ear, Relay},
    },
    token::Key,
    write::queue::WriteQueue,
};

/// After how many seconds whom this pod has no seat for may look again, at whichever pod it gets to.
const RETRY_ELSEWHERE: u32 = 1;

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
    pub dispatch: DispatcherHandle,
    /// Its connections that have something to write.
    pub write_queue: WriteQueue,
    /// What its functions say of themselves.
    pub functions: FunctionCache,
    /// To ask other pods for the clients that they hold.
    pub relay: Relay,
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
    held: Held,
    seats: Arc<Semaphore>,
    home: Home,
}

/// What has begun, to be run by whoever runs the pod.
pub struct Begun {
    /// The pod itself.
    pub pod: Pod,
    /// Follow the logs.
    pub dispatchers: Dispatchers,
    /// Hear what other pods say.
    pub ears: Vec<Ear>,
    /// Clients that live here, each to be run like a connection.
    pub births: mpsc::Receiver<Birth>,
}

/// The dispatchers' tasks; they end with the last [`Pod`], or with an error.
pub type Dispatchers = JoinSet<Result<(), FollowerEnded>>;

impl Pod {
    /// Begins to follow the log of each environment.
    pub fn start(config: GatewayConfig, served: Vec<Served>, storage: Storage, hands_out_tokens: bool) -> Begun {
        let id = PodId::gateway();
        let mut dispatchers = JoinSet::new();
        let mut gates = HashMap::new();
        let mut ears = Vec::new();
        for Served { environment, key, backplane } in served {
            let follower = Follower::start(backplane.log.clone(), &id, FollowTiming::with_horizon(config.window));
            let write_queue = WriteQueue::default();
            let (dispatcher, dispatch) =
                Dispatcher::new(environment.clone(), follower, config.bounds(), write_queue.clone());
            dispatchers.spawn(dispatcher.run());
            let functions = FunctionCache::new(storage.catalogue(&environment));
            let (relay, reader) = Relay::open(&id, backplane.control.clone());
            let gate = Arc::new(Gate { environment, key, backplane, dispatch, write_queue, functions, relay });
            ears.push(Ear::new(gate.clone(), reader));
            gates.insert(gate.environment.clone(), gate);
        }
        let draining = CancellationToken::new();
        let (home, births) = Home::new();
        let seats = config.connections.min(Semaphore::MAX_PERMITS);
        let inner = Inner {
            id,
            gates,
            config,
            storage,
            hands_out_tokens,
            draining,
            held: Held::default(),
            seats: Arc::new(Semaphore::new(seats)),
            home,
        };
        Begun { pod: Self(Arc::new(inner)), dispatchers, ears, births }
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

    /// A seat for one more who listens; another pod may have one where this has none left.
    pub fn seat(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.0.seats.clone().try_acquire_owned().map_err(|_| {
            let most = self.0.config.connections;
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "pod-full",
                format!("{most} listen on this pod, and more may not"),
            )
            .retry_after(RETRY_ELSEWHERE)
        })
    }

    /// The clients of the hub that are held here.
    pub fn held(&self) -> &Held {
        &self.0.held
    }

    /// Where clients that poll live.
    pub fn home(&self) -> &Home {
        &self.0.home
    }

    /// Cancelled when the pod begins to stop.
    pub fn draining(&self) -> &CancellationToken {
        &self.0.draining
    }
}
