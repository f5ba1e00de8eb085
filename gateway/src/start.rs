//! Starts a pod: its state, and the tasks that serve each environment.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{Arc, Mutex},
    time::Duration,
};

use backplane::{
    Backplane,
    follow::{FollowTiming, Follower, ReadHealth},
};
use futures_util::FutureExt;
use metrics::{Gauge, gauge};
use model::{Environment, PodId};
use process::{Condition, Readiness, Telemetry};
use signing::Verifier;
use storage::Storage;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

use crate::{
    api::function_cache::FunctionCache,
    balance::Balance,
    balancer::keep_balance,
    config::GatewayConfig,
    dispatch::{
        dispatcher::{Dispatcher, FollowerEnded},
        lost_workers::LostWorkers,
    },
    expiry,
    hub::{
        known_rights::KnownRights,
        peer_client::PeerClient,
        peer_server::PeerServer,
        registry::ClientRegistry,
        sessions::{PollSession, PollSessions},
    },
    pod::{EnvironmentState, Pod, PodState},
    schedules::{record::ScheduleBook, scheduler::Scheduler},
    token::{Key, key_refresh::keep_keys, refusal_log::RefusalLog},
    user_permits::UserPermits,
    user_rates::UserRates,
    write::queue::WriteQueue,
};

/// Large JSON that is read or written at once, a thread each.
const LARGE_JSON_AT_ONCE: usize = 4;
/// Requests whose JSON takes much memory, up to 32 MiB each: of all, and of one user.
const MUCH_JSON_AT_ONCE: usize = 16;
const MUCH_JSON_OF_USER: usize = 4;
/// Requests of hub clients that may wait at once, for each connection that a user may have: a poll and what is posted,
/// also for connections that other pods hold.
const HUB_REQUESTS: usize = 4;

/// An environment to serve.
pub struct ServedEnvironment {
    /// Its name.
    pub name: Environment,
    /// The key of its tokens.
    pub key: Key,
    /// Its log, jobs and control messages.
    pub backplane: Backplane,
}

/// A pod and its tasks, to be joined by the server.
pub struct Started {
    /// The state.
    pub pod: Pod,
    /// One per environment; they end with the last [`Pod`], or with an error.
    pub dispatchers: JoinSet<Result<(), FollowerEnded>>,
    /// Readiness reports, the watch for lost tasks, and the servers of other pods' requests.
    pub background: JoinSet<anyhow::Result<()>>,
    /// New sessions of clients that poll, to be run like connections.
    pub poll_sessions: mpsc::Receiver<PollSession>,
}

/// Starts to follow the log of each environment; its condition of readiness is reported as it is read.
pub fn start(
    config: GatewayConfig,
    served: Vec<ServedEnvironment>,
    storage: Storage,
    issues_dev_tokens: bool,
    readiness: &Readiness,
    telemetry: Telemetry,
) -> Started {
    crate::metrics::describe();
    backplane::describe_metrics();
    let (id, count) = (PodId::gateway(), served.len());
    let (mut dispatchers, mut background) = (JoinSet::new(), JoinSet::new());
    let (mut environments, mut peer_readers) = (HashMap::new(), Vec::new());
    for ServedEnvironment { name, key, backplane } in served {
        let log = backplane.log.clone();
        let follower = Follower::start(log.clone(), &id, FollowTiming::with_horizon(config.window));
        let write_queue = WriteQueue::default();
        let verifier = Verifier::new(name.clone(), key.trusted.clone());
        let (dispatcher, dispatch) =
            Dispatcher::new(name.clone(), verifier, follower, config.bounds(), write_queue.clone());
        let dispatcher = dispatcher.with_telemetry(telemetry.clone());
        dispatchers.spawn(dispatcher.run());
        let condition = readiness.condition_of(name.to_string(), "log");
        let is_ready = gauge!("bellwire_environment_ready", "environment" => name.to_string());
        background.spawn(report_health(condition, is_ready, dispatch.health.clone()).map(Ok));
        for (index, provider) in key.providers.iter().enumerate() {
            let condition = readiness.condition_of(name.to_string(), format!("provider {index}, {}", provider.name()));
            background.spawn(keep_keys(provider.clone(), name.to_string(), condition).map(Ok));
        }
        let (environment, dispatcher, timing) = (name.clone(), dispatch.clone(), config.lost);
        let watch = LostWorkers { environment, dispatcher, log, timing };
        background.spawn(watch.run().map(Ok));
        let functions = FunctionCache::new(storage.catalogue(&name));
        let schedules = ScheduleBook::new(storage.schedules(&name));
        let (peers, reader) = PeerClient::open(&id, &name, &key, backplane.control.clone());
        let balance = Arc::new(Balance::new(id.clone(), config.balance, config.rebalance));
        let byte_rates = Mutex::new(UserRates::new(bytes_per_second(&config), Duration::from_secs(1)));
        let state = Arc::new(EnvironmentState {
            name,
            key,
            backplane,
            dispatch,
            write_queue,
            functions,
            schedules,
            peers,
            balance,
            byte_rates,
        });
        peer_readers.push((state.clone(), reader));
        environments.insert(state.name.clone(), state);
    }
    let names = environments.keys().cloned().collect();
    background.spawn(expiry::remove_expired(storage.clone(), names).map(Ok));
    background.spawn(storage.clone().report(readiness.condition("storage")).map(Ok));
    let (sessions, poll_sessions) = PollSessions::new();
    let pod = Arc::new(PodState {
        id,
        environments,
        connections: UserPermits::new("connections", config.connections, config.connections_per_user, count),
        hub_requests: UserPermits::new(
            "hub_requests",
            usize::MAX,
            HUB_REQUESTS.saturating_mul(config.connections_per_user),
            count,
        ),
        requests: UserPermits::new("requests", usize::MAX, config.requests_per_user, count),
        much_json: UserPermits::new("much_json", MUCH_JSON_AT_ONCE, MUCH_JSON_OF_USER, count),
        large_json: Arc::new(Semaphore::new(LARGE_JSON_AT_ONCE)),
        config,
        storage,
        telemetry,
        issues_dev_tokens,
        stopping: CancellationToken::new(),
        draining: CancellationToken::new(),
        clients: ClientRegistry::default(),
        known_rights: KnownRights::default(),
        refusals: RefusalLog::default(),
        poll_sessions: sessions,
    });
    for (environment, reader) in peer_readers {
        background.spawn(Scheduler::new(pod.clone(), environment.clone()).run().map(Ok));
        if pod.config.rebalance > 0 {
            background.spawn(keep_balance(pod.clone(), environment.clone()).map(Ok));
        }
        background.spawn(PeerServer::new(pod.clone(), environment, reader).run());
    }
    Started { pod, dispatchers, background, poll_sessions }
}

fn bytes_per_second(config: &GatewayConfig) -> NonZeroU32 {
    // Beyond four GiB a second the rate is no bound of anything.
    NonZeroU32::new(u32::try_from(config.bytes_per_user).unwrap_or(u32::MAX)).unwrap_or(NonZeroU32::MIN)
}

/// Keeps a condition of readiness in step with how well the log is read.
async fn report_health(condition: Condition, is_ready: Gauge, mut health: watch::Receiver<ReadHealth>) {
    loop {
        let now = health.borrow_and_update().clone();
        is_ready.set(f64::from(u8::from(now.is_complete())));
        match now {
            ReadHealth::CaughtUp => condition.ready(),
            ReadHealth::CatchingUp => condition.not_ready("reading the log"),
            ReadHealth::Away(why) => condition.degraded(format!("serving what is known; {why}")),
            ReadHealth::Stalled => condition.not_ready("the broker is there, yet nothing of the log arrives"),
        }
        if health.changed().await.is_err() {
            return;
        }
    }
}
