//! One task per environment that owns its window, its connections and its task list.
//!
//! Entries of the log and commands reach it one after another, so there are no locks, and joining what was
//! to what comes is plain sequence. It knows no wire protocol.

use std::{collections::HashSet, sync::Arc, time::Duration};

use backplane::{
    Destination, Gap, LogEntry,
    follow::{FollowItem, Follower, PulseRequester},
};
use futures_util::FutureExt;
use jiff::Timestamp;
use metrics::{Counter, Gauge, counter, gauge};
use model::{Cursor, Environment, Event};
use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval},
};
use tracing::warn;

use super::{
    Command, Dispatch, Leaving, Refusal, Subscription,
    delivered::Delivered,
    listed::Listed,
    outbox::{GapReason, OutboxSender, Parcel, outbox},
    questions::Questions,
    registry::{ConnectionId, Listener, Registry},
    task_list::TaskList,
    window::{Place, Position, Window},
};

/// How often what is too old leaves.
const SWEEP: Duration = Duration::from_secs(5);
/// Most commands that wait.
const COMMANDS: usize = 1024;
/// Most entries that are read before what they brought is written; fewer than an outbox holds.
const AT_ONCE: usize = 32;

/// What bounds a dispatcher.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The window's length in event time.
    pub window: Duration,
    /// The window's size in bytes.
    pub window_bytes: usize,
    /// Parcels that may wait for one connection.
    pub outbox: usize,
    /// Connections that one user may have here.
    pub connections_per_user: usize,
}

/// The task's own state.
pub struct Dispatcher {
    environment: Environment,
    follower: Follower,
    pulses: PulseRequester,
    bounds: Bounds,
    window: Window,
    /// What was delivered before a gap: read again after it, it is not delivered again.
    before_gap: HashSet<u128>,
    tasks: TaskList,
    questions: Questions,
    registry: Registry,
    meters: Meters,
    /// Connections whose cursor lies beyond what was read.
    ahead: Vec<Waiting>,
    next_id: ConnectionId,
    last: watch::Sender<Option<Cursor>>,
    commands: mpsc::Receiver<Command>,
    /// To hand to subscriptions; weak, so that the dispatcher ends with its last user.
    to_self: mpsc::WeakSender<Command>,
    /// Who got something and has not written it yet.
    listed: Listed,
}

/// Looked up once, since some count every delivery.
struct Meters {
    connections: Gauge,
    deliveries: Counter,
    dropped: Counter,
    repeated: Counter,
    slow: Counter,
}

impl Meters {
    fn of(environment: &Environment) -> Self {
        let name = environment.to_string();
        Self {
            connections: gauge!("bellwire_connections", "environment" => name.clone()),
            deliveries: counter!("bellwire_deliveries_total", "environment" => name.clone()),
            dropped: counter!("bellwire_events_dropped_total", "environment" => name.clone()),
            repeated: counter!("bellwire_events_repeated_total", "environment" => name.clone()),
            slow: counter!("bellwire_connections_slow_total", "environment" => name),
        }
    }
}

struct Waiting {
    id: ConnectionId,
    listener: Arc<Listener>,
    after: Cursor,
    outbox: OutboxSender,
    /// The pulse that proves that this pod had read all there was.
    pulse: u64,
}

impl Dispatcher {
    /// A dispatcher over a follower of this environment's log, and how to speak to it.
    pub fn new(environment: Environment, follower: Follower, bounds: Bounds) -> (Self, Dispatch) {
        let (sender, commands) = mpsc::channel(COMMANDS);
        let listed = Listed::default();
        let dispatch = Dispatch { health: follower.health(), commands: sender.clone(), listed: listed.clone() };
        let dispatcher = Self {
            meters: Meters::of(&environment),
            environment,
            pulses: follower.pulses(),
            follower,
            bounds,
            window: Window::new(bounds.window, bounds.window_bytes),
            before_gap: HashSet::new(),
            tasks: TaskList::default(),
            questions: Questions::default(),
            registry: Registry::default(),
            ahead: Vec::new(),
            next_id: 1,
            last: watch::Sender::new(None),
            commands,
            to_self: sender.downgrade(),
            listed,
        };
        (dispatcher, dispatch)
    }

    /// Dispatches until nobody speaks to it any more; an error when the log can no longer be followed.
    pub async fn run(mut self) -> Result<(), FollowerEnded> {
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                followed = self.follower.next() => {
                    self.follow(followed)?;
                    // What waits is written in one go: the busier it is, the less each event costs.
                    for _ in 1..AT_ONCE.min(self.bounds.outbox) {
                        let Some(followed) = self.follower.next().now_or_never() else { break };
                        self.follow(followed)?;
                    }
                }
                command = self.commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => return Ok(()),
                },
                _ = sweep.tick() => self.sweep(),
            }
            self.listed.write().await;
        }
    }

    fn follow(&mut self, followed: Option<FollowItem>) -> Result<(), FollowerEnded> {
        match followed {
            Some(FollowItem::Entry(entry)) => self.read(entry),
            Some(FollowItem::Gap(gap)) => self.begin_again(gap),
            Some(FollowItem::CaughtUp(pulse)) => self.after_pulse(pulse),
            None => return Err(FollowerEnded),
        }
        Ok(())
    }

    fn read(&mut self, entry: LogEntry) {
        let now = Timestamp::now();
        let cursor = entry.cursor;
        let event = match entry.event {
            Ok(event) => Some(event),
            Err(why) => {
                self.meters.dropped.increment(1);
                warn!(environment = %self.environment, %cursor, %why, "an entry of the log is for nobody");
                None
            }
        };
        let time = event.as_ref().and_then(|event| event.time).map_or(now, |time| time.min(now));
        let event = event.filter(|event| !event.is_pulse());
        let identity = event.as_ref().map(|event| event.identity());
        let fresh = event.filter(|_| !self.is_repeated(identity));
        let identity = identity.filter(|_| fresh.is_some());
        if let Some(event) = &fresh {
            self.fold(event, entry.origin, time);
        }
        let delivered = fresh.and_then(|event| Delivered::stamp(event, &self.environment, cursor).ok());
        self.window.push(Place { cursor, time, identity, delivered: delivered.clone() });
        if let Some(delivered) = delivered {
            self.deliver(&delivered, identity, now);
        }
        self.last.send_replace(Some(cursor));
        if !self.ahead.is_empty() {
            self.join_those_behind(cursor);
        }
    }

    fn fold(&mut self, event: &Event, origin: Destination, time: Timestamp) {
        match self.tasks.fold(event, time) {
            Some(ended) => self.questions.end(ended),
            // Whoever speaks to all environments runs no workflow in this one.
            None if origin == Destination::Own => {
                self.questions.fold(event, time, |task| self.tasks.has_ended(task));
            }
            None => {}
        }
    }

    fn is_repeated(&self, identity: Option<u128>) -> bool {
        let repeated = identity.is_some_and(|identity| self.window.has_seen(identity));
        if repeated {
            self.meters.repeated.increment(1);
        }
        repeated
    }

    fn deliver(&mut self, delivered: &Arc<Delivered>, identity: Option<u128>, now: Timestamp) {
        if delivered.has_expired(now) || identity.is_some_and(|identity| self.before_gap.contains(&identity)) {
            return;
        }
        let delivery = self.registry.deliver(&delivered.audience, &Parcel::Event(delivered.clone()));
        self.meters.deliveries.increment(delivery.reached as u64);
        self.meters.slow.increment(delivery.slow as u64);
    }

    fn begin_again(&mut self, gap: Gap) {
        warn!(environment = %self.environment, ?gap, "the log has a gap; its window begins again");
        self.before_gap.extend(self.window.clear());
        self.tasks.clear();
        self.questions.clear();
        self.last.send_replace(None);
        let reason = match gap {
            Gap::Retention => GapReason::Retention,
            Gap::Remade => GapReason::Remade,
        };
        self.registry.deliver_to_all(&Parcel::Gap(reason));
    }

    fn after_pulse(&mut self, pulse: u64) {
        self.before_gap = HashSet::new();
        let (proved, waiting) = std::mem::take(&mut self.ahead).into_iter().partition(|one| one.pulse <= pulse);
        self.ahead = waiting;
        let proved: Vec<Waiting> = proved;
        proved.into_iter().for_each(|one| self.join(one));
    }

    /// Joins those whose cursor has been reached.
    fn join_those_behind(&mut self, last: Cursor) {
        let reached = |one: &mut Waiting| one.after.offset <= last.offset;
        let reached: Vec<_> = self.ahead.extract_if(.., reached).collect();
        reached.into_iter().for_each(|one| self.join(one));
    }

    fn join(&mut self, waiting: Waiting) {
        let Waiting { id, listener, after, outbox, .. } = waiting;
        let (from, gap) = match self.window.find(after) {
            Position::Joined(index) => (index, None),
            Position::Ahead | Position::Lost => (0, Some(GapReason::Lost)),
        };
        let events = self.window.replay(from, &listener.user, &listener.groups, Timestamp::now());
        self.welcome(id, listener, outbox, Parcel::Replay { gap, events });
    }

    fn welcome(&mut self, id: ConnectionId, listener: Arc<Listener>, outbox: OutboxSender, replay: Parcel) {
        if outbox.put(replay) {
            self.registry.add(id, listener, outbox);
            self.count_connections();
        }
    }

    fn obey(&mut self, command: Command) {
        // Whoever asked may have gone; then there is nobody to answer.
        match command {
            Command::Subscribe { listener, after, is_more, reply } => {
                drop(reply.send(self.subscribe(listener, after, is_more)));
            }
            Command::Unsubscribe(id) => {
                self.registry.remove(id);
                self.ahead.retain(|waiting| waiting.id != id);
                self.count_connections();
            }
            Command::List { listener, parent, most, reply } => {
                drop(reply.send(self.tasks.list(&listener.user, &listener.groups, parent, most)));
            }
            Command::Find { listener, id, reply } => {
                drop(reply.send(self.tasks.find(id, &listener.user, &listener.groups).cloned()));
            }
            Command::Silent { since, most, reply } => drop(reply.send(self.tasks.silent(since, most))),
            Command::Questions { listener, most, reply } => {
                drop(reply.send(self.questions.open(&listener.user, &listener.groups, most)));
            }
            Command::Question { task, step, reply } => drop(reply.send(self.questions.find(task, &step))),
            Command::Answer { task, step, reply } => self.questions.wait(task, &step, reply),
        }
    }

    fn subscribe(
        &mut self,
        listener: Arc<Listener>,
        after: Option<Cursor>,
        is_more: bool,
    ) -> Result<Subscription, Refusal> {
        let last = self.window.last().ok_or(Refusal::Reading)?;
        let commands = self.to_self.upgrade().ok_or(Refusal::Ending)?;
        if is_more && self.registry.connections_of(&listener.user) >= self.bounds.connections_per_user {
            return Err(Refusal::TooMany(self.bounds.connections_per_user));
        }
        let (sender, outbox) = outbox(self.bounds.outbox);
        let id = self.next_id;
        self.next_id += 1;
        match after {
            None => self.welcome(id, listener, sender, Parcel::Replay { gap: None, events: Vec::new() }),
            Some(after) => {
                let waiting = Waiting { id, listener, after, outbox: sender, pulse: 0 };
                if self.window.find(after) == Position::Ahead {
                    let pulse = self.pulses.request();
                    self.ahead.push(Waiting { pulse, ..waiting });
                } else {
                    self.join(waiting);
                }
            }
        }
        let start = after.unwrap_or(last);
        Ok(Subscription { start, outbox, last: self.last.subscribe(), _leaving: Leaving { id, commands } })
    }

    fn sweep(&mut self) {
        let now = Timestamp::now();
        self.window.evict(now);
        let horizon = now - self.bounds.window;
        self.tasks.evict(horizon);
        self.questions.evict(horizon);
        self.registry.sweep();
        self.ahead.retain(|waiting| !waiting.outbox.is_closed());
        self.count_connections();
    }

    fn count_connections(&self) {
        self.meters.connections.set(self.registry.connected() as f64);
    }
}

/// The task that follows the log has ended, which it never does of itself.
#[derive(Debug, thiserror::Error)]
#[error("the log is no longer followed")]
pub struct FollowerEnded;
