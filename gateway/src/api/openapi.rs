//! `GET /api/openapi.json`: the description of the API, with the input of each function.

use std::collections::BTreeMap;

use axum::{Json, extract::State};
use serde_json::{Map, Value, json};
use tracing::warn;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        OpenApi as Document,
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::{
    approvals, asked_file, event_stream, files, functions, publish, run_files, schedules, shared_file, task_log,
    task_routes,
};
use crate::{
    hub::{negotiate, refresh},
    pod::Pod,
};

#[derive(OpenApi)]
#[openapi(
    info(title = "Bellwire", description = "Tells people in a browser, the moment it happens, what their background work has come to."),
    paths(
        event_stream::stream, publish::publish, task_routes::start, task_routes::list, task_routes::show,
        task_routes::cancel, task_log::show, files::upload, files::download, files::delete, functions::list,
        approvals::list, approvals::answer, asked_file::download, run_files::list, run_files::archive,
        shared_file::download, schedules::list, schedules::pause, schedules::resume, schedules::run, negotiate::negotiate,
        refresh::refresh, refresh::refresh_stream,
    ),
    modifiers(&Bearer),
)]
struct Api;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme));
        document.security = Some(vec![SecurityRequirement::new("token", Vec::<String>::new())]);
    }
}

/// The document, which anybody may read: functions' inputs, never the definitions that they were given.
pub async fn document(State(pod): State<Pod>) -> Json<Value> {
    let mut document = serde_json::to_value(Api::openapi()).unwrap_or_default();
    let inputs = inputs(&pod).await;
    if let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) {
        describe(schemas, inputs);
    }
    Json(document)
}

/// The input schemas of each kind; more than one if it differs between environments (an older worker).
async fn inputs(pod: &Pod) -> BTreeMap<String, Vec<Value>> {
    let mut environments: Vec<_> = pod.environments.values().collect();
    environments.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    let mut inputs: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for environment in environments {
        let functions = match environment.functions.all().await {
            Ok(functions) => functions,
            Err(error) => {
                warn!(environment = %environment.name, %error, "the API is described without this environment's functions");
                continue;
            }
        };
        for function in &*functions {
            let known = inputs.entry(function.kind.to_string()).or_default();
            if !known.contains(&function.input) {
                known.push(function.input.clone());
            }
        }
    }
    inputs
}

fn describe(schemas: &mut Map<String, Value>, inputs: BTreeMap<String, Vec<Value>>) {
    let mut variants = Vec::new();
    for (kind, inputs) in inputs {
        for (at, mut input) in inputs.into_iter().enumerate() {
            let name = if at == 0 { format!("input.{kind}") } else { format!("input.{kind}.{}", at + 1) };
            let pointer = format!("#/components/schemas/{name}");
            move_references(&mut input, &pointer);
            schemas.insert(name, input);
            variants.push(json!({ "properties": { "kind": { "const": kind }, "input": { "$ref": pointer } } }));
        }
    }
    if let Some(task) = schemas.get_mut("NewTask").and_then(Value::as_object_mut)
        && !variants.is_empty()
    {
        task.insert("anyOf".to_owned(), variants.into());
    }
}

/// Prefixes a schema's references to its own definitions, which now lie deeper in the document.
fn move_references(schema: &mut Value, prefix: &str) {
    match schema {
        Value::Object(fields) => {
            fields.remove("$schema");
            if let Some(Value::String(reference)) = fields.get_mut("$ref")
                && let Some(rest) = reference.strip_prefix('#')
            {
                *reference = format!("{prefix}{rest}");
            }
            fields.values_mut().for_each(|part| move_references(part, prefix));
        }
        Value::Array(parts) => parts.iter_mut().for_each(|part| move_references(part, prefix)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_input_and_finds_its_own_definitions() {
        let input = json!({
            "$schema": "x", "properties": { "mode": { "$ref": "#/$defs/Mode" } }, "$defs": { "Mode": { "type": "string" } }
        });
        let mut schemas = json!({ "NewTask": { "type": "object" } }).as_object().unwrap().clone();
        let older = json!({ "type": "object" });
        describe(&mut schemas, BTreeMap::from([("imports".to_owned(), vec![input, older])]));
        let document = json!({ "components": { "schemas": schemas } });
        let reference =
            document["components"]["schemas"]["input.imports"]["properties"]["mode"]["$ref"].as_str().unwrap();
        assert_eq!(document.pointer(&reference[1..]), Some(&json!({ "type": "string" })));
        let variants = document["components"]["schemas"]["NewTask"]["anyOf"].as_array().unwrap();
        assert_eq!(variants.len(), 2);
        assert_eq!(variants[1]["properties"]["input"]["$ref"], "#/components/schemas/input.imports.2");
    }
}
