//! What a function says of itself, checked: by the settings of its host, and by its own schema.

use jiff::Timestamp;
use model::{
    Kind, Policies,
    catalogue::Description,
    policy::{KeyPart, Retry},
    schedule::{Schedule, placeholders},
};
use serde_json::Value;

use crate::{
    host_config::HostConfig,
    job::schema::InputSchema,
    json_function::JsonFunction,
    policy::{MAX_ATTEMPTS, RetrySetting},
    worker_context::WorkerContext,
};

/// Why a function cannot be introduced.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionFault {
    /// What the settings or the function say of its jobs is wrong.
    #[error("the policy of the {0} function: {1}")]
    Policy(Kind, String),
    /// A schedule cannot start anything.
    #[error("the schedule {1} of the {0} function: {2}")]
    Schedule(Kind, String, String),
    /// The JSON Schema of the input is invalid.
    #[error("the schema of the {0} function's input is none: {1}")]
    Schema(Kind, String),
}

/// What a function says of itself, and how its jobs are treated.
pub(crate) struct Described {
    pub(crate) description: Description,
    /// Without what the settings say, which goes before.
    pub(crate) policies: Policies,
    /// The attempts where none are said.
    pub(crate) retry: Retry,
    pub(crate) schema: InputSchema,
}

/// Asks a function, under these settings.
pub(crate) fn described(
    worker: &WorkerContext,
    config: &HostConfig,
    function: &JsonFunction,
) -> Result<Described, DescriptionFault> {
    let (kind, mut description) = (function.kind(), function.description());
    let every = &mut description.policies.every;
    every.priority = config.priority.or(every.priority);
    every.rate = config.rate.clone().map(|setting| setting.0).or(every.rate.take());
    let refused = |reason| DescriptionFault::Policy(kind.clone(), reason);
    let retry = check_policies(config, &description).map_err(refused)?;
    if worker.database.is_none() && description.policies.has_rate() {
        let reason = "rate: it is kept in a database: set database.url (BELLWIRE_DATABASE__URL)";
        return Err(refused(reason.to_owned()));
    }
    let mut policies = description.policies.clone();
    policies.every.retry = None;
    let schema =
        InputSchema::compile(&description.input).map_err(|error| DescriptionFault::Schema(kind.clone(), error))?;
    for schedule in &description.schedules {
        check_schedule(schedule, &schema)
            .map_err(|reason| DescriptionFault::Schedule(kind.clone(), schedule.name.clone(), reason))?;
    }
    Ok(Described { description, policies, retry, schema })
}

/// Checks the policies of a function under these settings; the attempts where none are said.
fn check_policies(
    config: &HostConfig,
    Description { policies, input: schema, .. }: &Description,
) -> Result<Retry, String> {
    if let Some(retry) = &config.retry {
        retry.check()?;
    }
    let all = policies.definitions.iter().map(|definition| &definition.policy).chain([&policies.every]);
    for policy in all {
        if policy.retry.as_ref().is_some_and(|retry| !(1..=MAX_ATTEMPTS).contains(&retry.attempts)) {
            return Err(format!("retry.attempts: it is 1 to {MAX_ATTEMPTS}"));
        }
        let by = policy.rate.iter().flat_map(|rate| &rate.by);
        for part in policy.unique.iter().flatten().chain(by) {
            check_field(part, schema)?;
        }
    }
    let usual = Retry { attempts: config.attempts.max(1), pauses: None };
    Ok(config.retry.as_ref().map(RetrySetting::retry).or(policies.every.retry.clone()).unwrap_or(usual))
}

/// Checks that an input may have the field of a key, where the schema names all fields.
fn check_field(part: &KeyPart, schema: &Value) -> Result<(), String> {
    let (KeyPart::Field(path), Some(known)) = (part, schema["properties"].as_object()) else { return Ok(()) };
    let name = path.first().map(String::as_str).unwrap_or_default();
    if known.contains_key(name) || schema["additionalProperties"] != Value::Bool(false) {
        return Ok(());
    }
    let known: Vec<_> = known.keys().map(String::as_str).collect();
    Err(format!("{part}: the input has no field {name:?}; it has {}", known.join(", ")))
}

/// Checks what a function says of itself; a definition was checked when it was read.
fn check_schedule(schedule: &Schedule, schema: &InputSchema) -> Result<(), String> {
    let times = schedule.times().map_err(|error| error.to_string())?;
    let input = placeholders::fill(&schedule.input, Timestamp::now(), times.zone())?;
    schema.check(&input).map_err(|error| error.to_string())
}
