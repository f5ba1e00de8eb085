use model::StepState;

use super::*;

#[test]
fn a_claim_that_comes_when_its_task_has_ended_keeps_nobody_from_the_same() {
    let (id, now, mut list) = (TaskId::new(), Timestamp::now(), TaskList::default());
    let unique = vec!["x".to_owned()];
    let claim =
        |task| Claim { task, owner: "ada".to_owned(), unique: unique.clone(), work: String::new(), withdrawn: false };
    list.claim(claim(id), now);
    list.fold(&event(id, TaskState::Succeeded, 1, 1), now).unwrap();
    // Of another request with the same key, on a pod that was a moment behind.
    list.claim(claim(id), now);
    assert!(list.claimed(&unique, now).is_none());
    let next = TaskId::new();
    list.claim(claim(next), now);
    assert_eq!(list.claimed(&unique, now).map(|(holder, _)| holder.task), Some(next));
}

/// Changes the task in an event.
fn change(event: &mut Event, change: impl FnOnce(&mut serde_json::Value)) {
    let mut data = event.data.take().unwrap().to_value().unwrap();
    change(&mut data["task"]);
    event.data = Some(data.into());
}

fn event(id: TaskId, state: TaskState, attempt: u32, sequence: u32) -> Event {
    let kind = "imports".parse().unwrap();
    let progress = f64::from(sequence) / 10.0;
    let job = model::Job::new(id, kind, "ada", "x", serde_json::Value::Null);
    let task = Task { created: None, updated: None, progress, attempt, sequence, ..Task::of(&job, state) };
    Event::of_task("/t", Audience::user("ada"), &task, None)
}

#[test]
fn the_request_of_a_task_is_known_whichever_event_comes_first() {
    let id = TaskId::new();
    let mut queued = event(id, TaskState::Queued, 0, 0);
    change(&mut queued, |task| task["request"] = "digest".into());
    let running = event(id, TaskState::Running, 1, 1);
    for events in [[&queued, &running], [&running, &queued]] {
        let mut list = TaskList::default();
        for event in events {
            list.fold(event, Timestamp::now()).unwrap();
        }
        let task = list.find(id, "ada").unwrap();
        assert_eq!((task.state, task.request.as_deref()), (TaskState::Running, Some("digest")));
    }
}

#[test]
fn whatever_the_order_of_its_events_a_task_ends_the_same() {
    use TaskState::{Queued, Running, Succeeded};
    let id = TaskId::new();
    let events =
        [event(id, Queued, 0, 0), event(id, Running, 1, 1), event(id, Running, 2, 1), event(id, Succeeded, 2, 2)];
    for order in permutations(events.len()) {
        let mut list = TaskList::default();
        for at in order.iter().chain(&order) {
            list.fold(&events[*at], Timestamp::now()).unwrap();
        }
        let task = list.find(id, "ada").unwrap();
        assert_eq!((task.state, task.attempt), (Succeeded, 2), "{order:?}");
    }
}

#[test]
fn queued_after_started_changes_nothing() {
    let (id, mut list) = (TaskId::new(), TaskList::default());
    list.fold(&event(id, TaskState::Running, 1, 3), Timestamp::now()).unwrap();
    list.fold(&event(id, TaskState::Queued, 0, 0), Timestamp::now()).unwrap();
    assert_eq!(list.find(id, "ada").unwrap().state, TaskState::Running);
}

#[test]
fn a_cancelled_run_shows_how_its_steps_are_undone() {
    let (id, mut list) = (TaskId::new(), TaskList::default());
    let mut after = |sequence, steps: &[&str]| {
        let mut update = event(id, TaskState::Cancelled, 1, sequence);
        let step =
            |state: &&str| serde_json::json!({ "id": "load", "title": "Load", "kind": "imports", "state": state });
        change(&mut update, |task| task["steps"] = steps.iter().map(step).collect());
        list.fold(&update, Timestamp::now()).unwrap();
        list.find(id, "ada").unwrap().steps.first().map(|step| step.state)
    };
    assert_eq!(after(3, &["succeeded"]), Some(StepState::Succeeded));
    assert_eq!(after(5, &["compensated"]), Some(StepState::Compensated));
    assert_eq!(after(4, &["succeeded"]), Some(StepState::Compensated), "an older event changes nothing");
    assert_eq!(after(6, &[]), Some(StepState::Compensated), "nor one without steps");
}

#[test]
fn an_end_absorbs_and_a_success_is_the_truth() {
    let (id, mut list) = (TaskId::new(), TaskList::default());
    let mut state_after = |state| {
        list.fold(&event(id, state, 9, 9), Timestamp::now()).unwrap();
        list.find(id, "ada").unwrap().state
    };
    assert_eq!(state_after(TaskState::Cancelled), TaskState::Cancelled);
    assert_eq!(state_after(TaskState::Running), TaskState::Cancelled);
    assert_eq!(state_after(TaskState::Failed), TaskState::Cancelled);
    assert_eq!(state_after(TaskState::Succeeded), TaskState::Succeeded);
    assert_eq!(state_after(TaskState::Failed), TaskState::Succeeded);
}

#[test]
fn a_list_is_newest_first_and_shows_nobody_elses() {
    let mut list = TaskList::default();
    let now = Timestamp::now();
    let ids: Vec<_> = (0..5).map(|_| TaskId::new()).collect();
    for (at, id) in ids.iter().enumerate() {
        list.fold(&event(*id, TaskState::Queued, 0, 0), now + std::time::Duration::from_secs(at as u64)).unwrap();
    }
    let listed: Vec<_> = list.list("ada", None, 3).iter().map(|task| task.id).collect();
    assert_eq!(listed, [ids[4], ids[3], ids[2]]);
    assert!(list.list("bob", None, 9).is_empty() && list.find(ids[0], "bob").is_none());
    list.evict(now + std::time::Duration::from_secs(4), Instant::now());
    assert_eq!(list.list("ada", None, 9).len(), 1);
    list.evict(now + std::time::Duration::from_secs(5), Instant::now());
    assert!(list.tasks.is_empty() && list.index.is_empty());
}

#[test]
fn a_runs_steps_are_listed_under_it_and_nowhere_else() {
    let (mut list, now) = (TaskList::default(), Timestamp::now());
    let (run, step) = (TaskId::new(), TaskId::new());
    list.fold(&event(run, TaskState::Running, 1, 1), now).unwrap();
    let mut of_step = event(step, TaskState::Succeeded, 1, 1);
    change(&mut of_step, |task| task["parent"] = run.to_string().into());
    assert_eq!(list.fold(&of_step, now), Ok(Some(step)));
    let ids = |parent| list.list("ada", parent, 9).iter().map(|task| task.id).collect::<Vec<_>>();
    assert_eq!((ids(None), ids(Some(run))), (vec![run], vec![step]));
    assert!(list.list("bob", Some(run), 9).is_empty());
    list.remove(run);
    list.remove(step);
    assert!(list.index.is_empty());
}

#[test]
fn a_running_task_whose_report_is_overdue_is_found_and_no_other() {
    let (mut list, now) = (TaskList::default(), Timestamp::now());
    let next_by = |id, state, seconds: i64| {
        let mut event = event(id, state, 1, 1);
        let next_by = (now + jiff::SignedDuration::from_secs(seconds)).to_string();
        change(&mut event, |task| task["next_by"] = next_by.into());
        event
    };
    let stalled = TaskId::new();
    list.fold(&next_by(stalled, TaskState::Running, -1), now).unwrap();
    list.fold(&next_by(TaskId::new(), TaskState::Running, 1), now).unwrap();
    list.fold(&next_by(TaskId::new(), TaskState::Succeeded, -1), now).unwrap();
    list.fold(&event(TaskId::new(), TaskState::Running, 1, 1), now).unwrap();
    let found: Vec<_> = list.stalled(now, 9).into_iter().map(|(task, audience)| (task.id, audience)).collect();
    assert_eq!(found, [(stalled, Audience::user("ada"))]);
}

fn of(owner: &str, state: TaskState) -> Event {
    let mut event = event(TaskId::new(), state, 1, 1);
    change(&mut event, |task| task["owner"] = owner.into());
    event
}

#[test]
fn whoever_fills_the_list_loses_their_own_and_ended_ones_first() {
    let (mut list, now) = (TaskList::default(), Timestamp::now());
    let adas = of("ada", TaskState::Succeeded);
    list.fold(&adas, now - std::time::Duration::from_secs(9)).unwrap();
    let (running, ended) = (of("eve", TaskState::Running), of("eve", TaskState::Failed));
    list.fold(&running, now).unwrap();
    list.fold(&ended, now + std::time::Duration::from_secs(1)).unwrap();
    let (run, mut step) = (TaskId::new(), of("eve", TaskState::Succeeded));
    change(&mut step, |task| task["parent"] = run.to_string().into());
    let mut template = of("eve", TaskState::Running);
    for _ in 0..MAX_TASKS {
        change(&mut template, |task| task["id"] = TaskId::new().to_string().into());
        list.fold(&template, now + std::time::Duration::from_secs(2)).unwrap();
    }
    assert_eq!(list.tasks.len(), MAX_TASKS);
    let has = |event: &Event, list: &TaskList| list.tasks.contains_key(&event.task().unwrap().unwrap().id);
    assert!(has(&adas, &list), "the oldest of all, and nobody else's to push out");
    assert!(!has(&ended, &list) && !has(&running, &list), "ended first, then the oldest");
    list.fold(&step, now).unwrap();
    assert!(list.list("eve", Some(run), 9).is_empty() && has(&adas, &list), "a step counts for its owner as well");
    assert_eq!(list.list("eve", None, 3).len(), 3);
}

#[test]
fn large_results_of_one_owner_push_out_nobody_elses_tasks() {
    let (mut list, now) = (TaskList::default(), Timestamp::now());
    let adas = of("ada", TaskState::Succeeded);
    list.fold(&adas, now).unwrap();
    let mut large = of("eve", TaskState::Succeeded);
    change(&mut large, |task| task["result"] = "x".repeat(8 << 20).into());
    for _ in 0..20 {
        change(&mut large, |task| task["id"] = TaskId::new().to_string().into());
        list.fold(&large, now + std::time::Duration::from_secs(1)).unwrap();
    }
    assert!(list.index.bytes() <= MAX_BYTES, "{}", list.index.bytes());
    assert_eq!((list.list("ada", None, 9).len(), list.list("eve", None, 99).len()), (1, 11));
}

#[test]
fn a_task_keeps_its_first_owner_and_a_step_its_runs() {
    let (mut list, now) = (TaskList::default(), Timestamp::now());
    let (id, step) = (TaskId::new(), TaskId::new());
    let with = |id: TaskId, owner: Option<&str>, parent: Option<TaskId>, sequence: u32| {
        let mut event = event(id, TaskState::Running, 1, sequence);
        change(&mut event, |task| {
            (task["owner"], task["parent"]) = (owner.into(), parent.map(|parent| parent.to_string()).into());
        });
        event
    };
    list.fold(&with(id, None, None, 1), now).unwrap();
    assert!(list.find(id, "ada").is_none() && list.find(id, "").is_none(), "nobody's yet");
    list.fold(&with(id, Some("ada"), None, 1), now).unwrap();
    assert_eq!(list.fold(&with(id, Some("eve"), None, 5), now), Err(ForeignOwner(id)));
    assert_eq!((list.find(id, "ada").unwrap().sequence, list.find(id, "eve")), (1, None));
    assert_eq!(list.fold(&with(step, Some("eve"), Some(id), 1), now), Err(ForeignOwner(step)));
    list.fold(&with(step, None, Some(id), 1), now).unwrap();
    assert_eq!(list.list("ada", Some(id), 9).len(), 1);
    assert_eq!(list.index.unfinished("ada", Priority::Low), 1, "a step is none that its owner has started");
}

#[test]
fn what_is_submitted_counts_until_the_log_has_it_or_it_is_withdrawn() {
    let (mut list, now) = (TaskList::default(), Instant::now());
    let ids: Vec<_> = (0..4).map(|_| TaskId::new()).collect();
    let admit = |list: &mut TaskList, at: usize| list.admit(ids[at], "ada", Priority::Normal, 2, now);
    assert_eq!(admit(&mut list, 0), Admission::Admitted { unfinished: 0 });
    assert_eq!(admit(&mut list, 0), Admission::Starting, "it counts once");
    list.fold(&event(ids[0], TaskState::Queued, 0, 0), Timestamp::now()).unwrap();
    assert!(matches!(admit(&mut list, 0), Admission::Known(_)));
    assert_eq!(admit(&mut list, 1), Admission::Admitted { unfinished: 1 });
    assert_eq!(admit(&mut list, 2), Admission::Refused);
    assert_eq!(list.admit(ids[2], "bob", Priority::Normal, 2, now), Admission::Admitted { unfinished: 0 });
    list.withdraw(ids[1]);
    assert_eq!(admit(&mut list, 3), Admission::Admitted { unfinished: 1 });
    list.clear();
    assert_eq!(list.submissions.of("ada", Priority::Low), 1, "the log is read again, what is on its way still comes");
}

fn permutations(n: usize) -> Vec<Vec<usize>> {
    if n == 0 {
        return vec![vec![]];
    }
    let shorter = permutations(n - 1);
    (0..n)
        .flat_map(|at| {
            shorter.iter().map(move |order| {
                let mut order = order.clone();
                order.insert(at, n - 1);
                order
            })
        })
        .collect()
}

#[test]
fn what_waits_of_a_kind_is_what_may_begin_and_nobody_has_begun() {
    let (now, mut list) = (Timestamp::now(), TaskList::default());
    let ago = |seconds: i64| now - jiff::SignedDuration::from_secs(seconds);
    let waits = |id: TaskId, times: [Option<Timestamp>; 2]| {
        let mut queued = event(id, TaskState::Queued, 0, 0);
        change(&mut queued, |task| {
            let [created, not_before] = times.map(|time| serde_json::json!(time));
            (task["created"], task["not_before"]) = (created, not_before);
        });
        queued
    };
    let [old, new, delayed] = [(); 3].map(|()| TaskId::new());
    list.fold(&waits(new, [Some(ago(7)), None]), now).unwrap();
    list.fold(&waits(old, [Some(ago(90)), Some(ago(60))]), now).unwrap();
    list.fold(&waits(delayed, [Some(ago(500)), Some(ago(-60))]), now).unwrap();
    let queued =
        |list: &TaskList, now| list.queued(now).map(|(kind, queued)| (kind.to_string(), queued)).collect::<Vec<_>>();
    let of = |count, oldest_seconds| vec![("imports".to_owned(), Queued { count, oldest_seconds })];
    assert_eq!(queued(&list, now), of(2, 60.0));
    assert_eq!(queued(&list, ago(-100)), of(3, 160.0), "in time the delayed one may begin");
    list.fold(&event(old, TaskState::Running, 1, 1), now).unwrap();
    assert_eq!(queued(&list, now), of(1, 7.0));
    list.fold(&event(new, TaskState::Succeeded, 1, 2), now).unwrap();
    assert_eq!(queued(&list, now), of(0, 0.0));
    list.fold(&event(delayed, TaskState::Cancelled, 0, 1), now).unwrap();
    assert_eq!(queued(&list, now), []);
}
