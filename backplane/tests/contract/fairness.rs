//! What the job queues promise to an owner with few jobs, while another has many.

use std::collections::HashMap;

use backplane::{Backplane, Depth, JobDelivery, JobReader, Settlement};
use model::{Job, TaskId};
use tokio::time::{Duration, sleep};

use crate::{
    expect::{next, soon, up},
    jobs::job_of,
    world::{World, over_both},
};

over_both!(
    a_first_job_waits_for_at_most_one_job_of_each_reader_however_many_wait,
    a_second_job_does_not_wait_for_the_whole_flood,
    a_flood_goes_on_while_first_jobs_keep_coming,
    retries_of_a_flood_do_not_stand_before_a_first_job,
    nothing_is_lost_or_doubled_when_a_reader_is_lost_amid_a_flood,
);

const FLOOD: u32 = 500;

async fn reader(plane: &Backplane, at_once: u16) -> JobReader {
    let mut reader = plane.jobs.consume(&"imports".parse().unwrap(), at_once);
    up(&mut reader.link).await;
    reader
}

/// Submits many jobs of one owner, one after another as a person does.
async fn flood(plane: &Backplane, owner: &str, count: u32) {
    for backlog in 0..count {
        plane.jobs.submit(&job_of(owner, backlog)).await.unwrap();
    }
}

async fn submit(plane: &Backplane, owner: &str, backlog: u32) -> TaskId {
    let job = job_of(owner, backlog);
    plane.jobs.submit(&job).await.unwrap();
    job.task
}

fn task(delivery: &JobDelivery) -> TaskId {
    delivery.job.as_ref().unwrap().task
}

async fn done(delivery: JobDelivery) {
    delivery.settle.settle(Settlement::Done).await.unwrap();
}

async fn depth_to_be(plane: &Backplane, wanted: impl Fn(Depth) -> bool) {
    let there = async {
        while !wanted(plane.jobs.depth(&"imports".parse().unwrap()).await.unwrap()) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    soon("that number of jobs", there).await;
}

async fn a_first_job_waits_for_at_most_one_job_of_each_reader_however_many_wait(world: World) {
    let plane = world.environment("prod");
    let mut readers = [reader(&plane, 1).await, reader(&plane, 1).await];
    flood(&plane, "mallory", FLOOD).await;
    let mut held = Vec::new();
    for reader in &mut readers {
        held.push(next(reader).await);
    }
    for owner in ["ada", "grace", "joan"] {
        let first = submit(&plane, owner, 0).await;
        let mut begun = Vec::new();
        for reader in &mut readers {
            done(held.remove(0)).await;
            held.push(next(reader).await);
            begun.push(task(held.last().unwrap()));
        }
        assert!(begun.contains(&first), "{owner}'s first job did not begin when each reader had ended one");
    }
}

async fn a_second_job_does_not_wait_for_the_whole_flood(world: World) {
    let plane = world.environment("prod");
    let mut reader = reader(&plane, 1).await;
    flood(&plane, "mallory", FLOOD).await;
    let mut held = next(&mut reader).await;
    for backlog in [1, 4] {
        let another = submit(&plane, "ada", backlog).await;
        let mut waited = 0;
        while task(&held) != another {
            waited += 1;
            assert!(waited < FLOOD / 4, "a job with {backlog} before it still waits");
            done(held).await;
            held = next(&mut reader).await;
        }
    }
}

async fn a_flood_goes_on_while_first_jobs_keep_coming(world: World) {
    let plane = world.environment("prod");
    let mut reader = reader(&plane, 1).await;
    flood(&plane, "mallory", 10).await;
    let mut people = 0;
    let goes_on = async {
        let mut of_the_flood = 0;
        while of_the_flood < 4 {
            // More wait than are taken before one of the flood.
            while plane.jobs.depth(&"imports".parse().unwrap()).await.unwrap().waiting < 30 {
                people += 1;
                submit(&plane, &format!("person{people}"), 0).await;
            }
            let taken = next(&mut reader).await;
            of_the_flood += u32::from(taken.job.as_ref().unwrap().owner == "mallory");
            done(taken).await;
        }
    };
    soon("the flood's next jobs", goes_on).await;
}

async fn retries_of_a_flood_do_not_stand_before_a_first_job(world: World) {
    let plane = world.environment("prod");
    let mut reader = reader(&plane, 1).await;
    let retries = 5;
    for _ in 0..retries {
        submit(&plane, "mallory", 40).await;
        let taken = next(&mut reader).await;
        let job = Job { attempts: 1, ..taken.job.clone().unwrap() };
        taken.settle.settle(Settlement::Retry { job, after: Duration::ZERO }).await.unwrap();
    }
    submit(&plane, "joan", 0).await;
    let mut held = next(&mut reader).await;
    while held.job.as_ref().unwrap().owner != "joan" {
        // A retry that came in before: it is not what this is about.
        held.settle.settle(Settlement::Requeue).await.unwrap();
        held = next(&mut reader).await;
    }
    depth_to_be(&plane, |depth| depth == Depth { waiting: retries, ..Depth::default() }).await;
    let first = submit(&plane, "ada", 0).await;
    done(held).await;
    let mut begun = Vec::new();
    for _ in 0..2 {
        let taken = next(&mut reader).await;
        begun.push(task(&taken));
        done(taken).await;
    }
    assert!(begun.contains(&first), "two retries began before it");
}

async fn nothing_is_lost_or_doubled_when_a_reader_is_lost_amid_a_flood(world: World) {
    let plane = world.environment("prod");
    let mut lost = reader(&plane, 3).await;
    let mut ended: HashMap<TaskId, u32> = HashMap::new();
    for (owner, count) in [("mallory", 60), ("ada", 3), ("grace", 10)] {
        for backlog in 0..count {
            ended.insert(submit(&plane, owner, backlog).await, 0);
        }
    }
    for _ in 0..10 {
        let taken = next(&mut lost).await;
        *ended.get_mut(&task(&taken)).unwrap() += 1;
        done(taken).await;
    }
    let held = [next(&mut lost).await, next(&mut lost).await];
    let mut staying = reader(&plane, 3).await;
    drop((lost, held));
    for _ in 10..ended.len() {
        let taken = next(&mut staying).await;
        *ended.get_mut(&task(&taken)).unwrap() += 1;
        done(taken).await;
    }
    assert!(ended.values().all(|times| *times == 1), "{ended:?}");
    depth_to_be(&plane, |depth| depth == Depth::default()).await;
}
