//! Names that are nearly a name of ours: what stands there is taken for the publisher's own and has no effect, so it is told.

use strsim::osa_distance;

use crate::event::Event;

/// The attributes that have an effect here, or that CloudEvents defines.
const ATTRIBUTES: [&str; 9] = [
    "audience",
    "datacontenttype",
    "dataschema",
    "expirytime",
    "source",
    "subject",
    "traceparent",
    "tracestate",
    "time",
];
/// Members of `data.toast`.
const TOAST: [&str; 5] = ["level", "title", "body", "action", "decision"];
/// Most characters of a name that is repeated.
const MAX_NAME_CHARS: usize = 80;

/// A warning for each name that is nearly one of ours, in words.
pub fn warnings(event: &Event) -> Vec<String> {
    let mut warnings = Vec::new();
    let mut warn = |path: &str, name: &str, meant: Option<&&str>| {
        if let Some(meant) = meant {
            let name: String = name.chars().take(MAX_NAME_CHARS).collect();
            warnings.push(format!("{path}{name} has no effect here: is {path}{meant} meant?"));
        }
    };
    for name in event.extensions.keys() {
        warn("", name, ATTRIBUTES.iter().find(|meant| is_near(name, meant)));
    }
    let Some(data) = &event.data else { return warnings };
    for name in data.names() {
        warn("data.", &name, ["toast"].iter().find(|meant| is_near(&name, meant)));
    }
    if let Ok(Some(toast)) = data.member::<serde_json::Map<String, serde_json::Value>>("toast") {
        for name in toast.keys() {
            warn("data.toast.", name, TOAST.iter().find(|meant| is_near(name, meant)));
        }
    }
    warnings
}

/// True if a name differs in case or in one letter, or in two of a long name. Nearly all names that differ more are
/// somebody's own.
fn is_near(name: &str, meant: &str) -> bool {
    // Before anything is compared: a name may be as long as an event.
    if name == meant || name.len() > meant.len() + 8 {
        return false;
    }
    osa_distance(&name.to_lowercase(), meant) <= if meant.len() > 6 { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::audience::Audience;

    fn warnings_of(data: serde_json::Value, extensions: &[&str]) -> Vec<String> {
        let mut event = Event::new("/x", "t", Audience::user("ada")).with_data(data);
        event.extensions.extend(extensions.iter().map(|name| ((*name).to_owned(), json!("x"))));
        warnings(&event)
    }

    #[test]
    fn a_name_that_is_nearly_ours_is_told_with_the_one_that_is_meant() {
        for (data, extension, words) in [
            (json!({ "tost": {} }), None, "data.tost has no effect here: is data.toast meant?"),
            (json!({ "Toast": {} }), None, "data.Toast has no effect here: is data.toast meant?"),
            (
                json!({ "toast": { "tilte": 1 } }),
                None,
                "data.toast.tilte has no effect here: is data.toast.title meant?",
            ),
            (json!({}), Some("audiance"), "audiance has no effect here: is audience meant?"),
            (json!({}), Some("expirytme"), "expirytme has no effect here: is expirytime meant?"),
        ] {
            assert_eq!(warnings_of(data, extension.as_slice()), [words]);
        }
    }

    #[test]
    fn a_name_of_somebodys_own_is_not() {
        let own = ["partitionkey", "sequence", "dataref", "correlationid", "data_base64", "recordedtime", "tenant"];
        assert_eq!(
            warnings_of(json!({ "host": 1, "tasks": [], "text": "", "toast": { "level": "info" } }), &own),
            [""; 0]
        );
        assert_eq!(warnings_of(json!(["tost"]), &[]), [""; 0]);
    }
}
