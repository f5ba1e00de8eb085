//! Reads the log continuously, with pulses that prove that nothing is missing.
//!
//! A pulse is an event of this process that takes the whole path through the log. Once it has come back, everything
//! published before it was read: the reader has caught up. Later, a pod that has received nothing for a while publishes
//! one, and any entry resets the timer of every pod, so that a hundred pods cost one pulse and not a hundred.

use std::{future::pending, pin::Pin, sync::Arc, time::Duration};

use model::{
    PodId,
    cursor::Cursor,
    event::{Event, PULSE},
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until},
};
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, warn};

use crate::{
    link::{Link, SendError},
    log::{Destination, EventLog, Gap, LogEntry, LogItem, LogReader, ReadFrom},
};

/// Pulses that are published at most in the time after which silence asks for one: one a second by default.
const PULSES: u32 = 15;

/// The timing of a [`Follower`].
#[derive(Debug, Clone, Copy)]
pub struct FollowTiming {
    /// Time without an entry, give or take a quarter, after which a pulse is published. 15 s.
    pub pulse_after: Duration,
    /// Limit for a published pulse to come back; without it or any other entry, reading has stalled. 5 s.
    pub pulse_timeout: Duration,
    /// The age at which reading starts, and restarts after a gap.
    pub horizon: Duration,
}

impl FollowTiming {
    /// The default timing, with this horizon.
    pub fn with_horizon(horizon: Duration) -> Self {
        Self { pulse_after: Duration::from_secs(15), pulse_timeout: Duration::from_secs(5), horizon }
    }
}

/// An item of a [`Follower`].
#[derive(Debug, Clone)]
pub enum FollowItem {
    /// The next entry, pulses among them.
    Entry(LogEntry),
    /// A break; reading goes on from the horizon.
    Gap(Gap),
    /// Everything published before the pulse of this number was requested has been yielded.
    CaughtUp(u64),
}

/// The state of reading the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadHealth {
    /// Reading older entries; not complete yet.
    CatchingUp,
    /// Complete.
    CaughtUp,
    /// Complete until the broker was lost; the text is the reason.
    Away(String),
    /// The broker is reachable, yet no entries arrive.
    Stalled,
}

impl ReadHealth {
    /// True if the entries read are complete as far as can be known: a pod may serve them.
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::CaughtUp | Self::Away(_))
    }
}

/// Requests pulses; cheap to clone.
#[derive(Debug, Clone)]
pub struct PulseRequester {
    wanted: watch::Sender<u64>,
}

impl PulseRequester {
    /// Requests a pulse; [`FollowItem::CaughtUp`] of this number or a later one answers.
    pub fn request(&self) -> u64 {
        let mut number = 0;
        self.wanted.send_modify(|wanted| {
            *wanted += 1;
            number = *wanted;
        });
        number
    }
}

/// Follows the log until dropped.
#[derive(Debug)]
pub struct Follower {
    items: mpsc::Receiver<FollowItem>,
    /// As the task sees it, which is ahead of the items taken from here.
    health: watch::Receiver<ReadHealth>,
    taken: watch::Sender<ReadHealth>,
    pulses: PulseRequester,
    _task: AbortOnDropHandle<()>,
}

impl Follower {
    /// Follows the log from the horizon on, as this pod.
    pub fn start(log: Arc<dyn EventLog>, pod: &PodId, timing: FollowTiming) -> Self {
        let (sender, items) = mpsc::channel(256);
        let (health, health_receiver) = watch::channel(ReadHealth::CatchingUp);
        // Pulse 1 is the one at the start.
        let pulses = PulseRequester { wanted: watch::Sender::new(1) };
        let reader = log.read(ReadFrom::Time(jiff::Timestamp::now() - timing.horizon));
        let is_reading = reader.link.borrow().is_up();
        let task = FollowTask {
            publishing: log.publishing(),
            log,
            pod: pod.to_string(),
            timing,
            is_reading,
            reader,
            last: None,
            items: sender,
            health,
            wanted: pulses.wanted.clone(),
            published: 0,
            received: 0,
            in_flight: None,
            last_received: Instant::now(),
            next_pulse: Instant::now(),
        };
        let task = AbortOnDropHandle::new(tokio::spawn(task.run()));
        Self { items, health: health_receiver, taken: watch::Sender::new(ReadHealth::CatchingUp), pulses, _task: task }
    }

    /// The next item, in order; `None` only if the task has panicked.
    pub async fn next(&mut self) -> Option<FollowItem> {
        loop {
            tokio::select! {
                item = self.items.recv() => {
                    if let Some(FollowItem::CaughtUp(_)) = item {
                        self.taken.send_replace(self.health.borrow().clone());
                    }
                    return item;
                }
                Ok(()) = self.health.changed() => {
                    let now = self.health.borrow_and_update().clone();
                    // Caught up only once the items up to the pulse were taken, not merely sent.
                    if now != ReadHealth::CaughtUp {
                        self.taken.send_replace(now);
                    }
                }
            }
        }
    }

    /// The state of reading, as far as items were taken by [`Follower::next`]; closed when this value is dropped.
    pub fn health(&self) -> watch::Receiver<ReadHealth> {
        self.taken.subscribe()
    }

    /// Requests further pulses.
    pub fn pulses(&self) -> PulseRequester {
        self.pulses.clone()
    }
}

type InFlight = Pin<Box<dyn Future<Output = (u64, Result<(), SendError>)> + Send>>;

struct FollowTask {
    log: Arc<dyn EventLog>,
    publishing: watch::Receiver<Link>,
    pod: String,
    timing: FollowTiming,
    reader: LogReader,
    /// What the reader's link said last.
    is_reading: bool,
    last: Option<Cursor>,
    items: mpsc::Sender<FollowItem>,
    health: watch::Sender<ReadHealth>,
    /// The numbers of the last pulses requested, confirmed by the broker, and received.
    wanted: watch::Sender<u64>,
    published: u64,
    received: u64,
    in_flight: Option<InFlight>,
    /// The time an entry was last received, or waiting for one started.
    last_received: Instant,
    /// The earliest time for the next pulse.
    next_pulse: Instant,
}

impl FollowTask {
    async fn run(mut self) {
        let mut wanted = self.wanted.subscribe();
        loop {
            self.send_wanted_pulse();
            let deadline = self.deadline();
            let open = tokio::select! {
                // Silence is judged last, by what is known of the connections; entries, which may come without end, before it.
                biased;
                Ok(()) = self.publishing.changed() => { self.after_publishing_changed(); Some(()) }
                Ok(()) = self.reader.link.changed() => { self.after_reading_changed(); Some(()) }
                (number, sent) = confirmed(&mut self.in_flight) => { self.after_publishing(number, sent); Some(()) }
                Ok(()) = wanted.changed() => Some(()),
                item = self.reader.items.recv() => match item {
                    Some(item) => self.handle_item(item).await,
                    None => { self.after_reader_ended().await; Some(()) }
                },
                () = sleep_until(deadline) => { self.after_silence(); Some(()) }
            };
            if open.is_none() {
                return;
            }
        }
    }

    fn send_wanted_pulse(&mut self) {
        let number = *self.wanted.borrow();
        let due = self.in_flight.is_none() && self.published < number && Instant::now() >= self.next_pulse;
        // Without a consumer too, once it had one: whether the broker takes a pulse tells a pod that is deaf from a broker away.
        let may_return = self.reader.link.borrow().is_up() || (self.received > 0 && self.publishing.borrow().is_up());
        if !due || !may_return {
            return;
        }
        let (log, pulse) = (self.log.clone(), Event::pulse(&self.pod, number));
        self.in_flight = Some(Box::pin(async move { (number, log.publish(Destination::Own, &pulse).await) }));
    }

    fn after_publishing(&mut self, number: u64, sent: Result<(), SendError>) {
        self.in_flight = None;
        match sent {
            Ok(()) => {
                self.published = self.published.max(number);
                self.last_received = Instant::now();
                // Those who ask meanwhile share the next: each is an entry that every reader of the log gets.
                self.next_pulse = Instant::now() + self.timing.pulse_after / PULSES;
            }
            Err(error) => {
                warn!(pod = self.pod, %error, "a pulse was not published; it is tried again");
                self.next_pulse = Instant::now() + jittered(Duration::from_secs(1));
                self.broker_is_away(error.to_string());
            }
        }
    }

    async fn handle_item(&mut self, item: LogItem) -> Option<()> {
        self.last_received = Instant::now();
        match item {
            LogItem::Gap(gap) => self.items.send(FollowItem::Gap(gap)).await.ok(),
            LogItem::Entry(entry) => {
                self.last = Some(entry.cursor);
                let own = self.own_pulse(&entry);
                self.items.send(FollowItem::Entry(entry)).await.ok()?;
                let Some(number) = own.filter(|number| *number > self.received) else {
                    return Some(());
                };
                // It may come back before the broker's confirm has.
                self.published = self.published.max(number);
                self.received = number;
                self.health
                    .send_if_modified(|health| std::mem::replace(health, ReadHealth::CaughtUp) != ReadHealth::CaughtUp);
                self.items.send(FollowItem::CaughtUp(number)).await.ok()
            }
        }
    }

    fn own_pulse(&self, entry: &LogEntry) -> Option<u64> {
        let event = entry.event.as_ref().ok()?;
        let own = event.event_type == PULSE && event.source.strip_prefix("/pods/") == Some(&self.pod);
        own.then(|| event.id.parse().ok()).flatten()
    }

    fn after_reading_changed(&mut self) {
        let link = self.reader.link.borrow_and_update().clone();
        let was_reading = std::mem::replace(&mut self.is_reading, link.is_up());
        match link {
            // A pulse must prove that everything published meanwhile is read.
            Link::Up => self.request_pulse_now(),
            Link::Down(why) => {
                if self.health.borrow().is_complete() {
                    self.health.send_replace(ReadHealth::Away(why));
                }
                // A broker that stops ends the consumers first: silence counts from here, and a pulse asks whether it is there.
                if was_reading {
                    self.last_received = Instant::now();
                    self.request_pulse_now();
                }
            }
            Link::Blocked => {}
        }
    }

    fn after_publishing_changed(&mut self) {
        let link = self.publishing.borrow_and_update().clone();
        match link {
            // The broker is back: the reader does not wait out its own pause.
            Link::Up if !self.reader.link.borrow().is_up() && self.received > 0 => self.restart_reader(),
            Link::Down(why) if !self.reader.link.borrow().is_up() => self.broker_is_away(why),
            Link::Up | Link::Down(_) | Link::Blocked => {}
        }
    }

    /// A pod that had caught up has what could be known, also if it seemed deaf before: a broker that stops ends one thing after
    /// the other.
    fn broker_is_away(&mut self, why: String) {
        let has_caught_up = self.received > 0;
        if has_caught_up && *self.health.borrow() != ReadHealth::CatchingUp {
            self.health.send_replace(ReadHealth::Away(why));
        }
    }

    /// The time of the next check if nothing happens.
    fn deadline(&self) -> Instant {
        let waits = self.published > self.received || !self.reader.link.borrow().is_up();
        let quiet =
            self.last_received + if waits { self.timing.pulse_timeout } else { jittered(self.timing.pulse_after) };
        if self.in_flight.is_none() && self.published < *self.wanted.borrow() && self.reader.link.borrow().is_up() {
            return quiet.min(self.next_pulse);
        }
        quiet
    }

    fn after_silence(&mut self) {
        let now = Instant::now();
        if now < self.last_received + self.timing.pulse_timeout.min(self.timing.pulse_after.mul_f64(0.75)) {
            return; // Only a delayed pulse was due.
        }
        self.last_received = now;
        let up = self.reader.link.borrow().is_up();
        if !up && !self.publishing.borrow().is_up() {
            return; // The broker is away for everyone; the reader reconnects by itself.
        }
        // Only what the broker has taken and does not hand out proves that this pod is deaf.
        if self.published <= self.received {
            return self.request_pulse_now();
        }
        warn!(pod = self.pod, "no entries of the log arrive though the broker is reachable; reading it again");
        if *self.health.borrow() != ReadHealth::CatchingUp {
            self.health.send_replace(ReadHealth::Stalled);
        }
        self.restart_reader();
        self.request_pulse_now();
    }

    async fn after_reader_ended(&mut self) {
        error!(pod = self.pod, "the task that reads the log has ended; reading it again");
        self.health.send_replace(ReadHealth::Stalled);
        sleep(jittered(Duration::from_secs(1))).await;
        self.restart_reader();
        self.request_pulse_now();
    }

    fn request_pulse_now(&mut self) {
        self.next_pulse = Instant::now();
        self.wanted.send_modify(|wanted| *wanted += 1);
    }

    fn restart_reader(&mut self) {
        let horizon = jiff::Timestamp::now() - self.timing.horizon;
        let from = match self.last {
            Some(last) => ReadFrom::After { last, horizon },
            None => ReadFrom::Time(horizon),
        };
        self.reader = self.log.read(from);
        self.is_reading = self.reader.link.borrow().is_up();
        self.last_received = Instant::now();
    }
}

async fn confirmed(in_flight: &mut Option<InFlight>) -> (u64, Result<(), SendError>) {
    match in_flight {
        Some(in_flight) => in_flight.await,
        None => pending().await,
    }
}

/// Up to a quarter shorter or longer, so that pods do not publish in step.
fn jittered(time: Duration) -> Duration {
    time.mul_f64(rand::random_range(0.75..1.25))
}
