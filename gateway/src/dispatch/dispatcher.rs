//! The task of one environment that owns its window, its connections and its task list.
//!
//! Log entries and commands reach it one after another, so there are no locks, and replayed events join live ones in
//! plain sequence. It knows no wire protocol.

use std::{
    collections::{HashMap, HashSet},
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use backplane::{
    Gap, LogEntry,
    follow::{FollowItem, Follower, PulseRequester},
};
use futures_util::FutureExt;
use jiff::Timestamp;
use model::{
    Cursor, Environment, Event,
    claim::{CLAIMED, Claim},
};
use process::telemetry::{Parent, Telemetry};
use signing::Verifier;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{MissedTickBehavior, interval},
};
use tracing::warn;

use super::{
    command::{Command, Departures, SubscribeError, Subscription, Unsubscribe},
    delivery_spans::DeliverySpans,
    handle::DispatcherHandle,
    metrics::DispatchMetrics,
    outbox::{FlushOutboxes, GapReason, OutboxItem, OutboxSender, outbox},
    outgoing_event::{LiveEvent, OutgoingEvent},
    questions::{Folded, Questions},
    registry::{ConnectionId, Recipient, Registry},
    replay_limits::ReplayLimits,
    task_list::TaskList,
    window::{Position, Window, WindowEntry},
};

/// The pause between two evictions of what is too old.
const SWEEP_INTERVAL: Duration = Duration::from_secs(5);
/// The number of connections that are removed before others get their turn.
const DEPARTURES_PER_TURN: usize = 1024;
/// The number of commands that may wait.
const COMMAND_QUEUE: usize = 1024;
/// The number of entries that are handled before outboxes are flushed; fewer than an outbox holds.
const ENTRIES_PER_FLUSH: usize = 32;

/// The limits of a dispatcher.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The window's length in event time.
    pub window: Duration,
    /// The window's size in bytes.
    pub window_bytes: usize,
    /// The number of items that may wait for one connection.
    pub outbox: usize,
    /// The number of events that one user's connections may be sent again each second, fifty times as many at once.
    pub replayed_events: NonZeroU32,
}

/// The task's state; `W` writes to sockets the items that it puts into outboxes.
pub struct Dispatcher<W: FlushOutboxes> {
    environment: Environment,
    follower: Follower,
    pulses: PulseRequester,
    bounds: Bounds,
    window: Window,
    /// Events that were delivered before a gap; read again after it, they are not delivered again.
    delivered_before_gap: HashSet<u128>,
    tasks: TaskList,
    questions: Questions,
    registry: Registry,
    replay_limits: ReplayLimits,
    metrics: DispatchMetrics,
    /// Subscriptions whose cursor lies beyond the last entry.
    pending: HashMap<ConnectionId, PendingSubscription>,
    /// Those who wait for a pulse, each with its number; bounded by the requests that a pod serves at once.
    catching_up: Vec<(u64, oneshot::Sender<()>)>,
    next_id: ConnectionId,
    departures: Arc<Departures>,
    dispatched: watch::Sender<Option<Cursor>>,
    commands: mpsc::Receiver<Command>,
    /// For subscriptions to unsubscribe with; weak, so that the dispatcher ends with its last handle.
    command_sender: mpsc::WeakSender<Command>,
    write_queue: W,
    spans: DeliverySpans,
}

struct PendingSubscription {
    id: ConnectionId,
    recipient: Arc<Recipient>,
    after: Cursor,
    outbox: OutboxSender,
    /// The pulse after which this pod has read everything that was in the log at the time of subscribing.
    pulse: u64,
}

impl<W: FlushOutboxes> Drop for Dispatcher<W> {
    fn drop(&mut self) {
        // Each outbox that goes with them asks for a last write, which nobody does.
        self.registry = Registry::default();
        self.pending.clear();
        self.write_queue.abandon();
    }
}

impl<W: FlushOutboxes> Dispatcher<W> {
    /// A dispatcher over a follower of this environment's log, and the handle to it.
    pub fn new(
        environment: Environment,
        verifier: Verifier,
        follower: Follower,
        bounds: Bounds,
        write_queue: W,
    ) -> (Self, DispatcherHandle) {
        let (sender, commands) = mpsc::channel(COMMAND_QUEUE);
        let dispatched = watch::Sender::new(None);
        let handle = DispatcherHandle {
            health: follower.health(),
            dispatched: dispatched.subscribe(),
            commands: sender.clone(),
        };
        let spans = DeliverySpans::new(&environment, Telemetry::default());
        let dispatcher = Self {
            metrics: DispatchMetrics::new(&environment),
            environment,
            pulses: follower.pulses(),
            follower,
            bounds,
            window: Window::new(bounds.window, bounds.window_bytes),
            delivered_before_gap: HashSet::new(),
            tasks: TaskList::default(),
            questions: Questions::new(verifier),
            registry: Registry::default(),
            replay_limits: ReplayLimits::new(bounds.replayed_events),
            pending: HashMap::new(),
            catching_up: Vec::new(),
            next_id: 1,
            departures: Arc::default(),
            dispatched,
            commands,
            command_sender: sender.downgrade(),
            write_queue,
            spans,
        };
        (dispatcher, handle)
    }

    /// The same, with spans of what it delivers.
    pub fn with_telemetry(mut self, telemetry: Telemetry) -> Self {
        self.spans = DeliverySpans::new(&self.environment, telemetry);
        self
    }

    /// Dispatches until the last handle is dropped; an error when the log can no longer be followed.
    pub async fn run(mut self) -> Result<(), FollowerEnded> {
        let mut sweep = interval(SWEEP_INTERVAL);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                followed = self.follower.next() => {
                    self.handle_followed(followed)?;
                    // Several entries are written in one go: the busier it is, the less each event costs.
                    for _ in 1..ENTRIES_PER_FLUSH.min(self.bounds.outbox) {
                        let Some(followed) = self.follower.next().now_or_never() else { break };
                        self.handle_followed(followed)?;
                    }
                }
                command = self.commands.recv() => match command {
                    Some(command) => self.handle(command),
                    None => return Ok(()),
                },
                () = self.departures.wait() => self.remove_departed(),
                _ = sweep.tick() => self.sweep(),
            }
            self.spans.writing();
            self.write_queue.flush().await;
            self.spans.written();
            self.metrics.flushed();
        }
    }

    fn handle_followed(&mut self, followed: Option<FollowItem>) -> Result<(), FollowerEnded> {
        match followed {
            Some(FollowItem::Entry(entry)) => self.handle_entry(entry),
            Some(FollowItem::Gap(gap)) => self.handle_gap(gap),
            Some(FollowItem::CaughtUp(pulse)) => self.handle_pulse(pulse),
            None => return Err(FollowerEnded),
        }
        Ok(())
    }

    fn handle_entry(&mut self, entry: LogEntry) {
        let now = Timestamp::now();
        let cursor = entry.cursor;
        let event = match entry.event {
            Ok(event) => Some(event),
            Err(reason) => {
                self.metrics.dropped.increment(1);
                warn!(environment = %self.environment, %cursor, %reason, "an entry of the log is dropped");
                None
            }
        };
        let said = event.as_ref().and_then(|event| event.time);
        self.metrics.read(said, now);
        let time = said.map_or(now, |time| time.min(now));
        let event = event.filter(|event| !event.is_pulse());
        let identity = event.as_ref().map(|event| event.identity());
        let event = event.filter(|_| !self.is_repeated(identity));
        let event = event.filter(|event| !self.fold_claim(event, time));
        let event = event.filter(|event| self.fold(event, cursor, time));
        let identity = identity.filter(|_| event.is_some());
        let parent = self.spans.parent(event.as_ref());
        let event = event.and_then(|event| OutgoingEvent::stamp(event, &self.environment, cursor).ok());
        self.window.push(WindowEntry { cursor, time, identity, event: event.clone() });
        if let Some(event) = event {
            self.deliver(&event, identity, (said, now), parent);
        }
        self.dispatched.send_replace(Some(cursor));
        if !self.pending.is_empty() {
            self.join_reached(cursor);
        }
    }

    /// Folds an event into the lists; false if nobody may see it.
    fn fold(&mut self, event: &Event, cursor: Cursor, time: Timestamp) -> bool {
        match self.tasks.fold(event, time) {
            Ok(Some(ended)) => {
                self.questions.end(ended);
                return true;
            }
            Ok(None) => {}
            Err(error) => {
                self.metrics.foreign.increment(1);
                warn!(environment = %self.environment, source = event.source, %error, "a task's event is not folded");
                return true;
            }
        }
        match self.questions.fold(event, time, |task| self.tasks.has_ended(task)) {
            Folded::Counts => true,
            Folded::Late => {
                self.metrics.repeated.increment(1);
                false
            }
            Folded::Unsigned => {
                self.metrics.dropped.increment(1);
                warn!(environment = %self.environment, %cursor, "no gateway has signed an answer; it is dropped");
                false
            }
            Folded::Untrue => {
                self.metrics.dropped.increment(1);
                warn!(environment = %self.environment, %cursor, "a question is not what it claims to be; it is dropped");
                false
            }
        }
    }

    /// Folds a claim in, which nobody is shown; false if the event is none.
    fn fold_claim(&mut self, event: &Event, time: Timestamp) -> bool {
        if event.event_type != CLAIMED {
            return false;
        }
        match Claim::of(event) {
            Some(claim) => self.tasks.claim(claim, time),
            None => self.metrics.dropped.increment(1),
        }
        true
    }

    fn is_repeated(&self, identity: Option<u128>) -> bool {
        let repeated = identity.is_some_and(|identity| self.window.contains(identity));
        if repeated {
            self.metrics.repeated.increment(1);
        }
        repeated
    }

    fn deliver(
        &mut self,
        event: &Arc<OutgoingEvent>,
        identity: Option<u128>,
        (said, now): (Option<Timestamp>, Timestamp),
        parent: Option<Parent>,
    ) {
        if event.has_expired(now) || identity.is_some_and(|identity| self.delivered_before_gap.contains(&identity)) {
            return;
        }
        let delivery = self.registry.deliver(Some(&event.audience), &OutboxItem::Event(LiveEvent::new(event.clone())));
        self.metrics.deliveries.increment(delivery.reached as u64);
        self.metrics.slow.increment(delivery.slow as u64);
        self.metrics.put(said.filter(|_| delivery.reached > 0));
        if let Some(parent) = parent.filter(|_| delivery.reached > 0) {
            self.spans.begin(parent, &event.event_type, delivery.reached, said);
        }
    }

    fn handle_gap(&mut self, gap: Gap) {
        warn!(environment = %self.environment, ?gap, "the log has a gap; the window is read again");
        self.delivered_before_gap.extend(self.window.clear());
        self.tasks.clear();
        self.questions.clear();
        self.dispatched.send_replace(None);
        let reason = match gap {
            Gap::Retention => GapReason::Retention,
            Gap::Remade => GapReason::Remade,
        };
        self.metrics.gap(reason);
        self.registry.deliver(None, &OutboxItem::Gap(reason));
    }

    fn handle_pulse(&mut self, pulse: u64) {
        self.delivered_before_gap = HashSet::new();
        let complete: Vec<_> = self.pending.extract_if(|_, pending| pending.pulse <= pulse).collect();
        complete.into_iter().for_each(|(_, pending)| self.join(pending));
        for (_, reply) in self.catching_up.extract_if(.., |(number, _)| *number <= pulse) {
            // This fails when the requester has gone, which needs no handling.
            reply.send(()).ok();
        }
    }

    /// Joins the subscriptions whose cursor was reached.
    fn join_reached(&mut self, last: Cursor) {
        let reached: Vec<_> = self.pending.extract_if(|_, pending| pending.after.offset <= last.offset).collect();
        reached.into_iter().for_each(|(_, pending)| self.join(pending));
    }

    fn join(&mut self, subscription: PendingSubscription) {
        let PendingSubscription { id, recipient, after, outbox, pulse } = subscription;
        let resumes = &self.metrics.resumes;
        let (from, gap, outcome) = match self.window.find(after) {
            Position::Found(index) if pulse == 0 => (index, None, &resumes.joined),
            Position::Found(index) => (index, None, &resumes.waited),
            Position::Ahead | Position::Lost => (0, Some(GapReason::Lost), &resumes.lost),
        };
        outcome.increment(1);
        let events = self.window.replay(from, &recipient.user, &recipient.groups, Timestamp::now());
        self.metrics.replayed.record(events.len() as f64);
        self.replay_limits.charge(&recipient.user, events.len(), tokio::time::Instant::now());
        self.register(id, recipient, outbox, OutboxItem::Replay { gap, events });
    }

    fn register(&mut self, id: ConnectionId, recipient: Arc<Recipient>, outbox: OutboxSender, replay: OutboxItem) {
        if outbox.push(replay) {
            self.registry.add(id, recipient, outbox);
            self.count_connections();
        }
    }

    fn handle(&mut self, command: Command) {
        match command {
            Command::Subscribe { recipient, after, reply } => {
                // This fails when the requester has gone, which needs no handling.
                drop(reply.send(self.subscribe(recipient, after)));
            }
            Command::Query(query) => query(&mut self.tasks, &mut self.questions),
            Command::CatchUp { reply } => self.catching_up.push((self.pulses.request(), reply)),
        }
    }

    fn subscribe(&mut self, recipient: Arc<Recipient>, after: Option<Cursor>) -> Result<Subscription, SubscribeError> {
        let last = self.window.last().ok_or(SubscribeError::CatchingUp)?;
        let commands = self.command_sender.upgrade().ok_or(SubscribeError::Stopping)?;
        if after.is_some() {
            let taken = self.replay_limits.take(&recipient.user, tokio::time::Instant::now());
            taken.map_err(|wait| {
                self.metrics.resumes.refused.increment(1);
                SubscribeError::TooManyReplays(wait)
            })?;
        }
        let (sender, outbox) = outbox(self.bounds.outbox);
        let id = self.next_id;
        self.next_id += 1;
        match after {
            None => self.register(id, recipient, sender, OutboxItem::Replay { gap: None, events: Vec::new() }),
            Some(after) => {
                let pending = PendingSubscription { id, recipient, after, outbox: sender, pulse: 0 };
                if self.window.find(after) == Position::Ahead {
                    let pulse = self.pulses.request();
                    self.pending.insert(id, PendingSubscription { pulse, ..pending });
                } else {
                    self.join(pending);
                }
            }
        }
        let start = after.unwrap_or(last);
        let guard = Unsubscribe { id, departures: self.departures.clone(), _commands: commands };
        Ok(Subscription { start, outbox, dispatched: self.dispatched.subscribe(), _guard: guard })
    }

    fn sweep(&mut self) {
        let now = Timestamp::now();
        self.window.evict(now);
        let horizon = now - self.bounds.window;
        self.tasks.evict(horizon, Instant::now());
        self.questions.evict(horizon);
        self.catching_up.retain(|(_, reply)| !reply.is_closed());
        self.metrics.look(&self.window, &self.tasks, now);
    }

    fn remove_departed(&mut self) {
        for id in self.departures.take(DEPARTURES_PER_TURN) {
            if !self.registry.remove(id) {
                self.pending.remove(&id);
            }
        }
        self.count_connections();
    }

    fn count_connections(&self) {
        self.metrics.connections.set(self.registry.count() as f64);
    }
}

/// The task that follows the log has ended, which it never does by itself.
#[derive(Debug, thiserror::Error)]
#[error("the log is no longer followed")]
pub struct FollowerEnded;
