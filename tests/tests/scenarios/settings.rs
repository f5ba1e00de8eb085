//! The example of all settings is what it says: complete, and every default the true one.

use std::{collections::BTreeSet, fmt::Debug};

use backplane::BackplaneConfig;
use gateway::GatewayConfig;
use imports::{DatabaseConfig, ImportsConfig};
use process::{AdminConfig, Environments, Settings, logs::LogConfig, settings::Layers, telemetry::TelemetryConfig};
use reports::ReportsConfig;
use serde::de::DeserializeOwned;
use storage::{FilesConfig, StorageConfig};
use workflows::WorkflowsConfig;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bellwire.example.toml");

fn example() -> Settings {
    // Of this test alone: what the machine has in its variables does not count.
    Settings::read(Layers { file: Some(EXAMPLE.into()), ..Layers::default() }).unwrap()
}

fn is_default<T: DeserializeOwned + Default + Debug>(section: &str) {
    let written: T = example().section(section).unwrap();
    assert_eq!(format!("{written:#?}"), format!("{:#?}", T::default()), "[{section}]");
}

/// The names of a struct's fields, as its derived `Debug` shows them.
fn fields<T: Default + Debug>() -> BTreeSet<String> {
    let shown = format!("{:#?}", T::default());
    let of_struct = shown.lines().filter_map(|line| line.strip_prefix("    ")).filter(|line| !line.starts_with(' '));
    of_struct.filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect()
}

#[test]
fn every_default_in_the_example_is_the_true_one() {
    is_default::<GatewayConfig>("gateway");
    is_default::<ImportsConfig>("imports");
    is_default::<ReportsConfig>("reports");
    is_default::<WorkflowsConfig>("workflows");
    is_default::<AdminConfig>("admin");
    is_default::<FilesConfig>("files");
    is_default::<LogConfig>("log");
    is_default::<TelemetryConfig>("telemetry");
}

#[test]
fn every_setting_is_in_the_example() {
    let sections = [
        ("gateway", fields::<GatewayConfig>()),
        ("imports", fields::<ImportsConfig>()),
        ("reports", fields::<ReportsConfig>()),
        ("workflows", fields::<WorkflowsConfig>()),
        ("admin", fields::<AdminConfig>()),
        ("files", fields::<FilesConfig>()),
        ("log", fields::<LogConfig>()),
        ("telemetry", fields::<TelemetryConfig>()),
    ];
    for (section, fields) in sections {
        assert!(!fields.is_empty());
        // What tests shorten is no setting, and a certificate, which has no default, is shown in a comment.
        for field in fields.into_iter().filter(|field| !["balance", "lost", "tls"].contains(&field.as_str())) {
            assert!(example().has(&format!("{section}.{field}")), "{section}.{field} is not in the example");
        }
    }
}

#[test]
fn what_has_no_default_is_read_by_the_part_that_needs_it() {
    let settings = example();
    settings.section::<BackplaneConfig>("backplane").unwrap();
    settings.section::<StorageConfig>("storage").unwrap();
    settings.section::<DatabaseConfig>("database").unwrap();
    assert_eq!(Environments::read(&settings).unwrap().select(None).unwrap().name.as_str(), "prod");
}
