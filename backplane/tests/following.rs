//! Following the log: caught up is proved, silence is noticed, deafness is healed.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use backplane::{
    Destination, EventLog, Link, LogItem, LogReader, ReadFrom, SendError,
    follow::{FollowItem, FollowTiming, Follower, ReadHealth},
    memory::Broker,
};
use futures_util::FutureExt;
use model::{Audience, EncodedEvent, Event, PodId};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

const HOUR: Duration = Duration::from_secs(3600);

fn message(n: u32) -> Event {
    let mut event = Event::new("/test", "test.n", Audience::user("ada"));
    event.id = n.to_string();
    event
}

fn memory_log() -> Arc<dyn EventLog> {
    Broker::new().environment(&"test".parse().unwrap()).log
}

async fn next(follower: &mut Follower) -> FollowItem {
    timeout(HOUR, follower.next()).await.expect("something comes").expect("the follower lives")
}

async fn until_caught_up(follower: &mut Follower, number: u64) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        match next(follower).await {
            FollowItem::Entry(entry) => events.push(entry.event.unwrap().as_ref().clone()),
            FollowItem::CaughtUp(proved) if proved >= number => return events,
            FollowItem::CaughtUp(_) | FollowItem::Gap(_) => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_that_was_published_before_is_yielded_before_caught_up() {
    let log = memory_log();
    for n in 0..1000 {
        log.publish(Destination::Own, &message(n)).await.unwrap();
    }
    let mut follower = Follower::start(log.clone(), &PodId::gateway(), FollowTiming::with_horizon(HOUR));
    assert_eq!(*follower.health().borrow(), ReadHealth::CatchingUp);
    let events = until_caught_up(&mut follower, 1).await;
    assert_eq!(events.iter().filter(|event| !event.is_pulse()).count(), 1000);
    assert_eq!(*follower.health().borrow(), ReadHealth::CaughtUp);

    log.publish(Destination::Own, &message(1000)).await.unwrap();
    let asked = follower.pulses().request();
    let events = until_caught_up(&mut follower, asked).await;
    assert!(events.iter().any(|event| event.id == "1000"));
}

#[tokio::test(start_paused = true)]
async fn ten_silent_pods_need_few_pulses_between_them() {
    let log = memory_log();
    let mut followers = Vec::new();
    for _ in 0..10 {
        let mut follower = Follower::start(log.clone(), &PodId::gateway(), FollowTiming::with_horizon(HOUR));
        until_caught_up(&mut follower, 1).await;
        followers.push(follower);
    }
    let mut reader = log.read(ReadFrom::Time(jiff::Timestamp::now() + HOUR));
    let listening = Duration::from_secs(300);
    let mut pulses = 0;
    let drain = async {
        loop {
            for follower in &mut followers {
                while follower.next().now_or_never().is_some() {}
            }
            match reader.items.recv().await {
                Some(LogItem::Entry(_)) => pulses += 1,
                _ => return,
            }
        }
    };
    timeout(listening, drain).await.expect_err("the log goes on");
    // One every 11 s at the very most; each pod for itself would be 200.
    assert!((10..=60).contains(&pulses), "{pulses} pulses in {listening:?}");
}

/// A log whose readers can be made deaf.
struct Muffled {
    log: Arc<dyn EventLog>,
    deaf: Arc<AtomicBool>,
}

#[async_trait]
impl EventLog for Muffled {
    async fn publish_encoded(&self, to: Destination, encoded: &EncodedEvent<'_>) -> Result<(), SendError> {
        self.log.publish_encoded(to, encoded).await
    }

    fn read(&self, from: ReadFrom) -> LogReader {
        let LogReader { items: mut inner, link, task } = self.log.read(from);
        let (sender, items) = mpsc::channel(256);
        let deaf = self.deaf.clone();
        let task = tokio::spawn(async move {
            let _task = task;
            while let Some(item) = inner.recv().await {
                if deaf.load(Ordering::Relaxed) {
                    std::future::pending::<()>().await;
                }
                if sender.send(item).await.is_err() {
                    return;
                }
            }
        });
        LogReader { items, link, task: AbortOnDropHandle::new(task) }
    }

    fn publishing(&self) -> watch::Receiver<Link> {
        self.log.publishing()
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_hears_nothing_says_so_and_reads_again_without_a_hole() {
    let deaf = Arc::new(AtomicBool::new(false));
    let log: Arc<dyn EventLog> = Arc::new(Muffled { log: memory_log(), deaf: deaf.clone() });
    let mut follower = Follower::start(log.clone(), &PodId::gateway(), FollowTiming::with_horizon(HOUR));
    until_caught_up(&mut follower, 1).await;

    deaf.store(true, Ordering::Relaxed);
    log.publish(Destination::Own, &message(1)).await.unwrap();
    let mut health = follower.health();
    let listening = async { while follower.next().await.is_some() {} };
    tokio::select! {
        () = listening => panic!("it ended"),
        noticed = timeout(HOUR, health.wait_for(|health| *health == ReadHealth::Stalled)) => drop(noticed.expect("it notices")),
    }
    assert!(!ReadHealth::Stalled.is_complete());

    deaf.store(false, Ordering::Relaxed);
    let asked = follower.pulses().request();
    let events = until_caught_up(&mut follower, asked).await;
    assert_eq!(events.iter().filter(|event| event.id == "1" && !event.is_pulse()).count(), 1);
    assert_eq!(*health.borrow_and_update(), ReadHealth::CaughtUp);
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_for_pulses_again_and_again_gets_one_a_second() {
    let mut follower = Follower::start(memory_log(), &PodId::gateway(), FollowTiming::with_horizon(HOUR));
    until_caught_up(&mut follower, 1).await;
    let (begun, pulses) = (tokio::time::Instant::now(), follower.pulses());
    for _ in 0..10 {
        let asked = pulses.request();
        until_caught_up(&mut follower, asked).await;
    }
    let seconds = begun.elapsed().as_secs();
    assert!((9..=11).contains(&seconds), "{seconds} s of the paused clock");
}

/// A log whose connections for reading and for publishing end and come back one by one.
struct Cut {
    log: Arc<dyn EventLog>,
    reading: watch::Sender<Link>,
    publishing: watch::Sender<Link>,
}

impl Cut {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            log: memory_log(),
            reading: watch::Sender::new(Link::Up),
            publishing: watch::Sender::new(Link::Up),
        })
    }

    async fn follow(self: &Arc<Self>) -> (Follower, watch::Receiver<ReadHealth>) {
        let mut follower = Follower::start(self.clone(), &PodId::gateway(), FollowTiming::with_horizon(HOUR));
        until_caught_up(&mut follower, 1).await;
        let health = follower.health();
        (follower, health)
    }
}

fn down() -> Link {
    Link::Down("the broker stops".to_owned())
}

#[async_trait]
impl EventLog for Cut {
    async fn publish_encoded(&self, to: Destination, encoded: &EncodedEvent<'_>) -> Result<(), SendError> {
        match self.publishing.borrow().is_up() {
            true => {}
            false => return Err(SendError::Unavailable("the broker stops".to_owned())),
        }
        self.log.publish_encoded(to, encoded).await
    }

    fn read(&self, from: ReadFrom) -> LogReader {
        let LogReader { items: mut inner, task, .. } = self.log.read(from);
        let (sender, items) = mpsc::channel(256);
        let mut reading = self.reading.subscribe();
        let link = self.reading.subscribe();
        let task = tokio::spawn(async move {
            let _task = task;
            while let Some(item) = inner.recv().await {
                if reading.wait_for(Link::is_up).await.is_err() || sender.send(item).await.is_err() {
                    return;
                }
            }
        });
        LogReader { items, link, task: AbortOnDropHandle::new(task) }
    }

    fn publishing(&self) -> watch::Receiver<Link> {
        self.publishing.subscribe()
    }
}

/// Lets the follower run for so long, and returns the states that it had.
async fn states(
    follower: &mut Follower,
    health: &mut watch::Receiver<ReadHealth>,
    time: Duration,
) -> HashSet<&'static str> {
    let mut seen = HashSet::new();
    let listening = async { while follower.next().await.is_some() {} };
    let looking = async {
        loop {
            seen.insert(match &*health.borrow_and_update() {
                ReadHealth::CaughtUp => "caught up",
                ReadHealth::CatchingUp => "catching up",
                ReadHealth::Away(_) => "away",
                ReadHealth::Stalled => "stalled",
            });
            health.changed().await.unwrap();
        }
    };
    timeout(time, async { tokio::join!(listening, looking) }).await.expect_err("it goes on");
    seen
}

#[tokio::test(start_paused = true)]
async fn a_broker_that_restarts_takes_no_pod_away_in_whichever_order_its_connections_end_and_come_back() {
    let lags = [0, 100, 3000].map(Duration::from_millis);
    let (reading_first, both) = ([true, false], [true, false]);
    for (quiet, lag_out, lag_back) in
        [0, 4, 14].into_iter().flat_map(|quiet| lags.map(|out| lags.map(|back| (quiet, out, back)))).flatten()
    {
        for (ends, comes_back) in reading_first.into_iter().flat_map(|ends| both.map(|back| (ends, back))) {
            let order = format!(
                "quiet for {quiet} s; reading ends first: {ends}, {lag_out:?} before the other; it comes back first: {comes_back}, by {lag_back:?}"
            );
            let log = Cut::new();
            let (mut follower, mut health) = log.follow().await;
            states(&mut follower, &mut health, Duration::from_secs(quiet)).await;
            let [first, second] = if ends { [&log.reading, &log.publishing] } else { [&log.publishing, &log.reading] };
            first.send_replace(down());
            let mut seen = states(&mut follower, &mut health, lag_out).await;
            second.send_replace(down());
            seen.extend(states(&mut follower, &mut health, Duration::from_secs(12)).await);
            let [first, second] =
                if comes_back { [&log.reading, &log.publishing] } else { [&log.publishing, &log.reading] };
            first.send_replace(Link::Up);
            seen.extend(states(&mut follower, &mut health, lag_back).await);
            second.send_replace(Link::Up);
            seen.extend(states(&mut follower, &mut health, Duration::from_secs(5)).await);
            assert_eq!(seen, HashSet::from(["caught up", "away"]), "{order}");
            assert_eq!(*health.borrow(), ReadHealth::CaughtUp, "{order}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_alone_cannot_read_is_not_ready_and_degraded_when_the_broker_is_gone_as_well() {
    let log = Cut::new();
    let (mut follower, mut health) = log.follow().await;
    log.reading.send_replace(down());
    let reconnecting = async {
        loop {
            tokio::time::sleep(Duration::from_secs(2)).await;
            // Each attempt that fails says so again.
            log.reading.send_replace(down());
        }
    };
    tokio::select! {
        () = reconnecting => {}
        seen = states(&mut follower, &mut health, Duration::from_secs(15)) => assert!(seen.contains("stalled"), "{seen:?}"),
    }
    log.publishing.send_replace(down());
    let seen = states(&mut follower, &mut health, Duration::from_secs(30)).await;
    assert!(seen.contains("away") && matches!(*health.borrow(), ReadHealth::Away(_)), "{seen:?}");
    log.publishing.send_replace(Link::Up);
    log.reading.send_replace(Link::Up);
    states(&mut follower, &mut health, Duration::from_secs(5)).await;
    assert_eq!(*health.borrow(), ReadHealth::CaughtUp);
}
