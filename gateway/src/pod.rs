//! The state of a gateway process, as every request sees it: its environments, settings, files and connected clients.

use std::{collections::HashMap, sync::Arc};

use axum::http::StatusCode;
use backplane::Backplane;
use model::{Environment, PodId};
use storage::Storage;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{function_cache::FunctionCache, problem::Problem},
    caller::Caller,
    config::GatewayConfig,
    dispatch::handle::DispatcherHandle,
    hub::{peer_client::PeerClient, registry::ClientRegistry, sessions::PollSessions},
    token::Key,
    user_permits::{NoPermit, UserPermit, UserPermits},
    write::queue::WriteQueue,
};

/// Seconds after which a client that this pod has no room for may try again, on whichever pod it reaches.
const RETRY_ELSEWHERE: u32 = 1;
/// Seconds after which a user with too many connections may try again: some may have ended by then.
pub const RETRY_USER: u32 = 5;

/// The code of the problem of a user with too many connections.
pub const TOO_MANY_CONNECTIONS: &str = "too-many-connections";

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
    /// True if anybody may ask for a token, as in `bellwire dev`.
    pub issues_dev_tokens: bool,
    /// Cancelled when the pod begins to stop.
    pub draining: CancellationToken,
    /// Permits for long-lived connections, those of clients that poll included.
    pub connections: UserPermits,
    /// Permits for the requests of hub clients, which may wait long for an answer.
    pub hub_requests: UserPermits,
    /// Permits for the requests that are worked on.
    pub requests: UserPermits,
    /// Permits for reading and writing large JSON, which takes a thread.
    pub large_json: Arc<Semaphore>,
    /// The hub's clients on this pod whose requests come on connections of their own.
    pub clients: ClientRegistry,
    /// The sessions of clients that poll this pod.
    pub poll_sessions: PollSessions,
}

impl PodState {
    /// Takes a permit for one more long-lived connection of a user; a problem when the user or this pod has no more.
    pub fn connection_permit(&self, caller: &Caller) -> Result<UserPermit, Problem> {
        self.connections.take(&caller.environment.name, &caller.claims.sub).map_err(|refusal| match refusal {
            NoPermit::UserHasMost(most) => {
                let detail = format!("{most} connections of this user are on this pod, and more may not be");
                Problem::new(StatusCode::TOO_MANY_REQUESTS, TOO_MANY_CONNECTIONS, detail).retry_after(RETRY_USER)
            }
            NoPermit::AllTaken(most) => {
                let detail = format!("this pod has {most} connections, and takes no more");
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "pod-full", detail).retry_after(RETRY_ELSEWHERE)
            }
        })
    }

    /// Takes a permit for one more request of a user's hub clients; a problem when too many wait for their answers.
    pub fn hub_request_permit(&self, caller: &Caller) -> Result<UserPermit, Problem> {
        self.hub_requests.take(&caller.environment.name, &caller.claims.sub).map_err(|_| {
            let detail = "too many requests of this user's hub clients wait for their answers on this pod";
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail).retry_after(RETRY_ELSEWHERE)
        })
    }
    /// Takes a permit for one more request of a user; a problem when too many are worked on.
    pub fn request_permit(&self, caller: &Caller) -> Result<UserPermit, Problem> {
        self.requests.take(&caller.environment.name, &caller.claims.sub).map_err(|_| {
            let most = self.config.requests_per_user;
            let detail = format!("this pod works on {most} requests of yours, and on no more at once");
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too-many-requests", detail).retry_after(RETRY_ELSEWHERE)
        })
    }
}
