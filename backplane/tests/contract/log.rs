//! What the log promises.

use backplane::{Destination, LogItem, ReadFrom};
use jiff::Timestamp;

use crate::{
    expect::{entry, id, ids, item},
    given::{event, long_ago, names, publish},
    world::{World, over_both},
};

over_both!(
    what_is_published_is_read_in_order,
    two_readers_both_get_all,
    going_on_after_any_entry_leaves_no_hole_and_no_double,
    a_cursor_is_the_same_for_every_reader,
    everywhere_reaches_all_and_an_environment_only_itself,
    a_reader_that_begins_now_gets_what_comes,
);

async fn what_is_published_is_read_in_order(world: World) {
    let plane = world.environment("prod");
    let mut reader = plane.log.read(long_ago());
    publish(&plane, &names(50)).await;
    assert_eq!(ids(&mut reader, 50).await, names(50));
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
