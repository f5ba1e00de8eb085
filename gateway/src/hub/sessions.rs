//! The sessions of clients that poll this pod: those that start, and the ids of those that ended a short time ago.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use futures_util::future::BoxFuture;
use model::Environment;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use super::connection_token::HubId;
use crate::{lock::lock, user_permits::UserPermits};

/// Sessions that wait to be started.
const STARTING: usize = 64;
/// Ids of ended sessions that are known; beyond it a client with a new token may start again.
const MAX_ENDED: usize = 65_536;
/// Refusals of a poll that are delayed at once; beyond it they are sent at once.
const MAX_DELAYED: usize = 1000;
/// Most of them of one user.
const MAX_DELAYED_OF_USER: usize = 16;

/// The session of a client that polls, to be run by the server like a connection.
pub type PollSession = BoxFuture<'static, ()>;

/// A pod's sessions of clients that poll.
#[derive(Debug)]
pub struct PollSessions {
    starting: mpsc::Sender<PollSession>,
    delayed: UserPermits,
    /// The ended sessions, and until when each is known.
    ended: Mutex<HashMap<HubId, Instant>>,
}

impl PollSessions {
    /// No sessions yet, and the receiver of those that are spawned.
    pub fn new() -> (Self, mpsc::Receiver<PollSession>) {
        let (starting, sessions) = mpsc::channel(STARTING);
        let delayed = UserPermits::new("delayed_posts", MAX_DELAYED, MAX_DELAYED_OF_USER, 1);
        (Self { starting, delayed, ended: Mutex::default() }, sessions)
    }

    /// Has a session run, unless the pod is stopping.
    pub async fn spawn(&self, session: PollSession) -> Result<(), String> {
        let stopping = "this pod is stopping; connect again, to any pod";
        self.starting.send(session).await.map_err(|_| stopping.to_owned())
    }

    /// Remembers for this long that a session has ended: its client must not start again while its token is new.
    pub fn mark_ended(&self, id: HubId, duration: Duration) {
        let now = Instant::now();
        let mut ended = lock(&self.ended);
        if ended.len() >= MAX_ENDED {
            ended.retain(|_, until| *until > now);
        }
        if ended.len() < MAX_ENDED {
            ended.insert(id, now + duration);
        }
    }

    /// Returns true if a session ended here a short time ago, so that no other pod needs to be asked for it.
    pub fn has_ended(&self, id: &HubId) -> bool {
        lock(&self.ended).get(id).is_some_and(|until| *until > Instant::now())
    }

    /// Waits before a poll is refused: a client that does not know what 404 means polls again at once, without end.
    pub async fn delay_refusal(&self, environment: &Environment, user: &str) {
        if let Ok(_permit) = self.delayed.take(environment, user) {
            sleep(Duration::from_secs(1).mul_f64(rand::random_range(1.0..2.0))).await;
        }
    }
}
