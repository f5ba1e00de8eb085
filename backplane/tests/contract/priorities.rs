//! What the job queues promise of priorities: high overtakes, low waits, nothing waits for ever.

use backplane::{Backplane, Depth, JobDelivery, JobReader, Settlement, lane::BEFORE_LOW};
use model::{Job, Priority, TaskId};
use tokio::time::{Duration, sleep};

use crate::{
    expect::{next, soon, up},
    jobs::job_of,
    world::{World, over_both},
};

over_both!(
    one_of_high_priority_waits_for_at_most_one_other_however_many_wait,
    one_of_low_priority_waits_behind_all_others,
    one_of_low_priority_waits_for_no_more_than_a_few_others,
    a_flood_of_high_priority_leaves_turns_to_others,
    one_that_waited_for_a_time_comes_back_with_its_priority,
);

async fn reader(plane: &Backplane) -> JobReader {
    let mut reader = plane.jobs.consume(&"imports".parse().unwrap(), 1);
    up(&mut reader.link).await;
    reader
}

async fn submit(plane: &Backplane, owner: &str, priority: Priority, backlog: u32) -> TaskId {
    let job = Job { priority, ..job_of(owner, backlog) };
    plane.jobs.submit(&job).await.unwrap();
    job.task
}

fn job(delivery: &JobDelivery) -> &Job {
    delivery.job.as_ref().unwrap()
}

async fn done(delivery: JobDelivery) {
    delivery.settle.settle(Settlement::Done).await.unwrap();
}

/// Takes the only place, so that what is submitted next waits.
async fn busy(plane: &Backplane, reader: &mut JobReader) -> JobDelivery {
    submit(plane, "busy", Priority::Normal, 0).await;
    next(reader).await
}

async fn depth_to_be(plane: &Backplane, wanted: impl Fn(Depth) -> bool) {
    let there = async {
        while !wanted(plane.jobs.depth(&"imports".parse().unwrap()).await.unwrap()) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    soon("that number of jobs", there).await;
}

async fn one_of_high_priority_waits_for_at_most_one_other_however_many_wait(world: World) {
    let plane = world.environment("prod");
    let mut reader = reader(&plane).await;
    let mut held = busy(&plane, &mut reader).await;
    for person in 0..10 {
        submit(&plane, &format!("person{person}"), Priority::Normal, 0).await;
    }
    for backlog in 0..30 {
        submit(&plane, "mallory", Priority::Normal, backlog).await;
    }
    // Until then it is pushed those of the first lane, and has not looked for others.
    while job(&held).backlog == 0 {
        done(held).await;
        held = next(&mut reader).await;
    }
    for _ in 0..3 {
        let urgent = submit(&plane, "ada", Priority::High, 0).await;
        let mut before = 0;
        while job(&held).task != urgent {
            // One may be on its way to the reader already.
            assert!(before <= 1, "{before} others began before it");
            before += 1;
            done(held).await;
            held = next(&mut reader).await;
        }
    }
}

async fn one_of_low_priority_waits_behind_all_others(world: World) {
    let plane = world.environment("prod");
    let mut reader = reader(&plane).await;
    let mut held = busy(&plane, &mut reader).await;
    for backlog in [0, 40] {
        submit(&plane, "ada", Priority::Low, backlog).await;
    }
    for backlog in 0..6 {
        submit(&plane, "mallory", Priority::Normal, backlog).await;
    }
    let mut priorities = Vec::new();
    for _ in 0..8 {
        done(held).await;
        held = next(&mut reader).await;
        priorities.push(job(&held).priority);
    }
    assert_eq!(priorities, [[Priority::Normal; 6].as_slice(), &[Priority::Low; 2]].concat());
}

async fn one_of_low_priority_waits_for_no_more_than_a_few_others(world: World) {
    let plane = world.environment("prod");
    let mut reader = reader(&plane).await;
    let mut held = busy(&plane, &mut reader).await;
    let low = submit(&plane, "ada", Priority::Low, 0).await;
    for backlog in 0..2 * BEFORE_LOW {
        submit(&plane, "mallory", Priority::Normal, backlog).await;
    }
    let mut before = 0;
    while job(&held).task != low {
        before += 1;
        assert!(before <= BEFORE_LOW + 1, "it waits still after {before}");
        done(held).await;
        held = next(&mut reader).await;
    }
    assert!(before > 8, "it was before others after {before}");
}

async fn a_flood_of_high_priority_leaves_turns_to_others(world: World) {
    let plane = world.environment("prod");
    let mut reader = reader(&plane).await;
    let mut held = busy(&plane, &mut reader).await;
    for person in 0..30 {
        submit(&plane, &format!("person{person}"), Priority::High, 0).await;
    }
    let normal = submit(&plane, "ada", Priority::Normal, 1).await;
    let mut before = 0;
    while job(&held).task != normal {
        before += 1;
        assert!(before <= 10, "it waits still after {before}");
        done(held).await;
        held = next(&mut reader).await;
    }
}

async fn one_that_waited_for_a_time_comes_back_with_its_priority(world: World) {
    let plane = world.environment("prod");
    let mut reader = reader(&plane).await;
    submit(&plane, "ada", Priority::Low, 0).await;
    let taken = next(&mut reader).await;
    let retried = Job { attempts: 1, ..job(&taken).clone() };
    let low = retried.task;
    taken.settle.settle(Settlement::Retry { job: retried, after: Duration::ZERO }).await.unwrap();
    let mut held = busy(&plane, &mut reader).await;
    depth_to_be(&plane, |depth| depth.retrying == 0 && depth.waiting == 1).await;
    for backlog in 0..5 {
        submit(&plane, "mallory", Priority::Normal, backlog).await;
    }
    let mut tasks = Vec::new();
    for _ in 0..6 {
        done(held).await;
        held = next(&mut reader).await;
        tasks.push(job(&held).task);
    }
    assert_eq!(tasks.iter().position(|task| *task == low), Some(5), "of {tasks:?}");
}
