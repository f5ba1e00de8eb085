//! `[[schedule]]` of a definition, of whichever kind: when it starts by itself, and for whom.

use std::{collections::BTreeSet, path::Path, time::Duration};

use jiff::Timestamp;
use model::{
    audience::is_id,
    catalogue::{Offer, allows},
    policy::Priority,
    schedule::{CatchUp, Overlap, Schedule, Times, placeholders},
};
use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::{
    definitions::{Fault, Faults, Folder, Segment, Source, check_name},
    form::unquoted_date,
};

/// The most schedules of a folder.
const MAX_SCHEDULES: usize = 1000;
/// The most bytes of an input as JSON.
const MAX_INPUT: usize = 4 * 1024;
/// In characters.
const MAX_TITLE: usize = 120;
/// A task of a schedule starts this much later at most.
const MAX_JITTER: Duration = Duration::from_secs(24 * 3600);

#[derive(Deserialize)]
#[serde(bound = "D: DeserializeOwned")]
struct Schedules<D> {
    #[serde(default = "Vec::new")]
    schedule: Vec<Entry<D>>,
}

/// A schedule of a definition, and to whom its tasks' results go besides their owner.
#[derive(Debug, Clone)]
pub struct Scheduled<D> {
    /// The schedule, as the catalogue has it. If it is delivered, its input names the schedule and its time and nothing else that a
    /// person could choose: `{"schedule": {"name": …, "time": …}}`.
    pub schedule: Schedule,
    /// The name of its definition.
    pub definition: String,
    /// Its name among those of the definition.
    pub name: String,
    /// Its input, as the definition has it.
    pub input: Value,
    /// What the definition says under `deliver`.
    pub deliver: Option<D>,
}

/// What is wrong below a path.
pub type WrongAt = Vec<(Vec<Segment>, String)>;

/// Of a kind whose results nobody else gets.
enum Undelivered {}

impl<'de> Deserialize<'de> for Undelivered {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("deliver: only reports are delivered"))
    }
}

/// A `[[schedule]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "D: Deserialize<'de>"))]
struct Entry<D> {
    /// Its name among those of the definition.
    name: String,
    /// The title of its tasks; that of the definition if missing.
    #[serde(default)]
    title: String,
    cron: Option<String>,
    every: Option<Distance>,
    #[serde(default = "utc")]
    time_zone: String,
    owner: String,
    #[serde(default)]
    groups: Vec<String>,
    /// What the form of the definition asks for.
    #[serde(default, deserialize_with = "input")]
    input: Map<String, Value>,
    #[serde(default)]
    catch_up: CatchUp,
    #[serde(default)]
    overlap: Overlap,
    #[serde(default)]
    jitter: Option<Distance>,
    #[serde(default)]
    priority: Option<Priority>,
    deliver: Option<D>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Distance(#[serde(deserialize_with = "process::quantity::duration")] Duration);

fn input<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    let fields = Map::deserialize(deserializer)?;
    Ok(fields.into_iter().map(|(name, value)| (name, unquoted_dates(value))).collect())
}

fn unquoted_dates(value: Value) -> Value {
    match unquoted_date(value) {
        Value::Array(values) => values.into_iter().map(unquoted_dates).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, unquoted_dates(value))).collect(),
        other => other,
    }
}

fn utc() -> String {
    "UTC".to_owned()
}

/// Reads the schedules of all `NAME.toml` of a folder, whose definitions have these offers; see [`Folder::open`].
pub fn schedules(setting: &'static str, folder: &Path, offers: &[Offer]) -> Result<Vec<Schedule>, Faults> {
    let read = delivered_schedules::<Undelivered>(setting, folder, offers, |_| Vec::new())?;
    Ok(read.into_iter().map(|scheduled| scheduled.schedule).collect())
}

/// The same where the results of a kind are delivered; `check` says what is wrong with a `deliver`.
pub fn delivered_schedules<D: DeserializeOwned>(
    setting: &'static str,
    folder: &Path,
    offers: &[Offer],
    check: impl Fn(&D) -> WrongAt,
) -> Result<Vec<Scheduled<D>>, Faults> {
    let read = Folder::open(setting, folder, ["toml"])
        .read(|[source]| of_definition(source, offers, &check), |_| Vec::new())?;
    let all: Vec<_> = read.into_values().flatten().collect();
    if all.len() > MAX_SCHEDULES {
        let reason = format!("it holds {} schedules; {MAX_SCHEDULES} are allowed", all.len());
        let fault = Fault { file: folder.display().to_string(), line: None, reason };
        return Err(Faults { setting, faults: vec![fault] });
    }
    Ok(all)
}

fn of_definition<D: DeserializeOwned>(
    source: &Source,
    offers: &[Offer],
    check: impl Fn(&D) -> WrongAt,
) -> Result<Vec<Scheduled<D>>, Vec<Fault>> {
    let Schedules { schedule: entries }: Schedules<D> =
        source.parse_shared(&["schedule"]).map_err(|fault| vec![fault])?;
    let (mut faults, mut names) = (Vec::new(), BTreeSet::new());
    let offer = offers.iter().find(|offer| offer.name == source.name);
    for (index, entry) in entries.iter().enumerate() {
        let mut wrong = entry.faults();
        if !names.insert(entry.name.as_str()) {
            wrong.push(("name", format!("the schedule {:?} is there twice", entry.name)));
        }
        let fields = offer.map(|offer| offer.fields.as_slice()).unwrap_or_default();
        for field in fields.iter().filter(|field| field.required && field.default.is_none()) {
            if is_missing(&entry.input, &field.path) {
                wrong.push(("input", format!("input: {} must be given", field.path)));
            }
        }
        if let Some(offer) = offer.filter(|offer| !allows(&offer.allow, &entry.owner, &entry.groups)) {
            let reason =
                format!("owner: with its groups it is not among those who may start this: allow = {:?}", offer.allow);
            wrong.push(("owner", reason));
        }
        let at =
            |(field, reason): (&str, String)| source.fault_in(&["schedule".into(), index.into(), field.into()], reason);
        faults.extend(wrong.into_iter().map(at));
        for (path, reason) in entry.deliver.as_ref().map(&check).unwrap_or_default() {
            let start = ["schedule".into(), index.into(), "deliver".into()];
            faults.push(
                source.fault_in(&start.into_iter().chain(path).collect::<Vec<_>>(), format!("deliver: {reason}")),
            );
        }
    }
    match faults.is_empty() {
        true => Ok(offer.map(|offer| entries.into_iter().map(|entry| entry.of(offer)).collect()).unwrap_or_default()),
        false => Err(faults),
    }
}

/// The shortest time from one start to the next, as far as can be looked ahead.
fn shortest_distance(times: &Times) -> Option<Duration> {
    const LOOKED_AHEAD: usize = 100;
    let (mut before, mut shortest) = (times.next(Timestamp::now())?, None::<Duration>);
    for _ in 0..LOOKED_AHEAD {
        let Some(next) = times.next(before) else { break };
        let distance = Duration::try_from(next.duration_since(before)).unwrap_or_default();
        shortest = Some(shortest.map_or(distance, |shortest| shortest.min(distance)));
        before = next;
    }
    shortest
}

/// True if there is no value at a path such as `parameters.month`.
fn is_missing(input: &Map<String, Value>, path: &str) -> bool {
    match path.split_once('.') {
        Some((name, rest)) => input.get(name).and_then(Value::as_object).is_none_or(|inner| is_missing(inner, rest)),
        None => input.get(path).is_none_or(Value::is_null),
    }
}

impl<D> Entry<D> {
    /// As the catalogue has it; with the input that its definition's offer always has.
    fn of(self, offer: &Offer) -> Scheduled<D> {
        let mut input = match &self.deliver {
            // Read from the definition by whoever runs it: what others are sent is not for the owner of the schedule to choose.
            Some(_) => Map::from_iter([("schedule".to_owned(), json!({ "name": self.name, "time": "{{ time }}" }))]),
            None => self.input.clone(),
        };
        input.extend(offer.input.clone());
        let schedule = Schedule {
            name: format!("{}.{}", offer.name, self.name),
            title: if self.title.is_empty() { offer.title.clone() } else { self.title.clone() },
            input: Value::Object(input),
            ..self.schedule()
        };
        let (definition, input) = (offer.name.clone(), Value::Object(self.input));
        Scheduled { schedule, definition, name: self.name, input, deliver: self.deliver }
    }

    fn schedule(&self) -> Schedule {
        Schedule {
            name: self.name.clone(),
            title: self.title.clone(),
            owner: self.owner.clone(),
            groups: self.groups.clone(),
            input: Value::Object(self.input.clone()),
            cron: self.cron.clone(),
            every: self.every.map(|every| every.0.as_secs()),
            time_zone: self.time_zone.clone(),
            catch_up: self.catch_up,
            overlap: self.overlap,
            jitter: self.jitter.map(|jitter| jitter.0.as_secs()).unwrap_or_default(),
            priority: self.priority,
            recipients: Vec::new(),
        }
    }

    /// All that is wrong with it, each with its field.
    fn faults(&self) -> Vec<(&'static str, String)> {
        let mut faults = Vec::new();
        let mut fault = |field, reason: String| faults.push((field, reason));
        if let Err(reason) = check_name(&self.name) {
            fault("name", reason.to_owned());
        }
        if self.title.chars().count() > MAX_TITLE || self.title.contains(char::is_control) {
            fault("title", format!("title: it has {MAX_TITLE} characters at most, none of them a control character"));
        }
        if !is_id(&self.owner) {
            fault("owner", format!("owner: {:?} is no user id", self.owner));
        }
        if let Some(group) = self.groups.iter().find(|group| !is_id(group)) {
            fault("groups", format!("groups: {group:?} is no name of a group"));
        }
        for (field, distance) in [("every", self.every), ("jitter", self.jitter)] {
            if distance.is_some_and(|distance| distance.0.subsec_nanos() > 0) {
                fault(field, format!("{field}: it is whole seconds"));
            }
        }
        if self.jitter.is_some_and(|jitter| jitter.0 > MAX_JITTER) {
            fault("jitter", "jitter: it is a day at most".to_owned());
        }
        if (self.catch_up, self.overlap) == (CatchUp::All, Overlap::Skip) {
            let reason = "overlap: with catch_up = \"all\" it is \"queue\" or \"parallel\", since of several at once \"skip\" starts one";
            fault("overlap", reason.to_owned());
        }
        match self.schedule().times() {
            Err(error) => fault(error.field, error.to_string()),
            Ok(times) => {
                // Else one time would come before the one before it.
                let jitter = self.jitter.map(|jitter| jitter.0).unwrap_or_default();
                if shortest_distance(&times).is_some_and(|distance| jitter > distance) {
                    fault("jitter", "jitter: it is longer than the time from one start to the next".to_owned());
                }
                if let Err(error) =
                    placeholders::fill(&Value::Object(self.input.clone()), Timestamp::now(), times.zone())
                {
                    fault("input", format!("input: {error}"));
                }
            }
        }
        if serde_json::to_string(&self.input).map_or(0, |json| json.len()) > MAX_INPUT {
            fault("input", format!("input: it has more than {} KiB", MAX_INPUT / 1024));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    fn read(toml: &str) -> Result<Vec<Schedule>, Faults> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("sales.toml"), toml).unwrap();
        schedules("setting", folder.path(), &[offer()])
    }

    fn offer() -> Offer {
        let input = Map::from_iter([("report".to_owned(), json!("sales"))]);
        let field = json!({ "path": "parameters.month", "title": "Month", "type": "month", "required": true });
        Offer {
            name: "sales".to_owned(),
            title: "Sales".to_owned(),
            input,
            allow: vec!["group:finance".to_owned()],
            fields: vec![serde_json::from_value(field).unwrap()],
            ..Offer::default()
        }
    }

    const MONTHLY: &str = r#"
title = "Sales"
[[schedule]]
name = "monthly"
cron = "0 6 1 * *"
time_zone = "Europe/Berlin"
owner = "ada"
groups = ["finance"]
input = { format = "xlsx", parameters = { month = "{{ last_month }}" } }
jitter = "5m"
"#;

    #[test]
    fn a_schedule_starts_its_definition_with_its_input() {
        let schedules = read(MONTHLY).unwrap();
        let [schedule] = &schedules[..] else { panic!("{schedules:?}") };
        assert_eq!((schedule.name.as_str(), schedule.title.as_str(), schedule.jitter), ("sales.monthly", "Sales", 300));
        let input = json!({ "report": "sales", "format": "xlsx", "parameters": { "month": "{{ last_month }}" } });
        assert_eq!((&schedule.input, schedule.catch_up, schedule.overlap), (&input, CatchUp::Last, Overlap::Skip));
        assert!(read("title = 'x'").unwrap().is_empty());
        let dated = read(&MONTHLY.replace("\"{{ last_month }}\"", "2026-11-29")).unwrap();
        assert_eq!(dated[0].input["parameters"]["month"], json!("2026-11-29"));
    }

    #[test]
    fn an_input_cannot_choose_another_definition() {
        let toml = MONTHLY.replace("format = \"xlsx\"", "report = \"payroll\"");
        assert_eq!(read(&toml).unwrap()[0].input["report"], json!("sales"));
    }

    #[test]
    fn a_kind_whose_results_nobody_else_gets_refuses_to_deliver_them() {
        let faults = read(&format!("{MONTHLY}deliver = {{ to = [\"user:boss\"] }}\n")).unwrap_err().to_string();
        assert!(faults.contains("sales.toml:11: deliver: only reports are delivered"), "{faults}");
    }

    #[test]
    fn whoever_may_not_start_it_has_no_schedule_of_it() {
        let faults = read(&MONTHLY.replace("finance", "sales")).unwrap_err().to_string();
        assert!(
            faults.contains("sales.toml:7: owner: with its groups it is not among those who may start this"),
            "{faults}"
        );
    }

    #[test]
    fn each_fault_names_the_file_the_line_and_the_field() {
        for (from, to, expected) in [
            ("0 6 1 * *", "0 6 30 2 *", "sales.toml:5: cron: \"0 6 30 2 *\" is never"),
            ("Europe/Berlin", "Europe/Berlijn", "sales.toml:6: time_zone: there is no \"Europe/Berlijn\""),
            ("last_month", "lastmonth", "sales.toml:9: input: {{ lastmonth }} is none of"),
            ("owner = \"ada\"", "owner = \"a b\"", "sales.toml:7: owner: \"a b\" is no user id"),
            ("\"5m\"", "\"5 moments\"", "sales.toml:10: "),
            ("\"5m\"", "\"3d\"", "sales.toml:10: jitter: it is a day at most"),
            ("cron = \"0 6 1 * *\"", "every = \"4m\"", "sales.toml:10: jitter: it is longer than"),
            ("\"5m\"", "\"1500ms\"", "sales.toml:10: jitter: it is whole seconds"),
            ("{ month = \"{{ last_month }}\" }", "{}", "sales.toml:9: input: parameters.month must be given"),
            ("jitter = \"5m\"", "catch_up = \"all\"", "overlap: with catch_up"),
            ("jitter = \"5m\"", "catch_up = \"some\"", "sales.toml:10: unknown variant `some`"),
            ("jitter", "jiter", "sales.toml:10: unknown field `jiter`"),
            ("jitter = \"5m\"", "every = \"5m\"", "cron: a schedule has either cron or every"),
            ("name = \"monthly\"", "name = \"a.b\"", "sales.toml:4: its name has 1 to 64"),
            ("name = \"monthly\"\n", "", "sales.toml:3: missing field `name`"),
        ] {
            let faults = read(&MONTHLY.replace(from, to)).unwrap_err().to_string();
            assert!(faults.contains(expected), "{expected}\n{faults}");
        }
        let twice = format!("{MONTHLY}{}", MONTHLY.replace("title = \"Sales\"", ""));
        assert!(read(&twice).unwrap_err().to_string().contains("the schedule \"monthly\" is there twice"));
    }
}
