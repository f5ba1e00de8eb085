//! The sockets of the gateway's port. All together stay below the process's limit of open files. Of those on which no
//! authenticated request is under way (nobody has said yet who they are, or the last answer is out) only so many are kept
//! open, and the one that has waited longest is closed for a new one.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures_util::task::AtomicWaker;
use metrics::{counter, gauge};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

use crate::{
    config::GatewayConfig,
    lock::lock,
    metrics::{SOCKET_FULL, SOCKET_WAITED},
};

/// Most files beside sockets: uploads and downloads under way, the broker, the admin port.
const OTHER_FILES: usize = 1000;

/// The numbers of sockets that a pod may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SocketLimits {
    /// Of all.
    all: usize,
    /// Of those that wait for an authenticated request.
    waiting: usize,
    /// Of long-lived connections.
    pub(crate) connections: usize,
}

impl SocketLimits {
    /// Raises the process's limit of open files as far as it may, and says what follows from it for these settings.
    pub(crate) fn of_process(config: &GatewayConfig) -> Self {
        let limit = getrlimit(Resource::Nofile);
        // Often it is low at first, and the process may raise it.
        setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).ok();
        let files =
            getrlimit(Resource::Nofile).current.map_or(usize::MAX, |files| files.try_into().unwrap_or(usize::MAX));
        let limits = Self::within(files, config);
        info!(
            files,
            sockets = limits.all,
            waiting = limits.waiting,
            connections = limits.connections,
            "limits of sockets"
        );
        if limits.connections < config.connections {
            warn!(
                files,
                connections = limits.connections,
                "this process may open fewer files than gateway.connections ({}) asks for (ulimit -n)",
                config.connections
            );
        }
        limits
    }

    fn within(files: usize, config: &GatewayConfig) -> Self {
        let all = files - OTHER_FILES.min(files / 4);
        let waiting = config.unauthenticated_connections.clamp(1, (all / 4).max(1));
        Self { all, waiting, connections: config.connections.min(all - waiting) }
    }
}

/// The sockets that are open; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Sockets(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    limits: SocketLimits,
    open: usize,
    /// The sockets that wait for an authenticated request, by the number of their turn: the first has waited longest.
    waiting: BTreeMap<u64, Arc<Eviction>>,
    next_turn: u64,
}

#[derive(Debug, Default)]
struct Eviction {
    is_evicted: AtomicBool,
    task: AtomicWaker,
}

/// One socket; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct SocketUse {
    sockets: Sockets,
    eviction: Arc<Eviction>,
    /// Changed only under the lock of `sockets`.
    place: Arc<Mutex<Place>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It waits for an authenticated request, at this turn.
    Waiting(u64),
    /// So many authenticated requests are under way; with HTTP/2 several at once.
    InUse(usize),
    /// It was taken from HTTP, and never waits again.
    TakenOver,
}

impl Default for Place {
    fn default() -> Self {
        Self::InUse(0)
    }
}

/// A request on a socket; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct RequestUse {
    socket: SocketUse,
    has_begun: Arc<AtomicBool>,
}

/// A socket's place among the open ones, until dropped.
#[derive(Debug)]
pub(crate) struct OpenSocket(SocketUse);

impl Sockets {
    /// No sockets yet.
    pub(crate) fn new(limits: SocketLimits) -> Self {
        gauge!("bellwire_sockets_limit").set(limits.all as f64);
        let state = State { limits, open: 0, waiting: BTreeMap::new(), next_turn: 0 };
        Self(Arc::new(Mutex::new(state)))
    }

    /// Makes room for a socket that was accepted; `None` if there is none, since all are in use.
    pub(crate) fn admit(&self) -> Option<OpenSocket> {
        let mut state = lock(&self.0);
        if state.open >= state.limits.all && !state.evict_first() {
            counter!("bellwire_sockets_closed_total", "reason" => SOCKET_FULL).increment(1);
            return None;
        }
        let socket = SocketUse { sockets: self.clone(), eviction: Arc::default(), place: Arc::default() };
        state.open += 1;
        state.note_open();
        state.wait(&socket);
        Some(OpenSocket(socket))
    }
}

impl State {
    fn note_open(&self) {
        gauge!("bellwire_sockets").set(self.open as f64);
    }

    fn wait(&mut self, socket: &SocketUse) {
        let turn = self.next_turn;
        self.next_turn += 1;
        self.waiting.insert(turn, socket.eviction.clone());
        *lock(&socket.place) = Place::Waiting(turn);
        while self.waiting.len() > self.limits.waiting {
            self.evict_first();
        }
    }

    /// Has the socket closed that has waited longest; `false` if none waits.
    fn evict_first(&mut self) -> bool {
        let Some((_, eviction)) = self.waiting.pop_first() else {
            return false;
        };
        self.open -= 1;
        self.note_open();
        counter!("bellwire_sockets_closed_total", "reason" => SOCKET_WAITED).increment(1);
        eviction.is_evicted.store(true, Ordering::Release);
        eviction.task.wake();
        true
    }
}

impl RequestUse {
    /// Notes that the request is an authenticated one; `false` if the socket is being closed.
    pub(crate) fn begin(&self) -> bool {
        let mut state = lock(&self.socket.sockets.0);
        if !self.has_begun.swap(true, Ordering::AcqRel) {
            let place = *lock(&self.socket.place);
            match place {
                Place::Waiting(_) => self.socket.leave(&mut state, Place::InUse(1)),
                Place::InUse(requests) => *lock(&self.socket.place) = Place::InUse(requests + 1),
                Place::TakenOver => {}
            }
        }
        !self.socket.eviction.is_evicted.load(Ordering::Acquire)
    }

    /// Notes that its answer is out: without another the socket waits for the next.
    pub(crate) fn end(&self) {
        let mut state = lock(&self.socket.sockets.0);
        if !self.has_begun.swap(false, Ordering::AcqRel) {
            return;
        }
        let place = *lock(&self.socket.place);
        match place {
            Place::InUse(requests) if requests > 1 => *lock(&self.socket.place) = Place::InUse(requests - 1),
            Place::InUse(_) if !self.socket.eviction.is_evicted.load(Ordering::Acquire) => state.wait(&self.socket),
            _ => {}
        }
    }
}

impl SocketUse {
    /// A request on it.
    pub(crate) fn request(&self) -> RequestUse {
        RequestUse { socket: self.clone(), has_begun: Arc::default() }
    }

    /// Notes that it is taken from HTTP for a connection; `false` if the socket is being closed.
    pub(crate) fn take_over(&self) -> bool {
        self.leave(&mut lock(&self.sockets.0), Place::TakenOver);
        !self.eviction.is_evicted.load(Ordering::Acquire)
    }

    fn leave(&self, state: &mut State, to: Place) {
        if let Place::Waiting(turn) = std::mem::replace(&mut *lock(&self.place), to) {
            state.waiting.remove(&turn);
        }
    }

    /// True if it must be closed; if not, the task is woken when it must.
    pub(crate) fn must_close(&self, cx: &Context<'_>) -> bool {
        self.eviction.task.register(cx.waker());
        self.eviction.is_evicted.load(Ordering::Acquire)
    }

    /// Waits until it must be closed.
    pub(crate) async fn closing(&self) {
        poll_fn(|cx| if self.must_close(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

impl OpenSocket {
    /// What its requests need of it.
    pub(crate) fn as_use(&self) -> &SocketUse {
        &self.0
    }
}

impl Drop for OpenSocket {
    fn drop(&mut self) {
        let mut state = lock(&self.0.sockets.0);
        self.0.leave(&mut state, Place::TakenOver);
        if !self.0.eviction.is_evicted.swap(true, Ordering::AcqRel) {
            state.open -= 1;
            state.note_open();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    fn sockets(all: usize, waiting: usize) -> Sockets {
        Sockets::new(SocketLimits { all, waiting, connections: 1 })
    }

    fn must_close(socket: &OpenSocket) -> bool {
        socket.as_use().must_close(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn the_one_that_has_waited_longest_makes_room_for_a_new_one() {
        let sockets = sockets(100, 2);
        let open: Vec<_> = (0..4).map(|_| sockets.admit().unwrap()).collect();
        assert_eq!(open.iter().map(must_close).collect::<Vec<_>>(), [true, true, false, false]);
        let request = open[2].as_use().request();
        assert!(!open[0].as_use().request().begin() && request.begin());
        let _newer = (sockets.admit().unwrap(), sockets.admit().unwrap());
        assert!(!must_close(&open[2]) && must_close(&open[3]), "a request under way is not cut off");
        request.end();
        let _newest = (sockets.admit().unwrap(), sockets.admit().unwrap());
        assert!(must_close(&open[2]), "after its answer it waits like any other");
        let connection = sockets.admit().unwrap();
        let request = connection.as_use().request();
        assert!(request.begin() && connection.as_use().take_over());
        request.end();
        let _newest = (sockets.admit().unwrap(), sockets.admit().unwrap());
        assert!(!must_close(&connection), "a connection does not");
    }

    #[test]
    fn all_together_are_bounded_and_who_has_left_makes_room() {
        let sockets = sockets(3, 2);
        let busy: Vec<_> = (0..3)
            .map(|_| {
                let socket = sockets.admit().unwrap();
                let request = socket.as_use().request();
                assert!(request.begin());
                (socket, request)
            })
            .collect();
        assert!(sockets.admit().is_none());
        busy[1].1.end();
        let new = sockets.admit().unwrap();
        assert!(must_close(&busy[1].0) && !must_close(&new));
        drop(busy);
        drop(new);
        let state = lock(&sockets.0);
        assert_eq!((state.open, state.waiting.len()), (0, 0));
    }

    #[test]
    fn a_socket_with_several_requests_waits_once_the_last_is_answered() {
        let sockets = sockets(100, 1);
        let socket = sockets.admit().unwrap();
        let requests = [(); 3].map(|()| socket.as_use().request());
        requests[..2].iter().for_each(|request| assert!(request.begin() && request.begin()));
        for ended in [&requests[2], &requests[0], &requests[0]] {
            ended.end();
            let _new = sockets.admit().unwrap();
            let _newer = sockets.admit().unwrap();
            assert!(!must_close(&socket), "one is under way");
        }
        requests[1].end();
        let _new = sockets.admit().unwrap();
        assert!(must_close(&socket));
    }

    #[test]
    fn limits_leave_room_for_other_files_and_for_those_who_wait() {
        let config =
            GatewayConfig { connections: 50_000, unauthenticated_connections: 1000, ..GatewayConfig::default() };
        let many = SocketLimits { all: 1_047_576, waiting: 1000, connections: 50_000 };
        assert_eq!(SocketLimits::within(1 << 20, &config), many);
        assert_eq!(SocketLimits::within(1024, &config), SocketLimits { all: 768, waiting: 192, connections: 576 });
        for files in 0..3000 {
            let limits = SocketLimits::within(files.max(4), &config);
            assert!(limits.waiting + limits.connections <= limits.all && limits.all <= files.max(4), "{files}");
        }
    }
}
