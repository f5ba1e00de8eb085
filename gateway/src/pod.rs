//! The state of a gateway process, as every request sees it: its environments, settings, files and connected clients.

use std::{collections::HashMap, sync::Arc};

use axum::http::StatusCode;
use backplane::Backplane;
use model::{Environment, PodId};
use storage::Storage;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{
    api::{function_cache::FunctionCache, problem::Problem},
    config::GatewayConfig,
    dispatch::handle::DispatcherHandle,
    hub::{peer_client::PeerClient, registry::ClientRegistry, sessions::PollSessions},
    token::Key,
    write::queue::WriteQueue,
};

/// Seconds after which a client that this pod has no room for may try again, on whichever pod it reaches.
const RETRY_ELSEWHERE: u32 = 1;

/// One environment on this pod.
pub struct EnvironmentState {
    /// Its name.
    pub name: Environment,
    /// The key of its tokens.
    pub key: Key,
    /// Its log, jobs and control messages.
    pub backplane: Backplane,
    /// Its window, connections and tasks.
    pub dispatch: DispatcherHandle,
    /// Its connections that have something to write.
    pub write_queue: WriteQueue,
    /// The descriptions of its functions.
    pub functions: FunctionCache,
    /// Sends requests to the other pods that serve it.
    pub peers: PeerClient,
}

/// The shared state of the process; cheap to clone.
#[derive(Clone)]
pub struct Pod(Arc<Inner>);

struct Inner {
    id: PodId,
    environments: HashMap<Environment, Arc<EnvironmentState>>,
    config: GatewayConfig,
    storage: Storage,
    hands_out_tokens: bool,
    draining: CancellationToken,
    connections: Arc<Semaphore>,
    clients: ClientRegistry,
    poll_sessions: PollSessions,
}

impl Pod {
    /// The state of a pod that serves these environments.
    pub fn new(
        id: PodId,
        environments: Vec<Arc<EnvironmentState>>,
        config: GatewayConfig,
        storage: Storage,
        hands_out_tokens: bool,
        poll_sessions: PollSessions,
    ) -> Self {
        let environments = environments.into_iter().map(|state| (state.name.clone(), state)).collect();
        let connections = Arc::new(Semaphore::new(config.connections.min(Semaphore::MAX_PERMITS)));
        Self(Arc::new(Inner {
            id,
            environments,
            config,
            storage,
            hands_out_tokens,
            draining: CancellationToken::new(),
            connections,
            clients: ClientRegistry::default(),
            poll_sessions,
        }))
    }

    /// Its id among the pods.
    pub fn id(&self) -> &PodId {
        &self.0.id
    }

    /// An environment, if it is served here.
    pub fn environment(&self, name: &Environment) -> Option<&Arc<EnvironmentState>> {
        self.0.environments.get(name)
    }

    /// All environments that are served here.
    pub fn environments(&self) -> impl Iterator<Item = &Arc<EnvironmentState>> {
        self.0.environments.values()
    }

    /// `[gateway]`.
    pub fn config(&self) -> &GatewayConfig {
        &self.0.config
    }

    /// The stored files.
    pub fn storage(&self) -> &Storage {
        &self.0.storage
    }

    /// Returns true if anybody may ask for a token, as in `bellwire dev`.
    pub fn hands_out_tokens(&self) -> bool {
        self.0.hands_out_tokens
    }

    /// Takes a permit for one more long-lived connection; a problem when this pod has no more.
    pub fn connection_permit(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.0.connections.clone().try_acquire_owned().map_err(|_| {
            let most = self.0.config.connections;
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "pod-full",
                format!("this pod has {most} connections, and takes no more"),
            )
            .retry_after(RETRY_ELSEWHERE)
        })
    }

    /// The hub's clients on this pod whose requests come on connections of their own.
    pub fn clients(&self) -> &ClientRegistry {
        &self.0.clients
    }

    /// The sessions of clients that poll this pod.
    pub fn poll_sessions(&self) -> &PollSessions {
        &self.0.poll_sessions
    }

    /// Cancelled when the pod begins to stop.
    pub fn draining(&self) -> &CancellationToken {
        &self.0.draining
    }
}
