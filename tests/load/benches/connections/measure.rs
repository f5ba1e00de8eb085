//! One wire, measured.

use std::time::{Duration, Instant};

use load::Wire;
use scenarios::TestBackplane;

use crate::{
    child::{Process, wait},
    floor::Beside,
    listening::Audience,
    pod::Pod,
    publisher::Publisher,
};

const ROUNDS: usize = 3;
const PACE: Duration = Duration::from_millis(50);
/// Of a round at 20 events a second.
const PACED: u32 = 50;
/// Of a round that is as fast as it goes.
const SATURATED: u32 = 200;
/// Events on their way at once when it is saturated.
const WAITING: u32 = 64;
/// After connecting, until what that took has been given back.
const SETTLING: Duration = Duration::from_secs(2);
/// How long is looked at what a gateway does with silent connections.
const SILENCE: Duration = Duration::from_secs(3);

/// What a wire costs.
pub(crate) struct Measured {
    /// Bytes of an event on the wire.
    pub(crate) frame: usize,
    /// Resident bytes for each idle connection.
    pub(crate) idle: f64,
    /// The same after each was written one event.
    pub(crate) idle_written: f64,
    /// Each delivery at 20 events a second.
    pub(crate) paced: Costs,
    /// Each delivery with several events waiting.
    pub(crate) saturated: Costs,
}

/// Processor time for each delivery: the round with the middle ratio.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Costs {
    pub(crate) gateway: Duration,
    pub(crate) floor: Duration,
}

impl Costs {
    pub(crate) fn ratio(&self) -> f64 {
        self.gateway.as_secs_f64() / self.floor.as_secs_f64()
    }

    fn middle(mut rounds: Vec<Self>) -> Self {
        rounds.sort_by(|one, other| one.ratio().total_cmp(&other.ratio()));
        rounds[rounds.len() / 2]
    }
}

/// Starts what it takes, on a prefix of its own, and measures.
pub(crate) fn measure(wire: Wire, idle: usize, listeners: usize) -> Measured {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let test_backplane = runtime.block_on(TestBackplane::rabbitmq());
    let mut publisher = Publisher::new(runtime, &test_backplane);
    let pod = Pod::start(&test_backplane, "connections = 11000");
    let (idle, idle_written) = idle_bytes(&pod, wire, idle, &mut publisher);

    let mut audience = Audience::start(wire.name(), &pod.address, listeners, publisher.next);
    publisher.paced(1, PACE, &mut audience);
    let mut floor = Beside::start(listeners, &audience.frame);
    // Whatever is only made once is made now.
    publisher.saturating(10, 2, &mut audience);
    floor.write(10, None);
    let silence = silence(&pod.process);

    let (mut paced, mut saturated) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let each = |taken: Duration, events: u32| taken / (events * u32::try_from(listeners).unwrap());
        let gateway = taken(&pod.process, silence, || publisher.paced(PACED, PACE, &mut audience));
        let bare = own(&mut floor, |floor| floor.write(PACED, Some(PACE)));
        paced.push(Costs { gateway: each(gateway, PACED), floor: each(bare, PACED) });
        let gateway = taken(&pod.process, silence, || publisher.saturating(SATURATED, WAITING, &mut audience));
        let bare = own(&mut floor, |floor| floor.write(SATURATED, None));
        saturated.push(Costs { gateway: each(gateway, SATURATED), floor: each(bare, SATURATED) });
    }
    let frame = audience.frame.len() / 2;
    Measured { frame, idle, idle_written, paced: Costs::middle(paced), saturated: Costs::middle(saturated) }
}

fn idle_bytes(pod: &Pod, wire: Wire, count: usize, publisher: &mut Publisher) -> (f64, f64) {
    let before = pod.process.resident();
    let mut audience = Audience::start(wire.name(), &pod.address, count, publisher.next);
    wait(SETTLING);
    let each = || (pod.process.resident() - before) / count as f64;
    let idle = each();
    publisher.paced(1, PACE, &mut audience);
    wait(SETTLING);
    (idle, each())
}

/// The part of a second that silent connections cost: heartbeats, pings, the log's pulse.
fn silence(process: &Process) -> f64 {
    let before = process.processor();
    wait(SILENCE);
    (process.processor() - before).div_duration_f64(SILENCE)
}

/// What a process takes for something, without what it takes for silent connections meanwhile.
fn taken(process: &Process, silence: f64, work: impl FnOnce()) -> Duration {
    let (before, begun) = (process.processor(), Instant::now());
    work();
    (process.processor() - before).saturating_sub(begun.elapsed().mul_f64(silence))
}

/// What a floor takes for something.
fn own(floor: &mut Beside, work: impl FnOnce(&mut Beside)) -> Duration {
    let before = floor.process.processor();
    work(floor);
    floor.process.processor() - before
}
