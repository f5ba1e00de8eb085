//! What the job queues promise.

use std::time::{Duration, Instant};

use backplane::{JobReader, SendError, Settlement};
use model::Job;
use tokio::time::timeout;

use crate::{
    expect::{next, soon, up},
    fixtures::job,
    world::{World, over_both},
};

over_both!(
    a_job_is_handed_out_once,
    a_job_of_no_function_is_unroutable,
    a_job_that_was_dropped_comes_again,
    a_job_that_was_put_back_comes_again,
    a_job_of_a_reader_that_ended_comes_to_another,
    a_job_taken_by_a_reader_that_ended_can_still_be_settled,
    a_reader_that_is_stopped_hands_out_no_more_and_what_it_gives_back_was_no_attempt,
    a_retry_comes_after_its_step_with_its_attempts,
    a_buried_job_does_not_come_again,
    no_more_than_at_once_are_handed_out,
    a_job_that_has_ended_makes_room_for_another_and_comes_again_unless_it_is_settled,
    a_kind_has_its_own_queue,
);

/// One for each lane.
const BACKLOGS: [u32; 4] = [0, 1, 4, 32];
/// Long enough for a job to come that must not.
const A_WHILE: Duration = Duration::from_millis(500);

/// A job of somebody who has so many others.
pub(crate) fn job_of(owner: &str, backlog: u32) -> Job {
    Job { owner: owner.to_owned(), backlog, ..job("imports") }
}

async fn reader(plane: &backplane::Backplane, at_once: u16) -> JobReader {
    let mut reader = plane.jobs.consume(&"imports".parse().unwrap(), at_once);
    up(&mut reader.link).await;
    reader
}

/// Nothing more is handed out.
pub(crate) async fn nothing_comes(reader: &mut JobReader) {
    let came = timeout(A_WHILE, reader.deliveries.recv()).await;
    assert!(came.is_err(), "{:?} came", came.unwrap().map(|delivery| delivery.job));
}

async fn a_job_is_handed_out_once(world: World) {
    let plane = world.environment("prod");
    let (mut one, mut other) = (reader(&plane, 4).await, reader(&plane, 4).await);
    let submitted = job("imports");
    plane.jobs.submit(&submitted).await.unwrap();
    let taken = soon("a job", async {
        tokio::select! {
            taken = one.deliveries.recv() => taken,
            taken = other.deliveries.recv() => taken,
        }
    });
    let taken = taken.await.unwrap();
    assert_eq!(taken.job.as_ref(), Ok(&submitted));
    assert_eq!(taken.redeliveries, 0);
    taken.settle.settle(Settlement::Done).await.unwrap();
    nothing_comes(&mut one).await;
    nothing_comes(&mut other).await;
}

async fn a_job_of_no_function_is_unroutable(world: World) {
    let plane = world.environment("prod");
    let _imports = reader(&plane, 1).await;
    let error = plane.jobs.submit(&job("reports")).await.unwrap_err();
    assert_eq!(error, SendError::Unroutable("no function of kind reports".to_owned()));
}

async fn a_job_that_was_dropped_comes_again(world: World) {
    let plane = world.environment("prod");
    let mut reader = reader(&plane, 1).await;
    for backlog in BACKLOGS {
        let submitted = job_of("ada", backlog);
        plane.jobs.submit(&submitted).await.unwrap();
        drop(next(&mut reader).await);
        let again = next(&mut reader).await;
        assert_eq!((again.job, again.redeliveries), (Ok(submitted), 1));
        again.settle.settle(Settlement::Done).await.unwrap();
    }
}

async fn a_job_that_was_put_back_comes_again(world: World) {
    let plane = world.environment("prod");
    let mut reader = reader(&plane, 1).await;
    for backlog in BACKLOGS {
        let submitted = job_of("ada", backlog);
        plane.jobs.submit(&submitted).await.unwrap();
        next(&mut reader).await.settle.settle(Settlement::Requeue).await.unwrap();
        let again = next(&mut reader).await;
        assert_eq!(again.job, Ok(submitted));
        again.settle.settle(Settlement::Done).await.unwrap();
    }
}

async fn a_job_of_a_reader_that_ended_comes_to_another(world: World) {
    let plane = world.environment("prod");
    for backlog in BACKLOGS {
        let mut ending = reader(&plane, 1).await;
        let submitted = job_of("ada", backlog);
        plane.jobs.submit(&submitted).await.unwrap();
        let held = next(&mut ending).await;
        let mut staying = reader(&plane, 1).await;
        drop((ending, held));
        let again = next(&mut staying).await;
        assert_eq!(again.job, Ok(submitted));
        again.settle.settle(Settlement::Done).await.unwrap();
    }
}

async fn a_job_taken_by_a_reader_that_ended_can_still_be_settled(world: World) {
    let plane = world.environment("prod");
    for backlog in BACKLOGS {
        let mut ending = reader(&plane, 1).await;
        plane.jobs.submit(&job_of("ada", backlog)).await.unwrap();
        let held = next(&mut ending).await;
        drop(ending);
        held.settle.settle(Settlement::Done).await.unwrap();
        drop(held);
        nothing_comes(&mut reader(&plane, 1).await).await;
    }
}

async fn a_reader_that_is_stopped_hands_out_no_more_and_what_it_gives_back_was_no_attempt(world: World) {
    let plane = world.environment("prod");
    for backlog in BACKLOGS {
        let mut stopping = reader(&plane, 2).await;
        for _ in 0..5 {
            plane.jobs.submit(&job_of("ada", backlog)).await.unwrap();
        }
        let (held, begun) = (next(&mut stopping).await, next(&mut stopping).await);
        // Another would be handed over in its place.
        held.settle.ended();
        stopping.stop.cancel();
        let given_back = async {
            while let Some(taken) = stopping.deliveries.recv().await {
                taken.settle.settle(Settlement::GiveBack).await.unwrap();
            }
        };
        soon("the end of the reader", given_back).await;
        held.settle.settle(Settlement::Done).await.unwrap();
        begun.settle.settle(Settlement::GiveBack).await.unwrap();
        let mut other = reader(&plane, 5).await;
        for _ in 0..4 {
            let taken = next(&mut other).await;
            assert_eq!((taken.job.as_ref().map(|job| job.attempts), taken.redeliveries), (Ok(0), 0));
            taken.settle.settle(Settlement::Done).await.unwrap();
        }
        nothing_comes(&mut other).await;
    }
}

async fn a_retry_comes_after_its_step_with_its_attempts(world: World) {
    let plane = world.environment("prod");
    let mut reader = reader(&plane, 1).await;
    for backlog in BACKLOGS {
        let submitted = job_of("ada", backlog);
        plane.jobs.submit(&submitted).await.unwrap();
        let first = next(&mut reader).await;
        let retried = Job { attempts: 1, ..submitted };
        let began = Instant::now();
        // Below the first step: it waits for the first.
        let retry = Settlement::Retry { job: retried.clone(), after: Duration::from_millis(10) };
        first.settle.settle(retry).await.unwrap();
        let second = next(&mut reader).await;
        assert_eq!((second.job, second.redeliveries), (Ok(retried), 0));
        // The broker's step has up to a fifth of jitter below it.
        assert!(began.elapsed() >= Duration::from_millis(790), "{:?}", began.elapsed());
        second.settle.settle(Settlement::Done).await.unwrap();
    }
}

async fn a_buried_job_does_not_come_again(world: World) {
    let plane = world.environment("prod");
    let mut reader = reader(&plane, 1).await;
    plane.jobs.submit(&job("imports")).await.unwrap();
    let dead = Settlement::Dead { reason: "no such file".to_owned() };
    next(&mut reader).await.settle.settle(dead).await.unwrap();
    nothing_comes(&mut reader).await;
}

async fn no_more_than_at_once_are_handed_out(world: World) {
    let plane = world.environment("prod");
    let mut reader = reader(&plane, 2).await;
    for backlog in [0, 0, 1, 2, 4, 5, 32, 33] {
        plane.jobs.submit(&job_of("ada", backlog)).await.unwrap();
    }
    let mut held = vec![next(&mut reader).await];
    for _ in 1..8 {
        held.push(next(&mut reader).await);
        nothing_comes(&mut reader).await;
        held.remove(0).settle.settle(Settlement::Done).await.unwrap();
    }
}

async fn a_job_that_has_ended_makes_room_for_another_and_comes_again_unless_it_is_settled(world: World) {
    let plane = world.environment("prod");
    let mut reader = reader(&plane, 1).await;
    let jobs = [job_of("ada", 4), job_of("ada", 5)];
    for job in &jobs {
        plane.jobs.submit(job).await.unwrap();
    }
    let first = next(&mut reader).await;
    nothing_comes(&mut reader).await;
    first.settle.ended();
    let second = next(&mut reader).await;
    assert_eq!((first.job.clone(), second.job.clone()), (Ok(jobs[0].clone()), Ok(jobs[1].clone())));
    second.settle.settle(Settlement::Done).await.unwrap();
    drop(first);
    assert_eq!(next(&mut reader).await.job, Ok(jobs[0].clone()));
}

async fn a_kind_has_its_own_queue(world: World) {
    let plane = world.environment("prod");
    let mut imports = reader(&plane, 1).await;
    let mut reports = plane.jobs.consume(&"reports".parse().unwrap(), 1);
    up(&mut reports.link).await;
    let submitted = job("reports");
    plane.jobs.submit(&submitted).await.unwrap();
    assert_eq!(next(&mut reports).await.job, Ok(submitted));
    nothing_comes(&mut imports).await;
}
