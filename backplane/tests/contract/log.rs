//! The contract of the log.

use backplane::{Destination, DropReason, LogItem, ReadFrom, SendError};
use jiff::Timestamp;
use model::{
    Audience, Event,
    event::{MAX_EVENT_BYTES, MESSAGE, PULSE},
};
use serde_json::json;

use crate::{
    expect::{entry, id, ids, item},
    fixtures::{event, long_ago, names, publish},
    world::{World, over_both},
};

over_both!(
    what_is_published_is_read_in_order,
    events_published_together_are_read_in_their_order,
    two_readers_both_get_all,
    going_on_after_any_entry_leaves_no_hole_and_no_double,
    a_cursor_is_the_same_for_every_reader,
    everywhere_reaches_all_and_an_environment_only_itself,
    only_gateways_and_workers_of_the_environment_say_what_is_reserved_for_them,
    a_reader_that_begins_now_gets_what_comes,
    an_invalid_event_is_refused_by_name_and_never_read,
    an_event_of_the_largest_size_is_read_whole,
    a_pulse_needs_no_audience,
);

async fn what_is_published_is_read_in_order(world: World) {
    let plane = world.environment("prod");
    let mut reader = plane.log.read(long_ago());
    publish(&plane, &names(50)).await;
    assert_eq!(ids(&mut reader, 50).await, names(50));
}

async fn events_published_together_are_read_in_their_order(world: World) {
    let plane = world.environment("prod");
    let mut reader = plane.log.read(long_ago());
    let events: Vec<_> = names(100).iter().map(|name| event(name)).collect();
    let encoded: Vec<_> = events.iter().map(|event| event.encode().unwrap()).collect();
    plane.log.publish_all(Destination::Own, &encoded).await.unwrap();
    plane.log.publish_all(Destination::Own, &[]).await.unwrap();
    assert_eq!(ids(&mut reader, 100).await, names(100));
}

async fn two_readers_both_get_all(world: World) {
    let plane = world.environment("prod");
    let mut early = plane.log.read(long_ago());
    publish(&plane, &names(20)).await;
    let mut late = plane.log.read(long_ago());
    assert_eq!(ids(&mut early, 20).await, names(20));
    assert_eq!(ids(&mut late, 20).await, names(20));
}

async fn going_on_after_any_entry_leaves_no_hole_and_no_double(world: World) {
    let plane = world.environment("prod");
    publish(&plane, &names(12)).await;
    let mut reader = plane.log.read(long_ago());
    let mut cursors = Vec::new();
    for _ in 0..12 {
        cursors.push(entry(&mut reader).await.cursor);
    }
    for (at, last) in cursors.into_iter().enumerate() {
        let mut resumed = plane.log.read(ReadFrom::After { last, horizon: Timestamp::now() });
        assert_eq!(ids(&mut resumed, 11 - at).await, names(12)[at + 1..], "after entry {at}");
        if at == 11 {
            publish(&plane, &["later".to_owned()]).await;
            assert_eq!(ids(&mut resumed, 1).await, ["later"]);
        }
    }
}

async fn a_cursor_is_the_same_for_every_reader(world: World) {
    let plane = world.environment("prod");
    publish(&plane, &names(3)).await;
    let (mut one, mut other) = (plane.log.read(long_ago()), plane.log.read(long_ago()));
    let mut last = None;
    for _ in 0..3 {
        let cursor = entry(&mut one).await.cursor;
        assert_eq!(cursor, entry(&mut other).await.cursor);
        assert!(last < Some(cursor.to_string()));
        last = Some(cursor.to_string());
    }
}

async fn everywhere_reaches_all_and_an_environment_only_itself(world: World) {
    let (prod, test) = (world.environment("prod"), world.environment("test"));
    let (mut in_prod, mut in_test) = (prod.log.read(long_ago()), test.log.read(long_ago()));
    prod.log.publish(Destination::Own, &event("for prod")).await.unwrap();
    test.log.publish(Destination::Own, &event("for test")).await.unwrap();
    prod.log.publish(Destination::Everywhere, &event("for all")).await.unwrap();
    for (reader, own) in [(&mut in_prod, "for prod"), (&mut in_test, "for test")] {
        let (first, second) = (entry(reader).await, entry(reader).await);
        assert_eq!((id(&first).as_str(), first.origin), (own, Destination::Own));
        assert_eq!((id(&second).as_str(), second.origin), ("for all", Destination::Everywhere));
    }
}

async fn only_gateways_and_workers_of_the_environment_say_what_is_reserved_for_them(world: World) {
    let plane = world.environment("prod");
    let mut reader = plane.log.read(long_ago());
    let mut word = event("word");
    for destination in [Destination::Own, Destination::Publishers, Destination::Everywhere] {
        for (event_type, is_reserved) in [
            ("test.said", false),
            (MESSAGE, false),
            ("bellwire.approval.decided", true),
            ("bellwire.x", true),
            (PULSE, true),
        ] {
            word.event_type = event_type.to_owned();
            plane.log.publish(destination, &word).await.unwrap();
            let entry = entry(&mut reader).await;
            assert_eq!(entry.origin, destination);
            let wanted = match is_reserved && destination != Destination::Own {
                true => Err(DropReason::Reserved(event_type.to_owned())),
                false => Ok(event_type.to_owned()),
            };
            assert_eq!(entry.event.map(|event| event.event_type.clone()), wanted, "{destination:?}");
        }
    }
}

async fn a_reader_that_begins_now_gets_what_comes(world: World) {
    let plane = world.environment("prod");
    publish(&plane, &names(2)).await;
    let mut reader = plane.log.read(ReadFrom::Time(Timestamp::now()));
    publish(&plane, &["now".to_owned()]).await;
    // Earlier ones may come first.
    loop {
        match item(&mut reader).await {
            LogItem::Entry(entry) if id(&entry) == "now" => break,
            LogItem::Entry(_) => {}
            LogItem::Gap(gap) => panic!("a gap: {gap:?}"),
        }
    }
}

async fn an_invalid_event_is_refused_by_name_and_never_read(world: World) {
    let plane = world.environment("prod");
    let mut reader = plane.log.read(long_ago());
    let valid = || event("invalid");
    let toast = json!({ "level": "info", "title": "x", "action": { "label": "y", "href": "javascript:alert(1)" } });
    let mut extended = valid();
    extended.extensions.insert("Not-Plain".to_owned(), json!(1));
    for (named, invalid) in [
        ("specversion", Event { specversion: "0.3".to_owned(), ..valid() }),
        ("id", Event { id: String::new(), ..valid() }),
        ("source", Event { source: "a\nb".to_owned(), ..valid() }),
        ("type", Event { event_type: "x".repeat(513), ..valid() }),
        ("subject", Event { subject: Some(String::new()), ..valid() }),
        ("audience", Event { audience: Audience::default(), ..valid() }),
        ("Not-Plain", extended),
        ("href", valid().with_data(json!({ "toast": toast }))),
        ("data.task", Event { event_type: "bellwire.task.started".to_owned(), ..valid() }),
        ("bytes", valid().with_data(json!("x".repeat(MAX_EVENT_BYTES)))),
    ] {
        for destination in [Destination::Own, Destination::Everywhere] {
            let error = plane.log.publish(destination, &invalid).await.unwrap_err();
            assert!(matches!(&error, SendError::Invalid(text) if text.contains(named)), "{named}: {error:?}");
        }
    }
    publish(&plane, &["valid".to_owned()]).await;
    assert_eq!(ids(&mut reader, 1).await, ["valid"]);
}

async fn an_event_of_the_largest_size_is_read_whole(world: World) {
    let plane = world.environment("prod");
    // One event for all: the length of a time depends on its digits.
    let unpadded = event("large");
    let padded = |bytes: usize| unpadded.clone().with_data(json!("x".repeat(bytes)));
    let room = MAX_EVENT_BYTES - padded(0).encode().unwrap().json().len();
    let largest = padded(room);
    plane.log.publish(Destination::Own, &largest).await.unwrap();
    let error = plane.log.publish(Destination::Own, &padded(room + 1)).await.unwrap_err();
    assert!(matches!(error, SendError::Invalid(_)), "{error:?}");
    assert_eq!(**entry(&mut plane.log.read(long_ago())).await.event.as_ref().unwrap(), largest);
}

async fn a_pulse_needs_no_audience(world: World) {
    let plane = world.environment("prod");
    plane.log.publish(Destination::Own, &Event::pulse("g-1", 7)).await.unwrap();
    assert!(entry(&mut plane.log.read(long_ago())).await.event.unwrap().is_pulse());
}
