//! The state of a gateway process, as every request sees it: its environments, settings, files and connected clients.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use backplane::Backplane;
use model::{Environment, PodId};
use process::Telemetry;
use storage::Storage;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{function_cache::FunctionCache, problem::Problem},
    balance::Balance,
    config::GatewayConfig,
    dispatch::handle::DispatcherHandle,
    hub::{known_rights::KnownRights, peer_client::PeerClient, registry::ClientRegistry, sessions::PollSessions},
    schedules::record::ScheduleBook,
    token::{Key, refusal_log::RefusalLog},
    user_permits::UserPermits,
    user_rates::UserRates,
    write::queue::WriteQueue,
};

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
    /// What is kept of its schedules.
    pub schedules: ScheduleBook,
    /// Sends requests to the other pods that serve it.
    pub peers: PeerClient,
    /// How many connections other pods hold.
    pub balance: Arc<Balance>,
    /// The bytes a second of each user's request bodies and files.
    pub byte_rates: Mutex<UserRates>,
}

impl EnvironmentState {
    /// A problem that names the environment while it cannot be served here, whatever becomes of others.
    pub fn available(&self) -> Result<(), Problem> {
        if self.dispatch.health.borrow().is_complete() {
            return Ok(());
        }
        let detail = format!("the environment {} cannot be served here now: its log is not read; come back", self.name);
        Err(Problem::unavailable(detail))
    }
}

/// The shared state of the process; cheap to clone.
pub type Pod = Arc<PodState>;

/// The state of a gateway process.
pub struct PodState {
    /// Its id among the pods.
    pub id: PodId,
    /// The environments that are served here.
    pub environments: HashMap<Environment, Arc<EnvironmentState>>,
    /// `[gateway]`.
    pub config: GatewayConfig,
    /// The stored files.
    pub storage: Storage,
    /// Traces.
    pub telemetry: Telemetry,
    /// True if anybody may ask for a token, as in `bellwire dev`.
    pub issues_dev_tokens: bool,
    /// Cancelled when the pod is told to stop: it still accepts, and no connection waits for another request.
    pub stopping: CancellationToken,
    /// Cancelled when it accepts no more, and sends its connections away.
    pub draining: CancellationToken,
    /// Permits for long-lived connections, those of clients that poll included.
    pub connections: UserPermits,
    /// Permits for the requests of hub clients, which may wait long for an answer.
    pub hub_requests: UserPermits,
    /// Permits for the requests that are worked on.
    pub requests: UserPermits,
    /// Permits for requests whose JSON takes much memory.
    pub much_json: UserPermits,
    /// Permits for reading and writing large JSON, which takes a thread.
    pub large_json: Arc<Semaphore>,
    /// The hub's clients on this pod whose requests come on connections of their own.
    pub clients: ClientRegistry,
    /// The rights of the hub's clients on other pods, as far as they are known.
    pub known_rights: KnownRights,
    /// Writes down why tokens are refused.
    pub refusals: RefusalLog,
    /// The sessions of clients that poll this pod.
    pub poll_sessions: PollSessions,
}
