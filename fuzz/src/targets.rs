//! All targets, each with the inputs that a fuzzer begins with.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{definitions, event, files, http, hub, messages, names, seeds, settings, tokens};

/// A property of any input.
pub struct Target {
    /// Its name, also of its folders in `seeds` and `corpus`.
    pub name: &'static str,
    /// Panics where the property does not hold.
    pub run: fn(&[u8]),
    /// Good inputs.
    pub made: fn() -> Vec<Vec<u8>>,
    /// The inputs that a replay makes of each seed by changing it.
    pub changes: u32,
}

/// All of them. `fuzz/run.sh` reads the names from here.
pub const TARGETS: &[Target] = &[
    target("audience", names::audience, seeds::audiences, 1000),
    target("cursor", names::cursor, seeds::cursors, 1000),
    target("file_key", names::file_key, seeds::file_keys, 1000),
    target("origins", names::origins, seeds::origins, 1000),
    target("settings", settings::settings, seeds::settings, 200),
    target("access_token", tokens::access_token, tokens::access_tokens, 300),
    target("connection_token", tokens::connection_token, tokens::connection_tokens, 1000),
    target("event", event::event, seeds::events, 300),
    target("hub_json", hub::json, hub::json_seeds, 100),
    target("hub_messagepack", hub::messagepack, hub::messagepack_seeds, 100),
    target("job", messages::job, messages::jobs, 500),
    target("control_message", messages::control_message, messages::control_messages, 100),
    target("workflow_expression", definitions::workflow_expression, definitions::expressions, 100),
    target("workflow_definition", definitions::workflow, definitions::workflows, 50),
    target("report_definition", definitions::report, definitions::reports, 50),
    target("import_definition", definitions::import, definitions::imports, 50),
    target("import_csv", files::csv, files::csv_seeds, 50),
    target("import_json_lines", files::json_lines, files::json_lines_seeds, 200),
    target("import_xlsx", files::xlsx, files::xlsx_seeds, 30),
    target("import_gzip", files::gzip, files::gzip_seeds, 200),
    target("import_zstd", files::zstd, files::zstd_seeds, 200),
    target("http_head", http::head, http::heads, 50),
    target("http_events_query", http::events_query, http::events_queries, 50),
    target("http_hub_query", http::hub_query, http::hub_queries, 50),
    target("http_publish", http::publish, http::publishes, 50),
    target("http_task", http::task, http::tasks, 50),
];

const fn target(name: &'static str, run: fn(&[u8]), made: fn() -> Vec<Vec<u8>>, changes: u32) -> Target {
    Target { name, run, made, changes }
}

/// The target of this name.
pub fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

impl Target {
    /// The made seeds, and those in the folder of this target: what a fuzzer has found, mostly.
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        let mut seeds = (self.made)();
        let Ok(entries) = fs::read_dir(folder("seeds").join(self.name)) else { return seeds };
        let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        files.sort();
        seeds.extend(files.iter().map(|file| fs::read(file).expect("a seed can be read")));
        seeds
    }

    /// Lays the seeds into this target's corpus.
    pub fn plant(&self) {
        let corpus = folder("corpus").join(self.name);
        fs::create_dir_all(&corpus).expect("the corpus is a folder of ours");
        for (number, seed) in self.seeds().into_iter().enumerate() {
            fs::write(corpus.join(format!("seed-{number}")), seed).expect("the corpus is a folder of ours");
        }
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
