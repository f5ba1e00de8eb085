//! A lost connection heals by itself, and nothing is lost with it.

use std::time::{Duration, Instant};

use backplane::{Backplane, ControlMessage, Destination, Link, LogItem, SendError, Settlement};
use model::PodId;

use crate::{
    broker,
    expect::{down, entry, id, ids, item, next, soon, up},
    fixtures::{event, long_ago, names, publish},
    jobs::job_of,
    network_proxy::{NetworkProxy, relay_to},
    world::Rabbit,
};

/// An environment reached directly, and the same through a proxy.
async fn two_ways(rabbit: &Rabbit) -> (Backplane, Backplane, NetworkProxy) {
    let proxy = relay_to(&broker::url()).await;
    let direct = rabbit.open(&broker::url(), "prod");
    let relayed = rabbit.open(&proxy.through(&broker::url()), "prod");
    (direct, relayed, proxy)
}

#[tokio::test]
async fn a_reader_that_was_cut_off_goes_on_without_a_hole_or_a_double() {
    Rabbit::run(async |rabbit| {
        let (direct, relayed, proxy) = two_ways(&rabbit).await;
        let mut reader = relayed.log.read(long_ago());
        publish(&direct, &names(10)).await;
        assert_eq!(ids(&mut reader, 10).await, names(10));
        proxy.cut();
        down(&mut reader.link).await;
        publish(&direct, &["while it was away".to_owned()]).await;
        proxy.restore();
        assert_eq!(ids(&mut reader, 1).await, ["while it was away"]);
        publish(&direct, &["afterwards".to_owned()]).await;
        assert_eq!(ids(&mut reader, 1).await, ["afterwards"]);
        assert!(reader.link.borrow().is_up());
    })
    .await;
}

#[tokio::test]
async fn a_reader_that_was_cut_off_before_its_first_entry_begins_where_it_was_to_begin() {
    Rabbit::run(async |rabbit| {
        let (direct, relayed, proxy) = two_ways(&rabbit).await;
        let mut reader = relayed.log.read(long_ago());
        up(&mut reader.link).await;
        proxy.cut();
        down(&mut reader.link).await;
        publish(&direct, &names(3)).await;
        proxy.restore();
        assert_eq!(ids(&mut reader, 3).await, names(3));
    })
    .await;
}

#[tokio::test]
async fn the_publishing_link_falls_and_rises_though_nobody_publishes() {
    Rabbit::run(async |rabbit| {
        let (_, relayed, proxy) = two_ways(&rabbit).await;
        let mut link = relayed.log.publishing();
        for _ in 0..2 {
            up(&mut link).await;
            proxy.cut();
            down(&mut link).await;
            proxy.restore();
        }
        up(&mut link).await;
        relayed.log.publish(Destination::Own, &event("healed")).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_was_not_confirmed_is_published_again_with_the_same_id() {
    Rabbit::run(async |rabbit| {
        let (direct, relayed, proxy) = two_ways(&rabbit).await;
        let mut reader = direct.log.read(long_ago());
        relayed.log.publish(Destination::Own, &event("first")).await.unwrap();
        assert_eq!(ids(&mut reader, 1).await, ["first"]);
        proxy.hold();
        let event = event("unconfirmed");
        let (published, seen) = tokio::join!(relayed.log.publish(Destination::Own, &event), async {
            // The broker has it, its confirm does not come through: nobody can know.
            let taken = entry(&mut reader).await;
            proxy.cut();
            proxy.restore();
            (taken, entry(&mut reader).await)
        });
        published.unwrap();
        let (taken, again) = (seen.0.event.unwrap(), seen.1.event.unwrap());
        assert_eq!((taken.id.as_str(), taken.identity()), ("unconfirmed", again.identity()));
    })
    .await;
}

#[tokio::test]
async fn publishing_while_the_broker_is_away_is_unavailable_within_its_patience() {
    Rabbit::run(async |rabbit| {
        let (_, relayed, proxy) = two_ways(&rabbit).await;
        up(&mut relayed.log.publishing()).await;
        proxy.cut();
        let began = Instant::now();
        let error = relayed.log.publish(Destination::Own, &event("lost")).await.unwrap_err();
        assert!(matches!(error, SendError::Unavailable(_)), "{error}");
        assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    })
    .await;
}

#[tokio::test]
async fn a_job_whose_taker_was_cut_off_comes_again_and_cannot_be_settled_by_the_old_one() {
    Rabbit::run(async |rabbit| {
        let (direct, relayed, proxy) = two_ways(&rabbit).await;
        let mut reader = relayed.jobs.consume(&"imports".parse().unwrap(), 1);
        for backlog in [0, 1, 4, 32] {
            up(&mut reader.link).await;
            let submitted = job_of("ada", backlog);
            direct.jobs.submit(&submitted).await.unwrap();
            let held = next(&mut reader).await;
            proxy.cut();
            down(&mut reader.link).await;
            let error = held.settle.settle(Settlement::Done).await.unwrap_err();
            assert!(matches!(error, SendError::Unavailable(_)), "{error}");
            proxy.restore();
            let again = next(&mut reader).await;
            assert_eq!(again.job, Ok(submitted));
            assert!(again.redeliveries > 0, "the broker counts the lost connection");
            again.settle.settle(Settlement::Done).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_pod_that_was_cut_off_hears_words_again() {
    Rabbit::run(async |rabbit| {
        let (direct, relayed, proxy) = two_ways(&rabbit).await;
        let pod = PodId::gateway();
        let mut reader = relayed.control.subscribe(&pod);
        up(&mut reader.link).await;
        proxy.cut();
        down(&mut reader.link).await;
        proxy.restore();
        up(&mut reader.link).await;
        up(&mut direct.log.publishing()).await;
        direct.control.send(&ControlMessage { from: pod, to: None, body: "again".into() }).await.unwrap();
        assert_eq!(soon("a word", reader.messages.recv()).await.unwrap().body, "again");
    })
    .await;
}

#[tokio::test]
async fn a_word_while_the_broker_is_away_is_refused_at_once() {
    Rabbit::run(async |rabbit| {
        let (_, relayed, proxy) = two_ways(&rabbit).await;
        let mut link = relayed.log.publishing();
        up(&mut link).await;
        proxy.cut();
        down(&mut link).await;
        let began = Instant::now();
        let word = ControlMessage { from: PodId::gateway(), to: None, body: "late".into() };
        assert!(matches!(relayed.control.send(&word).await, Err(SendError::Unavailable(_))));
        assert!(began.elapsed() < Duration::from_secs(1));
    })
    .await;
}

#[tokio::test]
async fn a_reader_whose_connection_the_operator_closed_goes_on() {
    Rabbit::run(async |rabbit| {
        let plane = rabbit.open(&broker::url(), "prod");
        let mut reader = plane.log.read(long_ago());
        publish(&plane, &names(2)).await;
        assert_eq!(ids(&mut reader, 2).await, names(2));
        let closing = {
            let name = format!("{} prod events", rabbit.name());
            tokio::task::spawn_blocking(move || broker::close_connection(&name))
        };
        link_falls_with("CONNECTION_FORCED", &mut reader).await;
        closing.await.unwrap();
        publish(&plane, &["afterwards".to_owned()]).await;
        match item(&mut reader).await {
            LogItem::Entry(entry) => assert_eq!(id(&entry), "afterwards"),
            LogItem::Gap(gap) => panic!("a gap: {gap:?}"),
        }
    })
    .await;
}

async fn link_falls_with(reason: &str, reader: &mut backplane::LogReader) {
    let fell = reader.link.wait_for(|link| matches!(link, Link::Down(said) if said.contains(reason)));
    soon(reason, fell).await.unwrap();
}
