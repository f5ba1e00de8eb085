//! Serving what is asked of a client that is held here. One that polls lives on its home pod from birth to end.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::{
    sync::{Semaphore, SemaphorePermit, mpsc, oneshot},
    time::{Instant, sleep},
};

use super::{
    connection_token::HubId,
    held::{Asked, Holding, Polled},
    polling,
    request::{Reply, Request, What},
    session::{After, Session},
};
use crate::{caller::Caller, pod::Pod, write::clock::Clock};

/// Clients that wait to be born.
const BIRTHS: usize = 64;
/// Clients that have ended and may still be told why.
const LINGERING: usize = 10_000;
/// Ids of clients that have ended not long ago; beyond it one whose token is new may begin again.
const MOST_ENDED: usize = 65_536;
/// Refusals of a poll that are put off at once; beyond it they come at once.
const LATE: usize = 1000;

/// The life of a client that polls, to be run by whoever runs connections.
pub type Birth = BoxFuture<'static, ()>;

/// What a pod has for clients that poll.
#[derive(Debug)]
pub struct Home {
    births: mpsc::Sender<Birth>,
    late: Semaphore,
    lingering: Semaphore,
    /// Who has ended, and until when that is known.
    ended: Mutex<HashMap<HubId, Instant>>,
}

impl Home {
    /// A home, and where the lives that begin there come out.
    pub fn new() -> (Self, mpsc::Receiver<Birth>) {
        let (sender, births) = mpsc::channel(BIRTHS);
        let (late, lingering) = (Semaphore::new(LATE), Semaphore::new(LINGERING));
        (Self { births: sender, late, lingering, ended: Mutex::default() }, births)
    }

    /// Leave for a client that has ended to be told why, if there are not too many.
    pub(super) fn may_linger(&self) -> Option<SemaphorePermit<'_>> {
        self.lingering.try_acquire().ok()
    }

    /// A client has ended. That is known for so long; it must not begin again while its token is new.
    pub(super) fn has_ended(&self, id: HubId, longest: Duration) {
        let now = Instant::now();
        let mut ended = self.ended();
        if ended.len() >= MOST_ENDED {
            ended.retain(|_, until| *until > now);
        }
        if ended.len() < MOST_ENDED {
            ended.insert(id, now + longest);
        }
    }

    /// Whether a client has ended here not long ago, so that nobody else needs to be asked.
    pub(super) fn is_over(&self, id: &HubId) -> bool {
        self.ended().get(id).is_some_and(|until| *until > Instant::now())
    }

    fn ended(&self) -> MutexGuard<'_, HashMap<HubId, Instant>> {
        // Each change is whole in itself: a panic elsewhere has not harmed it.
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits before a poll is refused: a client that does not know what 404 means polls again at once, without end.
    pub(super) async fn put_off(&self) {
        if let Ok(_one_of_few) = self.late.try_acquire() {
            sleep(Duration::from_secs(1).mul_f64(rand::random_range(1.0..2.0))).await;
        }
    }

    async fn bear(&self, pod: &Pod, caller: Caller, after: After, holding: Holding) -> Result<(), String> {
        let clock = Clock::new(pod.config(), pod.draining(), caller.claims.expires());
        let session = Session::new(pod, caller, after).map_err(|problem| problem.to_string())?;
        let life = Box::pin(polling::hold(session, clock, holding));
        self.births.send(life).await.map_err(|_| "this pod is ending; come back, to any pod".to_owned())
    }
}

/// Serves what is asked of a client that is held here. At its home a client with a new token is made, if `may_begin`.
pub(super) async fn serve(pod: &Pod, caller: Caller, request: Request, may_begin: bool) -> Reply {
    let id = request.token.id;
    let is_new = request.token.age() < pod.config().handshake_timeout;
    let expires = caller.claims.expires();
    let holder = if may_begin && is_new {
        let Ok(after) = After::read(request.after.as_deref()) else {
            return Reply::Gone;
        };
        let (holder, holding) = pod.held().find_or_hold(id);
        if let Some(holding) = holding {
            if pod.home().is_over(&id) {
                return Reply::Gone;
            }
            if let Err(why) = pod.home().bear(pod, caller, after, holding).await {
                return Reply::Unavailable(why);
            }
        }
        holder
    } else {
        match pod.held().find(&id) {
            Some(holder) => holder,
            None => return Reply::Gone,
        }
    };
    match request.what {
        What::Post(bytes) => done(&holder, |done| Asked::Post { bytes, expires, done }).await,
        What::Delete => done(&holder, |done| Asked::Delete { done }).await,
        What::Poll => {
            let (answer, polled) = oneshot::channel();
            if holder.send(Asked::Poll { expires, answer }).await.is_err() {
                return Reply::Gone;
            }
            match polled.await {
                Ok(Polled::Messages { is_text, bytes }) => Reply::Messages { is_text, bytes },
                Ok(Polled::Over) => Reply::Over,
                Err(_) => Reply::Gone,
            }
        }
    }
}

async fn done(holder: &mpsc::Sender<Asked>, asked: impl FnOnce(oneshot::Sender<()>) -> Asked) -> Reply {
    let (done, answer) = oneshot::channel();
    if holder.send(asked(done)).await.is_err() {
        return Reply::Gone;
    }
    answer.await.map_or(Reply::Gone, |()| Reply::Done)
}
