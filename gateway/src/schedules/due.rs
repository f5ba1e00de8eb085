//! Which times of a schedule count, by its policies: no clock and no broker, only what is kept and what time it is.

use jiff::{SignedDuration, Timestamp};
use model::{
    TaskId,
    schedule::{CatchUp, Overlap, Times},
};

use super::{
    known::KnownSchedule,
    record::{LeftOut, Record, StartedTask},
};

/// A task that starts this much later than it should is not late: a lost gateway has a successor by then.
const ON_TIME: SignedDuration = SignedDuration::from_mins(1);
/// The most times that are made up for.
const MOST_MADE_UP: usize = 100;
/// More times than this are looked for from their end.
const MANY: usize = 1000;
/// How exactly it is kept when a schedule was last there.
const SEEN_EVERY: SignedDuration = SignedDuration::from_hours(24);

impl Record {
    /// Of a schedule that is new now: what was before it never was due.
    pub(crate) fn new(schedule: &KnownSchedule, now: Timestamp) -> Self {
        let (waiting, rule) = (Vec::new(), schedule.rule());
        Self { rule, decided: now, waiting, last: None, left_out: None, problem: None, seen: now }
    }

    /// Takes notice of the schedule as it is now.
    pub(crate) fn see(&mut self, schedule: &KnownSchedule, now: Timestamp) {
        let rule = schedule.rule();
        if rule != self.rule {
            self.rule = rule;
            self.decided = now;
            self.waiting.clear();
        }
        if now.duration_since(self.seen) > SEEN_EVERY {
            self.seen = now;
        }
    }

    /// Nothing up to a time counts: it paused.
    pub(crate) fn skip_until(&mut self, time: Timestamp) {
        self.decided = self.decided.max(time);
        self.waiting.retain(|waiting| *waiting > time);
    }

    /// Lets those times wait for their tasks that have come and count.
    pub(crate) fn collect(&mut self, schedule: &KnownSchedule, now: Timestamp) {
        let Ok(times) = schedule.times() else { return };
        let policy = schedule.schedule.catch_up;
        let is_late = |time: Timestamp| now.duration_since(schedule.start_of(time)) > ON_TIME;
        if policy == CatchUp::None && schedule.schedule.overlap != Overlap::Queue {
            self.waiting.retain(|time| !is_late(*time));
        }
        let due = self.due(schedule, times, now);
        let Some((latest, earlier)) = due.split_last() else { return };
        self.decided = *latest;
        let missed = match policy {
            CatchUp::None if is_late(*latest) => Some(*latest),
            CatchUp::None | CatchUp::Last => {
                let replaced = self.waiting.last().copied();
                self.waiting = vec![*latest];
                earlier.last().copied().or(replaced)
            }
            CatchUp::All => {
                self.waiting.extend(&due);
                let surplus = self.waiting.len().saturating_sub(MOST_MADE_UP);
                self.waiting.drain(..surplus).next_back()
            }
        };
        if let Some(time) = missed {
            self.leave_out(time, "it was missed");
        }
    }

    /// The times that have come since the last one that was decided.
    fn due(&self, schedule: &KnownSchedule, times: &Times, now: Timestamp) -> Vec<Timestamp> {
        let mut due = Vec::new();
        let mut next = times.next(self.decided);
        while let Some(time) = next.filter(|time| schedule.start_of(*time) <= now) {
            if due.len() == MANY {
                let jitter = SignedDuration::from_secs(schedule.schedule.jitter.try_into().unwrap_or(i64::MAX));
                let until = now.checked_sub(jitter).unwrap_or(now);
                return times.last(self.decided, until, MOST_MADE_UP);
            }
            due.push(time);
            next = times.next(time);
        }
        due
    }

    /// The times whose tasks start now, if a task of it has not ended yet or if all have.
    pub(crate) fn release(&mut self, overlap: Overlap, is_running: bool) -> Vec<Timestamp> {
        match overlap {
            Overlap::Parallel => self.waiting.clone(),
            Overlap::Queue if is_running => Vec::new(),
            Overlap::Queue => self.waiting.first().copied().into_iter().collect(),
            Overlap::Skip if is_running => {
                if let Some(time) = self.waiting.pop() {
                    self.leave_out(time, "the task before had not ended");
                }
                self.waiting.clear();
                Vec::new()
            }
            Overlap::Skip => self.waiting.last().copied().into_iter().collect(),
        }
    }

    /// The task of a time was started.
    pub(crate) fn started(&mut self, time: Timestamp, task: TaskId, owner: &str, now: Timestamp) {
        self.waiting.retain(|waiting| *waiting != time);
        self.problem = None;
        self.last = Some(StartedTask { time, task, owner: owner.to_owned(), started: now });
    }

    /// The task of a time is not started, for good.
    pub(crate) fn refused(&mut self, time: Timestamp, reason: &str) {
        self.waiting.retain(|waiting| *waiting != time);
        self.leave_out(time, reason);
    }

    fn leave_out(&mut self, time: Timestamp, reason: &str) {
        self.left_out = Some(LeftOut { time, reason: reason.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{super::known::tests::known, *};

    fn at(text: &str) -> Timestamp {
        format!("2026-11-{text}Z").parse().unwrap()
    }

    /// What starts at these moments, of a schedule that is new at the first; running tasks end at once.
    fn starts(fields: Value, moments: &[&str]) -> Vec<Vec<String>> {
        let schedule = known(fields);
        let mut record = Record::new(&schedule, at(moments[0]));
        moments[1..].iter().map(|moment| step(&mut record, &schedule, moment, false)).collect()
    }

    fn step(record: &mut Record, schedule: &KnownSchedule, moment: &str, is_running: bool) -> Vec<String> {
        record.see(schedule, at(moment));
        record.collect(schedule, at(moment));
        let started = record.release(schedule.schedule.overlap, is_running);
        started.iter().for_each(|time| record.started(*time, TaskId::new(), "ada", at(moment)));
        started.iter().map(|time| time.strftime("%dT%H:%M:%S").to_string()).collect()
    }

    const NOTHING: [&str; 0] = [];

    #[test]
    fn each_time_starts_once_and_none_before_it() {
        let moments = ["01T11:59:30", "01T11:59:59", "01T12:00:00", "01T12:00:01", "01T12:00:59", "01T12:01:00"];
        let started = starts(json!({ "cron": "* * * * *" }), &moments);
        assert_eq!(started, [&NOTHING[..], &["01T12:00:00"], &[], &[], &["01T12:01:00"]]);
    }

    #[test]
    fn after_a_day_without_a_gateway_the_policy_says_what_is_made_up_for() {
        let moments = ["01T12:30:00", "01T13:00:00", "02T13:20:00", "02T13:20:02", "02T14:00:03"];
        let after = |fields: Value| {
            let started = starts(fields, &moments);
            assert_eq!(
                (&started[0][..], &started[3][..]),
                (&["01T13:00:00".to_owned()][..], &["02T14:00:00".to_owned()][..])
            );
            assert!(started[2].is_empty(), "{started:?}");
            started[1].clone()
        };
        assert_eq!(after(json!({ "cron": "0 * * * *", "catch_up": "none" })), NOTHING);
        assert_eq!(after(json!({ "cron": "0 * * * *", "catch_up": "last" })), ["02T13:00:00"]);
        let all = after(json!({ "cron": "0 * * * *", "catch_up": "all", "overlap": "parallel" }));
        assert_eq!((all.len(), all[0].as_str(), all[23].as_str()), (24, "01T14:00:00", "02T13:00:00"));
        let many =
            starts(json!({ "every": 1, "catch_up": "all", "overlap": "parallel" }), &["01T12:00:00", "09T12:00:00"]);
        assert_eq!((many[0].len(), many[0][99].as_str()), (MOST_MADE_UP, "09T12:00:00"));
    }

    #[test]
    fn a_gateway_that_takes_over_within_a_minute_misses_nothing_whatever_the_policy() {
        for policy in ["none", "last"] {
            let moments = ["01T12:59:00", "01T13:00:59"];
            assert_eq!(starts(json!({ "cron": "0 * * * *", "catch_up": policy }), &moments), [["01T13:00:00"]]);
        }
    }

    #[test]
    fn while_the_task_before_runs_the_policy_says_what_becomes_of_a_time() {
        let run = |fields: Value| {
            let schedule = known(fields);
            let mut record = Record::new(&schedule, at("01T12:59:00"));
            let mut started = Vec::new();
            for (moment, is_running) in
                [("01T13:00", false), ("01T14:00", true), ("01T15:00", true), ("01T15:30", false), ("01T16:00", false)]
            {
                started.push(step(&mut record, &schedule, &format!("{moment}:01"), is_running).join(" "));
            }
            (started, record.left_out.map(|left_out| (left_out.time, left_out.reason)))
        };
        let (started, left_out) = run(json!({ "cron": "0 * * * *", "overlap": "skip" }));
        assert_eq!(started, ["01T13:00:00", "", "", "", "01T16:00:00"]);
        assert_eq!(left_out, Some((at("01T15:00:00"), "the task before had not ended".to_owned())));
        let (started, left_out) = run(json!({ "cron": "0 * * * *", "overlap": "queue" }));
        assert_eq!(started, ["01T13:00:00", "", "", "01T15:00:00", "01T16:00:00"], "at most one waits");
        assert_eq!(left_out.unwrap().0, at("01T14:00:00"));
        let (started, _) = run(json!({ "cron": "0 * * * *", "overlap": "queue", "catch_up": "none" }));
        assert_eq!(started, ["01T13:00:00", "", "", "01T15:00:00", "01T16:00:00"], "what waits was not missed");
        let (started, _) = run(json!({ "cron": "0 * * * *", "overlap": "queue", "catch_up": "all" }));
        assert_eq!(started, ["01T13:00:00", "", "", "01T14:00:00", "01T15:00:00"], "one after another");
        let (started, left_out) = run(json!({ "cron": "0 * * * *", "overlap": "parallel" }));
        assert_eq!((started.len(), started[2].as_str(), left_out), (5, "01T15:00:00", None));
    }

    #[test]
    fn another_rule_has_missed_nothing_and_another_input_changes_nothing() {
        let (daily, minutely) = (known(json!({ "cron": "0 6 * * *" })), known(json!({ "cron": "* * * * *" })));
        let mut record = Record::new(&daily, at("01T12:00:00"));
        assert_eq!(step(&mut record, &minutely, "01T18:00:00", false), NOTHING);
        assert_eq!(step(&mut record, &minutely, "01T18:01:00", false), ["01T18:01:00"]);
        let input = known(json!({ "cron": "* * * * *", "input": { "n": 1 }, "title": "Another" }));
        assert_eq!(step(&mut record, &input, "01T18:02:00", false), ["01T18:02:00"]);
    }

    #[test]
    fn what_it_was_paused_for_is_not_made_up_for() {
        let schedule = known(json!({ "cron": "0 * * * *" }));
        let mut record = Record::new(&schedule, at("01T12:00:00"));
        record.skip_until(at("01T15:30:00"));
        assert_eq!(step(&mut record, &schedule, "01T15:31:00", false), NOTHING);
        assert_eq!(step(&mut record, &schedule, "01T16:00:00", false), ["01T16:00:00"]);
    }

    #[test]
    fn a_time_whose_task_could_not_be_started_waits_and_is_never_lost() {
        let schedule = known(json!({ "cron": "0 * * * *" }));
        let mut record = Record::new(&schedule, at("01T12:59:00"));
        record.collect(&schedule, at("01T13:00:01"));
        assert_eq!(record.release(Overlap::Skip, false), [at("01T13:00:00")]);
        assert_eq!(step(&mut record, &schedule, "01T13:20:00", false), ["01T13:00:00"]);
        let late = known(json!({ "cron": "0 * * * *", "catch_up": "none" }));
        let mut record = Record::new(&late, at("01T12:59:00"));
        record.collect(&late, at("01T13:00:01"));
        assert_eq!(step(&mut record, &late, "01T13:20:00", false), NOTHING, "by its policy");
    }

    #[test]
    fn a_clock_that_goes_back_starts_nothing_again() {
        let moments = ["01T12:59:00", "01T13:00:01", "01T12:58:00", "01T13:00:00", "01T13:00:30"];
        assert_eq!(starts(json!({ "cron": "0 * * * *" }), &moments), [&["01T13:00:00"][..], &[], &[], &[]]);
    }

    #[test]
    fn with_jitter_a_task_starts_later_and_still_once() {
        let schedule = known(json!({ "cron": "0 * * * *", "jitter": 1800 }));
        let (time, mut record) = (at("01T13:00:00"), Record::new(&schedule, at("01T12:59:00")));
        let start = schedule.start_of(time);
        assert!(start > time, "the hash of this name gives some");
        record.collect(&schedule, start - SignedDuration::from_millis(1));
        assert!(record.waiting.is_empty());
        record.collect(&schedule, start);
        assert_eq!(record.waiting, [time]);
    }
}
