//! What the listeners say they got is what a floor wrote to them.
#![allow(clippy::unwrap_used)]

use std::{sync::mpsc::sync_channel, thread, time::Duration};

use load::{Listeners, Wire, floor::Waiting, listeners::Opened, tally::mark};

const COUNT: usize = 50;
const EVENTS: usize = 20;
const TIMEOUT: Duration = Duration::from_secs(30);

#[test]
fn every_event_is_complete_once_all_have_it_and_an_end_is_noticed() {
    let waiting = Waiting::new().unwrap();
    let opened = Opened { wire: Wire::Bare, target: waiting.address().unwrap(), count: COUNT, first: 0 };
    let (hang_up, told_to) = sync_channel(1);
    let floor = thread::spawn(move || {
        let frame = format!("data: {{\"id\":\"{}\"}}\n\n", mark(7)).into_bytes();
        let mut floor = waiting.accept(COUNT, frame).unwrap();
        floor.write(u32::try_from(EVENTS).unwrap(), None).unwrap();
        told_to.recv_timeout(TIMEOUT).unwrap();
    });
    let (said, hear) = sync_channel(EVENTS + 1);
    let listening = thread::spawn(move || {
        let mut listeners = Listeners::open(opened, |_| String::new()).unwrap();
        listeners.listen(|complete, _| said.send(complete).unwrap()).unwrap_err().to_string()
    });
    let mut heard = Vec::new();
    while heard.last() != Some(&EVENTS) {
        heard.push(hear.recv_timeout(TIMEOUT).unwrap());
    }
    assert!(heard.is_sorted(), "{heard:?}");
    hang_up.send(()).unwrap();
    assert!(hear.recv_timeout(TIMEOUT).is_err(), "there was no event after the last");
    floor.join().unwrap();
    let ended = listening.join().unwrap();
    assert!(ended.ends_with("was closed"), "{ended}");
}
