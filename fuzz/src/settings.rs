use gateway::GatewayConfig;
use imports::ImportsConfig;
use process::{AdminConfig, Settings, logs::LogConfig, settings::Layers};
use reports::ReportsConfig;
use workflows::WorkflowsConfig;

/// Lines of `path=value`, as flags. What cannot be used is said with the setting's name, whatever the value was.
pub fn settings(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    let flags = pairs.map(|(path, value)| (path.to_owned(), value.to_owned())).collect();
    let Ok(settings) = Settings::read(Layers { flags, ..Layers::default() }) else { return };
    let errors = [
        settings.section::<GatewayConfig>("gateway").err(),
        settings.section::<ImportsConfig>("imports").err(),
        settings.section::<ReportsConfig>("reports").err(),
        settings.section::<WorkflowsConfig>("workflows").err(),
        settings.section::<AdminConfig>("admin").err(),
        settings.section::<LogConfig>("log").err(),
    ];
    for error in errors.into_iter().flatten() {
        assert!(error.to_string().contains("BELLWIRE_"), "{error}");
    }
}
