//! What is promised of jobs that were given up.

use backplane::{Backplane, DeadJobs, Depth, JobReader, SendError, Settlement};
use jiff::{Timestamp, ToSpan};
use model::{Job, Kind};
use tokio::time::{Duration, Instant, sleep};

use crate::{
    expect::{SOON, next, up},
    fixtures::job,
    world::{World, over_both},
};

over_both!(
    a_dead_job_is_shown_with_its_reason_its_time_and_its_attempts,
    looking_at_the_dead_changes_nothing_however_often,
    the_dead_are_shown_in_pages_the_longest_dead_first,
    a_retried_job_comes_again_as_if_it_had_never_been_tried,
    all_the_dead_are_retried_at_once,
    a_dropped_job_is_gone_and_the_others_stay,
    what_is_not_there_can_neither_be_retried_nor_dropped,
    a_kind_without_a_queue_is_said_to_have_none,
    the_depth_counts_who_waits_who_is_tried_again_and_who_is_dead,
);

/// The queue of imports with one who takes from it.
pub(crate) struct Imports {
    plane: Backplane,
    pub(crate) dead: Box<dyn DeadJobs>,
    pub(crate) reader: JobReader,
}

impl Imports {
    async fn of(world: &World) -> Self {
        Self::over(world.environment("prod")).await
    }

    pub(crate) async fn over(plane: Backplane) -> Self {
        let mut reader = plane.jobs.consume(&imports(), 1);
        up(&mut reader.link).await;
        Self { dead: plane.jobs.dead(&imports()), plane, reader }
    }

    /// A job that was tried, and given up for this reason.
    async fn dead_letter(&mut self, reason: &str) -> Job {
        let job = Job { attempts: 2, ..job("imports") };
        self.plane.jobs.submit(&job).await.unwrap();
        next(&mut self.reader).await.settle.settle(Settlement::Dead { reason: reason.to_owned() }).await.unwrap();
        self.depth_to_be(|depth| depth.waiting == 0).await;
        job
    }

    async fn bury_all<const N: usize>(&mut self, reasons: [&str; N]) -> Vec<Job> {
        let mut jobs = Vec::new();
        for reason in reasons {
            jobs.push(self.dead_letter(reason).await);
        }
        self.depth_to_be(|depth| depth.dead == N as u64).await;
        jobs
    }

    /// The broker counts a moment later.
    async fn depth_to_be(&self, wanted: impl Fn(Depth) -> bool) {
        let deadline = Instant::now() + SOON;
        loop {
            let depth = self.plane.jobs.depth(&imports()).await.unwrap();
            if wanted(depth) {
                return;
            }
            assert!(Instant::now() < deadline, "{depth:?}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn reasons(&self) -> Vec<String> {
        self.dead.list(0, 100).await.unwrap().into_iter().map(|dead| dead.reason).collect()
    }
}

pub(crate) fn imports() -> Kind {
    "imports".parse().unwrap()
}

async fn a_dead_job_is_shown_with_its_reason_its_time_and_its_attempts(world: World) {
    let mut imports = Imports::of(&world).await;
    let before = Timestamp::now();
    let job = imports.dead_letter("no such file").await;
    let dead = imports.dead.find(&job.task.to_string()).await.unwrap().unwrap();
    assert_eq!((dead.id.as_str(), dead.reason.as_str()), (job.task.to_string().as_str(), "no such file"));
    assert_eq!((dead.job, dead.attempts), (Ok(job), 3));
    let since = dead.since.unwrap();
    assert!(before <= since && since <= before + 1.minute(), "{before} {since}");
}

async fn looking_at_the_dead_changes_nothing_however_often(world: World) {
    let mut imports = Imports::of(&world).await;
    let jobs = imports.bury_all(["one", "two", "three"]).await;
    // More often than the twenty times that a broker hands out by itself.
    for _ in 0..25 {
        assert_eq!(imports.reasons().await, ["one", "two", "three"]);
        assert!(imports.dead.find(&jobs[2].task.to_string()).await.unwrap().is_some());
    }
}

async fn the_dead_are_shown_in_pages_the_longest_dead_first(world: World) {
    let mut imports = Imports::of(&world).await;
    imports.bury_all(["one", "two", "three"]).await;
    let page = async |skip, most| {
        let dead = imports.dead.list(skip, most).await.unwrap();
        dead.into_iter().map(|dead| dead.reason).collect::<Vec<_>>()
    };
    assert_eq!(page(0, 2).await, ["one", "two"]);
    assert_eq!(page(2, 2).await, ["three"]);
    assert!(page(3, 2).await.is_empty());
    assert!(page(0, 0).await.is_empty());
}

async fn a_retried_job_comes_again_as_if_it_had_never_been_tried(world: World) {
    let mut imports = Imports::of(&world).await;
    let jobs = imports.bury_all(["one", "two", "three"]).await;
    assert_eq!(imports.dead.retry(&jobs[1].task.to_string()).await, Ok(true));
    let again = next(&mut imports.reader).await;
    assert_eq!((again.job, again.redeliveries), (Ok(Job { attempts: 0, ..jobs[1].clone() }), 0));
    again.settle.settle(Settlement::Done).await.unwrap();
    imports.depth_to_be(|depth| depth.dead == 2).await;
    assert_eq!(imports.reasons().await, ["one", "three"]);
}

async fn all_the_dead_are_retried_at_once(world: World) {
    let mut imports = Imports::of(&world).await;
    let jobs = imports.bury_all(["one", "two", "three"]).await;
    assert_eq!(imports.dead.retry_all().await.unwrap().jobs, 3);
    for job in jobs {
        let again = next(&mut imports.reader).await;
        assert_eq!(again.job, Ok(Job { attempts: 0, ..job }));
        again.settle.settle(Settlement::Done).await.unwrap();
    }
    imports.depth_to_be(|depth| depth == Depth::default()).await;
    assert_eq!(imports.dead.retry_all().await.unwrap().jobs, 0);
}

async fn a_dropped_job_is_gone_and_the_others_stay(world: World) {
    let mut imports = Imports::of(&world).await;
    let jobs = imports.bury_all(["one", "two", "three"]).await;
    assert_eq!(imports.dead.discard(&jobs[0].task.to_string()).await, Ok(true));
    imports.depth_to_be(|depth| depth == Depth { dead: 2, ..Depth::default() }).await;
    assert_eq!(imports.reasons().await, ["two", "three"]);
}

async fn what_is_not_there_can_neither_be_retried_nor_dropped(world: World) {
    let mut imports = Imports::of(&world).await;
    imports.bury_all(["one"]).await;
    for id in [job("imports").task.to_string().as_str(), "", "no id"] {
        assert_eq!(imports.dead.retry(id).await, Ok(false));
        assert_eq!(imports.dead.discard(id).await, Ok(false));
        assert_eq!(imports.dead.find(id).await, Ok(None));
    }
    assert_eq!(imports.reasons().await, ["one"]);
}

async fn a_kind_without_a_queue_is_said_to_have_none(world: World) {
    let imports = Imports::of(&world).await;
    let reports = "reports".parse().unwrap();
    let none = SendError::Unroutable("there is no queue for jobs of kind reports here".to_owned());
    assert_eq!(imports.plane.jobs.depth(&reports).await, Err(none.clone()));
    let dead = imports.plane.jobs.dead(&reports);
    assert_eq!(dead.list(0, 1).await, Err(none.clone()));
    assert_eq!(dead.retry("x").await, Err(none.clone()));
    assert_eq!(dead.retry_all().await, Err(none));
}

async fn the_depth_counts_who_waits_who_is_tried_again_and_who_is_dead(world: World) {
    let mut imports = Imports::of(&world).await;
    imports.dead_letter("one").await;
    let job = job("imports");
    imports.plane.jobs.submit(&job).await.unwrap();
    let held = next(&mut imports.reader).await;
    // On the second step, which is long enough to look.
    held.settle.settle(Settlement::Retry { job, after: Duration::from_secs(10) }).await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..3 {
        imports.plane.jobs.submit(&crate::fixtures::job("imports")).await.unwrap();
    }
    // One is held: it does not wait.
    waiting.push(next(&mut imports.reader).await);
    imports.depth_to_be(|depth| depth == Depth { waiting: 2, retrying: 1, dead: 1 }).await;
}
