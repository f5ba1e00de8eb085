//! Reading the log for life, with pulses that prove it is heard.
//!
//! A pulse is an event of this process's own that goes through the whole path. One that came back proves that
//! all published before it was read: the reader has caught up. Later, whoever has heard nothing for a while
//! publishes one, and any entry resets everybody's timer, so that a hundred pods cost one pulse and not a hundred.

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
    log::{Destination, EventLog, Gap, LogEntry, LogItem, LogReader, ReadFrom},
    send::{Link, SendError},
};

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
pub struct FollowTiming {
    /// After so long without an entry, give or take a quarter, a pulse is published. 15 s.
    pub silence: Duration,
    /// A published pulse that has not come back after so long, nothing else coming either, means deaf. 5 s.
    pub echo: Duration,
    /// How far back to begin, and to begin again after a gap.
    pub horizon: Duration,
}

impl FollowTiming {
    /// The usual times, for this horizon.
    pub fn with_horizon(horizon: Duration) -> Self {
        Self { silence: Duration::from_secs(15), echo: Duration::from_secs(5), horizon }
    }
}

/// What following yields.
#[derive(Debug, Clone)]
pub enum Followed {
    /// The next entry, pulses among them.
    Entry(LogEntry),
    /// A break; reading goes on from the horizon.
    Gap(Gap),
    /// All that was published before the pulse of this number was asked for has been yielded.
    CaughtUp(u64),
}

/// How well the log is heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadHealth {
    /// Reading what was there before us; never complete yet.
    CatchingUp,
    /// Complete.
    CaughtUp,
    /// Complete until the broker went away; the text says how.
    Away(String),
    /// The broker is there, yet nothing comes.
    Stalled,
}

impl ReadHealth {
    /// Whether what is known is complete as far as anybody can know: a pod may serve it.
    pub fn is_complete(&self) -> bool {
        matches!(self, Self::CaughtUp | Self::Away(_))
    }
}

/// Asks for pulses; cheap to clone.
#[derive(Debug, Clone)]
pub struct PulseRequester {
    wanted: watch::Sender<u64>,
}

impl PulseRequester {
    /// Asks for a pulse; [`Followed::CaughtUp`] of this number or a later one answers.
    pub fn ask(&self) -> u64 {
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
    items: mpsc::Receiver<Followed>,
    /// As the task sees it, which is ahead of what was taken from here.
    health: watch::Receiver<ReadHealth>,
    taken: watch::Sender<ReadHealth>,
    pulses: PulseRequester,
    _task: AbortOnDropHandle<()>,
}

impl Follower {
    /// Begins to follow from the horizon on, as this process.
    pub fn start(log: Arc<dyn EventLog>, pod: &PodId, patience: FollowTiming) -> Self {
        let (sender, items) = mpsc::channel(256);
        let (health, heard) = watch::channel(ReadHealth::CatchingUp);
        // Pulse 1 is the one at the start.
        let pulses = PulseRequester { wanted: watch::Sender::new(1) };
        let reader = log.read(ReadFrom::Time(jiff::Timestamp::now() - patience.horizon));
        let following = Following {
            publishing: log.publishing(),
            log,
            pod: pod.to_string(),
            patience,
            reader,
            last: None,
            items: sender,
            health,
            wanted: pulses.wanted.clone(),
            published: 0,
            returned: 0,
            sending: None,
            heard: Instant::now(),
            next_pulse: Instant::now(),
        };
        let task = AbortOnDropHandle::new(tokio::spawn(following.run()));
        Self { items, health: heard, taken: watch::Sender::new(ReadHealth::CatchingUp), pulses, _task: task }
    }

    /// What comes next, in order; `None` only if the task that follows has panicked.
    pub async fn next(&mut self) -> Option<Followed> {
        loop {
            tokio::select! {
                item = self.items.recv() => {
                    if let Some(Followed::CaughtUp(_)) = item {
                        self.taken.send_replace(self.health.borrow().clone());
                    }
                    return item;
                }
                Ok(()) = self.health.changed() => {
                    let now = self.health.borrow_and_update().clone();
                    // Caught up is whoever has taken all up to the proof, not merely been sent it.
                    if now != ReadHealth::CaughtUp {
                        self.taken.send_replace(now);
                    }
                }
            }
        }
    }

    /// How well the log is heard, as far as it was taken by [`Follower::next`]; closed when this value is dropped.
    pub fn health(&self) -> watch::Receiver<ReadHealth> {
        self.taken.subscribe()
    }

    /// Asks for further pulses.
    pub fn pulses(&self) -> PulseRequester {
        self.pulses.clone()
    }
}

type Sending = Pin<Box<dyn Future<Output = (u64, Result<(), SendError>)> + Send>>;

struct Following {
    log: Arc<dyn EventLog>,
    publishing: watch::Receiver<Link>,
    pod: String,
    patience: FollowTiming,
    reader: LogReader,
    last: Option<Cursor>,
    items: mpsc::Sender<Followed>,
    health: watch::Sender<ReadHealth>,
    /// Numbers of pulses rise: asked for, confirmed by the broker, come back.
    wanted: watch::Sender<u64>,
    published: u64,
    returned: u64,
    sending: Option<Sending>,
    /// When something last came, or we began to wait for it.
    heard: Instant,
    /// No pulse is sent before.
    next_pulse: Instant,
}

impl Following {
    async fn run(mut self) {
        let mut wanted = self.wanted.subscribe();
        loop {
            self.send_wanted_pulse();
            let deadline = self.deadline();
            let going_on = tokio::select! {
                item = self.reader.items.recv() => match item {
                    Some(item) => self.take(item).await,
                    None => { self.after_reader_ended().await; Some(()) }
                },
                (number, sent) = sent(&mut self.sending) => { self.after_sending(number, sent); Some(()) }
                Ok(()) = self.reader.link.changed() => { self.after_link_change(); Some(()) }
                Ok(()) = wanted.changed() => Some(()),
                () = sleep_until(deadline) => { self.after_silence(); Some(()) }
            };
            if going_on.is_none() {
                return;
            }
        }
    }

    fn send_wanted_pulse(&mut self) {
        let number = *self.wanted.borrow();
        let due = self.sending.is_none() && self.published < number && Instant::now() >= self.next_pulse;
        if !due || !self.reader.link.borrow().is_up() {
            return;
        }
        let (log, pulse) = (self.log.clone(), Event::pulse(&self.pod, number));
        self.sending = Some(Box::pin(async move { (number, log.publish(Destination::Own, &pulse).await) }));
    }

    fn after_sending(&mut self, number: u64, sent: Result<(), SendError>) {
        self.sending = None;
        match sent {
            Ok(()) => {
                self.published = self.published.max(number);
                self.heard = Instant::now();
            }
            Err(error) => {
                warn!(pod = self.pod, %error, "a pulse was not published; it is tried again");
                self.next_pulse = Instant::now() + jittered(Duration::from_secs(1));
                if self.health.borrow().is_complete() {
                    self.health.send_replace(ReadHealth::Away(error.to_string()));
                }
            }
        }
    }

    async fn take(&mut self, item: LogItem) -> Option<()> {
        self.heard = Instant::now();
        match item {
            LogItem::Gap(gap) => self.items.send(Followed::Gap(gap)).await.ok(),
            LogItem::Entry(entry) => {
                self.last = Some(entry.cursor);
                let own = self.own_pulse(&entry);
                self.items.send(Followed::Entry(entry)).await.ok()?;
                let Some(number) = own.filter(|number| *number > self.returned) else {
                    return Some(());
                };
                // It may come back before the broker's confirm has.
                self.published = self.published.max(number);
                self.returned = number;
                self.health
                    .send_if_modified(|health| std::mem::replace(health, ReadHealth::CaughtUp) != ReadHealth::CaughtUp);
                self.items.send(Followed::CaughtUp(number)).await.ok()
            }
        }
    }

    fn own_pulse(&self, entry: &LogEntry) -> Option<u64> {
        let event = entry.event.as_ref().ok()?;
        let own = event.event_type == PULSE && event.source.strip_prefix("/pods/") == Some(&self.pod);
        own.then(|| event.id.parse().ok()).flatten()
    }

    fn after_link_change(&mut self) {
        let link = self.reader.link.borrow_and_update().clone();
        match link {
            // What was published meanwhile must be proved to be read.
            Link::Up => self.ask(),
            Link::Down(why) if self.health.borrow().is_complete() => {
                self.health.send_replace(ReadHealth::Away(why));
            }
            Link::Down(_) | Link::Blocked => {}
        }
    }

    /// When to look again if nothing happens.
    fn deadline(&self) -> Instant {
        let waits = self.published > self.returned || !self.reader.link.borrow().is_up();
        let quiet = self.heard + if waits { self.patience.echo } else { jittered(self.patience.silence) };
        if self.sending.is_none() && self.published < *self.wanted.borrow() && self.reader.link.borrow().is_up() {
            return quiet.min(self.next_pulse);
        }
        quiet
    }

    fn after_silence(&mut self) {
        let now = Instant::now();
        if now < self.heard + self.patience.echo.min(self.patience.silence.mul_f64(0.75)) {
            return; // Only a delayed pulse was due.
        }
        self.heard = now;
        let up = self.reader.link.borrow().is_up();
        if !up && !self.publishing.borrow().is_up() {
            return; // The broker is away for everybody; the reader is healing itself.
        }
        if up && self.published <= self.returned {
            return self.ask();
        }
        warn!(pod = self.pod, "the log is not heard though the broker is there; reading it again");
        if *self.health.borrow() != ReadHealth::CatchingUp {
            self.health.send_replace(ReadHealth::Stalled);
        }
        self.read_again();
        self.ask();
    }

    async fn after_reader_ended(&mut self) {
        error!(pod = self.pod, "the task that reads the log has ended; reading it again");
        self.health.send_replace(ReadHealth::Stalled);
        sleep(jittered(Duration::from_secs(1))).await;
        self.read_again();
        self.ask();
    }

    fn ask(&self) {
        self.wanted.send_modify(|wanted| *wanted += 1);
    }

    fn read_again(&mut self) {
        let horizon = jiff::Timestamp::now() - self.patience.horizon;
        let from = match self.last {
            Some(last) => ReadFrom::After { last, horizon },
            None => ReadFrom::Time(horizon),
        };
        self.reader = self.log.read(from);
        self.heard = Instant::now();
    }
}

async fn sent(sending: &mut Option<Sending>) -> (u64, Result<(), SendError>) {
    match sending {
        Some(sending) => sending.await,
        None => pending().await,
    }
}

/// Give or take a quarter, so that pods do not speak in step.
fn jittered(time: Duration) -> Duration {
    time.mul_f64(rand::random_range(0.75..1.25))
}
