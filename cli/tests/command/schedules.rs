//! `bellwire schedules`, with a gateway of `bellwire dev`.

use std::{
    fs,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::running::{Dev, Folder};

/// A folder with a report that is scheduled for the first of January.
fn scheduled() -> Folder {
    let folder = Folder::with("");
    let reports = folder.0.path().join("reports");
    fs::create_dir(&reports).unwrap();
    fs::write(reports.join("one.sql"), "SELECT 1 AS one").unwrap();
    let schedule = "[[schedule]]\nname = 'yearly'\ncron = '0 6 1 1 *'\ntime_zone = 'Europe/Berlin'\nowner = 'ada'";
    fs::write(reports.join("one.toml"), format!("title = 'One'\nformats = ['csv']\n{schedule}")).unwrap();
    folder
}

#[test]
fn schedules_are_listed_paused_resumed_and_run() {
    let dev = Dev::start_in(scheduled(), &[], &["--set", "reports.definitions=reports"]);
    let token = dev.answer("GET /dev/token?user=ada&env=dev HTTP/1.1", &["host: localhost"]);
    let token = token.split_once(r#""token":""#).unwrap().1.split('"').next().unwrap().to_owned();
    let gateway = format!("http://{}", dev.address());
    let run = |arguments: &[&str]| {
        let arguments = [&["schedules", "--gateway", &gateway][..], arguments].concat();
        let output = dev.folder.bellwire(&arguments).env("TOKEN", &token).output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    // Its worker writes into the catalogue what it has, and a gateway looks there every few seconds.
    let began = Instant::now();
    let list = loop {
        let (list, said) = run(&["list"]);
        if list.contains("reports/one.yearly") {
            break list;
        }
        assert!(began.elapsed() < Duration::from_secs(15), "it is not listed: {list}{said}");
    };
    let line = list.lines().nth(1).unwrap();
    assert!(line.starts_with("reports/one.yearly  ada    0 6 1 1 * Europe/Berlin  "), "{list}");
    assert!(line.contains("-01-01 05:00:00Z  -"), "{list}");
    assert_eq!(run(&["pause", "reports/one.yearly"]).0, "reports/one.yearly is paused\n");
    assert!(run(&["list"]).0.lines().nth(1).unwrap().ends_with("paused by ada"));
    let json: Value = serde_json::from_str(&run(&["list", "--json"]).0).unwrap();
    assert_eq!(json[0]["paused"]["by"], "ada");
    let (task, said) = run(&["run", "reports/one.yearly"]);
    assert_eq!(task.trim().len(), 26, "{task}{said}");
    assert!(run(&["resume", "reports/one.yearly"]).0.starts_with("reports/one.yearly goes on at "));
    let (_, said) = run(&["pause", "reports/two"]);
    assert!(said.ends_with("answers 404: there is no such schedule of yours\n"), "{said}");
    dev.stop();
}
