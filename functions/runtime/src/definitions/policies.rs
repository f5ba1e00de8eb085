//! `priority`, `retry`, `unique` and `rate` of a definition, of whichever kind.

use std::path::Path;

use model::{
    catalogue::Offer,
    policy::{DefinitionPolicy, KeyPart, Policies, Policy, Priority},
};
use serde::Deserialize;

use crate::{
    definitions::{Fault, Faults, Folder, Source},
    policy::{RateSetting, RetrySetting},
};

/// The most parts of a key.
const MAX_PARTS: usize = 16;

#[derive(Deserialize)]
struct Entry {
    priority: Option<Priority>,
    retry: Option<RetrySetting>,
    unique: Option<Vec<KeyPart>>,
    rate: Option<RateSetting>,
}

/// Reads the policies of all `NAME.toml` of a folder, whose definitions have these offers; see [`Folder::open`].
pub fn policies(setting: &'static str, folder: &Path, offers: &[Offer]) -> Result<Policies, Faults> {
    let read =
        Folder::open(setting, folder, ["toml"]).read(|[source]| of_definition(source, offers), |_| Vec::new())?;
    Ok(Policies { every: Policy::default(), definitions: read.into_values().flatten().collect() })
}

fn of_definition(source: &Source, offers: &[Offer]) -> Result<Option<DefinitionPolicy>, Vec<Fault>> {
    let keys = ["priority", "retry", "unique", "rate"];
    let Entry { priority, retry, unique, rate } = source.parse_shared(&keys).map_err(|fault| vec![fault])?;
    let rate = rate.map(|setting| setting.0);
    let Some(offer) = offers.iter().find(|offer| offer.name == source.name) else { return Ok(None) };
    let mut faults = Vec::new();
    if let Some(Err(reason)) = retry.as_ref().map(RetrySetting::check) {
        faults.push(source.fault_in(&["retry".into()], reason));
    }
    let by = rate.as_ref().map(|rate| rate.by.as_slice()).unwrap_or_default();
    for (key, parts) in [("unique", unique.as_deref().unwrap_or_default()), ("rate", by)] {
        if parts.len() > MAX_PARTS {
            faults.push(source.fault_in(&[key.into()], format!("{key}: it has {MAX_PARTS} parts at most")));
        }
        let wrong = parts.iter().filter_map(|part| fault_of(part, offer));
        faults.extend(wrong.map(|reason| source.fault_in(&[key.into()], format!("{key}: {reason}"))));
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let policy = Policy { priority, retry: retry.map(|setting| setting.retry()), unique, rate };
    let input = offer.input.clone();
    Ok((policy != Policy::default()).then(|| DefinitionPolicy { name: offer.name.clone(), input, policy }))
}

/// Says why a definition with this form has no such field, where its form has all that are beside it.
fn fault_of(part: &KeyPart, offer: &Offer) -> Option<String> {
    let KeyPart::Field(path) = part else { return None };
    let (group, _) = path.split_first().filter(|(_, rest)| !rest.is_empty())?;
    let beside: Vec<_> =
        offer.fields.iter().map(|field| &field.path).filter(|path| path.starts_with(&format!("{group}."))).collect();
    let path = path.join(".");
    if beside.is_empty() || beside.contains(&&path) {
        return None;
    }
    let known: Vec<_> = beside.iter().map(|path| format!("input.{path}")).collect();
    Some(format!("there is no {part}; there are {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::{Map, json};

    use super::*;

    fn read(toml: &str) -> Result<Policies, Faults> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("sales.toml"), toml).unwrap();
        let field = json!({ "path": "parameters.month", "title": "Month", "type": "month", "required": true });
        let offer = Offer {
            name: "sales".to_owned(),
            input: Map::from_iter([("report".to_owned(), json!("sales"))]),
            fields: vec![serde_json::from_value(field).unwrap()],
            ..Offer::default()
        };
        policies("setting", folder.path(), &[offer])
    }

    #[test]
    fn a_definition_says_how_its_jobs_are_treated() {
        let toml = "title = 'Sales'\npriority = 'low'\nretry = { attempts = 3, first = '5s', most = '10m' }\n\
                    unique = ['owner', 'input.parameters.month']\nrate = { limit = '5/m', by = ['owner'] }\n";
        let policies = read(toml).unwrap();
        let policy = policies.of(&json!({ "report": "sales", "parameters": { "month": "2026-11" } }));
        assert_eq!(policy.priority(), Priority::Low);
        assert_eq!(policy.retry().map(|retry| (retry.attempts, retry.pauses.is_some())), Some((3, true)));
        assert_eq!(policy.unique().map(|(of, parts)| (of, parts.len())), Some(("sales", 2)));
        assert_eq!(policy.rates().map(|(of, rate)| (of, rate.jobs)).collect::<Vec<_>>(), [("sales", 5)]);
        assert_eq!(policies.of(&json!({ "report": "other" })).priority(), Priority::Normal);
        assert!(read("title = 'Sales'").unwrap().is_empty());
    }

    #[test]
    fn each_fault_names_the_file_the_line_and_the_field() {
        for (line, expected) in [
            ("priority = 'urgent'", "sales.toml:2: unknown variant `urgent`"),
            ("retry = { attempts = 0 }", "sales.toml:2: retry.attempts: it is 1 to 20"),
            ("retry = { attempts = 2, most = '5s' }", "sales.toml:2: retry.most: it needs first"),
            ("retry = { first = '5s' }", "sales.toml:2: missing field `attempts`"),
            ("retry = { attempts = 2, first = '5 moons' }", "sales.toml:2: \"5 moons\" is no duration"),
            ("unique = ['user']", "sales.toml:2: \"user\" is none of \"owner\""),
            (
                "unique = ['input.parameters.moth']",
                "sales.toml:2: unique: there is no input.parameters.moth; there are input.parameters.month",
            ),
            ("rate = '10'", "sales.toml:2: \"10\" is no rate"),
            (
                "rate = { limit = '5/m', by = ['input.parameters.x'] }",
                "sales.toml:2: rate: there is no input.parameters.x",
            ),
            ("rate = { limit = '5/m', key = ['owner'] }", "sales.toml:2: unknown field `key`"),
        ] {
            let faults = read(&format!("title = 'Sales'\n{line}\n")).unwrap_err().to_string();
            assert!(faults.contains(expected), "{expected}\n{faults}");
        }
    }
}
