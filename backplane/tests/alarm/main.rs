//! What an alarm of memory or disk does: nobody can publish, all can read. It is the whole broker's, so this
//! program has a single test and runs beside no other.

#![allow(clippy::unwrap_used, unreachable_pub)]

#[path = "../contract/broker.rs"]
#[expect(dead_code, reason = "shared with the contract")]
mod broker;
#[path = "../contract/expect.rs"]
#[expect(dead_code, reason = "shared with the contract")]
mod expect;
#[path = "../contract/fixtures.rs"]
mod fixtures;
#[path = "../contract/world.rs"]
#[expect(dead_code, unused_macros, unused_imports, reason = "shared with the contract")]
mod world;

use std::time::{Duration, Instant};

use backplane::{Backplane, Destination, Link, SendError, Settlement};

use crate::{
    expect::{ids, next, soon, up},
    fixtures::{event, job, long_ago, names, publish},
    world::Rabbit,
};

/// A watermark of memory that is always passed; put back with this value.
struct Alarm {
    before: String,
}

impl Alarm {
    fn raise() -> Self {
        let before = broker::ctl(&["eval", "vm_memory_monitor:get_vm_memory_high_watermark()."]);
        broker::ctl(&["set_vm_memory_high_watermark", "0"]);
        Self { before: before.trim().to_owned() }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        broker::rabbitmqctl(&["set_vm_memory_high_watermark", &self.before]).output().ok();
    }
}

async fn refused_within(plane: &Backplane, most: Duration) {
    let began = Instant::now();
    let error = plane.log.publish(Destination::Own, &event("blocked")).await.unwrap_err();
    assert!(matches!(&error, SendError::Unavailable(why) if why.contains("alarm")), "{error}");
    assert!(began.elapsed() < most, "{:?}", began.elapsed());
}

#[tokio::test]
async fn in_an_alarm_publishing_is_unavailable_and_reading_goes_on_and_then_all_is_well_again() {
    Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        let mut jobs = plane.jobs.consume(&"imports".parse().unwrap(), 1);
        up(&mut jobs.link).await;
        publish(&plane, &names(600)).await;
        plane.jobs.submit(&job("imports")).await.unwrap();
        plane.jobs.submit(&job("imports")).await.unwrap();
        let mut publishing = plane.log.publishing();

        let alarm = Alarm::raise();
        refused_within(&plane, Duration::from_secs(6)).await;
        assert_eq!(*publishing.borrow(), Link::Blocked);
        refused_within(&plane, Duration::from_secs(1)).await;
        // More than is sent without acknowledgements, so those flow.
        let mut reader = plane.log.read(long_ago());
        assert_eq!(ids(&mut reader, 600).await, names(600));
        for _ in 0..2 {
            next(&mut jobs).await.settle.settle(Settlement::Done).await.unwrap();
        }

        drop(alarm);
        up(&mut publishing).await;
        publish(&plane, &["resumed".to_owned()]).await;
        // What was sent before the alarm was known may have been taken when it ended: that is what ids are for.
        let resumed = async {
            loop {
                match ids(&mut reader, 1).await.remove(0).as_str() {
                    "resumed" => break,
                    other => assert_eq!(other, "blocked"),
                }
            }
        };
        soon("what was published after the alarm", resumed).await;
    })
    .await;
}
