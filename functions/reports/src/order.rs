//! What a task asks for: a report for its owner, or one of a schedule that others get as well.

use delivery::Recipients;
use jiff::tz::TimeZone;
use model::schedule::placeholders;
use runtime::{Context, Failure, definitions::Scheduled};
use serde::Deserialize;
use serde_json::Value;

use crate::input::{Format, Input, ScheduledTime};

/// A report to make, and who gets it besides its owner.
pub(crate) struct Order {
    pub(crate) input: Input,
    pub(crate) recipients: Option<Recipients>,
}

/// What a definition's schedule says of its reports.
#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    parameters: std::collections::BTreeMap<String, Value>,
    #[serde(default)]
    format: Option<Format>,
}

impl Order {
    /// The order of a task. What goes to others is what the definition says, and only the owner of its schedule has it sent.
    pub(crate) fn of(schedules: &[Scheduled<Recipients>], context: &Context, input: Input) -> Result<Self, Failure> {
        let Some(ScheduledTime { name, time }) = &input.schedule else {
            return Ok(Self { input, recipients: None });
        };
        let is_it = |scheduled: &&Scheduled<Recipients>| {
            scheduled.definition == input.report && scheduled.name == *name && scheduled.schedule.owner == context.owner
        };
        let Some((scheduled, recipients)) =
            schedules.iter().find(is_it).and_then(|scheduled| Some((scheduled, scheduled.deliver.as_ref()?)))
        else {
            let [report, name]: [String; 2] = [&input.report, name].map(|name| name.chars().take(64).collect());
            let message =
                format!("schedule: the report {report} has no schedule {name:?} of yours that goes to others");
            return Err(Failure::input(message));
        };
        if !input.parameters.is_empty() || input.format.is_some() {
            return Err(Failure::input("schedule: parameters and format are those of the schedule"));
        }
        let zone = TimeZone::get(&scheduled.schedule.time_zone).unwrap_or(TimeZone::UTC);
        let filled = placeholders::fill(&scheduled.input, *time, &zone)
            .map_err(|reason| Failure::input(format!("schedule: {reason}")))?;
        let Said { parameters, format } =
            serde_json::from_value(filled).map_err(|error| Failure::input(format!("schedule: {error}")))?;
        let input = Input { parameters, format, schedule: None, ..input };
        Ok(Self { input, recipients: Some(recipients.clone()) })
    }
}
