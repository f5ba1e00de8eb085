//! One tree of settings for all binaries, in layers; each part reads its own section.

use std::{ffi::OsString, path::PathBuf};

use config::{Config, File, FileFormat, Value, ValueKind};
use serde::de::DeserializeOwned;

use crate::{config_error::ConfigError, layers};

/// The known sections; any other is refused, for it is most likely a mistake. Below `functions` each function of a
/// user's own has a section of its kind's name.
const SECTIONS: [&str; 16] = [
    "gateway",
    "backplane",
    "environment",
    "database",
    "storage",
    "files",
    "imports",
    "reports",
    "workflows",
    "delivery",
    "mail",
    "webhook",
    "functions",
    "admin",
    "log",
    "telemetry",
];

/// The sources of settings, the weakest first.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// The file, which must be there.
    pub file: Option<PathBuf>,
    /// The environment variables; those that begin with `BELLWIRE_` and hold a `__` count.
    pub variables: Vec<(OsString, OsString)>,
    /// Flags: dotted paths with values.
    pub flags: Vec<(String, String)>,
}

/// All settings of this process.
#[derive(Clone)]
pub struct Settings {
    tree: Value,
    /// The file that was read; values without an origin are its own.
    file: Option<String>,
    misspelled_variables: Vec<(String, String)>,
}

impl Settings {
    /// Reads the given layers.
    pub fn read(layers: Layers) -> Result<Self, ConfigError> {
        let misspelled_variables = layers::misspelled_variables(&layers.variables, &SECTIONS);
        let mut builder = Config::builder();
        let file = layers::file(layers.file.as_deref())?;
        if let Some((_, text)) = &file {
            builder = builder.add_source(File::from_str(text, FileFormat::Toml));
        }
        for setting in layers::variables(layers.variables)?.into_iter().chain(layers::flags(&layers.flags)?) {
            builder = builder.add_source(setting);
        }
        let tree = builder.build().map_err(|error| ConfigError::source("settings", error))?.cache;
        let settings = Self { tree, file: file.map(|(name, _)| name), misspelled_variables };
        settings.refuse_unknown_sections()?;
        Ok(settings)
    }

    /// A section; settings that are missing have the defaults of `T`.
    pub fn section<T: DeserializeOwned>(&self, name: &str) -> Result<T, ConfigError> {
        self.parse(name, self.find(name).cloned().unwrap_or_else(empty))
    }

    /// A section, with one of the settings in it replaced.
    pub(crate) fn section_with<T: DeserializeOwned>(
        &self,
        name: &str,
        key: &str,
        text: &str,
    ) -> Result<T, ConfigError> {
        let mut section = self.find(name).cloned().unwrap_or_else(empty);
        if let ValueKind::Table(table) = &mut section.kind
            && let Some(value) = table.get_mut(key)
        {
            value.kind = ValueKind::String(text.to_owned());
        }
        self.parse(name, section)
    }

    /// A section that is a list, as `[[environment]]`; empty when there is none.
    pub fn list<T: DeserializeOwned>(&self, name: &str) -> Result<Vec<T>, ConfigError> {
        self.find(name).cloned().map_or_else(|| Ok(Vec::new()), |value| self.parse(name, value))
    }

    /// True if anything is set at or below a path.
    pub fn has(&self, path: &str) -> bool {
        self.find(path).is_some()
    }

    /// An error about one setting, for checks beyond its type.
    pub fn invalid(&self, path: &str, reason: impl std::fmt::Display) -> ConfigError {
        ConfigError::setting(path, self.origin(path).as_deref(), reason)
    }

    /// Variables that seem to lack an underscore, each with the name that was probably meant.
    pub fn misspelled_variables(&self) -> &[(String, String)] {
        &self.misspelled_variables
    }

    fn parse<T: DeserializeOwned>(&self, path: &str, value: Value) -> Result<T, ConfigError> {
        T::deserialize(value).map_err(|error| ConfigError::from_library(error, path, |path| self.origin(path)))
    }

    fn refuse_unknown_sections(&self) -> Result<(), ConfigError> {
        let ValueKind::Table(top) = &self.tree.kind else { return Ok(()) };
        match top.keys().find(|name| !SECTIONS.contains(&name.as_str())) {
            Some(name) => {
                Err(self.invalid(name, format!("there is no such section (there are {})", SECTIONS.join(", "))))
            }
            None => Ok(()),
        }
    }

    fn find(&self, path: &str) -> Option<&Value> {
        let path = path.replace('[', ".").replace(']', "");
        path.split('.').try_fold(&self.tree, |value, segment| match &value.kind {
            ValueKind::Table(table) => table.get(segment),
            ValueKind::Array(array) => array.get(segment.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// The source of a path's value, or of the first value below it.
    fn origin(&self, path: &str) -> Option<String> {
        fn first(value: &Value) -> Option<&str> {
            match &value.kind {
                ValueKind::Table(table) => value.origin().or_else(|| table.values().find_map(first)),
                ValueKind::Array(array) => value.origin().or_else(|| array.iter().find_map(first)),
                _ => value.origin(),
            }
        }
        let value = self.find(path)?;
        first(value).map(str::to_owned).or_else(|| self.file.clone())
    }
}

fn empty() -> Value {
    Value::new(None, ValueKind::Table(config::Map::new()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Gateway {
        #[serde(default = "eight")]
        outbox: u16,
        #[serde(default)]
        open: bool,
        #[serde(default)]
        origins: Vec<String>,
        listen: String,
    }

    fn eight() -> u16 {
        8
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(path, value)| ((*path).to_owned(), (*value).to_owned())).collect()
    }

    fn layers(file: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> (tempfile::TempDir, Layers) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bellwire.toml");
        std::fs::write(&path, file).unwrap();
        let variables = pairs(variables).into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        (folder, Layers { file: Some(path), variables, flags: pairs(flags) })
    }

    fn read(file: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Settings, ConfigError> {
        Settings::read(layers(file, variables, flags).1.clone()).map_err(|error| panic!("{error}"))
    }

    fn gateway(file: &str, variables: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Gateway, String> {
        let (_folder, layers) = layers(file, variables, flags);
        Settings::read(layers).and_then(|settings| settings.section("gateway")).map_err(|error| error.to_string())
    }

    #[test]
    fn flags_win_over_variables_over_the_file_over_defaults() {
        let file = "[gateway]\nlisten = 'file'\noutbox = 1";
        assert_eq!(gateway(file, &[], &[]).unwrap().outbox, 1);
        let variables = [("BELLWIRE_GATEWAY__OUTBOX", "2"), ("BELLWIRE_GATEWAY__OPEN", "true"), ("PATH", "/bin")];
        let read = gateway(file, &variables, &[]).unwrap();
        assert_eq!((read.outbox, read.open, read.listen.as_str()), (2, true, "file"));
        assert_eq!(gateway(file, &variables, &[("gateway.outbox", "3")]).unwrap().outbox, 3);
        assert_eq!(gateway("[gateway]\nlisten = ''", &[], &[]).unwrap().outbox, 8);
    }

    #[test]
    fn a_list_can_be_written_in_variables() {
        let variables = [
            ("BELLWIRE_GATEWAY__ORIGINS__1", "b"),
            ("BELLWIRE_GATEWAY__ORIGINS__0", "a"),
            ("BELLWIRE_GATEWAY__LISTEN", "x"),
        ];
        assert_eq!(gateway("", &variables, &[]).unwrap().origins, ["a", "b"]);
    }

    #[test]
    fn a_wrong_value_is_answered_with_path_variable_layer_and_reason() {
        let (_folder, layers) = layers("[gateway]\nlisten = ''\noutbox = 'many'", &[], &[]);
        let file = layers.file.clone().unwrap();
        let error = Settings::read(layers).unwrap().section::<Gateway>("gateway").unwrap_err().to_string();
        let start = "gateway.outbox (BELLWIRE_GATEWAY__OUTBOX): invalid type: ";
        assert_eq!(error, format!("{start}a text, expected an integer; set by {}", file.display()));

        let variables = [("BELLWIRE_GATEWAY__LISTEN", ""), ("BELLWIRE_GATEWAY__OUTBOX", "70000")];
        let error = gateway("", &variables, &[]).unwrap_err();
        assert!(error.starts_with(start) && error.contains("70000"), "{error}");
        assert!(error.ends_with("set by the variable BELLWIRE_GATEWAY__OUTBOX"), "{error}");

        let error = gateway("", &[], &[("gateway.listen", "x"), ("gateway.open", "perhaps")]).unwrap_err();
        assert!(error.contains("gateway.open (BELLWIRE_GATEWAY__OPEN)"), "{error}");
        assert!(error.ends_with("set by the flag gateway.open"), "{error}");
    }

    #[test]
    fn a_setting_that_is_needed_or_unknown_is_named() {
        let error = gateway("", &[], &[]).unwrap_err();
        assert_eq!(error, "gateway.listen (BELLWIRE_GATEWAY__LISTEN): it has no default and was not set");
        let error = gateway("", &[("BELLWIRE_GATEWAY__LISTN", "x")], &[]).unwrap_err();
        assert!(error.starts_with("gateway.listn (BELLWIRE_GATEWAY__LISTN): there is no such setting"), "{error}");
        assert!(error.contains("`listen`") && error.ends_with("the variable BELLWIRE_GATEWAY__LISTN"), "{error}");
        let error = gateway("[gatway]\nlisten = ''", &[], &[]).unwrap_err();
        assert!(error.starts_with("gatway (BELLWIRE_GATWAY): there is no such section"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_toml_is_answered_with_its_line_and_never_with_its_text() {
        let error = gateway("[gateway]\nlisten = \"hunter2", &[], &[]).unwrap_err();
        assert!(error.contains("bellwire.toml, line 2: "), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        let error = gateway("backplane = 'amqp://user:hunter2@host'\n[gateway]\nlisten = ''", &[], &[]);
        assert!(error.is_ok());
        let settings = read("backplane = 'amqp://user:hunter2@host'", &[], &[]).unwrap();
        let error = settings.section::<Gateway>("backplane").unwrap_err().to_string();
        assert!(error.starts_with("backplane (BELLWIRE_BACKPLANE): ") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn a_file_that_was_named_must_be_there() {
        let layers = Layers { file: Some("/nowhere/x.toml".into()), ..Layers::default() };
        let error = Settings::read(layers).err().unwrap().to_string();
        assert!(error.starts_with("/nowhere/x.toml: the settings file cannot be read: "), "{error}");
    }

    #[test]
    fn a_place_that_is_no_place_is_refused() {
        for name in ["BELLWIRE_ENVIRONMENT__4000000000__NAME", "BELLWIRE_0__X", "BELLWIRE_GATEWAY__", "BELLWIRE____X"] {
            let error = gateway("", &[(name, "x")], &[]).unwrap_err();
            assert!(error.starts_with(&format!("the variable {name}: ")), "{error}");
        }
        assert!(gateway("", &[], &[("gateway..x", "x")]).unwrap_err().contains("no path of a setting"));
    }

    #[test]
    fn a_variable_that_lacks_an_underscore_is_noticed_and_what_others_set_is_not() {
        let variables = [
            ("BELLWIRE_BACKPLANE_URL", "x"),
            ("BELLWIRE_TEST_AMQP_URL", "x"),
            ("BELLWIRE_GATEWAY_SERVICE_HOST", "x"),
            ("BELLWIRE_GATEWAY_PORT_8080_TCP", "x"),
        ];
        let settings = read("", &variables, &[]).unwrap();
        assert_eq!(settings.misspelled_variables(), pairs(&[("BELLWIRE_BACKPLANE_URL", "BELLWIRE_BACKPLANE__URL")]));
    }
}
